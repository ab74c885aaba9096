"""Prompts, custom tokens, steps, rank and temperature of every method, as the paper states them (section 4)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness import registry
from harness.backbones.posterior import Posterior
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.settings.customization.task_data import Lesson
from methods.parts import FreeToken, MlpToken, new_token

ABLATIONS = {
    "stamina-no-mask",
    "stamina-no-mlp-tokens",
    "stamina-no-mask-mlp",
    "stamina-no-gumbel",
    "stamina-no-sparsity",
}
LATER = {
    "cidm", "dreambooth-lora", "drift-correction", "ewc-dc", "generative-replay", "hft", "inf-lora", "l2", "lora-alone",
    "lora-magnitude", "lora-merge", "lora-ortho-init", "mofo", "o-lora", "orthogonal-adaptation", "replay",
}  # fmt: skip
WITH_CATEGORY = {"ti", "ti++", "cd", "cd-ewc", "cd-merge", "ub", "lora", *LATER}
WITHOUT_CATEGORY = {"clora", "stamina", *ABLATIONS}
MLP_TOKENS = {"ti++", "stamina", *ABLATIONS} - {"stamina-no-mlp-tokens"}
NAMES = registry.methods().names()
DIM = 12


class Toy:
    """Two projections of a U-Net that is not there, and token embeddings of width 12 that spread by 0.3."""

    def __init__(self) -> None:
        self.projections = {"to_k": nn.Linear(DIM, 7, bias=False), "to_v": nn.Linear(DIM, 5, bias=False)}
        self.token_dim = DIM

    def change(self, name: str) -> Tensor:
        return torch.zeros_like(self.projections[name].weight)

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return torch.full((DIM,), 2.0) if kind == "category" else torch.zeros(DIM)

    def token_scale(self, part: int = 0) -> float:
        return 0.3


def made(name: str, tier: str = "paper", **changes: Any) -> Method[Any]:
    plugin: type[Method[Any]] = registry.methods().get(name)
    return plugin(plugin.options_class.for_tier(tier, changes))


def test_every_registered_method_is_here() -> None:
    assert set(NAMES) == WITH_CATEGORY | WITHOUT_CATEGORY
    assert not WITH_CATEGORY & WITHOUT_CATEGORY


@pytest.mark.parametrize("name", NAMES)
def test_prompt(name: str) -> None:
    """'a photo of a V* X', X removed for C-LoRA and STAMINA."""
    word = made(name).options.category_word
    lesson = Lesson(cast(TextToImage, None), np.zeros((1, 1)), Posterior(torch.zeros(1)), "<v3>", "waterfall", word)
    assert lesson.prompt == ("a photo of a <v3> waterfall" if name in WITH_CATEGORY else "a photo of a <v3>")


@pytest.mark.parametrize("name", NAMES)
def test_steps_rank_and_temperature(name: str) -> None:
    options = made(name).options
    assert options.steps == (2000 if name == "clora" else 500)
    assert options.rank == {"orthogonal-adaptation": 20, "dreambooth-lora": 4, "cidm": 4}.get(name, 16)
    assert getattr(options, "tau", 0.5) == 0.5
    assert hasattr(options, "tau") == (name in {"stamina", *ABLATIONS})


@pytest.mark.parametrize("tier", ["mini", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_kind_of_token(name: str, tier: str) -> None:
    token = made(name, tier, rank=4).begin_task(Toy(), torch.Generator().manual_seed(0))
    assert type(token) is (MlpToken if name in MLP_TOKENS else FreeToken)
    embedding = token()
    assert embedding.shape == (DIM,)
    assert embedding.dtype is torch.float32
    assert embedding.requires_grad is (name != "dreambooth-lora")  # whose token stays as it is drawn
    assert torch.isfinite(embedding).all()
    assert embedding.any()


@pytest.mark.parametrize("name", sorted(MLP_TOKENS))
def test_rank_is_the_hidden_width_of_the_tokens_mlp(name: str) -> None:
    token = made(name, rank=3).begin_task(Toy(), torch.Generator().manual_seed(0))
    shapes = {key: tuple(p.shape) for key, p in token.named_parameters()}
    assert shapes == {"weight1": (3, DIM), "bias1": (3,), "weight2": (DIM, 3), "bias2": (DIM,)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("dim", "rank"), [(12, 3), (768, 16)])
def test_mlp_token_is_two_linear_layers_on_ones(dim: int, rank: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    token = MlpToken(torch.zeros(dim, dtype=torch.float64), 0.3, rank, generator)
    with torch.no_grad():
        for parameter in token.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    weight1, bias1, weight2, bias2 = (
        getattr(token, name).detach().numpy() for name in ("weight1", "bias1", "weight2", "bias2")
    )
    assert weight1.dtype == np.float64
    hidden = weight1 @ np.ones(dim) + bias1  # Linear(dim -> rank) on a vector of ones
    assert (hidden < 0).any()
    hidden = np.where(hidden > 0, hidden, 0.0)  # ReLU
    expected = weight2 @ hidden + bias2  # Linear(rank -> dim)
    np.testing.assert_allclose(token().detach().numpy(), expected, rtol=1e-12, atol=1e-11)

    layers = nn.Sequential(nn.Linear(dim, rank), nn.ReLU(), nn.Linear(rank, dim)).double()
    assert sum(p.numel() for p in token.parameters()) == sum(p.numel() for p in layers.parameters())
    with torch.no_grad():
        for parameter, values in zip(layers.parameters(), token.parameters(), strict=True):
            parameter.copy_(values)
        np.testing.assert_allclose(layers(torch.ones(dim).double()).numpy(), expected, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("kind", ["mlp", "free"])
def test_where_a_token_starts(kind: Any) -> None:
    """Near the category word with a tenth of the spread of ordinary tokens, or around 0 with all of it."""
    draws = {
        init: torch.stack([
            new_token(Toy(), kind, init, 16, torch.Generator().manual_seed(seed))().detach() for seed in range(300)
        ])
        for init in ("category", "random")
    }  # fmt: skip
    spread = {init: float((draw - draw.mean(dim=0)).std()) for init, draw in draws.items()}
    assert draws["category"].mean() == pytest.approx(2.0, abs=0.01)
    assert draws["random"].mean() == pytest.approx(0.0, abs=0.05)
    assert spread["category"] == pytest.approx(0.1 * spread["random"], rel=0.01)
    assert 0.5 * 0.3 < spread["random"] < 2 * 0.3
