"""Thumbnails that are near each other: found without comparing all with all, and none is missed."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.images.decoding import THUMBNAIL
from harness.data.near_thumbnails import AKIN, NEAR, near


def some(number: int, spread: float, seed: int, within: int = NEAR) -> list[bytes]:
    """Thumbnails, each third one as far from an earlier one as may be called near."""
    rng = np.random.default_rng(seed)
    values = np.clip(rng.normal(128, spread, (number, THUMBNAIL, THUMBNAIL, 3)), 0, 255).astype(np.int64)
    values[::3] = values[rng.permutation(number)[: len(values[::3])]]
    values[::3] += rng.choice((-within, 0, within), values[::3].shape)
    return [one.tobytes() for one in np.clip(values, 0, 255).astype(np.uint8)]


def compared_with_all(thumbnails: list[bytes], within: int = NEAR) -> list[tuple[int, list[int]]]:
    values = [np.frombuffer(one, np.uint8).astype(int) for one in thumbnails]
    found = [
        (later, [k for k in range(later) if np.abs(values[k] - values[later]).max() <= within])
        for later in range(len(values))
    ]
    return [(later, places) for later, places in found if places]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.sampled_from([0.0, 2.0, 6.0, 60.0]), st.integers(0, 1000), st.sampled_from([NEAR, AKIN]))
def test_none_is_missed(number: int, spread: float, seed: int, within: int) -> None:
    thumbnails = some(number, spread, seed, within) if number else []
    assert list(near(thumbnails, within)) == compared_with_all(thumbnails, within)


def test_more_than_a_block() -> None:
    thumbnails = some(600, 40, 0)
    assert list(near(thumbnails)) == compared_with_all(thumbnails)


@pytest.mark.parametrize("number", [20_000])
def test_many_take_no_longer_than_they_must(number: int) -> None:
    thumbnails = some(number, 60, 0)
    started = time.process_time()
    assert sum(1 for _ in near(thumbnails)) > number // 8
    assert time.process_time() - started < 5  # of comparing all with all: nine
