"""What a loss reaches on its way back, and whether an optimizer trains it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import PluginError


def backward(method: str, loss: Tensor) -> None:
    """The backward pass of a loss of a method of that name.

    Raises:
        PluginError: a hook's code makes it impossible.
    """
    try:
        loss.backward()
    except RuntimeError as error:
        told = str(error)
        if "modified by an inplace operation" in told:
            raise PluginError(
                f"A hook of {method} changes in place what the loss was computed from (a parameter in penalties(), "
                "perhaps); give parameters other values in batch(), under torch.no_grad(), and change copies of others."
            ) from error
        if "backward through the graph a second time" in told:
            raise PluginError(
                f"A hook of {method} uses a tensor of an earlier step, whose graph is gone (a sum over steps, perhaps, "
                "or what begin_task() computed from a parameter); detach() what is kept, or compute it anew at each "
                "step."
            ) from error
        raise


def leaves(term: Tensor) -> list[Tensor]:
    """The tensors that get a gradient from a scalar: the ends of its graph."""
    if term.grad_fn is None:
        return [term] if term.requires_grad else []
    found: dict[int, Tensor] = {}
    seen: set[Any] = set()
    ahead: list[Any] = [term.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found[id(variable)] = variable
        ahead += [parent for parent, _ in node.next_functions]
    return list(found.values())


def check_reach(
    method: str, loss: Tensor, penalties: Mapping[str, Tensor], trained: Iterable[Tensor],
    places: Mapping[str, nn.Module], owner: object,
) -> None:  # fmt: skip
    """Make sure that all that gets a gradient is trained, and that each penalty reaches something that is.

    Args:
        method: the class's name. loss: the whole. penalties: its named terms.
        trained: what an optimizer has, or what hands its gradient on to that.
        places, owner: where the name of a tensor is looked for: modules by what to call them, and the method itself.

    Raises:
        PluginError: a parameter gets a gradient and no optimizer has it; or a penalty that is not 0 reaches nothing
            that is trained. The sentence names it.
    """
    known = {id(tensor) for tensor in trained}
    for leaf in leaves(loss):
        if id(leaf) not in known:
            raise PluginError(
                f"{name_of(leaf, method, places, owner)} gets a gradient, but no optimizer trains it; make it a "
                f"parameter of an adapter, or of the module that {method}.begin_task() returns."
            )
    for name, term in penalties.items():
        if not any(id(leaf) in known for leaf in leaves(term)) and term.item() != 0:
            raise PluginError(
                f"The penalty '{name}' of {method} reaches nothing that is trained, so it changes no weight; compute "
                "it from adapter.residual(), an adapter's parameters or the token, without detach() or no_grad()."
            )


def undefined(penalties: Mapping[str, Tensor], trained: Iterable[Tensor]) -> str:
    """The name of the first penalty whose gradient is not finite; empty if there is none."""
    wanted = [tensor for tensor in trained if tensor.requires_grad]
    for name, term in penalties.items():
        if not term.requires_grad:
            continue
        found = torch.autograd.grad(term, wanted, retain_graph=True, allow_unused=True)
        if any(grad is not None and not grad.isfinite().all() for grad in found):
            return name
    return ""


def name_of(leaf: Tensor, method: str, places: Mapping[str, nn.Module], owner: object) -> str:
    """Where a tensor is, as the subject of a sentence: 'The parameter A of the adapter of ...'."""
    for place, module in places.items():
        for name, parameter in module.named_parameters():
            if parameter is leaf:
                return f"The parameter {name} of {place}"
    for name in _paths(owner, leaf, 2):
        return f"The parameter {method}{name}"
    return f"A tensor of shape {tuple(leaf.shape)} that {method} uses"


def _paths(value: object, leaf: Tensor, depth: int) -> Iterator[str]:
    """Where in an object's attributes, lists and dicts a tensor is: '.extra', '.gates[2]', '.net.weight'."""
    inside: dict[str, object] = {}
    if isinstance(value, nn.Module):
        inside = {f".{name}": parameter for name, parameter in value.named_parameters()}
    elif isinstance(value, Mapping):
        inside = {f"[{key!r}]": each for key, each in value.items()}
    elif isinstance(value, list | tuple):
        inside = {f"[{place}]": each for place, each in enumerate(value)}
    elif hasattr(value, "__dict__"):
        inside = {f".{name}": each for name, each in vars(value).items()}
    for path, each in inside.items():
        if each is leaf:
            yield path
        elif depth and not isinstance(each, Tensor):
            yield from (path + rest for rest in _paths(each, leaf, depth - 1))
