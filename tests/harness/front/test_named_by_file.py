"""A method that is named by its file: from any folder, in workers, and when the run is resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from in_process import bench, refused

from harness import registry
from harness.records.run_file import read_cells
from harness.sources import named_file
from harness.spec import Tier

METHOD = """
from side.penalty import size
from methods.lora import LoRA

class Mine(LoRA):
    def penalties(self):
        return {"size": 1e-6 * size(self.adapters)}
"""
HELPER = "def size(adapters):\n    return sum(adapter.residual().square().sum() for adapter in adapters.values())\n"
FEW = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "--limit", "1", "-q")


@pytest.fixture
def file(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`plugins/named_by_file.py` below the current folder, and what it imports from beside it."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(named_file, "_FOLDERS", {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins" / "side").mkdir(parents=True)
    (tmp_path / "plugins" / "side" / "penalty.py").write_text(HELPER)
    found = tmp_path / "plugins" / "named_by_file.py"
    found.write_text(METHOD)
    yield found
    forget()


def forget() -> None:
    """As in another process: nothing of it is imported, nor is its folder on the import path."""
    for name in ("named_by_file", "side", "side.penalty"):
        sys.modules.pop(name, None)
    sys.path[:] = [each for each in sys.path if not each.endswith("plugins")]
    named_file._FOLDERS.clear()


def test_it_runs_and_is_resumed_from_elsewhere(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = bench("run", "tuning6", "-m", "ti,./plugins/named_by_file.py:Mine", *FEW)
    assert code == 0, said
    assert {cell.method for cell in read_cells(tmp_path / "runs")} == {"ti", "named_by_file:Mine"}
    (written,) = (tmp_path / "runs" / "runs").glob("*.yaml")
    assert yaml.safe_load(written.read_text())["spec"]["plugin_folders"] == [str(file.parent)]
    forget()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, said = bench("run", "--config", written, "-o", tmp_path / "runs", "-q")
    assert code == 0, said


def test_other_commands_take_it_too(file: Path) -> None:
    code, said = bench("show", "plugins/named_by_file.py:Mine", "--no-params")
    assert code == 0, said
    refused(bench("run", "tuning6", "-m", "./plugins/named_by_fil.py:Mine", *FEW), "There is no file ", "FILE.py:Class")
    refused(bench("run", "tuning6", "-m", "./plugins/named_by_file.py:Min", *FEW), "did you mean Mine?")


def test_what_it_imports_from_beside_it_is_part_of_its_source(file: Path) -> None:
    named = f"{file}:Mine"
    before = registry.methods().get(named).source_hash()
    forget()
    assert registry.methods().get(named).source_hash() == before
    forget()
    (file.parent / "side" / "penalty.py").write_text(HELPER.replace("return sum", "return 2 * sum"))
    assert registry.methods().get(named).source_hash() != before
