"""The short form of `nox -s torture`: real runs, killed, damaged, on a full disk and two at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).parents[1] / "support" / "torture.py"


@pytest.mark.thorough
@pytest.mark.slow
def test_every_store_equals_the_undisturbed_one() -> None:
    counts = {"kills": 1, "damage": 2, "fills": 1, "twins": 1}
    given = {**counts, "steps": 8, "methods": "stamina"}
    arguments = [part for name, count in given.items() for part in (f"--{name}", str(count))]
    done = subprocess.run([sys.executable, TORTURE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: int(count) for name, count in re.findall(r"^(\w+): (\d+) ", done.stdout, re.MULTILINE)}
    if "no file system can be mounted" in done.stdout:
        assert found.pop("fills") == counts.pop("fills") - 1
    assert {name: found[name] for name in counts} == counts
    assert "hash for hash" in done.stdout
