"""What a training lends to hooks, and what they must leave as it is: the generators' seeds, the lesson's tensors.

Looked at after each hook by what costs next to nothing, and at the task's end by content.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness.errors import PluginError
from harness.method import Method

if TYPE_CHECKING:
    from harness.settings.customization.task_data import Lesson


class Lent:
    """Generators and, in the customization setting, a lesson, as they were before the first hook."""

    def __init__(
        self, method: Method[Any], generators: Sequence[torch.Generator], lesson: Lesson | None = None,
        model: Mapping[str, Tensor] | None = None,
    ) -> None:  # fmt: skip
        """Remember how all is before the first hook.

        Args:
            model: what of the model all hooks must leave as it is, by what to call it.
        """
        self.name, self.lesson = type(method).__name__, lesson
        self.seeds = [(generator, generator.initial_seed()) for generator in generators]
        self.tensors = _tensors(lesson)
        self.model = model or {}
        self.watched = {f"lesson.{name}": tensor for name, tensor in self.tensors.items()} | dict(self.model)
        self.versions = [tensor._version for tensor in self.watched.values()]
        self.content = _content(lesson, self.tensors)

    def check(self, hook: str) -> None:
        """After a hook.

        Raises:
            PluginError: it seeded a generator anew, or changed a tensor of the lesson or the model.
        """
        for generator, seed in self.seeds:
            if generator.initial_seed() != seed:
                raise PluginError(
                    f"{self.name}.{hook}() seeds the generator that it is given anew, so that draws no longer depend "
                    "on the run's seed; draw from it as it is, or seed one of your own by a draw from it."
                )
        for (name, tensor), version in zip(self.watched.items(), self.versions, strict=True):
            if tensor._version != version and name in self.model:
                raise PluginError(
                    f"{self.name}.{hook}() changes {name} in place, which all steps of all methods begin with, or what "
                    "this task's residuals are added to; work with a copy (clone())."
                )
            if tensor._version != version:
                raise self._changed(f"{self.name}.{hook}()", name)

    def check_content(self) -> None:
        """At the task's end: what `check` cannot see, as changes through `.data` or of an array.

        Raises:
            PluginError: something of the lesson changed.
        """
        for name, found in _content(self.lesson, self.tensors).items():
            if self.content[name] != found:
                raise self._changed(f"A hook of {self.name}", f"lesson.{name}")

    def _changed(self, who: str, name: str) -> PluginError:
        return PluginError(
            f"{who} changes {name} in place, which all later steps of the task are taught from; change a copy "
            "(clone()), and return what a step shall look at from batch()."
        )


def _tensors(lesson: Lesson | None) -> dict[str, Tensor]:
    parts = {"latents": lesson.latents, "prior": lesson.prior} if lesson is not None else {}
    named = {f"{name}.{kind}": getattr(part, kind, None) for name, part in parts.items() for kind in ("mean", "spread")}
    return {name: tensor for name, tensor in named.items() if isinstance(tensor, Tensor)}


def _content(lesson: Lesson | None, tensors: dict[str, Tensor]) -> dict[str, int]:
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in tensors.items()}
    whole = {**arrays, "images": lesson.images} if lesson is not None else arrays
    return {name: zlib.crc32(array.tobytes()) for name, array in whole.items()}
