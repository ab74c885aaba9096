"""The classification setting in every part of a report: figures by hand, never mixed with those of images."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from harness import registry
from harness.cli import app
from harness.errors import UsageError
from harness.results import CellResult
from reports.compare.runs import compare
from reports.figures import accuracy_figure, losses_figure, matrix_figure, plasticity_figure, stability_figure
from reports.frame import tidy
from reports.page import write_page
from reports.paper.tables import paper_sheets, to_latex, to_markdown
from reports.reference import PROTOCOL, read_protocol, read_reference, write_reference
from reports.statistics.paired_orders import class_order_sheets
from reports.tables import build_tables, stack_csv, to_latex_document, to_text
from reports.tables import to_latex as table_to_latex
from reports.tables import to_markdown as table_to_markdown
from reports.tables.columns import presentation, printed, units
from reports.tables.macros import to_macros
from reports.tables.measured import full_rows, measured
from reports.tables.published import published_for
from reports.tables.sheets import Grid, ranked
from reports.write import write_report

Make = Callable[..., CellResult]
T2 = 4.302652729911275  # Student's t, 2 degrees of freedom, 97.5 %
JOINT = ((80.0, 90.0, 70.0),)
FORGETS = ((90.0,), (0.0, 90.0), (0.0, 0.0, 90.0))
SHARE = {"n_param": (1.5, "%"), "train_seconds": (12.0, "s")}


def three_orders(make_classes: Make, **other: Any) -> list[CellResult]:
    """A_N of stamina 50, 40, 60 and of ft 30; forgetting of stamina 45, 55, 35; joint beside them."""
    cells = []
    for seed, shift in enumerate((0.0, -10.0, 10.0)):
        last = [value + shift for value in (30.0, 50.0, 70.0)]
        matrix = ((90.0,), (60.0, 80.0), last)
        cells += [
            make_classes(seed=seed, matrix=matrix, whole=SHARE, **other),
            make_classes("ft", seed=seed, matrix=FORGETS, whole={"n_param": (100.0, "%")}, **other),
            make_classes("joint", seed=seed, matrix=JOINT, **other),
        ]
    return cells


@pytest.fixture
def cells(make_classes: Make) -> list[CellResult]:
    return three_orders(make_classes)


def test_a_metric_has_one_unit_and_a_n_of_images_keeps_its_own() -> None:
    for name in registry.setting_names():
        assert all(units()[column.metric] == column.unit for column in presentation(name).every)
    assert printed(50.0, "%", "a_n") == 50.0
    assert printed(2.5, "1e-3", "a_n") == 2.5  # of customization, which has it of single tasks only
    assert printed(0.5, "1", "kid") == 500.0


def test_both_readings_stand_in_the_table(cells: list[CellResult]) -> None:
    (table,) = build_tables(cells)
    figures = {line.label: line.figures for line in table.lines}
    means = {metric: figure.mean for metric, figure in figures["stamina"].items()}
    # by hand: A_1, A_2, A_3 = 90, 70, 50; drops 60 and 30; costs 30 and 30; just learned 90, 80, 70; the two other
    # orders are 10 lower and higher in the last row
    assert means == pytest.approx(
        {
            "a_n": 50.0, "a_n_mean": 70.0, "forgetting_max": 45.0, "forgetting_step": 30.0, "learned_accuracy": 80.0,
            "n_param": 1.5, "train_seconds": 12.0,
        }
    )  # fmt: skip
    assert figures["stamina"]["a_n"].spread == pytest.approx(10.0)
    assert set(figures["joint"]) == {"a_n"}
    markdown = table_to_markdown(table)
    head = markdown.splitlines()[2]
    assert head == (
        "| method | N_param Train (%) ↓ | A_N (%) ↑ | mean of A_1..A_N (%) ↑ | forgetting max (%) ↓ | "
        "forgetting step (%) ↓ | learned accuracy (%) ↑ | train s/task ↓ |"
    )
    row = next(line for line in markdown.splitlines() if line.startswith("| joint"))
    assert row == "| joint | n/a | **80.00 ± 0.00** [78.00, 82.00] | n/a | n/a | n/a | n/a | n/a |"
    text = markdown.replace("\\", "")
    for said in (
        "Mean over class orders", "seed 0 keeps", "Two readings of 'average accuracy' are in use: A_N, after the last",
        "So are two of 'forgetting': max", "learns all classes at once has A_N only", "each task's test images as",
        "Higher is better in columns with ↑", "Bold marks the best", "accuracy: arg-max",
    ):  # fmt: skip
        assert said in text
    assert "MMD" not in text
    assert "Lower is better in every column" not in text


def test_the_best_is_the_highest_where_higher_is_better(cells: list[CellResult]) -> None:
    (table,) = build_tables(cells)
    columns = {column.metric: column for column in table.columns}
    assert table.ranks(columns["a_n"]) == {"joint": 1, "stamina": 2, "ft": 3}
    assert table.second(columns["a_n"]) == {"stamina"}
    assert table.ranks(columns["forgetting_max"]) == {"stamina": 1, "ft": 2}
    latex = table_to_latex(table)
    assert r"$\mathbf{80.00}$" in latex
    assert r"$\underline{50.00}$" in latex
    assert latex.count(r"($\uparrow$)") == 3
    assert latex.count(r"($\downarrow$)") == 4
    record = {r["method"]: r for r in csv.DictReader(io.StringIO(stack_csv([table])))}["stamina"]
    assert (record["setting"], record["a_n_rank"], record["forgetting_max_rank"]) == ("classification", "2", "1")
    assert (float(record["a_n_mean"]), float(record["a_n_mean_mean"])) == (50.0, pytest.approx(70.0))
    assert record["a_mmd_mean"] == ""
    text = to_text(table)
    assert max(map(len, text.splitlines())) <= 100
    assert "A_N % ↑" in text
    assert "80.00 ± 0.00*" in text
    assert "'*' marks the best" in text
    assert "Brackets" not in text  # none are printed there


def test_ranked_columns_follow_their_arrow() -> None:
    grid = ranked(Grid(("m", "up ↑", "down ↓"), (("a", "1", "1"), ("b", "3 ± 1", "3"), ("c", "2", "2"))), 1, 2)
    assert (grid.best, grid.second) == ({(1, 1), (0, 2)}, {(2, 1), (2, 2)})


def test_settings_are_never_mixed(make: Make, make_classes: Make, tmp_path: Path) -> None:
    mixed = [make(benchmark="x", whole={"a_mmd": 1.0}), make_classes(benchmark="x", backbone="tiny")]
    mixed[1] = mixed[1].model_copy(update={"tier": mixed[0].tier})
    tables = build_tables(mixed)
    assert [(table.setting, len(table.lines)) for table in tables] == [("customization", 1), ("classification", 1)]
    records = list(csv.DictReader(io.StringIO(stack_csv(tables))))
    assert [(r["setting"], r["a_mmd_mean"], r["a_n_mean"]) for r in records] == [
        ("customization", "1.0", ""), ("classification", "", "50.0"),
    ]  # fmt: skip
    assert r"{stamina}{a_n}{50.00}{\textemdash}{48.00}{52.00}{3}{1}" in to_macros(tables)
    assert "no method is in both" in str(compare(mixed[:1], mixed[1:]).unmatched).lower()


def test_published_figures_stand_beside_with_their_own_source(make_classes: Make) -> None:
    (table,) = build_tables(three_orders(make_classes, benchmark="imagenet-r20"))
    block = table.published
    assert block is not None
    assert block.rows["coda-p"] == {"a_n": 72.37}
    assert block.text("coda-p", "a_n", 2) == "72.37 ± 1.19"
    assert block.text("joint", "a_n", 2) == "82.06"
    assert block.text("coda-p", "forgetting_max", 2) is None
    markdown, latex = table_to_markdown(table), table_to_latex(table)
    assert "**published (ViT-B/16 fine-tuned on ImageNet-1k, 224 px, ImageNet-R)**" in markdown
    assert "| l2p | 65.89 ± 1.30 |" in markdown
    assert r"\raggedright l2p &  & $65.89$ $\pm$ 1.30" in latex
    for said in (
        "NeurIPS 2024",
        "NOT comparable in absolute terms with the mini tier",
        "Figure 6",
        "no printed figures",
    ):
        assert said in markdown
    assert "NOT comparable" not in block.caution("paper")
    assert "CODA-Prompt's code" in block.caution("paper")
    macros = to_macros([table])
    assert r"\bench@paper{imagenet-r20}{coda-p}{a_n}{72.37}" in macros
    assert r"\bench@paperspread{imagenet-r20}{coda-p}{a_n}{1.19}" in macros
    (partial,) = build_tables([make_classes(benchmark="imagenet-r20", total=20)])
    assert partial.published is None
    images = published_for("celebahq20", ())
    assert images is not None
    assert (images.whose, images.setting, images.spreads) == ("paper", "SD 1.4, real data", {})


def test_differences_over_class_orders_by_hand(cells: list[CellResult]) -> None:
    (sheet,) = class_order_sheets(cells)
    assert [grid.title for grid in sheet.grids] == [
        "A_N (%) less stamina's, best first", "mean of A_1..A_N (%) less stamina's, best first",
        "forgetting max (%) less stamina's, best first", "forgetting step (%) less stamina's, best first",
    ]  # fmt: skip
    reach = T2 * 10 / 3**0.5
    ft = ("ft", "-20.00", f"[{-20 - reach:.2f}, {-20 + reach:.2f}]", "3", "yes")  # -20, -10, -30
    joint = ("joint", "+30.00", f"[{30 - reach:.2f}, {30 + reach:.2f}]", "3", "no")
    assert sheet.grids[0].rows == (joint, ft)
    assert [row[0] for row in sheet.grids[2].rows] == ["ft"]  # nothing is learnt step by step in joint
    assert "the mean of A_1..A_N above zero" in sheet.notes[0]
    one = class_order_sheets([cell for cell in cells if cell.seed == 1])
    assert one[0].grids[0].rows[0] == ("joint", "+40.00", "[—]", "1", "—")
    assert class_order_sheets(cells[:1]) == []


def test_a_comparison_of_runs_knows_which_way_is_better(make_classes: Make) -> None:
    def run(shift: float) -> list[CellResult]:
        rows = [((90.0,), (60.0 + shift, 80.0 + s / 10)) for s in range(3)]
        return [make_classes(seed=s, matrix=matrix) for s, matrix in enumerate(rows)]

    found = compare(run(0.0), run(10.0))
    verdicts = {change.metric: change.verdict for _, changes in found.changes for change in changes}
    assert verdicts == {
        "a_n": "better", "a_n_mean": "better", "forgetting_max": "better", "forgetting_step": "better",
        "learned_accuracy": "equal",
    }  # fmt: skip
    assert {c.verdict for _, changes in compare(run(10.0), run(0.0)).changes for c in changes} == {"worse", "equal"}
    intervals = {name for _, changes in found.changes for change in changes for name in change.intervals}
    assert intervals == {"seeds"}  # task j is of other classes in another order
    assert "over class orders" in found.to_text()
    assert "jackknife" not in found.to_text()


def test_figure_6_has_lines_with_bands_and_joint_across(cells: list[CellResult]) -> None:
    figure = accuracy_figure(cells)
    assert figure is not None
    axes = figure.axes[0]
    lines = {tuple(line.get_xdata()): line for line in axes.get_lines()}  # type: ignore[arg-type]
    assert list(axes.get_lines()[0].get_ydata()) == [90.0, 70.0, 50.0]  # type: ignore[arg-type]
    assert lines[(0, 1)].get_linestyle() == "--"  # across, in fractions of the axis
    assert list(lines[(0, 1)].get_ydata()) == [80.0, 80.0]  # type: ignore[arg-type]
    assert list(lines[(3,)].get_ydata()) == [80.0]  # type: ignore[arg-type]
    assert (axes.get_ylim(), axes.get_yscale()) == ((0.0, 100.0), "linear")
    assert "higher is better" in axes.get_ylabel()
    assert "mean over 3 class orders" in axes.get_xlabel()
    handles = figure.legends[0].get_lines()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["stamina", "ft", "joint"]
    assert handles[2].get_linestyle() == "--"
    assert len(axes.collections) == 2  # bands of the two with lines


def test_the_heat_map_is_of_accuracy(cells: list[CellResult]) -> None:
    figure = matrix_figure(cells)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["stamina", "ft", "joint"]
    heat = [axes.images[0].get_array() for axes in figure.axes[:-1]]
    assert np.ma.compressed(heat[0]).tolist() == [90.0, 60.0, 80.0, 30.0, 50.0, 70.0]
    assert np.ma.compressed(heat[2]).tolist() == [80.0, 90.0, 70.0]  # the last row alone
    assert (figure.axes[0].images[0].norm.vmin, figure.axes[0].images[0].norm.vmax) == (0, 100)
    assert figure.axes[-1].get_ylabel() == "accuracy a_i,j (%, higher is better)"


def test_stability_is_forgetting_against_learned_accuracy(cells: list[CellResult]) -> None:
    figure = stability_figure(cells)
    assert figure is not None
    axes = figure.axes[0]
    points = [(c.lines[0].get_xdata()[0], c.lines[0].get_ydata()[0]) for c in axes.containers]  # type: ignore[attr-defined]
    assert points == [(pytest.approx(80.0), pytest.approx(45.0)), (90.0, 90.0)]  # joint has neither
    assert "a_j,j (%, higher is better)" in axes.get_xlabel()
    assert "forgetting max" in axes.get_ylabel()


def test_weights_and_losses_are_drawn_as_they_are(make_classes: Make, tmp_path: Path) -> None:
    cell = make_classes()
    distance = cell.rows[0].model_copy(
        update={"metric": "plasticity_distance", "unit": "1", "task": 1, "after": None, "value": 3.0}
    )
    record = tmp_path / "training.json"
    record.write_text(json.dumps({"losses": [{"step": 0, "ce": 2.0, "forget": 0.1}, {"step": 1, "ce": 1.0}]}))
    tasks = tuple(task.model_copy(update={"training": record}) for task in cell.tasks)
    cell = cell.model_copy(update={"tasks": tasks, "rows": (*cell.rows, distance)})
    figure = plasticity_figure([cell])
    assert figure is not None
    assert "Q/K/V" in figure.axes[0].get_ylabel()
    losses = losses_figure(cell)
    assert losses is not None
    assert [axes.get_title() for axes in losses.axes[:2]] == ["ce (cross-entropy)", "forget"]


def data(folder: Path) -> Any:
    text = (folder / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_the_page_has_tables_and_no_explorer(make: Make, make_classes: Make, tmp_path: Path) -> None:
    classes = three_orders(make_classes, benchmark="imagenet-r20")
    assert [path.name for path in write_page(classes, tmp_path / "classes")] == ["index.html"]
    text = (tmp_path / "classes" / "index.html").read_text(encoding="utf-8")
    assert 'id="explorer"' not in text
    assert "A_N (%) ↑" in text
    assert "train s/task ↓" in text
    assert "but higher where a heading has ↑" in text
    assert 'joint</th>\n<td class="none">' in text
    assert 'class="published">72.37 ± 1.19<' in text
    assert 'coda-p <span class="remark">published only</span>' in text
    found = data(tmp_path / "classes")
    assert found["tables"][0]["pictures"] is False
    assert "share of the ViT" in found["meanings"]["classification"]["n_param"]
    assert "customization" not in found["meanings"]
    assert found["tables"][0]["lines"][0]["figures"]["a_n"][0] == "50.00 ± 10.00"
    assert not any(cell["tasks"] for cell in found["cells"])

    write_page([make(whole={"a_mmd": 2.0}), *classes], tmp_path / "mixed")
    text = (tmp_path / "mixed" / "index.html").read_text(encoding="utf-8")
    assert 'id="explorer"' in text
    assert [table["pictures"] for table in data(tmp_path / "mixed")["tables"]] == [True, False]
    assert text.split('<section id="tables"')[0].count("</table>") == 2  # a headline for each setting


def test_a_whole_report(make_classes: Make, tmp_path: Path) -> None:
    classes = three_orders(make_classes, benchmark="imagenet-r20")
    kinds = ("latex", "md", "csv", "json", "html", "png")
    paths = write_report(classes, tmp_path / "report", kinds)
    names = {str(path.relative_to(tmp_path / "report")) for path in paths}
    figures = {f"figures/{name}-imagenet-r20.png" for name in ("accuracy", "matrix", "stability")}
    assert names == {
        "leaderboard.md", "tables.tex", "tables.md", "tables.csv", "macros.tex", "statistics.tex", "statistics.md",
        "paper.tex",
        "paper.md", "pairs.csv", "results.csv", "results.json", "index.html", *figures,
    }  # fmt: skip
    assert {path for path in (tmp_path / "report").rglob("*") if path.is_file()} == set(paths)
    pairs = list(csv.DictReader((tmp_path / "report" / "pairs.csv").open(encoding="utf-8")))
    first = next(p for p in pairs if (p["metric"], p["first"], p["second"]) == ("a_n", "stamina", "ft"))
    assert (float(first["difference"]), first["unit"], first["images_low"]) == (pytest.approx(20.0), "%", "")
    assert float(first["seeds_low"]) == pytest.approx(20 - T2 * 10 / 3**0.5)
    rows = json.loads((tmp_path / "report" / "results.json").read_text(encoding="utf-8"))["rows"]
    assert not [row for row in rows if row["metric"] == "accuracy"]  # of the matrix: in the CSV file
    matrix = tidy(classes, details=True).query("metric == 'accuracy' and method == 'stamina' and seed == 0")
    assert sorted(zip(matrix["after"], matrix["task"], strict=True)) == [
        (i, j) for i in (1, 2, 3) for j in range(1, i + 1)
    ]


def test_the_papers_table_from_cells_by_hand(make_classes: Make) -> None:
    classes = three_orders(make_classes, benchmark="imagenet-r20")
    (sheet,) = paper_sheets(*full_rows(classes))
    assert sheet.title == "Figure 6 of the paper, as a table: imagenet-r20, mini tier, tiny-vit"
    (grid,) = sheet.grids
    assert grid.head[:4] == ("method", "N_param Train (%) ↓", "A_N (%) ↑", "published ↑")
    lines = {row[0]: row[1:] for row in (*grid.rows, *grid.below)}
    assert [row[0] for row in grid.rows] == ["joint", "ft", "ft++", "l2p", "deep-l2p", "dualprompt", "coda-p"]
    assert [row[0] for row in grid.below] == ["stamina"]
    assert lines["ft"] == (
        "100.00", "30.00 ± 0.00", "4.75 ± 0.40", "55.00 ± 0.00", "90.00 ± 0.00", "67.50 ± 0.00", "90.00 ± 0.00"
    )  # fmt: skip
    assert lines["joint"] == ("n/a", "80.00 ± 0.00", "82.06", "n/a", "n/a", "n/a", "n/a")
    assert lines["coda-p"] == ("not run", "not run", "72.37 ± 1.19", *["not run"] * 4)
    assert lines["stamina"][1:3] == ("50.00 ± 10.00", "n/a")
    assert {(0, 2), (0, 3)} <= grid.best
    notes = " ".join(sheet.notes)
    assert "is 1.00 (2 methods: joint, ft; exact two-sided p = 1)" in notes
    assert "The orders disagree on none of 1 pair." in notes
    assert "Protocol of ours: accuracy: arg-max." in notes
    assert paper_sheets(*full_rows([make_classes()])) == []  # a benchmark of the user's has no published figures


def test_reference_results_keep_the_setting(make: Make, make_classes: Make, tmp_path: Path) -> None:
    write_reference([make(benchmark="celebahq20", whole={"a_mmd": 1.0, "f_mmd": 0.5})], tmp_path / "mini")
    before = json.loads((tmp_path / "mini" / PROTOCOL).read_text(encoding="utf-8"))
    del before["benchmarks"]["celebahq20"]["setting"]  # as it was before there were two
    (tmp_path / "mini" / PROTOCOL).write_text(json.dumps(before), encoding="utf-8")
    write_reference(three_orders(make_classes, benchmark="imagenet-r20"), tmp_path / "mini")
    records = read_protocol(tmp_path / "mini").benchmarks
    assert {name: record.setting for name, record in records.items()} == {
        "celebahq20": "customization", "imagenet-r20": "classification",
    }  # fmt: skip
    rows = [row for row in read_reference(tmp_path / "mini") if row.benchmark == "imagenet-r20"]
    assert not [row for row in rows if row.after is not None]
    (ours,) = [found for found in measured(rows) if found.backbone == "tiny-vit"]
    assert ours.whole("imagenet-r20", "stamina", "a_n") == {0: 50.0, 1: 40.0, 2: 60.0}
    assert ours.curve("imagenet-r20", "stamina", "a_n")[0] == [90.0, 70.0, 50.0]
    done = CliRunner().invoke(app, ["report", str(tmp_path / "mini"), "--format", "paper"])
    assert done.exit_code == 0, done.output
    assert "## Table 1a of the paper: celebahq20, mini tier, tiny" in done.stdout
    assert "## Figure 6 of the paper, as a table: imagenet-r20, mini tier, tiny-vit" in done.stdout
    changed = make_classes(benchmark="celebahq20").model_copy(update={"backbone": "tiny"})
    with pytest.raises(UsageError, match="one setting, one backbone and one length of celebahq20"):
        write_reference([changed], tmp_path / "mini")


def test_mathematics_of_accuracy_is_set(make_classes: Make) -> None:
    latex = to_latex(paper_sheets(*full_rows(three_orders(make_classes, benchmark="imagenet-r20"))))
    for said in (r"$a_{n-1,j}$", r"$A_{N}$", r"$A_1,\ldots,A_N$", r"(\%) ($\uparrow$)"):
        assert said in latex
    assert "A\\_N" not in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(make_classes: Make, tmp_path: Path) -> None:
    classes = three_orders(make_classes, benchmark="imagenet-r20")
    tables = build_tables(classes)
    body = to_latex(paper_sheets(*full_rows(classes))).split(r"\begin{document}")[1].split(r"\end{document}")[0]
    text = to_latex_document(tables).replace(r"\end{document}", rf"\clearpage{body}\end{{document}}")
    cited = r"\benchfigure[paper spread]{imagenet-r20}{coda-p}{a_n} \benchfigure{imagenet-r20}{stamina}{a_n_mean}"
    text = text.replace(r"\begin{document}", rf"\input{{macros}}\begin{{document}}{cited}")
    (tmp_path / "macros.tex").write_text(to_macros(tables), encoding="utf-8")
    (tmp_path / "all.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-2000:]


def test_every_setting_prints_what_is_trained_and_how_long_it_takes() -> None:
    for columns in (presentation(name).columns for name in registry.setting_names()):
        assert {"n_param", "train_seconds"} <= {column.metric for column in columns}


def test_the_error_names_all_benchmarks_of_the_paper() -> None:
    with pytest.raises(UsageError, match="celebahq20, landmarks20, mixed50, imagenet-r20"):
        to_markdown([])
