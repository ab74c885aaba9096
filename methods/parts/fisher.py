"""EWC (Kirkpatrick et al., 2017): the diagonal Fisher information of the projections, and the quadratic penalty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.settings.customization.task_data import Lesson


def diagonal_fisher(
    lesson: Lesson, count: int, batch_size: int, generator: torch.Generator,
    losses: Callable[[Lesson, int, torch.Generator], Tensor] | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """The empirical Fisher's diagonal: mean over `count` draws of the squared gradient of each example's own loss.

    A projection is linear, so that an example's gradient of its weight is D^T C, with C (length, D2) its input and D
    (length, D1) the gradient of its output: one backward pass gives those of a whole batch.

    Args:
        lesson: its model is folded. count: examples (image, time, noise). generator: of these draws.
        losses: gives the losses, (b,), of b examples, each of one or more passes: example after example along the
            U-Net's batch, as many of each. By default L_SD of the task's images.

    Returns:
        Name -> (D1, D2) float32 >= 0, on the model's device.
    """
    inputs: dict[str, Tensor] = {}
    probes: dict[str, Tensor] = {}

    def probe(name: str) -> Any:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            inputs[name] = arguments[0].detach().float()
            each = (len(arguments[0]), *output.shape[1:])  # a text that the batch shares is answered in one row
            probes[name] = output.new_zeros(each, requires_grad=True)  # its gradient is the output's
            return output + probes[name]

        return hook

    projections = lesson.model.projections
    total = {name: torch.zeros_like(p.weight, dtype=torch.float32) for name, p in projections.items()}
    hooks = [p.register_forward_hook(probe(name)) for name, p in projections.items()]
    try:
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            with torch.compiler.set_stance("force_eager"):  # hooks would make a compiled U-Net compile for each task
                loss = (losses or denoising_losses)(lesson, size, generator)
            gradients = torch.autograd.grad(loss.sum(), list(probes.values()))
            for name, gradient in zip(probes, gradients, strict=True):
                outer = gradient.float().unflatten(0, (size, -1)).flatten(1, 2)  # an example's passes add up
                inner = inputs[name].expand(len(gradient), -1, -1).unflatten(0, (size, -1)).flatten(1, 2)
                total[name] += torch.einsum("blo,bli->boi", outer, inner).square().sum(dim=0)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: fisher / count for name, fisher in total.items()}


def denoising_losses(lesson: Lesson, size: int, generator: torch.Generator) -> Tensor:
    """L_SD of `size` examples, (size,)."""
    return lesson.losses(lesson.plain(size, generator), generator)


def accumulate(
    fisher: Mapping[str, Tensor], change: Mapping[str, Tensor], memory: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Add one task to the memory, which holds 'fisher.NAME' and 'anchor.NAME', (D1, D2) each, whatever the task count.

    sum_k F_k (W - W_k)^2 = (sum_k F_k) (W - anchor)^2 + const, where anchor is the mean of all W_k, weighted by F_k: so
    the exact sum of all tasks' penalties needs two tensors per weight. Anchors are kept as W - W_init.
    """
    result: dict[str, Tensor] = {}
    for name, new in fisher.items():
        old = memory.get(f"fisher.{name}", torch.zeros_like(new)).to(new)
        anchor = memory.get(f"anchor.{name}", torch.zeros_like(new)).to(new)
        total = old + new
        weight = torch.where(total > 0, new / total.clamp_min(torch.finfo(total.dtype).tiny), torch.ones_like(total))
        result[f"fisher.{name}"] = total
        result[f"anchor.{name}"] = anchor + weight * (change[name].to(new) - anchor)
    return result


def ewc_loss(
    memory: Mapping[str, Tensor], changes: Mapping[str, Tensor], residuals: Mapping[str, Tensor]
) -> Tensor | None:
    """1/2 sum over matrices of F (W_{t-1} + residual - anchor)^2, a scalar; None before anything is remembered."""
    if not memory:
        return None
    terms = [
        (memory[f"fisher.{name}"].to(r) * (changes[name] + r - memory[f"anchor.{name}"].to(r)).square()).sum()
        for name, r in residuals.items()
    ]
    return 0.5 * torch.stack(terms).sum()
