"""Drift correction: what the model says to general prompts is held to what it said before any task; details are ours.

L_SD + lambda_drift |eps_theta(x_t, t, c) - eps_theta_0(x_t, t, c)|^2, the mean over a batch, where theta_0 is the
pre-trained model, x the images of the step, and c everyday captions and the class prompt. Laria et al. (2024, arXiv
2410.14159) add such a term, a functional regularisation, to DreamBooth and Custom Diffusion. Their formula, weight,
prompts and images could not be read, and there is no code: this is the idea, not their recipe. With the model before
the task in place of the pre-trained one, on the task's own prompt, it would be learning without forgetting (as in CLoG,
arXiv 2406.04584).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.prompts import class_prompt
from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.text_to_image import TextToImage
    from harness.method import Batch
    from harness.settings.customization.task_data import Lesson


class DriftOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion and of the correction."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("drift-correction", like="cd", **MINI)

    lambda_drift: float = Field(1.0, ge=0, description="weight of the mean squared difference of predictions")
    captions: int = Field(200, ge=1, le=4000, description="everyday captions that the prompts are drawn from")


class DriftCorrection(CustomDiffusion):
    """Custom Diffusion that keeps the pre-trained model's answers to other prompts."""

    options: DriftOptions
    options_class = DriftOptions
    summary = "Custom Diffusion held to the pre-trained model's predictions under general prompts"
    citation = f"after Laria et al., Assessing Open-World Forgetting, arXiv 2410.14159; on {CustomDiffusion.citation}"
    loss = "L_SD (eq. 1) + lambda_drift mean |eps_theta(x_t, t, c) - eps_theta_0(x_t, t, c)|^2 over general prompts c"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_drift": (0.1, 1.0, 10.0, 100.0),
        "learning_rate": (0.0005, 0.001, 0.002),
        "token_learning_rate": (0.003, 0.005, 0.01),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.model: TextToImage = model
        self.general = parts.everyday_captions(self.options.captions)
        return super().begin_task(model, generator)

    def batch(self, lesson: Lesson, generator: torch.Generator) -> Batch:
        import torch

        own = super().batch(lesson, generator)
        count = len(own.latents)
        captions = [
            *self.general,
            *[class_prompt(lesson.category)] * len(self.general),
        ]  # the class prompt half the time
        chosen = torch.randint(len(captions), (count,), generator=generator).tolist()
        self.shown = (
            own.latents,
            torch.randn(own.latents.shape, generator=generator).to(own.latents),
            self.model.noise.draw_times(count, generator).to(own.latents.device),
            [captions[number] for number in chosen],
        )
        return own

    def penalties(self) -> Mapping[str, Tensor]:
        import torch

        latents, noise, times, prompts = self.shown
        with torch.no_grad():
            text = self.model.encode_prompts(prompts)
            with self.model.pretrained():
                before = self.model.predict(latents, noise, times, text)
        now = self.model.predict(latents, noise, times, text)
        return {"drift": self.options.lambda_drift * (now - before).square().mean()}
