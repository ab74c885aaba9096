"""The search for a weight at which a penalty equals the loss, on trainings whose ends are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tuning.balance import AGAIN, FEATHER, NEAR, Ended, balance


def quadratic(
    curvature: float, wish: float, change: float, floor: float, jitter: float = 0.0, luck: float = 0.0
) -> Callable[..., Ended]:
    """A residual R of which the loss wants `wish`, and the penalty w (c R)^2 wants 0: R = h T / (h + 2 w c^2).

    floor: what is left of the loss at R = T. jitter: the size below which an optimizer cannot
    press R, exp(luck draw) times that with other draws.
    """

    def train(weight: float, draw: int = 0) -> Ended:
        residual = max(curvature * wish / (curvature + 2 * weight * change**2), jitter * math.exp(luck * draw))
        loss = floor + 0.5 * curvature * (residual - wish) ** 2
        return Ended(loss, weight * (change * residual) ** 2)

    return train


@given(
    curvature=st.floats(1e-3, 1e3), wish=st.floats(1e-3, 10), change=st.floats(1e-5, 10),
    share=st.floats(1e-3, 0.05),
)  # fmt: skip
def test_what_is_found_balances(curvature: float, wish: float, change: float, share: float) -> None:
    train = quadratic(curvature, wish, change, floor=share * 0.5 * curvature * wish**2)
    found = balance(train)
    assert found.chosen is not None
    ended = train(found.chosen.weight)
    assert 1 / NEAR <= ended.penalty / ended.loss <= NEAR
    assert found.chosen.share == ended.penalty / ended.loss
    residual = math.sqrt(ended.penalty / found.chosen.weight) / change
    assert found.chosen.left == pytest.approx((residual / wish) ** 2, rel=1e-3)


def test_of_two_solutions_the_smaller_is_found() -> None:
    """R^2 falls as 1 / w^2, so that the penalty rises, and falls again beyond h / (2 c^2)."""
    train = quadratic(1.0, 1.0, 1.0, floor=1e-3)
    found = balance(train)
    assert found.chosen is not None
    assert found.chosen.weight < 0.5


def test_no_solution_is_said() -> None:
    """The penalty is a quarter of what is gained at most; where the loss keeps ten times that, none equals it."""
    found = balance(quadratic(1.0, 1.0, 1.0, floor=5.0))
    assert found.chosen is None
    assert "at most" in found.reason
    assert all(trial.share < 0.03 for trial in found.trials)


def test_a_solution_beyond_the_dip_is_found() -> None:
    """An optimizer's jitter keeps the residual from vanishing, and the penalty grows again."""
    train = quadratic(1.0, 1.0, 1.0, floor=5.0, jitter=0.01)
    found = balance(train, trainings=16)
    assert found.chosen is not None
    assert found.chosen.weight > 1e3
    assert found.chosen.left == pytest.approx(1e-4)
    assert 1 / NEAR <= train(found.chosen.weight).share <= NEAR


@pytest.mark.parametrize(("luck", "agrees"), [(0.0, True), (0.1, True), (-0.1, True), (0.5, False), (-0.5, False)])
def test_a_solution_that_hangs_on_the_draws_is_none(luck: float, agrees: bool) -> None:
    """The penalty goes with the square of what is left: with the second draw after the first, with exp(4 luck)."""
    found = balance(quadratic(1.0, 1.0, 1.0, floor=5.0, jitter=0.01, luck=luck), trainings=16)
    assert (found.chosen is not None) == agrees
    if not agrees:
        assert "differ in their noise alone" in found.reason
        assert "0.0001 is left" in found.reason


@pytest.mark.parametrize("luck", [0.25, -0.25])
def test_a_weight_is_moved_to_the_middle_of_its_draws(luck: float) -> None:
    """The third draw's penalty is exp(4 luck) times the first's, e or 1 / e: within a factor 2 from between them."""
    train = quadratic(1.0, 1.0, 1.0, floor=5.0, jitter=0.01, luck=luck)
    found = balance(train, trainings=16)
    assert found.chosen is not None
    shares = [train(found.chosen.weight, draw).share for draw in range(AGAIN + 1)]
    assert math.sqrt(min(shares) * max(shares)) == pytest.approx(1, rel=0.02)
    assert found.chosen is found.trials[-1]


def test_draws_are_repeated_only_where_penalty_and_loss_are_equal() -> None:
    calls: list[tuple[float, int]] = []
    train = quadratic(1.0, 1.0, 1.0, floor=1e-3)

    def counted(weight: float, draw: int) -> Ended:
        calls.append((weight, draw))
        return train(weight, draw)

    found = balance(counted)
    assert found.chosen is not None
    assert [draw for _, draw in calls] == [0] * (len(calls) - AGAIN) + list(range(1, AGAIN + 1))
    assert {weight for weight, draw in calls if draw} == {found.chosen.weight}
    assert len(found.trials) == len(calls) - AGAIN - 1


def test_a_penalty_that_never_acts_is_said_after_one_training() -> None:
    calls: list[float] = []

    def train(weight: float, draw: int) -> Ended:
        calls.append(weight)
        return Ended(0.1, 0.0)

    found = balance(train)
    assert (found.chosen, calls) == (None, [FEATHER])
    assert "0 at the end" in found.reason


def test_a_training_that_diverges_counts_as_too_large_a_weight() -> None:
    def train(weight: float, draw: int) -> Ended:
        return Ended(0.1, math.inf) if weight > 5 else Ended(0.1, weight * 0.02 / (1 + weight))

    found = balance(train)
    assert found.chosen is None
    assert "came no nearer" in found.reason


@pytest.mark.parametrize("trainings", [2, 5, 12])
def test_no_more_trainings_than_asked_for(trainings: int) -> None:
    calls: list[float] = []
    train = quadratic(1.0, 1.0, 1.0, floor=5.0)

    def counted(weight: float, draw: int) -> Ended:
        calls.append(weight)
        return train(weight, draw)

    balance(counted, trainings)
    assert len(calls) <= trainings
