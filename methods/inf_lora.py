"""InfLoRA (Liang and Li, 2024, arXiv 2404.00228): updates that earlier tasks' inputs do not see.

W_t = W_{t-1} + A_t B_t, where the rows of B_t are designed before the task, fixed, and orthogonal to M, a basis of the
inputs of all earlier tasks, so that A_t B_t x = 0 for x in its span; A_t is trained. With C the mean of x x^T over the
task's inputs:

    B_t = the leading left singular vectors of C - M M^T C, by 1 / sqrt(3)
    M  <- M and as many more of them, of the trained model, as hold the share `threshold` of C's energy

as in the authors' code (liangyanshuo/InfLoRA at e08b00e, methods/inflora.py, lines 116-158 and 321-412). Keys and
values are adapted, which are shown the same inputs. There, the share rises over the tasks, by their number, to 1; here
it does in the classification setting, and stays as it is in the other one, where a task does not know how many there
are. The code's second form of M, by its complement, saves memory where M fills more than half of the space, and is left
out: M has D2 columns at most.

In a text-to-image model the inputs are the text features of the task's prompt, the same in every layer, but in Stable
Diffusion 3, where they are found by a pass over noisy images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.method import Method, Profile
from harness.spec import ClassOptions
from methods import parts
from methods.lora import LoRAOptions, RankOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class SpaceOptions(RankOptions):
    """What residuals and the memory of inputs can be told, in both settings."""

    threshold: float = Field(0.98, gt=0, le=1, description="share of the inputs' energy that the memory holds")


class InfLoRAOptions(SpaceOptions, LoRAOptions):
    """Options of LoRA, and the threshold."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "inf-lora", like="lora", steps=60, rank=8, token_init="category"
    )


class InfLoRAClassOptions(SpaceOptions, ClassOptions):
    """Options of InfLoRA in the classification setting: the authors' rank, rate and threshold on ImageNet-R."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("inf-lora", rank=8)

    rank: int = Field(10, ge=1, description="rank r of A B")
    learning_rate: float = Field(5e-4, gt=0, description="Adam rate at first; it falls by a cosine over the epochs")


class InfLoRA(Method[SpaceOptions]):
    """Low-rank residuals with designed rows, folded; a basis of past inputs."""

    options_class = InfLoRAOptions
    summary = "LoRA with fixed rows B that are orthogonal to the inputs of all earlier tasks"
    citation = "Liang and Li, InfLoRA, CVPR 2024, arXiv 2404.00228"
    trains = "A of every cross-attention key and value projection; the custom token"
    loss = "L_SD (eq. 1)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.0025, 0.005, 0.01, 0.02),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "threshold": (0.98, 0.998, 0.9998),
    }
    profiles: ClassVar[Mapping[str, Profile]] = {
        "classification": Profile(
            InfLoRAClassOptions,
            trains="A of every key and value projection; the head's rows of the new classes",
            loss="cross-entropy over the new classes",
            search_space={"learning_rate": (1e-3, 3e-3, 1e-2), "threshold": (0.95, 0.98)},
        )
    }

    rows: Mapping[str, Tensor] = {}

    def prepare(self, lesson: Any, generator: torch.Generator) -> None:
        model, o = lesson.model, self.options
        self.token = parts.task_token(model, o, generator)
        if model.token_dim:  # the prompt as the task begins with it
            model.set_token(lesson.token, self.token().detach().to(model.device))
        self.rows = {
            place: parts.designed_rows(moment, self._basis(place, moment), o.rank)
            for place, moment in parts.input_moments(lesson, generator).items()
        }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        import torch

        from harness.backbones.adapters import attach

        o = self.options

        def adapter(name: str, projection: nn.Linear) -> parts.GivenRows | None:
            rows = self.rows.get(parts.place_of(name))
            if rows is None:  # where parameters are counted, without a task
                rows = torch.zeros(o.rank, projection.in_features)
            return None if name.endswith(".q") else parts.GivenRows(projection, rows)

        attach(model, adapter)
        return self.token if self.rows else parts.task_token(model, o, generator)

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return {
            f"basis.{place}": parts.grown_basis(moment, self._basis(place, moment), self._threshold())
            for place, moment in parts.input_moments(lesson, generator).items()
        }

    def _basis(self, place: str, moment: Tensor) -> Tensor:
        """M, (D2, k): of the inputs of all earlier tasks."""
        known = self.memory.get(f"basis.{place}")
        return moment[:, :0] if known is None else known.to(moment)

    def _threshold(self) -> float:
        """The share that the memory holds after this task."""
        start = self.options.threshold
        if not isinstance(self.options, ClassOptions):
            return start
        return start + (1 - start) * (self.task_index - 1) / self.num_tasks
