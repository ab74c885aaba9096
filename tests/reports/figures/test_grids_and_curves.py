"""Grids by their pixels, curves by their points."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from harness.errors import StoreError
from harness.results import CellResult
from reports.figures import plasticity_figure, save_figures
from reports.figures.series import curve
from reports.pictures.method import HEADER, method_grid, spaced
from reports.pictures.tiles import GAP, LABELS, MARGIN, SPLIT, TILE

Make = Callable[..., CellResult]
LEFT = MARGIN + LABELS
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (236, 236, 236)


def test_grid_size_and_pixels(make: Make) -> None:
    side = 128  # 64 px, doubled
    grid = method_grid(make(tasks=3, generated=4), columns=4)
    assert grid.mode == "RGB"
    assert grid.size == (LEFT + 4 * side + 2 * GAP + SPLIT + MARGIN, HEADER + 3 * (side + GAP) + MARGIN)
    for row in range(3):
        y = HEADER + row * (side + GAP) + side // 2
        assert grid.getpixel((LEFT + side // 2, y)) == RED
        assert grid.getpixel((LEFT + side + SPLIT // 2, y)) == (255, 255, 255)
        for column in range(1, 4):
            assert grid.getpixel((LEFT + column * (side + GAP) + SPLIT - GAP + side // 2, y)) == BLUE


def test_missing_images_leave_grey_tiles(make: Make) -> None:
    cell = make(tasks=2, generated=3)
    (cell.tasks[1].generated / "02.png").unlink()
    for path in cell.tasks[1].real.iterdir():
        path.unlink()
    grid = method_grid(cell, columns=8)
    assert grid.width == LEFT + 4 * 128 + 2 * GAP + SPLIT + MARGIN
    y = HEADER + 128 + GAP + 64
    assert grid.getpixel((LEFT + 64, y)) == GREY
    assert grid.getpixel((grid.width - MARGIN - 64, y)) == GREY
    assert grid.getpixel((grid.width - MARGIN - 64, HEADER + 64)) == BLUE


def test_no_images_and_no_tasks_do_not_crash(make: Make) -> None:
    assert method_grid(make(generated=0)).width > LEFT
    assert method_grid(make(tasks=0)).height == HEADER + MARGIN


def test_large_images_are_scaled_down(make: Make) -> None:
    grid = method_grid(make(tasks=1, generated=1, size=512))
    assert grid.height == HEADER + TILE + GAP + MARGIN


def test_rows_are_spaced_with_both_ends(make: Make) -> None:
    tasks = make(tasks=50, generated=0).tasks
    chosen = [task.index for task in spaced(tasks, 12)]
    assert chosen[0] == 1
    assert chosen[-1] == 50
    assert len(set(chosen)) == 12
    assert {b - a for a, b in itertools.pairwise(chosen)} <= {4, 5}
    assert [task.index for task in spaced(tasks, 1)] == [1]
    with pytest.raises(ValueError, match="at least 2 columns"):
        method_grid(make(), columns=1)


def test_a_damaged_picture_is_named(make: Make) -> None:
    cell = make(generated=2)
    (cell.tasks[0].generated / "01.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(StoreError, match=r"01\.png"):
        method_grid(cell)


def test_curve_reads_whole_tasks_only(make: Make) -> None:
    cells = [make(seed=s, curves={"plasticity_distance": [1.0 + s, 2.0 + s]}) for s in (0, 2)]
    assert curve(cells, "plasticity_distance") == {1: [1.0, 3.0], 2: [2.0, 4.0]}


def test_figure_has_mean_lines_bands_and_literal_labels(make: Make) -> None:
    distance = {"plasticity_distance": [1.0, 2.0]}
    cells = [
        make("_a$b$c", seed=0, curves=distance | {"mask_density": [0.5, 0.4]}),
        make("_a$b$c", seed=1, curves={"plasticity_distance": [3.0, 6.0]}),
        make("clora", curves=distance),
    ]
    figure = plasticity_figure(cells)
    assert figure is not None
    assert len(figure.axes) == 2  # no residual norms, so no panel for them
    lines = figure.axes[0].get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[2.0, 4.0], [1.0, 2.0]]  # type: ignore[arg-type]
    assert len(figure.axes[0].collections) == 1  # the band of the method with two seeds
    assert lines[0].get_color() != lines[1].get_color()
    assert lines[0].get_marker() != lines[1].get_marker()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_a$b$c (2 seeds)", "clora"]


def test_curves_are_saved_and_repeatable(make: Make, tmp_path: Path) -> None:
    assert save_figures([make(whole={"a_mmd": 1.0})], tmp_path / "none") == []
    cells = [make("a$b", curves={"plasticity_distance": [1.0, 2.0], "residual_norm": [1.0, 1.0]})]
    first = save_figures(cells, tmp_path)
    assert [path.name for path in first] == ["plasticity-toy.png", "plasticity-toy.pdf"]
    before = [path.read_bytes() for path in first]
    assert [path.read_bytes() for path in save_figures(cells, tmp_path)] == before
    assert before[1].startswith(b"%PDF")
    with Image.open(first[0]) as image:
        assert image.width > 600


@pytest.mark.parametrize(("far", "scale"), [(3.0, "linear"), (500.0, "symlog")])
def test_one_outlier_does_not_flatten_the_other_curves(make: Make, far: float, scale: str) -> None:
    cells = [make(name, curves={"plasticity_distance": [1.0, 2.0]}) for name in ("clora", "stamina")]
    figure = plasticity_figure([*cells, make("cd-merge", curves={"plasticity_distance": [1.0, far]})])
    assert figure is not None
    assert figure.axes[0].get_yscale() == scale
    low, high = figure.axes[0].get_ylim()
    assert low == 0
    assert high >= far
