"""The embedded classifier, and the script that trains it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.mini.objects import CLASSES
from benchmarks.mini.pretrain import vit, vit_model, vit_teacher
from benchmarks.mini.pretrain.vit_quality import HEADING, frozen_accuracy, photo_accuracy, write_section
from benchmarks.mini.tier import CHECKPOINTS, MINI

FOLDER = CHECKPOINTS / vit.FOLDER
RECORD = CHECKPOINTS / "quality-vit.json"


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return vit.load_vit(FOLDER)


def test_the_folder_is_timms_and_holds_no_pickle() -> None:
    assert Path(MINI.classifier) == FOLDER
    assert {p.name for p in FOLDER.iterdir()} == {"config.json", "model.safetensors"}
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["label_names"] == [c.name for c in CLASSES]
    assert (FOLDER / "model.safetensors").stat().st_size < 2e6


def test_timm_loads_it_without_the_network(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle or the network was asked for")

    monkeypatch.setattr("torch.load", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    again = vit.load_vit(FOLDER)
    assert sum(p.numel() for p in again.parameters()) == json.loads(RECORD.read_text())["parameters"]
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_it_is_as_good_as_recorded_and_leaves_room_on_both_sides(model: nn.Module) -> None:
    """Fewer images than the record's, to train and to test on, hence the margins: about four standard errors."""
    record = json.loads(RECORD.read_text())
    assert photo_accuracy(model, 1)["top1"] == pytest.approx(record["photo"]["top1"], abs=8)
    frozen = frozen_accuracy(model, train=16, test=8)
    for name in ("ridge", "nearest_mean", "head"):
        assert frozen[name]["all"] == pytest.approx(record["frozen"][name]["all"], abs=13), name
    assert 50 < record["frozen"]["ridge"]["all"] < 85


def test_the_card_prints_the_record() -> None:
    record = json.loads(RECORD.read_text())
    card = (CHECKPOINTS / "README.md").read_text()
    assert f"{record['photo']['top1']:.1f} %" in card
    for name, value in record["frozen"]["ridge"].items():
        assert f"| {name} | {value:.1f} |" in card


def test_the_section_replaces_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"# Card\n\nText.\n\n{HEADING}\n\nold\n")
    write_section(tmp_path, json.loads(RECORD.read_text()))
    once = (tmp_path / "README.md").read_text()
    assert once.startswith(f"# Card\n\nText.\n\n{HEADING}\n")
    assert "old\n" not in once
    write_section(tmp_path, json.loads(RECORD.read_text()))
    assert (tmp_path / "README.md").read_text() == once


def test_attention_starts_near_the_identity() -> None:
    width = vit.MODEL_ARGS["embed_dim"]
    for block in vit.Pupil().vit.blocks:
        queries, keys, values = block.attn.qkv.weight.detach().split(width)
        assert float(torch.trace(queries.T @ keys)) / width > 0.35
        assert float(torch.trace(block.attn.proj.weight.detach() @ values)) / width == pytest.approx(-0.4, abs=0.1)


def test_augmented_images_stay_images() -> None:
    images = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    changed = vit.augment(images, torch.Generator().manual_seed(1))
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert ((changed - images).abs().mean((1, 2, 3)) > 0.01).all()


def test_the_teacher_sees_the_vits_patches() -> None:
    """A spot in one corner moves the features of the patches around it, and none in the corner across."""
    teacher = vit_teacher.Teacher(3).eval()
    plain, spotted = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    spotted[:, :, :8, 56:] = 1
    for before, after in zip(teacher(plain)[:2], teacher(spotted)[:2], strict=True):
        moved = (after - before).norm(dim=2)[0].view(8, 8)
        assert moved[:4, 4:].sum() > 0.5 * moved.sum()
        assert moved[6:, :2].sum() == 0


def test_training_saves_what_timm_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps on one image a class: the folder's logits are the trained model's, but for float16."""
    monkeypatch.setattr(vit, "draw_pool", lambda folder, per_class: (torch.zeros(8, 64, 64, 3).byte(), torch.arange(8)))
    monkeypatch.setattr(vit_teacher, "STEPS", 2)
    trained = vit.train_vit(tmp_path, per_class=1, steps=2)
    vit.save_vit(trained, tmp_path / "saved")
    images = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    _, wanted = vit_model.features(trained.eval(), images)
    _, got = vit_model.features(vit.load_vit(tmp_path / "saved"), images)
    assert torch.allclose(got, wanted, atol=0.02)
    untrained = vit.Pupil().vit.eval()
    assert not torch.allclose(got, vit_model.features(untrained, images)[1], atol=1e-4)
