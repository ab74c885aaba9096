"""The custom token V*: a free embedding (Textual Inversion) or a small MLP's output (STAMINA, TI++)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from harness.backbones.adapters import Adaptable


class FreeToken(nn.Module):
    """The embedding itself is the parameter, (dim,)."""

    def __init__(self, start: Tensor, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = nn.Parameter(start + scale * torch.randn(start.shape, generator=generator).to(start))

    def forward(self) -> Tensor:
        """The embedding, (dim,)."""
        return self.embedding


class TokenOfEach(nn.Module):
    """A token for each of a model's text encoders; their embeddings stand one behind the other, (dim,)."""

    def __init__(self, tokens: Sequence[nn.Module]) -> None:
        super().__init__()
        self.tokens = nn.ModuleList(tokens)

    def forward(self) -> Tensor:
        """The embeddings, (dim,)."""
        return torch.cat([token() for token in self.tokens])


class MlpToken(nn.Module):
    """The embedding is Linear(dim -> r), ReLU, Linear(r -> dim) of a vector of ones: 25,360 parameters at 768, 16.

    The last layer is scaled so that the token starts near `start` with the spread of ordinary token embeddings.
    """

    def __init__(self, start: Tensor, scale: float, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        dim = start.shape[0]
        self.weight1 = nn.Parameter((torch.randn(rank, dim, generator=generator) * dim**-0.5).to(start))
        self.bias1 = nn.Parameter(torch.zeros_like(start[:1]).expand(rank).clone())
        self.weight2 = nn.Parameter((torch.randn(dim, rank, generator=generator) * scale * (2 / rank) ** 0.5).to(start))
        self.bias2 = nn.Parameter(start.clone())

    def forward(self) -> Tensor:
        """The embedding, (dim,)."""
        hidden = relu(self.weight1.sum(dim=1) + self.bias1)  # the input is a vector of ones
        return self.weight2 @ hidden + self.bias2


def new_token(
    model: Adaptable, kind: Literal["mlp", "free"], init: Literal["category", "random"], rank: int,
    generator: torch.Generator,
) -> nn.Module:  # fmt: skip
    """The custom token of a task, as the options ask for it; a category start adds little noise.

    Of a model with several text encoders it has a part for each, with an MLP of its own.
    """
    tokens: list[nn.Module] = []
    for part, start in enumerate(model.token_start(init).split(tuple(model.token_widths))):
        scale = model.token_scale(part) * (0.1 if init == "category" else 1.0)
        made = MlpToken(start, scale, rank, generator) if kind == "mlp" else FreeToken(start, scale, generator)
        tokens.append(made)
    return tokens[0] if len(tokens) == 1 else TokenOfEach(tokens)


def task_token(model: Adaptable, options: Any, generator: torch.Generator) -> nn.Module:
    """The custom token as `options` ask for it (token, token_init, rank); an empty module where there are none."""
    if model.token_dim == 0:
        return nn.Module()
    return new_token(model, options.token, options.token_init, options.rank, generator)
