"""What the penalties are for: two tasks with quadratic losses, minimised, reach the optimum known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods.parts import LowRank, accumulate, ewc_loss, forget_loss

ROWS, COLUMNS = 3, 4
SIZE = ROWS * COLUMNS


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def curvature(seed: int) -> Tensor:
    """A symmetric positive definite H over the entries of W, eigenvalues from 0.5 to 2."""
    basis, _ = torch.linalg.qr(normal(seed, SIZE, SIZE))
    return basis @ torch.diag(torch.linspace(0.5, 2.0, SIZE, dtype=torch.float64)) @ basis.T


def quadratic(h: Tensor, w: Tensor, best: Tensor) -> Tensor:
    """1/2 ||H^(1/2) (w - best)||^2, a task's loss."""
    off = (w - best).flatten()
    return 0.5 * off @ h @ off


def descend(loss: Callable[[Tensor], Tensor], start: Tensor, rate: float, steps: int = 3000) -> Tensor:
    """Plain gradient descent, until nothing is left to descend."""
    w = start.clone().requires_grad_()
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(loss(w), w)
        if float(gradient.abs().max()) < 1e-12:
            break
        w = (w - rate * gradient).detach().requires_grad_()
    return w.detach()


# ----------------------------------------------------------------------------------------------------------------- EWC


@pytest.mark.parametrize("past", [1, 2])
@pytest.mark.parametrize("weight", [0.0, 0.3, 4.0, 100.0])
def test_ewc_reaches_the_optimum_of_all_tasks_together(past: int, weight: float) -> None:
    """argmin 1/2 ||w - w_t||_H^2 + lambda sum_k 1/2 F_k (w - w_k)^2 solves (H + lambda sum F_k) w = H w_t + ..."""
    initial = normal(0, ROWS, COLUMNS)
    bests = [normal(1 + k, ROWS, COLUMNS) for k in range(past + 1)]
    h = curvature(9)
    fishers = [curvature(20 + k).diagonal().clone() for k in range(past)]
    fishers[0][::3] = 0.0  # what the first task does not care about
    memory: dict[str, Tensor] = {}
    for fisher, best in zip(fishers, bests, strict=False):
        memory = accumulate({"w": fisher.reshape(ROWS, COLUMNS)}, {"w": best - initial}, memory)
    before = bests[past - 1]  # W_{t-1}: where the last of the past tasks ended

    def loss(residual: Tensor) -> Tensor:
        penalty = ewc_loss(memory, {"w": before - initial}, {"w": residual})
        assert penalty is not None
        return quadratic(h, before + residual, bests[past]) + weight * penalty

    steepest = 2.0 + weight * float(sum(fishers).max())  # type: ignore[union-attr]
    found = before + descend(loss, torch.zeros(ROWS, COLUMNS, dtype=torch.float64), 1 / steepest, 8000)

    left = h.numpy() + weight * np.diag(sum(f.numpy() for f in fishers))
    right = h.numpy() @ bests[past].flatten().numpy()
    right = right + weight * sum(f.numpy() * w.flatten().numpy() for f, w in zip(fishers, bests, strict=False))
    np.testing.assert_allclose(found.flatten().numpy(), np.linalg.solve(left, right), atol=1e-8)
    if weight == 0:
        np.testing.assert_allclose(found.numpy(), bests[past].numpy(), atol=1e-8)
    else:
        assert float((found - bests[past]).abs().max()) > 0.05


def test_large_ewc_weight_holds_what_task_1_needs_and_frees_the_rest() -> None:
    first, second, h = normal(1, SIZE, 1), normal(2, SIZE, 1), curvature(9)
    fisher = curvature(20).diagonal().clone()
    fisher[::3] = 0.0
    memory = accumulate({"w": fisher[:, None]}, {"w": first}, {})
    held = fisher > 0
    errors = []
    for weight in (1e2, 1e4, 1e6):
        # where gradient descent would take 1e6 steps: the exact minimum of a quadratic, from its gradient and Hessian
        def loss(residual: Tensor, weight: float = weight) -> Tensor:
            penalty = ewc_loss(memory, {"w": first}, {"w": residual[:, None]})
            assert penalty is not None
            return quadratic(h, first + residual[:, None], second) + weight * penalty

        start = torch.zeros(SIZE, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(start), start)
        hessian = torch.autograd.functional.hessian(loss, start.detach())
        moved = -torch.linalg.solve(hessian, gradient)
        errors.append(float(moved[held].abs().max()))
        assert float(moved[~held].abs().max()) > 0.1
    assert errors[2] < 1e-4
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.1)


# ------------------------------------------------------------------------------------------------------------- L_forget


def forgetting_optimum(importance: Tensor, target: Tensor, change: Tensor, weight: float) -> list[list[float]]:
    """argmin over R of 1/2 h (R - T)^2 + lambda (c R)^2, entry by entry: h T / (h + 2 lambda c^2)."""
    entries = zip(importance.flatten().tolist(), target.flatten().tolist(), change.flatten().tolist(), strict=True)
    values = [h * t / (h + 2 * weight * c**2) for h, t, c in entries]
    return np.asarray(values).reshape(ROWS, COLUMNS).tolist()  # type: ignore[no-any-return]


def case() -> tuple[Tensor, Tensor, Tensor]:
    """(h, T, c): task 2's curvature, diagonal, and wish; what task 1 changed, some entries not at all."""
    importance = 0.5 + torch.rand(ROWS, COLUMNS, generator=generator(5), dtype=torch.float64)
    change = normal(6, ROWS, COLUMNS)
    change[change.abs() < 0.4] = 0.0
    assert 0 < int((change == 0).sum()) < SIZE
    return importance, normal(7, ROWS, COLUMNS), change


@pytest.mark.parametrize("weight", [0.0, 0.3, 3.0, 1e4])
def test_forget_loss_on_a_free_residual_reaches_its_optimum(weight: float) -> None:
    importance, target, change = case()

    def loss(residual: Tensor) -> Tensor:
        task = 0.5 * (importance * (residual - target) ** 2).sum()
        return task + weight * forget_loss(change.flatten(), [residual])

    steepest = float((importance + 2 * weight * change**2).max())
    found = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    if weight < 100:
        found = descend(loss, found, 1 / steepest)
    else:  # each entry has a curvature of its own: Newton's step is exact
        start = torch.ones(ROWS, COLUMNS, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss(start), start, create_graph=True)
        (curvatures,) = torch.autograd.grad(gradient.sum(), start)
        found = (start - gradient / curvatures).detach()
    np.testing.assert_allclose(found.numpy(), forgetting_optimum(importance, target, change, weight), atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 0.3, 3.0, 100.0])
def test_forget_loss_on_a_b_of_full_rank_reaches_the_same_optimum(weight: float) -> None:
    """The penalty is convex in A B, and A B of full rank reaches every matrix, from LoRA's own start at A = 0."""
    importance, target, change = case()
    adapter = LowRank(nn.Linear(COLUMNS, ROWS), min(ROWS, COLUMNS), generator(0)).double()

    def closure() -> Tensor:
        adapter.zero_grad()
        residual = adapter.compute()
        loss = 0.5 * (importance * (residual - target) ** 2).sum()
        loss = loss + weight * forget_loss(change.flatten(), [residual])
        loss.backward()
        return loss

    optimizer = torch.optim.LBFGS(
        adapter.parameters(), max_iter=5000, tolerance_grad=1e-12, tolerance_change=0.0, history_size=50,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = adapter.compute().detach()
    np.testing.assert_allclose(found.numpy(), forgetting_optimum(importance, target, change, weight), atol=1e-5)
    if weight == 0:
        np.testing.assert_allclose(found.numpy(), target.numpy(), atol=1e-5)
    if weight == 100:
        assert bool((found.abs() < 0.05 * target.abs())[change != 0].all())  # what task 1 changed stays
        np.testing.assert_allclose(found[change == 0].numpy(), target[change == 0].numpy(), atol=1e-5)
