"""CD (Merge): Custom Diffusion for each concept alone, merged by a closed form (Kumari et al., 2023, eq. 4).

The paper ran out of memory at 50 concepts. Here a concept leaves its constraints' features and targets, a few rows, and
not its weights; the factorisation is shared by all matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.prompts import prompt_for
from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    from torch import Tensor

    from harness.backbones.text_to_image import TextToImage


class MergeOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion and of the merge."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("cd-merge", **MINI)

    captions: int = Field(1000, ge=1, le=4000, description="everyday captions whose keys and values are kept (C_reg)")
    ridge: float = Field(
        0.0, ge=0, description="softness of the constraints, relative; 0: hard, as published, for independent rows only"
    )


class CustomDiffusionMerge(CustomDiffusion):
    """What `ub` learns of each concept, in one model."""

    options: MergeOptions
    options_class = MergeOptions
    summary = "Custom Diffusion for each concept alone, merged in closed form"
    loss = (
        "L_SD (eq. 1) for each concept alone; then min ||(W - W_init) C_reg^T|| subject to W C^T = V^T "
        "(Kumari et al., eq. 4)"
    )
    base_method = "ub"
    needs_shared_text = True
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.001, 0.002, 0.004),
        "token_learning_rate": (0.003, 0.005, 0.01),
        "ridge": (0.0001, 0.001, 0.01, 0.1),
    }

    def merge(
        self, model: TextToImage, alone: Mapping[str, Tensor], token: str, category: str
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        import torch

        o = self.options
        memory = dict(self.memory)
        if not memory:
            captions = [f"a photo of a {category}", *parts.everyday_captions(o.captions)]
            memory["gram"] = parts.gram(parts.caption_features(model, captions))
        subject = prompt_for(token, category, o.category_word)
        features = parts.caption_features(model, [subject.removeprefix("a photo of a "), subject])
        known = memory.get("constraints", features[:0])
        fresh = parts.without_repeats(features, known)
        memory["constraints"] = constraints = torch.cat([known, fresh])
        concept = int(memory["owners"].max()) + 1 if len(known) else 1
        owners = memory.get("owners", torch.zeros(0, dtype=torch.int64))
        memory["owners"] = torch.cat([owners, torch.full((len(fresh),), concept)])
        names = [f"task {int(owner)}" for owner in memory["owners"]]
        projector = parts.projector(memory["gram"], constraints, names, o.ridge)
        weights: dict[str, Tensor] = {}
        for name, initial in model.initial.items():
            own = fresh @ alone[name].double().T
            past = memory.get(f"targets.{name}", own[:0])
            memory[f"targets.{name}"] = targets = torch.cat([past, own])
            weights[name] = parts.merged(initial.double().cpu(), constraints, targets, projector).float()
        return weights, memory
