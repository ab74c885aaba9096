"""Replay: earlier concepts are rehearsed while a new one is learnt, by Custom Diffusion.

L_SD on the new concept + replay_weight L_SD on images of earlier ones, under their own prompts. `replay` keeps real
images of every concept, against the rule of the setting that no data are kept; it says what they are worth.
`generative-replay` (Shin et al., 2017, arXiv 1705.08690) has the model itself draw them before each task, W_{t-1}, so
that nothing but tokens is kept, and errors add up from task to task.

Both papers and T2I-ConBench (K1nght/T2I-ConBench at f5a318d) leave open, or choose otherwise, how many images there are
and how they are weighed: one image a concept there, at the weight of a new one. What is here is ours: as many past
images in a step as new ones, every past concept as likely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.method import Batch
    from harness.settings.customization.task_data import Lesson

SPACE: Mapping[str, Sequence[Any]] = {
    "learning_rate": (0.00025, 0.0005, 0.001, 0.002),
    "token_learning_rate": (0.003, 0.005, 0.01),
    "replay_weight": (0.3, 1.0, 3.0),
}


class ReplayOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion and of replay."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("replay", like="cd", **MINI)

    replay_images: int = Field(16, ge=1, description="real images kept of each concept, at most")
    replay_weight: float = Field(1.0, ge=0, description="weight of the loss on earlier concepts' images")


class Replay(CustomDiffusion):
    """Custom Diffusion with real images of earlier concepts in every step."""

    options: ReplayOptions
    options_class = ReplayOptions
    summary = "Custom Diffusion that rehearses real images of all earlier concepts (it keeps data)"
    citation = f"as in T2I-ConBench, arXiv 2505.16875; on {CustomDiffusion.citation}"
    loss = "L_SD (eq. 1) + replay_weight L_SD on images of earlier concepts"
    keeps_data = "real images of every earlier concept"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = SPACE

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.prompts = parts.remembered_concepts(self.memory)
        for token, embedding in parts.known_tokens(self.memory).items():
            model.set_token(token, embedding.to(model.device))
        self.past = self.past_latents(model, generator)
        self.token = super().begin_task(model, generator)
        return self.token

    def past_latents(self, model: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Token -> (n, c, h, w) latents of earlier concepts, on the model's device."""
        return {token: self.memory[f"latents.{token}"].to(model.device) for token in self.prompts}

    def batch(self, lesson: Lesson, generator: torch.Generator) -> Batch:
        own = super().batch(lesson, generator)
        if not self.past:
            return own
        latents, prompts = parts.rehearsed(self.past, self.prompts, self.options.batch_size, generator)
        return parts.with_rehearsal(own, latents, prompts, self.options.replay_weight)

    def end_task(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        kept = lesson.latents.mean[: self.options.replay_images]
        concept = parts.remembered_concept(lesson, self.token())
        return {**self.memory, **concept, f"latents.{lesson.token}": kept}


class GenerativeReplayOptions(ReplayOptions):
    """Options of replay, and of how images are drawn; fewer of DDIM's steps than for figures, as they cost training."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "generative-replay", like="cd", replay_images=32, replay_steps=8, replay_guidance=2.0, **MINI
    )

    replay_images: int = Field(200, ge=1, description="images drawn before a task, of all earlier concepts together")
    replay_steps: int = Field(50, ge=1, description="DDIM steps of these images")
    replay_guidance: float = Field(6.0, ge=1, description="classifier-free guidance of these images")


class GenerativeReplay(Replay):
    """Custom Diffusion with what the model before drew of earlier concepts in every step."""

    options: GenerativeReplayOptions
    options_class = GenerativeReplayOptions
    summary = "Custom Diffusion that rehearses images of all earlier concepts that the model drew itself"
    citation = f"Shin et al., Deep Generative Replay, NeurIPS 2017, arXiv 1705.08690; on {CustomDiffusion.citation}"
    keeps_data = ""

    def past_latents(self, model: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Drawn by W_{t-1}; where there are more concepts than images, of as many, chosen at random."""
        from harness.spec import Sampling

        o, tokens = self.options, list(self.prompts)
        if not tokens:
            return {}
        draw = Random(generator.initial_seed())
        order = draw.sample(tokens, len(tokens))
        asked = [order[number % len(order)] for number in range(o.replay_images)]
        seeds = [draw.getrandbits(31) for _ in asked]
        sampling = Sampling(
            images=max(2, o.replay_images), solver=model.own_solver, steps=o.replay_steps,
            guidance_scale=o.replay_guidance, eta=0.0,
        )  # fmt: skip
        images = model.generate([self.prompts[token] for token in asked], seeds, sampling)
        latents = model.posterior(images).mean
        return {
            token: latents[[place for place, other in enumerate(asked) if other == token]]
            for token in dict.fromkeys(asked)
        }

    def end_task(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        return {**self.memory, **parts.remembered_concept(lesson, self.token())}
