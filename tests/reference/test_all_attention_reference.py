"""Attention whose queries, keys, values and outputs are adapted, against its formula in float64; and back again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import Course, same, tiny_model
from torch import Tensor

from harness.backbones.adapters import Projection, attach
from harness.backbones.text_to_image import TextToImage
from harness.spec import Sampling
from methods.parts import LowRank

ENDS = ("to_q", "to_k", "to_v", "to_out.0")
RANK = 3


@pytest.fixture
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


def drawn(model: TextToImage) -> np.ndarray[Any, Any]:
    return model.generate("a photo of a person", [1, 2], Sampling(images=2, steps=2, guidance_scale=2.0, eta=0.0))


def layers(model: TextToImage) -> dict[str, Any]:
    """Self- and cross-attention of the denoiser, by name."""
    return {name: m for name, m in model.denoiser.named_modules() if name.endswith(("attn1", "attn2"))}


def attention(layer: Any, states: Tensor, text: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """softmax(Q K^T / sqrt(d)) V W_o^T + b of each head, in float64."""
    queries, keys, values = (x @ weights[end].T for x, end in ((states, "to_q"), (text, "to_k"), (text, "to_v")))
    heads = []
    for q, k, v in zip(*(x.chunk(layer.heads, dim=-1) for x in (queries, keys, values)), strict=True):
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        heads.append(torch.softmax(scores, dim=-1) @ v)
    return torch.cat(heads, dim=-1) @ weights["to_out.0"].T + layer.to_out[0].bias.double()


def test_every_layer_computes_with_w_plus_ab(model: TextToImage) -> None:
    model.adapt("attention")
    generator = torch.Generator().manual_seed(0)
    adapters: Any = attach(model, lambda name, projection: LowRank(projection, RANK, generator))
    found = layers(model)
    assert set(adapters) == {f"{name}.{end}" for name in found for end in ENDS}
    for adapter in adapters.values():
        adapter.A.data = torch.randn(adapter.A.shape, generator=generator)
        adapter.refresh()
    for name, layer in found.items():
        states = torch.randn(2, 9, layer.to_q.in_features, generator=generator)
        text = states if name.endswith("attn1") else torch.randn(2, 5, layer.to_k.in_features, generator=generator)
        weights = {
            end: layer.get_submodule(end).weight.detach().double()
            + adapters[f"{name}.{end}"].A.detach().double() @ adapters[f"{name}.{end}"].B.detach().double()
            for end in ENDS
        }
        expected = attention(layer, states.double(), text.double(), weights)
        answer = layer(states, None if text is states else text)
        torch.testing.assert_close(answer.double(), expected, rtol=1e-4, atol=1e-4)


def test_what_is_adapted_again_is_the_text_alone_and_all_is_as_it_was(model: TextToImage) -> None:
    images, before = drawn(model), model.denoiser.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    names = list(model.projections)
    model.adapt("attention")
    assert model.adapts == "attention"
    assert set(names) < set(model.projections) == set(model.initial)
    np.testing.assert_array_equal(drawn(model), images)
    moved = {name: weight + 0.1 for name, weight in model.weights().items()}
    model.load_weights(moved)
    assert not np.array_equal(drawn(model), images)
    model.reset()
    assert (model.adapts, list(model.projections), list(model.initial)) == ("text", names, names)
    assert same(model.denoiser.state_dict(), before)
    assert sum(isinstance(module, Projection) for module in model.denoiser.modules()) == len(names)
    np.testing.assert_array_equal(drawn(model), images)
    model.load_weights(moved)  # a state of a method that adapts more says so by its names
    assert model.adapts == "attention"
    assert same(model.weights(), moved)


def test_what_is_no_longer_adapted_has_the_models_own_precision(tiny_models: Path) -> None:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"), torch.bfloat16)
    before = {name: tensor.clone() for name, tensor in model.denoiser.state_dict().items()}
    model.adapt("attention")
    assert {p.weight.dtype for p in model.projections.values()} == {torch.float32}
    model.reset()
    assert same(model.denoiser.state_dict(), before)
    assert {name: t.dtype for name, t in model.denoiser.state_dict().items()} == {n: t.dtype for n, t in before.items()}


@pytest.mark.parametrize("train_token", [False, True])
def test_dreambooths_token_stays_as_it_was_drawn(tiny_models: Path, train_token: bool) -> None:
    tokens = []
    for steps in (1, 4):
        course = Course("dreambooth-lora", tiny_model(tiny_models), steps=steps, train_token=train_token)
        taught = course.teach()
        tokens.append(taught.done.token)
        assert all(bool((taught.weights[name] != weight).any()) for name, weight in taught.before.items())
    assert torch.equal(*tokens) is not train_token
