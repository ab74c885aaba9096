"""What a plugin's adapters begin with that no error tells: numbers too coarse for small steps, one draw in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from harness.method import Method
from harness.sources.home import is_built_in

DRAWN = 0.5  # share of different values from which on a tensor is hardly made by a rule, as an identity is


def begun_notes(method: Method[Any], adapters: Mapping[str, Adapter], module: nn.Module) -> list[str]:
    """Sentences on what is trained, before the first step; none of this program's own methods.

    Args:
        adapters: By the names of their projections. module: what `begin_task` returned.
    """
    if is_built_in(type(method)):
        return []
    return [*_coarse(method, adapters, module), *_same_draws(method, adapters)]


def _coarse(method: Method[Any], adapters: Mapping[str, Adapter], module: nn.Module) -> Iterator[str]:
    places = {f"the adapter of {name}": each for name, each in adapters.items()}
    trained = [
        (f"{name} of {place}", parameter)
        for place, each in {**places, "what begin_task() returned": module}.items()
        for name, parameter in each.named_parameters()
        if parameter.requires_grad
    ]
    usual = torch.finfo(torch.float32).eps
    coarse = [(at, p) for at, p in trained if p.is_floating_point() and torch.finfo(p.dtype).eps > usual]
    if coarse:
        at, parameter = coarse[0]
        step = torch.finfo(parameter.dtype).eps / 2
        yield (
            f"{len(coarse)} of {len(trained)} tensors that {type(method).__name__} trains are {_name(parameter)} "
            f"({at}), in which a step below {step:.2g} of a value is lost; make them float32, as --dtype computes with "
            "less where it is asked to"
        )


def _same_draws(method: Method[Any], adapters: Mapping[str, Adapter]) -> Iterator[str]:
    seen: dict[tuple[str, tuple[int, ...]], list[tuple[str, Tensor]]] = {}
    for place, adapter in adapters.items():
        for name, parameter in adapter.named_parameters():
            if parameter.requires_grad:
                seen.setdefault((name, tuple(parameter.shape)), []).append((place, parameter.detach()))
    for (name, _), found in seen.items():
        (first, one), *others = found
        alike = [place for place, other in others if torch.equal(one, other)]
        if alike and one.numel() > 1 and len(one.unique()) > DRAWN * one.numel():
            yield (
                f"{name} begins with the same values in {1 + len(alike)} adapters of {type(method).__name__} ({first} "
                f"and {alike[0]}, say): a generator is seeded anew for each, perhaps; draw from the one that "
                "begin_task() is given"
            )
            return


def _name(parameter: Tensor) -> str:
    return str(parameter.dtype).removeprefix("torch.")
