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
        self._is_own = not is_built_in(type(method))  # those of this program are right, and spared the look
        self._by_sign: Tensor | None = None  # how many masks could go by the momentum's sign; how many did

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
        if self._moved is None or self._masks < self._asked:  # what has no mask moves
            return self._signed(hook)
        some, others = self._moved.tolist()
        if not some:
            return [f"{hook} let no entry of any parameter move in any step; True is for those that the step may move"]
        if not others:
            return [f"{hook} let every entry move in every step, so that it does nothing"]
        return self._signed(hook)

    def _signed(self, hook: str) -> list[str]:
        """A sentence if every mask went by the momentum's sign, not by how large it is."""
        could, did = self._by_sign.tolist() if self._by_sign is not None else (0, 0)
        if not could or did < could:
            return []
        return [
            f"{hook} lets entries move by the sign of their momentum: larger ones of the other sign stay, in every "
            "step; if the largest are meant, compare momentum.abs()"
        ]

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
                    if self._is_own:
                        signs = _by_sign(mask, momentum)
                        self._by_sign = signs if self._by_sign is None else self._by_sign + signs
                    found.append((parameter, mask, parameter.detach().clone()))
        return found


def _by_sign(mask: Tensor, momentum: Tensor) -> Tensor:
    """(2,) booleans as numbers: whether a mask could go by the momentum's sign, and whether it does.

    It does if all that it lets move is above all that it leaves (or below), or of one sign, while some of the other
    sign, which stay, are larger. A choice by size, by row or of all together, has both signs.
    """
    rest, size = ~mask, momentum.abs()
    plus, minus = momentum > 0, momentum < 0
    endless = torch.full_like(momentum, torch.inf)
    lowest, highest = (torch.where(mask, momentum, sign * endless) for sign in (1, -1))
    below, above = (torch.where(rest, momentum, sign * endless) for sign in (-1, 1))
    sorted_by_it = (lowest.min() >= below.max()) | (highest.max() <= above.min())
    one_sign = ~((mask & plus).any() & (mask & minus).any())
    smallest_moved = torch.where(mask & (plus | minus), size, endless).min()
    larger_stays = torch.where(rest, size, -endless).max() > smallest_moved
    could = plus.any() & minus.any() & (mask & (plus | minus)).any() & rest.any()
    return torch.stack([could, could & (sorted_by_it | one_sign) & larger_stays]).long()
