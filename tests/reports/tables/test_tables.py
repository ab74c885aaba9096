"""Means, spreads and grouping checked by hand, and what each form of a table must show."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.results import CellResult
from reports.tables import build_tables, stack_csv, to_csv, to_latex, to_latex_document, to_markdown, to_text

Make = Callable[..., CellResult]
NASTY = "a_b & 50% #1 $x$ {y} ~z ^w \\input{/etc/passwd} [q] <t> | -- é \N{GREEK SMALL LETTER GAMMA} 漢"


def test_mean_and_sample_deviation(make: Make) -> None:
    cells = [make(seed=seed, whole={"a_mmd": value}) for seed, value in ((0, 1.0), (1, 2.0), (2, 6.0))]
    (table,) = build_tables(cells)
    figure = table.lines[0].figures["a_mmd"]
    assert figure.mean == pytest.approx(3.0)
    assert figure.spread == pytest.approx(7**0.5)  # (4 + 1 + 9) / 2
    assert "3.00 ± 2.65" in to_markdown(table)
    assert r"$3.00$ $\pm$ 2.65" in to_latex(table)
    assert "3.00 ± 2.65" in to_text(table)


def test_one_seed_prints_no_spread_and_never_zero(make: Make) -> None:
    (table,) = build_tables([make(whole={"a_mmd": 2.0, "a_mmd_unbiased": (1.5, 1.25, 1.75)})])
    assert table.lines[0].figures["a_mmd"].spread is None
    assert "| 2.00 |" in to_markdown(table)
    assert "1.50 [1.25, 1.75]" in to_markdown(table)
    assert r"$2.00$" in to_latex(table)
    assert "$[1.25, 1.75]$" in to_latex(table)
    assert "2.00" in to_text(table)
    assert next(csv.DictReader(io.StringIO(to_csv(table))))["a_mmd_sd"] == ""


def test_intervals_are_averaged_over_seeds(make: Make) -> None:
    cells = [make(seed=s, whole={"f_mmd_unbiased": (v, v - 0.1, v + 0.3)}) for s, v in ((0, -0.2), (1, 0.4))]
    figure = build_tables(cells)[0].lines[0].figures["f_mmd_unbiased"]
    assert (figure.low, figure.high) == (pytest.approx(0.0), pytest.approx(0.4))


def test_kid_is_scaled_and_wrong_units_are_refused(make: Make) -> None:
    cell = make(whole={"kid": 0.0045})
    assert build_tables([cell])[0].lines[0].figures["kid"].mean == pytest.approx(4.5)
    seconds = cell.rows[0].model_copy(update={"unit": "s"})
    with pytest.raises(BenchError, match="unit 's'"):
        build_tables([cell.model_copy(update={"rows": (seconds,)})])


def test_partial_never_enters_a_full_table(make: Make) -> None:
    full = make(whole={"a_mmd": 1.0}, tasks=4)
    three = make(seed=1, whole={"a_mmd": 9.0}, tasks=3, total=50, partial=True)
    two = make(seed=2, whole={"a_mmd": 9.0}, tasks=2, total=50, partial=True)
    same_tasks = make(seed=3, whole={"a_mmd": 9.0}, tasks=4, partial=True)
    unmarked = make(seed=4, whole={"a_mmd": 9.0}, tasks=3, total=4)
    tables = build_tables([full, three, two, same_tasks, unmarked])
    assert [table.scope for table in tables] == [
        "4 tasks",
        "partial: tasks 1-3 of 50",
        "partial: tasks 1-2 of 50",
        "partial: tasks 1-4 of 4",
        "partial: tasks 1-3 of 4",
    ]
    assert all(len(table.lines) == 1 and len(table.lines[0].seeds) == 1 for table in tables)
    assert "partial: tasks 1-3 of 50" in to_markdown(tables[1])


def test_rows_of_tasks_and_layers_stay_out(make: Make) -> None:
    (table,) = build_tables([make(whole={"a_mmd": 1.0}, curves={"train_seconds": [5.0, 7.0]})])
    assert set(table.lines[0].figures) == {"a_mmd"}
    assert "n/a" in to_text(table)


def test_variants_stay_apart_at_80_columns(make: Make) -> None:
    whole = {"n_param": 4.01, "a_mmd": 471.74, "f_mmd": 10.5, "kid": 0.45, "train_seconds": 10.5}
    solvers = ("dpmpp", "unipc")
    cells = [
        make(f"ub [sampling.solver={solver}]", seed, whole=whole, method="ub") for solver in solvers for seed in (0, 1)
    ]
    text = to_text(build_tables(cells)[0], 80)
    rows = [line for line in text.splitlines() if line.startswith("ub ")]
    assert max(map(len, text.splitlines()[2:6])) <= 100  # of figures as wide as these; none of them is cut
    assert [solver for row, solver in zip(rows, solvers, strict=True) if solver in row] == [*solvers]
    assert all("471.74 ± 0.00" in row for row in rows)
    assert max(map(len, to_text(build_tables(cells[::2])[0], 80).splitlines())) <= 80


def test_repeated_cells_do_not_count_as_seeds(make: Make) -> None:
    (table,) = build_tables([make(whole={"a_mmd": 1.0}), make(whole={"a_mmd": 3.0})])
    assert table.lines[0].seeds == (0,)
    assert table.lines[0].figures["a_mmd"].mean == 3.0
    assert table.lines[0].figures["a_mmd"].spread is None
    (table,) = build_tables([make(options={"rank": 4}), make(options={"rank": 8})])
    assert [line.label for line in table.lines] == ["stamina (earlier: rank=4)", "stamina"]


def test_best_is_bold_and_ties_share_it(make: Make) -> None:
    values = {"clora": 2.0, "stamina": 1.001, "ti++": 1.004}
    (table,) = build_tables([make(name, whole={"a_mmd": value}) for name, value in values.items()])
    text = to_markdown(table)
    assert [line.label for line in table.lines] == ["clora", "stamina", "ti++"]
    assert text.count("**1.00**") == 2
    assert "**2.00" not in text
    assert to_latex(table).count(r"$\mathbf{1.00}$") == 2


def test_second_is_underlined_by_the_printed_mean(make: Make) -> None:
    values = {"cd": 3.0, "clora": 2.001, "stamina": 1.0, "ti": 1.999, "ub": None}
    cells = [make(name, whole={} if value is None else {"a_mmd": value}) for name, value in values.items()]
    (table,) = build_tables(cells)
    column = next(c for c in table.columns if c.metric == "a_mmd")
    assert table.ranks(column) == {"cd": 3, "clora": 2, "stamina": 1, "ti": 2}
    assert table.second(column) == {"clora", "ti"}
    assert to_markdown(table).count("<u>2.00</u>") == 2
    assert to_latex(table).count(r"$\underline{2.00}$") == 2
    text = to_text(table)
    assert "1.00*" in text
    assert text.count("2.00+") == 2
    ranks = {r["method"]: r["a_mmd_rank"] for r in csv.DictReader(io.StringIO(to_csv(table)))}
    assert ranks == {"cd": "3", "clora": "2", "stamina": "1", "ti": "2", "ub": ""}
    (two,) = build_tables(cells[:2])
    assert (two.best(column), two.second(column)) == ({"clora"}, set())


def test_headings_say_which_way_is_better(make: Make) -> None:
    (table,) = build_tables([make(whole={"a_mmd": 1.0})])
    assert to_markdown(table).splitlines()[2].count(" ↓ |") == len(table.columns)
    assert to_latex(table).count(r"($\downarrow$)") == len(table.columns)
    assert "A_mmd ↓" in to_text(table)


def test_intervals_are_explained_where_they_stand(make: Make) -> None:
    (bare,) = build_tables([make(whole={"a_mmd": (1.0, 0.5, 1.5)})])  # a column that prints none
    (table,) = build_tables([make(whole={"a_mmd_unbiased": (1.0, 0.5, 1.5)})])
    assert "jackknife" not in to_markdown(bare)
    assert "jackknife" in to_markdown(table)
    assert "jackknife" not in to_text(table)
    assert "sample standard deviation (n - 1)" in to_markdown(table)


def test_csv_has_more_than_the_tables(make: Make) -> None:
    (table,) = build_tables([make(whole={"f_kid": 2.5, "learned_mmd": (7.0, 6.0, 8.0)})])
    record = next(csv.DictReader(io.StringIO(to_csv(table))))
    assert (record["f_kid_mean"], record["learned_mmd_mean"], record["learned_mmd_low"]) == ("2.5", "7.0", "6.0")
    assert "f_kid 1e-3" in record["units"]
    assert "F_KID" not in to_markdown(table)


def test_protocol_and_floors_stand_under_every_form(make: Make) -> None:
    floors = {"a_mmd": 3.0, "noise_floor": (0.2, 0.1, 0.3), "codec_floor": 0.5}
    same = {"kernel": "degree 3"}
    cells = [
        make("stamina", whole=floors, protocol=same | {"sampler": "50 steps"}),
        make("clora", seed=7, whole=floors, protocol=same | {"sampler": "25 steps"}),
    ]
    (table,) = build_tables(cells)
    for text in (to_markdown(table).replace("\\", ""), to_latex(table), " ".join(to_text(table).split())):
        assert "kernel: degree 3" in text
        assert "50 steps (stamina); 25 steps (clora)" in text
        assert "0 (stamina); 7 (clora)" in text
        assert "Noise floor" in text
        assert "Codec floor" in text
        assert "Lower is better" in text
    record = next(csv.DictReader(io.StringIO(to_csv(table))))
    assert record["noise_floor"] == "0.2"
    assert "kernel: degree 3" in record["protocol"]


def test_who_keeps_data_is_told_under_every_form(make: Make) -> None:
    cells = [make("plain"), make("hoarder").model_copy(update={"keeps_data": "all <images>"})]
    (table,) = build_tables(cells)
    told = "hoarder keeps all <images>, against the rule that no data are kept."
    assert [note for note in table.notes() if "keeps" in note] == [told]
    for written in (to_markdown(table), to_latex(table), " ".join(to_text(table).split())):
        assert "against the rule that no data are kept" in written
    assert table.keeps == {"hoarder": "all <images>"}


def test_published_block_only_beside_full_tables(make: Make) -> None:
    full, partial = build_tables([make(benchmark="celebahq20"), make(benchmark="celebahq20", total=20, partial=True)])
    for text in (to_markdown(full), to_latex(full)):
        assert "paper (SD 1.4, real data)" in text
        assert "13.84" in text
        assert "NOT comparable in absolute terms with the mini tier" in text
    for text in (to_markdown(partial), to_latex(partial), to_text(full)):
        assert "13.84" not in text
        assert "SD 1.4" not in text


def test_published_extras_follow_the_methods(make: Make) -> None:
    plain = build_tables([make(benchmark="mixed50")])[0].published
    bound = build_tables([make("ub", benchmark="mixed50")])[0].published
    assert plain is not None
    assert plain.tables == ("2a",)
    assert "ub" not in plain.rows
    assert bound is not None
    assert bound.tables == ("2a", "3")
    assert bound.rows["ub"] == {"a_mmd": 2.16}


def test_user_text_is_escaped(make: Make) -> None:
    (table,) = build_tables([make(NASTY, title=NASTY, benchmark="x_y", protocol={"a_b": "50%"})])
    latex = to_latex(table)
    assert r"a\_b \& 50\% \#1 \$x\$ \{y\} \textasciitilde{}z \textasciicircum{}w" in latex
    assert r"\textbackslash{}input\{/etc/passwd\} {[}q{]} \textless{}t\textgreater{} \textbar{} -{}-" in latex
    assert r"\'{e} $\gamma$ {[}U+6F22{]}" in latex
    assert r"\input" not in latex
    markdown = to_markdown(table)
    assert r"\<t\> \|" in markdown
    assert "<t>" not in markdown
    row = next(line for line in markdown.splitlines() if line.startswith("| a"))
    assert row.replace(r"\|", "").count("|") == 9


def test_text_fits_a_terminal(make: Make) -> None:
    whole = {"n_param": 0.19, "a_mmd": 31.6, "f_mmd": 24.5, "kid": 0.012, "train_seconds": 14.0}
    cells = [make("stamina [" + "x=1, " * 30 + "]", seed=seed, whole=whole) for seed in range(3)]
    text = to_text(build_tables(cells)[0])
    assert max(map(len, text.splitlines())) <= 100
    assert "…" in text
    assert "31.60 ± 0.00" in text
    assert "12.00 ± 0.00" in text


def test_stacked_csv_has_one_header(make: Make) -> None:
    tables = build_tables([make(whole={"a_mmd": 0.1}), make(benchmark="other", whole={"a_mmd": 0.2})])
    records = list(csv.DictReader(io.StringIO(stack_csv(tables))))
    assert [(r["benchmark"], r["a_mmd_mean"], r["f_mmd_mean"]) for r in records] == [
        ("toy", "0.1", ""),
        ("other", "0.2", ""),
    ]


def test_only_booktabs_is_needed(make: Make) -> None:
    document = to_latex_document(build_tables([make()]))
    assert [line for line in document.splitlines() if "usepackage" in line] == [r"\usepackage{booktabs}"]
    assert document.count(r"\begin{table}") == document.count(r"\end{table}") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_latex_compiles(make: Make, tmp_path: Path) -> None:
    whole = {"a_mmd": 2.0, "a_mmd_unbiased": (1.5, 1.25, 1.75), "noise_floor": 0.1}
    cells = [make(NASTY, benchmark="celebahq20", whole=whole), make("[x]", benchmark="celebahq20", whole=whole)]
    (tmp_path / "tables.tex").write_text(to_latex_document(build_tables(cells)), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout[-2000:]


def test_the_mean_over_nothing_is_no_figure(make: Make) -> None:
    """With one task there is nothing to forget; a 0.00 would be marked as the best."""
    cell = make(whole={"a_mmd": 1.0, "f_mmd": 0.0})
    single = cell.model_copy(
        update={"rows": tuple(row.model_copy(update={"n": 0 if row.metric == "f_mmd" else 3}) for row in cell.rows)}
    )
    (table,) = build_tables([single])
    assert set(table.lines[0].figures) == {"a_mmd"}
