"""L_forget (eq. 3), L_sparse (eq. 7) and the low-rank residuals they act on, held against plain loops."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from methods.parts.adapters import FullResidual, LowRank, MaskedLowRank
from methods.parts.losses import entries, forget_loss, past_changes, sparse_loss
from methods.parts.masks import FreeMask

Matrix = list[list[float]]
SHAPES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=generator(seed), dtype=torch.float64)


def product(a: Matrix, b: Matrix) -> Matrix:
    """A B, entry by entry."""
    return [[sum(a[i][k] * b[k][j] for k in range(len(b))) for j in range(len(b[0]))] for i in range(len(a))]


@settings(max_examples=40, deadline=None)
@given(shapes=SHAPES, rank=st.integers(1, 3), tasks=st.integers(1, 3), seed=st.integers(0, 2**20), masked=st.booleans())
def test_forget_loss_by_loops(shapes: list[tuple[int, int]], rank: int, tasks: int, seed: int, masked: bool) -> None:
    """|sum of the past A_t' B_t' (* M_t')| * A_t B_t (* M_t), squared and summed over entries, then over matrices."""
    changes: dict[str, Tensor] = {}
    residuals: dict[str, Tensor] = {}
    expected = 0.0
    for number, (rows, columns) in enumerate(shapes):
        stack = []
        for task in range(tasks + 1):  # the last one is the current task's
            place = seed + 1000 * number + 10 * task
            a, b = normal(rows, rank, place), normal(rank, columns, place + 1)
            mask = (normal(rows, columns, place + 2) > 0).double() if masked else torch.ones(rows, columns).double()
            stack.append((a, b, mask))
        changes[f"m{number}"] = sum((a @ b * m for a, b, m in stack[:-1]), torch.zeros(rows, columns).double())
        residuals[f"m{number}"] = stack[-1][0] @ stack[-1][1] * stack[-1][2]
        products = [(product(a.tolist(), b.tolist()), m.tolist()) for a, b, m in stack]
        for i in range(rows):
            for j in range(columns):
                past = sum(p[i][j] * m[i][j] for p, m in products[:-1])
                now = products[-1][0][i][j] * products[-1][1][i][j]
                expected += (abs(past) * now) ** 2
    found = forget_loss(entries(changes.values()), residuals.values())
    assert found.shape == ()
    assert float(found) == pytest.approx(expected, rel=1e-10, abs=1e-14)


def test_forget_loss_on_paper() -> None:
    changes = entries([torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[-1.0]])])
    residuals = [torch.tensor([[2.0, 1.0], [5.0, -1.0]]), torch.tensor([[4.0]])]
    assert changes.tolist() == [1, -2, 0, 3, -1]
    assert float(forget_loss(changes, residuals)) == 4 + 4 + 0 + 9 + 16
    assert float(forget_loss(-changes, residuals)) == 33
    assert float(forget_loss(2 * changes, residuals)) == 4 * 33
    assert float(forget_loss(changes, [3 * each for each in residuals])) == 9 * 33


@settings(max_examples=40, deadline=None)
@given(shapes=SHAPES, seed=st.integers(0, 2**20), size=st.sampled_from([1e-12, 1e-4, 1.0, 1e4]))
def test_relative_forget_loss_by_loops(shapes: list[tuple[int, int]], seed: int, size: float) -> None:
    """sum (c r)^2 / sum c^4, over all matrices together."""
    changes = [size * normal(*shape, seed + i) for i, shape in enumerate(shapes)]
    residuals = [normal(*shape, seed + 50 + i) for i, shape in enumerate(shapes)]
    pairs = [
        (c, r) for one, other in zip(changes, residuals, strict=True)
        for c, r in zip(one.flatten().tolist(), other.flatten().tolist(), strict=True)
    ]  # fmt: skip
    unit = [(c / size, r) for c, r in pairs]  # 1e-12 to the fourth is beyond the loops' own arithmetic
    expected = sum((c * r) ** 2 for c, r in unit) / sum(c**4 for c, _ in unit) / size**2
    found = forget_loss(past_changes(changes, "relative"), residuals)
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("copies", [1, 1000])
@pytest.mark.parametrize("size", [1e-11, 1e-4, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_residual_like_the_past_costs_1_at_every_size(copies: int, size: float, dtype: torch.dtype) -> None:
    change = (size * normal(4, 6, 1)).to(dtype)
    found = forget_loss(past_changes([change] * copies, "relative"), [change] * copies)
    assert float(found) == pytest.approx(1, rel=1e-4 if dtype is torch.float32 else 1e-9)


@pytest.mark.parametrize("form", ["sum", "relative"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_first_task_has_no_past_in_either_form(form: Literal["sum", "relative"], dtype: torch.dtype) -> None:
    residual = normal(3, 4, 0).to(dtype).requires_grad_()
    found = forget_loss(past_changes([torch.zeros(3, 4, dtype=dtype)], form), [residual])
    found.backward()
    assert float(found) == 0
    assert residual.grad is not None
    assert not residual.grad.any()


def test_forget_loss_is_zero_at_the_first_task_and_pulls_at_nothing() -> None:
    residual = normal(4, 3, 0).requires_grad_()
    found = forget_loss(torch.zeros(12).double(), [residual])
    found.backward()
    assert found.item() == 0.0
    assert residual.grad is not None
    assert not residual.grad.any()


def test_forget_loss_gradient_is_two_change_squared_residual() -> None:
    change, residual = normal(3, 4, 1), normal(3, 4, 2).requires_grad_()
    forget_loss(change.flatten(), [residual]).backward()
    rows = zip(change.tolist(), residual.tolist(), strict=True)
    expected = [[2 * c**2 * r for c, r in zip(*row, strict=True)] for row in rows]
    assert residual.grad is not None
    np.testing.assert_allclose(residual.grad.numpy(), expected, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(shapes=SHAPES, seed=st.integers(0, 2**20), soft=st.booleans())
def test_sparse_loss_by_loops(shapes: list[tuple[int, int]], seed: int, soft: bool) -> None:
    masks = [torch.sigmoid(normal(*shape, seed + k)) for k, shape in enumerate(shapes)]
    if not soft:
        masks = [(mask > 0.5).double() for mask in masks]
    entries = [value for mask in masks for row in mask.tolist() for value in row]
    assert float(sparse_loss(masks, "sum")) == pytest.approx(sum(abs(e) for e in entries), rel=1e-12)
    assert float(sparse_loss(masks, "mean")) == pytest.approx(sum(entries) / len(entries), rel=1e-12)
    assert float(sparse_loss(iter(masks), "mean")) == float(sparse_loss(masks, "mean"))


def test_sparse_loss_pushes_at_open_gates_alone() -> None:
    """The L1 norm's subgradient at 0 is 0. Figures hang on it: AdamW makes full steps of the smallest gradients."""
    mask = torch.tensor([[1.0, 0.0], [0.25, 0.0]]).requires_grad_()
    sparse_loss([mask], "sum").backward()
    assert mask.grad is not None
    assert mask.grad.tolist() == [[1, 0], [1, 0]]


def test_sparse_mean_is_over_entries_and_not_over_matrices() -> None:
    masks = [torch.ones(1, 1), torch.zeros(1, 9)]
    assert float(sparse_loss(masks, "mean")) == pytest.approx(0.1)
    assert float(sparse_loss(masks, "sum")) == 1.0


# ----------------------------------------------------------------------------------------------------------- residuals


def test_low_rank_starts_at_zero_and_is_a_times_b() -> None:
    adapter = LowRank(nn.Linear(7, 5), 3, generator())
    assert adapter.A.shape == (5, 3)
    assert adapter.B.shape == (3, 7)
    assert not adapter.compute().any()
    assert float(adapter.B.detach().abs().max()) <= 7**-0.5
    assert float(adapter.B.detach().abs().min()) > 0
    adapter.double()
    with torch.no_grad():
        adapter.A.normal_(generator=generator(1))
    np.testing.assert_allclose(
        adapter.compute().detach().numpy(), product(adapter.A.tolist(), adapter.B.tolist()), rtol=1e-12
    )


def test_first_step_moves_a_alone() -> None:
    """At A = 0 the gradient of A is not zero and that of B is: the residual can leave zero."""
    adapter = LowRank(nn.Linear(4, 6), 2, generator())
    (adapter.compute() - 1).square().sum().backward()
    assert adapter.A.grad is not None
    assert adapter.B.grad is not None
    assert adapter.A.grad.abs().sum() > 0
    assert not adapter.B.grad.any()


def test_full_residual_starts_at_zero_and_has_every_entry() -> None:
    adapter = FullResidual(nn.Linear(4, 6))
    assert adapter.compute().shape == (6, 4)
    assert not adapter.compute().any()
    assert [p.numel() for p in adapter.parameters()] == [24]


def masked_adapter(seed: int = 0) -> MaskedLowRank:
    projection = nn.Linear(10, 8, bias=False)
    random = generator(seed)
    mask = FreeMask(8, 10, tau=0.5, kind="gumbel", start=0.0, generator=random)
    adapter = MaskedLowRank(projection, 2, mask, random)
    with torch.no_grad():
        adapter.A.normal_(generator=generator(seed + 1))
    return adapter


def test_forward_and_penalties_see_one_draw_within_a_step() -> None:
    adapter = masked_adapter()
    weight = torch.randn(8, 10, generator=generator(9))
    draws = []
    for _ in range(3):
        adapter.refresh()
        adapted = adapter(weight)
        residual = adapter.residual()
        assert adapter.residual() is residual
        assert torch.equal(adapted, weight + residual)
        assert torch.equal(adapter(weight), adapted)
        assert torch.equal(residual, adapter.A @ adapter.B * adapter.mask)
        assert not residual[adapter.mask == 0].any()
        draws.append(adapter.mask.detach().clone())
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[1], draws[2])


def test_refresh_follows_the_parameters_and_nothing_else_does() -> None:
    adapter = LowRank(nn.Linear(3, 2), 1, generator())
    assert not adapter.residual().any()
    with torch.no_grad():
        adapter.A.fill_(1.0)
    assert not adapter.residual().any()
    adapter.refresh()
    assert torch.equal(adapter.residual(), adapter.A @ adapter.B)


def test_adapted_weight_keeps_its_type() -> None:
    adapter = masked_adapter()
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert adapter(torch.zeros(8, 10, dtype=dtype)).dtype == dtype
