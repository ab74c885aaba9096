"""Which sets of images the page shows, under which names, and how small they must be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.results import CellResult, TaskResult
from reports.files import Names
from reports.page.thumbnails import Size, mean_bytes, write_strips

BUDGET = 25_000_000  # bytes of all thumbnails together, as estimated from some of them
# From the best to the smallest; the first that fits is used.
SIZES = (
    Size(12, 6, 256), Size(12, 6, 160),
    Size(12, 6, 96), Size(12, 6, 80), Size(12, 6, 64), Size(12, 4, 64), Size(6, 4, 64), Size(4, 4, 64), Size(4, 3, 64),
    Size(2, 3, 64), Size(2, 2, 64), Size(2, 2, 48), Size(2, 1, 48), Size(2, 1, 32),
)  # fmt: skip


class Pictures:
    """The image sets of some cells. A folder that several cells share, such as the real images, is one set.

    After `write`, `sets` lists (name of the file without its ending, number of images), `of` finds a folder in it, and
    `note` says how much is shown.
    """

    def __init__(self, cells: Sequence[CellResult]) -> None:
        self._cells = cells
        self._numbers: dict[str, int] = {}
        self.sets: list[tuple[str, int]] = []
        self.size = SIZES[0]
        self.note = ""

    def write(self, target: Path) -> list[Path]:
        """Choose the size that fits the budget, and write the thumbnails; the files written.

        Raises:
            StoreError: a picture is damaged.
            OSError: the folder cannot be written.
        """
        self.size = self._fitting()
        folders = self._folders(self.size)
        counts = write_strips(folders, target, self.size)
        self.sets = list(counts.items())
        self._numbers = {_identity(folder): number for number, folder in enumerate(folders.values())}
        self.note = (
            f"Thumbnails: at most {_count(self.size.images, 'image')} of a set, {self.size.side} px. "
            f"Of each task at most {self.size.steps} i, always with i = j and i = N."
        )
        return [target / f"{name}.webp" for name, count in counts.items() if count]

    def of(self, folder: Path | None) -> int | None:
        """The position in `sets` of that folder's images, None if they are not among them or there are none."""
        number = self._numbers.get(_identity(folder)) if folder is not None else None
        return number if number is not None and self.sets[number][1] else None

    def _fitting(self) -> Size:
        means: dict[tuple[int, int], float] = {}
        for size in SIZES:
            folders = list(self._folders(size).values())
            kind = (size.images, size.side)
            if kind not in means:
                means[kind] = mean_bytes(folders, size)
            if means[kind] * len(folders) <= BUDGET:
                return size
        return SIZES[-1]

    def _folders(self, size: Size) -> dict[str, Path]:
        """Name -> folder, in the order of the cells."""
        names, known, folders = Names(), set[str](), dict[str, Path]()

        def add(folder: Path, *parts: str) -> None:
            identity = _identity(folder)
            if identity not in known:
                known.add(identity)
                folders[names.unique(*parts)] = folder

        for cell in self._cells:
            last = last_task(cell)
            for task in cell.tasks:
                if task.real is not None:
                    add(task.real, cell.benchmark, "real", f"t{task.index}")
                for i, folder in steps(task, last, size.steps).items():
                    add(folder, cell.benchmark, cell.label, f"s{cell.seed}", f"t{task.index}", f"i{i}")
            for number, composition in enumerate(cell.compositions, start=1):
                add(composition.images, cell.benchmark, cell.label, f"s{cell.seed}", f"c{number}")
            for number, plain in enumerate(cell.plain, start=1):
                add(plain.before, cell.benchmark, "base", f"p{number}")
                add(plain.after, cell.benchmark, cell.label, f"s{cell.seed}", f"p{number}")
        return folders


def last_task(cell: CellResult) -> int:
    """N: the number of the last task that was run, 0 if there is none."""
    return max((task.index for task in cell.tasks), default=0)


def steps(task: TaskResult, last: int, limit: int) -> dict[int, Path]:
    """i -> folder of X_{i,j}: at most `limit` (from 2 on) of those that exist, evenly spaced, with i = j and i = N."""
    every = dict(sorted(task.after.items()))
    if not every and task.generated is not None:
        every = {last: task.generated}
    numbers = list(every)
    if len(numbers) > limit:
        numbers = [numbers[round(k * (len(numbers) - 1) / (limit - 1))] for k in range(limit)]
    return {i: every[i] for i in numbers}


def _identity(folder: Path) -> str:
    return os.path.abspath(folder)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
