"""The measures that ship with the program, against derivations of their own in plain float64 loops, and known cases."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from harness import registry
from harness.measures.base_drift import BaseDrift
from harness.measures.clip_i import ClipI
from harness.measures.clip_t import ClipT
from harness.measures.cmmd import Cmmd
from harness.measures.fid import Fid
from harness.measures.identity_map import IdentityMap, average_precision
from harness.measures.identity_retrieval import IdentityRetrieval
from harness.measures.vendi import Vendi
from harness.metric import BaseImages, ImageSet, TaskImages

Array = NDArray[np.floating]


def images(features: Array) -> ImageSet:
    return ImageSet(lambda: np.zeros((len(features), 2, 2, 3), np.uint8), lambda: np.asarray(features, np.float32))


def task(real: Array, generated: Array, index: int = 1) -> TaskImages:
    return TaskImages(index, f"concept {index}", "person", "a photo of a V* person", images(real), images(generated))


def features(seed: int, n: int, d: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def cosine(x: Array, y: Array) -> float:
    dot = sum(float(a) * float(b) for a, b in zip(x, y, strict=True))
    return dot / math.sqrt(sum(float(a) ** 2 for a in x)) / math.sqrt(sum(float(b) ** 2 for b in y))


@given(st.integers(0, 50), st.integers(1, 5), st.integers(1, 6))
def test_clip_i_is_the_mean_cosine_over_all_pairs(seed: int, n: int, m: int) -> None:
    real, drawn = features(seed, m), features(seed + 100, n)
    found = ClipI().of_task(task(real, drawn))
    assert found == pytest.approx([sum(cosine(y, x) for x in real) / m for y in drawn], rel=1e-9)


def test_clip_i_of_the_same_direction_is_1_and_of_nothing_0() -> None:
    assert ClipI().of_task(task(np.eye(3)[:1], 7 * np.eye(3)[:1])) == pytest.approx([1.0])
    assert ClipI().of_task(task(np.eye(3)[:1], np.zeros((1, 3)))) == pytest.approx([0.0])


@given(st.integers(0, 50), st.integers(2, 5), st.integers(2, 6))
def test_cmmd_is_1000_times_the_v_statistic_of_a_gaussian_kernel_of_width_10(seed: int, n: int, m: int) -> None:
    x, y = features(seed, m), features(seed + 100, n)

    def kernel(a: Array, b: Array) -> float:
        u, v = (side.astype(float) / math.sqrt(sum(float(c) ** 2 for c in side)) for side in (a, b))
        return math.exp(-sum((p - q) ** 2 for p, q in zip(u, v, strict=True)) / (2 * 10**2))

    def mean(a: Array, b: Array) -> float:
        return math.fsum(kernel(p, q) for p, q in product(a, b)) / len(a) / len(b)

    wanted = 1000 * math.fsum([mean(x, x), mean(y, y), -2 * mean(x, y)])
    assert Cmmd().of_task(task(x, y)) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_cmmd_of_opposite_points_is_known_and_of_equal_sets_0() -> None:
    one = np.array([[1.0, 0.0]])
    assert Cmmd().of_task(task(one, -one)) == pytest.approx(1000 * 2 * (1 - math.exp(-4 / 200)))
    assert Cmmd().of_task(task(features(0, 4), features(0, 4))) == pytest.approx(0, abs=1e-9)


def test_retrieval_counts_the_images_that_are_nearest_to_their_own_concept() -> None:
    own, other = np.array([[1.0, 0.0], [0.9, 0.1]]), np.array([[0.0, 1.0]])
    drawn = np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 0.0]])  # the second is the other concept
    answers = IdentityRetrieval().of_tasks([task(own, drawn), task(other, drawn[1:2], 2)])
    assert [list(np.asarray(each)) for each in answers] == [[1, 0, 1], [1]]


@given(st.integers(0, 30))
def test_retrieval_is_by_the_mean_cosine_among_all_concepts_of_the_run(seed: int) -> None:
    tasks = [task(features(seed + j, 3), features(seed + 50 + j, 4), j + 1) for j in range(3)]
    for place, answer in enumerate(IdentityRetrieval().of_tasks(tasks)):
        for y, hit in zip(tasks[place].generated.features, np.asarray(answer), strict=True):
            means = [sum(cosine(y, x) for x in each.real.features) / 3 for each in tasks]
            assert hit == (max(means) == means[place])


def test_vendi_counts_different_images() -> None:
    same, apart = np.tile(features(1, 1), (4, 1)), np.eye(4)
    assert Vendi().of_task(task(apart, same)) == pytest.approx(1.0)
    assert Vendi().of_task(task(same, apart)) == pytest.approx(4.0)
    assert Vendi().of_task(task(same, np.repeat(np.eye(2), 3, axis=0))) == pytest.approx(2.0)


@given(st.integers(0, 30), st.integers(2, 6))
def test_vendi_is_the_exponential_of_the_entropy_of_the_eigenvalues(seed: int, n: int) -> None:
    drawn = features(seed, n)
    kernel = np.array([[cosine(a, b) / n for b in drawn] for a in drawn])
    values = [float(abs(value)) for value in np.roots(np.poly(kernel)) if abs(value) > 1e-9]
    wanted = math.exp(-sum(value * math.log(value) for value in values))
    assert Vendi().of_task(task(features(0, 2), drawn)) == pytest.approx(wanted, rel=1e-3)


@given(st.integers(0, 50), st.integers(1, 5))
def test_clip_t_is_the_mean_cosine_with_the_text(seed: int, n: int) -> None:
    drawn, text = features(seed, n), features(seed + 100, 1)[0]
    shown = replace(task(features(seed, 2), drawn), wording="a photo of a person", read_text=lambda: text)
    assert ClipT().of_task(shown) == pytest.approx([cosine(each, text) for each in drawn], rel=1e-9)
    assert ClipT().of_task(replace(shown, read_text=lambda: -2 * drawn[0]))[:1] == pytest.approx([-1.0])


@given(st.integers(0, 50), st.integers(1, 5))
def test_drift_is_1_less_the_cosine_of_each_pair(seed: int, n: int) -> None:
    before, after = features(seed, n), features(seed + 100, n)
    found = BaseDrift().of_base(BaseImages("a photo of a person", images(before), images(after)))
    assert found == pytest.approx([1 - cosine(x, y) for x, y in zip(before, after, strict=True)], rel=1e-9)


def test_drift_of_the_same_features_is_exactly_0_and_of_opposite_ones_2() -> None:
    same = images(features(0, 7, 512))
    assert (BaseDrift().of_base(BaseImages("", same, same)) == 0).all()
    assert BaseDrift().of_base(BaseImages("", same, images(-3 * same.features))) == pytest.approx(2)


def test_mean_average_precision_of_a_hand_made_ranking() -> None:
    # ranked: right, wrong, right, wrong -> (1/1 + 2/3) / 2; of a tie the wrong one counts first
    right = np.array([True, False, True, False])
    assert average_precision(np.array([[4.0, 3.0, 2.0, 1.0]]), right) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([[4.0, 4.0, 2.0, 1.0]]), right) == pytest.approx((1 / 2 + 2 / 3) / 2)


@given(st.integers(0, 50))
def test_map_is_scikit_learns_average_precision_of_each_image(seed: int) -> None:
    tasks = [task(features(seed + i, 3 + i), features(seed + 9 + i, 2), i + 1) for i in range(3)]
    found = IdentityMap().of_tasks(tasks)
    for own, values in zip(tasks, found, strict=True):
        for k, drawn in enumerate(own.generated.features):
            likeness = [cosine(drawn, x) for each in tasks for x in each.real.features]
            right = [each is own for each in tasks for _ in each.real.features]
            assert np.asarray(values)[k] == pytest.approx(average_precision_score(right, likeness), rel=1e-9)


@given(st.integers(0, 50))
def test_fid_is_the_frechet_distance_of_two_normal_distributions(seed: int) -> None:
    tasks = [task(features(seed + i, 6, 3), 2 * features(seed + 9 + i, 5, 3) + 1, i + 1) for i in range(2)]
    x, y = (np.concatenate([np.asarray(f(t), float) for t in tasks])
            for f in (lambda t: t.real.features, lambda t: t.generated.features))  # fmt: skip
    (a, b), root = (np.cov(side, rowvar=False) for side in (x, y)), None
    # of the geometric mean of covariances, by the symmetric square root
    values, vectors = np.linalg.eigh(a)
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
    middle = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    wanted = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * middle
    assert Fid().of_run(tasks) == pytest.approx(wanted, rel=1e-6)


def test_fid_of_a_shifted_set_is_the_squared_shift() -> None:
    x = features(3, 8, 2)
    assert Fid().of_run([task(x, x + np.float32([3, 4]))]) == pytest.approx(25, rel=1e-5)


def test_each_is_registered_under_its_own_name_and_says_what_it_is() -> None:
    metrics = registry.metrics()
    for name in metrics.names():
        plugin = metrics.get(name)
        assert plugin.name == name
        assert plugin.summary.endswith(".")
