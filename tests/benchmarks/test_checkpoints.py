"""The checkpoints as they ship: ordinary folders, safe, small, and as good as the model card says."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch
from diffusers import StableDiffusionPipeline

from benchmarks.mini.factors import KINDS, Kind
from benchmarks.mini.pretrain import quality
from benchmarks.mini.tier import CHECKPOINTS, MINI
from harness.backbones.pipeline_files import check_pipeline
from harness.backbones.text_to_image import TextToImage


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return TextToImage.load(MINI.backbone, torch.device("cpu"))


def test_they_are_small_and_hold_no_pickle() -> None:
    files = [p for p in CHECKPOINTS.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 40e6
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".txt", ".md"}


def test_their_tokenizers_neither_cut_nor_pad() -> None:
    found = [json.loads(path.read_text()) for path in CHECKPOINTS.rglob("tokenizer.json")]
    assert len(found) == 2
    assert all(each["truncation"] is each["padding"] is None for each in found)


def test_plain_diffusers_loads_the_pipeline() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(
        MINI.backbone, torch_dtype=torch.float32, local_files_only=True, use_safetensors=True,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    image = pipeline("a photo of a waterfall", num_inference_steps=4, generator=generator).images[0]
    assert image.size == (64, 64)
    assert check_pipeline(Path(MINI.backbone), MINI.backbone) == 64


@pytest.mark.parametrize("kind", KINDS)
def test_the_autoencoder_keeps_who_it_is(kind: Kind, model: TextToImage) -> None:
    """The card's measurements on fewer images of unseen identities."""
    clip = open_clip.create_model_from_pretrained(f"local-dir:{MINI.extractor}", return_transform=False).eval()
    found = quality.codec_floor(clip, model.vae, kind, count=4)  # type: ignore[arg-type]
    assert found["floor"] < 40
    assert found["other"] > 200
    assert quality.psnr(model.vae, kind, count=120) >= 26.0  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_features_hold_every_identity_factor(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card's measurement on fewer images, hence with a margin."""
    monkeypatch.setattr(quality, "FIT", 800)
    clip = open_clip.create_model_from_pretrained(f"local-dir:{MINI.extractor}", return_transform=False).eval()
    probe = quality.fit_probe(clip, kind)
    identities, _, images = quality.draw(kind, "probe", 150, 21)
    scores = quality.scores(probe, quality.embed(clip, images), identities)
    recorded = json.loads((CHECKPOINTS / "quality.json").read_text())["probes"][kind]["renders"]
    for name, value in scores.items():
        assert value > recorded[name] - 0.12, name


def test_samples_show_what_captions_name(model: TextToImage) -> None:
    """Hair and sky are the plainest of what a caption names: their colours are read off the pixels themselves."""
    day, sunset = (
        quality.sample(model.pipeline, [f"a photo of a waterfall {time}"] * 4, steps=8, guidance=2.0)
        for time in ("by day", "at sunset")
    )
    blue_minus_red = [float((x[:, 2, :10] - x[:, 0, :10]).mean()) for x in (day, sunset)]
    assert blue_minus_red[0] > 0.2 > -0.1 > blue_minus_red[1]


def test_the_card_prints_the_measured_figures() -> None:
    card, measured = (CHECKPOINTS / "README.md").read_text(), json.loads((CHECKPOINTS / "quality.json").read_text())
    for kind in KINDS:
        assert f"{measured['psnr_db'][kind]:.1f} dB" in card
        for name, value in measured["probes"][kind]["renders"].items():
            assert f"| {kind} | {name} | {value:.2f} |" in card
        for name, pair in measured["captions"][kind].items():
            assert f"| {kind} | {name} | {pair['samples']:.2f} | {pair['renders']:.2f} |" in card


def test_the_tier_names_folders_that_ship() -> None:
    assert Path(MINI.backbone).is_dir()
    assert Path(MINI.extractor).is_dir()
