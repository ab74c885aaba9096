"""The solvers that images are drawn with: diffusers' own schedulers, on the noise that the backbone was trained with.

Importing this module imports neither torch nor diffusers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.spec import SOLVERS, Sampling, Solver

FLOW_SOLVER = "FlowMatchEulerDiscreteScheduler"  # the noise of a flow, and how it is taken away
TRAINED = 1000  # steps of a noise schedule whose settings name no number
# what says how noise was added in training, and in which steps it is taken away; all else is the solver's own
NOISE = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "rescale_betas_zero_snr",
)  # fmt: skip
SECOND_ORDER: Mapping[str, Any] = {"solver_order": 2, "lower_order_final": True, "final_sigmas_type": "zero"}


def ddim_of(scheduler: Any) -> Any:
    """DDIM with the noise of a pipeline's own scheduler: Stable Diffusion 1.x ships PNDM, which ignores eta."""
    from diffusers import DDIMScheduler

    # what Stable Diffusion's own DDIM configuration says; other schedulers' lack it, and the defaults clip latents
    usual = {"set_alpha_to_one": False, "steps_offset": 1}
    # without the private names, by which diffusers would give DDIM's defaults for what is its own class's default
    own = {name: value for name, value in scheduler.config.items() if not name.startswith("_")}
    return DDIMScheduler.from_config({**usual, **own}, clip_sample=False)


def scheduler_of(solver: Solver, own: Any) -> Any:
    """The scheduler of a solver with the noise of a model's own; that itself for 'ddim', and for 'euler' of a flow.

    DPM-Solver++ is the multistep form of second order, UniPC its B2(h) form of second order with the corrector: as
    their authors advise where images are guided. Both predict the image, and add no noise.
    """
    if solver in ("ddim", "euler"):
        return own
    from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

    noise = {name: own.config[name] for name in NOISE if name in own.config}
    noise["timestep_spacing"] = spacing_of(solver, own.config)
    if solver == "dpmpp":
        own = {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}
        return DPMSolverMultistepScheduler(**noise, **SECOND_ORDER, **own)
    return UniPCMultistepScheduler(**noise, **SECOND_ORDER, predict_x0=True, solver_type="bh2")


def spacing_of(solver: Solver, config: Mapping[str, Any]) -> str:
    """How a solver's steps lie in the noise schedule: 'leading', 'linspace' or 'trailing', as diffusers calls them.

    Args:
        config: of the backbone's scheduler.
    """
    own = str(config.get("timestep_spacing", "leading"))
    # 'leading' of the multistep classes leaves out the noisiest steps where the number does not divide the schedule:
    # 200 of 1000 would begin at 801, though the latent that they begin with is pure noise
    return "linspace" if solver != "ddim" and own == "leading" else own


def check_sampling(sampling: Sampling, config: Mapping[str, Any]) -> None:
    """Make sure that a solver suits the backbone, and its schedule can be cut into so many steps.

    diffusers draws nonsense of some numbers in silence.

    Args:
        config: of the backbone's scheduler, or what its file says.

    Raises:
        UsageError: it does not, or cannot.
    """
    check_solver(sampling.solver, flow=config.get("_class_name", "") == FLOW_SOLVER)
    steps, trained = sampling.steps, int(config.get("num_train_timesteps", TRAINED))
    most = _most(sampling.solver, config, trained)
    if steps > most:
        raise UsageError(
            f"sampling.steps={steps} is too many: with {SOLVERS[sampling.solver]} the backbone's noise schedule of "
            f"{trained} steps has at most {most}; use {most} or fewer."
        )
    if _cut_once_too_often(steps, trained, spacing_of(sampling.solver, config)):
        fits = next(n for n in range(steps - 1, 0, -1) if not _cut_once_too_often(n, trained, "trailing"))
        raise UsageError(
            f"sampling.steps={steps} cannot be drawn: rounding cuts the backbone's noise schedule of {trained} steps "
            f"once too often; use {fits}."
        )


def check_solver(solver: Solver, *, flow: bool) -> None:
    """Make sure that a solver takes away the kind of noise that a backbone was trained with.

    Raises:
        UsageError: it does not.
    """
    if flow and solver != "euler":
        raise UsageError(
            f"sampling.solver={solver} takes away a diffusion's noise, and the backbone is a rectified flow; draw with "
            "--set sampling.solver=euler (of `generate`: --solver euler)."
        )
    if not flow and solver == "euler":
        raise UsageError(
            "sampling.solver=euler is for rectified flows, and the backbone is a diffusion model; use ddim, which is "
            "Euler's method for one where sampling.eta is 0, dpmpp or unipc."
        )


def _most(solver: Solver, config: Mapping[str, Any], trained: int) -> int:
    spacing = spacing_of(solver, config)
    if spacing == "trailing" or solver == "euler":
        return trained
    if solver != "ddim":
        return trained - 1  # one more, and two steps would be the same
    # an offset shifts the noisiest step; where each is taken it would leave the schedule
    return trained - 1 if spacing == "leading" and int(config.get("steps_offset", 0)) else trained


def _cut_once_too_often(steps: int, trained: int, spacing: str) -> bool:
    """Whether diffusers' float division, as of 1000 by 61, gives one step more than asked for, at -1."""
    return spacing == "trailing" and math.ceil(trained / (trained / steps)) != steps
