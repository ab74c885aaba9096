"""How a model's noise is added in training, and what is to be predicted of it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class NoiseSchedule(Protocol):
    """Of latents x_0, noise eps and times t, which number the steps of the schedule from 0."""

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) int64 on the CPU, as the model's trainings draw them."""
        ...

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """x_t, of the latents' shape."""
        ...

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the model is to predict, of the latents' shape."""
        ...

    def told(self, times: Tensor) -> Tensor:
        """What the model is told of the times, (b,)."""
        ...


class Diffusion:
    """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps (Ho et al., 2020); eps is predicted, or v (Salimans and Ho, 2022).

    v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0. Times are uniform.
    """

    def __init__(self, scheduler: Any) -> None:
        """`scheduler`: diffusers' own, whose betas count."""
        self._scheduler = scheduler

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """See `NoiseSchedule`."""
        return torch.randint(int(self._scheduler.config.num_train_timesteps), (count,), generator=generator)

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        found: Tensor = self._scheduler.add_noise(latents, noise, times)
        return found

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        if self._scheduler.config.prediction_type == "v_prediction":
            velocity: Tensor = self._scheduler.get_velocity(latents, noise, times)
            return velocity
        return noise

    def told(self, times: Tensor) -> Tensor:
        """The times themselves."""
        return times


class RectifiedFlow:
    """x_t = (1 - sigma_t) x_0 + sigma_t eps; the velocity eps - x_0 is predicted (Liu et al., 2022).

    Times are as Stable Diffusion 3 is trained (Esser et al., 2024, section 3.1): u is logit-normal, of mean 0 and
    deviation 1, and t its place in the schedule, whose sigmas are shifted towards the noise.
    """

    def __init__(self, scheduler: Any) -> None:
        """`scheduler`: diffusers' FlowMatchEulerDiscreteScheduler, before anything is sampled with it."""
        # from the noisiest on, as diffusers has them; copies, as sampling sets others
        self._told: Tensor = scheduler.timesteps.clone()
        self._sigmas: Tensor = scheduler.sigmas[: len(self._told)].clone()

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """See `NoiseSchedule`."""
        uniform = torch.sigmoid(torch.randn(count, generator=generator))
        return (uniform * len(self._sigmas)).long().clamp(max=len(self._sigmas) - 1)

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        sigma = self._sigmas.to(latents)[times][:, None, None, None]
        return (1 - sigma) * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        return noise - latents

    def told(self, times: Tensor) -> Tensor:
        """1000 sigma."""
        return self._told.to(times.device)[times]
