"""CD+EWC with the Fisher of a diffusion classifier, after Jha et al. (2025, arXiv 2410.00700); details are ours.

A diffusion model names a concept by how well each prompt explains an image, p(c | x) = softmax over prompts c of -s
|eps - eps_theta(x_t, t, c)|^2. The Fisher is that of -log p(c_n | x), for images of the task just learnt, its own
prompt c_n, those of `known` earlier concepts drawn at random, and 'a photo of a X': what it holds on to is what tells
the concepts apart. All else is `cd-ewc`.

The paper's formulas could not be read, and there is no code: the softmax, its scale s, that the errors are summed over
a latent, and that the penalty is on the weights, not on factors of LoRA, are a reconstruction from its abstract and
reviews.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.prompts import class_prompt
from methods import parts
from methods.custom_diffusion import MINI
from methods.custom_diffusion_ewc import CustomDiffusionEWC, EWCOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable
    from harness.settings.customization.task_data import Lesson


class EWCDCOptions(EWCOptions):
    """Options of CD+EWC and of the classifier."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "ewc-dc", like="cd", fisher_samples=64, **MINI
    )

    known: int = Field(5, ge=0, description="earlier concepts among which the classifier chooses")
    scale: float = Field(1.0, gt=0, description="s: what the squared errors, summed over a latent, are multiplied by")


class EWCDC(CustomDiffusionEWC):
    """Custom Diffusion that holds on to what tells concepts apart."""

    options: EWCDCOptions
    options_class = EWCDCOptions
    summary = "Custom Diffusion with EWC's penalty by the Fisher of a diffusion classifier"
    citation = f"after Jha et al., Mining Your Own Secrets, ICLR 2025, arXiv 2410.00700; {CustomDiffusionEWC.citation}"
    loss = "L_SD (eq. 1) + lambda_ewc 1/2 sum_k F_k (W - W_k)^2, F_k of -log softmax_c(-s |eps - eps_theta|^2)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_ewc": (1e-2, 1.0, 1e2, 1e4),
        "learning_rate": (0.0005, 0.001, 0.002),
        "token_learning_rate": (0.003, 0.005, 0.01),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        self.token = super().begin_task(model, generator)
        return self.token

    def end_task(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        o = self.options
        for token, embedding in parts.known_tokens(self.memory).items():
            lesson.model.set_token(token, embedding.to(lesson.model.device))
        fisher = parts.diagonal_fisher(lesson, o.fisher_samples, o.batch_size, generator, self.losses)
        changes = {name: lesson.model.change(name) for name in fisher}
        return {
            **{name: kept for name, kept in self.memory.items() if name.startswith(("token.", "prompt."))},
            **parts.accumulate(fisher, changes, self.memory),
            **parts.remembered_concept(lesson, self.token()),
        }

    def losses(self, lesson: Lesson, size: int, generator: torch.Generator) -> Tensor:
        """-log p(c_n | x) of `size` images of the task, (size,): the same time and noise under every prompt."""
        import torch

        others = list(parts.remembered_concepts(self.memory).values())
        chosen = torch.randperm(len(others), generator=generator)[: self.options.known].tolist()
        prompts = [lesson.prompt, *(others[number] for number in chosen), class_prompt(lesson.category)]
        images = torch.randint(len(lesson.latents), (size,), generator=generator)
        latents = lesson.latents.draw(images, generator)
        times, noise = lesson.noise(latents, generator)
        count = len(prompts)
        text = lesson.model.encode_prompts(prompts)[torch.arange(len(prompts)).repeat(size)]  # example after example
        latents, noise, times = (each.repeat_interleave(count, dim=0) for each in (latents, noise, times))
        errors = lesson.model.denoising_errors(latents, noise, times, text).sum(dim=(1, 2, 3)).view(size, count)
        return -torch.log_softmax(-self.options.scale * errors, dim=1)[:, 0]
