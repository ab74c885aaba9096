"""`stamina-bench ...`: parse, call, print. stdout carries data, stderr progress. `--help` imports no torch."""

from __future__ import annotations

import json
import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table as RichTable

from harness.errors import BenchError, ExitCode, UsageError, nearest

EPILOG = "Exit codes: 0 done, 1 cells failed, 2 usage, 3 regression, 130 interrupted."

app = typer.Typer(
    name="stamina-bench", no_args_is_help=True, epilog=EPILOG, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Benchmark of continual customization of text-to-image diffusion models: STAMINA and its baselines.",
)  # fmt: skip
err = Console(stderr=True, highlight=False)
out = Console(highlight=False)

# options that several commands have
Backbone = Annotated[
    str | None,
    typer.Option(help="A Stable Diffusion folder or hub id, instead of the tier's.", envvar="STAMINA_BENCH_BACKBONE"),
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda or cuda:N; auto is the tier's choice.", envvar="STAMINA_BENCH_DEVICE")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, help="Worker processes; default one per core or GPU.", envvar="STAMINA_BENCH_JOBS"
    ),
]
Seeds = Annotated[str, typer.Option(help="Comma-separated run seeds.", envvar="STAMINA_BENCH_SEEDS")]
Offline = Annotated[
    bool, typer.Option("--offline/--no-offline", help="Never download (default), or fetch a named hub id.")
]


class Format(StrEnum):
    """What `report` writes."""

    ALL = "all"
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    PAPER = "paper"
    REFERENCE = "reference"


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"stamina-bench {version('stamina-bench')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", envvar="STAMINA_BENCH_DEBUG")] = False,
) -> None:
    """Options before the command."""


def _read_config(context: typer.Context, value: Path | None) -> Path | None:
    """Make a YAML file's values the defaults of the command's options: below the command line and the environment."""
    if value is None:
        return None
    try:
        content: Any = yaml.safe_load(value.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--config {value} cannot be read as YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(content, dict):
        raise UsageError(f"--config {value} must hold option: value lines.")
    if "spec" in content and "cells" in content:  # the file that a run leaves beside its results
        try:
            content = _defaults_from_spec(content["spec"])
        except (KeyError, TypeError, AttributeError):
            raise UsageError(f"--config {value} is not a run's file; give option: value lines.") from None
    known = {p.name for p in context.command.params if p.name}
    defaults: dict[str, Any] = {}
    for key, entry in content.items():
        name = {"set": "changes", "output-dir": "output"}.get(str(key), str(key).replace("-", "_"))
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known))}."
            raise UsageError(f"--config {value}: unknown key '{key}'; {hint}")
        if name == "changes":
            defaults[name] = entry if isinstance(entry, list) else [str(entry)]
        else:
            defaults[name] = ",".join(map(str, entry)) if isinstance(entry, list) else entry
    context.default_map = {**(context.default_map or {}), **defaults}
    return value


def _defaults_from_spec(spec: dict[str, Any]) -> dict[str, Any]:
    changes = [f"{m['name']}.{k}={json.dumps(v)}" for m in spec["methods"] for k, v in m["changes"].items()]
    taken = {"methods", "tasks", "sampling", "output"}
    rest = {k: v for k, v in spec.items() if k not in taken and v is not None}
    if spec.get("tasks"):
        rest["tasks"] = f"1-{len(spec['tasks'])}"
    changes += [f"sampling.{k}={json.dumps(v)}" for k, v in spec["sampling"].items()]
    return {**rest, "methods": [m["name"] for m in spec["methods"]], "output": spec["output"], "changes": changes}


def _integers(text: str, option: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        raise UsageError(f"{option} '{text}' is not a list of integers such as 0,1,2.") from None


def _seeds(text: str) -> tuple[int, ...]:
    seeds = _integers(text, "--seeds")
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UsageError(f"--seeds '{text}' must be distinct, non-negative integers.")
    return seeds


@app.command("run", epilog=EPILOG)
def run_command(
    benchmark: Annotated[
        str, typer.Argument(help="A benchmark's name, or a folder of photographs: one sub-folder per concept.")
    ],
    methods: Annotated[
        str, typer.Option("--methods", "-m", help="Comma-separated names, or 'all'.", envvar="STAMINA_BENCH_METHODS")
    ] = "stamina,clora,ti++",
    seeds: Seeds = "0",
    tier: Annotated[
        str,
        typer.Option(help="Scale: mini (embedded, CPU) or paper (Stable Diffusion, GPU).", envvar="STAMINA_BENCH_TIER"),
    ] = "mini",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N tasks; results are marked partial.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks to run, 1-N; results are marked partial.")] = None,
    backbone: Backbone = None,
    extractor: Annotated[
        str | None,
        typer.Option(help="An open_clip folder or 'architecture/pretrained' for the metrics, instead of the tier's."),
    ] = None,
    device: Device = "auto",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.", envvar="STAMINA_BENCH_DTYPE")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Results folder.", envvar="STAMINA_BENCH_OUTPUT_DIR")
    ] = Path("runs"),
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="[METHOD.]KEY=VALUE", help="Change a method's option, or sampling.KEY; may be repeated."
        ),
    ] = None,
    jobs: Jobs = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="After a failure, finish the other cells.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, its cost in time and disk, and stop.")
    ] = False,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the table.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result rows as JSON instead of the table.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-C",
            callback=_read_config,
            is_eager=True,
            help="YAML with any of these options; a run's own file works.",
        ),
    ] = None,
) -> None:
    """Run methods on a benchmark, one concept after another; the same command again resumes, or does nothing."""
    from harness import api
    from harness.assignments import method_specs, sampling_changes
    from harness.recorded import read_cells, record
    from harness.spec import RunSpec, parse_tasks

    listed = list(changes or [])
    if dtype is not None and dtype not in ("float32", "bfloat16", "float16"):
        raise UsageError(f"Unknown --dtype '{dtype}'; use float32, bfloat16 or float16.")
    if limit is not None and tasks is not None:
        raise UsageError("Give --limit or --tasks, not both.")
    seed_values = _seeds(seeds)
    found = api.find_benchmark(benchmark, _known_tier(tier))
    total = len(found.tasks(tier))
    chosen = parse_tasks(tasks, total) if tasks else tuple(range(1, min(limit, total) + 1)) if limit else None
    spec = RunSpec(
        benchmark=benchmark, methods=method_specs(methods, listed), tier=tier, seeds=seed_values, backbone=backbone,
        extractor=extractor, device=device, dtype=dtype, tasks=chosen, sampling=sampling_changes(listed), output=output,
        jobs=jobs, keep_going=keep_going, offline=offline,
    )  # fmt: skip
    prepared = api.prepare(spec, found)
    if dry_run:
        _print_plan(prepared)
        return
    run_file = record(prepared.spec, prepared.plan)
    code = ExitCode.DONE
    if prepared.progress.pending:
        code = _work(prepared, device, quiet)
    else:
        count = len(prepared.plan.steps)
        err.print(f"Nothing to do: all {count} steps are in {prepared.store.root}.", markup=False, soft_wrap=True)
    cells = read_cells(output, run_file)
    if as_json:
        from reports.frame import tidy, to_json

        sys.stdout.write(to_json(tidy(cells)))
    elif cells:
        _print_tables(cells)
    if not quiet and cells:
        err.print(
            f"Configuration and cells: {run_file}. Tables, figures and grids: stamina-bench report {output}",
            soft_wrap=True,
        )
    raise typer.Exit(int(code))


def _known_tier(tier: str) -> str:
    from harness import registry

    return registry.tiers().get(tier).name


def _work(prepared: Any, device: str, quiet: bool) -> ExitCode:
    from harness import api
    from harness.display import make_display
    from harness.executors.local import LocalExecutor
    from harness.runner import default_jobs, run

    setting, spec = prepared.plan.setting, prepared.spec
    slots = api.device_slots(device, setting.device_type)
    executor = LocalExecutor(setting, prepared.store.root, slots, spec.jobs or default_jobs(slots))
    prepared.store.sweep()
    display = make_display(err, quiet=quiet)
    prepared.store.damaged = display.note
    try:
        outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=spec.keep_going)
    except KeyboardInterrupt:
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    for label, message in outcome.failed.items():
        err.print(f"{label} did not finish: {message}", markup=False, soft_wrap=True)
    return ExitCode.CELLS_FAILED if outcome.failed else ExitCode.DONE


def _print_tables(cells: Any) -> None:
    from reports.tables import build_tables, to_text

    for table in build_tables(cells):
        typer.echo(to_text(table))


def _print_plan(prepared: Any) -> None:
    from harness.estimate import estimate

    plan, progress = prepared.plan, prepared.progress
    table = RichTable(title=f"{len(plan.cells)} cells, {len(plan.steps)} steps", title_justify="left")
    for column in ("step", "cached", "pending"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for kind in dict.fromkeys(step.kind for step in plan.steps.values()):
        counts = [sum(step.kind == kind for step in part) for part in (progress.cached, progress.pending)]
        table.add_row(kind, *map(str, counts))
    out.print(table)
    cost = estimate(prepared)
    setting = plan.setting
    out.print(f"backbone {setting.backbone_name}, {setting.device_type}, {setting.dtype}", markup=False)
    out.print(
        f"about {cost.seconds / 60:.1f} min on {cost.jobs} workers, {cost.megabytes:.0f} MB of disk ({cost.basis})"
    )


@app.command("report", epilog=EPILOG)
def report_command(
    runs: Annotated[
        Path,
        typer.Argument(
            help="Results folder of one or more runs, or of reference results (with --format paper).",
            envvar="STAMINA_BENCH_OUTPUT_DIR",
        ),
    ] = Path("runs"),
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="all writes every table, figure and grid into a folder; paper: the paper's tables with both figures; "
            "reference: adds the cells to a folder of reference results.",
        ),
    ] = Format.ALL,
    target: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write (paper: .tex for LaTeX), or folder with --format all (default RUNS/report) or "
            "reference (default reference/TIER).",
        ),
    ] = None,
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
) -> None:
    """Make tables, curves and grids of everything finished in a results folder. Reads the store only."""
    from harness.recorded import read_cells
    from reports.frame import tidy, to_json
    from reports.measured import full_rows
    from reports.reference import is_reference
    from reports.tables import build_tables, to_csv, to_latex_document, to_markdown, to_text
    from reports.write import write_report

    if not runs.is_dir():
        raise UsageError(f"{runs} is not a results folder; name the one given to `run` with --output-dir.")
    if is_reference(runs):
        _report_reference(runs, form, target, benchmark)
        return
    cells = read_cells(runs)
    if benchmark is not None:
        names = {c.benchmark for c in cells}
        if benchmark not in names:
            raise UsageError(
                f"{runs} holds nothing of benchmark '{benchmark}'; it has: {', '.join(sorted(names)) or 'none'}."
            )
        cells = [c for c in cells if c.benchmark == benchmark]
    if not cells:
        raise UsageError(f"No cell in {runs} is finished; run its command again.")
    if form is Format.ALL:
        written = write_report(cells, target or runs / "report")
        _print_tables(cells)
        err.print(f"{len(written)} files in {target or runs / 'report'}", soft_wrap=True)
        return
    if form is Format.REFERENCE:
        _write_reference(cells, target)
        return
    tables = build_tables(cells)
    text = {
        Format.TEXT: lambda: "\n\n".join(map(to_text, tables)),
        Format.JSON: lambda: to_json(tidy(cells)),
        Format.MARKDOWN: lambda: "\n\n".join(map(to_markdown, tables)),
        Format.LATEX: lambda: to_latex_document(tables),
        Format.CSV: lambda: "\n".join(map(to_csv, tables)),
        Format.PAPER: lambda: _paper(*full_rows(cells), target),
    }[form]()
    _write_text(text, target)


def _report_reference(folder: Path, form: Format, target: Path | None, benchmark: str | None) -> None:
    from reports.reference import read_protocol, read_reference

    if form is not Format.PAPER:
        raise UsageError(f"{folder} holds reference results; only --format paper reads them.")
    rows = read_reference(folder)
    names = sorted({row.benchmark for row in rows})
    if benchmark is not None and benchmark not in names:
        raise UsageError(f"{folder} holds nothing of benchmark '{benchmark}'; it has: {', '.join(names)}.")
    chosen = [row for row in rows if benchmark in (None, row.benchmark)]
    _write_text(_paper(chosen, read_protocol(folder).protocols, target), target)


def _write_reference(cells: Any, target: Path | None) -> None:
    from reports.reference import write_reference

    for tier in sorted({cell.tier for cell in cells}):
        chosen = cells if target else [cell for cell in cells if cell.tier == tier]
        folder = target or Path("reference") / tier
        files = write_reference(chosen, folder)
        err.print(f"{len(chosen)} cells in {len(files)} files of {folder}", markup=False, soft_wrap=True)


def _paper(rows: Any, protocols: Any, target: Path | None) -> str:
    from reports.paper import paper_sheets, to_latex, to_markdown

    render = to_latex if target is not None and target.suffix == ".tex" else to_markdown
    return render(paper_sheets(rows, protocols))


def _write_text(text: str, target: Path | None) -> None:
    from harness.store import write_atomically

    text = text if text.endswith("\n") else text + "\n"
    if target is None:
        sys.stdout.write(text)
        return
    try:
        write_atomically(target, text)
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({(error.strerror or str(error)).lower()}).") from None


@app.command("list", epilog=EPILOG)
def list_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List benchmarks, methods and tiers, and where each comes from."""
    from harness import registry

    kinds: dict[str, registry.Registry[Any]] = {
        "benchmark": registry.benchmarks(),
        "method": registry.methods(),
        "tier": registry.tiers(),
    }
    found = [
        {"kind": kind, "name": name, "summary": r.get(name).summary, "origin": r.origin(name)}
        for kind, r in kinds.items()
        for name in r.names()
    ]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    table = RichTable()
    for column in ("kind", "name", "summary", "origin"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*row.values())
    out.print(table)


@app.command("show", epilog=EPILOG)
def show_command(
    method: Annotated[str, typer.Argument(help="A method's name, or package.module:ClassName.")],
    tier: Annotated[str, typer.Option(help="Scale whose defaults to show.", envvar="STAMINA_BENCH_TIER")] = "mini",
    backbone: Annotated[
        str, typer.Option(help="Where to count parameters: sd-1.4 (its true architecture), or a pipeline folder.")
    ] = "sd-1.4",
    params: Annotated[
        bool, typer.Option("--params/--no-params", help="Count the parameters that a task trains; needs torch.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a method: what it trains, its loss, its options and where their defaults come from, and N_param."""
    from harness.show import as_table, counted, method_card

    card = method_card(method, tier)
    if not as_json:
        out.print(as_table(card))
    figures = counted(method, backbone, _note) if params else None
    if as_json:
        typer.echo(json.dumps({**card.model_dump(mode="json"), "parameters": figures}, indent=1, ensure_ascii=False))
    elif figures is not None:
        trained, total, share = (figures[key] for key in ("trained", "unet", "n_param"))
        text = f"{share:.2f} % ({trained:,} of {total:,} parameters), with the paper tier's options"
        out.print(f"N_param on {backbone}: {text}", markup=False, soft_wrap=True)


@app.command("params", epilog=EPILOG)
def params_command(
    backbone: Annotated[
        str, typer.Option(help="sd-1.4 (its true architecture, without weights), or a pipeline folder.")
    ] = "sd-1.4",
    methods: Annotated[str, typer.Option("--methods", "-m", help="Comma-separated names, or 'all'.")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print N_param: the share of the U-Net that each method trains in one task."""
    from harness.parameters import count_parameters

    rows = count_parameters(backbone, methods)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = RichTable(title=f"Parameters trained per task, in % of the U-Net of {backbone}", title_justify="left")
    for column in ("method", "parameters", "N_param (%)"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        table.add_row(row["method"], f"{row['parameters']:,}", f"{row['n_param']:.2f}")
    out.print(table)


@app.command("tune", epilog=EPILOG)
def tune_command(
    methods: Annotated[str, typer.Argument(help="Comma-separated names, or 'all'.")],
    tier: Annotated[str, typer.Option(help="Scale at which to tune.", envvar="STAMINA_BENCH_TIER")] = "mini",
    benchmark: Annotated[
        str, typer.Option("--benchmark", "-b", help="A benchmark made for tuning, or a folder of photographs.")
    ] = "tuning18",
    budget: Annotated[
        int | None, typer.Option(min=1, help="Settings to try of each method; default 9 of 36.", show_default=False)
    ] = None,
    seeds: Seeds = "0",
    backbone: Backbone = None,
    device: Device = "auto",
    output: Annotated[
        Path,
        typer.Option(
            "--output-dir", "-o", help="Results folder; shared with `run`.", envvar="STAMINA_BENCH_OUTPUT_DIR"
        ),
    ] = Path("runs"),
    record: Annotated[
        Path | None,
        typer.Option(help="Folder, or .json file of one method, for the record (default OUTPUT_DIR/tuning/TIER)."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="[METHOD.]KEY=VALUE", help="Fix an option, or sampling.KEY; may be repeated."),
    ] = None,
    jobs: Jobs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the search spaces and the budget, and stop.")
    ] = False,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON instead of the tables.")] = False,
) -> None:
    """Choose methods' options on a tuning sequence, with the same budget for each; the same command again resumes."""
    from harness import tuning
    from harness.assignments import method_specs, sampling_changes
    from harness.display import make_display
    from harness.spec import RunSpec

    listed = list(changes or [])
    methods = ",".join(tuning.searchable()) if methods == "all" else methods
    spec = RunSpec(
        benchmark=benchmark, methods=method_specs(methods, listed), tier=_known_tier(tier), seeds=_seeds(seeds),
        backbone=backbone, device=device, sampling=sampling_changes(listed), output=output, jobs=jobs,
        keep_going=True, offline=offline,
    )  # fmt: skip
    trials = tuning.BUDGET if budget is None else budget
    records = tuning.outline(spec, trials)
    for r in records:
        if r.space_size != tuning.SPACE:
            _note(f"{r.method}: {r.space_size} settings in its search space; the built-in methods have {tuning.SPACE}.")
    if not dry_run:
        try:
            records = tuning.tune(spec, trials, display=lambda: make_display(err, quiet=quiet), record=record)
        except KeyboardInterrupt:
            raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    if as_json:
        typer.echo(json.dumps([json.loads(r.json_text()) for r in records], indent=1, ensure_ascii=False))
    else:
        for r in records:
            (_print_space if dry_run else _print_trials)(r)
    if dry_run:
        return
    for r in records:
        for option in r.at_edge:
            _note(f"{r.method}: {option} is best at the edge of its range.")
        if r.chosen is None:
            _note(f"{r.method}: every trial failed; the first with: {r.trials[0].error}")
    if not quiet:
        for path in tuning.record_paths(spec, record).values():
            _note(f"Record: {path}")
    raise typer.Exit(int(ExitCode.DONE if all(r.chosen for r in records) else ExitCode.CELLS_FAILED))


def _note(text: str) -> None:
    err.print(text, markup=False, soft_wrap=True)


def _print_space(record: Any) -> None:
    from harness.tuning import as_text

    title = f"{record.method}: {min(record.budget, record.space_size)} of {record.space_size} settings"
    table = RichTable("option", "values", title=title, title_justify="left")
    for option, values in record.space.items():
        table.add_row(option, ", ".join(map(as_text, values)))
    for option, value in record.fixed.items():
        table.add_row(option, f"{as_text(value)} (fixed)")
    out.print(table)


def _print_trials(record: Any) -> None:
    from harness.tuning import as_text

    title = f"{record.method} on {record.benchmark}: {len(record.trials)} of {record.space_size} settings"
    table = RichTable(*record.space, title=title, title_justify="left", caption="* chosen", caption_justify="left")
    for column in ("tasks", "A_mmd", "F_mmd", ""):
        table.add_column(column, justify="right" if column else "left")
    for tasks, trials in ((record.short_tasks, record.trials), (record.tasks, record.finals)):
        for trial in trials:
            figures = ["failed" if v is None else f"{v:.1f}" for v in (trial.a_mmd, trial.f_mmd)]
            mark = "*" if trial.setting == record.chosen else ""
            table.add_row(*map(as_text, trial.setting.values()), str(tasks), *figures, mark)
    out.print(table)
    if record.chosen is not None:
        words = [f"--set {shlex.quote(f'{record.method}.{k}={as_text(v)}')}" for k, v in record.chosen.items()]
        out.print(" ".join(words), markup=False, soft_wrap=True)


def main() -> None:
    """The console script: one line on stderr for what the user can mend, the documented exit code."""
    debug = "--debug" in sys.argv or bool(os.environ.get("STAMINA_BENCH_DEBUG"))
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
    code: Any = ExitCode.INTERRUPTED
    try:
        code = app(standalone_mode=False)
    except BenchError as error:
        if debug:
            raise
        _complain(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        pass
    except Exception as error:
        tell = getattr(error, "format_message", None)  # the parser's own errors, whichever click typer brings along
        if tell is not None:
            _complain(" ".join(tell().split()))
            sys.exit(int(ExitCode.USAGE))
        if debug:
            raise
        _complain(f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (--debug shows where).")
        code = ExitCode.CELLS_FAILED
    if code == ExitCode.INTERRUPTED:
        command = shlex.join(["stamina-bench", *sys.argv[1:]])
        err.print(f"Interrupted; everything finished is kept. To go on: {command}", markup=False, soft_wrap=True)
    sys.exit(int(code or 0))


def _complain(message: str) -> None:
    err.print(f"stamina-bench: {message}", markup=False, soft_wrap=True)
