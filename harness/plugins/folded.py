"""What `end_task` may get wrong about weights that are folded when it is called: each is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.backbones.adapters import Adaptable, Adapter
from harness.method import Method
from harness.plugins.settled import memory_of


def folded_notes(
    method: Method[Any], memory: Mapping[str, Tensor], model: Adaptable, adapters: Mapping[str, Adapter]
) -> list[str]:
    """A sentence if tensors that a method left hold a residual twice, or not at all though the weights changed.

    Args:
        method: With the memory of the task before.
        memory: What `end_task` returned, on the CPU.
        model: With the task folded into its projections' weights.
        adapters: What the task trained, by the names of its projections.
    """
    zeros, past = list[str](), list[str]()
    others = learnt = False
    looked_at = 0
    held = memory_of(method)
    for name, adapter in adapters.items():
        weight, residual = model.projections[name].weight.detach().cpu(), adapter.residual().detach().cpu()
        alike = {kept: tensor for kept, tensor in memory.items() if tensor.shape == weight.shape}
        if residual.shape != weight.shape or not residual.any():
            continue
        looked_at += bool(alike)
        change = model.change(name).cpu()
        before = list[str]()
        for kept, tensor in alike.items():
            if not tensor.any():
                zeros.append(kept)
                continue
            others = True
            for what, now in (("weight", weight), ("change", change)):
                if _is_sum(tensor, now, residual):
                    return [
                        f"'{kept}' that end_task() leaves is the {what} of {name} with the task's residual added once "
                        "more: end_task() is called when the residual is folded into projection.weight"
                    ]
            learnt = learnt or any(_is_sum(tensor, now - residual, residual) for now in (weight, change, residual))
            # what is handed on from task to task, as the first one left it, is meant to be of the past
            handed_on = kept in held and torch.equal(held[kept], tensor)
            if not handed_on and any(_is_sum(tensor, now, -residual) for now in (weight, change)):
                before.append(kept)
        past += before[:1]
    if past and len(past) == looked_at and not learnt and method.task_index > 1:  # W_init at the first is an anchor
        return [
            f"what end_task() leaves of the projections ('{past[0]}' first) is what they were before this task, and "
            "holds nothing that it learnt; take projection.weight.clone() in end_task(), where the task is folded"
        ]
    if not zeros or others:
        return []
    return [
        f"what end_task() leaves of the projections ('{zeros[0]}' first) is all 0, though their weights changed; "
        "the task is folded into the same tensors, so keep projection.weight.clone() in begin_task() to tell a change"
    ]


def counted_notes(
    method: Method[Any], memory: Mapping[str, Tensor], model: Adaptable, adapters: Mapping[str, Adapter]
) -> list[str]:
    """A sentence if a sum over tasks gets `model.change()` of each, which is of all tasks so far, not of this one.

    Args:
        As of `folded_notes`.
    """
    held = memory_of(method)
    for name, adapter in adapters.items():
        change, residual = model.change(name).cpu(), adapter.residual().detach().cpu()
        if residual.shape != change.shape or _is_sum(change, residual, torch.zeros_like(residual)):
            continue  # earlier tasks changed nothing here
        for kept, tensor in memory.items():
            if kept not in held or held[kept].shape != change.shape or tensor.shape != change.shape:
                continue
            if held[kept].any() and any(
                _is_sum(tensor, held[kept], added) for added in (change.abs(), change.square(), change)
            ):
                return [
                    f"'{kept}' that end_task() leaves is self.memory['{kept}'] with model.change('{name}') added, "
                    "which is W_t - W_init, of all tasks so far: earlier tasks count once more in each; is "
                    "residual(), of this task alone, meant?"
                ]
    return []


def _is_sum(tensor: Tensor, weight: Tensor, residual: Tensor) -> bool:
    """Whether the first is the sum of the others; told by one row wherever it is not."""
    near = 1e-3 * float(residual.abs().max())
    tensor, weight, residual = tensor.float(), weight.float(), residual.float()
    return all(
        torch.allclose(tensor[rows], weight[rows] + residual[rows], rtol=1e-6, atol=near)
        for rows in (slice(1), slice(None))
    )
