"""Committed results: what is written is read again, grows, and never mixes what may not be averaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import UsageError
from harness.results import CellResult, Row
from reports.reference import FIELDS, is_reference, read_protocol, read_reference, write_reference

Make = Callable[..., CellResult]


def values(folder: Path) -> dict[tuple[str, str, int], float]:
    found = read_reference(folder)
    return {(r.benchmark, r.method, r.seed): r.value for r in found if r.metric == "a_mmd"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_round_trip_keeps_all_but_layers_and_digits(make: Make, tmp_path: Path) -> None:
    cell = make(
        "stamina [rank=4, x]", method="stamina", whole={"a_mmd": (412.3456789, 1.0, 1e-7), "kid": float("nan")},
        curves={"residual_norm": [0.1, 2.0]}, options={"rank": 4, "rates": [0.5]}, variant="abc",
    )  # fmt: skip
    paths = write_reference([cell], tmp_path / "a" / "mini")
    assert [path.name for path in paths] == ["toy.csv", "protocol.json"]
    found = read_reference(tmp_path / "a" / "mini")
    assert [(r.metric, r.task) for r in found] == [
        ("a_mmd", None), ("kid", None), ("residual_norm", 1), ("residual_norm", 2),
    ]  # fmt: skip
    expected = Row.model_validate(cell.rows[0].model_dump() | {"value": 412.346, "method": "stamina [rank=4, x]"})
    assert found[0] == expected
    assert math.isnan(found[1].value)
    record = read_protocol(tmp_path / "a" / "mini").benchmarks["toy"]
    assert record.methods["stamina [rank=4, x]"].options == {"rank": 4, "rates": [0.5]}
    assert record.methods["stamina [rank=4, x]"].seeds == (0,)
    assert (record.backbone, record.tasks, record.protocol) == ("tiny", 3, {"kernel": "polynomial"})
    assert is_reference(tmp_path / "a" / "mini")
    assert not is_reference(tmp_path)


def test_bytes_do_not_depend_on_the_order_or_number_of_writes(make: Make, tmp_path: Path) -> None:
    cells = [
        make(name, seed=seed, whole={"a_mmd": 1 / (3 + seed)}, curves={"residual_norm": [0.3] * 3}, protocol=protocol)
        for name, protocol in (("ti++", {"k": "1", "s": "2"}), ("clora", {"k": "1", "s": "3"}))
        for seed in (0, 10, 2)
    ]
    write_reference(cells, tmp_path / "one")
    for cell in reversed(cells):
        write_reference([cell], tmp_path / "many")
    write_reference(cells[:2], tmp_path / "many")
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    lines = (tmp_path / "one" / "toy.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(FIELDS)
    assert [line.split(",")[:2] for line in lines[1::4]] == [
        ["clora", "0"], ["clora", "2"], ["clora", "10"], ["ti++", "0"], ["ti++", "2"], ["ti++", "10"],
    ]  # fmt: skip
    record = read_protocol(tmp_path / "one").benchmarks["toy"]
    assert (record.protocol, record.methods["clora"].protocol) == ({"k": "1"}, {"s": "3"})
    protocols = read_protocol(tmp_path / "one").protocols
    assert protocols["toy", "mini", "tiny"]["clora"] == [{"k": "1", "s": "3"}]


def test_merging_adds_and_replaces_but_never_drops(make: Make, tmp_path: Path) -> None:
    write_reference([make(seed=s, whole={"a_mmd": 1.0}) for s in (0, 1)], tmp_path)
    write_reference([make("clora", whole={"a_mmd": 2.0}), make(benchmark="other", whole={"a_mmd": 3.0})], tmp_path)
    write_reference([make(seed=1, whole={"a_mmd": 9.0}), make(seed=2, whole={"a_mmd": 4.0})], tmp_path)
    assert values(tmp_path) == {
        ("other", "stamina", 0): 3.0, ("toy", "clora", 0): 2.0, ("toy", "stamina", 0): 1.0,
        ("toy", "stamina", 1): 9.0, ("toy", "stamina", 2): 4.0,
    }  # fmt: skip
    assert read_protocol(tmp_path).benchmarks["toy"].methods["stamina"].seeds == (0, 1, 2)


def test_a_changed_method_must_bring_all_its_seeds(make: Make, tmp_path: Path) -> None:
    write_reference([make(seed=s, whole={"a_mmd": 1.0}) for s in (0, 1)], tmp_path)
    before = contents(tmp_path)
    for changed in ({"options": {"rank": 8}}, {"options": {}, "variant": "new"}):
        with pytest.raises(UsageError, match="seed 1 than for 0; run all its seeds again"):
            write_reference([make(seed=0, whole={"a_mmd": 5.0}).model_copy(update=changed)], tmp_path)
    # Within one results folder, too: the newest counts, if it has the seeds of the others.
    old = [make(seed=s, whole={"a_mmd": 6.0}, options={"rank": 2}) for s in (0, 1)]
    new = [make(seed=s, whole={"a_mmd": 7.0}, options={"rank": 8}) for s in (0, 1, 2)]
    with pytest.raises(UsageError, match="seed 2 than for 0, 1"):
        write_reference([*new, *old], tmp_path)
    assert contents(tmp_path) == before
    write_reference([new[0], *old, *new[1:]], tmp_path)
    assert values(tmp_path) == {("toy", "stamina", seed): 7.0 for seed in (0, 1, 2)}


def test_partial_and_foreign_cells_are_refused(make: Make, tmp_path: Path) -> None:
    full = make(whole={"a_mmd": 1.0})
    for partial in (make(partial=True), make(tasks=2, total=3)):
        with pytest.raises(UsageError, match="these cells are partial: stamina on toy"):
            write_reference([full, partial], tmp_path / "mini")
    with pytest.raises(UsageError, match="no finished cells"):
        write_reference([], tmp_path / "mini")
    with pytest.raises(UsageError, match="cannot name a reference file"):
        write_reference([make(benchmark="../up")], tmp_path / "mini")
    assert not (tmp_path / "mini").exists()
    write_reference([full], tmp_path / "mini")
    with pytest.raises(UsageError, match="one tier only, not of mini and paper"):
        write_reference([full.model_copy(update={"tier": "paper"})], tmp_path / "mini")
    with pytest.raises(UsageError, match="one setting, one backbone and one length of toy"):
        write_reference([make("clora").model_copy(update={"backbone": "other"})], tmp_path / "mini")


def test_damage_is_named(make: Make, tmp_path: Path) -> None:
    write_reference([make(whole={"a_mmd": 1.0}), make(seed=1, whole={"a_mmd": 1.0})], tmp_path)
    path = tmp_path / "toy.csv"
    good = path.read_text(encoding="utf-8")
    broken = {
        "is damaged": [good.replace(",1,,,", ",one,,,"), good.replace(",1e-3", ""), good.replace("a_mmd", "b_mmd")],
        "different methods or seeds": ["\n".join(good.splitlines()[:-1]) + "\n", good.splitlines()[0] + "\n"],
    }
    for match, texts in broken.items():
        for text in texts:
            path.write_text(text, encoding="utf-8")
            with pytest.raises(UsageError, match=match):
                read_reference(tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match=r"toy\.csv cannot be read"):
        read_reference(tmp_path)
    newer = json.loads((tmp_path / "protocol.json").read_text(encoding="utf-8")) | {"schema_version": 9, "more": 1}
    (tmp_path / "protocol.json").write_text(json.dumps(newer), encoding="utf-8")
    for use in (lambda: read_reference(tmp_path), lambda: write_reference([make()], tmp_path)):
        with pytest.raises(UsageError, match=r"protocol\.json is of a newer version \(9; this is 2\); update"):
            use()
    (tmp_path / "protocol.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"protocol\.json is damaged"):
        read_reference(tmp_path)
    with pytest.raises(UsageError, match="holds no reference results"):
        read_reference(tmp_path / "nowhere")


def test_fourteen_methods_of_fifty_tasks_stay_small(make: Make, tmp_path: Path) -> None:
    metrics = ("a_mmd", "a_mmd_unbiased", "f_mmd", "f_mmd_unbiased", "kid", "plasticity_distance", "residual_norm",
               "mask_density", "train_seconds")  # fmt: skip
    cell = make(benchmark="mixed50", generated=0, tasks=1, curves={m: [412.345] * 50 for m in metrics})
    rows = tuple(r.model_copy(update={"low": 400.123, "high": 420.123} if "mmd" in r.metric else {}) for r in cell.rows)
    cells = [
        cell.model_copy(update={"label": f"stamina-no-mask-{i:02d}", "seed": s, "rows": rows})
        for i in range(14)
        for s in range(3)
    ]
    write_reference(cells, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir() if path.is_file()) < 1_400_000


def test_command_prints_the_paper_from_a_reference_folder(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "reference" / "mini"
    write_reference([make(benchmark="mixed50", whole={"a_mmd": 1.0, "f_mmd": 2.0})], folder)
    done = CliRunner().invoke(app, ["report", str(folder), "--format", "paper"])
    assert done.exit_code == 0, done.output
    assert "## Table 2a of the paper: mixed50, mini tier, tiny" in done.stdout
    assert "Protocol of ours: kernel: polynomial." in done.stdout
    target = tmp_path / "paper.tex"
    assert CliRunner().invoke(app, ["report", str(folder), "-f", "paper", "-o", str(target)]).exit_code == 0
    assert target.read_text(encoding="utf-8").startswith(r"\documentclass")
    for arguments, match in ((["-f", "json"], "only --format paper"), (["-f", "paper", "--benchmark", "x"], "mixed50")):
        failed = CliRunner().invoke(app, ["report", str(folder), *arguments])
        assert isinstance(failed.exception, UsageError)
        assert match in str(failed.exception)


def test_command_writes_a_reference_folder_for_each_tier(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [make(whole={"a_mmd": 1.0}), make(whole={"a_mmd": 1.0}).model_copy(update={"tier": "paper"})]
    monkeypatch.setattr("harness.records.run_file.read_cells", lambda runs, **_: cells)
    monkeypatch.setattr("harness.records.run_file.read_unfinished", lambda runs, **_: [])
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["report", ".", "--format", "reference"]).exit_code == 0
    assert json.loads((tmp_path / "reference" / "paper" / "protocol.json").read_text())["tier"] == "paper"
    assert values(tmp_path / "reference" / "mini") == {("toy", "stamina", 0): 1.0}
    failed = CliRunner().invoke(app, ["report", ".", "--format", "reference", "-o", "both"])
    assert "one tier only" in str(failed.exception)


def test_measures_that_a_run_was_asked_for_stay_out(make: Make, tmp_path: Path) -> None:
    whole = {"a_mmd": 2.0, "identity": 0.5, "identity.learned": 0.75, "mine.norm": 3.0}
    write_reference([make("stamina", whole=whole)], tmp_path / "reference")
    assert {row.metric for row in read_reference(tmp_path / "reference")} == {"a_mmd"}
