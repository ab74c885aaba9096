"""`python -m harness`: the command `stamina-bench`.

Python itself looks for `harness` in the current folder first; `python -m stamina_bench` has a name of its own.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # `python -m` puts the current folder there, even before the standard library

from stamina_bench import main

main()
