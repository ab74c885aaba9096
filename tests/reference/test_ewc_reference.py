"""EWC's Fisher held against one backward pass per example, its running memory against the sum over all tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from harness.backbones.adapters import attached
from harness.backbones.text_to_image import TextToImage
from harness.settings.customization.task_data import Lesson
from methods.custom_diffusion_ewc import CustomDiffusionEWC, EWCOptions
from methods.parts import accumulate, diagonal_fisher, ewc_loss

SHAPES = {"k": (4, 3), "v": (2, 3)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def lesson(tiny_models: Path) -> Lesson:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    model.set_token("<v1>", 0.5 * torch.randn(model.token_dim, generator=generator(1)))
    return Lesson(model, images, model.posterior(images), "<v1>", "person", True)


# -------------------------------------------------------------------------------------------------------------- Fisher


def one_gradient(lesson: Lesson, latent: Tensor, time: int, noise: Tensor) -> dict[str, Tensor]:
    """The gradient of one example's L_SD (eq. 1) with respect to the weights themselves, by an ordinary backward."""
    model = lesson.model
    scheduler = model.pipeline.scheduler
    assert scheduler.config.prediction_type == "epsilon"
    kept = scheduler.alphas_cumprod[time]
    noisy = kept.sqrt() * latent + (1 - kept).sqrt() * noise
    text = model.encode_prompts(["a photo of a <v1> person"]).features
    weights = {name: projection.weight for name, projection in model.projections.items()}
    for weight in weights.values():
        weight.requires_grad_(True)
    predicted = model.denoiser(noisy[None], torch.tensor([time]), text).sample[0]
    gradients = torch.autograd.grad((predicted - noise).square().mean(), list(weights.values()))
    for weight in weights.values():
        weight.requires_grad_(False)
    return {name: gradient.double() for name, gradient in zip(weights, gradients, strict=True)}


def chunks_of_gradients(lesson: Lesson, count: int, size: int, seed: int) -> list[list[dict[str, Tensor]]]:
    """One gradient per example, chunk by chunk: images, then times, then noise come from the same generator."""
    random = generator(seed)
    chunks = []
    for start in range(0, count, size):
        n = min(size, count - start)
        chosen = torch.randint(len(lesson.latents), (n,), generator=random)
        times = torch.randint(1000, (n,), generator=random)
        noise = torch.randn((n, *lesson.latents.mean.shape[1:]), generator=random)
        chunks.append([one_gradient(lesson, lesson.latents.mean[chosen[k]], int(times[k]), noise[k]) for k in range(n)])
    return chunks


@pytest.mark.parametrize(("count", "size"), [(6, 3), (7, 3), (2, 8), (4, 1)])
def test_fisher_is_the_mean_square_of_each_examples_gradient(lesson: Lesson, count: int, size: int) -> None:
    found = diagonal_fisher(lesson, count, size, generator(5))
    examples = [g for chunk in chunks_of_gradients(lesson, count, size, 5) for g in chunk]
    assert len(examples) == count
    assert set(found) == set(lesson.model.projections)
    for name, fisher in found.items():
        expected = sum(g[name] ** 2 for g in examples) / count
        assert fisher.dtype == torch.float32
        assert float(expected.max()) > 0  # type: ignore[union-attr]
        error = (fisher.double() - expected).abs().max() / expected.max()  # type: ignore[union-attr]
        assert float(error) < 1e-4, name


def test_fisher_is_not_the_square_of_a_batchs_gradient(lesson: Lesson) -> None:
    """Squares of batch gradients, summed or averaged, are another thing, and by far."""
    count, size = 6, 3
    found = diagonal_fisher(lesson, count, size, generator(5))
    chunks = chunks_of_gradients(lesson, count, size, 5)
    for name, fisher in found.items():
        sums = [sum((g[name] for g in chunk), torch.zeros(fisher.shape).double()) for chunk in chunks]
        for scale in (1 / count, 1 / size, 1 / size**2 / len(chunks)):
            wrong = scale * sum(s**2 for s in sums)
            assert float((fisher.double() - wrong).norm() / fisher.double().norm()) > 0.1, (name, scale)


def test_fisher_leaves_the_model_as_it_was(lesson: Lesson) -> None:
    model = lesson.model
    before = model.weights()
    diagonal_fisher(lesson, 2, 2, generator())
    for name, projection in model.projections.items():
        assert torch.equal(projection.weight, before[name])
        assert not projection.weight.requires_grad
        assert projection.weight.grad is None
        assert not projection._forward_hooks


# ------------------------------------------------------------------------------------------------ the running memory


@st.composite
def tasks(draw: st.DrawFn) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """(F_k, W_k - W_init) of one to four tasks; some entries of F_k are exactly 0, some matrices wholly."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        random = generator(draw(st.integers(0, 2**31)))
        share = draw(st.sampled_from([0.0, 0.3, 1.0]))  # of zeros
        scale = 10.0 ** draw(st.integers(-6, 3))
        fisher, change = {}, {}
        for name, shape in SHAPES.items():
            values = scale * torch.rand(shape, generator=random, dtype=torch.float64)
            fisher[name] = values * (torch.rand(shape, generator=random) >= share)
            change[name] = torch.randn(shape, generator=random, dtype=torch.float64)
        found.append((fisher, change))
    return found


def explicit(seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]], name: str, w: Tensor) -> tuple[float, Tensor]:
    """sum_k 1/2 F_k (W - W_k)^2 and its gradient, with every task's F_k and W_k at hand."""
    value = sum(0.5 * float((fisher[name] * (w - change[name]) ** 2).sum()) for fisher, change in seen)
    return value, sum((f[name] * (w - c[name]) for f, c in seen), torch.zeros_like(w))


@settings(max_examples=60, deadline=None)
@given(seen=tasks(), seed=st.integers(0, 2**31))
def test_two_tensors_hold_the_sum_over_all_tasks(
    seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]], seed: int
) -> None:
    memory: dict[str, Tensor] = {}
    for fisher, change in seen:
        memory = accumulate(fisher, change, memory)
    random = generator(seed)
    changes = {name: torch.randn(shape, generator=random, dtype=torch.float64) for name, shape in SHAPES.items()}
    values, truths = [], []
    for _ in range(2):
        residuals = {
            name: torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True)
            for name, shape in SHAPES.items()
        }
        loss = ewc_loss(memory, changes, residuals)
        assert loss is not None
        loss.backward()
        truth = 0.0
        for name, residual in residuals.items():
            w = changes[name] + residual.detach()
            value, gradient = explicit(seen, name, w)
            truth += value
            assert residual.grad is not None
            size = sum((f[name] * (w - c[name]).abs() for f, c in seen), torch.zeros_like(w))  # what may cancel
            assert bool(((residual.grad - gradient).abs() <= 1e-12 * size).all())
        values.append(loss.item())
        truths.append(truth)
    assert values[1] - values[0] == pytest.approx(truths[1] - truths[0], rel=1e-9, abs=1e-11 * max(truths))


def test_one_task_on_paper() -> None:
    fisher, change = {"k": torch.tensor([[2.0, 0.0]])}, {"k": torch.tensor([[1.0, 5.0]])}
    memory = accumulate(fisher, change, {})
    loss = ewc_loss(memory, {"k": torch.tensor([[0.5, 0.0]])}, {"k": torch.tensor([[3.0, 9.0]])})
    assert loss is not None
    assert loss.item() == 0.5 * 2.0 * (3.5 - 1.0) ** 2


def test_memory_stays_of_one_size() -> None:
    memory: dict[str, Tensor] = {}
    sizes = []
    for task in range(5):
        random = generator(task)
        fisher = {name: torch.rand(shape, generator=random) for name, shape in SHAPES.items()}
        memory = accumulate(
            fisher, {name: torch.randn(f.shape, generator=random) for name, f in fisher.items()}, memory
        )
        sizes.append({name: (tensor.shape, tensor.dtype) for name, tensor in memory.items()})
    assert set(sizes[0]) == {"fisher.k", "anchor.k", "fisher.v", "anchor.v"}
    assert all(size == sizes[0] for size in sizes)


# ---------------------------------------------------------------------------------------------------------- the method


def test_first_task_has_no_penalty_and_the_second_has_the_first_ones(lesson: Lesson) -> None:
    model = lesson.model
    assert ewc_loss({}, {}, {}) is None
    options = EWCOptions(lambda_ewc=7.0, fisher_samples=3, batch_size=2)
    first = CustomDiffusionEWC(options)
    first.begin_task(model, generator())
    assert first.penalties() == {}
    random = generator(3)
    for adapter in attached(model.projections.values()):
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.normal_(0, 0.1, generator=random)
    model.fold()
    learnt = model.weights()
    memory = first.end_task(lesson, generator(4))
    fisher = diagonal_fisher(lesson, 3, 2, generator(4))

    second = CustomDiffusionEWC(options)
    second.memory = memory
    second.begin_task(model, generator())
    assert second.penalties()["ewc"].item() == pytest.approx(0.0, abs=1e-9)  # nothing has moved
    for adapter in attached(model.projections.values()):
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.normal_(0, 0.1, generator=random)
        adapter.refresh()
    now = {name: projection(torch.eye(projection.in_features)).detach().T
               for name, projection in model.projections.items()}  # fmt: skip
    expected = sum(
        7.0 * 0.5 * float((fisher[name].double() * (now[name].double() - learnt[name].double()) ** 2).sum())
        for name in now
    )
    assert expected > 0
    assert second.penalties()["ewc"].item() == pytest.approx(expected, rel=1e-4)
