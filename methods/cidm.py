"""CIDM (Dong et al., 2024, arXiv 2410.17594): low-rank weights of each concept, apart, and weighed by the prompt.

Each concept is learnt from the pre-trained weights, W_init + A_t B_t, by the concept consolidation loss; a prompt is
drawn with W_init + sum_i w_i A_i B_i, the elastic weight aggregation, where w_i says how much the prompt speaks of
concept i.

By the authors' code (JiahuaDong/CIFC at 9819aa8). Its loss (lib/pipelines/trainer_edlora.py, lines 258-282) adds to
L_SD, from the second concept on, 0.1 times the mean of |A_t A_i^T|, over entries, matrices and earlier concepts i, and
0.1 times the mean of (A_t - 1)^2; the paper's subspace that tasks share is there as a comment only (LagrangeTerm). Its
aggregation (lib/models/edlora.py, lines 209-231; inference.py) takes the cosine of each concept's token, by itself in a
prompt, with each place of the prompt, beginning and padding too; the largest, to the fourth power; and lets the w_i sum
to 1. It is of cross-attention alone.

Left out: several tokens a concept with an embedding for each layer (Mix-of-Show's), low-rank weights in the text
encoder, self-attention (which is trained there, and not aggregated), attention regularisation by masks, and region
features. As one text is shown to all layers here, so are the w_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from methods import parts
from methods.lora import LoRA, LoRAOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable
    from harness.backbones.text_to_image import TextToImage
    from harness.settings.customization.task_data import Lesson


class CIDMOptions(LoRAOptions):
    """Options of CIDM; rank, rate and weights of the authors' code."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "cidm", steps=60, rank=8, token_init="category", learning_rate=0.01, token_learning_rate=0.01
    )

    learning_rate: float = Field(1e-4, gt=0, description="AdamW rate of A and B")
    token_learning_rate: float = Field(1e-3, gt=0, description="AdamW rate of the custom token")
    rank: int = Field(4, ge=1, description="rank r of A B (and hidden width of the token's MLP, if any)")
    lambda_consolidate: float = Field(0.1, ge=0, description="weight of both terms of the concept consolidation loss")
    power: float = Field(4.0, gt=0, description="power of a concept's likeness to the prompt in the aggregation")
    likeness: Literal["token", "prompt"] = Field(
        "token", description="a concept is known by its token's feature alone, or by that in the prompt of its training"
    )


class CIDM(LoRA):
    """W(prompt) = W_init + sum_i w_i(prompt) A_i B_i."""

    options: CIDMOptions
    options_class = CIDMOptions
    summary = "each concept's low-rank weights kept and kept apart, aggregated by what the prompt speaks of"
    citation = "Dong et al., How to Continually Adapt T2I Diffusion Models, NeurIPS 2024, arXiv 2410.17594"
    loss = "L_SD (eq. 1) + lambda_consolidate (mean |A_t A_i^T| + mean (A_t - 1)^2), from W_init"
    needs_shared_text = True
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.0025, 0.01, 0.04),
        "power": (4.0, 16.0, 64.0),
        "likeness": ("token", "prompt"),
        "lambda_consolidate": (0.001, 0.1),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        def adapter(name: str, projection: nn.Linear) -> parts.FromPretrained:
            return parts.FromPretrained(projection, model.change(name), self.options.rank, generator)

        self.adapters = attach(model, adapter)
        place = next(iter(model.projections.values())).weight
        self.past = {name: kept.to(place) for name, kept in self.memory.items() if name.startswith("A.")}
        return parts.task_token(model, self.options, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        if not self.past:
            return {}
        adapters: Any = self.adapters
        terms = parts.consolidation(self.past, {f"A.{name}": adapter.A for name, adapter in adapters.items()})
        return {name: self.options.lambda_consolidate * value for name, value in terms.items()}

    def end_task(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        adapters: Any = self.adapters
        new = {"concepts": self._concept(lesson)}
        for name, adapter in adapters.items():
            new |= {f"A.{name}": adapter.A, f"B.{name}": adapter.B}
        memory: dict[str, Tensor] = {}
        for name, tensor in new.items():
            one = tensor.detach().cpu()[None]
            past = self.memory.get(name)
            memory[name] = parts.longer(past, one)
        return memory

    def _concept(self, lesson: Lesson) -> Tensor:
        """(dim,): the text feature at the place of V*, which is the first word of a prompt of the token alone."""
        if self.options.likeness == "token":
            return lesson.model.text_inputs([lesson.token], words_only=True)[0][0]
        before = lesson.prompt.partition(lesson.token)[0]
        place = len(lesson.model.text_inputs([before], words_only=True)[0]) - 1  # without the end
        return lesson.model.text_inputs([lesson.prompt], words_only=True)[0][place]

    def for_prompt(self, model: TextToImage, prompt: str) -> Mapping[str, Tensor]:
        text = model.text_inputs([prompt])[0].float()
        weights = parts.shares(self.memory["concepts"].to(text), text, self.options.power)
        found: dict[str, Tensor] = {}
        for name, initial in model.initial.items():
            a, b = (self.memory[f"{factor}.{name}"].to(initial) for factor in "AB")
            found[name] = initial + parts.weighed(weights.to(initial), a, b)
        return found
