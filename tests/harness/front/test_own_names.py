"""Methods under names of the user's own, so that variants of one are told apart in tables and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from in_process import bench, refused
from tests_support import raises_sentence

from harness import registry
from harness.front.method_names import wanted_methods
from harness.overrides import method_names, named_methods
from harness.records.run_file import read_cells
from harness.spec import MethodSpec, Tier

FEW = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "--limit", "1", "-q")


def test_variants_of_one_method_stand_in_tables_under_their_names(
    tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(tmp_path)
    code, said = bench("run", "tuning6", "-m", "slow=ti,fast=ti,ti", "--set", "fast.token_learning_rate=0.5", *FEW)
    assert code == 0, said
    cells = {cell.label: cell for cell in read_cells(tmp_path / "runs")}
    protocol = "sampling.images=3, sampling.steps=1"
    assert set(cells) == {f"slow [{protocol}]", f"fast [{protocol}]", f"ti [{protocol}, steps=1]"}
    assert {cell.method for cell in cells.values()} == {"ti"}
    assert cells[f"fast [{protocol}]"].options["token_learning_rate"] == 0.5
    assert cells[f"slow [{protocol}]"].options == cells[f"ti [{protocol}, steps=1]"].options
    code, said = bench("report", "runs", "-f", "json", "-o", "rows.json")
    assert code == 0, said
    assert {row["method"] for row in json.loads((tmp_path / "rows.json").read_text())} == set(cells)
    (written,) = (tmp_path / "runs" / "runs").glob("*.yaml")
    kept = yaml.safe_load(written.read_text())["spec"]["methods"]
    assert [(each["name"], each.get("called")) for each in kept] == [("ti", "slow"), ("ti", "fast"), ("ti", None)]
    code, said = bench("run", "--config", written, "-q")
    assert (code, "Nothing to do" in said) == (0, True), said
    assert len(list((tmp_path / "runs" / "runs").glob("*.yaml"))) == 1


def test_in_python_a_dict_names_them() -> None:
    found = wanted_methods({"wide": ("stamina", {"rank": 32}), "plain": "clora"}, "customization")
    assert found == [
        MethodSpec(name="stamina", called="wide", changes={"rank": 32}), MethodSpec(name="clora", called="plain")
    ]  # fmt: skip
    assert wanted_methods("a=ti,ti", "customization") == [MethodSpec(name="ti", called="a"), MethodSpec(name="ti")]
    assert wanted_methods(["a=ti", "ti"], "customization") == wanted_methods("a=ti,ti", "customization")
    assert named_methods("ti++=ti++") == [MethodSpec(name="ti++")]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("clora=stamina", ["'clora' is the name of another method than stamina"]),
        ("all=stamina", ["'all' is the name of another method"]),
        ("my own=stamina", ["'my own' cannot be what tables call stamina", "use up to 80 letters"]),
        ("a=stamina,a=clora", ["names a method twice", "wide=stamina"]),
        ("stamina,stamina", ["names a method twice"]),
        ("mine=all", ["write 'all' alone"]),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(names: str, parts: list[str]) -> None:
    raises_sentence(lambda: named_methods(names), *parts)


def test_commands_that_have_no_use_for_one_say_so() -> None:
    raises_sentence(lambda: method_names("wide=stamina"), "'wide=stamina': a name of your own is for `run` and `plan`")
    refused(bench("params", "-m", "wide=stamina", "--backbone", "sd-1.4"), "a name of your own is for")
