"""What the commands say of a folder of the user's own images: what is used of it, what is not, and why."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeGuard, TypeVar

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import err, note, out
from harness.errors import UsageError, presentable, shortened
from harness.front.beforehand import lines_beforehand, lines_on_folder, options_of

if TYPE_CHECKING:
    from harness.api import Prepared
    from harness.data.class_folder import ClassReading
    from harness.data.concept_folder import Reading
    from harness.spec import Benchmark, SettingName

T = TypeVar("T")

MinSide = Annotated[
    int | None, typer.Option("--min-side", min=1, help="Of a folder: pixels that an image's shorter side needs; 8.")
]
Holdout = Annotated[
    int | None,
    typer.Option(
        "--holdout",
        min=2,
        metavar="K",
        help="Of photographs: K of each concept are not trained on, but measured against.",
    ),
]
Sheet = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png", help="Of a folder of concepts: write a picture of all images as a method is shown them."
    ),
]
STRICT = (
    "a folder of images if an image (also a hidden one) or a folder in it is not used, a link is broken or leads back, "
    "a picture is or looks to be in two concepts, classes or sets, or is twice in a class, names differ in case only, "
    "or a file of categories is misnamed"
)
_BYTES = re.compile("[\udc80-\udcff]")  # of names that are not UTF-8: JSON has escapes for them
ANY_TIER = "mini"  # what a file names is the same at each
PATIENCE = 2.0  # seconds that may pass without a word


def watch(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """A progress bar on a terminal if it takes longer than two seconds, gone when it is done; nothing elsewhere."""
    if not err.is_terminal:
        yield from items
        return
    from rich.progress import Progress

    with Progress(console=err, transient=True) as bar:
        task = bar.add_task(label, total=total, visible=False)
        started = time.monotonic()
        for item in items:
            yield item
            bar.update(task, advance=1, visible=time.monotonic() - started > PATIENCE)


def tell_beforehand(prepared: Prepared, *, quiet: bool = False) -> None:
    """What a run's owner must know before the work: what is used of a folder, and cautions."""
    for line in lines_beforehand(prepared, quiet=quiet):
        note(line)


def tell_reading(name: str, benchmark: Benchmark, tier: str, *, quiet: bool = False) -> None:
    """Say what of a folder is used and what is not, in a few lines on stderr; see `lines_on_folder`."""
    for line in lines_on_folder(name, benchmark, tier, quiet=quiet):
        note(line)


def print_reading(reading: Reading | ClassReading) -> None:
    """The table of concepts or classes."""
    rows = reading.rows()
    if not rows:
        return
    table = RichTable(title=Text(presentable(shortened(reading.folder))), title_justify="left")
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(presentable(shortened(cell))) for cell in row.values()))
    out.print(table)


def check_folder(
    folder: Path, setting: SettingName | None, min_side: int | None, holdout: int | None = None, *, strict: bool,
    as_json: bool, sheet: Path | None = None,
) -> None:  # fmt: skip
    """`data check DIR`: read and decode everything in a folder, and list what is used and all that is not.

    Raises:
        UsageError: the folder could not be run.
    """
    from harness import registry
    from harness.data.skipped_files import Refusals, check_command
    from harness.spec import FIRST_SETTING

    of = registry.setting(setting or FIRST_SETTING)
    if sheet is not None:
        from harness.data.contact_sheet import sheet_file

        if of.name != FIRST_SETTING:
            raise UsageError("--sheet is for a folder of concepts; leave it out for classes.")
        sheet_file(sheet)  # before what takes long

    refused = Refusals(check_command(folder, *options_of(setting)), keep=True)
    reading: Reading | ClassReading | None = None
    with refused.each():
        reading = of.read_folder(folder, watch, min_side, refused)
    apart: Mapping[str, Sequence[str]] = {}
    with refused.each():
        if holdout is not None and reading is not None and not refused.found:
            apart, reading = _held_out(reading, holdout)
    _tell(folder, reading, refused.found, apart, as_json=as_json, sheet=sheet)
    if strict and reading is not None:
        reading.require_whole()


def check_file(
    file: Path, min_side: int | None, holdout: int | None, *, strict: bool, as_json: bool, sheet: Path | None = None
) -> None:
    """`data check FILE.yaml`: read what a benchmark's file names, and list what is used and all that is not.

    Raises:
        UsageError: the benchmark could not be run, or it is of a data set's table and an option is for folders.
    """
    from harness.data.benchmark_file import file_benchmark
    from harness.data.contact_sheet import sheet_file
    from harness.data.holdout import held_out_names
    from harness.front.beforehand import reading_of

    if sheet is not None:
        sheet_file(sheet)  # before what takes long
    found = file_benchmark(file, ANY_TIER, watch, min_side, holdout=holdout)
    apart, reading = held_out_names(found, ANY_TIER), reading_of(found, ANY_TIER)
    if reading is not None:
        _tell(file, reading, (), apart, as_json=as_json, sheet=sheet)
        if strict:
            reading.require_whole()
    elif strict or sheet is not None:
        option = "--strict" if strict else "--sheet"
        raise UsageError(f"{option} is for a folder of images, and {shortened(file)} names a data set; leave it out.")
    else:
        _tell_table(file, found, apart, as_json=as_json)
    if not as_json:
        for name, text in (("Licence", found.licence), ("To cite", found.citation)):
            if text:
                out.print(presentable(f"{name}: {text}"), markup=False, soft_wrap=True)


def _tell_table(file: Path, benchmark: Benchmark, apart: Mapping[str, Sequence[str]], *, as_json: bool) -> None:
    """The concepts of a data set that `datasets` reads."""
    from harness.data.holdout import lines_on

    tasks = benchmark.tasks(ANY_TIER)
    rows = [
        {"concept": task.name, "category": task.category, "images": len(task.images) + len(apart.get(task.name, ()))}
        for task in tasks
    ]
    if as_json:
        more = {"held_out": apart} if apart else {}
        typer.echo(json.dumps({"file": str(file), "used": rows, **more}, indent=1, ensure_ascii=False))
        return
    table = RichTable(title=Text(presentable(shortened(file))), title_justify="left")
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, int) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(presentable(shortened(cell))) for cell in row.values()))
    out.print(table)
    for line in (*lines_on(apart), *getattr(benchmark.sources[ANY_TIER], "cautions", ())):
        out.print(presentable(line), markup=False, soft_wrap=True)


def _tell(
    place: Path, reading: Reading | ClassReading | None, refused: Sequence[UsageError],
    apart: Mapping[str, Sequence[str]], *, as_json: bool, sheet: Path | None,
) -> None:  # fmt: skip
    """Print what was found.

    Raises:
        UsageError: something was refused.
    """
    if as_json:
        text = json.dumps(_as_json(place, reading, refused, apart), indent=1, ensure_ascii=False)
        typer.echo(_BYTES.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        for text in _said(reading, refused, apart):
            out.print(presentable(text), markup=False, soft_wrap=True)
        if reading is not None and sheet is None and not refused:
            note(UNSEEN if _is_of_concepts(reading) else UNSEEN_OF_CLASSES)
    if sheet is not None and reading is not None:
        _draw_sheet(reading, sheet)
    if len(refused) > 1:
        raise UsageError(f"{shortened(place)} cannot be used; mend the {len(refused)} things that are refused.")
    if refused:
        raise refused[0]


UNSEEN = "What no look at files tells (docs/data.md, 'Not noticed'), a sheet of all images shows: --sheet FILE.png."
UNSEEN_OF_CLASSES = "No look at files tells everything; docs/data.md lists what is not noticed."


def _is_of_concepts(reading: Reading | ClassReading) -> TypeGuard[Reading]:
    from harness.data.concept_folder import Reading

    return isinstance(reading, Reading)


def _draw_sheet(reading: Reading | ClassReading, path: Path) -> None:
    from harness.data.contact_sheet import contact_sheet

    if not _is_of_concepts(reading) or not reading.concepts:
        return
    titles = {f"{one.name} ({one.category})": one.images for one in reading.concepts}
    contact_sheet(titles, watch).save(path)
    note(f"The images as a method is shown them: {shortened(path)}.")


def _held_out(reading: Reading | ClassReading, holdout: int) -> tuple[Mapping[str, Sequence[str]], Reading]:
    """What is held out of each concept, and what is to be said of the folder then."""
    from harness.data.concept_folder import Reading
    from harness.data.folder_benchmark import PhotoTasks
    from harness.data.holdout import OF_CLASSES, HeldOut, names_held_out

    if not isinstance(reading, Reading):
        raise UsageError(OF_CLASSES)
    source = HeldOut(PhotoTasks(reading), holdout)
    apart = names_held_out(source.inner.tasks(), holdout)
    found: Reading = source.reading
    return apart, found


def _said(
    reading: Reading | ClassReading | None, refused: Sequence[UsageError], apart: Mapping[str, Sequence[str]]
) -> list[str]:
    """What is not used, what is refused, and what is odd, in lines below the table, which is printed."""
    from harness.data.holdout import lines_on
    from harness.data.skipped_files import NAMED, listed

    refusals = [f"refused: {error}" for error in refused] if len(refused) > 1 else []  # a single one is said at the end
    if reading is None:
        return refusals
    print_reading(reading)
    cut = len(reading.same) > NAMED or any(len(names) > NAMED for names in reading.same)
    return [
        *(f"not used: {line}" for line in listed(one for one in reading.skipped if one.kind != "category")),
        *reading.told,
        *(f"the same picture: {' = '.join(names)}" for names in (reading.same if cut else ())),
        *lines_on(apart),
        *(refusals if refused else [reading.summary]),
    ]


def _as_json(
    folder: Path, reading: Reading | ClassReading | None, refused: Sequence[UsageError],
    apart: Mapping[str, Sequence[str]],
) -> dict[str, object]:  # fmt: skip
    """All that `data check` finds; of a folder that cannot be read at all only why."""
    found: dict[str, object] = {"folder": str(folder), "used": [], "skipped": [], "notes": []}
    if reading is not None:
        skipped = [
            {"path": str(one.path), "kind": one.kind, "reason": one.reason, "photographs": one.photographs}
            for one in reading.skipped
        ]
        found |= {"used": reading.rows(), "skipped": skipped, "notes": reading.told}
        found |= {"same_pictures": reading.same, "look_alike": reading.looks_like}
    if apart:
        found["held_out"] = apart
    return found | {"refused": [str(error) for error in refused]}
