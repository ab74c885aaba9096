"""What is looked at while a task is trained, so that no training goes wrong in silence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness import hooks
from harness.backbones.adaptable import Adapter
from harness.backbones.stack import Stack
from harness.errors import BenchError, PluginError
from harness.gradients import check_reach, undefined
from harness.method import Method


class TrainingChecks:
    """Losses and gradients of one training: that they are finite, and that what gets a gradient is trained."""

    def __init__(
        self, method: Method[Any], optimizer: torch.optim.Optimizer, stacks: Sequence[Adapter | Stack],
        adapters: Mapping[str, Adapter], module: nn.Module, model: nn.Module, device: torch.device, *, of: str,
        rates: str,
    ) -> None:  # fmt: skip
        """Begin before the first step.

        Args:
            stacks: what computes the residuals of `adapters`, which go by their projections' names.
            module: what `begin` returned. model: what must not be trained.
            of: whose training it is, as ' of <v1>'. rates: the options that may be too large.
        """
        self.method, self.stacks, self.of, self.rates = method, stacks, of, rates
        self.name = type(method).__name__
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        # a stack's adapters hand their gradients on to it
        own = [p for stack in stacks if isinstance(stack, Stack) for each in stack.adapters for p in each.parameters()]
        self.reachable = [*self.trained, *own]
        self.at_once = device.type == "cpu"  # elsewhere, to look is to wait for the device
        begun = f"the module that {self.name}.begin() returned"
        self._places: dict[str, nn.Module] = {f"the adapter of {name}": each for name, each in adapters.items()}
        self._places[begun] = module
        self._model = model
        self._kept = {place: dict(each.named_parameters()) for place, each in self._places.items()}
        self._terms: tuple[str, ...] | None = None
        self._unseen: list[tuple[int, dict[str, Tensor]]] = []

    def losses(self, step: int, terms: Mapping[str, Tensor], *, logged: bool) -> None:
        """Look whether each part of the loss is finite; on a GPU at logged steps, then at those since the last one.

        Raises:
            BenchError: a part is not. It names the first one, and its step.
        """
        self._unseen.append((step, {name: term.detach() for name, term in terms.items()}))
        if not (logged or self.at_once):
            return
        parts = [(at, name, value) for at, found in self._unseen for name, value in found.items()]
        self._unseen.clear()
        for (at, name, _), value in zip(parts, torch.stack([part.float() for *_, part in parts]).tolist(), strict=True):
            if not math.isfinite(value):
                remedy = f"try a smaller {self.rates} (--set), or --dtype float32"
                if at == 0 and name not in hooks.LOSSES:  # nothing has been learnt yet
                    remedy = f"mend what {self.name}.penalties() computes (a division by 0, perhaps)"
                raise BenchError(f"The loss '{name}'{self.of} is {value} at step {at}; {remedy}.")

    def reach(self, loss: Tensor, penalties: Mapping[str, Tensor]) -> None:
        """Look, when a term is new, that all that gets a gradient is trained, and that each penalty trains something.

        Raises:
            PluginError: something is not, or does not.
        """
        if self._terms != tuple(penalties):
            self._terms = tuple(penalties)
            places = {**self._places, "the model": self._model}
            check_reach(self.name, loss, penalties, self.reachable, places, self.method)

    def gradient(self, step: int, norm: Tensor, *, logged: bool) -> None:
        """Look whether the gradient of a loss that is finite is finite, too, before a step is made with it.

        Raises:
            PluginError: it is not; the sentence names the penalty.
            BenchError: the same, and no penalty is to blame.
        """
        if not (logged or self.at_once) or math.isfinite(norm.item()):
            return
        for stack in self.stacks:
            stack.refresh()  # the graph of the last pass is gone
        name = undefined(hooks.penalties(self.method, watched=False), self.reachable)
        if name:
            raise PluginError(
                f"The gradient of the penalty '{name}' of {self.name} is not finite at step {step}, though its value "
                "is: a square root or a norm of 0, perhaps; add a small constant inside it."
            )
        raise BenchError(
            f"The gradient{self.of} is {norm.item()} at step {step}; try a smaller {self.rates} (--set), or --dtype "
            "float32."
        )

    def same_parameters(self) -> None:
        """Look that what was trained is what adapters and modules still hold.

        Raises:
            PluginError: a parameter was exchanged for another, which no optimizer has.
        """
        for place, kept in self._kept.items():
            for name, parameter in self._places[place].named_parameters():
                if parameter is not kept.get(name):
                    raise PluginError(
                        f"{self.name} exchanged the parameter {name} of {place} during the training, so that no "
                        "optimizer trained the new one; change its values in place, under torch.no_grad()."
                    )


def check_apart(method: Method[Any], module: nn.Module, adapters: Sequence[Adapter], model: nn.Module | None) -> None:
    """Make sure that the module which `begin` returned has parameters of its own.

    Args:
        model: whose parameters it must not hold either, as nothing of a task but its projections is kept; None for any.

    Raises:
        PluginError: it holds some of an adapter's, or of the model's.
    """
    theirs = {id(p): "an adapter's" for adapter in adapters for p in adapter.parameters()}
    if model is not None:
        theirs |= {id(p): "the model's" for p in model.parameters()}
    for name, parameter in module.named_parameters():
        if id(parameter) in theirs:
            whose = theirs[id(parameter)]
            remedy = "leave it out" if "adapter" in whose else "only projections are kept of a task: adapt them"
            raise PluginError(
                f"The module that {type(method).__name__}.begin() returned holds {whose} parameter ({name}); {remedy}."
            )
