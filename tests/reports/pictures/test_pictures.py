"""Picture grids by their pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import StoreError
from harness.results import CellResult, Composition
from reports.pictures import comparison_grid, composition_grid, save_pictures, timeline
from reports.pictures.chosen import one_seed
from reports.pictures.sheet import BAND, LINE, TOP, WIDEST, Block, Row, arrange, sheet
from reports.pictures.tiles import GAP, LABELS, MARGIN, SPLIT, TILE, wrap

Make = Callable[..., CellResult]
Colour = tuple[int, int, int]
SIDE = 128  # 64 px, doubled
LEFT = MARGIN + LABELS
WHITE, RED, BLUE, GREEN, GREY = (255, 255, 255), (255, 0, 0), (0, 0, 255), (0, 255, 0), (236, 236, 236)
YELLOW = (255, 255, 0)


def folder(path: Path, colour: Colour, count: int = 4, size: int = 64) -> Path:
    """A folder of pictures of one colour."""
    path.mkdir()
    for number in range(count):
        Image.new("RGB", (size, size), colour).save(path / f"{number:02d}.png")
    return path


def with_after(cell: CellResult, stages: Mapping[int, Mapping[int, Path]]) -> CellResult:
    """The cell with X_{i,j} for some tasks j: {j: {i: folder}}."""
    tasks = [task.model_copy(update={"after": stages.get(task.index, {})}) for task in cell.tasks]
    return cell.model_copy(update={"tasks": tuple(tasks)})


def with_compositions(cell: CellResult, *compositions: Composition) -> CellResult:
    return cell.model_copy(update={"compositions": compositions})


def block(position: int, before: int, column: int = 0) -> int:
    """The middle of a column of the block at that position, with `before` columns left of the block."""
    start = LEFT + before * (SIDE + GAP) - position * GAP + position * SPLIT
    return start + column * (SIDE + GAP) + SIDE // 2


def row(number: int, header: int = LINE + 4) -> int:
    return TOP + header + number * (SIDE + GAP) + SIDE // 2


def test_comparison_has_the_real_images_and_then_each_method(make: Make) -> None:
    grid = comparison_grid([make("clora", generated=4), make("stamina", generated=3)])
    assert grid is not None
    assert grid.mode == "RGB"
    assert grid.size == (LEFT + 9 * (SIDE + GAP) - 3 * GAP + 2 * SPLIT + MARGIN, row(3) - SIDE // 2 + MARGIN)
    for y in map(row, range(3)):
        # The factory draws two real pictures: the third tile is grey.
        assert [grid.getpixel((block(0, 0, k), y)) for k in range(3)] == [RED, RED, GREY]
        assert [grid.getpixel((block(1, 3, k), y)) for k in range(3)] == [BLUE] * 3
        assert [grid.getpixel((block(2, 6, k), y)) for k in range(3)] == [BLUE] * 3
        assert grid.getpixel((block(1, 3) - SIDE // 2 - SPLIT // 2, y)) == WHITE


def test_comparison_shows_early_middle_and_late_tasks(make: Make) -> None:
    grid = comparison_grid([make(name, tasks=20, generated=1, size=16) for name in ("a", "b")])
    assert grid is not None
    assert grid.height == TOP + LINE + 4 + 6 * (32 + GAP) + MARGIN


def test_many_methods_go_on_below(make: Make) -> None:
    cells = [make(f"method {k}", tasks=1, generated=2, seed=0) for k in range(14)]
    grid = comparison_grid(cells)
    assert grid is not None
    assert grid.width <= WIDEST
    band = LINE + 4 + SIDE + GAP + BAND
    assert grid.height == TOP + 2 * band - BAND + MARGIN
    for y in (row(0), row(0) + band):
        assert [grid.getpixel((block(0, 0, k), y)) for k in range(2)] == [RED, RED]
        assert all(grid.getpixel((block(k, 2 * k), y)) == BLUE for k in range(1, 8))


def test_comparison_needs_two_methods_with_tasks(make: Make) -> None:
    assert comparison_grid([]) is None
    assert comparison_grid([make(seed=0), make(seed=1)]) is None
    assert comparison_grid([make("a", tasks=0), make("b", tasks=0)]) is None


def test_the_seed_is_the_lowest_that_most_methods_have(make: Make) -> None:
    seeds = {"a": (0, 1, 2), "b": (1, 2), "c": (2, 1), "d": (0,)}
    cells = [make(label, seed=seed, generated=0) for label, of_label in seeds.items() for seed in of_label]
    chosen, note = one_seed(cells)
    assert {label: cell.seed for label, cell in chosen.items()} == {"a": 1, "b": 1, "c": 1}
    assert note == " (without d)"
    assert one_seed([]) == ({}, "")


def test_a_missing_picture_is_grey_and_a_damaged_one_is_named(make: Make) -> None:
    cells = [make("a", generated=3), make("b", generated=2)]
    grid = comparison_grid(cells)
    assert grid is not None
    assert [grid.getpixel((block(2, 6, k), row(1))) for k in range(3)] == [BLUE, BLUE, GREY]
    (cells[0].tasks[1].generated / "02.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(StoreError, match=r"02\.png"):
        comparison_grid(cells)


def test_timeline_follows_a_task_to_the_end(make: Make, tmp_path: Path) -> None:
    early, middle = folder(tmp_path / "early", GREEN), folder(tmp_path / "middle", YELLOW)
    cell = make("stamina", tasks=9, generated=4)
    final = cell.tasks[0].generated
    known = {1: early, **dict.fromkeys(range(2, 9), middle), 9: final}
    grid = timeline([with_after(cell, {1: known}), make("clora", tasks=9, generated=4)], 1)
    assert grid is not None
    y = [row(number, 2 * LINE + 4) for number in range(2)]
    assert grid.size == (LEFT + 9 * (SIDE + SPLIT) - SPLIT + MARGIN, y[1] + SIDE // 2 + GAP + MARGIN)
    columns = [block(k, k) for k in range(9)]
    assert [grid.getpixel((x, y[0])) for x in columns] == [RED, GREEN, *[YELLOW] * 6, BLUE]
    # Of the other method only the last images are known.
    assert [grid.getpixel((x, y[1])) for x in columns] == [RED, *[GREY] * 7, BLUE]


def test_timeline_of_two_stages_has_several_images_of_each(make: Make, tmp_path: Path) -> None:
    just = folder(tmp_path / "just", GREEN)
    cell = make(tasks=3, generated=4)
    grid = timeline([with_after(cell, {2: {2: just, 3: cell.tasks[1].generated}})], 2)
    assert grid is not None
    y = row(0, 2 * LINE + 4)
    assert [grid.getpixel((block(1, 1, k), y)) for k in range(4)] == [GREEN] * 4
    assert [grid.getpixel((block(2, 5, k), y)) for k in range(4)] == [BLUE] * 4
    assert grid.width == block(2, 5, 3) + SIDE // 2 + MARGIN


def test_timeline_of_the_last_task_is_one_block(make: Make) -> None:
    cell = make(tasks=3, generated=4)
    grid = timeline([with_after(cell, {3: {3: cell.tasks[2].generated}})], 3)
    assert grid is not None
    assert grid.width == block(1, 1, 3) + SIDE // 2 + MARGIN


def test_there_is_no_timeline_without_earlier_images(make: Make) -> None:
    assert timeline([make(), make("clora")], 1) is None
    assert timeline([make()], 7) is None
    assert timeline([], 1) is None


def test_compositions_stand_below_their_concepts(make: Make, tmp_path: Path) -> None:
    both, other = folder(tmp_path / "both", GREEN, 2), folder(tmp_path / "other", YELLOW, 3)
    first = Composition(prompt="V1 person next to V3 person", tasks=(1, 3), images=both)
    second = Composition(prompt="V2 person", tasks=(2, 8), images=other)
    cells = [
        with_compositions(make("stamina"), first, second),
        with_compositions(make("clora"), first.model_copy(update={"prompt": "V1 next to V3"})),  # the same concepts
        make("ti"),
    ]
    grid = composition_grid(cells)
    assert grid is not None
    y = [row(number, 2 * LINE + 4) for number in range(3)]
    assert grid.height == y[2] + SIDE // 2 + GAP + MARGIN
    assert [grid.getpixel((block(0, 0, k), y[0])) for k in range(3)] == [RED, RED, WHITE]
    assert [grid.getpixel((block(1, 3, k), y[0])) for k in range(3)] == [RED, GREY, WHITE]  # there is no task 8
    assert [grid.getpixel((block(0, 0, k), y[1])) for k in range(3)] == [GREEN, GREEN, GREY]
    assert [grid.getpixel((block(1, 3, k), y[1])) for k in range(3)] == [YELLOW] * 3
    assert [grid.getpixel((block(0, 0, k), y[2])) for k in range(3)] == [GREEN, GREEN, GREY]
    assert [grid.getpixel((block(1, 3, k), y[2])) for k in range(3)] == [GREY] * 3
    assert composition_grid([make("ti")]) is None


def test_sheets_without_pictures_or_with_long_words_keep_their_size() -> None:
    rows = [Row("x" * 400, "y" * 400), Row("$a_$ <b>", "\x00\n")]
    blocks = [Block("z" * 400, [[None], [None, None]], "n" * 400)]
    layout = arrange(rows, blocks)
    assert layout.side == TILE
    assert layout.header == 3 * LINE + 4
    assert sheet("t" * 400, "s" * 400, rows, blocks).size == layout.size
    # Words end where the room for them ends: between the labels and the tiles there is nothing.
    image = sheet("", "", rows, blocks).crop((LABELS + 1, layout.y(0, 0), LEFT, layout.size[1]))
    assert image.getcolors() == [(image.width * image.height, WHITE)]


def test_one_block_that_is_too_wide_still_has_its_band() -> None:
    rows = [Row("a")]
    blocks = [Block("real", [[None]]), *(Block(str(k), [[None] * 9]) for k in range(3))]
    layout = arrange(rows, blocks, repeated=1, widest=500)
    assert layout.bands == ((0, 1), (0, 2), (0, 3))


def test_lines_break_near_the_end_and_end_with_an_ellipsis() -> None:
    assert wrap("stamina", 12, 500, 1) == ["stamina"]
    assert wrap("", 12, 500, 2) == []
    lines = wrap("a photo of V1 person posing next to V2 waterfall", 12, 200, 2)
    assert lines == ["a photo of V1 person posing", "next to V2 waterfall"]
    (line,) = wrap("w" * 100, 12, 100, 1)
    assert line.endswith("w…")
    assert wrap("ww", 12, 1, 1) == ["…"]


def test_all_pictures_are_saved_and_repeatable(make: Make, tmp_path: Path) -> None:
    just = folder(tmp_path / "just", GREEN, size=16)
    cells: list[CellResult] = []
    for label in ("clora", "ti++"):
        for seed in (0, 1):
            cell = make(label, seed=seed, tasks=5, size=16)
            ends = {task.index: {task.index: just, 5: task.generated} for task in cell.tasks}
            prompts = Composition(prompt="V1 and V2", tasks=(1, 2), images=just)
            cells.append(with_compositions(with_after(cell, ends), prompts))
    cells.append(make("clora", total=9, size=16))
    cells.append(make("clora", tasks=0))
    paths = save_pictures(cells, tmp_path / "new" / "pictures")
    assert [path.name for path in paths] == [
        "grid-toy-clora-seed0.png",
        "grid-toy-clora-seed1.png",
        "grid-toy-ti-plus-plus-seed0.png",
        "grid-toy-ti-plus-plus-seed1.png",
        "grid-toy-clora-seed0-partial.png",
        "comparison-toy.png",
        "timeline-toy-task1.png",
        "timeline-toy-task3.png",
        "timeline-toy-task5.png",
        "composition-toy.png",
    ]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in save_pictures(cells, tmp_path / "new" / "pictures")] == before
