"""A run in one call, for Python: what `import stamina_bench as sb` offers as `sb.run` and `sb.plan`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import prepare
from harness.engine.runner import NOT_FINISHED
from harness.errors import CellsFailedError, UsageError, nearest
from harness.front import running
from harness.front.beforehand import lines_beforehand
from harness.front.config_file import read_options
from harness.front.method_names import Methods, only_here
from harness.front.metric_names import MetricLike
from harness.front.request import make_request
from harness.front.run_plan import RunPlan
from harness.front.tracker_names import TrackerLike, wanted_trackers

if TYPE_CHECKING:
    from harness.api import Prepared
    from harness.engine.display import Display
    from harness.tracker import Tracker
    from reports.run_results import Results

NAMES = {"set": "options", "output_dir": "output", "devices": "device"}  # the command line's -> Python's


def run(
    benchmark: str | Path | None = None,
    methods: Methods | None = None,
    *,
    options: Mapping[str, Any] | Iterable[str] | None = None,
    seeds: int | str | Iterable[int] | None = None,
    limit: int | None = None,
    tasks: int | str | None = None,
    tier: str | None = None,
    order: int | None = None,
    full_matrix: bool | None = None,
    metrics: MetricLike | Sequence[MetricLike] | None = None,
    setting: str | None = None,
    split_into: int | None = None,
    class_order: int | None = None,
    min_side: int | None = None,
    holdout: int | None = None,
    strict: bool | None = None,
    backbone: str | Path | None = None,
    extractor: str | Path | None = None,
    device: str | Sequence[str] | None = None,
    dtype: str | None = None,
    compile: bool | None = None,
    gradient_checkpointing: bool | None = None,
    jobs: int | None = None,
    output: str | Path | None = None,
    keep_going: bool | None = None,
    offline: bool | None = None,
    config: str | Path | None = None,
    quiet: bool | None = None,
    track: str | TrackerLike | Sequence[TrackerLike] | None = None,
) -> Results:
    """Run methods on a benchmark. The same call again resumes, or does nothing but read the results.

    An argument that is left out, or None, is taken from `config`, then from the command line's defaults. Environment
    variables of the command line do not count here.

    Args:
        benchmark: a registered name, or a folder of images with one sub-folder per concept or class.
        methods: a list of names, classes (in a module, or in this notebook), 'module:Class' references, and pairs of
            one of these and its options: ["stamina", MyMethod, ("clora", {"rank": 4})]; or these under names of your
            own: {"wide": ("clora", {"rank": 16})}. 'all' for every method of the setting; by default stamina, clora and
            ti++ (in classification stamina, clora and coda-p).
        options: changed options: {"rank": 4} for every method that has it, {"clora.rank": 4} for one of them,
            {"sampling.images": 8} for the protocol. A list of texts such as "rank=4" is read as the command line's.
        seeds: run seeds; by default 0.
        limit: only the first so many tasks; results are then partial.
        tasks: the same as '1-N'.
        tier: 'mini' (the default) or 'paper'.
        order: 0 keeps the benchmark's order of tasks, 1, 2, ... shuffle them.
        full_matrix: images of every task after every later one.
        metrics: measures beside the setting's own figures: names, classes derived from `Metric`, 'FILE.py:Class'.
        setting: of a folder: 'customization' (the default) or 'classification'.
        split_into: classification of a folder: into how many tasks.
        class_order: classification: one class order for every seed.
        min_side: of a folder: pixels that an image's shorter side needs.
        holdout: of photographs: so many of each concept are kept out of training, and measured against.
        strict: refuse a folder of images of which something is not used, or odd (docs/data.md).
        backbone: a Stable Diffusion folder or hub id instead of the tier's.
        extractor: an open_clip folder or 'architecture/pretrained' for the metrics.
        device: 'auto', 'cpu', 'cuda', 'cuda:1', or a list of devices.
        dtype: 'float32', 'bfloat16' or 'float16'.
        compile: the U-Net through torch.compile.
        gradient_checkpointing: less memory in training, for a second forward pass; the same results.
        jobs: worker processes; by default one per core, or per device listed.
        output: the results folder; by default `runs`.
        keep_going: after a failure, finish the other cells, and return what there is.
        offline: never download, which is the default.
        config: a YAML file with any of these options; a run's own file works.
        quiet: no progress.
        track: programs that keep track of experiments: "tensorboard", "wandb", "mlflow", or a list of names and of
            trackers of your own.

    Returns:
        The finished cells: `.frame`, `.table()`, `.figures()`; `.unfinished` with the reasons, after `keep_going`.

    Raises:
        UsageError: a name, option, value, file or folder cannot be used.
        CellsFailedError: cells failed, without `keep_going`; what is finished is its attribute `results`.
        BenchError: any other thing that the command line would say in one sentence.
        KeyboardInterrupt: on Ctrl-C; everything finished is kept.

    Example:
        >>> import stamina_bench as sb
        >>> results = sb.run("mixed50", methods=["stamina", ("clora", {"rank": 4})], limit=2)
        >>> results.frame.query("metric == 'a_mmd' and task.isna()")[["method", "value"]]
    """
    given = dict(locals())
    asked = _asked(given)
    silent = bool(asked.pop("quiet", False))
    trackers = wanted_trackers(asked.pop("track", None))
    prepared = _prepared(asked)
    return carry_out(prepared, _display(quiet=silent), quiet=silent, trackers=trackers)


def plan(benchmark: str | Path | None = None, methods: Methods | None = None, **options: Any) -> RunPlan:
    """What `run` with the same arguments would do. Nothing is trained.

    Args:
        benchmark: as of `run`.
        methods: as of `run`.
        options: the other arguments of `run`.

    Returns:
        The plan: `.cells`, `.steps`, `.cached`, `.pending`, `.cost`, `.cautions`; its repr says all of it.

    Raises:
        UsageError: a name, option, value, file or folder cannot be used.

    Example:
        >>> import stamina_bench as sb
        >>> sb.plan("mixed50", ["stamina", "clora"], limit=2, seeds=[0, 1])
    """
    bound = inspect.signature(run).bind(benchmark, methods, **options)  # the same TypeError for an unknown name
    asked = _asked(dict(bound.arguments))
    for unused in ("quiet", "track"):
        asked.pop(unused, None)
    return RunPlan(_prepared(asked))


def carry_out(
    prepared: Prepared, display: Display, *, quiet: bool = False, trackers: Mapping[str, Tracker] | None = None
) -> Results:
    """Make what a prepared run lacks, and read its results.

    Args:
        prepared: from `prepare`.
        display: is told of progress, and of all that is to be known.
        quiet: a little less of it.
        trackers: are told, too, under these names.

    Raises:
        CellsFailedError: cells failed, and the run was not asked to keep going.
        BenchError: no work can begin.
    """
    from reports.run_results import Results

    for line in lines_beforehand(prepared, quiet=quiet):
        display.note(line)
    if names := only_here(method.name for method in prepared.spec.methods):
        display.note(f"'{names[0]}' is of this process alone: steps are made in it, one at a time.")
    done = running.carry_out(prepared, display, quiet=quiet, trackers=trackers)
    results = Results(prepared.spec.output, done.cells, running.not_finished(done, prepared), done.run_file)
    if done.outcome.failed and not prepared.spec.keep_going:
        # first a cell that failed itself, then those that were not begun for it
        lines = sorted(running.lines_on_failures(done.outcome), key=lambda line: line.endswith(f": {NOT_FINISHED}"))
        more = f"; {len(lines) - 1} more did not." if len(lines) > 1 else "."
        failure = CellsFailedError(lines[0].rstrip(".") + more, results)
        failure.trace = next(iter(done.outcome.traces.values()), "")
        raise failure
    return results


def _prepared(asked: Mapping[str, Any]) -> Prepared:
    request = make_request(**asked)
    return prepare(request.spec, request.benchmark)


def _asked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, on top of the configuration file's.

    Raises:
        UsageError: no benchmark is named; or the file cannot be read, or holds what Python has no use for.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    config = asked.pop("config", None)
    if config is not None:
        asked = {**_from_file(Path(config)), **asked}
    if "benchmark" not in asked:
        raise UsageError("No benchmark is named; give a name such as 'mixed50', or a folder of images.")
    return asked


def _from_file(path: Path) -> dict[str, Any]:
    known = set(inspect.signature(run).parameters) - {"config"}
    found: dict[str, Any] = {}
    for key, value in read_options(path).items():
        name = str(key).replace("-", "_")
        name = NAMES.get(name, name)
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known))}."
            raise UsageError(f"--config {path}: unknown key '{key}'; {hint}")
        if name == "options" and isinstance(value, str):
            value = [value]
        if value is not None:
            found[name] = value
    return found


def _display(*, quiet: bool) -> Display:
    """What suits where this runs: a live table on a terminal, a bar in Jupyter, plain lines elsewhere."""
    from rich.console import Console

    from harness.engine.display import make_display

    return make_display(Console(stderr=True, highlight=False, emoji=False), quiet=quiet)
