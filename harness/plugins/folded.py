"""What `end_task` may get wrong about weights that are folded when it is called: each is told."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.backbones.adapters import Adaptable, Adapter


def folded_notes(memory: Mapping[str, Tensor], model: Adaptable, adapters: Mapping[str, Adapter]) -> list[str]:
    """A sentence if tensors that a method left hold a residual twice, or are all 0 though the weights changed.

    Args:
        memory: What `end_task` returned, on the CPU.
        model: With the task folded into its projections' weights.
        adapters: What the task trained, by the names of its projections.
    """
    zeros = list[str]()
    others = False
    for name, adapter in adapters.items():
        weight, residual = model.projections[name].weight.detach(), adapter.residual().detach()
        alike = {kept: tensor for kept, tensor in memory.items() if tensor.shape == weight.shape}
        if residual.shape != weight.shape or not residual.any():
            continue
        for kept, tensor in alike.items():
            if not tensor.any():
                zeros.append(kept)
                continue
            others = True
            for what, now in (("weight", weight), ("change", model.change(name))):
                if _is_sum(tensor, now.cpu(), residual.cpu()):
                    return [
                        f"'{kept}' that end_task() leaves is the {what} of {name} with the task's residual added once "
                        "more: end_task() is called when the residual is folded into projection.weight"
                    ]
    if not zeros or others:
        return []
    return [
        f"what end_task() leaves of the projections ('{zeros[0]}' first) is all 0, though their weights changed; "
        "the task is folded into the same tensors, so keep projection.weight.clone() in begin_task() to tell a change"
    ]


def _is_sum(tensor: Tensor, weight: Tensor, residual: Tensor) -> bool:
    """Whether the first is the sum of the others; told by one row wherever it is not."""
    near = 1e-3 * float(residual.abs().max())
    tensor, weight, residual = tensor.float(), weight.float(), residual.float()
    return all(
        torch.allclose(tensor[rows], weight[rows] + residual[rows], rtol=1e-6, atol=near)
        for rows in (slice(1), slice(None))
    )
