"""MMD by other kernels against plain loops in float64, and the properties that tell the variants apart."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.metrics.mmd import mmd
from harness.metrics.scores import accuracy_figures, floor_figures, forgetting_figures, learned_figures
from harness.metrics.variants import KERNELS, mmd_variants, protocol_text, variant_figures

SETTING = registry.setting("customization")
NAMES = ("unit", "offset0", "scale1")


def features(seed: int, n: int, d: int, norm: float = 10.0) -> np.ndarray:
    """Like CLIP's: one large common direction, and some of each image's own."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(1, d)) + 0.5 * draw.normal(size=(n, d))
    return (norm * x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def by_loops(x: np.ndarray, y: np.ndarray, name: str) -> float:
    d = x.shape[1]

    def unit(a: np.ndarray) -> np.ndarray:
        return a / np.sqrt((a * a).sum())

    def k(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a.astype(np.float64), b.astype(np.float64)
        if name == "unit":
            return float((unit(a) @ unit(b) / d + 1) ** 3)
        if name == "offset0":
            return float((a @ b / d) ** 3)
        return float((unit(a) @ unit(b) + 1) ** 3)

    means = [np.mean([[k(a, b) for b in q] for a in p]) for p, q in ((x, x), (y, y), (x, y))]
    return float(means[0] + means[1] - 2 * means[2])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [(15, 50), (16, 16), (2, 3)])
def test_each_variant_is_its_formula(name: str, sizes: tuple[int, int]) -> None:
    x, y = features(0, sizes[0], 32), features(1, sizes[1], 32)
    assert mmd_variants(x, y)[name] == pytest.approx(by_loops(x, y, name), rel=1e-10, abs=1e-15)


def test_equal_sets_are_exactly_zero_and_unequal_ones_are_not() -> None:
    x = features(2, 16, 64)
    assert set(mmd_variants(x, x.copy()).values()) == {0.0}
    assert all(value > 0 for value in mmd_variants(x, features(3, 16, 64)).values())


def test_norms_count_only_where_features_are_not_normalised() -> None:
    x, y = features(4, 16, 64), features(5, 16, 64)
    one, other = mmd_variants(x, y), mmd_variants(2 * x, 2 * y)
    assert other["unit"] == pytest.approx(one["unit"])
    assert other["scale1"] == pytest.approx(one["scale1"])
    assert other["offset0"] == pytest.approx(64 * one["offset0"])


def test_with_unit_norm_and_scale_d_only_the_means_count() -> None:
    x, y = features(6, 16, 512), features(7, 16, 512)
    means = [(a / np.linalg.norm(a, axis=1, keepdims=True)).astype(np.float64).mean(axis=0) for a in (x, y)]
    linear = 3 * np.sum((means[0] - means[1]) ** 2) / 512
    assert mmd_variants(x, y)["unit"] == pytest.approx(linear, rel=0.01)


def test_a_feature_of_zeros_is_no_division_by_zero() -> None:
    x = features(8, 4, 8)
    x[0] = 0
    assert all(np.isfinite(value) for value in mmd_variants(x, x[::-1]).values())


def test_the_cells_figures_are_means_over_tasks_of_a_and_f() -> None:
    real, just, final = ([features(10 * k + j, 16, 32) for j in range(3)] for k in (1, 2, 3))
    found = {figure.metric: figure for figure in variant_figures(real, just, final)}
    assert set(found) == {f"{metric}.{name}" for metric in ("a_mmd", "f_mmd") for name in NAMES}
    for name in NAMES:
        a, f = found[f"a_mmd.{name}"], found[f"f_mmd.{name}"]
        assert a.value == pytest.approx(
            1000 * np.mean([by_loops(x, y, name) for x, y in zip(real, final, strict=True)])
        )
        pairs = list(zip(just[:2], final[:2], strict=True))
        assert f.value == pytest.approx(1000 * np.mean([by_loops(x, y, name) for x, y in pairs]))
        assert ((a.n, f.n), a.unit, a.task, a.low) == ((3, 2), "1e-3", None, None)
    alone = {figure.metric: figure.value for figure in variant_figures(real[:1], just[:1], final[:1])}
    assert {alone[f"f_mmd.{name}"] for name in NAMES} == {0.0}


def test_they_are_named_in_the_protocol_and_in_the_reports_and_their_code_in_the_scores_key() -> None:
    assert tuple(kernel.name for kernel in KERNELS) == NAMES
    assert protocol_text() == (
        "mmd.unit (x.y/d + 1)^3, features of norm 1, mmd.offset0 (x.y/d)^3, features not normalised, "
        "mmd.scale1 (x.y + 1)^3, features of norm 1"
    )
    shown = SETTING.presentation.variants
    assert {column.metric for column in shown} == {
        f"{metric}.{name}" for metric in ("a_mmd", "f_mmd") for name in NAMES
    }
    assert not {column.metric for column in shown} & {column.metric for column in SETTING.presentation.columns}
    assert "variants.py" in {Path(path).name for path in SETTING.scoring_modules}


def test_they_cost_little_beside_the_other_figures() -> None:
    sets = [[features(100 * k + j, 16, 512) for j in range(10)] for k in range(3)]

    def others() -> None:
        accuracy_figures(sets[0], sets[2])
        learned_figures(sets[0], sets[1])
        forgetting_figures(sets[1], sets[2])
        floor_figures(sets[0], sets[1])

    def seconds(work: object) -> float:
        times = []
        for _ in range(5):
            started = time.process_time()
            work()  # type: ignore[operator]
            times.append(time.process_time() - started)
        return min(times)

    assert seconds(lambda: variant_figures(*sets)) < 0.2 * seconds(others)  # 0.10 on an idle core


def test_the_main_kernel_is_as_it_was() -> None:
    x, y = features(11, 15, 32), features(12, 16, 32)
    k = [(np.asarray(a, float) @ np.asarray(b, float).T / 32 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    assert mmd(x, y) == pytest.approx(k[0].mean() + k[1].mean() - 2 * k[2].mean(), rel=1e-12)
