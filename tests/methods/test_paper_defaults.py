"""docs/paper-tier.md has one table with every default at the paper tier and its source: it is what the code has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import registry

PAGE = Path(__file__).parents[2] / "docs" / "paper-tier.md"
GROUPS = {"cd*": ("cd", "cd-ewc", "cd-merge", "ub"), "ti*": ("ti", "ti++")}
PLUGIN = "plugin"  # a method that says nothing of its options
SOURCE = re.compile(r"\*[A-Z][A-Za-z0-9-]*\*|ours, because \S+")


class Row(NamedTuple):
    """A row of the table, as written."""

    setting: str
    option: str
    methods: str
    value: str
    source: str


def table() -> list[Row]:
    """All rows with an option."""
    text = PAGE.read_text(encoding="utf-8")
    cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines())
    settings = registry.setting_names()
    return [Row(row[0], row[1].strip("`"), *row[2:]) for row in cells if len(row) == 5 and row[0] in settings]


def named(row: Row, methods: list[str]) -> set[str]:
    """The methods that a row names; empty for all others."""
    if row.methods == "others":
        return set()
    found: set[str] = set()
    for name in row.methods.replace("`", "").split(", "):
        found |= {*GROUPS.get(name, ())} or {method for method in methods if fnmatch(method, name)}
    assert found, f"{row} names no method"
    return found


def covering(rows: list[Row], method: str, methods: list[str]) -> Row | None:
    """The row for a method among those of one option: of those that name it the one for the fewest, else 'others'."""
    naming = sorted((row for row in rows if method in named(row, methods)), key=lambda row: len(named(row, methods)))
    fewest = [row for row in naming if len(named(row, methods)) == len(named(naming[0], methods))]
    others = [row for row in rows if row.methods == "others"]
    assert len(fewest) <= 1 and len(others) <= 1, f"several rows for {method}: {fewest or others}"  # noqa: PT018
    return next(iter([*fewest, *others]), None)


def text_of(value: Any) -> str:
    """A value as the table has it."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def defaults(setting: str) -> Iterator[tuple[str, str, Any]]:
    """(method, option, default) of every method of a setting at the paper tier, and of the protocol."""
    of, known = registry.setting(setting), registry.methods(setting)
    kinds = {name: known.get(name).options_for(setting) for name in known.names()} | {PLUGIN: of.base_options}
    for name, kind in kinds.items():
        for option, value in kind.for_tier("paper").model_dump(mode="json").items():
            yield name, option, value
    for option, value in of.protocol(registry.tiers().get("paper")).model_dump(mode="json").items():
        yield "protocol", f"{of.protocol_name}.{option}", value


@pytest.mark.parametrize("setting", ["customization", "classification"])
def test_every_default_has_one_row_with_its_value_and_its_source(setting: str) -> None:
    methods = [*registry.methods(setting).names(), PLUGIN, "protocol"]
    used: set[Row] = set()
    for method, option, value in defaults(setting):
        rows = [row for row in table() if (row.setting, row.option) == (setting, option)]
        row = covering(rows, method, methods)
        assert row is not None, f"docs/paper-tier.md has no row for {setting}: {option} of {method} ({value})"
        assert row.value == text_of(value), f"{setting}: {option} of {method} is {value}, and not as in {row}"
        used.add(row)
    stale = [row for row in table() if row.setting == setting and row not in used]
    assert not stale, f"rows for nothing: {stale}"
    assert len(table()) == len(set(table()))


def test_every_row_has_a_source_or_says_that_it_is_ours_and_why() -> None:
    legend = set(re.findall(r"^- \*([^*]+)\*:|\. \*([^*]+)\*:", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    known = {name for pair in legend for name in pair if name}
    assert {"STAMINA", "CD", "TI", "CODA"} <= known
    for row in table():
        assert SOURCE.match(row.source), row
        assert set(re.findall(r"\*([A-Z][A-Za-z0-9-]*)\*", row.source)) <= known, row


def test_a_new_option_and_a_changed_default_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = list(defaults("customization"))
    for change in (("stamina", "new_option", 1), ("cd", "learning_rate", 1e-5)):
        monkeypatch.setattr(f"{__name__}.defaults", lambda setting, change=change: [*real, change])
        with pytest.raises(AssertionError, match=change[1]):
            test_every_default_has_one_row_with_its_value_and_its_source("customization")
