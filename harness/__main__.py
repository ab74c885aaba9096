"""`python -m harness`: the command `stamina-bench`. Python itself looks for `harness` in the current folder first."""

from harness.import_path import leave_current_folder

leave_current_folder()

from stamina_bench import main  # noqa: E402  (only now is the import path as it should be)

main()
