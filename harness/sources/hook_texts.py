"""What a plugin's hooks show by the names that they use: a call that gives something else there than it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from harness.sources.home import PACKAGES
from harness.sources.replaced_hooks import used_names


def hook_notes(method: type[Any], base: type[Any]) -> Iterator[str]:
    """A sentence for each such mistake of a plugin's own classes.

    Args:
        base: what all methods descend from.
    """
    kinds = [kind for kind in method.__mro__ if issubclass(kind, base) and kind is not base]
    own = [kind for kind in kinds if kind.__module__.partition(".")[0] not in PACKAGES]
    hooks = {n: f for kind in reversed(own) for n, f in vars(kind).items() if isinstance(f, FunctionType)}
    used = {name: set(used_names(hook.__code__)) - set(hooks) for name, hook in hooks.items()}
    yield from _of_hooks(method, used)
    if "begin_task" in hooks and method.independent and not any("independent" in vars(kind) for kind in own):
        heir = next(kind for kind in kinds if "independent" in vars(kind))
        yield (
            f"{method.__name__} inherits independent = True from {heir.__name__}: each concept is learnt from the "
            "pre-trained weights, so that nothing is forgotten (F_mmd is 0); say in the class which is meant, True or "
            "False."
        )


def _of_hooks(method: type[Any], used: Mapping[str, set[str]]) -> Iterator[str]:
    called = method.__name__
    if "compute" in used.get("penalties", ()):
        yield (
            f"{called}.penalties() calls compute(), which computes anew, with other draws where it draws; "
            "adapter.residual() is what the loss of the step was computed with."
        )
    if "change" in used.get("measures", ()):
        yield (
            f"{called}.measures() asks for model.change(), which is what the tasks before changed: it is called before "
            "the task's own residuals are folded; add adapter.residual()."
        )
    options = getattr(method, "options_class", None)
    begin = used.get("begin_task", set())
    fixed = "new_token" in begin and not any("token_init" in names for names in used.values())
    if fixed and "token_init" in getattr(options, "model_fields", ()):
        yield (
            f"{called}.begin_task() makes its token without self.options.token_init, an option that every method has: "
            "another value would make results anew, and change nothing in them; give it to new_token()."
        )
