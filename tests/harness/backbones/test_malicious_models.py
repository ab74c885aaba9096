"""Checkpoints, extractors and stores with code in them: nothing of it runs, and a sentence says why."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from in_process import bench, refused

from harness.backbones.extractor import Extractor
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.store.checkpoint import Checkpoint
from harness.store.store import MANIFEST

FAST = ("--methods", "clora", "--set", "steps=1", "--set", "batch_size=1", "--set", "sampling.steps=1", "--set",
        "sampling.images=2")  # fmt: skip


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.sentinel,)


@pytest.fixture
def bomb(tmp_path: Path) -> Any:
    """Pickles that make a file, by how they are packed; at the end the file must not be there."""
    sentinel = tmp_path / "exploded"
    plain = pickle.dumps({"w": Bomb(sentinel)})
    pickle.loads(plain)
    sentinel.unlink()  # raises if the bomb is a dud
    packed = io.BytesIO()
    torch.save({"w": Bomb(sentinel)}, packed)
    yield {"plain": plain, "zip": packed.getvalue()}
    assert not sentinel.exists()


def instead(folder: Path, name: str, content: bytes) -> None:
    """Put a file in the place of a folder's weights."""
    for path in folder.glob("*.safetensors"):
        path.unlink()
    (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("part", "name", "pack"),
    [
        ("unet", "diffusion_pytorch_model.bin", "zip"), ("vae", "diffusion_pytorch_model.bin", "plain"),
        ("text_encoder", "pytorch_model.bin", "zip"), ("unet", "diffusion_pytorch_model.safetensors", "zip"),
        ("vae", "diffusion_pytorch_model.safetensors", "plain"), ("text_encoder", "model.safetensors", "zip"),
    ],
)  # fmt: skip
def test_a_pickled_backbone_is_refused(
    part: str, name: str, pack: str, tiny_models: Path, tmp_path: Path, bomb: dict[str, bytes]
) -> None:
    folder = shutil.copytree(tiny_models / "sd", tmp_path / "sd")
    instead(folder / part, name, bomb[pack])
    run = ("run", "mixed50", "--limit", 1, "-o", tmp_path / "runs", "--backbone", folder)
    refused(bench(*run), str(folder), part, "weights")
    if part == "unet":
        refused(bench("params", "--backbone", folder, "--methods", "lora"), str(folder), "safetensors")
    if name == "pytorch_model.bin":  # the loader by itself
        with pytest.raises(UsageError, match="safetensors"):
            TextToImage.load(str(folder), torch.device("cpu"))


@pytest.mark.parametrize(
    "change",
    [
        {"_class_name": ["evil", "Evil"]}, {"unet": ["evil", "Evil"]}, {"vae": ["os", "Evil"]},
        {"text_encoder": ["transformers", "AutoModel"]}, {"safety_checker": ["evil", "Evil"]},
        {"unet": ["diffusers", "DiffusionPipeline"]}, "code", "shards",
    ],
    ids=str,
)  # fmt: skip
def test_a_backbone_with_code_of_its_own_is_refused(
    change: Any, tiny_models: Path, tmp_path: Path, bomb: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(tiny_models / "sd", tmp_path / "sd")
    code = f"from pathlib import Path\nPath({str(tmp_path / 'exploded')!r}).touch()\nclass Evil: ...\n"
    (tmp_path / "evil.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    if change == "code":
        (folder / "text_encoder" / "evil.py").write_text(code)
        config = folder / "text_encoder" / "config.json"
        told = json.loads(config.read_text()) | {"model_type": "evil", "auto_map": {"AutoModel": "evil.Evil"}}
        config.write_text(json.dumps(told))
    elif change == "shards":
        (folder / "unet" / "shard.bin").write_bytes(bomb["zip"])
        index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"w": "shard.bin"}}))
    else:
        index = folder / "model_index.json"
        index.write_text(json.dumps(json.loads(index.read_text()) | change))
    refused(bench("run", "mixed50", "--limit", 1, "-o", tmp_path / "runs", "--backbone", folder), str(folder))
    assert "evil" not in sys.modules


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("open_clip_pytorch_model.bin", "zip"), ("model.pth", "plain"), ("model.pt", "zip"),
        ("open_clip_model.safetensors", "zip"), ("beside", "zip"), ("harmless.bin", "none"),
    ],
)  # fmt: skip
def test_a_pickled_extractor_is_refused(
    name: str, pack: str, tiny_models: Path, tmp_path: Path, bomb: dict[str, bytes]
) -> None:
    folder = shutil.copytree(tiny_models / "clip", tmp_path / "clip")
    whole = (folder / "open_clip_model.safetensors").read_bytes()
    if name == "beside":  # weights are there, but open_clip would take the pickle
        instead(folder, "mine.safetensors", whole)
        (folder / "open_clip_pytorch_model.bin").write_bytes(bomb[pack])
    elif pack == "none":
        torch.save(Extractor(str(folder), torch.device("cpu")).model.state_dict(), folder / name)
        (folder / "open_clip_model.safetensors").unlink()
    else:
        instead(folder, name, bomb[pack])
    backbone = ("--backbone", tiny_models / "sd")
    run = ("run", "mixed50", "--limit", 1, "-o", tmp_path / "runs", *backbone, "--extractor", folder)
    refused(bench(*run), str(folder), "weights")
    with pytest.raises(UsageError, match="weights"):
        Extractor(str(folder), torch.device("cpu"))


@pytest.mark.parametrize("source", ["ViT-B-32//tmp/evil.pt", "local-dir:evil", "hf-hub:a/b", "ViT-B-32/evil.bin", "x"])
def test_an_extractor_is_a_folder_or_known_to_open_clip(source: str) -> None:
    with pytest.raises(UsageError, match="safetensors"):
        Extractor(source, torch.device("cpu"))


def test_a_store_with_pickles_is_refused(tmp_path: Path, bomb: dict[str, bytes], tiny_models: Path) -> None:
    """Checksums notice changed weights and features; with the checksums changed, too, they are no safetensors."""
    runs = tmp_path / "runs"
    models = ("--backbone", tiny_models / "sd", "--extractor", tiny_models / "clip")
    code, said = bench("run", "mixed50", "--limit", 1, "-o", runs, *models, *FAST)
    assert code == 0, said
    for manifest in list((runs / "store" / "steps").rglob(MANIFEST)):
        told = json.loads(manifest.read_text())
        if told["recipe"]["kind"] in ("generate", "score"):
            shutil.rmtree(manifest.parent)
            continue
        for name in [name for name in told["files"] if name.endswith(".safetensors")]:
            content = bomb["zip" if name == "weights.safetensors" else "plain"]
            (manifest.parent / name).write_bytes(content)
            told["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        told.pop("sha256", None)  # of the manifest itself
        manifest.write_text(json.dumps(told))
    code, said = bench("resume", runs)
    assert code == 1
    assert "did not finish" in said
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(bomb["zip"])
    assert Checkpoint(checkpoint).read() is None
