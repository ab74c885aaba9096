"""How steps are made of gradients: the learning rate at each step, and clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from harness.backbones.batched_adapters import Stack
from harness.spec import MethodOptions

Schedule = Literal["constant", "linear", "cosine"]


def adamw(stacks: Iterable[Adapter | Stack], module: nn.Module, options: MethodOptions) -> torch.optim.AdamW:
    """The optimizer of a task: adapters at `learning_rate`, the token at `token_learning_rate`."""
    groups = [
        # once each, though adapters may share one
        {"params": list(dict.fromkeys(p for s in stacks for p in s.parameters())), "lr": options.learning_rate},
        {"params": list(module.parameters()), "lr": options.token_learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, eps=options.adam_eps, weight_decay=options.weight_decay, fused=True)


def rate_share(schedule: Schedule, warmup: float, step: int, steps: int) -> float:
    """The learning rate of a step as a share of the full one, in (0, 1].

    With W = round(warmup n) steps of warm-up among n, and u = (k - W) / (n - W) in step k:

        constant 1,   linear 1 - u,   cosine (1 + cos(pi u)) / 2;   (k + 1) / (W + 1) while k < W

    It depends on the step alone, so that a training that was broken off goes on with the same rates.

    Args:
        schedule: Its course. warmup: share of the steps, in [0, 1). step: k, from 0. steps: n.
    """
    rising = min(round(warmup * steps), steps - 1)
    if step < rising:
        return (step + 1) / (rising + 1)
    over = (step - rising) / (steps - rising)
    return {"constant": 1.0, "linear": 1 - over, "cosine": (1 + math.cos(math.pi * over)) / 2}[schedule]


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Each group's rate as a share of its full one, which the group keeps under 'first'."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("first", group["lr"]) * share


def kinds_of(stacks: Iterable[Adapter | Stack], modules: Iterable[nn.Module]) -> list[list[nn.Parameter]]:
    """What is trained, by kind: one of each name in all adapters (all A, all B, ...), and one of each module."""
    found: dict[str, list[nn.Parameter]] = {}
    seen: set[int] = set()  # adapters may share a parameter
    for stack in stacks:
        named = (stack.joint if isinstance(stack, Stack) else stack).named_parameters()
        for name, parameter in named:
            if id(parameter) not in seen:
                seen.add(id(parameter))
                found.setdefault(name, []).append(parameter)
    return [*found.values(), *(list(module.parameters()) for module in modules)]


def clip_by_kind(kinds: Sequence[Sequence[Tensor]], largest: float) -> Tensor:
    """Scale the gradients of each kind down to a norm of `largest` at most, whatever those of the others are.

    A penalty that dominates the gradients of A and B thus leaves those of the masks and of the token as they are, which
    one norm of all would shrink, by another factor at each step.

    Args:
        kinds: see `kinds_of`; what has no gradient is left out.

    Returns:
        The norm of all gradients before, a scalar.
    """
    kept = [own for kind in kinds if (own := [p.grad for p in kind if p.grad is not None])]
    grads = [grad for own in kept for grad in own]
    if not grads:
        return torch.zeros(())
    each = iter(torch._foreach_norm(grads))
    norms = torch.stack([torch.stack([next(each) for _ in own]).norm() for own in kept])
    shares = (largest / (norms + 1e-6)).clamp_max(1.0)  # as torch's own clipping has it
    torch._foreach_mul_(grads, [share for share, own in zip(shares.unbind(), kept, strict=True) for _ in own])
    whole: Tensor = norms.norm()
    return whole
