"""`stamina-bench cache`: what a results folder holds, whether it is whole, and what of it can go."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, app, err, note, out
from harness.errors import ExitCode, presentable
from harness.formats.figure_text import are, counted

EVERY_S = 10.0  # between two lines of progress where stderr is no terminal

cache = typer.Typer(no_args_is_help=True, epilog=EPILOG, help="Look into a results folder's store, check it, tidy it.")
app.add_typer(cache, name="cache")

Runs = Annotated[Path, typer.Argument(help="Results folder of one or more runs.", envvar="STAMINA_BENCH_OUTPUT_DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

WHY = {
    "young": "younger than --older-than",
    "unfinished": "an unfinished run may go on from it",
    "tuning": "a tuning may have made it (--tuning)",
}


@cache.command("info", epilog=EPILOG)
def info_command(runs: Runs = Path("runs"), as_json: Json = False) -> None:
    """Say what takes how much space, by kind of step and by run, and what no run refers to. Reads manifests only."""
    from harness.records.inventory import summary

    found = summary(runs)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    kinds = _table("Steps by kind", "kind", "steps", "size")
    for row in found["kinds"]:
        kinds.add_row(Text(row["kind"]), str(row["steps"]), _size(row["bytes"]))
    kinds.add_row("all", str(found["steps"]), _size(sum(row["bytes"] for row in found["kinds"])))
    out.print(kinds)
    if found["runs"]:
        table = _table("Steps by run", "run", "finished", "steps", "size", "of it alone")
        for row in found["runs"]:
            cells = f"{row['finished']} of {row['cells']} cells" if row["readable"] else "unreadable"
            sizes = (_size(row["bytes"]), _size(row["own_bytes"]))
            table.add_row(Text(row["file"]), cells, str(row["steps"]), *sizes)
        out.print(table)
    rest = _table("Besides", "what", "count", "size")
    unreferenced = found["unreferenced"]
    rest.add_row("steps that no run refers to", str(unreferenced["steps"]), _size(unreferenced["bytes"]))
    names = {
        "damaged": "damaged steps, set aside", "temporary": "temporary files and folders",
        "checkpoints": "checkpoints of trainings in progress",
        "remains": "steps without a manifest, which do not count", "other": "what does not belong in a store",
    }  # fmt: skip
    for name, text in names.items():
        if found[name]["count"]:
            rest.add_row(text, str(found[name]["count"]), _size(found[name]["bytes"]))
    out.print(rest)
    for name in found["other"]["names"]:
        note(f"Does not belong in a store: {name}")
    for row in found["runs"]:
        if not row["readable"]:
            note(f"{runs / 'runs' / row['file']} is damaged or not a run's file; delete it and run its command again.")
    out.print(
        f"{_size(found['bytes'])} in {found['store']}, {_size(found['free_bytes'])} free", markup=False, soft_wrap=True
    )


@cache.command("verify", epilog=EPILOG)
def verify_command(
    runs: Runs = Path("runs"),
    repair: Annotated[
        bool, typer.Option("--repair", help="Move damaged steps aside, so that their command makes them again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hash every file of every step again, and name what is damaged, missing or extra. Exit code 1 if anything is."""
    from harness.engine.devices import default_jobs
    from harness.records import integrity
    from harness.records.inventory import UNREADABLE, store_of, survey

    found = survey(store_of(runs))
    steps = [found.steps[key] for key in sorted(found.steps)]
    whole, rows = 0, []
    for verdict in _shown(integrity.check_steps(steps, found.steps, default_jobs(["cpu"])), found):
        whole += verdict.whole
        if not verdict.problems:
            continue
        done = integrity.repair(verdict, found.root) if repair and not verdict.whole else None
        problems = [{"sort": p.sort, "file": p.file, "text": p.text, "damage": p.damage} for p in verdict.problems]
        kind = "unreadable" if verdict.step.kind == UNREADABLE else verdict.step.kind
        rows.append({"key": verdict.step.key, "kind": kind, "whole": verdict.whole, "problems": problems, "done": done})
    remains = [str(item.path.relative_to(found.root)) for item in found.remains]
    if as_json:
        result = {"store": str(found.root), "steps": len(steps), "whole": whole, "found": rows, "remains": remains}
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        _print_verdicts(rows, remains)
        text = f"{whole} of {counted(len(steps), 'step')} {are(whole)} whole"
        if whole < len(steps) and not repair:
            text += "; --repair moves the others aside, and their command, run again, makes them anew"
        out.print(f"{text}.", markup=False, soft_wrap=True)
    raise typer.Exit(int(ExitCode.DONE if whole == len(steps) else ExitCode.CELLS_FAILED))


def _shown(verdicts: Any, found: Any) -> Any:
    """The verdicts, with progress on stderr while they come in."""
    if err.is_terminal:
        from rich.progress import Progress

        with Progress(console=err, transient=True) as progress:
            bar = progress.add_task("hashing", total=sum(step.size for step in found.steps.values()))
            for verdict in verdicts:
                progress.advance(bar, verdict.step.size)
                yield verdict
        return
    printed = time.monotonic()
    for count, verdict in enumerate(verdicts, 1):
        if time.monotonic() - printed >= EVERY_S:
            note(f"[{count}/{len(found.steps)}] steps hashed")
            printed = time.monotonic()
        yield verdict


def _print_verdicts(rows: list[dict[str, Any]], remains: list[str]) -> None:
    if rows:
        table = _table("What is not as it should be", "step", "kind", "found", numbers=False)
        for row in rows:
            # of a step that lost all its files the first few say it
            texts = [problem["text"] for problem in row["problems"]]
            more = [f"and {len(texts) - 3} more"] if len(texts) > 4 else texts[3:]
            done = [f"-> {row['done']}"] if row["done"] else []
            found = "\n".join(map(presentable, [*texts[:3], *more, *done]))
            table.add_row(row["key"][:12], Text(row["kind"]), Text(found))
        out.print(table)
    for name in remains:
        note(f"No step, as it has no manifest: {name}; the next run or `cache prune` takes it away.")


@cache.command("prune", epilog=EPILOG)
def prune_command(
    runs: Runs = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it; otherwise only say what would go.")] = False,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Only what was written so long ago: 30m, 12h, 7d.")
    ] = "24h",
    damaged: Annotated[bool, typer.Option("--damaged", help="Also damaged steps that were set aside.")] = False,
    tuning: Annotated[
        bool,
        typer.Option(
            "--tuning",
            help="Also what `tune` may have made, which no run file names and which an unfinished tuning goes on from: "
            "all on its own benchmarks, on photographs, and on what is not known.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove the steps that no run refers to, and what killed runs left. Says only what would go, without --yes.

    Delete a run's file in RUNS/runs first to give its steps up. What a step of any run builds on stays.
    """
    from harness.records.prune import Policy, carry_out, parse_age, plan_prune

    policy = Policy(parse_age(older_than), damaged, tuning)
    found, decision = plan_prune(runs, policy)
    removed = carry_out(runs, policy, decision) if yes else (0, 0)
    goes: dict[str, list[Any]] = {
        "steps that no run refers to": decision.steps, "steps without a manifest": decision.remains,
        "temporary files and folders": decision.temporary, "checkpoints": decision.checkpoints,
        "damaged steps, set aside": decision.damaged,
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(_as_json(found, decision, removed, yes), indent=1, ensure_ascii=False))
        return
    table = _table("", "what", "count", "size", "")
    for text, things in goes.items():
        if things:
            table.add_row(text, str(len(things)), _size(sum(thing.size for thing in things)), "goes")
    for why, steps in decision.kept.items():
        table.add_row(WHY[why], str(len(steps)), _size(sum(step.size for step in steps)), "stays")
    if table.row_count:
        out.print(table)
    if yes:
        text = f"Removed {removed[0]}: {_size(removed[1])}."
    elif decision.paths:
        text = f"Nothing is removed yet; --yes removes {len(decision.paths)}: {_size(decision.size)}."
    else:
        text = "Nothing to remove."
    out.print(text, markup=False, soft_wrap=True)


def _as_json(found: Any, decision: Any, removed: tuple[int, int], yes: bool) -> dict[str, Any]:
    def path(thing: Any) -> str:
        return str(thing.path.relative_to(found.root))

    return {
        "store": str(found.root),
        "dry_run": not yes,
        "steps": [{"key": step.key, "kind": step.kind, "bytes": step.size} for step in decision.steps],
        "items": [{"path": path(item), "bytes": item.size} for item in decision.items],
        "bytes": decision.size,
        "kept": {
            why: {"steps": len(steps), "bytes": sum(step.size for step in steps)}
            for why, steps in decision.kept.items()
        },
        "removed": removed[0],
        "removed_bytes": removed[1],
    }


def _table(title: str, *columns: str, numbers: bool = True) -> RichTable:
    table = RichTable(title=title or None, title_justify="left")
    for column in columns:
        right = numbers and column in ("steps", "size", "count", "of it alone")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _size(count: float) -> str:
    from rich.filesize import decimal

    return decimal(int(count))
