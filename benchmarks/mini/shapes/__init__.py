"""The object classes, in the order of their numbers: 40 of the benchmark, then 69 that only pre-training sees.

Importing the package registers them all.
"""

from benchmarks.mini.shapes import benchmark_living, benchmark_things  # isort: split

from benchmarks.mini.shapes import household, living, outdoors

BENCHMARK_MODULES = (benchmark_living, benchmark_things)
MODULES = (*BENCHMARK_MODULES, household, living, outdoors)
