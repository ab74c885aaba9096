"""The page's files: index.html with its style, script and data inside, and the thumbnails beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files as files_of
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from harness.results import CellResult, Unfinished
from reports.cells.apart import told_apart_with
from reports.files import write_atomically
from reports.page.boards import boards, own_figures, parts
from reports.page.data import page_data
from reports.page.figures import figure_groups
from reports.page.first_row import first_row
from reports.page.links import link_groups
from reports.page.outcome import outcome
from reports.page.overview import overview, state
from reports.page.pictures import Pictures
from reports.page.public import data_block, public
from reports.page.runs import program, runs_of
from reports.page.views import build_views, headlines

THUMBNAILS = "thumbnails"
STYLES = ("page.css", "pictures.css")
SCRIPTS = ("page.js", "pictures.js", "explorer.js", "compositions.js", "gallery.js")  # each builds on those before it


def write_page(
    cells: Sequence[CellResult],
    folder: Path,
    unfinished: Sequence[Unfinished] = (),
    figures: Sequence[Path] = (),
    files: Sequence[Path] = (),
) -> list[Path]:
    """Write the page and its thumbnails.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones; full and partial ones are kept apart.
        folder: made if missing. Files of the same names are replaced; others are left alone.
        unfinished: cells that were asked for and have no result; the page says so, and why.
        figures: PNG, SVG and PDF files somewhere in `folder`. A PDF is linked beside the picture of the same name.
        files: everything that the report wrote into `folder` before; the page has a link to each.

    Returns:
        The files written: index.html first, then thumbnails/*.webp. The same bytes for the same cells.

    Raises:
        ValueError: a figure or file lies outside the folder.
        StoreError: a picture is damaged.
        OSError: the folder cannot be written.
    """
    cells, unfinished = told_apart_with(cells, unfinished)
    shown, links = figure_groups(figures, folder), link_groups(files, folder)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(cells)
    thumbnails = pictures.write(folder / THUMBNAILS)
    views = build_views(cells)
    html = _template().render(
        outcomes=[(outcome(view), first_row(view, pictures)) for view in views],
        overview=[*overview(views, unfinished), ("written by", program())],
        runs=runs_of(cells, folder),
        headlines=headlines(views),
        boards=boards(views),
        parts=parts(views),
        own=own_figures(views),
        views=views,
        unfinished=unfinished,
        figure_groups=shown,
        link_groups=links,
        explorer=any(view.pictures for view in views),
        higher=any(column.higher for view in views for column in view.table.shown),
        compositions=any(cell.compositions or cell.plain for cell in cells),
        pictures=pictures.note,
        policy=_policy(),
        theme=Markup(_text("theme.js")),
        style=_style(),
        script=_script(),
        data=data_block(page_data(views, pictures, folder)),
    )
    # A name from the file system may hold bytes that are no UTF-8; they must not stop the report.
    return [write_atomically(folder / "index.html", html.encode("utf-8", "replace")), *thumbnails]


def _template() -> Template:
    # `finalize` sees every value that the template prints, so that none is forgotten; escaping comes after it.
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: public(value) if type(value) is str else value,
    )
    environment.filters["state"] = state
    return environment.get_template("page.html.jinja")


def _text(name: str) -> str:
    return files_of("reports.page").joinpath(name).read_text(encoding="utf-8")


def _style() -> Markup:
    return Markup("".join(map(_text, STYLES)))


def _script() -> Markup:
    return Markup("".join(map(_text, SCRIPTS)))


def _policy() -> str:
    """Nothing but this page's own script and style runs, and nothing but files beside it is loaded."""
    scripts = " ".join(map(_hash, (_text("theme.js"), _script())))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(_style())}; "
        "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
