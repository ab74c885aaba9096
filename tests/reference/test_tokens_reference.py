"""The custom token: its MLP against plain loops, its size, and where it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.parts.tokens import FreeToken, MlpToken, new_token


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass
class Words:
    """As much of an adaptable model as a token asks for."""

    dim: int
    scale: float
    word: Tensor = field(default_factory=lambda: torch.zeros(0))
    projections: Mapping[str, nn.Linear] = field(default_factory=dict)

    @property
    def token_dim(self) -> int:
        return self.dim

    def change(self, name: str) -> Tensor:
        raise AssertionError("a token has no business with the weights")

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return self.word if kind == "category" else torch.zeros(self.dim)

    def token_scale(self, part: int = 0) -> float:
        return self.scale


@settings(max_examples=30, deadline=None)
@given(dim=st.integers(1, 12), rank=st.integers(1, 6), seed=st.integers(0, 2**20))
def test_mlp_token_on_a_vector_of_ones(dim: int, rank: int, seed: int) -> None:
    token = MlpToken(torch.zeros(dim), 0.5, rank, generator(seed)).double()
    with torch.no_grad():
        token.bias1.normal_(generator=generator(seed + 1))
        token.bias2.normal_(generator=generator(seed + 2))
    w1, b1, w2, b2 = (p.tolist() for p in (token.weight1, token.bias1, token.weight2, token.bias2))
    hidden = [max(0.0, sum(w1[h][k] * 1.0 for k in range(dim)) + b1[h]) for h in range(rank)]
    expected = [sum(w2[i][h] * hidden[h] for h in range(rank)) + b2[i] for i in range(dim)]
    found = token()
    assert found.shape == (dim,)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def test_sizes_at_the_width_of_stable_diffusion() -> None:
    mlp = MlpToken(torch.zeros(768), 0.01, 16, generator())
    assert {name: p.numel() for name, p in mlp.named_parameters()} == {
        "weight1": 768 * 16, "bias1": 16, "weight2": 16 * 768, "bias2": 768,
    }  # fmt: skip
    assert sum(p.numel() for p in mlp.parameters()) == 25_360
    assert sum(p.numel() for p in FreeToken(torch.zeros(768), 0.01, generator()).parameters()) == 768


@pytest.mark.parametrize("kind", ["mlp", "free"])
def test_every_parameter_can_learn(kind: str) -> None:
    token = new_token(Words(32, 0.1), kind, "random", 8, generator())  # type: ignore[arg-type]
    token().square().sum().backward()
    for name, parameter in token.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("kind", ["mlp", "free"])
@pytest.mark.parametrize("scale", [0.014, 1.0])
def test_random_start_has_the_scale_of_ordinary_tokens(kind: str, scale: float) -> None:
    draws = [new_token(Words(256, scale), kind, "random", 16, generator(s))() for s in range(100)]  # type: ignore[arg-type]
    entries = torch.stack(draws).detach().double()
    assert float(entries.square().mean().sqrt()) == pytest.approx(scale, rel=0.1)
    assert abs(float(entries.mean())) < 0.05 * scale
    assert not torch.equal(entries[0], entries[1])


@pytest.mark.parametrize("kind", ["mlp", "free"])
def test_category_start_is_near_the_word(kind: str) -> None:
    scale, word = 0.5, torch.linspace(-3, 3, 256)
    draws = [new_token(Words(256, scale, word), kind, "category", 16, generator(s))() for s in range(60)]  # type: ignore[arg-type]
    off = (torch.stack(draws) - word).detach().double()
    assert float(off.square().mean().sqrt()) == pytest.approx(0.1 * scale, rel=0.15)
    assert float(off.abs().max()) < scale


@pytest.mark.parametrize("kind", ["mlp", "free"])
def test_start_is_decided_by_the_generator_and_not_tied_to_the_word(kind: str) -> None:
    word = torch.ones(16)
    words = Words(16, 0.3, word)
    torch.manual_seed(0)
    first = new_token(words, kind, "category", 4, generator(5))  # type: ignore[arg-type]
    torch.manual_seed(1)
    again = new_token(words, kind, "category", 4, generator(5))  # type: ignore[arg-type]
    assert torch.equal(first(), again())
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)
    assert torch.equal(word, torch.ones(16))  # training a token leaves the category's embedding alone
