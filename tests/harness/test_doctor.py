"""What `doctor` says of this installation, of broken ones, of GPUs and of the environment."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from typer.testing import CliRunner

from harness import api, doctor, registry
from harness.backbones.checks import SCHEDULE
from harness.cli import app
from harness.doctor import Finding
from harness.errors import UsageError
from harness.spec import Benchmark, SettingName, Task, Tier


def pipeline(folder: Path) -> Path:
    """A pipeline folder with everything that `doctor` looks at, and nothing that runs."""
    parts = ("text_encoder", "unet", "vae")
    for part in ("scheduler", "tokenizer", *parts):
        (folder / part).mkdir(parents=True)
    settings = (SCHEDULE, *(f"{part}/config.json" for part in parts))
    for name in ("model_index.json", "tokenizer/tokenizer.json", *settings):
        (folder / name).write_text("{}")
    (folder / "unet" / "config.json").write_text('{"sample_size": 8}')
    (folder / "vae" / "config.json").write_text('{"block_out_channels": [8, 8]}')
    for part in parts:
        save_file({"weight": np.zeros(4, np.float32)}, folder / part / "model.safetensors")
    return folder


def clip(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 16}}')
    save_file({"weight": np.zeros(4, np.float32)}, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tier:
    """A mini tier of small files, in place of the embedded one; the paper tier's hub ids are unknown to any cache."""
    tier = Tier(
        name="mini", summary="small files", backbone=str(pipeline(tmp_path / "sd")),
        extractor=str(clip(tmp_path / "clip")), resolution=16,
    )  # fmt: skip
    paper = tier.model_copy(update={"name": "paper", "backbone": "nobody/nothing", "extractor": "ViT-B-32/nothing"})
    tiers = {"mini": tier, "paper": paper}
    monkeypatch.setitem(registry.tiers().__dict__, "get", tiers.__getitem__)
    monkeypatch.setitem(registry.tiers().__dict__, "names", lambda: list(tiers))
    return tier


def lines(found: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


def examined(*arguments: object, code: int, **environment: str) -> Any:
    result = CliRunner().invoke(app, ["doctor", "--json", *map(str, arguments)], env=environment)
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout)


def test_this_installation_is_ready_and_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("doctor must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(api, "GPU_FILES", ())
    output = tmp_path / "new" / "runs"
    answer = examined("-o", output, code=0)
    assert answer["ready"] is True
    states = {f["name"]: f["state"] for f in answer["findings"]}
    for name in ("python", "torch", "mini: backbone", "mini: extractor", "methods", "mixed50, mini", "folder"):
        assert states[name] == "ready", name
    assert not any(f["name"] == "pytest" for f in answer["findings"])  # of an extra
    assert {f["area"] for f in answer["findings"]} >= {"package", "device", "model", "plug-ins", "benchmark", "results"}
    assert not output.parent.exists()


def test_the_table_says_everything_and_ends_with_the_answer(mini: Tier, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "-o", str(tmp_path)], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    assert "The mini tier is ready." in result.stdout
    assert "nobody/nothing" in result.stdout
    assert "--no-offline" in result.stdout


@pytest.mark.parametrize(
    ("path", "content", "name", "part"),
    [
        ("sd/unet/config.json", "{", "mini: backbone", "unet/config.json"),
        ("sd/vae/model.safetensors", "version https://git-lfs", "mini: backbone", "vae/model.safetensors"),
        ("sd/text_encoder/model.safetensors", None, "mini: backbone", "text_encoder"),
        ("sd/model_index.json", None, "mini: backbone", "model_index.json"),
        ("clip/open_clip_config.json", "[]", "mini: extractor", "open_clip_config.json"),
        ("clip/open_clip_model.safetensors", "short", "mini: extractor", "open_clip_model.safetensors"),
    ],
)
def test_a_broken_checkpoint_of_the_mini_tier_is_exit_code_1(
    mini: Tier, tmp_path: Path, path: str, content: str | None, name: str, part: str
) -> None:
    if content is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(content)
    answer = examined("-o", tmp_path, code=1)
    assert answer["ready"] is False
    found = {f["name"]: f for f in answer["findings"]}
    assert found[name]["state"] == "broken"
    assert part in found[name]["detail"]
    assert "install" in found[name]["remedy"]
    assert found["mixed50, mini"]["state"] == "missing"


def test_a_hub_id_that_is_not_in_the_cache_is_missing_and_harms_nobody(mini: Tier) -> None:
    ready: dict[str, set[SettingName]] = {}
    found = lines(doctor.models(ready))
    assert ready == {"mini": {"customization"}, "paper": set()}
    assert found["mini: backbone"].detail == "sd, 16 px, a folder"
    assert found["mini: extractor"].detail == "clip, 16 features, a folder"
    paper = found["paper: backbone"]
    assert (paper.state, paper.fatal) == ("missing", False)
    assert "local hub cache" in paper.detail
    assert "--no-offline" in paper.remedy
    assert "--backbone" in paper.remedy


def test_a_folder_stands_in_for_a_hub_id_and_not_for_the_embedded_checkpoint(mini: Tier, tmp_path: Path) -> None:
    ready: dict[str, set[SettingName]] = {}
    paper = mini.model_copy(update={"name": "paper", "backbone": "nobody/nothing"})
    tiers = {"mini": mini, "paper": paper}
    registry.tiers().__dict__["get"] = tiers.__getitem__
    own = pipeline(tmp_path / "own")
    found = lines(doctor.models(ready, str(own)))
    assert found["paper: backbone"].detail.startswith("own, 16 px")
    assert found["mini: backbone"].detail.startswith("sd,")
    assert ready == {"mini": {"customization"}, "paper": {"customization"}}
    (own / "unet" / "config.json").unlink()
    broken = lines(doctor.models({}, str(own)))["paper: backbone"]
    assert (broken.state, broken.fatal) == ("broken", False)


def test_packages_are_held_against_the_installed_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["numpy>=1.26", "torch>=2.9,<3", "absent_package>=1", 'pytest>=8; extra == "test"', "not a requirement!"]
    versions = {"numpy": "2.0.0", "torch": "3.1+cu130", doctor.PROJECT: "0.1.0"}

    def version(name: str) -> str:
        try:
            return versions[name]
        except KeyError:
            raise doctor.metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(doctor.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(doctor.metadata, "version", version)
    found = lines(doctor.packages())
    assert set(found) == {doctor.PROJECT, "python", "numpy", "torch", "absent_package"}
    assert found["numpy"].state == "ready"
    assert (found["torch"].state, found["torch"].fatal) == ("note", False)
    assert "3.1+cu130" in found["torch"].detail
    assert "outside" in found["torch"].detail
    assert found["absent_package"].fatal
    assert found["absent_package"].remedy == "pip install 'absent_package>=1'"


def test_a_package_that_is_not_installed_itself_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROJECT", "no-such-project-here")
    (finding,) = doctor.packages()
    assert finding.fatal
    assert "pip install" in finding.remedy


def test_a_plug_in_that_fails_is_named_and_only_ours_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    origins = {"good": "stamina-bench: a:A", "bad": "stamina-bench: b:B", "foreign": "other-package: c:C"}

    def get(name: str) -> type:
        if name != "good":
            raise UsageError(f"The method '{name}' cannot be loaded (no torch); fix or uninstall it.")
        return object

    for attribute, value in (("names", lambda: list(origins)), ("origin", origins.__getitem__), ("get", get)):
        for setting in ("customization", "classification"):
            monkeypatch.setitem(registry.methods(setting).__dict__, attribute, value)
    said = list(doctor.plugins())
    assert len(said) == 3
    found = lines(said)
    assert found["methods"].detail == "1 load: good"
    assert found["method bad"].fatal
    assert found["method foreign"].state == "broken"
    assert not found["method foreign"].fatal


def test_two_packages_with_one_name_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        raise UsageError("Two packages register the method 'x' (a and b); uninstall one of them.")

    for setting in ("customization", "classification"):
        monkeypatch.setitem(registry.methods(setting).__dict__, "names", names)
    (finding,) = doctor.plugins()
    assert finding.fatal
    assert "Two packages" in finding.detail


class Tasks:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def tasks(self) -> Sequence[Task]:
        if self.error:
            raise self.error
        return []


def test_a_benchmark_is_ready_where_its_images_and_the_tiers_models_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"mini": Tasks(), "paper": Tasks(UsageError("Its photographs are missing; put them into DIR."))}
    known = {
        "ours": Benchmark(name="ours", title="", summary="", sources=sources),
        "odd": Benchmark(name="odd", title="", summary="", sources={"mini": Tasks(ZeroDivisionError("oops"))}),
    }
    monkeypatch.setitem(registry.benchmarks().__dict__, "names", lambda: list(known))
    monkeypatch.setitem(registry.benchmarks().__dict__, "get", known.__getitem__)
    found = lines(doctor.benchmarks({"mini": {"customization"}, "paper": {"customization"}}))
    assert found["ours, mini"].state == "ready"
    assert (found["ours, paper"].state, found["ours, paper"].fatal) == ("missing", False)
    assert "put them into DIR" in found["ours, paper"].remedy
    assert found["odd, mini"].fatal
    assert "oops" in found["odd, mini"].detail
    assert found["odd, paper"].state == "note"
    assert "--tier mini" in found["odd, paper"].remedy
    assert lines(doctor.benchmarks({"mini": {"classification"}}))["ours, mini"].state == "missing"


def test_gpus_are_listed_with_memory_and_bf16(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(api, "GPU_FILES", ())
    assert lines(doctor.gpus())["cuda"].state == "note"
    monkeypatch.setattr(api, "GPU_FILES", (str(tmp_path),))
    cards = [
        SimpleNamespace(name="New", total_memory=80e9, major=9),
        SimpleNamespace(name="Old", total_memory=16e9, major=7),
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(cards))
    monkeypatch.setattr(torch.cuda, "get_device_properties", cards.__getitem__)
    found = lines(doctor.gpus())
    assert found["cuda:0"].detail == "New, 80.0 GB, bf16"
    assert found["cuda:1"].detail.startswith("Old, 16.0 GB, no bf16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    unusable = lines(doctor.gpus())["cuda"]
    assert (unusable.state, unusable.fatal) == ("missing", False)
    assert "driver" in unusable.remedy

    def fail() -> bool:
        raise RuntimeError("driver/library version mismatch\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", fail)
    broken = lines(doctor.gpus())["cuda"]
    assert (broken.state, broken.fatal) == ("broken", False)
    assert broken.detail.endswith("mismatch")


def test_a_results_folder_that_cannot_be_written_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    for output in (tmp_path / "taken", tmp_path / "taken" / "runs"):
        (finding,) = doctor.results(output)
        assert finding.fatal
        assert "--output-dir" in finding.remedy
    found = lines(doctor.results(tmp_path / "not" / "yet"))
    assert "does not exist yet" in found["folder"].detail
    assert not (tmp_path / "not").exists()
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=5e8))
    low = lines(doctor.results(tmp_path))["disk"]
    assert (low.state, low.fatal) == ("note", False)
    assert "0.5 GB" in low.detail


def test_variables_are_shown_and_tokens_never(mini: Tier, tmp_path: Path) -> None:
    result = examined(
        "-o", tmp_path, code=0, STAMINA_BENCH_SEEDS="0,1", STAMINA_BENCH_SEDES="2", HF_TOKEN="hf_abcdef",
        STAMINA_BENCH_API_TOKEN="s3cret",
    )  # fmt: skip
    assert "hf_abcdef" not in json.dumps(result)
    assert "s3cret" not in json.dumps(result)
    found = {f["name"]: f for f in result["findings"] if f["area"] == "environment"}
    assert (found["STAMINA_BENCH_SEEDS"]["detail"], found["STAMINA_BENCH_SEEDS"]["state"]) == ("0,1", "ready")
    assert found["HF_TOKEN"]["detail"] == "set"
    typo = found["STAMINA_BENCH_SEDES"]
    assert typo["state"] == "note"
    assert "STAMINA_BENCH_SEEDS" in typo["remedy"]


def test_the_processor_is_described() -> None:
    found = lines(doctor.processor())
    assert "cores usable" in found["cpu"].detail
    assert all(finding.state == "ready" for finding in found.values())


def test_what_a_run_cannot_import_is_fatal_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "torchvision 0.29.1 does not go with torch 2.9.0 (no such operator); `pip install torchvision torch`."
    monkeypatch.setattr("harness.doctor.try_imports", lambda modules: {modules[0]: sentence, modules[1]: ""})
    answer = examined("-o", tmp_path, code=1)
    (finding,) = (f for f in answer["findings"] if f["name"].startswith("imports"))
    assert finding["name"] == "imports: customization"
    assert finding["state"] == "broken"
    assert finding["detail"] == "torchvision 0.29.1 does not go with torch 2.9.0 (no such operator)"
    assert finding["remedy"] == "`pip install torchvision torch`"
    assert answer["ready"] is False
