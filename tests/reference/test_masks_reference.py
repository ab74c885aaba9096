"""STAMINA's masks (eqs. 4 and 6), held against the printed equations and against ordinary `nn` layers."""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, kstest
from torch import Tensor, nn

from methods.parts import masks
from methods.parts.masks import FreeMask, MaskInput, MaskKind, MlpMask, gumbel_difference, hard_concrete


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mlp_mask(
    rows: int = 4, columns: int = 6, rank: int = 3, given: MaskInput = "identity", kind: MaskKind = "gumbel",
    seed: int = 0, tau: float = 0.5, start: float = 0.0,
) -> MlpMask:  # fmt: skip
    """A mask in float64 whose biases are not zero."""
    mask = MlpMask(rows, columns, rank, tau=tau, kind=kind, given=given, start=start, generator=generator(seed))
    mask.double()
    with torch.no_grad():
        mask.bias1.normal_(generator=generator(seed + 1))
        mask.bias2.normal_(generator=generator(seed + 2))
    return mask


def as_layers(mask: MlpMask) -> nn.Sequential:
    """The same MLP from ordinary layers: Linear(D2 -> r), ReLU, Linear(r -> D1)."""
    rank, columns = mask.weight1.shape
    rows = mask.weight2.shape[0]
    first, last = nn.Linear(columns, rank), nn.Linear(rank, rows)
    layers = nn.Sequential(first, nn.ReLU(), last).double()
    with torch.no_grad():
        first.weight.copy_(mask.weight1)
        first.bias.copy_(mask.bias1)
        last.weight.copy_(mask.weight2)
        last.bias.copy_(mask.bias2)
    return layers


def eq4(m: NDArray[np.float64], g1: NDArray[np.float64], g0: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """Eq. 4 for 'keep' with logit m (log m-hat) against 'drop' with logit 0: a softmax over two classes."""
    keep, drop = np.exp((m + g1) / tau), np.exp((0.0 + g0) / tau)
    return keep / (keep + drop)


def fix_noise(monkeypatch: pytest.MonkeyPatch, *draws: NDArray[np.float64]) -> None:
    """Give the two Gumbel draws: first that of 'keep', then that of 'drop'."""
    rest = iter(draws)

    def difference(shape: torch.Size, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.from_numpy(next(rest) - next(rest)).to(like)

    monkeypatch.setattr(masks, "gumbel_difference", difference)


# ------------------------------------------------------------------------------------------------------ Gumbel-softmax


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    tau=st.floats(0.01, 10),
    scale=st.floats(0, 50),
    double=st.booleans(),
)
def test_forward_is_exactly_zero_or_one(
    seed: int, shape: tuple[int, int], tau: float, scale: float, double: bool
) -> None:
    logits = scale * torch.randn(shape, generator=generator(seed), dtype=torch.float64 if double else torch.float32)
    out = hard_concrete(logits.requires_grad_(), tau, generator(seed + 1))
    assert set(out.flatten().tolist()) <= {0.0, 1.0}
    assert out.dtype == logits.dtype
    (gradient,) = torch.autograd.grad(out.sum(), logits)
    assert bool(torch.isfinite(gradient).all())


@pytest.mark.parametrize("tau", [0.2, 0.5, 2.0])
def test_gradient_is_that_of_equation_4(monkeypatch: pytest.MonkeyPatch, tau: float) -> None:
    random = np.random.default_rng(0)
    m, upstream = random.normal(size=(5, 4)), random.normal(size=(5, 4))
    g1, g0 = random.gumbel(size=(5, 4)), random.gumbel(size=(5, 4))
    fix_noise(monkeypatch, g1, g0)
    logits = torch.from_numpy(m.copy()).requires_grad_()

    out = hard_concrete(logits, tau, generator())
    (gradient,) = torch.autograd.grad((out * torch.from_numpy(upstream)).sum(), logits)

    soft = eq4(m, g1, g0, tau)
    step = 1e-6
    by_differences = (eq4(m + step, g1, g0, tau) - eq4(m - step, g1, g0, tau)) / (2 * step)
    np.testing.assert_array_equal(out.detach().numpy(), np.where(soft > 0.5, 1.0, 0.0))
    np.testing.assert_array_equal(out.detach().numpy(), np.where(m + g1 > g0, 1.0, 0.0))  # argmax of the two classes
    np.testing.assert_allclose(gradient.numpy(), upstream * soft * (1 - soft) / tau, rtol=1e-10)
    np.testing.assert_allclose(gradient.numpy(), upstream * by_differences, rtol=1e-6, atol=1e-9)


def test_gradient_and_decision_come_from_one_draw() -> None:
    """From gradient s (1 - s) / tau and decision s > 1/2 follows s, and from s the noise: g1 - g0, logistic(0, 1)."""
    tau, m = 2.0, 0.3
    logits = torch.full((20_000,), m, dtype=torch.float64, requires_grad=True)
    out = hard_concrete(logits, tau, generator(7))
    (gradient,) = torch.autograd.grad(out.sum(), logits)
    product = (gradient * tau).numpy()
    assert product.max() <= 0.25 + 1e-12
    distance = np.sqrt(np.clip(0.25 - product, 0, None))
    soft = 0.5 + np.where(out.detach().numpy() > 0.5, distance, -distance)
    inside = (soft > 1e-9) & (soft < 1 - 1e-9)
    assert inside.mean() > 0.999
    noise = tau * np.log(soft[inside] / (1 - soft[inside])) - m
    assert kstest(noise, "logistic").pvalue > 1e-3


@pytest.mark.parametrize("logit", [-3.0, -1.0, 0.0, 0.5, 2.5])
@pytest.mark.parametrize("tau", [0.5, 5.0])
def test_probability_of_keeping_is_the_logits_sigmoid(logit: float, tau: float) -> None:
    draws = 20_000
    kept = int(hard_concrete(torch.full((draws,), logit), tau, generator(int(10 * logit) + 100)).sum())
    assert binomtest(kept, draws, 1 / (1 + exp(-logit))).pvalue > 1e-4


def test_noise_is_the_difference_of_two_gumbel_draws_and_finite() -> None:
    noise = gumbel_difference(torch.Size((20_000,)), torch.zeros((), dtype=torch.float64), generator(3))
    assert bool(torch.isfinite(noise).all())
    assert kstest(noise.numpy(), "logistic").pvalue > 1e-3
    same = generator(3)
    keep, drop = (-np.log(-np.log(torch.rand(20_000, generator=same).numpy().astype(np.float64))) for _ in range(2))
    np.testing.assert_allclose(noise.numpy(), keep - drop, rtol=1e-4, atol=1e-4)


def test_noise_comes_from_the_generator_alone() -> None:
    logits = torch.zeros(50, 50)
    torch.manual_seed(0)
    first = hard_concrete(logits, 0.5, generator(1))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert torch.equal(first, hard_concrete(logits, 0.5, generator(1)))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, hard_concrete(logits, 0.5, generator(2)))


# -------------------------------------------------------------------------------------------------- training and after


def free_mask(kind: MaskKind = "gumbel", seed: int = 0, start: float = 0.0) -> FreeMask:
    return FreeMask(30, 40, tau=0.5, kind=kind, start=start, generator=generator(seed))


@pytest.mark.parametrize("make", [free_mask, mlp_mask])
def test_training_draws_anew_and_evaluation_draws_nothing(make: Callable[[], FreeMask | MlpMask]) -> None:
    mask = make()
    with torch.no_grad():
        mask.train()
        draws = torch.stack([mask() for _ in range(20)])
        assert not bool((draws == draws[0]).all())
        mask.eval()
        before = mask.generator.get_state()
        first = mask()
        assert torch.equal(first, mask())
        assert torch.equal(mask.generator.get_state(), before)
        expected = [[1.0 if float(m) > 0 else 0.0 for m in row] for row in mask.logits()]
    assert first.tolist() == expected
    assert 0 < float(first.mean()) < 1


@pytest.mark.parametrize("training", [True, False])
def test_sigmoid_kind_is_soft_without_noise(training: bool) -> None:
    mask = mlp_mask(kind="sigmoid").train(training)
    before = mask.generator.get_state()
    out = mask()
    expected = [[1 / (1 + exp(-float(m))) for m in row] for row in mask.logits().detach()]
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-12)
    assert torch.equal(mask.generator.get_state(), before)
    assert bool(((out > 0) & (out < 1)).all())
    out.sum().backward()
    assert mask.weight1.grad is not None


# --------------------------------------------------------------------------------------------- the last steps of a task


@pytest.mark.parametrize("tau", [0.2, 0.5, 2.0])
@pytest.mark.parametrize("make", [free_mask, mlp_mask])
def test_a_settled_mask_is_the_one_that_is_folded(make: Callable[..., FreeMask | MlpMask], tau: float) -> None:
    mask = make()
    mask.double()
    mask.tau, mask.settle = tau, 0.25
    before = mask.generator.get_state()
    settled = mask(0.75)
    assert torch.equal(mask.generator.get_state(), before)
    assert torch.equal(settled, mask.eval()())
    upstream = torch.randn(settled.shape, generator=generator(9), dtype=torch.float64)
    logits = mask.logits().detach().requires_grad_()
    (gradient,) = torch.autograd.grad((masks.settled_mask(logits, tau) * upstream).sum(), logits)
    expected = [
        [u * exp(-m / tau) / (1 + exp(-m / tau)) ** 2 / tau for m, u in zip(row, up, strict=True)]
        for row, up in zip(logits.tolist(), upstream.tolist(), strict=True)
    ]
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(("settle", "steps"), [(0.0, 12), (0.25, 9), (0.5, 6), (1.0, 0)])
def test_noise_is_drawn_until_the_share_that_settles(settle: float, steps: int) -> None:
    mask = free_mask()
    mask.settle = settle
    drawn = 0
    for step in range(12):
        before = mask.generator.get_state()
        mask(step / 12)
        drawn += not torch.equal(mask.generator.get_state(), before)
    assert drawn == steps


def test_every_parameter_gets_a_gradient_through_the_hard_mask() -> None:
    mask = mlp_mask()
    mask().sum().backward()
    for name, parameter in mask.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("start", [-1.0, 0.0, 1.0])
@torch.no_grad()
def test_start_sets_the_first_density(start: float) -> None:
    expected = 1 / (1 + exp(-start))
    free = FreeMask(200, 100, tau=0.5, kind="gumbel", start=start, generator=generator(5))
    assert float(free().mean()) == pytest.approx(expected, abs=0.02)
    densities = []
    for seed in range(20):
        mlp = MlpMask(100, 50, 8, tau=0.5, kind="gumbel", given="identity", start=start, generator=generator(seed))
        densities.append(float(mlp().mean()))
    assert np.mean(densities) == pytest.approx(expected, abs=0.06)


# ------------------------------------------------------------------------------------------------------------ mask MLP


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9), columns=st.integers(1, 9), rank=st.integers(1, 5), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_identity_reading_is_the_mlp_on_each_one_hot(rows: int, columns: int, rank: int, seed: int) -> None:
    mask = mlp_mask(rows, columns, rank, "identity", seed=seed)
    layers = as_layers(mask)
    logits = mask.logits()
    assert logits.shape == (rows, columns)
    for k in range(columns):
        one_hot = torch.zeros(columns, dtype=torch.float64)
        one_hot[k] = 1
        torch.testing.assert_close(logits[:, k], layers(one_hot), rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 9), columns=st.integers(1, 9), rank=st.integers(1, 5), seed=st.integers(0, 2**20),
)  # fmt: skip
def test_ones_reading_is_one_answer_for_all_columns(rows: int, columns: int, rank: int, seed: int) -> None:
    mask = mlp_mask(rows, columns, rank, "ones", seed=seed)
    logits = mask.logits()
    assert logits.shape == (rows, columns)
    assert bool((logits == logits[:, :1]).all())
    answer = as_layers(mask)(torch.ones(columns, dtype=torch.float64) / columns**0.5)  # ones of unit length
    torch.testing.assert_close(logits[:, 0], answer, rtol=1e-10, atol=1e-10)


def test_ones_reading_gives_row_masks_after_training() -> None:
    mask = mlp_mask(rows=12, given="ones").eval()
    out: Tensor = mask().detach()
    assert all(len(set(row)) == 1 for row in out.tolist())
    assert 0 < float(out.mean()) < 1


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 40), columns=st.integers(1, 40), rank=st.integers(1, 16),
    given_input=st.sampled_from(["identity", "ones"]), kind=st.sampled_from(["gumbel", "sigmoid"]),
)  # fmt: skip
def test_parameter_count(rows: int, columns: int, rank: int, given_input: MaskInput, kind: MaskKind) -> None:
    mask = MlpMask(rows, columns, rank, tau=0.5, kind=kind, given=given_input, start=1.0, generator=generator())
    assert sum(p.numel() for p in mask.parameters()) == rank * columns + rank + rows * rank + rows
    free = FreeMask(rows, columns, tau=0.5, kind=kind, start=1.0, generator=generator())
    assert sum(p.numel() for p in free.parameters()) == rows * columns
