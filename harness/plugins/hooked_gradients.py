"""What a plugin's hooks on gradients come to, as Adam divides each entry of a gradient by the size it usually has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from harness.method import Method
from harness.sources.home import is_built_in

SAME = 1e-3  # of a gradient's norm: nearer than that, two are the same but for rounding
LEAK = 0.02  # of a step's norm, along what the gradient has no part in: far above what rounding and weight decay do


class HookedGradients:
    """Parameters of a plugin that have hooks on their gradients, at logged steps: what these change, and what moves."""

    def __init__(self, method: Method[Any], trained: Iterable[nn.Parameter]) -> None:
        """Begin before the first step, when the method has attached its hooks."""
        self.name = type(method).__name__
        own = [] if is_built_in(type(method)) else list(trained)
        self.parameters = [p for p in own if p._backward_hooks or p._post_accumulate_grad_hooks]
        self._given: dict[int, Tensor] = {}
        self._looking = False
        self._taken_out: list[tuple[nn.Parameter, Tensor, Tensor, list[str]]] = []
        self._times: dict[int, list[float]] = {}  # by how much a hook multiplied a parameter's gradient, by steps
        self._leak = 0.0  # the largest share of a step along what a hook had taken out of the gradient
        for parameter in self.parameters:
            own_hooks = dict(parameter._backward_hooks or {})
            parameter.register_hook(self._keeper(parameter))
            for key, hook in own_hooks.items():  # behind this one; autograd goes by the order in which they were put in
                assert parameter._backward_hooks is not None
                del parameter._backward_hooks[key]
                parameter._backward_hooks[key] = hook

    def _keeper(self, parameter: nn.Parameter) -> Any:
        def keep(gradient: Tensor) -> None:
            if self._looking:
                self._given[id(parameter)] = gradient.detach().clone()

        return keep

    def before(self, *, logged: bool) -> None:
        """Before the backward pass of a step, and after what `batch` did to parameters since the one before."""
        self._looking = logged
        self._given.clear()
        for parameter, value, out, ways in self._taken_out:
            moved = _along(parameter.detach() - value, out)
            self._leak = max(self._leak, *(moved[way] for way in ways))
        self._taken_out.clear()

    def after(self) -> None:
        """After the backward pass."""
        if self._looking:
            self._taken_out += [found for p in self.parameters if (found := self._taken(p)) is not None]

    def _taken(self, parameter: nn.Parameter) -> tuple[nn.Parameter, Tensor, Tensor, list[str]] | None:
        """A parameter, its value, what hooks took out of its gradient, and in which ways nothing of it is left."""
        given, left = self._given.get(id(parameter)), parameter.grad
        if given is None or left is None or not given.any() or not left.any():
            return None
        times = float((given * left).sum() / given.square().sum())
        if float((left - times * given).norm()) < SAME * float(left.norm()):
            self._times.setdefault(id(parameter), []).append(times)
            return None
        self._times.setdefault(id(parameter), []).append(math.inf)
        out = given - left
        ways = [way for way, share in _along(left, out).items() if share < SAME]
        return (parameter, parameter.detach().clone(), out, ways) if ways else None

    def notes(self) -> list[str]:
        """After the last step."""
        found = []
        scaled = [times[0] for times in self._times.values() if max(times) - min(times) <= SAME * abs(times[0])]
        scaled = [times for times in scaled if abs(times - 1) > SAME]
        if scaled:
            found.append(
                f"a hook of {self.name} multiplies the gradient of {len(scaled)} tensors by {scaled[0]:.4g} in every "
                "step, which does nothing, as Adam divides a gradient by its usual size; for another learning rate "
                "scale the parameter in compute()"
            )
        if self._leak > LEAK:
            found.append(
                f"a hook of {self.name} takes a direction out of a gradient, and up to {100 * self._leak:.0f} % of a "
                "step is along it nevertheless, as Adam divides each entry by its own usual size; take it out of the "
                "parameter in compute(), or in batch() after each step, under torch.no_grad()"
            )
        return found


def _along(tensor: Tensor, out: Tensor) -> dict[str, float]:
    """How much of a tensor is along what was taken out, 0 to 1: as one vector, and of a matrix by rows and columns."""
    usual = max(float(tensor.norm() * out.norm()), 1e-30)
    views = {"whole": (tensor.flatten()[None], out.flatten()[None])}
    if tensor.dim() == 2:
        views |= {"rows": (tensor, out), "columns": (tensor.T, out.T)}
    return {way: float((one @ other.T).norm()) / usual for way, (one, other) in views.items()}
