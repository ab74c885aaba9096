"""A third setting from another distribution: every command that knows no setting by name works on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.regression.baseline import read_baseline

SUPPORT = Path(__file__).parents[2] / "support" / "toy_distribution"
COMMANDS = """
import glob, json, sys
from typer.testing import CliRunner
from harness.cli import app
from harness.errors import BenchError

said = {}
for name, words in json.loads(sys.argv[1]).items():
    done = CliRunner().invoke(app, [next(iter(glob.glob(word)), word) for word in words])
    refused = isinstance(done.exception, BenchError)  # what `main` prints as a sentence
    said[name] = [2, "", str(done.exception)] if refused else [done.exit_code, done.stdout, done.stderr]
    if done.exception is not None and not refused and not isinstance(done.exception, SystemExit):
        raise done.exception
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toy")


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, tuple[int, str, str]]:
    """Exit code and output of each command, all in a process that has the distribution on its path."""
    runs, baseline = str(folder / "runs"), str(folder / "baseline.json")
    commands = {
        "list": ["list", "--json"],
        "dry run": ["run", "toy3", "-o", runs, "--dry-run"],
        "run": ["run", "toy3", "-o", runs, "--seeds", "0,1", "--set", "rounding.digits=4", "--set", "rate=0.25"],
        "again": ["run", "--config", f"{runs}/runs/toy3-*.yaml"],
        "resume": ["resume", runs],
        "report": ["report", runs],
        "status": ["status", runs],
        "cache verify": ["cache", "verify", runs],
        "tune": ["tune", "follow", "-b", "toy3", "--dry-run", "-o", runs],
        "show": ["show", "follow", "--no-params"],
        "update": ["verify", "--update", "--against", baseline, "-b", "toy3", "-o", runs, "--seeds", "0,1", "-q"],
        "verify": ["verify", "--against", baseline, "-o", runs, "-q"],
        "refused": ["run", "toy3", "-o", runs, "--set", "sampling.images=4"],
        "plan": ["plan", "toy3", "--tier", "mini", "-m", "follow"],
        "export": ["export", runs, "-o", str(folder / "exported")],
        "params": ["params", "--setting", "toy"],
    }
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)], env=environment, capture_output=True, text=True,
        cwd=folder, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: (code, out, err) for name, (code, out, err) in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize(
    ("command", "part"),
    [
        ("list", '"toy"'), ("dry run", "train"), ("run", "error 0.85"), ("again", "Nothing to do: all 8 steps"),
        ("resume", "every run in"),
        ("status", "2 of 2 cells done"), ("cache verify", "8 of 8 steps are whole"), ("tune", "0.25, 0.5"),
        ("show", "goes towards each number"), ("update", "toy_error"), ("verify", "1 figure: 1 equal."),
        ("report", "mean error"),
    ],
)  # fmt: skip
def test_what_works(said: dict[str, tuple[int, str, str]], command: str, part: str) -> None:
    code, out, err = said[command]
    assert code == 0, err
    assert part in out + err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("refused", "--set sampling is for the customization setting, and this is toy; leave it out."),
        ("plan", "`plan` counts diffusion models only, and toy3 is of toy; use"),
        ("export", "is of toy: it has no pipeline to export"),
        ("params", "Parameters cannot be counted in the setting toy"),
    ],
)
def test_what_it_does_not_offer_is_said(said: dict[str, tuple[int, str, str]], command: str, sentence: str) -> None:
    code, out, err = said[command]
    assert (code, sentence in " ".join((out + err).split())) == (2, True), out + err


def test_its_figures_are_those_of_its_definition(said: dict[str, tuple[int, str, str]], folder: Path) -> None:
    value, errors = 0.0, []
    for target in (1.0, 2.0, 3.0):
        for _ in range(4):
            value += 0.25 * (target - value)
        value = round(value, 4)
    errors = [abs(value - target) for target in (1.0, 2.0, 3.0)]
    rows = json.loads((folder / "runs" / "report" / "results.json").read_text())["rows"]
    found = {(row["seed"], row["metric"]): row["value"] for row in rows if row["method"].startswith("follow [")}
    assert found[0, "toy_error"] == pytest.approx(sum(errors) / 3)
    assert found[0, "toy_last"] == pytest.approx(errors[-1])
    assert said["verify"][0] == 0
    with pytest.raises(Exception, match="toy"):  # here the distribution is not on the path
        read_baseline(folder / "baseline.json")
