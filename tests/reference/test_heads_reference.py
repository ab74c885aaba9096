"""RanPAC's closed form and SLCA's alignment held against NumPy and a loop with its own gradients, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_classifier import ClassCourse
from torch import Tensor

from methods.parts import heads


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -------------------------------------------------------------------------------------------------------------- RanPAC


def test_ridge_regression_is_the_least_squares_of_rows_with_a_penalty() -> None:
    hidden, targets = draws(30, 5), draws(30, 3, seed=1)
    found = heads.ridge_regression(hidden.T @ hidden, hidden.T @ targets, 0.7).numpy()
    stacked = np.vstack([hidden.numpy(), 0.7**0.5 * np.eye(5)])
    wanted, *_ = np.linalg.lstsq(stacked, np.vstack([targets.numpy(), np.zeros((5, 3))]), rcond=None)
    assert np.allclose(found, wanted, rtol=1e-9)


def test_random_features_are_rectified_products() -> None:
    features, projection = draws(4, 3), draws(3, 6, seed=1)
    wanted = np.maximum(features.numpy() @ projection.numpy(), 0)
    assert np.allclose(heads.random_features(features, projection).numpy(), wanted)


@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_the_ridge_is_the_best_of_all_on_the_images_held_out(noise: float) -> None:
    hidden = draws(50, 20).abs()
    targets = hidden @ draws(20, 2, seed=1) + noise * draws(50, 2, seed=2)
    found = heads.chosen_ridge(hidden, targets, torch.Generator().manual_seed(3))
    order = torch.randperm(50, generator=torch.Generator().manual_seed(3)).numpy()
    fit, held = order[:40], order[40:]
    x, y = hidden.numpy(), targets.numpy()
    errors = {}
    for power in range(-8, 9):
        solved = np.linalg.solve(x[fit].T @ x[fit] + 10.0**power * np.eye(20), x[fit].T @ y[fit])
        errors[10.0**power] = float(((x[held] @ solved - y[held]) ** 2).mean())
    assert errors[found] == pytest.approx(min(errors.values()), rel=1e-6)
    assert found < 1 if noise < 1 else found >= 1


def test_sums_over_tasks_are_those_over_all_images_at_once() -> None:
    """RanPAC's head after two tasks is the ridge regression of all images seen, whatever their order."""
    course = ClassCourse("ranpac", features=40)
    lessons = []
    for _ in range(2):
        lessons.append(course.lesson())
        second = course.teach(lesson=lessons[-1])
    hidden, labels = [], []
    for lesson in lessons:  # after the first task the ViT stays as it is
        features = torch.cat([course.model.features(images).double() for images, _ in lesson.shown()])
        hidden.append(heads.random_features(features, second.memory["projection"]))
        labels.append(torch.cat([each for _, each in lesson.shown()]))
    x, y = torch.cat(hidden).numpy(), np.eye(len(course.model.head_bias))[torch.cat(labels).numpy()]
    assert np.allclose(second.memory["gram"].numpy(), x.T @ x, rtol=1e-6)
    assert np.allclose(second.memory["products"].numpy(), x.T @ y, rtol=1e-6)


# ---------------------------------------------------------------------------------------------------------------- SLCA


def test_gaussians_are_each_classs_own() -> None:
    features, labels = draws(30, 4), torch.arange(30) % 3 + 5
    means, covariances = heads.class_gaussians(features, labels)
    for place, label in enumerate((5, 6, 7)):
        own = features[labels == label].numpy()
        assert np.allclose(means[place].numpy(), own.mean(axis=0))
        assert np.allclose(covariances[place].numpy(), np.cov(own.T) + 1e-4 * np.eye(4))


def test_logits_are_divided_by_the_mean_norm_of_tasks() -> None:
    logits = torch.tensor([[3.0, 4.0, 0.0, 12.0], [1.0, 0.0, 0.0, 1.0]])
    found = heads.normalised_logits(logits, torch.tensor([0, 0, 1, 1]), 0.5)
    assert torch.allclose(found[0], logits[0] / 8.5 / 0.5)
    assert torch.allclose(found[1], logits[1] / 0.5)


def test_alignment_is_sgd_on_drawn_features() -> None:
    """Two epochs by hand: momentum 0.9, weight decay 5e-4, the rate halved by the cosine in the second."""
    weight, bias = draws(3, 2).float(), draws(3, seed=1).float()
    means, tasks, samples, rate = draws(3, 2, seed=2), torch.tensor([0, 0, 1]), 4, 0.1
    factors = torch.tril(draws(3, 2, 2, seed=3)) + 2 * torch.eye(2)
    covariances = factors @ factors.mT
    found = heads.aligned_heads(
        (weight, bias), means, covariances, tasks, epochs=2, rate=rate, samples=samples, temperature=0.2,
        generator=torch.Generator().manual_seed(5),
    )  # fmt: skip

    random = torch.Generator().manual_seed(5)
    w, b = weight.numpy().astype(float), bias.numpy().astype(float)
    velocity = [np.zeros_like(w), np.zeros_like(b)]
    scales = np.array([0.95, 0.95, 1.0])
    lower = np.linalg.cholesky(covariances.numpy())
    for share in (1.0, 0.5):
        noise = torch.randn(3, samples, 2, generator=random, dtype=torch.float64).numpy()
        drawn = np.concatenate([scales[c] * means.numpy()[c] + noise[c] @ lower[c].T for c in range(3)])
        labels = np.repeat(np.arange(3), samples)
        order = torch.randperm(len(labels), generator=random).numpy()
        for start in range(0, len(order), samples):
            rows = order[start : start + samples]
            gradients = numeric_gradients(drawn[rows], labels[rows], w, b)
            for place, (value, gradient) in enumerate(zip((w, b), gradients, strict=True)):
                velocity[place] = 0.9 * velocity[place] + gradient + 5e-4 * value
            w, b = (value - share * rate * v for value, v in zip((w, b), velocity, strict=True))
    assert np.allclose(found[0].numpy(), w, atol=2e-3)
    assert np.allclose(found[1].numpy(), b, atol=2e-3)
    assert not np.allclose(w, weight.numpy(), atol=0.05)


def numeric_gradients(x: np.ndarray, labels: np.ndarray, w: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Central differences of the mean cross-entropy of normalised logits."""

    def loss(w: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for row, label in zip(x, labels, strict=True):
            z = w @ row + b
            z = z / ((np.linalg.norm(z[:2]) + abs(z[2])) / 2 + 1e-7) / 0.2
            total += float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[label])
        return total / len(x)

    found = []
    for which in (0, 1):
        value = (w, b)[which]
        gradient = np.zeros_like(value)
        for place in np.ndindex(value.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [w.copy(), b.copy()]
                moved[which][place] += step
                ends.append(loss(moved[0], moved[1]))
            gradient[place] = (ends[0] - ends[1]) / 2e-6
        found.append(gradient)
    return found


@pytest.mark.parametrize("name", ["slca", "ranpac"])
def test_a_test_uses_the_methods_own_head(name: str) -> None:
    course = ClassCourse(name, features=40, align_samples=8)
    course.teach()
    lesson = course.lesson()
    course.teach(lesson=lesson)
    images = next(lesson.shown())[0]
    before = course.model.logits(images)
    after = course.recall().logits(images)
    assert after.shape == before.shape
    assert not torch.allclose(after, before)
    course.model.reset()
    assert course.model.scorer is None
