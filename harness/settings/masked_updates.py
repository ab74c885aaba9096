"""Steps of the optimizer that move some entries of a parameter and leave others: `Method.update_mask`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from harness.method import Method
from harness.plugins import hooks
from harness.sources.home import is_built_in


class MaskedUpdates:
    """What a method lets its optimizer move.

    Attributes:
        used: Whether the method masks its updates at all.
    """

    def __init__(self, method: Method[Any], adapters: Mapping[str, Adapter], module: nn.Module) -> None:
        """Name what is trained.

        Args:
            adapters: By the names of their projections. module: what `begin_task` returned.
        """
        self.method = method
        self.used = type(method).update_mask is not Method.update_mask
        places = {**adapters, "token": module}
        self._names = {p: f"{place}.{name}" for place, each in places.items() for name, p in each.named_parameters()}

        self._asked = self._masks = 0
        self._moved: Tensor | None = None  # whether a mask let an entry move; one let an entry be

    def notes(self) -> list[str]:
        """After the last step: a sentence if a plugin's masks made no difference, or let nothing move."""
        if not self._asked or is_built_in(type(self.method)):
            return []
        hook, named = f"{type(self.method).__name__}.update_mask()", next(iter(self._names.values()))
        if not self._masks:
            return [
                f"{hook} gave None for every parameter in every step, so that it does nothing; names are such as "
                f"'{named}'"
            ]
        if self._moved is None or self._masks < self._asked:
            return []
        some, others = self._moved.tolist()
        if not some:
            return [f"{hook} let no entry of any parameter move in any step; True is for those that the step may move"]
        return [] if others else [f"{hook} let every entry move in every step, so that it does nothing"]

    @contextmanager
    def step(self, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """Within it the optimizer makes one step, with gradients as they are; then what masks leave out is put back.

        Raises:
            PluginError: a mask is none.
        """
        kept = self._kept(optimizer) if self.used else []
        yield
        with torch.no_grad():
            for parameter, mask, before in kept:
                parameter.copy_(torch.where(mask, parameter, before))

    @torch.no_grad()
    def _kept(self, optimizer: torch.optim.Optimizer) -> list[tuple[nn.Parameter, Tensor, Tensor]]:
        """Each parameter that has a mask, with it and with its value before the step."""
        found: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        for group in optimizer.param_groups:
            decay = group["betas"][0]
            for parameter in group["params"]:
                if parameter.grad is None or parameter not in self._names:
                    continue
                momentum = parameter.grad * (1 - decay)
                if first := optimizer.state.get(parameter):
                    momentum += decay * first["exp_avg"]
                mask = hooks.update_mask(self.method, self._names[parameter], parameter.detach(), momentum)
                self._asked += 1
                if mask is not None:
                    self._masks += 1
                    now = torch.stack([mask.any(), ~mask.all()])  # not asked for here: on a GPU that is to wait
                    self._moved = now if self._moved is None else self._moved | now
                    found.append((parameter, mask, parameter.detach().clone()))
        return found
