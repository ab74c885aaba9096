"""Parts of the prompt methods: prefixes from prompts, similarity to keys, orthogonal starts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize


def prefixes(prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Prefix tuning: the first half of each prompt goes before the keys, the second before the values.

    Args:
        prompts: (B, n, L, dim), n prompts of length L for each image, L even.

    Returns:
        Two of (B, n L / 2, dim).
    """
    keys, values = prompts.chunk(2, dim=2)
    return keys.flatten(1, 2), values.flatten(1, 2)


def similarity(query: Tensor, keys: Tensor) -> Tensor:
    """Cosine of each query, (B, dim), with each key, (n, dim): (B, n)."""
    return normalize(query, dim=1) @ normalize(keys, dim=1).T


def uniform_start(*shape: int, generator: torch.Generator) -> Tensor:
    """Draws from [0, 1), the start of prompts and keys in the published code."""
    return torch.rand(*shape, generator=generator)


def orthogonal_start(old: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` new unit vectors, (count, dim), orthogonal to the rows of `old` and to each other (Gram-Schmidt).

    Where there are more vectors than dimensions, those beyond are random unit vectors.
    """
    dim = old.shape[1]
    basis = list(_basis(old.double()))
    new: list[Tensor] = []
    for _ in range(count):
        vector = torch.randn(dim, generator=generator, dtype=torch.float64)
        vector /= vector.norm()
        rest = vector
        for _ in range(2):  # once more, against rounding
            for unit in basis:
                rest = rest - (rest @ unit) * unit
        if rest.norm() > 1e-6:
            vector = rest / rest.norm()
            basis.append(vector)
        new.append(vector)
    return torch.stack(new).float()


def _basis(rows: Tensor) -> Tensor:
    """Orthonormal rows that span those of `rows`, trained ones, which are no longer orthogonal."""
    if not len(rows):
        return rows
    _, spread, directions = torch.linalg.svd(rows, full_matrices=False)
    found: Tensor = directions[spread > 1e-6 * spread.max()]
    return found


def joined(memory: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor:
    """What earlier tasks left under a name; at the first task nothing, of the shape of `like` with 0 in axis 1."""
    return memory.get(name, like[:, :0])
