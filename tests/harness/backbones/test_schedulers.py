"""Whatever scheduler a pipeline was saved with, training and DDIM add the noise that it adds."""

from __future__ import annotations

import warnings
from typing import Any

import diffusers
import pytest
import torch

from harness.backbones.solvers import ddim_of

BETAS: dict[str, dict[str, Any]] = {
    "as Stable Diffusion": {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    "its own defaults": {},
    "a cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "given": {"trained_betas": [0.001 * (1 + i / 1000) for i in range(1000)]},
    "zero at the end": {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
}
WITH_BETAS = [
    "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler",
    "DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler", "LCMScheduler", "LMSDiscreteScheduler", "PNDMScheduler", "TCDScheduler",
    "UniPCMultistepScheduler",
]  # fmt: skip


@pytest.mark.parametrize("name", WITH_BETAS)
def test_the_noise_is_that_of_the_pipelines_own_scheduler(name: str) -> None:
    kind: Any = getattr(diffusers, name)
    for what, given in BETAS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = kind(**given)
        except (NotImplementedError, TypeError):
            continue
        if "rescale_betas_zero_snr" in given and "rescale_betas_zero_snr" not in theirs.config:
            continue
        ours = ddim_of(theirs)
        # some keep the last one off zero, as they divide by it
        torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=0, atol=1e-6, msg=f"{name}, {what}")
        wanted = {"set_alpha_to_one": False, "steps_offset": 1, "timestep_spacing": "leading"}
        wanted |= {key: theirs.config[key] for key in wanted if key in theirs.config} | {"clip_sample": False}
        assert {key: ours.config[key] for key in wanted} == wanted, (name, what)
