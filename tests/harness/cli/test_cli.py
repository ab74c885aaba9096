"""The command line as a user meets it: real processes, exit codes, one sentence for each mistake."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import in_process
import numpy as np
import pytest
import warm
import yaml
from PIL import Image

BENCH = [sys.executable, "-c", "from harness.cli import main; main()"]
KINDS = ("features", "generate", "score")
FAST = ["--set", "steps=3", "--set", "batch_size=2", "--set", "sampling.steps=2", "--set", "sampling.images=3"]


def bench(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "200", "STAMINA_BENCH_JOBS": "1", **environment}
    return subprocess.run(
        [*BENCH, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=env, timeout=300, check=False
    )


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--lmit", "3"]])
def test_what_the_parser_refuses_is_one_sentence_and_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    assert arguments[0] in one_sentence(bench("run", "mixed50", *arguments, cwd=tmp_path))


def test_command_line_beats_environment_beats_config(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("methods: [clora]\nseeds: [7]\nlimit: 2\n")
    run = bench(
        "run", "mixed50", "-C", "c.yaml", "--seeds", "9", "--dry-run", "-q", cwd=tmp_path, STAMINA_BENCH_METHODS="ti++"
    )
    assert run.returncode == 0, run.stderr
    # two tasks of ti++ (environment, limit of the file): 2 real and 2 held out, 2 train, 2 generate, 1 compose,
    # 4 features, 1 score
    assert "1 cell, 14 steps" in run.stdout


def test_dry_run_changes_nothing_but_the_empty_store(tmp_path: Path) -> None:
    result = bench("run", "mixed50", "--dry-run", cwd=tmp_path)
    assert result.returncode == 0
    assert "pending" in result.stdout
    assert not list((tmp_path / "runs").glob("runs/*"))
    assert "min on" in result.stdout


def test_list_names_everything(tmp_path: Path) -> None:
    found = json.loads(bench("list", "--json").stdout)
    assert {("benchmark", "mixed50"), ("method", "stamina"), ("tier", "mini")} <= {
        (f["kind"], f["name"]) for f in found
    }


def test_list_says_licences_and_citations() -> None:
    out = io.StringIO()
    assert in_process.call(out, io.StringIO(), "list", "benchmarks", "-v") == 0
    said = out.getvalue()
    assert "Licence of objects-tuning5, tuning18, tuning6: mini tier: procedural images, MIT" in said
    assert "To cite for landmarks20: Weyand et al., Google Landmarks Dataset v2, CVPR 2020" in said
    plain = io.StringIO()
    assert in_process.call(plain, io.StringIO(), "list", "benchmarks") == 0
    assert "Weyand" not in plain.getvalue()


def test_params_of_the_true_architecture() -> None:
    out = io.StringIO()
    assert in_process.call(out, io.StringIO(), "params", "--backbone", "sd-1.4", "--json") == 0
    rows = {r["method"]: round(r["n_param"], 2) for r in json.loads(out.getvalue())}
    assert (rows["clora"], rows["stamina"], rows["ti++"], rows["(all K/V matrices)"]) == (0.09, 0.19, 0.0, 2.23)


def test_help_answers_without_torch() -> None:
    commands = [
        [], ["run"], ["resume"], ["score"], ["report"], ["compare"], ["list"], ["show"], ["params"], ["tune"],
        ["cache"], ["cache", "info"], ["cache", "verify"], ["cache", "prune"], ["doctor"], ["data", "prepare"],
        ["verify"], ["export"], ["calibrate"],
    ]  # fmt: skip
    code = (
        "import sys; from harness.cli import app\n"
        f"for command in {commands!r}:\n"
        "    try: app([*command, '--help'])\n"
        "    except SystemExit: pass\n"
        "    print('---')\n"
        "    heavy = {'torch', 'scipy', 'pandas', 'diffusers'} & set(sys.modules)\n"
        "    assert not heavy, (command, heavy)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command, said in zip(commands, result.stdout.split("---\n"), strict=False):
        assert "Exit codes" in said, command


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three concepts of three small photographs each."""
    folder = tmp_path_factory.mktemp("photos")
    draw = np.random.default_rng(0)
    for concept in ("cat", "duck_toy", "vase"):
        (folder / concept).mkdir()
        for index in range(3):
            pixels = draw.integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / concept / f"{index}.jpg")
    return folder


def test_a_folder_of_photographs_end_to_end(photos: Path, tiny_models: Path, tmp_path: Path) -> None:
    arguments = ["run", photos, "--methods", "stamina,ti++", "--limit", 2, "--backbone", tiny_models / "sd", *FAST]
    result = bench(*arguments, cwd=tmp_path)  # from its start, as a user does
    assert result.returncode == 0, result.stderr
    assert "stamina" in result.stdout
    assert "partial: tasks 1-2 of 3" in result.stdout
    assert f"{photos}: 3 concepts, 9 images: cat, duck_toy and vase." in result.stderr
    caution = "The mini tier's feature extractor, which all figures are made with, knows drawn people and waterfalls"
    assert caution in result.stderr
    assert f"caution: {caution}" in " ".join(result.stdout.split())
    report = warm.bench("report", "runs", cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    names = {path.suffix for path in (tmp_path / "runs" / "report").rglob("*.*")}
    assert names == {".tex", ".md", ".csv", ".json", ".html", ".webp", ".png", ".pdf"}
    rows = warm.bench("report", "runs", "--format", "json", "-o", "out/rows.json", cwd=tmp_path)
    assert rows.returncode == 0, rows.stderr
    assert {row["partial"] for row in json.loads((tmp_path / "out" / "rows.json").read_text())} == {True}
    again = warm.bench(*arguments, cwd=tmp_path)
    assert "Nothing to do" in again.stderr
    assert again.stdout == result.stdout
    record = next((tmp_path / "runs" / "runs").iterdir())
    resolved = yaml.safe_load(record.read_text())["spec"]
    assert resolved["tier"] == "mini"
    from_file = warm.bench("run", photos, "--config", record, cwd=tmp_path)
    assert "Nothing to do" in from_file.stderr, from_file.stderr
    assert "Nothing to resume" in warm.bench("resume", "runs", cwd=tmp_path).stderr
    manifests = [(path, json.loads(path.read_text())) for path in (tmp_path / "runs" / "store").rglob("manifest.json")]
    of_kind = {kind: [path.parent for path, m in manifests if m["recipe"]["kind"] == kind] for kind in KINDS}
    for folder in (*of_kind["score"], *of_kind["features"]):
        shutil.rmtree(folder)
    scored = warm.bench("score", "runs", "-q", cwd=tmp_path)
    assert (scored.returncode, scored.stdout) == (0, result.stdout)
    shutil.rmtree(of_kind["score"][0])
    shutil.rmtree(of_kind["generate"][0])
    refused = warm.bench("score", "runs", cwd=tmp_path)
    assert refused.returncode == 2
    assert "1 generate step)" in refused.stderr
    assert "stamina-bench resume runs" in refused.stderr
    resumed = warm.bench("resume", "runs", cwd=tmp_path)
    assert (resumed.returncode, resumed.stdout) == (0, result.stdout)
    assert "Resuming" in resumed.stderr


def rows_of(folder: Path) -> list[dict[str, object]]:
    rows = json.loads(warm.bench("report", "runs", "--format", "json", cwd=folder).stdout)
    return [row for row in rows if row["metric"] != "train_seconds"]


def test_a_run_killed_at_any_moment_and_run_again_equals_a_run_never_killed(
    photos: Path, tiny_models: Path, tmp_path: Path
) -> None:
    arguments = ["run", photos, "--methods", "stamina,ti++", "--limit", 2, "--backbone", tiny_models / "sd", *FAST]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert warm.bench(*arguments, cwd=whole).returncode == 0
    kills = 0
    for steps in (3, 9):  # kill when so many steps are committed; the torture test kills at random, and more often
        command = warm.Command(*arguments, cwd=killed)
        while command.poll() is None and len(list(killed.glob("runs/store/steps/*/*/manifest.json"))) < steps:
            time.sleep(0.02)
        if command.poll() is None:
            command.send_signal(signal.SIGKILL)
            kills += 1
        command.wait()
    assert kills == 2
    final = warm.bench(*arguments, cwd=killed)
    assert final.returncode == 0, final.stderr
    assert rows_of(killed) == rows_of(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_say_how_to_go_on(
    photos: Path, tiny_models: Path, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = ["run", photos, "--methods", "stamina", "--backbone", tiny_models / "sd", "--set", "steps=100000"]
    command = warm.Command(*arguments, cwd=tmp_path)
    while command.poll() is None and not list(tmp_path.glob("runs/store/steps/*/*/manifest.json")):
        time.sleep(0.05)
    time.sleep(0.5)
    command.send_signal(number)
    ended = command.wait()
    assert ended.returncode == 130, ended.stderr
    assert "stamina-bench run" in ended.stderr
    assert "--methods stamina" in ended.stderr
