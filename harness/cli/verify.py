"""`stamina-bench verify`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, Device, Jobs, Offline, Output, app, note, out
from harness.cli.report import check_writable, write_text
from harness.cli.run import make_pending
from harness.errors import ExitCode, UsageError, presentable
from harness.formats.figure_text import counted
from harness.front.option_values import known_tier, parse_seeds

BASELINE = Path("reference/verify-mini.json")
HEAD = ("method", "figure", "baseline", "now", "difference", "tolerance", "verdict")
STYLES = {"regression": "bold red", "changed": "bold red", "missing": "red", "improved": "yellow", "equal": "dim"}
SHOWN = 3  # differences that an error names


@app.command("verify", epilog=EPILOG)
def verify_command(
    against: Annotated[Path, typer.Option(help="The baseline file.")] = BASELINE,
    update: Annotated[bool, typer.Option("--update", help="Make the baseline, or renew it, instead.")] = False,
    benchmark: Annotated[
        str | None, typer.Option("--benchmark", "-b", help="With --update: a benchmark's name (default mixed50).")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option("--methods", "-m", help="With --update: comma-separated names (default stamina,clora,ti++)."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="With --update: only the first N tasks (default 2).", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="The baseline's first seeds, such as 0,1. With --update: two or more (default 0 to 4)."),
    ] = None,
    tier: Annotated[str | None, typer.Option(help="With --update: scale (default mini).")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="[METHOD.]KEY=VALUE", help="With --update: change an option, or sampling.KEY; repeatable."
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="With --update: measures beside the setting's own, as `run` takes them."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Where the backbone lies on this machine; its content must be the baseline's.")
    ] = None,
    extractor: Annotated[
        str | None, typer.Option(help="Where the metrics' extractor lies; its content must be the baseline's.")
    ] = None,
    device: Device = "auto",
    output: Output = Path("runs"),
    jobs: Jobs = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on improvements, too, so that the baseline is renewed.")
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Perturb each figure by its tolerance, and see that it is noticed.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML into this file.")] = None,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Run a small subset and compare it with a baseline: exit code 3 if a figure is worse beyond its tolerance."""
    from harness.regression.baseline import first_seeds, read_baseline

    given = {
        "--benchmark": benchmark, "--methods": methods, "--limit": limit, "--seeds": seeds, "--tier": tier,
        "--set": changes or None, "--metrics": metrics,
    }  # fmt: skip
    settings = {"device": device, "output": output, "jobs": jobs, "keep_going": True, "offline": offline}
    places = {"backbone": backbone, "extractor": extractor}
    if update:
        if strict or junit is not None:
            raise UsageError(f"{'--strict' if strict else '--junit'} belongs to a check; leave it out with --update.")
        old = read_baseline(against) if against.exists() else None
        check_writable(against)
        subset = _subset(old.subset if old is not None else None, {**given, **places})
        prepared = _prepare(subset, against, {**settings, **places})
        _update(against, old, subset, prepared, quiet=quiet, as_json=as_json, self_test=self_test)
        return
    for option, value in given.items():
        if value is not None and option != "--seeds":
            raise UsageError(f"{option} goes with --update; else what to run stands in the baseline, {against}.")
    baseline = read_baseline(against)
    if seeds is not None:
        baseline = first_seeds(baseline, parse_seeds(seeds))
    if device == "auto":
        settings["device"] = baseline.conditions.device
    if junit is not None:
        check_writable(junit)
    prepared = _prepare(baseline.subset, against, {**settings, **places})
    _check(against, baseline, prepared, quiet=quiet, as_json=as_json, self_test=self_test, strict=strict, junit=junit)


def _check(
    against: Path, baseline: Any, prepared: Any, *, quiet: bool, as_json: bool, self_test: bool, strict: bool,
    junit: Path | None,
) -> None:  # fmt: skip
    from harness.regression import check
    from harness.regression.baseline import figures_of, protocol_of

    if other := check.differences(baseline.conditions, check.conditions_of(prepared)):
        raise _refusal(against, other)
    code, cells = _measure(prepared, quiet)
    if cells and (other := check.protocol_differences(baseline.protocol, protocol_of(cells))):
        raise _refusal(against, other)
    found = check.verify(baseline, figures_of(cells, prepared.plan.setting), check.finished_cells(cells))
    code = found.exit_code(strict=strict) if code == ExitCode.DONE else code
    _print(found, f"{_describe(baseline.subset)} against {against}", code, as_json)
    if junit is not None:
        write_text(_junit(found, baseline, str(against), strict), junit)
    for text in check.origin_changes(baseline.origin, check.origin_of(prepared)):
        note(f"Changed since the baseline: {text}")
    for name in found.new:
        note(f"Not in the baseline: {name}")
    if found.count("improved"):
        note(f"Better than the baseline; to hold that: {_renew(against)}")
    if self_test:
        _test(baseline)
    if not quiet:
        note("Passed." if code == ExitCode.DONE else f"FAILED (exit code {int(code)}).")
    raise typer.Exit(int(code))


def _update(
    against: Path, old: Any, subset: Any, prepared: Any, *, quiet: bool, as_json: bool, self_test: bool
) -> None:
    from harness.regression import check
    from harness.regression.baseline import make_baseline

    code, cells = _measure(prepared, quiet)
    if code != ExitCode.DONE:
        note(f"{against} is left as it was, as cells did not finish.")
        raise typer.Exit(int(code))
    conditions, origin = check.conditions_of(prepared), check.origin_of(prepared)
    made = make_baseline(subset, conditions, origin, cells, prepared.plan.setting)
    made.write(against)
    title = f"{against}, {_describe(subset)}, against the one before"
    if old is None or old.subset.benchmark != subset.benchmark:
        # nothing that could have moved: its own figures are shown
        old, title = made, f"{against}, {_describe(subset)}"
    for text in [
        *check.differences(old.conditions, made.conditions),
        *check.protocol_differences(old.protocol, made.protocol),
        *check.origin_changes(old.origin, made.origin),
    ]:
        note(f"Not as in the baseline before: {text}")
    _print(check.moved(old, made), title, ExitCode.DONE, as_json)
    if len(subset.seeds) == 2:
        note("Two seeds say little of the spread: tolerances are 32 times it; with three seeds 5.7 times.")
    if self_test:
        _test(made)
    if not quiet:
        note(f"Written: {against}")


def _test(baseline: Any) -> None:
    from harness.regression.check import self_test

    note(f"Self-test: each of {self_test(baseline)} figures was noticed when perturbed by 1.01 times its tolerance.")


def _subset(old: Any, given: Mapping[str, Any]) -> Any:
    """What `--update` runs: what is given, else what the file has, else the default.

    Raises:
        UsageError: unknown names or options, or one seed.
    """
    from harness import api, registry
    from harness.front.metric_names import wanted_metrics
    from harness.overrides import method_specs, protocol_changes
    from harness.regression.baseline import ONE_SEED, Subset

    values = (old or Subset()).model_dump()
    for option in ("benchmark", "limit"):
        values[option] = given[f"--{option}"] or values[option]
    if given["--tier"] is not None:
        values["tier"] = known_tier(given["--tier"])
    if given["--seeds"] is not None:
        values["seeds"] = parse_seeds(given["--seeds"])
        if len(values["seeds"]) < 2:
            raise UsageError(ONE_SEED)
    values["setting"] = api.find_benchmark(values["benchmark"], values["tier"]).setting
    if values["setting"] != (old or Subset()).setting:
        values["methods"] = {name: {} for name in registry.setting(values["setting"]).default_methods}
    if given["--methods"] is not None or given["--set"] is not None:
        listed = given["--set"] or []
        specs = method_specs(given["--methods"] or ",".join(values["methods"]), listed, values["setting"])
        values["methods"] = {spec.name: dict(spec.changes) for spec in specs}
        name, changed = registry.setting(values["setting"]).protocol_name, protocol_changes(listed)
        values["sampling"] = changed.get(name) or changed.get("protocol", {}).get(name, {})
    if given["--metrics"] is not None:
        wanted_metrics(given["--metrics"])  # as they are typed: the file may be read on another machine
        values["metrics"] = tuple(name.strip() for name in given["--metrics"].split(","))
    values |= {name: given[name] for name in ("backbone", "extractor") if given[name] is not None}
    return Subset(**values)


def _prepare(subset: Any, against: Path, settings: Mapping[str, Any]) -> Any:
    """The subset's run, prepared; `settings` are fields of RunSpec that are this machine's business.

    Raises:
        BenchError: a name or option of the file is unknown here, or the run cannot be made.
    """
    from harness import api, registry
    from harness.front.metric_names import wanted_metrics
    from harness.spec import MethodSpec, RunSpec, protocol_fields

    try:
        found = api.find_benchmark(subset.benchmark, known_tier(subset.tier))
        if found.setting != subset.setting:
            raise UsageError(f"{subset.benchmark} is of the setting {found.setting}, not {subset.setting}.")
        setting = registry.setting(found.setting)
        if not setting.verified:
            raise UsageError(f"The setting {setting.name} says of no figure that `verify` shall judge it.")
        total = len(found.tasks(subset.tier))
        for name, changes in subset.methods.items():
            registry.methods(setting.name).get(name).options_for(setting.name).for_tier(subset.tier, changes)
    except UsageError as error:
        raise UsageError(f"{against}: {error}") from None
    places = {name: settings[name] or getattr(subset, name) for name in ("backbone", "extractor")}
    spec = RunSpec(
        benchmark=subset.benchmark, tier=subset.tier, seeds=subset.seeds,
        **protocol_fields(setting.protocol_name, subset.sampling),
        methods=tuple(MethodSpec(name=name, changes=changes) for name, changes in subset.methods.items()),
        tasks=tuple(range(1, min(subset.limit, total) + 1)) if subset.limit else None,
        metrics=wanted_metrics(subset.metrics),
        **{**settings, **places},
    )  # fmt: skip
    return api.prepare(spec, found.model_copy(update={"composition": ""}))  # no figure is of two concepts in one image


def _measure(prepared: Any, quiet: bool) -> tuple[ExitCode, list[Any]]:
    """Run what the store does not have; the finished cells."""
    from harness.records.run_file import read_cells, record

    run_file = record(prepared.spec, prepared.plan)
    code = make_pending(prepared, run_file, quiet) if prepared.progress.pending else ExitCode.DONE
    return code, read_cells(prepared.spec.output, run_file)


def _refusal(against: Path, reasons: Sequence[str]) -> UsageError:
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return UsageError(
        f"{against} was not measured as this run would be, and their figures do not compare: "
        f"{'; '.join(reasons[:SHOWN])}{more}; if that is meant, renew it with `{_renew(against)}`."
    )


def _renew(against: Path) -> str:
    return shlex.join(["stamina-bench", "verify", "--update", "--against", str(against)])


def _describe(subset: Any) -> str:
    tasks = f"first {counted(subset.limit, 'task')}" if subset.limit else "all tasks"
    return (
        f"{subset.benchmark} ({subset.tier} tier, {tasks}, "
        f"{'seed' if len(subset.seeds) == 1 else 'seeds'} {', '.join(map(str, subset.seeds))})"
    )


def _rows(found: Any) -> list[tuple[str, ...]]:
    def number(value: float | None) -> str:
        return "n/a" if value is None else f"{value:.5g}"

    return [
        (
            j.figure.method, j.figure.metric, f"{number(j.figure.mean)} ± {j.figure.sd:.2g}", number(j.mean),
            "n/a" if j.difference is None else f"{j.difference:+.3g}" if j.difference else "0",
            f"{j.figure.tolerance:.3g}", j.verdict,
        )
        for j in found.judged
    ]  # fmt: skip


def _print(found: Any, title: str, code: ExitCode, as_json: bool) -> None:
    if as_json:
        whole = {
            "title": title, "summary": found.summary(), "exit_code": int(code), "new": list(found.new),
            "figures": [judged.record() for judged in found.judged],
        }  # fmt: skip
        typer.echo(json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False))
        return
    if out.is_terminal:
        table = RichTable(title=Text(title), title_justify="left")
        for column in HEAD:
            left = column in ("method", "figure", "verdict")
            table.add_column(column, justify="left" if left else "right", overflow="fold")
        for row in _rows(found):
            table.add_row(*(Text(presentable(cell)) for cell in row), style=STYLES.get(row[-1], ""))
        out.print(table)
    else:
        from reports.tables.sheets import Grid, Sheet, to_text

        typer.echo(to_text([Sheet(title, "", (Grid(HEAD, tuple(_rows(found))),), ())]))
    typer.echo(found.summary())


def _junit(found: Any, reference: Any, against: str, strict: bool) -> str:
    from reports.junit import Case, to_junit

    cases = [
        Case(
            f"{reference.subset.benchmark}.{j.figure.method}", j.figure.metric,
            "error" if j.verdict == "missing" else "failure" if found.fails(j, strict=strict) else "passed",
            j.verdict, j.sentence,
        )
        for j in found.judged
    ]  # fmt: skip
    about = {"baseline": against, "summary": found.summary(), **dict(reference.protocol)}
    return to_junit(f"stamina-bench verify {_describe(reference.subset)}", cases, about)
