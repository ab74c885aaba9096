"""`stamina-bench resume` and `score`: on with what was begun, and figures anew from what was made."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.app import EPILOG, Executor, Jobs, LeftOut, Metrics, Slurm, Wait, app, note
from harness.cli.photos import tell_beforehand
from harness.cli.run import carry_out
from harness.errors import ExitCode, MachineError, UsageError
from harness.formats.figure_text import counted

Runs = Annotated[Path, typer.Argument(help="Results folder of one or more runs.", envvar="STAMINA_BENCH_OUTPUT_DIR")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the tables.")]


@app.command("resume", epilog=EPILOG)
def resume_command(
    runs: Runs = Path("runs"),
    device: Annotated[str | None, typer.Option("--device", "--devices", help="Other devices than asked for.")] = None,
    jobs: Jobs = None,
    executor: Executor = "local",
    slurm: Slurm = "",
    wait: Wait = False,
    quiet: Quiet = False,
) -> None:
    """Go on with every run of a results folder that is not finished, as it was asked for."""
    from harness.cli.cluster import device_there, slurm_options

    code = ExitCode.DONE
    found = False
    left_out = LeftOut()
    options = slurm_options(executor, slurm, wait=wait)
    if options is not None:
        device = device_there(device or "auto", options)
    changes: dict[str, Any] = {"device": device} if device is not None else {}
    changes["jobs"] = jobs
    for path, prepared in _prepared(runs, left_out, elsewhere=options is not None, resuming=True, **changes):
        if prepared.progress.pending:
            found = True
            note(
                f"Resuming {path.name}: {len(prepared.progress.pending)} of "
                f"{counted(len(prepared.plan.steps), 'step')} to go."
            )
            tell_beforehand(prepared, quiet=quiet)
            done = carry_out(prepared, quiet=quiet, as_json=False, options=options, wait=wait)
            code = max(code, done)
    if not found:
        others = "every other run" if left_out.code else "every run"
        note(f"Nothing to resume: {others} in {runs} is finished.")
    raise typer.Exit(int(max(code, left_out.code)))


@app.command("score", epilog=EPILOG)
def score_command(
    runs: Runs = Path("runs"),
    extractor: Annotated[
        str | None,
        typer.Option(help="Another open_clip folder or 'architecture/pretrained' for the metrics; recorded with them."),
    ] = None,
    metrics: Metrics = None,
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON instead of tables.")] = False,
) -> None:
    """Make the figures again from what a results folder holds: with this version's metrics, without any training."""
    from harness.front.metric_names import wanted_metrics

    code = ExitCode.DONE
    ready: list[Any] = []
    changes: dict[str, Any] = {"extractor": extractor} if extractor is not None else {}
    changes["jobs"] = jobs
    names: set[str] = set()
    left_out = LeftOut()
    wanted = wanted_metrics(metrics)
    for path, prepared in _prepared(runs, left_out, benchmark=benchmark, metrics=wanted, **changes):
        names |= (own := {cell.benchmark for cell in prepared.plan.cells})
        if benchmark is not None and benchmark not in own:
            continue
        kinds = prepared.plan.setting.step_kinds
        needed = [step for step in prepared.progress.pending if not kinds[step.kind].shown]  # looked at, not scored
        prepared.progress.pending[:] = needed
        missing = Counter(step.kind for step in needed if not kinds[step.kind].scoring)
        if missing:
            what = ", ".join(counted(count, f"{kind} step") for kind, count in missing.items())
            note(f"Left out: {path.name} lacks images or weights ({what}); `resume` makes them.")
            continue
        ready.append(prepared)
    if benchmark is not None and benchmark not in names:
        raise UsageError(f"{runs} holds nothing of benchmark '{benchmark}'; it has: {', '.join(sorted(names))}.")
    if not ready:
        command = shlex.join(["stamina-bench", "resume", str(runs)])
        raise UsageError(f"No run in {runs} has all that figures are made of; finish one with `{command}`.")
    for prepared in ready:
        code = max(code, carry_out(prepared, quiet=quiet, as_json=as_json))
    raise typer.Exit(int(max(code, left_out.code)))


def _prepared(
    runs: Path, left_out: LeftOut, *, elsewhere: bool = False, resuming: bool = False, benchmark: str | None = None,
    metrics: Sequence[str] = (), **changes: Any,
) -> Iterator[tuple[Path, Any]]:  # fmt: skip
    """Each run file with its plan, oldest first; a spec that comes twice counts once.

    A run that cannot be prepared, as its photographs have moved or changed, say, does not keep it from the others.

    Args:
        left_out: is told of such runs. elsewhere: for other machines. benchmark: such runs of others are no matter.
        metrics: measures beside those that were asked for.
        resuming: such runs that are finished are only noted: there is nothing to go on with. changes: to what was
            asked for.

    Raises:
        UsageError: there is no run, or none can be prepared.
    """
    from harness import api, registry
    from harness.records.run_file import described_cells, each_run, finished, read_spec, run_files

    files = run_files(runs)
    if not files:
        raise UsageError(f"{runs} holds no runs; name the folder given to `run` with --output-dir.")
    seen: set[str] = set()

    def prepare(path: Path) -> Any:
        """None: there is nothing to do with it."""
        if "extractor" in changes:
            settings = {cell.setting for cell in described_cells(path)}
            if settings and not any(registry.setting(name).extracts for name in settings):
                return None
        spec = read_spec(path)
        measures = tuple(dict.fromkeys((*spec.metrics, *metrics)))
        spec = spec.model_copy(update={**changes, "output": runs, "metrics": measures})
        if spec.model_dump_json() in seen:
            return None
        try:
            prepared = api.prepare(spec, elsewhere=elsewhere)
            _require_same_images(path, prepared)
            seen.add(spec.model_dump_json())
            return prepared
        except MachineError:
            raise
        except UsageError as error:
            if benchmark is not None and described_cells(path)[0].benchmark != benchmark:
                return None
            if resuming and finished(path):
                note(f"Left out: {path}, which is finished: {error}")
                return None
            raise UsageError(f"{path}: {error}") from error

    measured = False
    for path, prepared in each_run(files, prepare, left_out):
        measured = measured or prepared is not None
        if prepared is not None:
            yield path, prepared
    if "extractor" in changes and not measured:
        raise UsageError(f"--extractor: no run in {runs} is measured with a feature extractor; leave it out.")


def _require_same_images(path: Path, prepared: Any) -> None:
    """Raises `UsageError` if a run's images are others now: going on would be another run."""
    from harness.records.run_file import described_cells

    begun = {cell.content for cell in described_cells(path) if cell.content}
    if begun and begun != {cell.content for cell in prepared.plan.cells}:
        raise UsageError(
            f"the images of '{prepared.spec.benchmark}', or their category words, are no longer those that it was "
            "started with; restore them, or begin anew with `run`."
        )
