"""Figures by what is drawn: lines, heat maps, points and words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from harness.errors import StoreError
from harness.results import CellResult, Row
from harness.store.identity import SHOWN, short
from reports.figures import (
    accuracy_figure,
    density_figure,
    interference_figure,
    losses_figure,
    matrix_figure,
    plasticity_figure,
    save_figures,
    stability_figure,
)
from reports.figures.density import short_names
from reports.figures.panels import shared_scale
from reports.figures.style import COLOURS, MARKERS, TEXT, cut, look, save, task_ticks

Make = Callable[..., CellResult]
HOSTILE = ("$x_$", "_a", "<b>", "x" * 40, "a\\frac{", "name\x00\n", "大")


def with_rows(cell: CellResult, *rows: Mapping[str, Any]) -> CellResult:
    """The cell with rows that the factory does not make: of one layer, or of one X_{i,j}."""
    common = {name: getattr(cell, name) for name in ("benchmark", "tier", "backbone", "method", "seed", "partial")}
    more = [Row(**{**common, "n": 1, "unit": "1e-3", **row}) for row in rows]
    return cell.model_copy(update={"rows": (*cell.rows, *more)})


def with_matrix(cell: CellResult, scale: float = 1.0) -> CellResult:
    """The cell with MMD(X_{D,j}, X_{i,j}) = scale * (10 i + j)."""
    size = len(cell.tasks)
    pairs = [(i, j) for i in range(1, size + 1) for j in range(1, i + 1)]
    return with_rows(cell, *({"metric": "mmd", "task": j, "after": i, "value": scale * (10 * i + j)} for i, j in pairs))


def with_density(cell: CellResult, values: Mapping[str, list[float]]) -> CellResult:
    """The cell with the change density of each layer, task by task."""
    rows = [
        {"metric": "change_density", "unit": "fraction", "task": task, "layer": layer, "value": value}
        for layer, of_layer in values.items()
        for task, value in enumerate(of_layer, 1)
    ]
    return with_rows(cell, *rows)


def with_training(cell: CellResult, folder: Path, losses: list[list[dict[str, float]]]) -> CellResult:
    """The cell with records of training, one for each task."""
    tasks = []
    for task, entries in zip(cell.tasks, losses, strict=True):
        path = folder / f"{cell.label.encode().hex()}-{task.index}.json"
        path.write_text(json.dumps({"losses": entries, "measures": {}}), encoding="utf-8")
        tasks.append(task.model_copy(update={"training": path}))
    return cell.model_copy(update={"tasks": tuple(tasks)})


def words(figure: Figure) -> str:
    title = figure.get_suptitle()
    assert isinstance(title, str)
    return title


def heat(figure: Figure, panel: int) -> np.ma.MaskedArray[Any, Any]:
    array = figure.axes[panel].images[0].get_array()
    assert isinstance(array, np.ma.MaskedArray)
    return array


@pytest.mark.parametrize(
    "draw",
    [accuracy_figure, density_figure, interference_figure, matrix_figure, plasticity_figure, stability_figure],
)
def test_there_is_no_figure_without_its_rows(make: Make, draw: Callable[[list[CellResult]], Figure | None]) -> None:
    assert draw([make(whole={"a_mmd": 1.0}), make("clora", tasks=0)]) is None


def test_accuracy_lines_are_the_rows(make: Make) -> None:
    cells = [make("clora", seed=s, curves={"a_n": [1.0 + s, 2.0, 3.0]}) for s in (0, 1)]
    figure = accuracy_figure([*cells, make("stamina", curves={"a_n": [4.0, float("nan"), 6.0]})])
    assert figure is not None
    clora, stamina = figure.axes[0].get_lines()
    assert list(clora.get_xdata()) == [1, 2, 3]  # type: ignore[arg-type]
    assert list(clora.get_ydata()) == [1.5, 2.0, 3.0]  # type: ignore[arg-type]
    assert list(stamina.get_xdata()) == [1, 3]  # type: ignore[arg-type]
    assert "lower is better" in figure.axes[0].get_ylabel()
    assert "x10^3" in figure.axes[0].get_ylabel()
    assert figure.axes[0].get_xticks().tolist() == [1, 2, 3]
    assert len(figure.axes[0].collections) == 1


def test_the_accuracy_is_shown_times_a_thousand(make: Make) -> None:
    cell = with_rows(make(), {"metric": "a_n", "task": 1, "value": 0.002, "unit": "1"})
    figure = accuracy_figure([cell])
    assert figure is not None
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == pytest.approx([2.0])  # type: ignore[arg-type]


def test_a_partial_run_says_so_in_every_title(make: Make, tmp_path: Path) -> None:
    curves = {name: [0.1, 0.2] for name in ("a_n", "interference", "plasticity_distance")}
    cell = make(tasks=2, total=50, curves=curves, whole={"f_mmd": 1.0, "learned_mmd": 2.0})
    cell = with_training(with_density(with_matrix(cell), {"k": [0.5, 0.5]}), tmp_path, [[{"step": 0, "sd": 1.0}]] * 2)
    figures = [
        draw([cell])
        for draw in (
            accuracy_figure, density_figure, interference_figure, matrix_figure, plasticity_figure, stability_figure,
        )
    ]  # fmt: skip
    for figure in [*figures, losses_figure(cell)]:
        assert figure is not None
        assert "partial: tasks 1-2 of 50" in words(figure)
        assert words(figure).splitlines()[-1].startswith("mini tier, tiny")


def test_the_matrix_is_a_lower_triangle_of_means(make: Make) -> None:
    cells = [with_matrix(make("clora", seed=0)), with_matrix(make("clora", seed=1), 3.0), with_matrix(make("ub"), 0.5)]
    figure = matrix_figure([*cells, make("ti")])
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["clora", "ub"]
    mean = heat(figure, 0)
    assert mean.shape == (3, 3)
    assert mean.mask.tolist() == [[False, True, True], [False, False, True], [False, False, False]]
    assert mean.compressed().tolist() == [22.0, 42.0, 44.0, 62.0, 64.0, 66.0]
    scales = [axes.images[0].norm for axes in figure.axes[:-1]]
    assert scales[0] is scales[1]
    assert (scales[0].vmin, scales[0].vmax) == (0, 66.0)
    assert figure.axes[0].get_xticks().tolist() == [1, 2, 3]
    assert figure.axes[0].get_ylim() == (3.5, 0.5)  # task 1 at the top
    assert "x10^3" in figure.axes[-1].get_ylabel()


def test_an_outlier_leaves_the_other_matrices_their_colours() -> None:
    maps = {name: np.full((2, 2), peak) for name, peak in (("a", 1.0), ("b", 2.0), ("c", 900.0))}
    scale, note = shared_scale(maps)
    assert "logarithmic above 4" in note
    assert float(scale(2.0)) > 0.1
    assert float(scale(900.0)) == 1.0
    assert shared_scale({"a": np.zeros((1, 1))})[1] == ""


def test_stability_has_a_point_for_each_method_with_both_figures(make: Make) -> None:
    cells = [make("clora", seed=s, whole={"learned_mmd": 20.0 + s, "f_mmd": 4.0 - s}) for s in (0, 2)]
    only_tasks = make("ti", whole={"f_mmd": 0.0}, curves={"learned_mmd": [30.0, 40.0, 50.0]})
    figure = stability_figure([*cells, only_tasks, make("cd", whole={"f_mmd": 60.0})])
    assert figure is not None
    axes = figure.axes[0]
    points = [(c.lines[0].get_xdata()[0], c.lines[0].get_ydata()[0]) for c in axes.containers]  # type: ignore[attr-defined]
    assert points == [(21.0, 3.0), (40.0, 0.0)]
    (bar_x, bar_y) = axes.containers[0].lines[2]  # type: ignore[attr-defined]
    assert bar_x.get_segments()[0].tolist() == [[20.0, 3.0], [22.0, 3.0]]
    assert bar_y.get_segments()[0].tolist() == [[21.0, 2.0], [21.0, 4.0]]
    assert not axes.containers[1].lines[2]  # type: ignore[attr-defined]
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["clora", "ti"]


def test_options_that_all_methods_share_are_in_the_title_alone(make: Make) -> None:
    labels = ["clora [rank=2, steps=30]", "clora [rank=4, steps=30]", "ti [steps=30]"]
    called = ["clora [rank=2]", "clora [rank=4]", "ti"]
    whole = {"learned_mmd": 20.0, "f_mmd": 4.0}
    curves = {name: [0.5, 0.6, 0.7] for name in ("a_n", "plasticity_distance", "interference")}
    cells = [
        with_density(with_matrix(make(label, whole=whole, curves=curves)), {"to_k": [0.1] * 3}) for label in labels
    ]
    for draw in (plasticity_figure, accuracy_figure, interference_figure):
        figure = draw(cells)
        assert figure is not None
        assert [text.get_text() for text in figure.legends[0].get_texts()] == called
        assert words(figure).startswith("all with steps=30\n")
    for draw in (matrix_figure, density_figure):
        figure = draw(cells)
        assert figure is not None
        assert [axes.get_title() for axes in figure.axes[:-1]] == called
        assert words(figure).startswith("all with steps=30\n")
    figure = stability_figure(cells)
    assert figure is not None
    assert {text.get_text() for text in figure.axes[0].texts} >= set(called)
    assert words(figure).startswith("all with steps=30\n")
    figure = accuracy_figure(cells[:1])
    assert figure is not None
    assert figure.legends[0].get_texts()[0].get_text() == labels[0]


def test_names_of_fourteen_methods_do_not_cover_each_other(make: Make) -> None:
    cells = [
        make(f"method-number-{i}", whole={"learned_mmd": 20.0 + i % 4, "f_mmd": 3.0 + (i * 7 % 5) / 2})
        for i in range(14)
    ]
    figure = stability_figure(cells)
    assert figure is not None
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text().startswith("method")]
    assert len(boxes) == 14
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_one_method_that_forgets_all_does_not_flatten_the_others(make: Make) -> None:
    forgets = {"a": 1.0, "b": 2.0, "c": 1.5, "cd": 90.0}
    cells = [make(name, whole={"learned_mmd": 10.0, "f_mmd": value}) for name, value in forgets.items()]
    figure = stability_figure(cells)
    assert figure is not None
    assert figure.axes[0].get_yscale() == "symlog"
    assert figure.axes[0].get_xscale() == "linear"
    assert figure.axes[0].get_ylim()[1] > 90


def test_interference_and_overlap_have_a_panel_each(make: Make) -> None:
    cells = [
        make("ti"),
        make("clora", curves={"interference": [0.0, 0.5, 1.0], "overlap": [0.1, 0.2, 0.3]}),
        make("stamina", curves={"interference": [0.0, 0.1, 0.2]}),
    ]
    figure = interference_figure(cells)
    assert figure is not None
    drawn = [[list(line.get_ydata()) for line in axes.get_lines()] for axes in figure.axes]  # type: ignore[arg-type]
    assert drawn == [[[0.0, 0.5, 1.0], [0.0, 0.1, 0.2]], [[0.1, 0.2, 0.3]]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clora", "stamina"]  # ti has no line
    assert figure.axes[0].get_lines()[0].get_color() == look(1)[0]  # and keeps its own colour in other figures


def test_density_shows_sparse_methods_layer_by_layer(make: Make) -> None:
    layers = {"mid.to_k": [0.2, 0.4, 0.6], "mid.to_v": [1.0, 1.0, float("nan")]}
    cells = [
        with_density(make("stamina", seed=0), layers),
        with_density(make("stamina", seed=1), {"mid.to_k": [0.4, 0.4, 0.4]}),
        with_density(make("clora"), {"mid.to_k": [1.0, 0.9995, 1.0]}),
        with_rows(make("ti"), {"metric": "change_density", "unit": "fraction", "task": 1, "value": 0.0}),
    ]
    figure = density_figure(cells)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["stamina"]
    assert heat(figure, 0).filled(-1).tolist() == [pytest.approx([0.3, 0.4, 0.5]), [1.0, 1.0, -1.0]]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["to_k", "to_v"]
    assert (figure.axes[0].images[0].norm.vmin, figure.axes[0].images[0].norm.vmax) == (0, 1)
    assert density_figure(cells[2:]) is None


def test_layer_names_are_shortened_as_long_as_they_differ() -> None:
    name = "{}.attentions.{}.transformer_blocks.{}.attn2.to_{}"
    one = [name.format("down_blocks.0", 1, 0, "k"), name.format("mid_block", 0, 0, "v")]
    assert short_names(one) == ["down 0.1 K", "mid 0 V"]
    assert short_names([one[0], name.format("down_blocks.0", 1, 1, "k")]) == ["down 0.1.0 K", "down 0.1.1 K"]
    assert short_names(["blocks.0.attn.qkv", "blocks.11.attn.qkv"]) == ["0", "11"]
    assert short_names(["a.b", "a.b.c"]) == ["b", "b.c"]
    assert short_names(["only.one"]) == ["one"]
    assert short_names(["a", "b.c.a"]) == ["a", "b.c.a"]
    assert short_names(["to_k", "unet.down_blocks.0.to_k"]) == ["to_k", "unet.down_blocks.0.to_k"]


def test_losses_have_a_line_for_each_task_and_their_median(make: Make, tmp_path: Path) -> None:
    records = [
        [{"step": 0, "sd": 0.2, "forget": 0.0}, {"step": 5, "sd": 0.4, "forget": 0.0}],
        [{"step": 0, "sd": 0.3, "forget": 0.001}, {"step": 5, "sd": 0.1, "forget": 0.1}],
        [{"step": 0, "sd": 0.6, "forget": 0.003}, {"step": 5, "sd": float("nan"), "forget": 0.3}],
    ]
    figure = losses_figure(with_training(make(seed=4), tmp_path, records))
    assert figure is not None
    sd, forget = figure.axes[:2]
    lines = sd.collections[0]
    assert isinstance(lines, LineCollection)
    assert [segment.tolist() for segment in lines.get_segments()] == [
        [[0.0, 0.2], [5.0, 0.4]], [[0.0, 0.3], [5.0, 0.1]], [[0.0, 0.6]],
    ]  # fmt: skip
    assert np.asarray(lines.get_array()).tolist() == [1, 2, 3]
    assert list(sd.get_lines()[0].get_ydata()) == [0.3, 0.25]  # type: ignore[arg-type]
    assert (sd.get_yscale(), forget.get_yscale()) == ("linear", "log")
    assert list(forget.get_lines()[0].get_ydata()) == pytest.approx([0.002, 0.2])  # type: ignore[arg-type]
    assert forget.get_title() == "forget, without zeros"
    assert words(figure).startswith("stamina, seed 4\n")


@pytest.mark.parametrize("last", [1, 3, 1500])
def test_steps_of_training_are_whole_at_every_tick(make: Make, tmp_path: Path, last: int) -> None:
    records = [[{"step": step, "sd": 0.5} for step in (0, last)]]
    figure = losses_figure(with_training(make(tasks=1), tmp_path, records))
    assert figure is not None
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) >= 2
    assert all(tick == round(tick) for tick in ticks)


def test_there_is_no_loss_figure_without_records(make: Make, tmp_path: Path) -> None:
    assert losses_figure(make()) is None
    assert losses_figure(with_training(make(tasks=1), tmp_path, [[]])) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"losses": [1]}', '{"losses": [{"sd": 1}]}', '{"losses": 3}', None])
def test_a_damaged_record_of_training_is_named(make: Make, tmp_path: Path, text: str | None) -> None:
    cell = with_training(make(tasks=1), tmp_path, [[{"step": 0, "sd": 1.0}]])
    path = cell.tasks[0].training
    assert path is not None
    path.write_text(text) if text is not None else path.unlink()
    with pytest.raises(StoreError, match=path.name):
        losses_figure(cell)


def everything(make: Make, folder: Path, label: str, **other: Any) -> CellResult:
    """A cell with the rows of every figure."""
    curves = {"a_n": [1.0, 2.0, 3.0], "interference": [0.0, 0.1, 0.2], "plasticity_distance": [1.0, 2.0, 3.0]}
    cell = make(label, curves=curves, whole={"f_mmd": 1.0, "learned_mmd": 2.0}, **other)
    cell = with_density(with_matrix(cell), {"$k$.a": [0.5, 0.4, 0.3], "_v.a": [0.5, 0.4, 0.3]})
    return with_training(cell, folder, [[{"step": 0, "sd": 1.0, "$f$": 2.0}, {"step": 1, "sd": 2.0}]] * 3)


def test_hostile_words_are_set_as_they_are(make: Make, tmp_path: Path) -> None:
    cells = [everything(make, tmp_path, label, title="50 % of $x_ and _y") for label in HOSTILE]
    assert save_figures(cells, tmp_path / "all", ["png"])
    figure = matrix_figure(cells)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes[:3]] == list(HOSTILE[:3])
    assert words(figure).startswith("50 % of $x_ and _y")
    figure = accuracy_figure(cells)
    assert figure is not None
    assert [text.get_text() for text in figure.legends[0].get_texts()][:4] == list(HOSTILE[:4])
    figure = density_figure(cells)
    assert figure is not None
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["$k$", "_v"]


def test_every_group_has_its_own_files(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "reports.figures.save.save", lambda figure, stem, kinds: [stem.with_name(stem.name + str(kinds))]
    )
    cells = [everything(make, tmp_path, label, seed=seed) for label in ("clora", "ti++") for seed in (1, 0)]
    cells.append(everything(make, tmp_path, "clora", total=9))
    cells.append(everything(make, tmp_path, "clora", benchmark="Toy"))
    paths = save_figures(cells, tmp_path / "new" / "figures", ["pdf"])
    figures = ["plasticity", "accuracy", "matrix", "stability", "interference", "density"]
    stems = [*(f"{name}-toy" for name in figures), "losses-toy-clora", "losses-toy-ti-plus-plus"]
    stems += [*(f"{name}-toy-partial" for name in figures), "losses-toy-clora-partial"]
    other, clora = short("Toy")[:SHOWN], short("Toy", "clora")[:SHOWN]  # file systems that ignore case
    stems += [*(f"{name}-Toy-{other}" for name in figures), f"losses-Toy-clora-{clora}"]
    assert [path.name for path in paths] == [f"{stem}['pdf']" for stem in stems]
    assert {path.parent for path in paths} == {tmp_path / "new" / "figures"}


@pytest.mark.usefixtures("fonts_as_shipped")
def test_all_figures_are_saved_and_repeatable(make: Make, tmp_path: Path) -> None:
    cells = [everything(make, tmp_path, "clora")]
    paths = save_figures(cells, tmp_path)
    names = ("plasticity", "accuracy", "matrix", "stability", "interference", "density", "losses")
    stems = [f"{name}-toy-clora" if name == "losses" else f"{name}-toy" for name in names]
    assert [path.name for path in paths] == [f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf")]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in save_figures(cells, tmp_path)] == before
    assert all(data.startswith(b"%PDF") and b"/Type3" not in data for data in before[1::2])


def test_a_figure_is_saved_in_the_kinds_asked_for(make: Make, tmp_path: Path) -> None:
    figure = plasticity_figure([make(curves={"plasticity_distance": [1.0, 2.0]})])
    assert figure is not None
    assert [path.name for path in save(figure, tmp_path / "p.v1", ["pdf"])] == ["p.v1.pdf"]
    (png,) = save(figure, tmp_path / "p.v1", ["png"])
    with Image.open(png) as image:
        assert image.width == 960


def test_a_broken_letter_or_number_stops_no_figure(make: Make, tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), 1.0]
    cell = make("大", curves=dict.fromkeys(("a_n", "interference", "plasticity_distance"), values))
    cell = with_rows(cell, {"metric": "mmd", "task": 1, "after": 1, "value": float("nan")})
    nothing = {"learned_mmd": float("nan"), "f_mmd": 1.0}
    assert stability_figure([make(whole=nothing)]) is None
    assert [path.name for path in save_figures([cell], tmp_path, ["png"])] == [
        "plasticity-toy.png", "accuracy-toy.png", "interference-toy.png",
    ]  # fmt: skip


def test_no_two_methods_look_the_same() -> None:
    looks = [look(position) for position in range(len(COLOURS) * len(MARKERS))]
    assert len(set(looks)) == len(looks)
    assert all(a[0] != b[0] and a[1] != b[1] and a[2] != b[2] for a, b in itertools.pairwise(looks))


def test_ticks_begin_with_the_first_task() -> None:
    assert task_ticks(1) == [1]
    assert task_ticks(3) == [1, 2, 3]
    assert task_ticks(50, 6) == [1, 10, 20, 30, 40, 50]
    assert task_ticks(20) == [1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert len(task_ticks(1000)) <= 12


def test_long_words_lose_their_middle() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefgh", 6) == "ab…fgh"
    assert len(cut("x" * 100, 40)) == 40


def test_all_text_of_all_figures_has_one_size(make: Make, make_classes: Make, tmp_path: Path) -> None:
    curves = {"plasticity_distance": [1.0, 2.0, 3.0], "mask_density": [0.1, 0.2, 0.3], "interference": [0.1, 0.2, 0.3]}
    whole = {"learned_mmd": 1.0, "f_mmd": 2.0}
    cells = [with_matrix(make(curves=curves, whole=whole)), make("cd", whole={**whole, "f_mmd": 5000.0}, curves=curves)]
    cells = [with_density(cells[0], {f"layer{k}": [0.5, 0.2, 0.1] for k in range(80)}), cells[1]]
    losses = [[{"step": step, "sd": 1.0, "forget": 1e-7 * step} for step in range(3)]] * 3
    (tmp_path / "training").mkdir()
    figures = [draw(cells) for draw in (density_figure, interference_figure, matrix_figure, plasticity_figure)]
    figures += [stability_figure(cells), accuracy_figure([make_classes(), make_classes("joint", matrix=[[50.0] * 3])])]
    figures.append(losses_figure(with_training(cells[0], tmp_path / "training", losses)))
    for figure in figures:
        assert figure is not None
        figure.draw_without_rendering()
        shown = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
        assert {text.get_fontsize() for text in shown} == {TEXT}
