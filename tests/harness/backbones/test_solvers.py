"""Solvers: which steps they take, that all begin with the same noise, and that trainings know nothing of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tiny_models import make_tiny_families
from torch import Tensor

from harness.backbones.solvers import check_sampling, ddim_of, scheduler_of
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.spec import Sampling, Solver

PROMPT = "a photo of a person"
OTHERS: tuple[Solver, ...] = ("dpmpp", "unipc")
OF_DIFFUSION: tuple[Solver, ...] = ("ddim", *OTHERS)
ETA_0 = {"guidance_scale": 2.0, "eta": 0.0}


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))


@pytest.fixture(scope="module")
def predicts_v(tmp_path_factory: pytest.TempPathFactory) -> TextToImage:
    folder = make_tiny_families(tmp_path_factory.mktemp("families"))
    return TextToImage.load(str(folder / "sd2"), torch.device("cpu"))


def apart(one: Any, other: Any) -> float:
    """Mean difference in grey levels."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


# what is asked for


def test_ddim_is_what_nothing_says_and_older_results_are_keyed_by() -> None:
    assert Sampling().solver == "ddim"
    assert "solver" not in Sampling().model_dump() == Sampling(solver="ddim").model_dump()
    assert Sampling(solver="unipc").model_dump()["solver"] == "unipc"
    assert scheduler_of("ddim", model := object()) is model


def test_eta_is_ddims_alone() -> None:
    tier = Sampling(eta=1.0, steps=200)
    for solver in OTHERS:
        assert Sampling(solver=solver).eta == tier.with_changes({"solver": solver}).eta == 0.0
        assert Sampling(solver=solver).with_changes({"steps": 3}).eta == 0.0
        with pytest.raises(ValidationError, match=r"adds no noise; leave sampling\.eta out"):
            tier.with_changes({"solver": solver, "eta": 0.5})
        with pytest.raises(ValidationError, match="adds no noise"):
            Sampling(solver=solver).with_changes({"eta": 0.5})
    assert tier.with_changes({"solver": "ddim"}).eta == 1.0


def test_tables_say_the_solver_and_eta_where_it_means_something() -> None:
    few = Sampling(steps=8, guidance_scale=2.0, eta=0.0)
    assert few.said == "DDIM, 8 steps, guidance 2, eta 0"
    assert few.with_changes({"solver": "dpmpp"}).said == "DPM-Solver++ (2M), 8 steps, guidance 2"


# what is drawn


@pytest.mark.parametrize("solver", OF_DIFFUSION)
def test_every_solver_begins_with_the_same_noise_and_asks_the_unet_once_a_step(
    model: TextToImage, solver: Solver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    hook = model.denoiser.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    own = model.pipeline.scheduler
    try:
        model.generate(PROMPT, [3, 4], Sampling(solver=solver, steps=5, **ETA_0))
    finally:
        hook.remove()
    noise = torch.stack(
        [torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(s))[0] for s in (3, 4)]
    )
    assert torch.equal(seen[0], torch.cat([noise, noise]))
    assert len(seen) == 5
    assert model.pipeline.scheduler is own
    monkeypatch.setattr(model, "decode_latents", lambda latents: latents)
    monkeypatch.setattr(type(model.pipeline), "__call__", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.generate(PROMPT, [3], Sampling(solver=solver, steps=5, **ETA_0))
    assert model.pipeline.scheduler is own


@pytest.mark.parametrize("solver", OTHERS)
@pytest.mark.parametrize("which", ["model", "predicts_v"])
def test_many_steps_draw_what_many_steps_of_ddim_draw(
    which: str, solver: Solver, request: pytest.FixtureRequest
) -> None:
    model: TextToImage = request.getfixturevalue(which)
    seeds = [0, 1]
    exact = model.generate(PROMPT, seeds, Sampling(steps=100, **ETA_0))
    many = model.generate(PROMPT, seeds, Sampling(solver=solver, steps=80, **ETA_0))
    assert apart(many, exact) < 1.5  # grey levels; DDIM ends with the little noise of the first step
    other = model.generate(PROMPT, [5, 6], Sampling(steps=100, **ETA_0))
    assert apart(other, exact) > 5.0


@pytest.mark.parametrize("solver", OTHERS)
def test_images_do_not_depend_on_their_batch_nor_on_what_was_drawn_before(model: TextToImage, solver: Solver) -> None:
    few = Sampling(solver=solver, steps=4, batch_size=3, **ETA_0)
    together = model.generate(PROMPT, [0, 1, 2], few)
    alone = np.concatenate([model.generate(PROMPT, [seed], few) for seed in (0, 1, 2)])
    assert np.abs(together.astype(int) - alone.astype(int)).max() <= 1
    assert np.array_equal(together, model.generate(PROMPT, [0, 1, 2], few))


@pytest.mark.parametrize("solver", OTHERS)
def test_half_precision_draws_the_same_picture(tiny_models: Path, model: TextToImage, solver: Solver) -> None:
    few = Sampling(solver=solver, steps=6, **ETA_0)
    half = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"), torch.bfloat16)
    assert apart(half.generate(PROMPT, [0, 1], few), model.generate(PROMPT, [0, 1], few)) < 3.0


# which numbers of steps there are


@pytest.mark.parametrize("solver", OF_DIFFUSION)
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
def test_a_number_of_steps_is_refused_exactly_where_diffusers_takes_others(solver: Solver, spacing: str) -> None:
    ddim = ddim_of(diffusers.DDIMScheduler(steps_offset=1, timestep_spacing=spacing, num_train_timesteps=250))
    scheduler = scheduler_of(solver, ddim)
    for steps in range(1, 252):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scheduler.set_timesteps(steps)
            times = scheduler.timesteps.tolist()
            right = len(set(times)) == steps == len(times) and 0 <= min(times) <= max(times) < 250
        except ValueError:
            right = False
        try:
            check_sampling(Sampling(solver=solver, steps=steps, **ETA_0), ddim.config)
        except UsageError:
            assert not right, steps
        else:
            assert right, steps


@pytest.mark.parametrize("solver", OF_DIFFUSION)
def test_too_many_steps_are_one_sentence(model: TextToImage, solver: Solver) -> None:
    with pytest.raises(UsageError, match=r"sampling\.steps=2000 is too many: .* use \d+ or fewer\."):
        model.generate(PROMPT, [0], Sampling(solver=solver, steps=2000, **ETA_0))
    with pytest.raises(UsageError, match=r"sampling\.steps=61 cannot be drawn: .* use 60\."):
        check_sampling(Sampling(solver=solver, steps=61, **ETA_0), {"timestep_spacing": "trailing"})
