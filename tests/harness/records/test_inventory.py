"""What a store holds, whether it is whole, and what of it may go: small stores made by hand."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from harness import registry
from harness.cli import app
from harness.errors import BenchError, StoreError, UsageError
from harness.records import integrity, inventory, prune
from harness.records.inventory import RunFile
from harness.store.store import MANIFEST, Store, key_of

DAY = 24 * 3600.0


def concepts(benchmark: str) -> list[str]:
    return [task.images.fingerprint() for task in registry.benchmarks().get(benchmark).tasks("mini")]


COMPARED, TUNED = concepts("mixed50"), concepts("tuning18")
PHOTOS = "d" * 64  # of a benchmark that is not registered


class Folder:
    """A results folder, its steps two days old."""

    def __init__(self, output: Path) -> None:
        self.output, self.store = output, Store(output / "store")
        self.store.prepare()

    def step(self, kind: str, *parents: str, age: float = 2 * DAY, text: str = "data", **recipe: Any) -> str:
        recipe = {"kind": kind, "version": 1, "parents": list(parents), **recipe}
        key = key_of(recipe)
        with self.store.commit(key, recipe) as folder:
            (folder / "images").mkdir()
            (folder / "images" / "00.png").write_text(text)
            (folder / "facts.json").write_text("{}")
        self.age(self.store.folder(key) / MANIFEST, age)
        return key

    def cell(self, concept: str = COMPARED[0], method: str = "stamina", **common: Any) -> dict[str, str]:
        """The steps of a cell with one task, its class images and merged weights included."""
        real = self.step("real", images=concept, **common)
        prior = self.step("prior", category=method, **common)
        train = self.step("train", real, prior, concept=concept, method=method, **common)
        merge = self.step("merge", train, **common)
        images = self.step("generate", merge, train, concept=concept, **common)
        features = [self.step("features", key, **common) for key in (real, images)]
        score = self.step("score", *features, merge, **common)
        return {
            "real": real, "prior": prior, "train": train, "merge": merge, "images": images, "score": score,
            "real_features": features[0], "features": features[1],
        }  # fmt: skip

    def run(self, *cells: dict[str, str], name: str = "mixed50-mini") -> Path:
        described = [
            {
                "benchmark": "mixed50", "score": cell["score"], "compositions": [],
                "tasks": [
                    {
                        "train": cell["train"], "real": cell["real"], "real_features": cell["real_features"],
                        "images": {1: cell["images"]}, "features": {1: cell["features"]},
                    }
                ],
            }
            for cell in cells
        ]  # fmt: skip
        path = self.output / "runs" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"spec": {}, "cells": described}))
        return path

    def path(self, key: str) -> Path:
        return self.store.folder(key)

    def has(self, key: str) -> bool:
        return (self.path(key) / MANIFEST).exists()

    def age(self, path: Path, seconds: float) -> None:
        then = time.time() - seconds
        os.utime(path, (then, then), follow_symlinks=False)

    def files(self) -> dict[str, float]:
        return {str(p): p.lstat().st_mtime for p in sorted(self.output.rglob("*"))}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "runs")


def call(*arguments: object, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, arguments)], env={"COLUMNS": "200", **(environment or {})})


def answer(*arguments: object, code: int = 0) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)


def going(folder: Folder, *arguments: object) -> set[str]:
    return {step["key"] for step in answer("prune", folder.output, *arguments)["steps"]}


# --- info ------------------------------------------------------------------------------------------------------------


def test_info_counts_by_kind_by_run_and_what_no_run_refers_to(folder: Folder) -> None:
    first, second = folder.cell(), folder.cell(method="clora", text="longer")
    lost = folder.cell(COMPARED[1], "ti++")
    folder.run(first, name="a")
    folder.run(first, second, name="b")
    found = answer("info", folder.output)
    assert found["steps"] == len({*first.values(), *second.values(), *lost.values()})
    kinds = {row["kind"]: row["steps"] for row in found["kinds"]}
    # methods share the real images and their features of a concept
    assert kinds == {
        "real": 2, "prior": 3, "train": 3, "merge": 3, "generate": 3, "features": 5, "score": 3,
    }  # fmt: skip
    a, b = found["runs"]
    assert (a["file"], a["cells"], a["finished"], a["steps"]) == ("a.yaml", 1, 1, 8)
    assert (b["cells"], b["finished"], b["steps"]) == (2, 2, 14)
    assert a["own_bytes"] == 0
    assert b["own_bytes"] == b["bytes"] - a["bytes"]
    assert found["unreferenced"]["steps"] == 8
    on_disk = sum(p.stat().st_size for p in folder.output.joinpath("store").rglob("*") if p.is_file())
    assert found["bytes"] == on_disk == sum(row["bytes"] for row in found["kinds"])
    assert found["free_bytes"] > 0


def test_info_tells_unfinished_cells_unreadable_run_files_and_everything_else(folder: Folder) -> None:
    cell = folder.cell()
    folder.run(cell, {**cell, "score": "e" * 64})
    (folder.output / "runs" / "z.yaml").write_text("cells: [")
    (folder.path(cell["real"]) / MANIFEST).write_text("{")
    root = folder.store.root
    (root / "damaged" / "abc-1").mkdir(parents=True)
    (root / "damaged" / "abc-1" / "x").write_text("12345")
    (root / "checkpoints").mkdir()
    (root / "checkpoints" / f"{'a' * 64}.safetensors").write_text("123")
    (root / "steps" / "notes.txt").write_text("?")
    (root / "file-hashes.json").write_text("{}")
    remains = root / "steps" / "ab" / ("ab" * 32)
    (remains / "images").mkdir(parents=True)
    for owner in (f"{platform.node()}-{os.getpid()}", "elsewhere-7"):
        (root / "steps" / "ab" / f".{owner}-x1").mkdir()
    found = answer("info", folder.output)
    good, bad = found["runs"]
    assert (good["cells"], good["finished"]) == (2, 1)
    assert (bad["file"], bad["readable"]) == ("z.yaml", False)
    assert {row["kind"]: row["steps"] for row in found["kinds"]}[inventory.UNREADABLE] == 1
    assert found["damaged"] == {"count": 1, "bytes": 5, "names": ["abc-1"]}
    assert found["checkpoints"] == {"count": 1, "bytes": 3}
    assert found["other"]["names"] == ["steps/notes.txt"]
    assert found["remains"]["count"] == 1
    temporary = found["temporary"]
    assert (temporary["living"], temporary["dead"], temporary["elsewhere"]) == (1, 0, 1)
    text = call("info", folder.output)
    assert text.exit_code == 0
    assert "1 of 2 cells" in text.stdout
    assert "z.yaml" in text.stderr


# --- verify ----------------------------------------------------------------------------------------------------------


def test_a_whole_store_verifies_and_nothing_changes(folder: Folder) -> None:
    folder.run(folder.cell())
    before = folder.files()
    found = answer("verify", folder.output)
    assert found["steps"] == found["whole"] == 8
    assert found["found"] == []
    assert "8 of 8 steps are whole" in call("verify", folder.output).stdout
    assert folder.files() == before


@pytest.mark.parametrize(
    ("harm", "sort", "text"),
    [
        ("change", "changed", "damaged file images/00.png"),
        ("cut", "changed", "damaged file images/00.png"),
        ("delete", "missing", "missing file images/00.png"),
        ("add", "extra", "extra file images/01.png"),
        ("manifest", "manifest", "unreadable manifest.json"),
        ("list", "manifest", "unreadable manifest.json"),
        ("recipe", "key", "its key is not that of its recipe"),
        ("facts", "manifest", "damaged manifest.json"),
        ("link", "link", "images/00.png is reached by a symbolic link"),
        ("link folder", "link", "images/00.png is reached by a symbolic link"),
    ],
)
def test_damage_is_named_with_step_and_kind_and_repaired_only_when_asked(
    folder: Folder, harm: str, sort: str, text: str, tmp_path: Path
) -> None:
    cell = folder.cell()
    key = cell["images"]
    image = folder.path(key) / "images" / "00.png"
    manifest = folder.path(key) / MANIFEST
    if harm == "change":
        image.write_text("dada")
    elif harm == "cut":
        image.write_text("d")
    elif harm == "delete":
        image.unlink()
    elif harm == "add":
        image.with_name("01.png").write_text("one more")
    elif harm == "manifest":
        manifest.write_text("{")
    elif harm == "list":
        manifest.write_text("[1]")
    elif harm in ("recipe", "facts"):
        content = json.loads(manifest.read_text())
        content[harm]["concept"] = "another"
        manifest.write_text(json.dumps(content))
    elif harm == "link":
        image.rename(tmp_path / "outside.png")
        image.symlink_to(tmp_path / "outside.png")
    else:
        image.parent.rename(tmp_path / "outside")
        image.parent.symlink_to(tmp_path / "outside")
    before = folder.files()
    found = answer("verify", folder.output, code=1)
    assert found["whole"] == found["steps"] - 1
    (row,) = found["found"]
    assert (row["key"], row["done"]) == (key, None)
    assert row["kind"] == ("unreadable" if text == "unreadable manifest.json" else "generate")
    assert [(p["sort"], p["text"], p["damage"]) for p in row["problems"]] == [(sort, text, True)]
    shown = call("verify", folder.output)
    assert shown.exit_code == 1
    assert text in shown.stdout
    assert key[:12] in shown.stdout
    assert folder.files() == before

    repaired = answer("verify", folder.output, "--repair", code=1)
    assert repaired["found"][0]["done"]
    (aside,) = (folder.store.root / "damaged").iterdir()
    assert aside.name.startswith(key)
    if harm == "add":  # hours of training are not thrown away for a stray file
        assert folder.has(key)
        assert (aside / "images" / "01.png").read_text() == "one more"
    else:
        assert not folder.path(key).exists()
        assert Store(folder.store.root).get(key) is None
    assert answer("verify", folder.output)["whole"] == found["steps"] - (harm != "add")
    if "link" in harm:
        assert (tmp_path / ("outside" if harm == "link folder" else "outside.png")).exists()


def test_a_missing_parent_is_told_and_is_no_damage(folder: Folder) -> None:
    cell = folder.cell()
    (folder.path(cell["prior"]) / MANIFEST).unlink()
    found = answer("verify", folder.output)
    assert found["whole"] == found["steps"] == 7
    (row,) = found["found"]
    assert (row["key"], row["whole"]) == (cell["train"], True)
    assert row["problems"][0]["sort"] == "parent"
    assert cell["prior"][:12] in row["problems"][0]["text"]
    assert found["remains"] == [str(folder.path(cell["prior"]).relative_to(folder.store.root))]


def test_a_file_listed_outside_its_folder_is_never_read_or_moved(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    key = folder.step("real", images=COMPARED[0])
    manifest = folder.path(key) / MANIFEST
    content = json.loads(manifest.read_text())
    content["files"]["../../../../../secret"] = {"bytes": 4, "sha256": "0" * 64}
    del content["sha256"]  # as of early versions
    manifest.write_text(json.dumps(content))
    found = answer("verify", folder.output, "--repair", code=1)
    assert found["found"][0]["problems"][0]["sort"] == "missing"
    assert (tmp_path / "secret").read_text() == "mine"


def test_repair_looks_again_before_it_moves_anything(folder: Folder) -> None:
    key = folder.step("real", images=COMPARED[0])
    image = folder.path(key) / "images" / "00.png"
    image.write_text("dada")
    step = inventory.read_step(folder.path(key))
    verdict = integrity.check_step(step, frozenset({key}))
    assert not verdict.whole
    image.write_text("data")
    assert integrity.repair(verdict, folder.store.root) == "is whole now"
    assert folder.has(key)


def test_repair_does_not_follow_a_damaged_folder_that_leads_elsewhere(folder: Folder, tmp_path: Path) -> None:
    key = folder.step("real", images=COMPARED[0])
    (folder.path(key) / "facts.json").unlink()
    (tmp_path / "outside").mkdir()
    (folder.store.root / "damaged").symlink_to(tmp_path / "outside")
    result = call("verify", folder.output, "--repair")
    assert isinstance(result.exception, StoreError)
    assert "symbolic link" in str(result.exception)
    assert not list((tmp_path / "outside").iterdir())
    assert folder.has(key)


# --- prune: what goes ------------------------------------------------------------------------------------------------


def test_what_no_run_refers_to_goes_and_ancestors_of_what_one_refers_to_stay(folder: Folder) -> None:
    kept, lost = folder.cell(), folder.cell(method="clora")
    folder.run(kept)
    named = yaml.safe_load((folder.output / "runs" / "mixed50-mini.yaml").read_text())
    assert kept["prior"] not in json.dumps(named)  # only manifests tell of class images and merged weights
    assert kept["merge"] not in json.dumps(named)
    own = set(lost.values()) - set(kept.values())
    assert going(folder) == own
    result = answer("prune", folder.output, "--yes")
    assert (result["removed"], result["dry_run"]) == (len(own), False)
    assert all(folder.has(key) for key in kept.values())
    assert not any(folder.path(key).exists() for key in own)
    assert answer("verify", folder.output)["whole"] == len(kept)
    assert going(folder) == set()


def test_without_yes_nothing_changes(folder: Folder) -> None:
    lost = folder.cell()
    (folder.store.root / "damaged" / "abc-1").mkdir(parents=True)
    before = folder.files()
    result = call("prune", folder.output, "--damaged", "--older-than", "0s")
    assert result.exit_code == 0
    assert "--yes removes 9" in result.stdout
    assert folder.files() == before
    assert going(folder) == set(lost.values())


def test_young_steps_stay_with_all_that_they_build_on(folder: Folder) -> None:
    real, other = folder.step("real", images=COMPARED[0]), folder.step("real", images=COMPARED[1])
    young = folder.step("train", real, concept=COMPARED[0], age=60.0)
    assert going(folder) == {other}
    assert going(folder, "--older-than", "30s") == {real, other, young}
    assert going(folder, "--older-than", "3d") == set()
    kept = answer("prune", folder.output)["kept"]
    assert kept["young"]["steps"] == 2


def test_what_a_tuning_may_have_made_stays_unless_it_is_named(folder: Folder) -> None:
    tuned, photographed = folder.cell(TUNED[0]), folder.cell(PHOTOS, "clora")
    compared = folder.cell(COMPARED[0], "ti++")
    lonely = folder.step("prior", category="nobody's")  # nothing tells what it was made for
    assert going(folder) == set(compared.values())
    assert (
        answer("prune", folder.output)["kept"]["tuning"]["steps"] == len({*tuned.values(), *photographed.values()}) + 1
    )
    assert "--tuning" in call("prune", folder.output).stdout
    everything = {*tuned.values(), *photographed.values(), *compared.values(), lonely}
    assert going(folder, "--tuning") == everything


def test_class_images_shared_with_a_tuning_stay(folder: Folder) -> None:
    prior = folder.step("prior", category="person")
    reals = [folder.step("real", images=concept) for concept in (COMPARED[0], TUNED[0])]
    trains = [
        folder.step("train", real, prior, concept=concept)
        for real, concept in zip(reals, (COMPARED[0], TUNED[0]), strict=True)
    ]
    assert going(folder) == {reals[0], trains[0]}


def test_a_benchmark_that_cannot_be_loaded_gives_nothing_up(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise UsageError(f"{name} cannot be loaded")

    cell = folder.cell()
    monkeypatch.setitem(registry.benchmarks().__dict__, "get", broken)
    assert prune.compared_concepts() == frozenset()
    assert going(folder) == set()
    assert going(folder, "--tuning") == set(cell.values())


def test_an_unfinished_run_keeps_what_it_may_go_on_from(folder: Folder) -> None:
    cell = folder.cell()
    absent = {**cell, "score": "e" * 64, "images": "f" * 64, "features": "a" * 64}
    other = folder.cell(COMPARED[1], "clora")
    for name in ("score", "images", "features"):
        folder.store._set_aside(folder.path(cell[name]))
    folder.run(absent)
    # run files name neither class images nor merged weights: any of them may be of the unfinished cell, and they stay
    # with what they build on
    assert going(folder) == {other[name] for name in ("images", "features", "real_features", "score")}
    assert answer("prune", folder.output)["kept"]["unfinished"]["steps"] >= 2
    assert folder.has(cell["merge"])


def test_a_damaged_run_file_stops_it(folder: Folder) -> None:
    folder.run(folder.cell())
    (folder.output / "runs" / "z.yaml").write_text("cells: [")
    result = call("prune", folder.output, "--yes")
    assert isinstance(result.exception, UsageError)
    assert "z.yaml" in str(result.exception)


def test_parents_in_a_circle_end(folder: Folder) -> None:
    keys = [folder.step("train", concept=COMPARED[i], seed=i) for i in range(2)]
    for key, other in zip(keys, reversed(keys), strict=True):
        manifest = folder.path(key) / MANIFEST
        content = json.loads(manifest.read_text())
        content["recipe"]["parents"] = [other]
        manifest.write_text(json.dumps(content))
        folder.age(manifest, 2 * DAY)
    assert going(folder) == set(keys)


def test_temporary_folders_of_living_and_far_processes_stay(folder: Folder) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    shard = folder.path(folder.step("real", images=COMPARED[0], age=0.0)).parent
    owners = {
        "dead": f"{platform.node()}-{gone.pid}",
        "living": f"{platform.node()}-{os.getpid()}",
        "far": "elsewhere-1",
    }
    folders = {name: shard / f".{owner}-abc" for name, owner in owners.items()}
    for path in folders.values():
        path.mkdir()
        (path / "half.bin").write_text("half")
        folder.age(path, 9 * DAY)
    memo = folder.store.root / ".file-hashes.json.x7"
    memo.write_text("{")
    result = answer("prune", folder.output)
    assert [item["path"] for item in result["items"]] == [f"steps/{shard.name}/{folders['dead'].name}"]
    folder.age(memo, 2 * DAY)
    assert answer("prune", folder.output, "--yes")["removed"] == 2
    assert {name for name, path in folders.items() if path.exists()} == {"living", "far"}
    assert not memo.exists()


def test_checkpoints_of_unfinished_trainings_stay(folder: Folder) -> None:
    cell = folder.cell()
    folder.run({**cell, "train": "a" * 64})
    checkpoints = folder.store.root / "checkpoints"
    checkpoints.mkdir()
    asked, finished, unknown, half = (
        checkpoints / name
        for name in (
            f"{'a' * 64}.safetensors", f"{cell['train']}.safetensors", f"{'b' * 64}.safetensors",
            f".{'b' * 64}.safetensors.x1",
        )
    )  # fmt: skip
    for path in (asked, finished, unknown, half):
        path.write_text("tensors")
        folder.age(path, 2 * DAY)

    def gone(*arguments: str) -> set[str]:
        return {Path(item["path"]).name for item in answer("prune", folder.output, *arguments)["items"]}

    assert gone() == {finished.name, half.name}
    assert gone("--tuning") == {finished.name, half.name, unknown.name}
    folder.age(half, 60.0)
    assert gone() == {finished.name}


def test_damaged_steps_and_remains_go_when_asked(folder: Folder) -> None:
    folder.run(folder.cell())
    key = folder.step("real", images=COMPARED[2])
    (folder.path(key) / MANIFEST).unlink()
    folder.age(folder.path(key), 60.0)
    (folder.store.root / "damaged" / "abc-1").mkdir(parents=True)
    assert answer("prune", folder.output)["items"] == []
    folder.age(folder.path(key), 2 * DAY)
    assert answer("prune", folder.output, "--yes")["removed"] == 1
    assert not folder.path(key).exists()
    assert answer("prune", folder.output, "--damaged", "--yes")["removed"] == 1
    assert not list((folder.store.root / "damaged").iterdir())


# --- prune: how it goes ----------------------------------------------------------------------------------------------


def test_symbolic_links_are_never_followed_out_of_the_store(folder: Folder, tmp_path: Path) -> None:
    outside = Folder(tmp_path / "outside")
    far = outside.step("real", images=COMPARED[0])
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    inside = folder.step("real", images=COMPARED[1])
    steps = folder.store.root / "steps"
    (folder.path(inside) / "images" / "door").symlink_to(victim)
    (folder.path(inside).parent / (inside[:2] + "0" * 62)).symlink_to(outside.path(far))  # a step elsewhere
    shard = next(f"{n:02x}" for n in range(256) if not (steps / f"{n:02x}").exists())
    (steps / shard).symlink_to(victim)  # a folder of steps elsewhere
    (victim / f".{platform.node()}-999999999-x").mkdir()  # what would count as a leftover there
    (folder.store.root / "damaged").symlink_to(victim)
    (folder.store.root / "checkpoints").symlink_to(victim)
    assert len(answer("info", folder.output)["other"]["names"]) == 4
    result = answer("prune", folder.output, "--yes", "--damaged", "--tuning", "--older-than", "0s")
    assert [step["key"] for step in result["steps"]] == [inside]
    assert result["removed"] == 1
    assert not folder.path(inside).exists()
    assert (victim / "thesis.txt").read_text() == "years of work"
    assert (victim / f".{platform.node()}-999999999-x").exists()
    assert outside.has(far)


def test_nothing_outside_the_store_is_removed(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (folder.store.root / "steps" / "ab").symlink_to(tmp_path)
    for path in (tmp_path / "mine", folder.store.root / "steps" / "ab" / "mine"):
        with pytest.raises(StoreError, match="outside"):
            prune.remove(path, folder.store.root)
    assert (tmp_path / "mine").exists()


def test_a_store_that_others_may_share_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    cell = folder.cell()
    other = tmp_path / "other"
    other.mkdir()
    (other / "store").symlink_to(folder.store.root)
    result = call("prune", other, "--yes")
    assert isinstance(result.exception, UsageError)
    assert "symbolic link" in str(result.exception)
    assert all(folder.has(key) for key in cell.values())
    assert answer("info", other)["steps"] == 8


def test_a_run_that_starts_meanwhile_keeps_what_it_asks_for(folder: Folder) -> None:
    first, second = folder.cell(), folder.cell(COMPARED[1], "clora")
    policy = prune.Policy()
    _, decision = prune.plan_prune(folder.output, policy)
    assert {step.key for step in decision.steps} == {*first.values(), *second.values()}
    asked = second if decision.things[0].path.name in first.values() else first
    gone: list[str] = []

    def told(thing: Any) -> None:
        gone.append(thing.path.name)
        folder.run(asked)  # as soon as the first step is gone

    prune.carry_out(folder.output, policy, decision, told)
    assert gone
    assert not set(gone) & set(asked.values())
    assert all(folder.has(key) for key in asked.values())


def test_a_step_made_anew_meanwhile_stays(folder: Folder) -> None:
    key = folder.step("real", images=COMPARED[0])
    policy = prune.Policy()
    _, decision = prune.plan_prune(folder.output, policy)
    folder.store._set_aside(folder.path(key))
    folder.step("real", images=COMPARED[0], age=0.0)
    assert prune.carry_out(folder.output, policy, decision) == (0, 0)
    assert folder.has(key)


def test_a_removal_broken_off_leaves_no_half_step(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    key = folder.step("real", images=COMPARED[0])

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prune.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        prune.remove(folder.path(key), folder.store.root)
    assert not folder.path(key).exists()
    (left,) = folder.path(key).parent.iterdir()
    assert inventory.OWNED.fullmatch(left.name)  # what the next run, or the next prune, sweeps up
    assert [item.path for item in inventory.survey(folder.store.root).temporary] == [left]


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["info", "verify", "prune"])
def test_what_is_no_results_folder_is_said_in_one_sentence(command: str, tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for path, word in (
        (tmp_path / "nowhere", "no folder"), (tmp_path / "empty", "not a results folder"),
        (tmp_path / "file", "not a results folder"), (folder.store.root, "store itself"),
    ):  # fmt: skip
        error = call(command, path).exception
        assert isinstance(error, BenchError)
        assert word in str(error)
        assert "results folder" in str(error) or "--output-dir" in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800.0), ("12h", 43200.0), ("7d", 604800.0), ("1.5h", 5400.0)])
def test_ages(text: str, seconds: float) -> None:
    assert prune.parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5x", "-1h", "1 h", "h"])
def test_an_age_that_is_none_is_said(text: str, folder: Folder) -> None:
    error = call("prune", folder.output, f"--older-than={text}").exception
    assert isinstance(error, UsageError)
    assert "12h" in str(error)


def test_the_folder_may_come_from_the_environment(folder: Folder) -> None:
    folder.cell()
    result = call("info", "--json", environment={"STAMINA_BENCH_OUTPUT_DIR": str(folder.output)})
    assert json.loads(result.stdout)["steps"] == 8


def test_any_key_in_a_run_file_refers_to_its_step(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "later.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"cells": [{"benchmark": "b", "score": "a" * 64, "new": [{"field": "b" * 64}]}]}))
    assert inventory.read_runs(tmp_path) == [RunFile(path, "b", ("a" * 64,), frozenset({"a" * 64, "b" * 64}))]
