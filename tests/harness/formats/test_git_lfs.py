"""Models cloned without git-lfs: the pointer is called by its name, wherever it lies in the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests_support import raises_sentence

import benchmarks.mini
from harness.backbones.checks import check_extractor, check_parts, layout_of
from harness.backbones.classifier_files import read_config
from harness.backbones.pipeline_files import check_denoiser
from harness.formats.git_lfs import is_pointer, is_pointer_file

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1720000000\n"
MODELS = Path(benchmarks.mini.__file__).parent / "checkpoints"


def with_pointer(model: str, name: str, folder: Path) -> Path:
    """A copy of a mini model with a pointer in the place of one file."""
    copy = shutil.copytree(MODELS / model, folder / model)
    assert (copy / name).exists()
    (copy / name).write_bytes(POINTER)
    return copy


@pytest.mark.parametrize(
    "name",
    [
        "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors", "unet/config.json", "tokenizer/tokenizer.json", "model_index.json",
    ],
)  # fmt: skip
def test_a_backbone(tmp_path: Path, name: str) -> None:
    folder = with_pointer("stable-diffusion-mini", name, tmp_path)
    said = f"'bb': {name} is a Git LFS pointer in place of the file; run `git lfs pull` in its repository."
    assert raises_sentence(lambda: check_parts(folder, "bb")) == said
    if name == "model_index.json":
        assert raises_sentence(lambda: layout_of(folder, "bb")) == said
    if name.startswith("unet/diff"):
        raises_sentence(lambda: check_denoiser(str(folder)), f"'{folder}': {name} is a Git LFS pointer")


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "open_clip_config.json"])
def test_an_extractor(tmp_path: Path, name: str) -> None:
    folder = with_pointer("clip-mini", name, tmp_path)
    raises_sentence(lambda: check_extractor(folder, "clip"), f"{name} is a Git LFS pointer", "`git lfs pull`")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_classifier(tmp_path: Path, name: str) -> None:
    folder = with_pointer("vit-mini", name, tmp_path)
    raises_sentence(lambda: read_config(folder), folder, f"{name} is a Git LFS pointer", "`git lfs pull`")


def test_what_a_pointer_is(tmp_path: Path) -> None:
    assert is_pointer(POINTER)
    assert not is_pointer(b"version 1")
    assert not is_pointer(b"")
    assert not is_pointer_file(tmp_path / "gone")
    assert not is_pointer_file(tmp_path)
