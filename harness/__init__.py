"""The engine, and its public names for Python; `import stamina_bench as sb` has all of them, with `plan` and `parts`.

Nothing is imported before it is asked for (PEP 562), not even of the standard library: `python -m harness` has the
current folder on its import path at first. See docs/python.md.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from harness.api import Prepared, prepare
    from harness.authoring.method_check import Checked, check
    from harness.authoring.metric_check import CheckedMetric, check_metric
    from harness.backbones.adapters import Adapter, attach
    from harness.errors import (
        BenchError,
        CellsFailedError,
        LibraryError,
        MachineError,
        OutOfMemoryError,
        PluginError,
        StoreError,
        UncountedSourceWarning,
        UnwritableError,
        UsageError,
    )
    from harness.front.catalogue import list_benchmarks, list_methods, list_metrics
    from harness.front.front_door import run
    from harness.front.run_plan import RunPlan
    from harness.method import Batch, Method, Profile
    from harness.metric import Metric, TaskImages
    from harness.spec import Benchmark, ClassOptions, MethodOptions, MethodSpec, RunSpec, Task
    from harness.tracker import Tracker
    from reports.compare.runs import Comparison
    from reports.run_results import Results, compare, load_results

__all__ = [
    "Adapter", "Batch", "BenchError", "Benchmark", "CellsFailedError", "Checked", "CheckedMetric",
    "ClassOptions", "Comparison",
    "LibraryError", "MachineError", "Method", "MethodOptions", "MethodSpec", "Metric", "OutOfMemoryError",
    "PluginError", "Prepared", "Profile", "Results", "RunPlan", "RunSpec", "StoreError", "Task", "TaskImages",
    "Tracker", "UncountedSourceWarning", "UnwritableError", "UsageError", "attach", "check", "check_metric", "compare",
    "list_benchmarks", "list_methods", "list_metrics", "load_results", "prepare", "run",
]  # fmt: skip

HOME = {
    "Adapter": "harness.backbones.adapters", "attach": "harness.backbones.adapters",
    "Batch": "harness.method", "Method": "harness.method", "Profile": "harness.method",
    "Benchmark": "harness.spec", "ClassOptions": "harness.spec", "MethodOptions": "harness.spec",
    "MethodSpec": "harness.spec", "RunSpec": "harness.spec", "Task": "harness.spec",
    "run": "harness.front.front_door", "RunPlan": "harness.front.run_plan",
    "check": "harness.authoring.method_check", "Checked": "harness.authoring.method_check",
    "check_metric": "harness.authoring.metric_check", "CheckedMetric": "harness.authoring.metric_check",
    "prepare": "harness.api", "Prepared": "harness.api",
    "list_benchmarks": "harness.front.catalogue", "list_methods": "harness.front.catalogue",
    "list_metrics": "harness.front.catalogue", "Metric": "harness.metric", "TaskImages": "harness.metric",
    "Tracker": "harness.tracker",
    "Results": "reports.run_results", "compare": "reports.run_results", "load_results": "reports.run_results",
    "Comparison": "reports.compare.runs",
    **dict.fromkeys(
        ("BenchError", "CellsFailedError", "LibraryError", "MachineError", "OutOfMemoryError", "PluginError",
         "StoreError", "UncountedSourceWarning", "UnwritableError", "UsageError"), "harness.errors",
    ),
}  # fmt: skip


def __getattr__(name: str) -> "Any":
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    import harness.sources.import_path  # noqa: F401  (this program's packages from beside each other)

    found = getattr(import_module(HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
