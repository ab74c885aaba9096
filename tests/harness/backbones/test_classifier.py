"""The wrapped ViT: as timm computes it; the same answer in any batch; adapters on Q, K and V; what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from tiny_classifier import ARCHITECTURE, CPU, METHODS, SHAPE, ClassCourse, pixels, save_vit, tiny_classifier, tiny_vit
from torch import Tensor
from vit_in_numpy import class_tokens

from harness import registry
from harness.backbones.adapters import attach
from harness.backbones.classifier import Classifier, Prefix, Prompt
from harness.backbones.classifier_files import image_size, statistics
from harness.errors import UsageError
from methods.parts.adapters import FullResidual

IMAGES = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def courses() -> Mapping[str, ClassCourse]:
    """Every method after its last task."""
    made = {name: ClassCourse(name, epochs=1) for name in METHODS}
    for course in made.values():
        for _ in range(1 if course.plugin.joint else 2):
            course.teach()
    return made


# ------------------------------------------------------------------------------------------------------- as timm has it


@pytest.mark.parametrize(
    "changes", [{}, {"qk_norm": True}, {"qkv_bias": False}, {"init_values": 0.5}, {"scale_attn_norm": True}], ids=str
)
def test_features_are_timms_class_tokens(changes: dict[str, Any]) -> None:
    plain: Any = tiny_vit(**changes)
    with torch.no_grad():
        wanted = plain.forward_features(IMAGES)[:, 0]
    model = Classifier(plain, CPU)
    found = model.features(IMAGES)
    assert (found.shape, found.dtype) == ((5, 32), torch.float32)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
    assert wanted.std(dim=0).mean() > 1e-2  # images differ, or equality says little


def test_features_are_those_of_a_vit_written_out_in_float64() -> None:
    model = tiny_classifier()
    weights = {name: p.double().numpy() for name, p in model.initial.items()}
    wanted = class_tokens(weights, IMAGES.double().numpy(), model.depth, 2)
    np.testing.assert_allclose(model.features(IMAGES).double().numpy(), wanted, atol=2e-5)


def test_nothing_is_trained_of_a_model_just_loaded() -> None:
    model = tiny_classifier()
    assert not model.vit.training
    assert not any(p.requires_grad for p in model.vit.parameters())
    assert model.parameters == sum(p.numel() for p in tiny_vit().parameters())
    assert (model.dim, model.depth, model.token_dim, model.token_scale()) == (32, 6, 0, 0.0)
    assert model.token_start("random").shape == (0,)
    assert model.logits(IMAGES).shape == (5, 0)


class Emptied(Prompt):
    """A method's prompt with its prefixes cut to no rows."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self.prompt = prompt
        self.blocks: list[int] = []

    def forward(self, query: Tensor) -> Mapping[int, Prefix]:
        found = self.prompt(query)
        self.blocks = [*found]
        assert all(part.shape[1] > 0 for pair in found.values() for part in pair)
        return {block: (k[:, :0], v[:, :0]) for block, (k, v) in found.items()}


@pytest.mark.parametrize("name", METHODS)
def test_before_its_first_step_every_method_is_the_frozen_backbone(name: str) -> None:
    """Residuals start at zero. Prompts change attention from the first: through their rows alone."""
    course = ClassCourse(name)
    model = course.model
    frozen = model.features(IMAGES)
    method = course.plugin(course.options)
    method.task_index, method.num_tasks = 1, 2
    module = method.begin_task(model, generator())
    for adapter in model.adapters():
        adapter.train()
        adapter.refresh()
    if isinstance(module, Prompt):
        model.prompt = module.train()
        assert not torch.equal(model.features(IMAGES), frozen)
        model.prompt = emptied = Emptied(module)
        assert torch.equal(model.features(IMAGES), frozen)
        assert emptied.blocks == list(range({"l2p": 1}.get(name, 5)))  # as published
    else:
        assert torch.equal(model.features(IMAGES), frozen)


# -------------------------------------------------------------------------------------- alone, in a batch, in any order


@pytest.mark.parametrize("name", METHODS)
def test_an_answer_hangs_on_no_other_image_of_its_batch(name: str, courses: Mapping[str, ClassCourse]) -> None:
    course = courses[name]
    model = course.recall()
    rows = list(range(8))
    seen = pixels(*course.images)
    whole = model.logits(seen.testing(rows))
    assert whole.shape == (8, 4)
    order = torch.randperm(8, generator=generator()).tolist()
    for chosen in ([[row] for row in rows], [rows[:3], rows[3:6], rows[6:]], [order], [[row, row] for row in rows]):
        parts = torch.cat([model.logits(seen.testing(part)) for part in chosen])
        flat = [row for part in chosen for row in part]
        torch.testing.assert_close(parts, whole[flat], atol=2e-5, rtol=1e-5)
        assert parts.argmax(1).tolist() == whole.argmax(1)[flat].tolist()
    model.prompt = None


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_leaves_is_all_in_weights_head_and_memory(name: str, courses: Mapping[str, ClassCourse]) -> None:
    """Another process has these alone to go on from."""
    course = courses[name]
    here = course.recall()
    wanted = here.logits(IMAGES)
    other = ClassCourse(name)
    other.memory, other.taught = {k: v.clone() for k, v in course.memory.items()}, course.taught
    other.model.load_weights(here.weights())
    other.model.load_head(here.head_weight.clone(), here.head_bias.clone())
    assert torch.equal(other.recall().logits(IMAGES), wanted)
    here.prompt = None
    named = set(here.weights())
    if name in ("ft", "ft++", "joint", "slca"):
        assert named == set(here.initial)
    elif name in ("stamina", "clora", "joint-qkv", "o-lora", "seqlora", "ranpac"):
        assert named == {f"{projection}.weight" for projection in here.projections}
    elif name == "inf-lora":
        assert named == {f"{projection}.weight" for projection in here.projections if not projection.endswith(".q")}
    else:
        assert named == set()


# ----------------------------------------------------------------------------------------------------- Q, K and V alone


def test_adapters_are_on_q_k_and_v_of_every_block_and_nowhere_else() -> None:
    wanted = [f"blocks.{i}.attn.{part}" for i in range(6) for part in "qkv"]
    for name in ("stamina", "clora", "joint-qkv"):
        course = ClassCourse(name)
        assert list(course.model.projections) == wanted
        course.plugin(course.options).begin_task(course.model, generator())
        assert len(course.model.adapters()) == len(wanted)
        carrying = [k for k, m in course.model.vit.named_modules() if getattr(m, "adapter", ())]
        assert carrying == wanted
        assert not any(p.requires_grad for p in course.model.vit.parameters())


@pytest.mark.parametrize("part", ["q", "k", "v"])
def test_each_projection_is_the_rows_of_timms_joined_weight(part: str) -> None:
    plain: Any = tiny_vit()
    joined = plain.blocks[3].attn.qkv
    rows = slice("qkv".index(part) * 32, ("qkv".index(part) + 1) * 32)
    weight, bias = joined.weight[rows].clone(), joined.bias[rows].clone()
    projection = Classifier(plain, CPU).projections[f"blocks.3.attn.{part}"]
    assert torch.equal(projection.weight, weight)
    assert torch.equal(projection.bias, bias)


def test_folding_keeps_features_and_reset_brings_the_model_back() -> None:
    model = tiny_classifier()
    frozen = model.features(IMAGES)
    adapters = attach(model, lambda _, projection: FullResidual(projection))
    for number, adapter in enumerate(adapters.values()):
        with torch.no_grad():
            adapter.delta.copy_(0.1 * torch.randn(32, 32, generator=generator(number)))  # type: ignore[operator, union-attr]
        adapter.refresh()
    deltas = {name: adapter.residual().detach().clone() for name, adapter in adapters.items()}
    adapted = model.features(IMAGES).detach()
    assert not torch.allclose(adapted, frozen, atol=1e-2)
    assert all(not model.change(name).any() for name in deltas)  # nothing is in the weights yet
    model.fold()
    assert model.adapters() == []
    assert torch.equal(model.features(IMAGES), adapted)
    for name, delta in deltas.items():
        torch.testing.assert_close(model.change(name), delta, atol=1e-6, rtol=0)
    kept = model.weights()
    assert set(kept) == {f"{name}.weight" for name in deltas}
    model.load_head(torch.ones(3, 32), torch.ones(3))
    model.prompt = Prompt()
    model.unfrozen()
    model.reset()
    assert torch.equal(model.features(IMAGES), frozen)
    assert (model.weights(), model.prompt, model.head_weight.shape) == ({}, None, (0, 32))
    assert not any(p.requires_grad for p in model.vit.parameters())
    model.load_weights(kept)
    assert torch.equal(model.features(IMAGES), adapted)


def test_logits_are_features_times_the_heads_rows() -> None:
    model = tiny_classifier()
    weight, bias = torch.randn(3, 32, generator=generator()), torch.randn(3, generator=generator(1))
    model.load_head(weight, bias)
    torch.testing.assert_close(model.logits(IMAGES), model.features(IMAGES) @ weight.T + bias)


# -------------------------------------------------------------------------------------------------------------- loading


def test_a_saved_folder_is_the_model(tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "vit", tiny_vit())
    tensors = load_file(folder / "model.safetensors")
    # as on the hub: with a head, which is left out, and half precision
    extra = {"head.weight": torch.ones(7, 32), "head.bias": torch.ones(7)}
    save_file({**{k: v.half() for k, v in tensors.items()}, **extra}, folder / "model.safetensors")
    save_vit_config(folder, num_classes=7, model_args={**SHAPE, "num_classes": 7, "pretrained": True})
    model = Classifier.load(str(folder), CPU)
    assert {p.dtype for p in model.vit.parameters()} == {torch.float32}
    torch.testing.assert_close(model.features(IMAGES), tiny_classifier().features(IMAGES), atol=2e-2, rtol=1e-2)
    assert set(load_file(folder / "model.safetensors")) == {*tensors, *extra}  # the folder is only read


def save_vit_config(folder: Path, **config: Any) -> None:
    told = {"architecture": ARCHITECTURE, "model_args": dict(SHAPE), **config}
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")


def refused(folder: Path, wanted: str) -> None:
    """One sentence, to the letter where `wanted` ends in a full stop."""
    with pytest.raises(UsageError) as error:
        Classifier.load(str(folder), CPU)
    said = str(error.value).replace(str(folder), "FOLDER")
    assert said == wanted if wanted.endswith(".") else said.startswith(wanted), said
    assert "\n" not in said
    assert said.endswith(".")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_vit(tmp_path / "vit", tiny_vit())


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["config.json"], "no config.json"),
        (["model.safetensors"], "no model.safetensors"),
        (["config.json", "model.safetensors"], "no config.json and no model.safetensors"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(folder: Path, missing: list[str], said: str) -> None:
    for name in missing:
        (folder / name).unlink()
    refused(
        folder, f"The classifier 'FOLDER' is not a timm model folder: it has {said}; give a whole one, in safetensors."
    )


class Bomb:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


def test_no_pickle_is_ever_opened(folder: Path, tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    bomb = folder / "pytorch_model.bin"
    bomb.write_bytes(pickle.dumps(Bomb(exploded)))
    Bomb(exploded).__reduce__()[0](*Bomb(exploded).__reduce__()[1]).close()
    assert exploded.exists()  # it would
    exploded.unlink()
    save_vit_config(folder, model_args={**SHAPE, "checkpoint_path": str(bomb), "pretrained_cfg": {"file": str(bomb)}})
    Classifier.load(str(folder), CPU)  # what config.json names is passed over
    (folder / "model.safetensors").unlink()
    refused(
        folder,
        "The classifier 'FOLDER' is not a timm model folder: it has no model.safetensors; give a whole one, in "
        "safetensors.",
    )
    assert not exploded.exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '"vit"', "\udc80", '{"architecture": "vit_tiny_patch16_224", "model_args": 3}']
)
def test_a_config_that_says_nothing_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    refused(folder, "FOLDER/config.json does not name a timm architecture; give another folder.")


def test_another_architecture_is_refused(folder: Path) -> None:
    save_vit_config(folder, architecture="resnet18")
    refused(folder, "The classifier 'FOLDER' is a 'resnet18'; only timm's plain ViTs (vit_..., deit_...) can be used.")
    save_vit_config(folder, architecture="vit_nobody_knows")
    refused(folder, "The classifier 'FOLDER' cannot be loaded (Unknown model (vit_nobody_knows)")
    save_vit_config(folder, model_args={**SHAPE, "wings": 2})
    refused(folder, "The classifier 'FOLDER' cannot be loaded (")


@pytest.mark.parametrize("harm", ["missing", "surplus", "shape", "cut", "empty"])
def test_weights_of_something_else_are_refused(folder: Path, harm: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    if harm == "missing":
        del tensors["blocks.2.attn.qkv.weight"]
    elif harm == "surplus":
        tensors["blocks.6.attn.qkv.weight"] = torch.ones(2)
    elif harm == "shape":
        tensors["norm.weight"] = torch.ones(31)
    save_file(tensors, path)
    if harm in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 1000 if harm == "cut" else 0])
    refused(folder, "The classifier 'FOLDER' cannot be loaded (")


@pytest.mark.parametrize("changes", [{"global_pool": "avg"}, {"class_token": False, "global_pool": "avg"}], ids=str)
def test_a_vit_whose_feature_is_no_class_token_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = save_vit(tmp_path / "vit", tiny_vit(**changes), model_args={**SHAPE, **changes})
    refused(
        folder,
        "The classifier 'FOLDER' is no timm VisionTransformer whose feature is its class token; give another.",
    )


def test_a_vit_with_attention_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Of a differential attention the wrapper would take the weights, and compute something else."""
    said = "The classifier 'FOLDER' is no timm VisionTransformer whose feature is its class token; give another."
    small = {**SHAPE, "depth": 1}
    parallel = timm.create_model("vit_small_patch16_18x2_224", num_classes=0, **small)
    refused(save_vit(tmp_path / "two", parallel, architecture="vit_small_patch16_18x2_224", model_args=small), said)
    if "attn_layer" in signature(VisionTransformer).parameters:  # not in the oldest timm that is supported
        differential = {**SHAPE, "attn_layer": "diff"}
        refused(save_vit(tmp_path / "diff", tiny_vit(attn_layer="diff"), model_args=differential), said)


# ------------------------------------------------------------------------------------------------ what config.json says


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"model_args": {"img_size": 48}}, 48),
        ({"pretrained_cfg": {"input_size": [3, 224, 224]}}, 224),
        ({"pretrained_cfg": {"input_size": [3, 224, 224]}, "model_args": {"img_size": 96}}, 96),
        ({"input_size": [3, 64, 64]}, 64),
        ({}, None),
        ({"model_args": None}, None),
    ],
)
def test_the_size_that_a_vit_was_made_for(tmp_path: Path, config: dict[str, Any], size: int | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architecture": ARCHITECTURE, **config}), encoding="utf-8")
    assert image_size(tmp_path) == size


def test_the_statistics_that_a_checkpoint_expects(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for told, wanted in (
        ({}, ((0.5,) * 3, (0.5,) * 3)),
        ({"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}}, ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))),
        ({"mean": [0, 0.2, 0.3]}, ((0.0, 0.2, 0.3), (0.5,) * 3)),
    ):
        path.write_text(json.dumps(told), encoding="utf-8")
        assert statistics(tmp_path) == wanted
    for damaged in ("{", "[]"):
        path.write_text(damaged, encoding="utf-8")
        for ask in (statistics, image_size):
            with pytest.raises(UsageError) as error:
                ask(tmp_path)
            assert str(error.value) == f"{path} cannot be read as JSON; give another folder."


def test_every_method_of_the_setting_is_tested_here() -> None:
    assert set(METHODS) == set(registry.methods("classification").names())
    assert len(METHODS) >= 10
