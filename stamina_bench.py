"""stamina-bench from Python: `import stamina_bench as sb`; and the command `stamina-bench`, `python -m stamina_bench`.

    import stamina_bench as sb

    results = sb.run("mixed50", methods=["stamina", "clora"], limit=2)
    results.frame

What is public is in `__all__`, each name imported when it is first used, and described in docs/python.md.

This program's packages have common names. Importing this module imports them from where they are installed, so that a
user's own folder `reports/` or `harness/` on the import path is never taken for one of them. Worker processes import it
first.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # `python -m` puts the current folder there, even before the standard library

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness import (
        Adapter,
        Batch,
        BenchError,
        Benchmark,
        CellsFailedError,
        Checked,
        CheckedMetric,
        ClassOptions,
        Comparison,
        LibraryError,
        MachineError,
        Method,
        MethodOptions,
        MethodSpec,
        Metric,
        OutOfMemoryError,
        PluginError,
        Prepared,
        Profile,
        Results,
        RunPlan,
        RunSpec,
        StoreError,
        Task,
        TaskImages,
        Tracker,
        UncountedSourceWarning,
        UnwritableError,
        UsageError,
        attach,
        check,
        check_metric,
        compare,
        list_benchmarks,
        list_methods,
        list_metrics,
        load_results,
        prepare,
        run,
    )
    from harness.executors.job import Work
    from harness.front.front_door import plan
    from methods import parts

__all__ = [
    "Adapter", "Batch", "BenchError", "Benchmark", "CellsFailedError", "Checked", "CheckedMetric",
    "ClassOptions", "Comparison",
    "LibraryError", "MachineError", "Method", "MethodOptions", "MethodSpec", "Metric", "OutOfMemoryError",
    "PluginError", "Prepared", "Profile", "Results", "RunPlan", "RunSpec", "StoreError", "Task", "TaskImages",
    "Tracker", "UncountedSourceWarning", "UnwritableError", "UsageError", "attach", "check", "check_metric", "compare",
    "list_benchmarks", "list_methods", "list_metrics", "load_results", "parts", "plan", "prepare", "run",
]  # fmt: skip

INTERRUPTED = 130  # exit code
_HOME = Path(__file__).parent


def _import_engine() -> None:
    """Import `harness` from beside this file, and by it the other packages (see `harness.sources.import_path`)."""
    file = _HOME / "harness" / "__init__.py"
    loaded = sys.modules.get("harness")
    if loaded is not None:
        place = getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", ())), "a module")
        if Path(place).resolve() != file.resolve():
            raise ImportError(
                f"{place} is imported as 'harness', which is the name of a package of stamina-bench ({file.parent}), "
                "too; give it another name, or uninstall its distribution."
            )
        return
    spec = spec_from_file_location("harness", file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"stamina-bench is not wholly installed: {file} is missing; install it again.")
    sys.modules["harness"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


_import_engine()
from harness.sources.import_path import leave_current_folder  # noqa: E402  (of the package that was just found)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "parts":
        found: Any = import_module("methods.parts")
    elif name == "plan":
        found = import_module("harness.front.front_door").plan
    else:
        found = getattr(import_module("harness"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def job(folder: str, run_file: str, keys: Sequence[str]) -> Work:
    """What a job of a cluster does, taken from its file."""
    from harness.executors.job import Work

    return Work(folder, run_file, keys)


def main() -> None:
    """The console script."""
    leave_current_folder()
    try:
        from harness.cli import main as command
    except Exception:
        from harness.sources.standard_names import in_the_way

        if not (told := in_the_way()):
            raise
        sys.stderr.write(f"Error: {told}\n")
        sys.exit(2)
    try:
        command()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C while processes end changes nothing
        raise


if __name__ == "__main__":
    main()
