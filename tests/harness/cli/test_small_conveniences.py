"""Listings of one kind, JSON under one name, so many images, and what a shell offers behind a tab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import bench, refused

from harness.cli import completion


def test_a_list_of_one_kind_and_where_each_comes_from() -> None:
    code, said = bench("list", "metrics")
    assert code == 0
    assert said.splitlines()[0].split() == ["name", "summary"]
    assert any(line.startswith("identity ") for line in said.splitlines())
    assert "mixed50" not in said
    code, said = bench("list", "methods", "-v")
    assert said.splitlines()[0].split() == ["name", "summary", "settings", "origin"]
    code, said = bench("list", "tiers", "--json")
    assert [(row["kind"], row["name"]) for row in json.loads(said)] == [("tier", "mini"), ("tier", "paper")]
    code, said = bench("list", COLUMNS="80")
    assert max(map(len, said.splitlines())) <= 80


def test_json_is_another_name_of_a_format_and_not_beside_another(tmp_path: Path) -> None:
    refused(bench("report", tmp_path, "--json", "-f", "csv"), "Give --json or --format csv, not both.")
    refused(bench("compare", tmp_path, tmp_path, "--json", "-f", "md"), "Give --json or --format md, not both.")
    refused(bench("generate", tmp_path, "-n", "4", "--seeds", "0-3"), "Give -n or --seeds, not both.")


def test_names_are_completed_behind_commas() -> None:
    assert completion.benchmarks("mix") == ["mixed50"]
    assert completion.methods("stamina,clo") == ["stamina,clora"]
    assert "stamina,stamina" not in completion.methods("stamina,stam")
    assert completion.metrics("identity_") == ["identity_map", "identity_retrieval"]


@pytest.mark.parametrize("typed", ["run mix", "run mixed50 --methods stamina,clo"])
def test_a_shell_is_offered_them_without_torch(typed: str, tmp_path: Path) -> None:
    code = (
        "import sys, stamina_bench; sys.argv = ['stamina-bench']\n"
        "try: stamina_bench.main()\nfinally: sys.stderr.write(str('torch' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False,
        env={
            "PATH": "/usr/bin:/bin", "_STAMINA_BENCH_COMPLETE": "complete_zsh",
            "_TYPER_COMPLETE_ARGS": f"stamina-bench {typed}",
        },
    )  # fmt: skip
    assert ("mixed50" if typed[-3:] == "mix" else "stamina,clora") in done.stdout, done.stderr
    assert done.stderr.endswith("False")
