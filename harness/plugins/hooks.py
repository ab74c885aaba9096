"""A method's hooks, called with their answers checked.

A plugin may answer with anything. What a hook must not give ends the training with one sentence that names the hook,
what it must give, and what it gave; that a hook draws from a global generator is noticed as well.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.backbones.classifier import Classifier, Prompt
from harness.errors import PluginError
from harness.method import Batch, Method
from harness.plugins.opened_files import files_watched

if TYPE_CHECKING:
    from harness.backbones.adapters import Adaptable
    from harness.backbones.text_to_image import TextToImage
    from harness.settings.customization.task_data import Lesson

AnyMethod = Method[Any]
GIVEN = (
    "draw from the generator that the hook is given (layers such as nn.Linear draw their first weights from the global "
    "one: make them with torch.nn.utils.skip_init and fill them yourself)"
)

SPARSE = 0.1  # share of zeros from which on numbers of few bits may have lost some

# names in a training's record of losses, and among its measures, that are the harness's
LOSSES = frozenset({"step", "sd", "ce", "rate"})
MEASURES = frozenset(
    {"plasticity_distance", "residual_norm", "trained_parameters", "final_loss", "unet_parameters",
     "backbone_parameters"}
)  # fmt: skip


def prepare(method: AnyMethod, lesson: Any, generator: torch.Generator) -> None:
    """`Method.prepare`.

    Raises:
        PluginError: it drew from a global generator.
    """
    with _observed(method, "prepare"):
        method.prepare(lesson, generator)


def begin_task(method: AnyMethod, model: Adaptable, generator: torch.Generator) -> nn.Module:
    """What `Method.begin_task` returns: a module.

    Raises:
        PluginError: it returned something else, or drew from a global generator.
    """
    with _observed(method, "begin_task"):
        module: object = method.begin_task(model, generator)
    if not isinstance(module, nn.Module):
        kind = "an nn.Module" + (f" whose forward() gives the token, {_token(model.token_dim)}" * bool(model.token_dim))
        raise _wrong(method, "begin_task", kind, module)
    return module


def token(method: AnyMethod, module: nn.Module, dim: int) -> Tensor:
    """The token's embedding, (dim,), of the module that `begin_task` returned.

    Raises:
        PluginError: it gave something else.
    """
    given: object = module()
    if not isinstance(given, Tensor) or given.shape != (dim,) or not given.is_floating_point():
        made = f"The module that {_hook(method, 'begin_task')} returned, a {type(module).__name__},"
        raise PluginError(f"{made} must give the token's embedding, {_token(dim)}; it gave {described(given)}.")
    return given


def batch(method: AnyMethod, lesson: Lesson, generator: torch.Generator, *, watched: bool) -> Batch:
    """What `Method.batch` returns.

    Args:
        watched: whether to look for global draws, which takes time.

    Raises:
        PluginError: no `Batch`, or one whose parts do not fit together; or it drew from a global generator.
    """
    with _observed(method, "batch") if watched else nullcontext():
        given: object = method.batch(lesson, generator)
    if not isinstance(given, Batch):
        raise _wrong(method, "batch", "a Batch, as lesson.plain() does", given)
    latents: object = given.latents
    if not isinstance(latents, Tensor) or latents.dim() != 4 or not latents.is_floating_point():
        raise _wrong(method, "batch", "latents as a floating-point tensor (examples, channels, height, width)", latents)
    count = len(latents)
    if not count:
        raise PluginError(
            f"{_hook(method, 'batch')} gives no example, so that there is nothing to train on; choose at least one."
        )
    prompts: object = given.prompts
    if not isinstance(prompts, tuple) or len(prompts) not in (1, count) or not all(isinstance(p, str) for p in prompts):
        raise _wrong(method, "batch", f"prompts as a tuple of 1 or {count} texts", prompts)
    if given.share is not None and given.share.shape != (count,):
        raise _wrong(method, "batch", f"share as a tensor of shape ({count},)", given.share)
    if watched and given.mask is not None and not given.mask.flatten(1).any(dim=1).all():
        raise PluginError(
            f"{_hook(method, 'batch')} gives a mask that leaves nothing of an example; 1 says where the loss counts."
        )
    if watched and given.mask is not None and (given.mask < 0).any():
        raise PluginError(
            f"{_hook(method, 'batch')} gives a mask with values below 0 ({float(given.mask.min()):.3g}), where an "
            "error of the model would be rewarded; 1 says where the loss counts, and 0 where it does not."
        )
    return given


def penalties(method: AnyMethod, *, watched: bool) -> Mapping[str, Tensor]:
    """What `Method.penalties` returns: name -> scalar tensor.

    Args:
        watched: whether to look for global draws, which takes time.

    Raises:
        PluginError: something else, or a name that the record of losses has already; or it drew from a global
            generator.
    """
    with _observed(method, "penalties") if watched else nullcontext():
        given: object = method.penalties()
    if not isinstance(given, Mapping):
        raise _wrong(method, "penalties", "a dict of names to scalar tensors, already weighted", given)
    for name, term in given.items():
        if not isinstance(term, Tensor) or term.dim() or not term.is_floating_point():
            raise _wrong(method, "penalties", f"a scalar tensor, already weighted, for '{name}'", term)
        if name in LOSSES:
            raise PluginError(f"{_hook(method, 'penalties')} calls a term '{name}', as the loss itself is; rename it.")
    return given


def update_mask(method: AnyMethod, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
    """What `Method.update_mask` returns of a parameter: booleans of its shape, or None for all entries.

    Raises:
        PluginError: something else.
    """
    given: object = method.update_mask(name, parameter, momentum)
    if given is None:
        return None
    if not isinstance(given, Tensor) or given.dtype is not torch.bool or given.shape != parameter.shape:
        wanted = f"None, or booleans of shape {tuple(parameter.shape)} for '{name}'"
        raise _wrong(method, "update_mask", wanted, given)
    return given


def measures(method: AnyMethod) -> dict[str, float]:
    """What `Method.measures` returns: name -> finite number.

    Raises:
        PluginError: something else, or a name that the harness's own measures have.
    """
    with _observed(method, "measures"):
        given: object = method.measures()
    if not isinstance(given, Mapping):
        raise _wrong(method, "measures", "a dict of names to numbers", given)
    found: dict[str, float] = {}
    for name, value in given.items():
        number = value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value
        if not isinstance(name, str) or not isinstance(number, Real) or not math.isfinite(number):
            raise _wrong(method, "measures", f"a finite number for '{name}'", value)
        if name in MEASURES:
            raise PluginError(f"{_hook(method, 'measures')} gives '{name}', which is measured anyway; rename it.")
        found[name] = float(number)
    return found


def end_task(method: AnyMethod, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
    """What `Method.end_task` returns: name -> tensor, as copies on the CPU.

    Raises:
        PluginError: something else.
    """
    with _observed(method, "end_task"):
        given: object = method.end_task(lesson, generator)
    return _tensors(method, "end_task", "a dict of names to tensors (an empty one for nothing)", given)


def not_finite(method: AnyMethod, memory: Mapping[str, Tensor]) -> list[str]:
    """A sentence for the user if some of what `end_task` returned is not finite; a mask may mean it so."""
    for name, tensor in memory.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            kind = str(tensor.dtype).removeprefix("torch.")
            ends = f"; {kind} ends at {torch.finfo(tensor.dtype).max:.0f}" * (tensor.dtype is torch.float16)
            return [f"{_hook(method, 'end_task')} leaves entries of '{name}' ({kind}) that are not finite{ends}"]
    return []


def vanished(method: AnyMethod, memory: Mapping[str, Tensor]) -> list[str]:
    """A sentence if what `end_task` returned is kept in so few bits that much of it became 0."""
    for name, tensor in memory.items():
        if not tensor.is_floating_point() or tensor.dtype in (torch.float32, torch.float64, torch.bfloat16):
            continue
        values = tensor.float().abs()
        left = values[values > 0]
        share = 1 - len(left) / max(1, values.numel())
        # the smallest numbers of a kind have few bits; what is 0 on purpose has others beside it that are larger
        if share > SPARSE and len(left) and float(left.median()) < torch.finfo(tensor.dtype).smallest_normal:
            kind, least = str(tensor.dtype).removeprefix("torch."), torch.finfo(tensor.dtype).smallest_normal
            return [
                f"{_hook(method, 'end_task')} leaves '{name}' in {kind}, where {100 * share:.0f} % of it is 0 and the "
                f"rest is hardly above: {kind} loses what is below {least:.1g}; keep it in float32, or scale it "
                "first"
            ]
    return []


def for_prompt(method: AnyMethod, model: TextToImage, prompt: str) -> Mapping[str, Tensor] | None:
    """What `Method.for_prompt` returns: the weights of all projections for this prompt, or None.

    Raises:
        PluginError: something else; weights of other names or shapes than the projections', or that are not finite.
    """
    with _observed(method, "for_prompt"):
        given: object = method.for_prompt(model, prompt)
    if given is None:
        return None
    weights = _tensors(method, "for_prompt", "the weights as a dict of names to tensors", given, cpu=False)
    _check_weights(method, "for_prompt", model, weights)
    return weights


def _check_weights(method: AnyMethod, hook: str, model: TextToImage, weights: Mapping[str, Tensor]) -> None:
    """Of each projection one of its own shape, and finite."""
    shapes = {name: tuple(projection.weight.shape) for name, projection in model.projections.items()}
    if {name: tuple(tensor.shape) for name, tensor in weights.items()} != shapes:
        raise PluginError(f"{_hook(method, hook)} must give a weight of its own shape for each of the projections.")
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise PluginError(f"{_hook(method, hook)} gives a weight for {name} that is not finite (a division by 0?).")


def merge(
    method: AnyMethod, model: TextToImage, alone: Mapping[str, Tensor], token: str, category: str
) -> tuple[Mapping[str, Tensor], dict[str, Tensor]]:
    """What `Method.merge` returns: the weights of all projections, and the next `memory`.

    Raises:
        PluginError: something else; weights of other names or shapes than the projections', or that are not finite; or
            none in which anything is left of what was learnt; or changes instead of weights.
    """
    with _observed(method, "merge"):
        given: object = method.merge(model, alone, token, category)
    if not isinstance(given, tuple) or len(given) != 2:
        raise _wrong(method, "merge", "two dicts of tensors, the weights and the memory", given)
    weights = _tensors(method, "merge", "the weights as a dict of names to tensors", given[0], cpu=False)
    _check_weights(method, "merge", model, weights)
    learnt = any(not _same(model.initial[name], tensor) for name, tensor in alone.items())
    if learnt and all(not tensor.any() or _same(model.initial[name], tensor) for name, tensor in weights.items()):
        what = "the pre-trained weights of" if any(tensor.any() for tensor in weights.values()) else "zeros for"
        raise PluginError(
            f"{_hook(method, 'merge')} gives {what} every projection, so that nothing is left of what was learnt; "
            "compute them from `alone`, the weights learnt for the new concept, and from self.memory."
        )
    if learnt and method.task_index > 1 and all(_same(alone[name], tensor) for name, tensor in weights.items()):
        raise PluginError(
            f"{_hook(method, 'merge')} gives the weights learnt for the new concept alone, so that nothing is left of "
            "the concepts before; take what they changed from self.memory, and `alone` less model.initial as the new "
            "change."
        )
    far = [w.float() - alone[name].float() for name, w in weights.items()]
    as_changes = [f + model.initial[name].float() for f, name in zip(far, weights, strict=True)]
    if learnt and 4 * sum(float(d.square().sum()) for d in as_changes) < sum(float(d.square().sum()) for d in far):
        raise PluginError(
            f"{_hook(method, 'merge')} gives what seem to be changes, and must give weights; add model.initial[name]."
        )
    return weights, _tensors(method, "merge", "the memory as a dict of names to tensors", given[1])


def recall(method: AnyMethod, model: Classifier) -> Prompt | None:
    """What `Method.recall` returns.

    Raises:
        PluginError: neither a `Prompt` nor None.
    """
    with _observed(method, "recall"):
        given: object = method.recall(model)
    if given is not None and not isinstance(given, Prompt):
        raise _wrong(method, "recall", "a Prompt, or None", given)
    return given


def head(method: AnyMethod, model: Classifier) -> nn.Module | None:
    """What `Method.head` returns.

    Raises:
        PluginError: neither a module nor None; or it gives scores of another shape than one for each class seen.
    """
    with _observed(method, "head"):
        given: object = method.head(model)
    if given is None:
        return None
    if not isinstance(given, nn.Module):
        raise _wrong(method, "head", "an nn.Module from features to scores, or None", given)
    given.to(model.device).eval()
    wanted = (1, len(model.head_bias))
    with torch.no_grad():
        scores: object = given(torch.zeros(1, model.dim, device=model.device))
    if not isinstance(scores, Tensor) or scores.shape != wanted:
        what = f"a module that gives {wanted} scores of a {(1, model.dim)} tensor of features"
        raise _wrong(method, "head", what, scores)
    return given


@contextmanager
def _observed(method: AnyMethod, name: str) -> Iterator[None]:
    """A hook at work: what it draws from global generators is an error, what it writes is noted."""
    who = _hook(method, name)
    with no_global_draws(who), files_watched(who):
        yield


@contextmanager
def no_global_draws(who: str, *, tensors_only: bool = False, remedy: str = GIVEN) -> Iterator[None]:
    """Notice that something draws from a global generator: its results would differ from run to run.

    Args:
        who: what runs within, as the subject of a sentence. tensors_only: not from Python's own, which other threads of
            the process may use as well. remedy: what to do instead.

    Raises:
        PluginError: it drew.
    """
    before = _global_states(tensors_only)
    yield
    after = _global_states(tensors_only)
    for name, state in before.items():
        if state != after.get(name, state):
            raise PluginError(f"{who} draws from {name}, so that its results would differ from run to run; {remedy}.")


def described(value: object) -> str:
    """What something is, in words: 'None', 'a dict', 'a tensor of shape (3,) and float32', 'an array of shape (3,)'."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape} and {value.dtype}"
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value!r}, a{'n' * isinstance(value, int)} {type(value).__name__}"
    name = type(value).__name__
    return f"a{'n' * (name[0].lower() in 'aeiou')} {name}"


def _tensors(method: AnyMethod, hook: str, wanted: str, given: object, *, cpu: bool = True) -> dict[str, Tensor]:
    if not isinstance(given, Mapping):
        raise _wrong(method, hook, wanted, given)
    for name, tensor in given.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise _wrong(method, hook, f"a tensor for '{name}'", tensor)
    # copies, as files refuse tensors that share their memory, and views that keep more alive than they show
    return {name: t.detach().cpu().contiguous().clone() if cpu else t for name, t in given.items()}


def _same(initial: Tensor, weight: Tensor) -> bool:
    """Whether a weight is the pre-trained one, as the model would hold it."""
    return torch.equal(initial, weight.to(initial))


def _global_states(tensors_only: bool) -> dict[str, object]:
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  (it is looked at, not drawn from)
    states: dict[str, object] = {
        "torch's global generator": torch.get_rng_state().numpy().tobytes(),
        "NumPy's global generator": (kind, np.asarray(keys).tobytes(), *rest),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["the GPU's global generator"] = torch.cuda.get_rng_state().numpy().tobytes()
    return states if tensors_only else {**states, "Python's global generator": random.getstate()}


def _hook(method: AnyMethod, name: str) -> str:
    return f"{type(method).__name__}.{name}()"


def _token(dim: int) -> str:
    return f"a ({dim},) floating-point tensor"


def _wrong(method: AnyMethod, hook: str, wanted: str, given: object) -> PluginError:
    return PluginError(f"{_hook(method, hook)} must give {wanted}; it gave {described(given)}.")
