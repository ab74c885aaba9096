"""The solvers on data whose denoiser and whose path are known in closed form, and DPM-Solver++ by its paper's formula.

Of data x_0 ~ N(mu, s^2) noised to x_t = a_t x_0 + b_t e, the best guess of the noise is b_t (x_t - a_t mu) / v_t with
v_t = a_t^2 s^2 + b_t^2, and the probability-flow ODE takes x_T to a_t mu + sqrt(v_t / v_T) (x_T - a_T mu).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from numpy.typing import NDArray

from harness.backbones.solvers import scheduler_of
from harness.spec import Solver

MU, S = 0.7, 0.4
START = np.array([-1.3, -0.2, 0.4, 2.1])
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2  # Stable Diffusion's
A = np.sqrt(np.cumprod(1 - BETAS))
B = np.sqrt(1 - A**2)
Floats = NDArray[np.float64]
Prediction = Literal["epsilon", "v_prediction"]


def ddim(prediction: Prediction = "epsilon", spacing: str = "trailing") -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1, timestep_spacing=spacing, prediction_type=prediction,
    )  # fmt: skip


def noise_in(x: Floats, a: float, b: float) -> Floats:
    return b * (x - a * MU) / (a**2 * S**2 + b**2)


def on_the_path(a: float, b: float, start: int = 999) -> Floats:
    """Where the exact path from START at that step is."""
    spread = np.sqrt((a**2 * S**2 + b**2) / (A[start] ** 2 * S**2 + B[start] ** 2))
    return a * MU + spread * (START - A[start] * MU)


def drawn(solver: Solver, steps: int, prediction: Prediction = "epsilon", spacing: str = "trailing") -> list[Floats]:
    """What a scheduler of ours makes of START with the best denoiser, after each step."""
    scheduler: Any = scheduler_of(solver, ddim(prediction, spacing))
    scheduler.set_timesteps(steps)
    x = torch.from_numpy(START).reshape(4, 1, 1, 1)  # UniPC wants images
    found = []
    for t in scheduler.timesteps:
        a, b = A[int(t)], B[int(t)]
        guess = noise_in(x.numpy(), a, b)
        if prediction == "v_prediction":
            guess = a * guess - b * (x.numpy() - b * guess) / a
        x = scheduler.step(torch.from_numpy(guess), t, x).prev_sample
        found.append(np.asarray(x.numpy(), dtype=np.float64).reshape(4))
    return found


def error(solver: Solver, steps: int, prediction: Prediction = "epsilon", spacing: str = "trailing") -> float:
    # the schedule's first step has a little noise left, at which DDIM ends; the others end without
    end = (A[0], B[0]) if solver == "ddim" else (1.0, 0.0)
    return float(np.abs(drawn(solver, steps, prediction, spacing)[-1] - on_the_path(*end)).max())


def error_before_the_last_step(solver: Solver, steps: int, prediction: Prediction) -> float:
    last = round(1000 / steps) - 1
    return float(np.abs(drawn(solver, steps, prediction)[-2] - on_the_path(A[last], B[last])).max())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("solver", ["ddim", "dpmpp", "unipc"])
def test_many_steps_follow_the_exact_path(solver: Solver, prediction: Prediction) -> None:
    assert error(solver, 500, prediction) < 0.01
    assert error(solver, 500, prediction) < error(solver, 50, prediction) < error(solver, 8, prediction)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("solver", ["dpmpp", "unipc"])
def test_steps_of_second_order_come_closer_than_as_many_of_ddim(solver: Solver, prediction: Prediction) -> None:
    """Up to the last one, which goes to no noise at all and is of first order for all of them."""
    for steps in (8, 20, 50):
        theirs = error_before_the_last_step("ddim", steps, prediction)
        assert error_before_the_last_step(solver, steps, prediction) < 0.5 * theirs


@pytest.mark.parametrize("solver", ["dpmpp", "unipc"])
def test_a_backbone_that_leaves_out_the_noisiest_steps_is_solved_from_pure_noise(solver: Solver) -> None:
    for steps in (8, 200):
        scheduler: Any = scheduler_of(solver, ddim(spacing="leading"))
        scheduler.set_timesteps(steps)
        assert int(scheduler.timesteps[0]) == 999
    assert error(solver, 200, spacing="leading") < 0.02


@pytest.mark.parametrize("steps", [1, 2, 8, 20])
def test_dpm_solver_plus_plus_is_its_papers_formula(steps: int) -> None:
    """Algorithm 2 of Lu et al. 2022 (2M), whose last step to no noise at all is of first order."""
    times = np.round(np.arange(1000, 0, -1000 / steps)).astype(int) - 1
    a, b = [*A[times], 1.0], [*B[times], 0.0]
    with np.errstate(divide="ignore"):
        half_log_snr = np.log(a) - np.log(b)
    x, before = START, START
    for i in range(1, steps + 1):
        image = (x - b[i - 1] * noise_in(x, a[i - 1], b[i - 1])) / a[i - 1]
        step = half_log_snr[i] - half_log_snr[i - 1]
        extrapolated = image
        if 1 < i < steps:
            ratio = (half_log_snr[i - 1] - half_log_snr[i - 2]) / step
            extrapolated = (1 + 1 / (2 * ratio)) * image - before / (2 * ratio)
        x, before = b[i] / b[i - 1] * x - a[i] * np.expm1(-step) * extrapolated, image
    np.testing.assert_allclose(drawn("dpmpp", steps)[-1], x, rtol=0, atol=2e-6)
