"""The paper's tables beside ours: statistics against figures worked out by hand, and what each table must say."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.results import CellResult, Row
from reports.paper.tables import paper_sheets, to_latex, to_markdown
from reports.statistics.intervals import agreement, over_seeds, paired
from reports.tables.measured import full_rows, measured
from reports.tables.sheets import Grid, Sheet, ranked, to_text
from reports.tables.sheets import to_latex as sheets_to_latex
from reports.tables.sheets import to_markdown as sheets_to_markdown
from reports.write import write_report

Make = Callable[..., CellResult]
T1 = 12.706204736432095  # Student's t, 1 degree of freedom, 97.5 %
T2 = 4.302652729911275  # Student's t, 2 degrees of freedom, 97.5 %
UNITS = {"train_seconds": "s", "n_param": "%", "plasticity_distance": "1", "residual_norm": "1"}


def rows(benchmark: str, method: str, **figures: Sequence[float]) -> list[Row]:
    """One row a seed and metric."""
    return [row(benchmark, method, seed, metric, v) for metric, vs in figures.items() for seed, v in enumerate(vs)]


def row(benchmark: str, method: str, seed: int, metric: Any, value: float, **other: Any) -> Row:
    common: dict[str, Any] = {"tier": "mini", "backbone": "tiny", "n": 1, "partial": False} | other
    return Row(
        benchmark=benchmark, method=method, seed=seed, metric=metric, value=value, unit=UNITS.get(metric, "1e-3"),
        **common,
    )  # fmt: skip


def sheet(found: Sequence[Row], start: str) -> Sheet:
    return next(s for s in paper_sheets(found) if s.title.startswith(start))


def lines(grid: Grid) -> Mapping[str, tuple[str, ...]]:
    return {line[0]: line[1:] for line in (*grid.rows, *grid.below)}


def test_tau_of_four_methods_by_hand() -> None:
    # Six pairs; only (c, d) is the other way round: (5 - 1) / 6. Of the 24 orders of four, 1 + 3 have at most one
    # pair reversed and as many at least five: 8 / 24.
    found = agreement({"a": 1.0, "b": 2.0, "c": 4.0, "d": 3.0}, {"a": 10.0, "b": 20.0, "c": 30.0, "d": 40.0, "e": 0.0})
    assert found is not None
    assert found.methods == ("a", "b", "c", "d")
    assert found.tau == pytest.approx(4 / 6)
    assert found.p == pytest.approx(8 / 24)
    assert found.reversed == (("c", "d"),)
    assert found.pairs == 6


def test_tau_with_ties_and_without_methods() -> None:
    found = agreement({"a": 1.0, "b": 1.0, "c": 2.0}, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert found is not None
    assert found.tau == pytest.approx(2 / (2 * 3) ** 0.5)  # tau-b: 2 concordant, 2 of 3 pairs untied on one side
    assert found.p is None
    assert found.tied == (("a", "b"),)
    all_tied = agreement({"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 2.0})
    assert all_tied is not None
    assert all_tied.tau is None
    assert agreement({"a": 1.0}, {"a": 1.0}) is None


def test_intervals_by_hand() -> None:
    found = over_seeds([1.0, 2.0, 6.0])
    assert found is not None
    assert found.spread == pytest.approx(7**0.5)
    assert found.low == pytest.approx(3 - T2 * (7 / 3) ** 0.5)
    assert found.high == pytest.approx(3 + T2 * (7 / 3) ** 0.5)
    difference = paired({0: 5.0, 1: 7.0, 2: 9.0, 7: 100.0}, {2: 5.0, 1: 4.0, 0: 3.0})  # 2, 3, 4; seed 7 has no partner
    assert difference is not None
    assert (difference.mean, difference.n) == (pytest.approx(3.0), 3)
    assert difference.low == pytest.approx(3 - T2 / 3**0.5)
    assert difference.holds_zero is False
    one = over_seeds([4.0])
    assert one is not None
    assert (one.spread, one.low, one.holds_zero, one.below(found)) == (None, None, None, None)
    assert paired({0: 1.0}, {1: 1.0}) is None
    assert over_seeds([]) is None


def test_measured_leaves_out_what_is_partial_or_of_a_layer() -> None:
    good = row("mixed50", "cd", 0, "a_mmd", 1.0)
    bad = [
        row("mixed50", "cd", 1, "a_mmd", 9.0, partial=True),
        row("mixed50", "cd", 2, "a_mmd", 9.0, layer="mid.to_k"),
        row("mixed50", "cd", 3, "a_mmd", float("nan")),
    ]
    (ours,) = measured([good, *bad, row("mixed50", "cd", 0, "kid", 0.5).model_copy(update={"unit": "1"})])
    assert ours.whole("mixed50", "cd", "a_mmd") == {0: 1.0}
    assert ours.whole("mixed50", "cd", "kid") == {0: 500.0}
    tasks = [row("mixed50", "cd", 0, "plasticity_distance", v, task=t) for t, v in ((10, 3.0), (2, 2.0), (1, 1.0))]
    assert measured(tasks)[0].curve("mixed50", "cd", "plasticity_distance") == {0: [1.0, 2.0, 3.0]}


def test_comparison_table() -> None:
    found = [
        *rows("celebahq20", "stamina", a_mmd=[1.0, 2.0, 6.0], f_mmd=[0.5, 0.5, 0.5], n_param=[1.184, 1.184, 1.184]),
        *rows("celebahq20", "clora", a_mmd=[8.0, 9.0, 10.0], f_mmd=[2.0, 3.0, 4.0]),
        *rows("celebahq20", "ti++", a_mmd=[2.0, 2.0, 2.0], f_mmd=[0.0, 0.0, 0.0]),
        *rows("celebahq20", "ti", a_mmd=[5.0], f_mmd=[0.0]),
        *rows("celebahq20", "cd", a_mmd=[0.0]),
        *rows("celebahq20", "lora [rank=4]", a_mmd=[7.0], f_mmd=[1.0]),
    ]
    table = sheet(found, "Table 1a")
    (grid,) = table.grids
    assert [line[0] for line in grid.rows] == ["ti++", "cd", "cd-merge", "cd-ewc", "clora", "stamina"]
    assert [line[0] for line in grid.below] == ["lora [rank=4]", "ti"]
    assert grid.below_title == "not in the paper"
    assert lines(grid)["stamina"] == ("1.18", "0.19", "3.00 ± 2.65", "2.18", "0.50 ± 0.00", "0.03")
    assert lines(grid)["cd"] == ("not run", "2.23", "0.00", "7.58", "not run", "6.56")
    assert lines(grid)["cd-ewc"][2:] == ("not run", "7.39", "not run", "5.81")
    assert lines(grid)["ti"][2:] == ("5.00", "n/a", "0.00", "n/a")
    assert "NOT comparable in absolute terms with the mini tier" in table.caption
    notes = "\n".join(table.notes)
    # ours: cd, ti++, stamina, clora; the paper's: stamina, clora, ti++, cd. Only (stamina, clora) agrees.
    assert "A_mmd: Kendall's tau-b between our order of mean scores and the paper's is -0.67 (4 methods: " in notes
    assert "exact two-sided p = 0.333" in notes
    assert "disagree on 5 of 6 pairs" in notes
    assert "stamina and ti++ (+1.00 [-5.57, 7.57]; paper -0.19)" in notes
    assert "stamina and cd (+3.00; paper -5.40)" in notes
    assert "F_mmd: Kendall's tau-b between our order of mean scores and the paper's is 1.00 (3 methods" in notes
    assert "disagree on none of 3 pairs" in notes
    assert "0 (cd, ti, lora [rank=4])" not in notes  # in the table's order
    assert "0 (cd, lora [rank=4], ti)" in notes


def test_merge_of_fifty_is_extra_and_says_why() -> None:
    found = [r for name in ("cd-merge", "ti++", "ub", "stamina-no-mask") for r in rows("mixed50", name, a_mmd=[1.0])]
    (grid,) = sheet(found, "Table 2a").grids
    assert [line[0] for line in grid.below] == ["cd-merge"]  # the others have tables of their own
    assert lines(grid)["cd-merge"] == (
        "not run",
        "out of memory",
        "1.00",
        "out of memory",
        "not run",
        "out of memory",
    )
    assert "ran out of memory" in sheet(found, "Table 2a").caption
    assert not [s for s in paper_sheets(found) if s.title.startswith("Table 2b")]  # without the full method


def test_ablations_by_paired_differences() -> None:
    found = [
        *rows("mixed50", "stamina", a_mmd=[10.0, 20.0, 30.0], f_mmd=[1.0, 1.0, 1.0]),
        *rows("mixed50", "stamina-no-mask", a_mmd=[12.0, 23.0, 34.0], f_mmd=[0.5, 2.0, 0.5]),
        *rows("mixed50", "stamina-no-gumbel", a_mmd=[9.0], f_mmd=[2.0]),
    ]
    for seed, (full, ablated) in enumerate([([8, 12], [10, 14]), ([18, 22], [20, 26]), ([28, 32], [30, 38])]):
        for method, values in (("stamina", full), ("stamina-no-mask", ablated)):
            found += [row("mixed50", method, seed, "a_mmd", v, task=t) for t, v in enumerate(values, 1)]
    table = sheet(found, "Table 2b")
    scores, accuracy, forgetting = table.grids
    assert scores.head == ("method", "N_param (%) ↓", "A_mmd (x10^3) ↓", "paper ↓", "F_mmd (x10^3) ↓", "paper ↓")
    assert lines(scores)["stamina"][1:] == ("20.00 ± 10.00", "2.29", "1.00 ± 0.00", "0.01")
    reach = T2 / 3**0.5  # differences 2, 3, 4
    # over tasks: task 1 differs by 2 under each seed, task 2 by 2, 4, 6; the means 2 and 4 give 3 +- t(1) * 1
    over_tasks = f"[{3 - T1:.2f}, {3 + T1:.2f}]"
    seeds = f"[{3 - reach:.2f}, {3 + reach:.2f}]"
    assert lines(accuracy)["stamina-no-mask"] == ("+3.00", over_tasks, seeds, "+0.62", "yes")
    assert lines(forgetting)["stamina-no-mask"] == ("0.00", "n/a", "[-2.15, 2.15]", "+0.19", "no")
    assert lines(accuracy)["stamina-no-gumbel"] == ("-1.00", "n/a", "[—]", "+1.10", "no")
    assert lines(forgetting)["stamina-no-gumbel"] == ("+1.00", "n/a", "[—]", "+0.81", "yes")
    assert lines(accuracy)["stamina-no-sparsity"] == ("not run", "n/a", "n/a", "+0.61", "n/a")
    notes = "\n".join(table.notes)
    assert "A_mmd: 1 of 2 ablations change it in the paper's direction; 0 of the differences" in notes
    assert "F_mmd: 1 of 2 ablations change it in the paper's direction; no interval says" in notes


def test_upper_bound_by_hand() -> None:
    found = [
        *rows("mixed50", "ub", a_mmd=[10.0, 11.0, 12.0]),
        *rows("mixed50", "ti++", a_mmd=[20.0, 22.0, 24.0]),
    ]
    table = sheet(found, "Table 3")
    (grid,) = table.grids
    reach = T2 / 3**0.5  # differences 10, 11, 12
    delta = f"+11.00 [{11 - reach:.2f}, {11 + reach:.2f}]"
    own = f"[{22 - 2 * reach:.2f}, {22 + 2 * reach:.2f}]"
    assert lines(grid)["ti++"] == ("22.00 ± 2.00", own, delta, "100.00", "2.52", "0.36", "16.67")
    assert lines(grid)["ub"][2:] == ("0", "0", "2.16", "0.00", "0.00")
    assert lines(grid)["stamina"] == ("not run", "not run", "not run", "not run", "2.29", "0.13", "6.02")
    assert "Intervals apart, ub below: yes." in "\n".join(table.notes)
    found += [row("mixed50", m, 0, "a_mmd", v, task=t) for m, v, t in (("ub", 9, 1), ("ub", 11, 2))]
    found += [row("mixed50", m, 0, "a_mmd", v, task=t) for m, v, t in (("ti++", 19, 1), ("ti++", 23, 2))]
    assert f"interval over tasks: +11.00 [{11 - T1:.2f}, {11 + T1:.2f}]" in "\n".join(sheet(found, "Table 3").notes)
    checks = sheet(found, "Three checks").grids
    assert checks[0].rows[0][0] == "mixed50"
    assert checks[0].rows[0][3:] == ("yes", f"+11.00 [{11 - T1:.2f}, {11 + T1:.2f}]", "no")
    single = [r for r in found if r.seed == 0]
    assert "One seed gives no interval" in "\n".join(sheet(single, "Table 3").notes)
    assert sheet(single, "Three checks").grids[0].rows[0][3] == "—"


def test_checks_of_forgetting_and_plasticity() -> None:
    found = [
        *rows("mixed50", "cd", a_mmd=[1.0, 1.0], f_mmd=[20.0, 40.0], f_mmd_unbiased=[20.0, 40.0]),
        *rows("mixed50", "stamina", a_mmd=[1.0, 1.0], f_mmd=[2.0, 2.0], f_mmd_unbiased=[2.0, -0.5]),
    ]
    curve = [1.0, 2.0, 3.0, 3.5, 4.0, 4.2, 4.4, 4.6, 4.7, 4.8]  # first fifth: 2.0 / 2; last: (4.8 - 4.6) / 2
    for task, (distance, residual) in enumerate(zip(curve, [4.0] + [1.0] * 9, strict=True), 1):
        found.append(row("mixed50", "clora", 0, "plasticity_distance", distance, task=task))
        found.append(row("mixed50", "clora", 0, "residual_norm", residual, task=task))
    checks = sheet(found, "Three checks")
    forgetting, plasticity = checks.grids
    assert [line[1:] for line in forgetting.rows] == [
        ("F_mmd", "0: 10.0; 1: 20.0", "15.0 ± 7.1", "yes"),
        ("F_mmd unbiased", "0: 10.0; 1: not defined", "not defined", "open"),
    ]
    assert plasticity.rows == (("mixed50", "clora", "1.000", "0.100", "0.10", "4.000", "1.000", "0.25"),)
    notes = "\n".join(checks.notes)
    assert "(a) Is the upper bound clearly below tokens alone? Open: what this compares was not run." in notes
    unrelated = (10**0.5 - 8**0.5) / 2**0.5
    assert f"{unrelated:.2f} for 10 tasks" in notes


def test_best_and_second_by_column() -> None:
    head = ("method", "ours ↓", "paper ↓")
    rows_, below = (
        (("a", "2.00 ± 0.10", "1.0"), ("b", "1.00", "n/a"), ("c", "not run", "3.0")),
        (("d", "2.00", "n/a"),),
    )
    grid = ranked(Grid(head, rows_, "extra", below), 1, 2)
    assert grid.best == {(1, 1), (0, 2)}
    assert grid.second == {(0, 1), (3, 1)}  # the paper's column has two numbers only
    found = [Sheet("t", "c", (grid,), ())]
    markdown, latex, text = (
        render(found) for render in (lambda x: sheets_to_markdown(x, "T"), sheets_to_latex, to_text)
    )
    assert "| b | **1.00** | n/a |" in markdown
    assert "| a | <u>2.00 ± 0.10</u> | **1.0** |" in markdown
    assert r"\raggedright a & \underline{2.00} $\pm$ 0.10 & \textbf{1.0} \\" in latex
    assert "| d | <u>2.00</u> | n/a |" in markdown
    assert "1.00*" in text
    assert "'*' stands for bold" in text
    assert "ours ($\\downarrow$)" in latex


def test_the_same_tables_by_kid() -> None:
    found = [
        *rows("mixed50", "stamina", a_mmd=[1.0, 1.0], kid=[0.5, 1.5], f_kid=[2.0, 2.0], n_param=[1.0, 1.0]),
        *rows("mixed50", "stamina-no-mask", a_mmd=[1.0, 1.0], kid=[2.5, 5.5]),
        *rows("mixed50", "ub", a_mmd=[1.0], kid=[-0.5]),
    ]
    titles = [s.title for s in paper_sheets(found)]
    assert [t.split(":")[0] for t in titles if "KID" in t] == [
        f"Table {n} of the paper by KID" for n in ("2a", "2b", "3")
    ]
    main = sheet(found, "Table 2a of the paper by KID")
    assert "the paper's main text gives no KID" in main.caption
    assert lines(main.grids[0])["stamina"] == ("1.00", "1.00 ± 0.71", "2.00 ± 0.00")
    assert lines(main.grids[0])["cd"] == ("not run", "not run", "not run")
    scores, accuracy, forgetting = sheet(found, "Table 2b of the paper by KID").grids
    assert lines(scores)["stamina-no-mask"] == ("4.00 ± 2.12", "not run")
    assert lines(accuracy)["stamina-no-mask"] == ("+3.00", "n/a", f"[{3 - T1:.2f}, {3 + T1:.2f}]")  # 2 and 4
    assert lines(forgetting)["stamina-no-mask"] == ("not run", "n/a", "n/a")
    bound = lines(sheet(found, "Table 3 of the paper by KID").grids[0])
    assert bound["stamina"][:4] == ("1.00 ± 0.71", f"[{1 - T1 / 2:.2f}, {1 + T1 / 2:.2f}]", "+1.00", "n/a")
    assert not [s for s in paper_sheets(rows("mixed50", "stamina", a_mmd=[1.0])) if "KID" in s.title]


def test_times_relative_to_tokens_alone() -> None:
    found = [
        *rows("mixed50", "stamina", a_mmd=[1.0, 1.0], train_seconds=[3.0, 4.0]),
        *rows("mixed50", "ti++", a_mmd=[1.0, 1.0], train_seconds=[2.0, 2.0]),
        *rows("celebahq20", "cd", a_mmd=[1.0], train_seconds=[7.0]),
    ]
    table = sheet(found, "Time of training")
    assert [grid.title for grid in table.grids] == ["celebahq20", "mixed50"]
    assert table.grids[0].rows == (("cd", "7.00", "n/a", "n/a"),)
    assert table.grids[1].rows == (
        ("ti++", "2.00 ± 0.00", "1.000 ± 0.000", "1.000"),
        ("stamina", "3.50 ± 0.71", "1.750 ± 0.354", "1.096"),
    )
    notes = "\n".join(table.notes)
    assert "compare only within one machine" in notes
    assert "9.6 % longer" in notes


def test_several_backbones_and_protocols_stay_apart() -> None:
    found = [
        *rows("mixed50", "stamina", a_mmd=[1.0]),
        row("mixed50", "stamina", 0, "a_mmd", 9.0, backbone="other"),
    ]
    key = ("mixed50", "mini", "tiny")
    sheets = paper_sheets(found, {key: {"stamina": [{"kernel": "degree 3"}]}})
    assert [s.title for s in sheets] == [
        "Table 2a of the paper: mixed50, mini tier, tiny",
        "Three checks, mini tier, tiny",
        "Table 2a of the paper: mixed50, mini tier, other",
        "Three checks, mini tier, other",
    ]
    assert "Protocol of ours: kernel: degree 3." in sheets[0].notes
    assert "degree 3" not in str(sheets[2].notes)


def test_cells_become_rows_under_their_tables_labels(make: Make) -> None:
    cells = [
        make(benchmark="mixed50", whole={"a_mmd": 1.0}, curves={"mask_density": [0.5]}),
        make(benchmark="mixed50", whole={"a_mmd": 2.0}, options={"rank": 8}),
        make(benchmark="mixed50", whole={"a_mmd": 9.0}, seed=1, total=50, partial=True),
    ]
    found, protocols = full_rows(cells)
    assert [(r.method, r.value, r.task) for r in found] == [
        ("stamina (earlier: options 06d303)", 1.0, None), ("stamina (earlier: options 06d303)", 0.5, 1),
        ("stamina", 2.0, None),
    ]  # fmt: skip
    assert set(protocols["mixed50", "mini", "tiny"]) == {"stamina", "stamina (earlier: options 06d303)"}


def test_report_writes_paper_files_only_from_full_cells(make: Make, tmp_path: Path) -> None:
    full = make(benchmark="celebahq20", whole={"a_mmd": 1.0}, tasks=1)
    partial = make(benchmark="celebahq20", whole={"a_mmd": 1.0}, tasks=1, total=20, partial=True)
    assert {"paper.md", "paper.tex"} <= {p.name for p in write_report([full], tmp_path / "full")}
    assert "Table 1a" in (tmp_path / "full" / "paper.md").read_text(encoding="utf-8")
    assert not {"paper.md", "paper.tex"} & {p.name for p in write_report([partial], tmp_path / "partial")}
    with pytest.raises(UsageError, match="celebahq20, landmarks20, mixed50"):
        to_markdown(paper_sheets(full_rows([partial])[0]))


def test_text_is_escaped_and_mathematics_set() -> None:
    found = [*rows("celebahq20", "stamina", a_mmd=[1.0, 2.0]), *rows("celebahq20", "x_y & 5% | <b> [r]", a_mmd=[3.0])]
    latex, markdown = to_latex(paper_sheets(found)), to_markdown(paper_sheets(found))
    assert r"x\_y \& 5\% \textbar{} \textless{}b\textgreater{} {[}r{]}" in latex
    assert r"x\_y \& 5% \| \<b\> \[r\]" in markdown
    assert r"\shortstack[r]{$A_\mathrm{mmd}$\\($\times 10^3$) ($\downarrow$)}" in latex
    assert "A\\_mmd (x10^3)" in markdown
    assert [line for line in latex.splitlines() if "usepackage" in line] == [r"\usepackage{booktabs}"]
    minus = sheets_to_latex([Sheet("t", "c", (Grid(("a", "b"), (("mini-64", "-1.00 [-2.00, 1-3]"),)),), ())])
    assert "mini-64" in minus
    assert "$-$1.00 {[}$-$2.00, 1-3{]}" in minus


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(tmp_path: Path) -> None:
    ablations = ("stamina", "stamina-no-mask", "ub", "ti++", "cd", "x_y \\input & 5% $ # [q] 漢")
    found = [
        r for i, name in enumerate(ablations) for r in rows("mixed50", name, a_mmd=[1.0 + i, 3.0], f_mmd=[1.0, 2.0])
    ]
    (tmp_path / "paper.tex").write_text(to_latex(paper_sheets(found)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-2000:]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_all_sheets_fit_their_pages(tmp_path: Path) -> None:
    methods = ("ti++", "cd", "cd-merge", "cd-ewc", "clora", "stamina", "stamina-no-mlp-tokens", "ub", "lora")
    figures = {m: [412.34, 430.12, 399.99] for m in ("a_mmd", "f_mmd", "kid", "f_kid", "train_seconds", "n_param")}
    found = [r for name in methods for b in ("mixed50", "celebahq20") for r in rows(b, name, **figures)]
    (tmp_path / "paper.tex").write_text(to_latex(paper_sheets(found)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-2000:]
    assert not [line for line in result.stdout.splitlines() if "full \\" in line or "too large" in line]
