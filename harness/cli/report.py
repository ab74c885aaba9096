"""`stamina-bench report`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from errno import EISDIR
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.app import EPILOG, LeftOut, app, err, note, print_tables
from harness.errors import UsageError, unknown
from harness.formats.figure_text import counted

TEXTS = ("text", "json", "md", "latex", "csv", "paper")  # one of them alone goes to stdout, or into the file of -o
FOLDERS = ("latex", "md", "csv", "json", "html", "png", "pdf")  # any of them together go into a folder
ALONE = ("all", "text", "paper", "reference")
SYNONYMS = {"markdown": "md", "tex": "latex"}


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
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMATS",
            help="Comma-separated: latex, md, csv, json (tables), html (a page to explore), png, pdf (figures and "
            "grids), or all of them. One of latex, md, csv, json, text alone is printed. paper: the paper's tables "
            "with both figures; reference: adds the cells to a folder of reference results.",
        ),
    ] = "all",
    target: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File for what would be printed (paper: .tex for LaTeX), or else the folder (default RUNS/report; "
            "reference/TIER with --format reference).",
        ),
    ] = None,
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Make tables, figures, grids and a page of everything finished in a results folder. Reads the store only."""
    from harness.records.run_file import read_cells, read_unfinished
    from reports.cells.apart import own_name, told_apart_with
    from reports.reference import is_reference
    from reports.run_results import nothing_finished, sentence_on
    from reports.write import write_report

    if as_json and form not in ("all", "json"):
        raise UsageError(f"Give --json or --format {form}, not both.")
    forms = parse_formats("json" if as_json else form)
    if not runs.is_dir():
        raise UsageError(f"{runs} is not a results folder; name the one given to `run` with --output-dir.")
    if is_reference(runs):
        _report_reference(runs, forms, target, benchmark)
        return
    left_out = LeftOut()
    finished, plain = read_cells(runs, left_out=left_out), read_unfinished(runs, left_out=left_out)
    cells, unfinished = told_apart_with(finished, plain)
    if benchmark is not None:
        # by its own name, all of that name; or by what tells one of them apart
        names = {c.benchmark for c in cells} | {c.benchmark for c in unfinished}
        if benchmark not in names | {own_name(c) for c in cells} | {c.benchmark for c in plain}:
            raise UsageError(
                f"{runs} holds nothing of benchmark '{benchmark}'; it has: {', '.join(sorted(names)) or 'none'}."
            )
        cells = [c for c in cells if benchmark in (c.benchmark, own_name(c))]
        both = zip(unfinished, plain, strict=True)
        unfinished = [c for c, before in both if benchmark in (c.benchmark, before.benchmark)]
    for cell in unfinished:
        note(sentence_on(cell))
    if not cells:
        raise nothing_finished(runs)
    if forms == ("reference",):
        kept = {cell.key for cell in cells}
        _write_reference([cell for cell in finished if cell.key in kept], target)
    elif len(forms) == 1 and forms[0] in TEXTS and not (target is not None and target.is_dir()):
        write_text(_text(forms[0], cells, target), target, exact=forms[0] != "text")
    else:
        kinds = FOLDERS if forms == ("all",) else forms
        folder = target or runs / "report"
        written = write_report(cells, folder, kinds, unfinished)
        if forms == ("all",):
            print_tables(cells)
        page = f"; the page to explore: {folder / 'index.html'}" if "html" in kinds else ""
        err.print(f"{counted(len(written), 'file')} in {folder}{page}", markup=False, soft_wrap=True)
    raise typer.Exit(int(left_out.code))


def parse_formats(text: str) -> tuple[str, ...]:
    """'latex,md' as names of formats, each once.

    Raises:
        UsageError: an unknown one, or one that only stands alone among others.
    """
    forms = tuple(dict.fromkeys(SYNONYMS.get(f, f) for part in text.split(",") if (f := part.strip().lower())))
    known = list(dict.fromkeys((*FOLDERS, *ALONE)))
    for form in forms or ("",):
        if form not in known:
            raise unknown("format", form, known)
        if form in ALONE and len(forms) > 1:
            raise UsageError(f"--format {form} stands alone; leave the others out.")
    return forms


def _text(form: str, cells: Sequence[Any], target: Path | None) -> str:
    from reports.frame import tidy, to_json
    from reports.tables import build_tables, to_csv
    from reports.tables.measured import full_rows, registered_names
    from reports.tables.measures import tables_as_latex, tables_as_markdown, tables_as_text

    if form == "paper":
        return _paper(*full_rows(cells), target, registered_names(cells))
    if form == "json":
        return to_json(tidy(cells))
    if form == "csv":
        return "\n".join(map(to_csv, build_tables(cells)))
    return {"text": tables_as_text, "md": tables_as_markdown, "latex": tables_as_latex}[form](cells)


def _report_reference(folder: Path, forms: tuple[str, ...], target: Path | None, benchmark: str | None) -> None:
    from reports.reference import read_protocol, read_reference

    if forms != ("paper",):
        raise UsageError(f"{folder} holds reference results; only --format paper reads them.")
    rows = read_reference(folder)
    names = sorted({row.benchmark for row in rows})
    if benchmark is not None and benchmark not in names:
        raise UsageError(f"{folder} holds nothing of benchmark '{benchmark}'; it has: {', '.join(names)}.")
    chosen = [row for row in rows if benchmark in (None, row.benchmark)]
    write_text(_paper(chosen, read_protocol(folder).protocols, target), target)


def _write_reference(cells: Any, target: Path | None) -> None:
    from reports.files import slug
    from reports.reference import write_reference

    for tier in sorted({cell.tier for cell in cells}):
        chosen = cells if target else [cell for cell in cells if cell.tier == tier]
        folder = target or Path("reference") / slug(tier)
        files = write_reference(chosen, folder)
        note(f"{counted(len(chosen), 'cell')} in {counted(len(files), 'file')} of {folder}")


def _paper(rows: Any, protocols: Any, target: Path | None, registered: Any = None) -> str:
    from reports.paper.tables import paper_sheets, to_latex, to_markdown

    render = to_latex if target is not None and target.suffix == ".tex" else to_markdown
    return render(paper_sheets(rows, protocols, registered))


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def check_writable(target: Path) -> None:
    """Make sure that a file can be written, before the work whose outcome it is for.

    Raises:
        UsageError: it cannot.
    """
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "is a directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise unwritable(target, error) from None


def unwritable(target: Path, error: OSError) -> UsageError:
    """The error for a file that cannot be written."""
    return UsageError(f"{target} cannot be written ({(error.strerror or str(error)).lower()}); choose another file.")


def write_text(text: str, target: Path | None, *, exact: bool = True) -> None:
    """Print it, or write it into a file in one step.

    Args:
        exact: it is for machines. Where it does not go to a terminal no sign of it is replaced: it is UTF-8, as files
            are, if the locale's encoding lacks one.

    Raises:
        UsageError: the file cannot be written.
    """
    from harness.store.store import write_atomically

    text = text if text.endswith("\n") else text + "\n"
    if target is None:
        if exact and not sys.stdout.isatty() and not _fits(text, sys.stdout.encoding or "utf-8"):
            sys.stdout.flush()
            sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        else:
            sys.stdout.write(text)
        return
    try:
        write_atomically(target, text)
    except OSError as error:
        raise unwritable(target, error) from None
