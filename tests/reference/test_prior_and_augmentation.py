"""Custom Diffusion's class images and rescaled images: losses by hand, distributions, and the whole path of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console
from scipy.ndimage import binary_erosion
from scipy.stats import binomtest, kstest
from tests_support import InlineExecutor
from torch import Tensor

from harness import api, registry
from harness.backbones.text_to_image import TextToImage
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.method import Batch
from harness.prompts import FAR, NEAR
from harness.settings.customization import augmentation
from harness.settings.customization.augmentation import augmented, rescale
from harness.settings.customization.prior import with_prior
from harness.settings.customization.task_data import Lesson
from harness.spec import MethodSpec, RunSpec, Tier
from harness.store.image_sets import load_images
from methods.custom_diffusion import CustomDiffusion, CustomDiffusionOptions

Image = NDArray[np.uint8]
OWN, CLASS = "a photo of a <v1> person", "a photo of a person"
GREY = 128  # 0.5, rounded


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_images(seed: int, count: int, size: int = 16) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture
def lesson(tiny_models: Path) -> Lesson:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    model.set_token("<v1>", 0.5 * torch.randn(model.token_dim, generator=generator(1)))
    images = noise_images(0, 3)
    prior = model.posterior(noise_images(1, 5))
    return Lesson(model, images, model.posterior(images), "<v1>", "person", True, prior=prior)


def squared_errors(lesson: Lesson, latent: Tensor, prompt: str, time: int, noise: Tensor) -> Tensor:
    """(c, h, w): squared errors of one example's noise prediction, one U-Net call per example."""
    model = lesson.model
    kept = model.pipeline.scheduler.alphas_cumprod[time]
    noisy = kept.sqrt() * latent + (1 - kept).sqrt() * noise
    with torch.no_grad():
        predicted = model.denoiser(noisy[None], torch.tensor([time]), model.encode_prompts([prompt]).features).sample[0]
    return (predicted - noise).double() ** 2


def draws(batch: Batch, seed: int) -> list[tuple[Tensor, int, Tensor]]:
    """(latent, time, noise) of each example, as a generator with this seed gives them."""
    random = generator(seed)
    times = torch.randint(1000, (len(batch.latents),), generator=random)
    noise = torch.randn(batch.latents.shape, generator=random)
    return [(batch.latents[k], int(times[k]), noise[k]) for k in range(len(batch.latents))]


# -------------------------------------------------------------------------------------------------------- class images


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0, 3.0])
@pytest.mark.parametrize("size", [1, 4])
def test_loss_is_that_of_own_images_plus_weight_times_that_of_class_images(
    lesson: Lesson, weight: float, size: int
) -> None:
    batch = with_prior(lesson.plain(size, generator(2)), lesson, weight, generator(3))
    assert batch.share is not None
    assert float(batch.share.sum()) == pytest.approx(1 + weight)
    assert batch.prompts == (*[OWN] * size, *[CLASS] * size)
    assert batch.mask is None
    examples = draws(batch, 4)
    own = [float(squared_errors(lesson, x, OWN, t, e).mean()) for x, t, e in examples[:size]]
    prior = [float(squared_errors(lesson, x, CLASS, t, e).mean()) for x, t, e in examples[size:]]
    expected = sum(own) / size + weight * sum(prior) / size
    assert lesson.loss(batch, generator(4)).item() == pytest.approx(expected, rel=1e-5)


def test_class_images_are_drawn_from_the_prior_with_replacement(lesson: Lesson) -> None:
    own = lesson.plain(64, generator(2))
    batch = with_prior(own, lesson, 1.0, generator(3))
    assert lesson.prior is not None
    assert torch.equal(batch.latents[:64], own.latents)
    seen = Counter(
        next(k for k, image in enumerate(lesson.prior.mean) if torch.equal(image, latent))
        for latent in batch.latents[64:]
    )
    assert set(seen) == set(range(5))
    again = with_prior(own, lesson, 1.0, generator(3))
    assert torch.equal(again.latents, batch.latents)
    assert not torch.equal(with_prior(own, lesson, 1.0, generator(4)).latents, batch.latents)


def test_prompts_and_masks_of_own_images_stay_with_them(lesson: Lesson) -> None:
    mask = (torch.rand(2, 1, 8, 8, generator=generator(1)) < 0.5).float()
    own = Batch(lesson.latents.mean[:2], ("a far away " + OWN[2:], OWN), mask=mask)
    batch = with_prior(own, lesson, 0.5, generator(3))
    assert batch.prompts == ("a far away photo of a <v1> person", OWN, CLASS, CLASS)
    assert batch.mask is not None
    assert torch.equal(batch.mask[:2], mask)
    assert torch.equal(batch.mask[2:], torch.ones(2, 1, 8, 8))


def test_without_class_images_there_is_an_error(lesson: Lesson) -> None:
    bare = replace(lesson, prior=None)
    with pytest.raises(ValueError, match="no class images"):
        with_prior(bare.plain(2, generator()), bare, 1.0, generator())


@pytest.mark.parametrize("prior", [0, 5])
@pytest.mark.parametrize("augment", [False, True])
def test_custom_diffusions_batches(lesson: Lesson, prior: int, augment: bool) -> None:
    method = CustomDiffusion(CustomDiffusionOptions(batch_size=3, prior_images=prior, augment=augment))
    assert method.prior_images() == prior
    batch = method.batch(lesson, generator(5))
    assert len(batch.latents) == (6 if prior else 3)
    assert (batch.mask is not None) == augment
    assert (batch.share is not None) == bool(prior)


# -------------------------------------------------------------------------------------------------------- masked losses


def test_masked_loss_by_hand(lesson: Lesson) -> None:
    mask = torch.zeros(3, 1, 8, 8)
    mask[0, :, 2:5, 1:7], mask[1], mask[2, :, 3, 3] = 1, 1, 1
    batch = Batch(lesson.latents.mean, (OWN, "a far away photo of a <v1> person", CLASS), mask=mask)
    expected = []
    for k, (latent, time, noise) in enumerate(draws(batch, 6)):
        errors = squared_errors(lesson, latent, batch.prompts[k], time, noise)
        counted = [float(errors[c, i, j]) for c in range(4) for i in range(8) for j in range(8) if mask[k, 0, i, j]]
        expected.append(sum(counted) / len(counted))
    found = lesson.losses(batch, generator(6)).detach()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    assert lesson.loss(batch, generator(6)).item() == pytest.approx(sum(expected) / 3, rel=1e-5)


def test_masked_loss_does_not_see_errors_outside(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:5, 2:5] = 1
    batch = Batch(lesson.latents.mean[:2], (OWN,), mask=mask)
    losses = []
    for outside in (0.0, 1e6):
        errors = torch.where(mask > 0, 3.0, outside).expand(2, 4, 8, 8)
        monkeypatch.setattr(lesson.model, "denoising_errors", lambda *given, errors=errors: errors)
        losses.append(lesson.losses(batch, generator()).tolist())
    assert losses == [[3.0, 3.0], [3.0, 3.0]]


# -------------------------------------------------------------------------------------------------------- augmentation


def many(image: Image, cells: int, count: int, seed: int = 0) -> list[tuple[Image, NDArray[np.bool_], str]]:
    random = generator(seed)
    pixels = torch.from_numpy(image).permute(2, 0, 1)
    found = [rescale(pixels, cells, random) for _ in range(count)]
    return [(changed.permute(1, 2, 0).numpy(), mask.numpy() > 0, words) for changed, mask, words in found]


def test_how_often_each_kind_comes() -> None:
    """2/3 at or below 1, of which 0.4 below 0.6; 1/3 above: 4 : 6 : 5 of far, plain, near; two prefixes each."""
    count = 3000
    seen = Counter(words for _, _, words in many(noise_images(0, 1)[0], 8, count))
    assert set(seen) == {"a ", *FAR, *NEAR}
    shares = {"a ": 0.4, **dict.fromkeys(FAR, 2 / 15), **dict.fromkeys(NEAR, 1 / 6)}
    for words, share in shares.items():
        assert binomtest(seen[words], count, share).pvalue > 1e-3, words


def square(image: Image) -> tuple[int, int, int]:
    """(top, left, side) of what is not grey."""
    rows, columns = np.nonzero((image != GREY).any(axis=2))
    top, left = int(rows.min()), int(columns.min())
    side = int(rows.max()) + 1 - top
    assert int(columns.max()) + 1 - left == side
    assert len(rows) == side * side
    return top, left, side


def test_far_images_are_pasted_anywhere_at_scales_from_a_third_to_six_tenths() -> None:
    size = 96
    white = np.full((size, size, 3), 255, np.uint8)
    far = [square(image) for image, _, words in many(white, 12, 700) if words in FAR]
    assert len(far) > 100
    sides = np.array([side for _, _, side in far])
    assert sides.min() >= round(size / 3)
    assert sides.max() <= round(0.6 * size)
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, len(sides))  # undo the rounding
    assert kstest((sides + spread) / size, "uniform", args=(1 / 3, 0.6 - 1 / 3)).pvalue > 1e-3
    for places in ([t for t, _, _ in far], [left for _, left, _ in far]):
        spread = np.random.default_rng(1).uniform(0, 1, len(sides))
        assert kstest((np.array(places) + spread) / (size - sides + 1), "uniform").pvalue > 1e-3


def test_near_images_are_crops_at_scales_from_1_2_to_1_4() -> None:
    """A ramp of 1 level a pixel, enlarged by s, rises by 1/s; its first value says where the crop begins."""
    size = 200
    ramp = np.broadcast_to(np.arange(size, dtype=np.uint8)[None, :, None], (size, size, 3))
    scales, starts = [], []
    for image, mask, words in many(np.ascontiguousarray(ramp), 8, 500):
        if words not in NEAR:
            continue
        assert image.shape == (size, size, 3)
        assert mask.all()
        row = image[0, :, 0].astype(float)
        assert (image == image[:1]).all()
        slope = abs(np.polyfit(np.arange(20, size - 20), row[20:-20], 1)[0])
        scales.append(1 / slope)
        starts.append(min(row[0], row[-1]))
    assert len(scales) > 100
    assert min(scales) > 1.19
    assert max(scales) < 1.41
    assert kstest(scales, "uniform", args=(1.2, 0.2)).pvalue > 1e-3
    assert max(starts) > 40
    assert min(starts) < 3


def test_plain_images_are_the_image_or_its_mirror() -> None:
    image = noise_images(3, 1)[0]
    plain = [(changed, mask) for changed, mask, words in many(image, 8, 600) if words == "a "]
    mirrored = [bool((changed == image[:, ::-1]).all()) for changed, _ in plain]
    assert all(m or (changed == image).all() for m, (changed, _) in zip(mirrored, plain, strict=True))
    assert binomtest(sum(mirrored), len(mirrored), 0.5).pvalue > 1e-3
    assert all(mask.all() for _, mask in plain)


def test_far_and_near_images_show_what_was_there() -> None:
    """Left half dark, right half bright: so is what is pasted or cropped, or its mirror."""
    size = 64
    image = np.full((size, size, 3), 20, np.uint8)
    image[:, size // 2 :] = 230
    mirrored = Counter[tuple[bool, bool]]()
    for changed, _, words in many(image, 8, 400):
        if words == "a ":
            continue
        top, left, side = square(changed) if words in FAR else (0, 0, size)
        inner = changed[
            top : top + side,
            left : left + side,
            :,
        ]
        first, last = int(inner[:, 0].mean()), int(inner[:, -1].mean())
        assert {first < 40, last < 40} == {True, False}
        assert {first > 210, last > 210} == {True, False}
        mirrored[words in FAR, first > last] += 1
    assert len(mirrored) == 4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), cells=st.integers(6, 16), factor=st.sampled_from([1, 2, 4, 8]))
def test_mask_covers_whole_cells_within_the_square(seed: int, cells: int, factor: int) -> None:
    size = cells * factor
    white = np.full((size, size, 3), 255, np.uint8)
    for image, mask, words in many(white, cells, 6, seed):
        assert image.shape == white.shape
        assert image.dtype == np.uint8
        assert mask.shape == (cells, cells)
        assert mask.any()
        if words not in FAR:
            assert mask.all()
            assert (image == 255).all()
            continue
        pasted = (image == 255).all(axis=2)
        assert (image[~pasted] == GREY).all()
        whole = pasted.reshape(cells, factor, cells, factor).all(axis=(1, 3))
        inner = binary_erosion(whole, np.ones((3, 3), bool))
        assert (mask == (inner if inner.any() else whole)).all()


def test_augmented_batch(lesson: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Tensor, Tensor, str]] = []

    def watched(*arguments: Any) -> tuple[Tensor, Tensor, str]:
        made.append(rescale(*arguments))
        return made[-1]

    monkeypatch.setattr(augmentation, "rescale", watched)
    batch = augmented(lesson, 12, generator(8))
    assert len(made) == 12
    assert batch.prompts == tuple(words + "photo of a <v1> person" for _, _, words in made)
    words = {words for _, _, words in made}
    assert "a " in words
    assert words & set(FAR)
    assert words & set(NEAR)
    expected = lesson.model.posterior(np.stack([image.permute(1, 2, 0).numpy() for image, _, _ in made]))
    torch.testing.assert_close(batch.latents, expected.mean)
    assert batch.mask is not None
    assert batch.mask.shape == (12, 1, 8, 8)
    assert torch.equal(batch.mask[:, 0], torch.stack([mask for _, mask, _ in made]))
    assert batch.share is None
    assert bool(torch.isfinite(lesson.losses(batch, generator())).all())

    again = augmented(lesson, 12, generator(8))
    assert torch.equal(again.latents, batch.latents)
    assert again.prompts == batch.prompts
    assert not torch.equal(augmented(lesson, 12, generator(9)).latents, batch.latents)


# ------------------------------------------------------------------------------------------------------- the whole path


def test_a_run_makes_class_images_once_per_category(
    tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks 1 and 3 of mixed50 are people, task 2 is a waterfall: two sets of class images for three trainings."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    changes = {"steps": 4, "batch_size": 2, "prior_images": 4, "augment": True}
    methods = (MethodSpec(name="cd", changes=changes),)
    prepared = api.prepare(RunSpec(benchmark="mixed50", methods=methods, tasks=(1, 2, 3), output=tmp_path))
    executor, display = InlineExecutor(prepared.plan.context, prepared.store.root), QuietDisplay(Console(quiet=True))
    outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
    assert not outcome.failed
    assert executor.ran.count("prior") == 2
    assert executor.ran.count("train") == 3
    steps = prepared.plan.steps.values()
    priors = {step.recipe["category"]: step.key for step in steps if step.kind == "prior"}
    assert set(priors) == {"person", "waterfall"}
    trains = sorted((s for s in steps if s.kind == "train"), key=lambda s: int(s.work["task"].index))
    assert [s.work["prior"] for s in trains] == [priors["person"], priors["waterfall"], priors["person"]]
    assert all(s.work["prior"] in s.parents for s in trains)
    images = {category: load_images(prepared.store.open(key).folder / "images") for category, key in priors.items()}
    assert all(found.shape == (4, 16, 16, 3) for found in images.values())
    assert not np.array_equal(images["person"], images["waterfall"])
    for step in trains:
        training = prepared.store.open(step.key).json("training.json")
        assert all(np.isfinite(entry["sd"]) for entry in training["losses"])
