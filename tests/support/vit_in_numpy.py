"""A plain ViT's class token in float64, by loops over images and heads: what the wrapped ViT is held against."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Prefixes = Mapping[int, tuple[Array, Array]]  # block -> (rows before K, rows before V), each (L, dim)
EPSILON = 1e-6  # of timm's layer norms
_erf = np.vectorize(math.erf)


def attention(x: Array, q: Array, k: Array, v: Array, heads: int, before: tuple[Array, Array] | None = None) -> Array:
    """Softmax attention of one image, row by row: q, k, v (n, dim), prefixes (L, dim) or None; to (n, dim)."""
    if before is not None:
        k, v = np.concatenate([before[0], k]), np.concatenate([before[1], v])
    width = q.shape[1] // heads
    out = np.zeros_like(x)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for row in range(len(x)):
            scores = np.array([q[row, part] @ k[other, part] / math.sqrt(width) for other in range(len(k))])
            weights = np.exp(scores - scores.max())
            weights /= weights.sum()
            out[row, part] = sum(w * v[other, part] for other, w in enumerate(weights))
    return out


def class_token(
    w: Mapping[str, Array], image: Array, depth: int, heads: int, prefixes: Prefixes | None = None
) -> Array:
    """The class token after the final norm, (dim,), of one image (3, size, size).

    Args:
        w: parameters by timm's names, but Q, K and V apart: 'blocks.0.attn.q.weight'.
    """
    prefixes = prefixes or {}
    kernel = w["patch_embed.proj.weight"]
    patch = kernel.shape[-1]
    tokens = [w["cls_token"][0, 0]]
    for top in range(0, image.shape[1], patch):
        for left in range(0, image.shape[2], patch):
            cut = image[:, top : top + patch, left : left + patch]
            tokens.append((kernel * cut).sum((1, 2, 3)) + w["patch_embed.proj.bias"])
    x = np.stack(tokens) + w["pos_embed"][0]
    for i in range(depth):
        at = f"blocks.{i}."
        y = _norm(x, w, at + "norm1")
        q, k, v = (_linear(y, w, f"{at}attn.{name}") for name in "qkv")
        x = x + _linear(attention(y, q, k, v, heads, prefixes.get(i)), w, at + "attn.proj")
        hidden = _linear(_norm(x, w, at + "norm2"), w, at + "mlp.fc1")
        hidden = hidden * 0.5 * (1 + _erf(hidden / math.sqrt(2)))  # GELU
        x = x + _linear(hidden, w, at + "mlp.fc2")
    return _norm(x, w, "norm")[0]


def class_tokens(
    w: Mapping[str, Array], images: Array, depth: int, heads: int, made: Callable[[Array], Prefixes] | None = None
) -> Array:
    """(B, dim); with `made`, an image's prefixes are made of its query, the class token of a pass without them."""
    found = []
    for image in images:
        token = class_token(w, image, depth, heads)
        found.append(token if made is None else class_token(w, image, depth, heads, made(token)))
    return np.stack(found)


def _norm(x: Array, w: Mapping[str, Array], name: str) -> Array:
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * w[name + ".weight"] + w[name + ".bias"]


def _linear(x: Array, w: Mapping[str, Array], name: str) -> Array:
    return x @ w[name + ".weight"].T + w[name + ".bias"]
