"""Custom Diffusion's closed-form merge (Kumari et al., 2023, eq. 4), factored once for all matrices.

    min_W ||(W - W_init) C_reg^T||_F   subject to   W C^T = V^T

C_reg (n, D2) are text features of everyday captions, which shall keep their keys and values; C (s, D2) those of the
concepts' own prompts, which shall get the keys and values V (s, D1) that each concept's own weights give them. With
G = C_reg^T C_reg:

    W = W_init + (V^T - W_init C^T) P,   P = (C G^-1 C^T)^-1 C G^-1

P is the same for every matrix. All in float64: at 50 concepts of Stable Diffusion's size G has 768 x 768 entries, C
some 350 x 768, and V, over all matrices, 350 x 24,960: 70 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.linalg import cholesky_ex, solve_triangular

from harness.errors import UsageError

# everyday captions: what a merged model should go on drawing as before
NOUNS = (
    "person", "man", "woman", "child", "crowd", "cat", "dog", "horse", "bird", "fish", "tree", "forest", "flower",
    "mountain", "waterfall", "river", "lake", "beach", "rock", "cliff", "sky", "house", "castle", "street", "bridge",
    "car", "bicycle", "train", "boat", "plane", "table", "chair", "lamp", "book", "cup", "cake", "apple", "guitar",
    "clock", "shoe",
)  # fmt: skip
ADJECTIVES = ("red", "blue", "old", "small", "bright", "wooden", "happy", "dark", "long", "white")
PLACES = (
    "", " in the snow", " at sunset", " with green trees", " near the water", " in a city", " with long hair",
    " on a white background", " in autumn", " under the moon",
)  # fmt: skip


def everyday_captions(count: int) -> list[str]:
    """`count` captions such as 'a photo of a red horse in the snow', all different, spread over the words.

    Raises:
        UsageError: more than there are.
    """
    everything = list(product(PLACES, ADJECTIVES, NOUNS))
    if not 0 < count <= len(everything):
        raise UsageError(f"Option 'captions' cannot be {count}: there are 1 to {len(everything)} everyday captions.")
    step = 1009  # prime to their number: a walk that visits all, and soon uses every word
    chosen = [everything[index * step % len(everything)] for index in range(count)]
    return [f"a photo of a {adjective} {noun}{place}" for place, adjective, noun in chosen]


def caption_features(model: Any, captions: Sequence[str], batch_size: int = 16) -> Tensor:
    """(rows, D2) float64 text features of the captions' tokens: no BOS, up to the first EOS.

    Args:
        model: a TextToImage.
    """
    rows: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, len(captions), batch_size):
            batch = list(captions[start : start + batch_size])
            rows += [words.double().cpu() for words in model.text_inputs(batch, words_only=True)]
    return torch.cat(rows)


def without_repeats(rows: Tensor, known: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Those of `rows`, (n, D2), that equal no earlier one and none of `known`, (m, D2).

    Attention is causal, so that prompts with the same beginning have the same features there.
    """
    kept = list(known)
    fresh: list[Tensor] = []
    for row in rows:
        if not any(
            torch.linalg.vector_norm(row - other) <= tolerance * torch.linalg.vector_norm(row) for other in kept
        ):
            kept.append(row)
            fresh.append(row)
    return torch.stack(fresh) if fresh else rows[:0]


def gram(features: Tensor) -> Tensor:
    """G = C_reg^T C_reg / n, (D2, D2), of (n, D2) features. The merge does not depend on its scale.

    Raises:
        UsageError: the features do not span all D2 dimensions, so that G has no inverse.
    """
    product_ = features.T @ features / len(features)
    rank = int(torch.linalg.matrix_rank(product_, hermitian=True))
    if rank < len(product_):
        raise UsageError(
            f"The everyday captions span {rank} of {len(product_)} text dimensions, and the merge needs all: raise the "
            "option 'captions'."
        )
    return product_


def projector(gram_: Tensor, constraints: Tensor, owners: Sequence[str], ridge: float = 0.0) -> Tensor:
    """P, (s, D2): what every matrix's targets are multiplied by. Factors G and C G^-1 C^T once, by Cholesky.

    Args:
        gram_: G, (D2, D2). constraints: C, (s, D2). owners: the concept of each row, for error messages.
        ridge: 0 for hard constraints, the paper's. Above 0, relative to the mean of C G^-1 C^T's diagonal, they are
            soft: the least squares of ||(W - W_init) C_reg^T||^2 + (1 / mu) ||W C^T - V^T||^2, which exists even where
            rows depend on each other.

    Raises:
        UsageError: rows of C depend on each other, and `ridge` is 0.
    """
    lower = torch.linalg.cholesky(gram_)
    whitened = solve_triangular(lower, constraints.T, upper=False)  # L^-1 C^T
    inner = whitened.T @ whitened  # C G^-1 C^T
    scale = inner.diagonal()
    if ridge > 0:
        inner = inner + ridge * scale.mean() * torch.eye(len(inner), dtype=inner.dtype)
    factor, info = cholesky_ex(inner)
    if ridge == 0:
        left = factor.diagonal().square() / scale  # the part of each row that no earlier row explains
        found = (left < 1e-10).nonzero()
        first = int(info) - 1 if int(info) > 0 else int(found[0]) if len(found) else None
        if first is not None:
            raise UsageError(
                f"Constraint row {first + 1} of {len(constraints)}, of '{owners[first]}', depends on the rows before "
                f"it (text features have {len(gram_)} dimensions): merge fewer concepts, or set 'ridge' above 0."
            )
    whitened_rows = solve_triangular(lower.T, whitened, upper=True).T  # C G^-1
    return torch.cholesky_solve(whitened_rows, factor)


def merged(initial: Tensor, constraints: Tensor, targets: Tensor, projector_: Tensor) -> Tensor:
    """W, (D1, D2), of one matrix: W_init + (V^T - W_init C^T) P. `targets` is V, (s, D1)."""
    return initial + (targets.T - initial @ constraints.T) @ projector_
