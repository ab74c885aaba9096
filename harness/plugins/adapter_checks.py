"""What adapters and the custom token of a method must be, before and after a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adaptable, Adapter
from harness.backbones.batched_adapters import Stack
from harness.errors import PluginError
from harness.method import Method
from harness.plugins import hooks
from harness.sources.home import is_built_in

ALIKE = 0.5  # of what a task begins with and what earlier ones changed: chance gives next to 0 in a matrix
DRAWS = 32  # of an adapter's noise
UNEVEN = 1.6  # times what is folded, on average over noise: beyond, the two are hardly meant to be the same
FADED = 0.25  # of what the same parameters gave earlier in the task, by progress alone
LARGE = 0.5  # of a first residual beside its weight, by Frobenius norms


def check_apart(method: Method[Any], module: nn.Module, adapters: Sequence[Adapter], model: nn.Module | None) -> None:
    """Make sure that the module which `begin_task` returned has parameters of its own.

    Args:
        model: whose parameters it must not hold either, as nothing of a task but its projections is kept; None for any.

    Raises:
        PluginError: it holds some of an adapter's, or of the model's; or two parameters have one memory.
    """
    places: dict[int, nn.Parameter] = {}
    for parameter in (p for each in (*adapters, module) for p in each.parameters() if p.numel()):
        if places.setdefault(parameter.data_ptr(), parameter) is not parameter:
            raise PluginError(
                f"Two parameters that {type(method).__name__}.begin_task() makes, of shape {tuple(parameter.shape)}, "
                "lie in the same memory, so that a step on one changes the other; make each of a tensor of its own "
                "(clone())."
            )
    theirs = {id(p): "an adapter's" for adapter in adapters for p in adapter.parameters()}
    if model is not None:
        theirs |= {id(p): "the model's" for p in model.parameters()}
    for name, parameter in module.named_parameters():
        if id(parameter) in theirs:
            whose = theirs[id(parameter)]
            remedy = "leave it out" if "adapter" in whose else "only projections are kept of a task: adapt them"
            raise PluginError(
                f"The module that {type(method).__name__}.begin_task() returned holds {whose} parameter ({name}); "
                f"{remedy}."
            )


def check_residuals(adapters: Sequence[Adapter]) -> list[str]:
    """At the first step: no adapter gives nearly its projection's weight, which would then be there twice.

    Returns:
        A sentence if one begins with a residual that is large beside the weight.

    Raises:
        PluginError: one does. The sentence names its class.
    """
    found: list[tuple[Adapter, Tensor]] = []
    for adapter in adapters:
        if type(adapter).forward is not Adapter.forward:  # adds to the weight in its own way
            continue
        residual = adapter.residual().detach().float()
        for projection in adapter._projection:
            weight = projection.weight.float()
            if weight.shape == residual.shape:
                found.append((adapter, torch.stack([(weight * residual).sum(), weight.norm(), residual.norm()])))
    if not found:
        return []
    largest = 0.0
    for (adapter, _), (product, weights, residuals) in zip(
        found, torch.stack([figures for _, figures in found]).tolist(), strict=True
    ):
        if 0 < weights / 2 < residuals < 2 * weights and product > 0.9 * weights * residuals:
            raise PluginError(
                f"{type(adapter).__name__}.compute() gives the whole weight; return the residual alone, as it is added "
                "to the projection's weight."
            )
        largest = max(largest, residuals / weights if weights else 0.0)
    if largest < LARGE:
        return []
    return [
        f"the residuals that {type(found[0][0]).__name__} begins with are up to {largest:.2g} times as large as the "
        "weights that they are added to, so that the model is another one before the first step; begin at 0 (one "
        "factor of zeros)"
    ]


def twice_notes(model: Adaptable, adapters: Mapping[str, Adapter]) -> list[str]:
    """At the first step of a later task: a sentence if adapters begin with what is folded into the weights already."""
    alike: list[float] = []
    for name, adapter in adapters.items():
        residual, past = adapter.residual().detach().float(), model.change(name).float()
        if residual.shape == past.shape and residual.any() and past.any():
            alike.append(float((residual * past.to(residual)).sum() / (residual.norm() * past.norm().to(residual))))
    if not alike or sum(alike) / len(alike) < ALIKE:
        return []
    return [
        f"the residuals begin like what earlier tasks changed (a cosine of {sum(alike) / len(alike):.2g}), which is in "
        "the weights already, and so is there twice; begin at 0, or subtract what was folded (model.change(name))"
    ]


def check_settled(method: Method[Any], adapters: Sequence[Adapter], stacks: Sequence[Adapter | Stack]) -> None:
    """After the training: each adapter has one residual, alone and as one of several.

    Raises:
        PluginError: a residual differs from one time to the next, or says `stackable` and is computed otherwise then.
    """
    name = type(method).__name__
    with torch.no_grad():
        for adapter in adapters:
            if not _alike(adapter.compute(), adapter.residual()):
                raise PluginError(
                    f"The adapters of {name} ({type(adapter).__name__}) give another residual each time in eval mode; "
                    "draw noise only while self.training, so that what is folded is what was learnt."
                )
        for stack in stacks:
            if not isinstance(stack, Stack):
                continue
            for own, part in zip(stack.adapters, stack.joint.eval().compute().unbind(), strict=True):
                if not _alike(own.residual(), part):
                    raise PluginError(
                        f"{type(own).__name__} says that it is stackable, but computes otherwise for several adapters "
                        "at once than for one; let compute() treat the last two dimensions alone, or leave that out."
                    )


def scaled_notes(method: Method[Any], adapters: Sequence[Adapter], generator: torch.Generator) -> list[str]:
    """A sentence if an adapter of a plugin computes otherwise while it is trained, and not for noise.

    Args:
        generator: what noise may be drawn from; it is left as it was.
    """
    if is_built_in(type(method)):
        return []
    state, odd, noisy = generator.get_state(), "", list[Adapter]()
    with torch.no_grad():
        for adapter in adapters:
            adapter.train()
            with torch.enable_grad():  # what a training computes
                one, other = adapter.compute().detach().clone(), adapter.compute().detach()
            adapter.eval()
            adapter.refresh()
            if not torch.equal(one, other):
                noisy.append(adapter)
            elif not _alike(one, adapter.residual()):
                odd = type(adapter).__name__
        share = _share_trained(noisy)
    generator.set_state(state)
    if not (1 / UNEVEN < share < UNEVEN):
        return [
            f"{type(noisy[0]).__name__}.compute() gives in training, on average over its noise, {share:.2g} times what "
            "it gives in eval mode, which is folded (a dropout without 1 / keep?)"
        ]
    if not odd:
        return []
    return [
        f"{odd}.compute() gives another residual in training than in eval mode, and not for noise: what is folded is "
        "the latter (a scale that is left out there?)"
    ]


def faded_notes(method: Method[Any], adapters: Sequence[Adapter]) -> list[str]:
    """A sentence if a plugin's `compute` lets what is folded fade with `progress`, which is nearly 1 at the last step.

    Args:
        adapters: In eval mode, with what the last step left; they are left so.
    """
    if is_built_in(type(method)):
        return []
    folded, earlier, kind = 0.0, 0.0, ""
    with torch.no_grad():
        for adapter in adapters:
            folded += float(adapter.residual().float().square().sum())
            progress = adapter.progress
            norms = []
            for at in (0.0, progress / 2):
                adapter.progress = at
                norms.append(float(adapter.compute().float().square().sum()))
            adapter.progress = progress
            adapter.refresh()
            earlier, kind = earlier + max(norms), type(adapter).__name__
    if folded >= FADED**2 * earlier:
        return []
    return [
        f"{kind}.compute() gives what is folded {(folded / earlier) ** 0.5:.2g} times the size that the same "
        "parameters had at an earlier progress, which goes from 0 to nearly 1 over the steps: what was learnt has "
        "faded by the last one"
    ]


def _share_trained(adapters: Sequence[Adapter]) -> float:
    """How large residuals are in training, on average over noise, along what they are in eval mode; 1 of none."""
    along = whole = 0.0
    for adapter in adapters:
        settled = adapter.residual().float()
        adapter.train()
        with torch.enable_grad():  # what a training computes
            mean = torch.stack([adapter.compute().detach().float() for _ in range(DRAWS)]).mean(dim=0)
        adapter.eval()
        along += float((mean * settled).sum())
        whole += float(settled.square().sum())
    return along / whole if whole > 0 else 1.0


def check_token_settled(method: Method[Any], module: nn.Module, dim: int) -> None:
    """After the training: the module gives one embedding of the token.

    Raises:
        PluginError: it differs from one time to the next, so that what is kept is not what was learnt.
    """
    with torch.no_grad():
        one = hooks.token(method, module, dim).clone()
        if not _alike(one, hooks.token(method, module, dim)):
            raise PluginError(
                f"The module that {type(method).__name__}.begin_task() returned ({type(module).__name__}) gives "
                "another embedding of the token each time in eval mode; draw noise only while self.training, so that "
                "what is kept is what was learnt."
            )


def _alike(one: Tensor, other: Tensor) -> bool:
    """Equal but for rounding, by which an entry of a hard mask may change here and there."""
    if one.shape != other.shape:
        return False
    near = torch.isclose(one, other, rtol=1e-3, atol=1e-5 * float(one.abs().max()))
    return bool(near.float().mean() > 0.999)
