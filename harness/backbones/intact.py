"""Whether a model is still as it was loaded, but for what is adapted: it serves one step after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.errors import PluginError

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Intact:
    """How a model was when it was loaded: its modules, their hooks, and all weights but those that a step keeps."""

    def __init__(self, parts: Mapping[str, nn.Module], kept: Iterable[Tensor], initial: Mapping[str, Tensor]) -> None:
        """Look at it.

        Args:
            parts: What it consists of, by name. kept: those of its weights that steps keep, and set again.
            initial: W_init by name, which every step of every method begins with.
        """
        self._parts, self._initial = parts, initial
        self._kept = {id(tensor) for tensor in kept}
        self._norms, self._modules = self._measured(), self._structure()

    def difference(self) -> str:
        """The first thing that is otherwise now, in words; empty if there is none. Reads each weight once."""
        modules = self._structure()
        for name in (*self._modules, *modules):
            if self._modules.get(name) != modules.get(name):
                before, now = self._modules.get(name), modules.get(name)
                hooks = before is not None and now is not None and before[:2] == now[:2]
                return f"a hook on {name}" if hooks else f"another module or attention processor at {name}"
        norms = self._measured()
        changed = next((name for name, norm in norms.items() if norm != self._norms.get(name)), "")
        return f"other values of {changed}" if changed.startswith("model.") else changed and f"the weights of {changed}"

    def _measured(self) -> dict[str, float]:
        found: dict[str, Tensor] = {
            f"{part}.{name}": tensor.detach()
            for part, module in self._parts.items()
            for name, tensor in (*module.named_parameters(), *module.named_buffers())
            if id(tensor) not in self._kept and tensor.is_floating_point()
        }
        found |= {f"model.initial['{name}']": tensor for name, tensor in self._initial.items()}
        norms = torch._foreach_norm(list(found.values()), dtype=torch.float32)
        return dict(zip(found, torch.stack(norms).tolist(), strict=True))

    def _structure(self) -> dict[str, tuple[int, int, int]]:
        return {
            f"{part}.{name}" if name else part: (
                id(module), id(getattr(module, "processor", None)), sum(len(getattr(module, kind)) for kind in _HOOKS)
            )
            for part, whole in self._parts.items() for name, module in whole.named_modules()
        }  # fmt: skip


@contextmanager
def left_intact(intact: Intact, method: str) -> Iterator[None]:
    """Notice that a method's code changes of a model what no step keeps, and the next one would build on.

    Raises:
        PluginError: it does. The model is no longer to be used then.
    """
    yield
    if changed := intact.difference():
        raise PluginError(
            f"{method} leaves {changed} behind in the model: of a task only what the adapters of its projections learnt"
            " is kept, and the next step would build on the rest; adapt projections, and undo all else in end_task()."
        )
