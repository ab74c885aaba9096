"""Interference between tasks, entry by entry, against the module's vectorised sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.interference import change


def weights(seed: int, holes: float = 0.0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=shape) * (draw.random(shape) >= holes) for name, shape in SHAPES.items()}


SHAPES = {"mid.to_k": (3, 5), "mid.to_v": (4, 2)}


def added(*parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: sum(part[name] for part in parts) for name in SHAPES}


@given(st.integers(0, 10_000))
def test_every_figure_is_what_a_loop_over_the_entries_gives(seed: int) -> None:
    initial, earlier, residual = weights(seed), weights(seed + 1, 0.5), weights(seed + 2, 0.5)
    before = added(initial, earlier)
    found = change(initial, before, added(before, residual))
    total = shared = products = past = 0.0
    for name, shape in SHAPES.items():
        moved = 0
        for i in range(shape[0]):
            for j in range(shape[1]):
                r, c = residual[name][i, j], earlier[name][i, j]
                total += r * r
                past += c * c
                products += abs(r * c)
                shared += r * r if c != 0 else 0.0
                moved += r != 0
        assert found.layer_density[name] == pytest.approx(moved / (shape[0] * shape[1]), abs=1e-12)
    if total == 0 or past == 0:
        assert found.interference is None
    else:
        assert found.interference == pytest.approx(shared / total, rel=1e-6)
        assert found.overlap == pytest.approx(products / math.sqrt(total * past), rel=1e-6)
        assert 0 <= found.overlap <= 1 + 1e-9


def test_disjoint_changes_do_not_interfere_and_the_same_change_again_does_fully() -> None:
    initial = weights(0)
    left = {name: np.where(np.arange(matrix.shape[1]) == 0, 1.0, 0.0) + 0 * matrix for name, matrix in initial.items()}
    right = {name: np.where(np.arange(matrix.shape[1]) == 1, 1.0, 0.0) + 0 * matrix for name, matrix in initial.items()}
    before = added(initial, left)
    apart = change(initial, before, added(before, right))
    assert (apart.interference, apart.overlap) == (0.0, 0.0)
    again = change(initial, before, added(before, left))
    assert again.interference == 1.0
    assert again.overlap == pytest.approx(1.0)
    assert again.density == pytest.approx((3 + 4) / (15 + 8))


def test_a_task_that_changes_nothing_has_no_interference() -> None:
    initial = weights(0)
    still = change(initial, initial, initial)
    assert (still.interference, still.overlap, still.density) == (None, None, 0.0)
    first = change(initial, initial, added(initial, weights(1)))
    assert first.interference is None
    assert first.density == 1.0
