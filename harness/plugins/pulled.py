"""Whether a penalty pulls a task's adapters to what the task before learnt, which is folded already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from harness.backbones.adapters import Adaptable, Adapter
from harness.method import Method
from harness.plugins.settled import memory_of

LEAST = 16  # entries of a gradient other than 0 from which on all their signs are hardly chance
ALIKE = 0.9  # cosine of what a task is pulled to and what the one before changed: they are one


def pulled_notes(
    method: Method[Any], penalties: Mapping[str, Tensor], model: Adaptable, adapters: Mapping[str, Adapter]
) -> list[str]:
    """At the first step of the second task: a sentence if a penalty is least where the first task's change is again.

    Each entry's gradient then points away from a tensor of the memory, and what adapters of these tensors would change
    is what the first task changed. Code in which parameters live on from task to task has it so (EWC on A and B).
    """
    trained = [p for each in adapters.values() for p in each.parameters() if p.requires_grad]
    kept = [tensor for tensor in memory_of(method).values() if tensor.is_floating_point()]
    for term_name, term in penalties.items():
        if not term.requires_grad:
            continue
        gradients = torch.autograd.grad(term, trained, retain_graph=True, allow_unused=True) if trained else ()
        felt = {id(p): g for p, g in zip(trained, gradients, strict=True) if g is not None}
        for name, adapter in adapters.items():
            own = [p for p in adapter.parameters() if p.requires_grad]
            targets = [_target(p.detach(), felt[id(p)], kept) for p in own if id(p) in felt]
            pulled = [target for target in targets if target is not None]
            if pulled and len(pulled) == len(own) and _is_change(pulled, model.change(name).detach()):
                return [
                    f"the penalty '{term_name}' of {type(method).__name__} pulls the adapters to what those of the "
                    "task before were, which is folded into the weights already, so that it would be there twice: a "
                    "task begins with new adapters; for EWC penalise residual() itself, the distance from the weights "
                    "of the task before, with a Fisher of weights"
                ]
    return []


def _target(parameter: Tensor, gradient: Tensor, kept: Iterable[Tensor]) -> Tensor | None:
    """The tensor of the memory that a gradient points away from in every entry; None if there is none."""
    felt = gradient != 0
    if int(felt.sum()) < LEAST:
        return None
    for tensor in kept:
        if tensor.shape == parameter.shape:
            target = tensor.to(parameter)
            if torch.equal(gradient.sign()[felt], (parameter - target).sign()[felt]):
                return target
    return None


def _is_change(pulled: list[Tensor], change: Tensor) -> bool:
    """Whether a tensor, or the product of two, is in the direction of a change of the weights."""
    products = pulled if len(pulled) == 1 else []
    if len(pulled) == 2:
        products = [a @ b for a, b in permutations(pulled) if a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]]
    return any(
        float(cosine_similarity(each.flatten(), change.to(each).flatten(), dim=0)) > ALIKE
        for each in products if each.shape == change.shape
    )  # fmt: skip
