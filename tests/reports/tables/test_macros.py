"""The macros of figures: names with every sign, several tiers, one seed, and what LaTeX makes of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results import CellResult
from reports.tables import build_tables
from reports.tables.macros import to_macros

Make = Callable[..., CellResult]
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")


@pytest.fixture
def macros(make: Make) -> str:
    whole = {"a_mmd": 2.0, "f_mmd_unbiased": (-0.25, -0.5, 0.125), "noise_floor": 0.126}
    cells = [
        *(
            make("ti++", seed=s, benchmark="mixed50", whole={"a_mmd": v, "kid": v / 1000})
            for s, v in ((0, 1.0), (1, 3.0))
        ),
        make("stamina [rank=4, x_y & 5% #^~\\input é]", benchmark="mixed50", whole=whole),
        make("ti++", benchmark="mixed50", whole={"a_mmd": 9.0}, total=50, partial=True),
        make("ti++", benchmark="toy", whole={"a_mmd": 4.0}),
        make("ti++", benchmark="toy", whole={"a_mmd": 5.0}).model_copy(update={"backbone": "other"}),
    ]
    return to_macros(build_tables(cells))


def test_one_line_a_figure(macros: str) -> None:
    assert r"\bench@set{mixed50@mini/tiny}{ti++}{a_mmd}{2.00}{1.41}{\textemdash}{\textemdash}{3}{2}" in macros
    assert r"{kid}{2.00}{1.41}" in macros  # x 10^3
    assert r"{stamina [rank=4, x_y & 5/ //~/input é]}{f_mmd_unbiased}{-0.25}{\textemdash}{-0.50}{0.12}{3}{1}" in macros
    assert r"\bench@set{mixed50@mini/tiny}{}{noise_floor}{0.13}" in macros
    assert r"\bench@set{mixed50@mini/tiny:1-3}{ti++}{a_mmd}{9.00}" in macros
    assert r"\bench@paper{mixed50}{stamina}{a_mmd}{2.29}" in macros
    # 'toy' stands for two tables, so it stands for none
    assert re.findall(r"^\\benchalias.*", macros, re.MULTILINE) == [r"\benchalias{mixed50}{mixed50@mini/tiny}"]


def test_equal_names_are_numbered(make: Make) -> None:
    tables = build_tables([make(benchmark="a b", whole={"a_mmd": 1.0}), make(benchmark="a  b", whole={"a_mmd": 2.0})])
    text = to_macros(tables)
    assert r"\bench@set{a b@mini/tiny}{stamina}{a_mmd}{1.00}" in text
    assert r"\bench@set{a b@mini/tiny(2)}{stamina}{a_mmd}{2.00}" in text


def compiled(folder: Path, macros: str, body: str) -> tuple[int, str, str]:
    """Exit code, the log, and the text of the page."""
    (folder / "macros.tex").write_text(macros, encoding="utf-8")
    document = "\\documentclass{article}\n\\input{macros}\n\\pagestyle{empty}\n\\begin{document}\n" + body
    (folder / "prose.tex").write_text(document + "\n\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "prose.tex"]
    for _ in range(2):  # the list of tables is made by the second
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    log = (folder / "prose.log").read_text(encoding="utf-8", errors="replace").replace("\n", "")
    text = ""
    if shutil.which("pdftotext"):
        command = ["pdftotext", "-layout", "prose.pdf", "-"]
        text = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout
    return done.returncode, log, " ".join(text.split())


@needs_latex
def test_macros_compile_and_print(macros: str, tmp_path: Path) -> None:
    body = r"""\listoftables
    \begin{table}\caption{TI++: \benchfigure{mixed50}{ti++}{a_mmd}}\end{table}
    mean \benchfigure{mixed50}{ti++}{a_mmd}; spread \benchfigure[spread]{mixed50}{ti++}{a_mmd};
    seeds \benchfigure[seeds]{mixed50}{ti++}{a_mmd}; paper \benchfigure[paper]{mixed50}{stamina}{a_mmd};
    full \benchfigure{mixed50@mini/tiny}{ti++}{a_mmd}; part \benchfigure{mixed50@mini/tiny:1-3}{ti++}{a_mmd};
    other \benchfigure{toy@mini/other}{ti++}{a_mmd}; floor \benchfigure{mixed50}{}{noise_floor};
    dash \benchfigure[low]{mixed50}{ti++}{a_mmd}.
    \begin{tabular}{l} low $\benchfigure[low]{mixed50}{stamina [rank=4, x_y & 5/ //~/input é]}{f_mmd_unbiased}$
    \end{tabular}
    \ifdim \benchraw{mean}{mixed50}{ti++}{a_mmd}pt < 3pt less\fi
    \benchalias{toy}{toy@mini/other}chosen \benchfigure{toy}{ti++}{a_mmd}."""
    code, log, text = compiled(tmp_path, macros, body)
    assert code == 0, log[-2000:]
    assert "Warning" not in log.replace("Font Warning", "")
    if text:
        assert (
            "mean 2.00; spread 1.41; seeds 2; paper 2.29; full 2.00; part 9.00; other 5.00; floor 0.13; dash —." in text
        )
        assert "lesschosen 5.00." in text
        assert re.search(r"low .0\.50", text)
        assert text.count("TI++: 2.00") == 2  # in the list of tables, too


@needs_latex
@pytest.mark.parametrize(
    ("call", "named"),
    [
        (r"\benchfigure{mixed50}{nothing}{a_mmd}", "No 'mean' of 'a_mmd' for method 'nothing'"),
        (r"\benchfigure{toy}{ti++}{a_mmd}", "on 'toy'"),
        (r"\benchfigure[median]{mixed50}{ti++}{a_mmd}", "No 'median'"),
        (r"\benchfigure[paper]{mixed50}{ti}{a_mmd}", "No 'paper'"),
    ],
)
def test_unknown_names_are_errors(macros: str, tmp_path: Path, call: str, named: str) -> None:
    code, log, text = compiled(tmp_path, macros, f"value {call} end")
    assert code != 0
    assert named in log
    assert not text or "value ?? end" in text
