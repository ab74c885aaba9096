"""Tables on terminals that are too narrow for them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.whole_tables import print_whole

NUMBERS = ("123456.78", "0.0000123", "98765.4321")


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_number_is_cut(width: int) -> None:
    stream = io.StringIO()
    table = Table()
    table.add_column("method", overflow="fold")
    for name in ("train", "sample", "disk"):
        table.add_column(name, no_wrap=True, justify="right")
    table.add_row(Text("ub [sampling.solver=dpmpp]"), *NUMBERS)
    print_whole(table, Console(file=stream, width=width))
    text = stream.getvalue()
    assert "…" not in text
    assert all(number in text for number in NUMBERS)
    names = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert names.replace(" ", "") == "ub[sampling.solver=dpmpp]"
    if width >= 60:
        assert max(map(len, text.splitlines())) <= width
