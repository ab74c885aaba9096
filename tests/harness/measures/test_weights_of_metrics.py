"""Metrics with weights that a user names, on tiny random ones: against plain formulas, in a run, and their mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from in_process import bench, refused
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from benchmarks.mini.tier import MINI
from harness import registry
from harness.backbones.extractor import Extractor
from harness.errors import UsageError
from harness.front.metric_names import wanted_metrics
from harness.measures.dino import Dino
from harness.measures.lpips import Lpips
from harness.measures.pickscore import PickScore
from harness.metric import ImageSet, TaskImages
from harness.plugins.metric_weights import split, with_weights
from harness.records.run_file import read_cells
from harness.spec import Tier

FEW = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "--limit", "2", "-q")
DINO: dict[str, Any] = {"img_size": 28, "patch_size": 14, "embed_dim": 16, "depth": 1, "num_heads": 2}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 28


def dino_folder(folder: Path, seed: int = 0) -> Path:
    """DINOv2's architecture in timm, tiny, as on timm's hub: with a head that is not wanted."""
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = timm.create_model("vit_small_patch14_dinov2", num_classes=7, **DINO)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("ls1.gamma", "ls2.gamma")):  # 1e-5 at first: nothing would be seen
                parameter.fill_(1.0)
    told = {
        "architecture": "vit_small_patch14_dinov2", "num_classes": 7, "model_args": DINO,
        "pretrained_cfg": {
            "input_size": [3, SIDE, SIDE], "mean": MEAN, "std": STD, "crop_pct": 1.0, "interpolation": "bicubic",
            "num_classes": 7, "first_conv": "patch_embed.proj", "classifier": "head",
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(told))
    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, folder / "model.safetensors")
    return folder


def pickscore_folder(folder: Path) -> Path:
    """CLIP as transformers has it, tiny, with the embedded tier's vocabulary."""
    tokenizer = CLIPTokenizer.from_pretrained(Path(MINI.extractor))
    side = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {
        **side,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 16,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    config = CLIPConfig(
        text_config=text, vision_config={**side, "image_size": SIDE, "patch_size": 14}, projection_dim=8
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(config)
    size = {"height": SIDE, "width": SIDE}
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size)
    tokenizer.model_max_length = 16
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def lpips_folder(folder: Path, architecture: str = "vgg16") -> Path:
    """VGG in timm, as on timm's hub, but for its last layers, which are narrow."""
    folder.mkdir()
    small = {"mlp_ratio": 0.001, "num_classes": 3}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = timm.create_model(architecture, **small)
    told = {"architecture": architecture, "num_classes": 3, "model_args": {"mlp_ratio": 0.001},
            "pretrained_cfg": {"num_classes": 3, "first_conv": "features.0", "classifier": "head.fc"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(told))
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder


def shown(real: int = 3, generated: int = 4) -> TaskImages:
    draws = np.random.default_rng(0)
    sets = [draws.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8) for n in (real, generated)]

    def of(images: np.ndarray[Any, Any]) -> ImageSet:
        return ImageSet(lambda: images, lambda: np.zeros((len(images), 1), np.float32))

    return TaskImages(1, "one", "person", "a photo of a V* person", *map(of, sets), wording="a photo of a person")


def normal(images: np.ndarray[Any, Any], mean: Any, std: Any) -> torch.Tensor:
    """(n, 3, side, side) float64 of uint8 images that have the network's size already."""
    return torch.tensor((images / 255 - np.array(mean)) / np.array(std)).permute(0, 3, 1, 2)


def test_dino_is_the_mean_cosine_of_the_networks_features(tmp_path: Path) -> None:
    folder, task = dino_folder(tmp_path / "dino"), shown()
    metric = with_weights(Dino, "dino", str(folder))()
    found = np.asarray(metric.of_task(task))
    plain = timm.create_model("vit_small_patch14_dinov2", num_classes=0, **DINO).double().eval()
    kept = load_file(str(folder / "model.safetensors"))
    plain.load_state_dict({name: x.double() for name, x in kept.items() if not name.startswith("head.")})
    with torch.no_grad():
        real, drawn = (plain(normal(each.images, MEAN, STD)).numpy() for each in (task.real, task.generated))
    wanted = [
        np.mean([x @ y / np.sqrt((x @ x) * (y @ y)) for y in real]) for x in drawn
    ]  # fmt: skip
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.ptp(wanted) > 1e-3  # images are told apart
    same = TaskImages(**{**task.__dict__, "generated": task.real})
    assert np.asarray(metric.of_task(same)).mean() > np.mean(wanted)


def test_pickscore_is_the_scaled_cosine_of_image_and_wording(tmp_path: Path) -> None:
    folder, task = pickscore_folder(tmp_path / "pick"), shown()
    found = np.asarray(with_weights(PickScore, "pickscore", str(folder))().of_task(task))
    model = CLIPModel.from_pretrained(folder).double().eval()
    ids = CLIPTokenizer.from_pretrained(Path(MINI.extractor))(["a photo of a person"], return_tensors="pt").input_ids
    statistics = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    with torch.no_grad():
        pixels = normal(task.generated.images, statistics["image_mean"], statistics["image_std"])
        image = model.visual_projection(model.vision_model(pixels).pooler_output)
        text = model.text_projection(model.text_model(ids).pooler_output)[0]
    cosines = (image @ text) / image.norm(dim=1) / text.norm()
    assert found == pytest.approx((model.logit_scale.exp() * cosines).detach().numpy(), abs=1e-3)


@pytest.mark.parametrize("name", ["dino", "pickscore", "lpips", "clip_t"])
def test_reading_weights_draws_no_number_that_is_seen(tmp_path: Path, name: str) -> None:
    """Libraries draw weights before they read them; a measure that draws is refused, and some are read late."""
    torch.manual_seed(0)
    before = torch.get_rng_state()
    if name == "clip_t":
        Extractor(MINI.extractor, torch.device("cpu"))
    else:
        make = {"dino": dino_folder, "pickscore": pickscore_folder, "lpips": lpips_folder}[name]
        metric = with_weights(
            {"dino": Dino, "pickscore": PickScore, "lpips": Lpips}[name], name, str(make(tmp_path / name))
        )
        before = torch.get_rng_state()
        metric().of_task(shown())
    assert torch.equal(torch.get_rng_state(), before)


def test_lpips_is_torchmetrics_of_each_pair(tmp_path: Path) -> None:
    """It ships the same heads, and wants the network's weights under other names."""
    from torchmetrics.functional.image.lpips import _LPIPS

    folder, task = lpips_folder(tmp_path / "vgg"), shown(generated=3)
    found = np.asarray(with_weights(Lpips, "lpips", str(folder))().of_task(task))
    reference = _LPIPS(net="vgg", pnet_rand=True)
    kept = load_file(folder / "model.safetensors")
    for block in (getattr(reference.net, f"slice{k}") for k in range(1, 6)):
        for number, layer in block.named_children():
            if isinstance(layer, torch.nn.Conv2d):
                layer.load_state_dict({k: kept[f"features.{number}.{k}"] for k in ("weight", "bias")})
    images = torch.from_numpy(task.generated.images).permute(0, 3, 1, 2).double() / 255
    with torch.no_grad():
        one, two, three = reference.double()(images, images.roll(-1, 0), normalize=True).flatten().tolist()
    wanted = [(one + three) / 2, (one + two) / 2, (two + three) / 2]  # pairs 01, 12 and 20
    assert found == pytest.approx(wanted, rel=1e-4)
    assert np.ptp(wanted) > 1e-3 * np.mean(wanted)
    same = ImageSet(lambda: np.repeat(task.generated.images[:1], 3, axis=0), lambda: np.zeros((3, 1), np.float32))
    alike = with_weights(Lpips, "lpips", str(folder))().of_task(replace(task, generated=same))
    assert np.asarray(alike) == pytest.approx(np.zeros(3), abs=1e-6)


def test_lpips_wants_vgg_16_and_two_images(tmp_path: Path) -> None:
    for architecture in ("vgg19", "vgg16_bn"):
        folder = lpips_folder(tmp_path / architecture, architecture)
        with pytest.raises(UsageError, match=r"it is another network.*name a timm folder of VGG-16"):
            with_weights(Lpips, "lpips", str(folder))().of_task(shown())
    with pytest.raises(UsageError, match="draw more"):
        with_weights(Lpips, "lpips", str(lpips_folder(tmp_path / "vgg")))().of_task(shown(generated=1))


@pytest.fixture
def runs(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def recipes(runs: Path) -> list[dict[str, Any]]:
    made = [json.loads(path.read_text())["recipe"] for path in (runs / "store").glob("steps/*/*/manifest.json")]
    return [recipe for recipe in made if recipe["kind"] == "measure"]


def test_in_a_run_its_weights_are_part_of_the_key(runs: Path) -> None:
    dino_folder(Path("first"))
    code, said = bench("run", "tuning6", "-m", "ti++", *FEW, "--metrics", "dino=first")
    assert code == 0, said
    (cell,) = read_cells(runs)
    (measure,) = cell.measures
    figures = {row.metric: row.value for row in cell.rows if row.task is None}
    assert -1 <= figures["dino"] <= 1
    assert "dino.forgotten" in figures
    (one,) = recipes(runs)
    assert one["source"][:8] == measure.source[:8]
    assert bench("score", "runs", "--metrics", "dino=first", "-q")[0] == 0
    assert len(recipes(runs)) == 1  # the same weights: nothing is made again
    dino_folder(Path("second"), seed=1)
    assert bench("score", "runs", "--metrics", "dino=second", "-q")[0] == 0
    assert len({recipe["source"] for recipe in recipes(runs)}) == 2
    (cell,) = read_cells(runs)
    assert {row.metric: row.value for row in cell.rows if row.task is None}["dino"] != figures["dino"]


def empty(folder: Path) -> None:
    folder.mkdir()


def half(folder: Path) -> None:
    dino_folder(folder)
    (folder / "model.safetensors").unlink()


def pointer(folder: Path) -> None:
    dino_folder(folder)
    line = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (folder / "model.safetensors").write_text(line)


def another(folder: Path) -> None:
    dino_folder(folder)
    (folder / "config.json").write_text(json.dumps({"architecture": "vit_none", "num_classes": 0}))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (empty, "has no config.json and no model.safetensors; name a timm folder of DINOv2"),
        (half, "has no model.safetensors; name"), (pointer, "Git LFS pointer"), (another, "cannot be loaded"),
    ],
)  # fmt: skip
def test_weights_that_cannot_be_loaded_are_one_sentence(make: Callable[[Path], None], why: str, tmp_path: Path) -> None:
    make(tmp_path / "here")
    for metric, name in ((Dino, "dino"), (Lpips, "lpips"), (PickScore, "pickscore")):
        with pytest.raises(UsageError, match=why if metric is Dino else "name|pull") as said:
            with_weights(metric, name, str(tmp_path / "here"))().of_task(shown())
        assert "\n" not in str(said.value)
        assert str(tmp_path) in str(said.value)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("dino", "needs a timm folder of DINOv2"), ("dino=", "needs a timm folder"),
        ("clip_i=first", "has no weights of its own"), ("dino=nowhere", "there is no folder"),
        ("dno=first", "did you mean dino"), ("dino=first,dino=second", "rename one"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_name_is_said_before_anything_is_made(named: str, why: str, runs: Path) -> None:
    dino_folder(Path("first"))
    dino_folder(Path("second"))
    refused(bench("run", "tuning6", "-m", "ti++", *FEW, "--metrics", named), why)
    assert not recipes(runs)


def test_names_hold_in_any_folder_and_all_leaves_them_out(runs: Path) -> None:
    dino_folder(Path("first"))
    assert wanted_metrics("dino = first") == (f"dino={Path('first').absolute()}",)
    assert split("a=b/my.py:Mine") == ("a=b/my.py:Mine", "")
    assert not {"dino", "lpips", "pickscore"} & set(wanted_metrics("all"))
