"""Replay, the classifier's Fisher and the drift term held against sums and gradients written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import CONCEPTS, Course, tiny_model
from torch import Tensor

from harness.backbones.text_to_image import TextToImage
from harness.method import Batch
from harness.settings.customization.task_data import Lesson
from methods import parts
from methods.drift_correction import DriftCorrection, DriftOptions
from methods.ewc_dc import EWCDC, EWCDCOptions


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def lesson(tiny_models: Path) -> Lesson:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    for number in (1, 2, 3):
        model.set_token(f"<v{number}>", 0.5 * torch.randn(model.token_dim, generator=generator(number)))
    return Lesson(model, images, model.posterior(images), "<v3>", "person", True)


# -------------------------------------------------------------------------------------------------------------- replay


def test_a_rehearsing_batch_adds_the_past_ones_mean_loss() -> None:
    own = Batch(torch.zeros(2, 1, 2, 2), ("a",))
    both = parts.with_rehearsal(own, torch.ones(4, 1, 2, 2), ("b", "c", "b", "c"), 0.6)
    assert both.prompts == ("a", "a", "b", "c", "b", "c")
    assert both.share is not None
    assert torch.allclose(both.share, torch.tensor([0.5, 0.5, 0.15, 0.15, 0.15, 0.15]))
    losses = torch.arange(6.0)
    assert float((losses * both.share).sum()) == pytest.approx(losses[:2].mean() + 0.6 * losses[2:].mean())


def test_shares_and_masks_of_a_batch_are_kept() -> None:
    mask = torch.zeros(2, 1, 2, 2)
    own = Batch(torch.zeros(2, 1, 2, 2), ("a", "b"), mask=mask, share=torch.tensor([0.3, 0.9]))
    both = parts.with_rehearsal(own, torch.ones(1, 1, 2, 2), ("c",), 2.0)
    assert both.share is not None
    assert both.mask is not None
    assert both.share.tolist() == pytest.approx([0.3, 0.9, 2.0])
    assert both.mask.flatten(1).sum(dim=1).tolist() == [0, 0, 4]


def test_every_past_concept_is_as_likely_and_so_is_each_of_its_images() -> None:
    latents = {"<v1>": torch.full((1, 1), 1.0), "<v2>": torch.arange(20.0, 30).view(10, 1)}
    drawn, prompts = parts.rehearsed(latents, {"<v1>": "one", "<v2>": "two"}, 4000, generator())
    assert prompts.count("one") / 4000 == pytest.approx(0.5, abs=0.03)
    assert {p for p, x in zip(prompts, drawn, strict=True) if x < 10} == {"one"}
    seen, counts = np.unique(drawn[drawn > 10].numpy(), return_counts=True)
    assert seen.tolist() == list(range(20, 30))
    assert counts.min() > 140


def test_prompts_come_back_in_the_order_of_tasks(lesson: Lesson) -> None:
    memory: dict[str, Tensor] = {}
    for number in (1, 2, 10, 11):
        one = Lesson(lesson.model, lesson.images, lesson.latents, f"<v{number}>", "café ☕", True)
        memory = {**memory, **parts.remembered_concept(one, torch.full((4,), float(number)))}
    assert parts.remembered_concepts(memory) == {f"<v{n}>": f"a photo of a <v{n}> café ☕" for n in (1, 2, 10, 11)}
    assert [float(e[0]) for e in parts.known_tokens(memory).values()] == [1, 2, 10, 11]


def test_replay_keeps_real_images_and_generative_replay_none(tiny_models: Path) -> None:
    kept = {}
    for name in ("replay", "generative-replay"):
        course = Course(name, tiny_model(tiny_models), replay_images=3, replay_steps=2)
        course.teach()
        kept[name] = course.memory
        second = course.teach()
        assert any(second.weights[key].ne(w).any() for key, w in second.before.items())
        assert list(parts.remembered_concepts(course.memory)) == [token for token, _ in CONCEPTS]
    assert {key.partition(".")[0] for key in kept["generative-replay"]} == {"token", "prompt"}
    assert kept["replay"]["latents.<v1>"].shape[0] == 3


def test_generative_replay_draws_by_the_model_before_the_task(tiny_models: Path) -> None:
    """Its images are those that the model of the first task, as folded, draws of the first concept."""
    model = tiny_model(tiny_models)
    course = Course("generative-replay", model, replay_images=2, replay_steps=2, steps=2)
    first = course.teach()
    asked: list[tuple[list[str], dict[str, Tensor]]] = []
    inner = model.generate

    def watched(prompts: Any, seeds: Any, sampling: Any) -> Any:
        asked.append((list(prompts), model.weights()))
        return inner(prompts, seeds, sampling)

    model.generate = watched  # type: ignore[method-assign]
    course.teach()
    (prompts, weights), *more = asked
    assert not more
    assert prompts == [first.prompt] * 2
    assert all(torch.equal(weights[name], w) for name, w in first.weights.items())


# ------------------------------------------------------------------------------------------------ classifier's Fisher


def test_the_classifiers_fisher_is_the_mean_squared_gradient_of_its_cross_entropy(lesson: Lesson) -> None:
    """One ordinary backward pass an example, through a softmax over prompts that is written out."""
    method = EWCDC(EWCDCOptions(known=1, scale=0.05))
    concept = {n: Lesson(lesson.model, lesson.images, lesson.latents, f"<v{n}>", "person", True) for n in (1, 2)}
    method.memory = {key: t for n in (1, 2) for key, t in parts.remembered_concept(concept[n], torch.zeros(4)).items()}
    found = parts.diagonal_fisher(lesson, 2, 2, generator(5), method.losses)

    random = generator(5)
    other = torch.randperm(2, generator=random)[:1].tolist()[0]
    rows = torch.randint(3, (2,), generator=random)
    latents = lesson.latents.draw(rows, random)
    model, scheduler = lesson.model, lesson.model.pipeline.scheduler
    times = torch.randint(int(scheduler.config.num_train_timesteps), (2,), generator=random)
    noise = torch.randn(latents.shape, generator=random)
    prompts = ["a photo of a <v3> person", f"a photo of a <v{other + 1}> person", "a photo of a person"]
    weights = {name: p.weight for name, p in model.projections.items()}
    wanted = {name: torch.zeros(w.shape, dtype=torch.float64) for name, w in weights.items()}
    for weight in weights.values():
        weight.requires_grad_(True)
    for k in range(2):
        share = scheduler.alphas_cumprod[times[k]]
        noisy = share.sqrt() * latents[k] + (1 - share).sqrt() * noise[k]
        errors = []
        for prompt in prompts:
            predicted = model.denoiser(noisy[None], times[k : k + 1], model.encode_prompts([prompt]).features).sample[0]
            errors.append(0.05 * (predicted - noise[k]).square().sum())
        entropy = errors[0] + torch.stack([-e for e in errors]).exp().sum().log()
        for name, gradient in zip(weights, torch.autograd.grad(entropy, list(weights.values())), strict=True):
            wanted[name] += gradient.double().square() / 2
    for weight in weights.values():
        weight.requires_grad_(False)
    for name, fisher in found.items():
        assert torch.allclose(fisher.double(), wanted[name], rtol=1e-3, atol=1e-4 * float(wanted[name].max()))
        assert fisher.any()


# --------------------------------------------------------------------------------------------------------------- drift


def test_the_drift_term_compares_with_the_pretrained_model(lesson: Lesson, tiny_models: Path) -> None:
    model = lesson.model
    with torch.no_grad():
        for number, projection in enumerate(model.projections.values()):
            projection.weight += 0.1 * torch.randn(projection.weight.shape, generator=generator(number))
    method = DriftCorrection(DriftOptions(lambda_drift=3.0, captions=5, prior_images=0, augment=False))
    method.begin_task(model, generator())
    method.batch(lesson, generator(1))
    latents, noise, times, prompts = method.shown
    value = method.penalties()["drift"]

    other = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))  # never touched
    scheduler = other.pipeline.scheduler
    shares = scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
    noisy = shares.sqrt() * latents + (1 - shares).sqrt() * noise
    with torch.no_grad():
        answers = [m.denoiser(noisy, times, m.encode_prompts(prompts).features).sample.double() for m in (model, other)]
    assert float(value.detach()) == pytest.approx(3 * float((answers[0] - answers[1]).square().mean()), rel=1e-4)
    assert value > 0
    value.backward()
    assert all(p.grad is not None for adapter in model.adapters() for p in adapter.parameters())
    assert not any("<v" in prompt for prompt in prompts)


def test_before_any_task_nothing_has_drifted(lesson: Lesson) -> None:
    method = DriftCorrection(DriftOptions(captions=5, prior_images=0, augment=False))
    method.begin_task(lesson.model, generator())
    method.batch(lesson, generator(1))
    assert float(method.penalties()["drift"]) == 0


def test_within_pretrained_the_projections_are_the_initial_ones(lesson: Lesson) -> None:
    model = lesson.model
    name, projection = next(iter(model.projections.items()))
    inputs = torch.randn(1, 2, projection.in_features, generator=generator())
    with torch.no_grad():
        initial = projection(inputs)
        projection.weight += 1
        assert not torch.equal(projection(inputs), initial)
        with model.pretrained():
            assert torch.equal(projection(inputs), initial)
        with pytest.raises(ZeroDivisionError), model.pretrained():
            raise ZeroDivisionError
        assert not torch.equal(projection(inputs), initial)
    assert torch.equal(model.change(name), torch.ones_like(projection.weight))
