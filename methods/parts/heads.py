"""Heads that are not trained with the backbone: ridge regression on random features, and aligned linear heads."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, relu

RIDGES: Final = tuple(10.0**power for power in range(-8, 9))
HELD_OUT = 0.2  # of a task's images, by which the ridge is chosen
JITTER = 1e-4  # added to a covariance's diagonal
TINY = 1e-7  # added to a norm


@torch.no_grad()
def shown_features(lesson: Any) -> tuple[Tensor, Tensor]:
    """Features of a task's training images as a test shows them, (n, dim) float64, and their labels, (n,), on the CPU.

    Args:
        lesson: a `ClassLesson`; its model is folded.
    """
    parts = [(lesson.model.features(images).double().cpu(), labels) for images, labels in lesson.shown()]
    return torch.cat([features for features, _ in parts]), torch.cat([labels for _, labels in parts])


# -------------------------------------------------------------------------------------------------------------- RanPAC


def random_features(features: Tensor, projection: Tensor) -> Tensor:
    """relu(f W), (n, M), of (n, dim) features and W (dim, M), in the features' precision."""
    return relu(features @ projection.to(features))


def ridge_regression(gram: Tensor, products: Tensor, ridge: float) -> Tensor:
    """W_o = (G + ridge I)^-1 Q, (M, classes), of G (M, M) and Q (M, classes)."""
    solved: Tensor = torch.linalg.solve(gram + ridge * torch.eye(len(gram)).to(gram), products)
    return solved


def chosen_ridge(hidden: Tensor, targets: Tensor, generator: torch.Generator) -> float:
    """Of `RIDGES` the one whose fit to four fifths of the images has the least squared error on the others.

    Args:
        hidden: (n, M) random features of one task. targets: (n, classes), one-hot.
    """
    order = torch.randperm(len(hidden), generator=generator)
    count = max(1, round((1 - HELD_OUT) * len(order)))
    if count == len(order):  # nothing to choose by
        return 1.0
    fit, held = order[:count], order[count:]
    left, values, right = torch.linalg.svd(hidden[fit], full_matrices=False)  # images are fewer than features
    seen, turned = hidden[held] @ right.T, left.T @ targets[fit]
    errors = [
        float((seen @ (turned * (values / (values.square() + ridge))[:, None]) - targets[held]).square().mean())
        for ridge in RIDGES
    ]
    return RIDGES[errors.index(min(errors))]


class RandomFeatureHead(nn.Module):
    """Scores h W_o of h = relu(f W)."""

    def __init__(self, projection: Tensor, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("projection", projection)
        self.register_buffer("weight", weight)
        self.projection: Tensor
        self.weight: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """(B, dim) to (B, classes)."""
        return random_features(features, self.projection) @ self.weight


# ---------------------------------------------------------------------------------------------------------------- SLCA


def class_gaussians(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, (classes, dim), and covariance, (classes, dim, dim), of each class's features, by rising label."""
    means, covariances = [], []
    for label in labels.unique(sorted=True):
        own = features[labels == label]
        means.append(own.mean(dim=0))
        spread = torch.cov(own.T) if len(own) > 1 else torch.zeros(own.shape[1], own.shape[1]).to(own)
        covariances.append(spread + JITTER * torch.eye(own.shape[1]).to(own))
    return torch.stack(means), torch.stack(covariances)


def normalised_logits(logits: Tensor, tasks: Tensor, temperature: float) -> Tensor:
    """Logits, (B, classes), by the mean over tasks of the norm of a task's logits, and by the temperature."""
    norms = [torch.linalg.vector_norm(logits[:, tasks == task], dim=1) for task in tasks.unique(sorted=True)]
    return logits / (torch.stack(norms).mean(dim=0) + TINY)[:, None] / temperature


def aligned_heads(
    heads: tuple[Tensor, Tensor], means: Tensor, covariances: Tensor, tasks: Tensor, *, epochs: int, rate: float,
    samples: int, temperature: float, generator: torch.Generator,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The heads of all classes, trained on features drawn from each class's Gaussian.

    Args:
        heads: weight (classes, dim) and bias (classes,), float32: what to begin with.
        means, covariances: of each class. tasks: (classes,), the task that each class came in, from 0.
        epochs, rate: of SGD with momentum 0.9 and weight decay 5e-4, the rate falling by a cosine over the epochs.
        samples: features drawn of each class in an epoch, and of all in a step.
    """
    weight, bias = (nn.Parameter(part.clone()) for part in heads)
    optimizer = torch.optim.SGD([weight, bias], lr=rate, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    scales = 0.9 + 0.1 * (tasks + 1).double() / (int(tasks.max()) + 1)
    factors = torch.linalg.cholesky(covariances.double())
    centres = scales[:, None] * means.double()
    with torch.enable_grad():
        for _ in range(epochs):
            noise = torch.randn(len(means), samples, means.shape[1], generator=generator, dtype=torch.float64)
            drawn = (centres[:, None] + noise @ factors.mT).float().flatten(0, 1)
            labels = torch.arange(len(means)).repeat_interleave(samples)
            for rows in torch.randperm(len(labels), generator=generator).split(samples):
                logits = normalised_logits(linear(drawn[rows], weight, bias), tasks, temperature)
                optimizer.zero_grad(set_to_none=True)
                cross_entropy(logits, labels[rows]).backward()
                optimizer.step()
            schedule.step()
    return weight.detach(), bias.detach()


def linear_head(weight: Tensor, bias: Tensor) -> nn.Module:
    """(B, dim) to (B, classes) by given rows."""
    head: nn.Linear = torch.nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
    head.weight, head.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return head
