"""What `merge` may get wrong without any error: how often the pre-trained weights are in what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from harness.method import Method
from harness.sources.home import is_built_in

OFF = 0.2  # of the pre-trained weights: what a merge changes hardly is a multiple of them


def merge_notes(method: Method[Any], weights: Mapping[str, Tensor], initial: Mapping[str, Tensor]) -> list[str]:
    """A sentence if most of what a merge changed is that the pre-trained weights are there several times, or in part.

    Args:
        weights: What it gave, and `initial` the pre-trained ones, by the projections' names.
    """
    if is_built_in(type(method)):
        return []
    along = whole = given = 0.0
    for name, weight in weights.items():
        start, now = initial[name].float(), weight.float().to(initial[name].device)
        along += float((start * now).sum())
        whole += float(start.square().sum())
        given += float(now.square().sum())
    times = along / whole if whole else 1.0
    changed = given - 2 * along + whole  # of the squared norm; (times - 1)^2 whole of it along the weights themselves
    if abs(times - 1) < OFF or (times - 1) ** 2 * whole < changed / 2:
        return []
    return [
        f"{type(method).__name__}.merge() gives weights that hold the pre-trained ones {times:.2g} times: add up what "
        "the concepts changed (alone[name] - model.initial[name]), and model.initial[name] once"
    ]
