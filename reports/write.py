"""The report: everything that can be said of a set of cells, in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from harness.errors import UsageError
from harness.results import CellResult, Unfinished, measures_of
from reports.attribution import attribution_files
from reports.cells.apart import told_apart_with
from reports.figures.save import drawing
from reports.figures.style import Kind
from reports.files import write_atomically
from reports.frame import tidy, to_csv, to_results
from reports.page import write_page
from reports.paper import tables as paper
from reports.pictures import save_pictures
from reports.statistics.agreement import agreement_sheets
from reports.statistics.orders import order_sheets
from reports.statistics.paired_images import paired_sheets, pairwise_csv, read_pairs
from reports.statistics.paired_orders import class_order_sheets, pairwise_rows
from reports.tables import build_tables, sheets, stack_csv, to_latex_document, to_markdown
from reports.tables.kernels import kernel_sheets
from reports.tables.leaderboard import leaderboard_sheets
from reports.tables.macros import to_macros
from reports.tables.measured import full_rows, registered_names
from reports.tables.measures import measure_sheets

KINDS = ("latex", "md", "csv", "json", "html", "png", "pdf")


def write_report(
    cells: Sequence[CellResult], folder: Path, kinds: Sequence[str] = KINDS, unfinished: Sequence[Unfinished] = ()
) -> list[Path]:
    """Write tables, statistics, figures, grids, the page and the tidy results.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones; full and partial ones are kept apart.
        folder: made if missing. Files of the same names are replaced, each in one step; others are left alone.
        kinds: some of KINDS.
        unfinished: cells that were asked for and have no result, for the page.

    Returns:
        The files written. Texts: tables, kernels (the scores by other kernels), measures (other metrics that runs were
        asked for), paper (the paper's tables with both figures) and statistics (paired differences; spread over task
        orders), as .tex and .md where the cells allow them; leaderboard.md (places by every score); macros.tex (a macro
        for each figure); tables.csv, pairs.csv and results.csv; results.json. figures/: see `reports.figures`, as .png
        and .pdf; grids/: see `reports.pictures`; index.html with thumbnails/: see `reports.page`, which shows
        figures/*.png and so brings them along. With grids or the page, attribution/: whom real photographs are owed to.

    Raises:
        UsageError: there are no cells, or the folder cannot be written.
        StoreError: a picture, or a file with features or losses, is damaged.
    """
    if not cells:
        raise UsageError("There are no results to report; run 'stamina-bench run BENCHMARK --methods ...' first.")
    cells, unfinished = told_apart_with(cells, unfinished)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shown = [kind for kind in ("png", "pdf") if kind in kinds or (kind == "png" and "html" in kinds)]
        owed = attribution_files(cells) if {"html", "png"}.intersection(kinds) else {}  # it goes where real images go
        for name in owed:
            (folder / name).parent.mkdir(exist_ok=True)
        with drawing(cells if shown else (), folder / "figures", cast(list[Kind], shown)) as drawn:
            written = [
                # A name from the file system may hold bytes that are no UTF-8; they must not stop the report.
                write_atomically(folder / name, text.encode("utf-8", "replace"))
                for name, text in {**_texts(cells, kinds), **owed}.items()
            ]
            if "png" in kinds:
                written += save_pictures(cells, folder / "grids")
            figures = drawn()
        written += figures
        if "html" in kinds:
            written += write_page(cells, folder, unfinished, figures, written)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"The report folder {folder} cannot be written ({reason}); choose another one.") from error
    return written


def _texts(cells: Sequence[CellResult], kinds: Sequence[str]) -> dict[str, str]:
    """Name -> text of every file that is one."""
    texts: dict[str, str] = {}
    if "json" in kinds:
        texts["results.json"] = to_results(tidy(cells), measures_of(cells))
    if not {"latex", "md", "csv"}.intersection(kinds):
        return texts
    tables, pairs = build_tables(cells), read_pairs(cells)
    statistics = [*paired_sheets(pairs), *class_order_sheets(cells), *order_sheets(cells)]
    from_paper = (
        paper.paper_sheets(*full_rows(cells), registered_names(cells)) if {"latex", "md"}.intersection(kinds) else []
    )
    kernels, measures = kernel_sheets(tables), measure_sheets(tables)
    if "latex" in kinds:
        texts |= {"kernels.tex": sheets.to_latex(kernels)} if kernels else {}
        texts |= {"measures.tex": sheets.to_latex(measures)} if measures else {}
        texts |= {"tables.tex": to_latex_document(tables), "macros.tex": to_macros(tables)}
        texts |= {"paper.tex": paper.to_latex(from_paper)} if from_paper else {}
        texts |= {"statistics.tex": sheets.to_latex(statistics)} if statistics else {}
    if "md" in kinds:
        texts |= {"kernels.md": sheets.to_markdown(kernels, "Scores by other kernels")} if kernels else {}
        places = [*leaderboard_sheets(tables), *agreement_sheets(tables)]
        texts |= {"leaderboard.md": sheets.to_markdown(places, "Leaderboard")} if places else {}
        texts |= {"measures.md": sheets.to_markdown(measures, "Other measures")} if measures else {}
        texts["tables.md"] = "# Results\n\n" + "\n".join(map(to_markdown, tables))
        texts |= {"paper.md": paper.to_markdown(from_paper)} if from_paper else {}
        texts |= {"statistics.md": sheets.to_markdown(statistics, "Statistics")} if statistics else {}
    if "csv" in kinds:
        texts |= {"tables.csv": stack_csv(tables), "results.csv": to_csv(tidy(cells, details=True))}
        texts |= {"pairs.csv": pairwise_csv(pairs, pairwise_rows(cells))} if statistics else {}
    return texts
