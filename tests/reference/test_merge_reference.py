"""Custom Diffusion's closed-form merge, held against the optimisation problem that it solves, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_tasks import tiny_model
from torch import Tensor

from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from methods.custom_diffusion_merge import CustomDiffusionMerge, MergeOptions
from methods.parts.merging import (
    ADJECTIVES,
    NOUNS,
    PLACES,
    caption_features,
    everyday_captions,
    gram,
    merged,
    projector,
    without_repeats,
)

Matrix = NDArray[np.float64]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


class Problem:
    """Random C_reg (n, D2), C (s, D2), V (s, D1), W_init (D1, D2)."""

    def __init__(self, seed: int, rows: int = 5, columns: int = 8, constraints: int = 3, captions: int = 30) -> None:
        scales = torch.logspace(-1, 1, columns, dtype=torch.float64)  # no two directions alike
        self.c_reg = normal(seed, captions, columns) * scales
        self.c = normal(seed + 1, constraints, columns) * scales
        self.v = normal(seed + 2, constraints, rows)
        self.initial = normal(seed + 3, rows, columns)

    def solve(self, ridge: float = 0.0, scale: float = 1.0) -> Matrix:
        """W by the code under test."""
        owners = [f"task {k + 1}" for k in range(len(self.c))]
        p = projector(scale * gram(self.c_reg), self.c, owners, ridge)
        return merged(self.initial, self.c, self.v, p).numpy()

    def objective(self, w: Matrix) -> float:
        """||(W - W_init) C_reg^T||_F^2."""
        return float(np.sum(((w - self.initial.numpy()) @ self.c_reg.numpy().T) ** 2))


def by_kkt(p: Problem) -> Matrix:
    """Stationarity and constraints of each row w of W, solved as one block system."""
    c_reg, c, v, initial = (t.numpy() for t in (p.c_reg, p.c, p.v, p.initial))
    s, d = c.shape
    block = np.block([[2 * c_reg.T @ c_reg, c.T], [c, np.zeros((s, s))]])
    rows = []
    for w0, target in zip(initial, v.T, strict=True):
        right = np.concatenate([2 * c_reg.T @ c_reg @ w0, target])
        rows.append(np.linalg.solve(block, right)[:d])
    return np.stack(rows)


SIZES = {
    "seed": st.integers(0, 2**20), "rows": st.integers(1, 6), "columns": st.integers(4, 12),
    "constraints": st.integers(1, 4),
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_equals_the_kkt_system_and_meets_the_constraints(seed: int, rows: int, columns: int, constraints: int) -> None:
    p = Problem(seed, rows, columns, constraints)
    w = p.solve()
    np.testing.assert_allclose(w, by_kkt(p), rtol=1e-6, atol=1e-8 * np.abs(w).max())
    residual = w @ p.c.numpy().T - p.v.numpy().T
    assert np.abs(residual).max() <= 1e-12 * max(1.0, float(np.abs(w).max() * p.c.abs().max())) * columns


def test_residual_is_at_the_level_of_rounding() -> None:
    p = Problem(0, 20, 64, 12, 300)
    assert np.abs(p.solve() @ p.c.numpy().T - p.v.numpy().T).max() < 1e-11


@settings(max_examples=20, deadline=None)
@given(**SIZES)
def test_targets_that_hold_already_change_nothing(seed: int, rows: int, columns: int, constraints: int) -> None:
    p = Problem(seed, rows, columns, constraints)
    p.v = p.c @ p.initial.T
    change = np.abs(p.solve() - p.initial.numpy()).max()
    assert change <= 1e-12 * float(p.initial.abs().max() * p.c.abs().max() / p.c.abs().max(dim=1).values.min())


@pytest.mark.parametrize("scale", [1e-6, 30.0, 1e8])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_scale_of_gram_does_not_matter(scale: float, ridge: float) -> None:
    p = Problem(1)
    np.testing.assert_allclose(p.solve(ridge, scale), p.solve(ridge), rtol=1e-9)


@pytest.mark.parametrize("constraints", [1, 3, 5])
def test_rank_of_the_change_is_the_number_of_constraints(constraints: int) -> None:
    p = Problem(2, rows=7, columns=9, constraints=constraints)
    assert np.linalg.matrix_rank(p.solve() - p.initial.numpy(), tol=1e-9) == constraints


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), size=st.floats(1e-2, 10))
def test_no_other_feasible_point_is_nearer(seed: int, size: float) -> None:
    p = Problem(seed)
    w = p.solve()
    c = p.c.numpy()
    free = np.eye(c.shape[1]) - np.linalg.pinv(c) @ c  # directions that no constraint sees
    other = w + size * normal(seed + 9, *w.shape).numpy() @ free
    np.testing.assert_allclose(other @ c.T, p.v.numpy().T, atol=1e-6)
    assert p.objective(w) < p.objective(other)


# --------------------------------------------------------------------------------------------------------------- ridge


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), ridge=st.sampled_from([1e-3, 0.01, 0.1, 1.0]))
def test_ridge_is_a_soft_least_squares(seed: int, ridge: float) -> None:
    """min ||(W - W_init) C_reg^T||^2 / n + ||W C^T - V^T||^2 / mu, mu = ridge x the mean of C G^-1 C^T's diagonal."""
    p = Problem(seed)
    c_reg, c, v, initial = (t.numpy() for t in (p.c_reg, p.c, p.v, p.initial))
    n = len(c_reg)
    mu = ridge * np.mean(np.diag(c @ np.linalg.inv(c_reg.T @ c_reg / n) @ c.T))
    left = np.vstack([c_reg / np.sqrt(n), c / np.sqrt(mu)])
    right = np.vstack([c_reg @ initial.T / np.sqrt(n), v / np.sqrt(mu)])
    expected = np.linalg.lstsq(left, right, rcond=None)[0].T
    np.testing.assert_allclose(p.solve(ridge), expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


def test_ridge_to_zero_is_the_hard_solution() -> None:
    p = Problem(3)
    hard = p.solve()
    off = [float(np.abs(p.solve(ridge) - hard).max()) for ridge in (1e-2, 1e-4, 1e-6, 1e-8)]
    assert off[0] > 1e-4
    assert off[1] / off[2] == pytest.approx(100, rel=0.1)  # of first order in the ridge
    assert off[3] < 1e-6


@pytest.mark.parametrize("row", [1, 2])
def test_dependent_rows_are_named_and_a_ridge_solves_them(row: int) -> None:
    p = Problem(4)
    p.c[row] = p.c[0] if row == 1 else 2 * p.c[0] - p.c[1]
    with pytest.raises(UsageError, match=rf"row {row + 1} of 3, of 'task {row + 1}'.*'ridge'"):
        p.solve()
    w = p.solve(0.01)
    assert np.isfinite(w).all()
    if row == 1:  # one row asked for twice, with two answers: the solution lies between, at their mean
        found = p.c[0].numpy() @ w.T
        between = (p.v[0] + p.v[1]).numpy() / 2
        tight = p.c[0].numpy() @ p.solve(1e-9).T
        assert np.abs(found - between).max() < np.abs(p.v[0].numpy() - between).max()
        np.testing.assert_allclose(tight, between, atol=1e-5)


def test_more_constraints_than_dimensions_are_refused() -> None:
    p = Problem(5, columns=4, constraints=6)
    with pytest.raises(UsageError, match=r"row 5 of 6, of 'task 5'.*4 dimensions"):
        p.solve()


# ------------------------------------------------------------------------------------------------------------ captions


def test_too_few_captions_name_the_option() -> None:
    with pytest.raises(UsageError, match=r"span 6 of 9 text dimensions.*'captions'"):
        gram(normal(0, 6, 9))
    with pytest.raises(UsageError, match="span 8 of 9"):  # many captions, but none that says anything of the last
        gram(torch.cat([normal(0, 50, 8), torch.zeros(50, 1).double()], dim=1))
    features = normal(0, 12, 9)
    expected = sum(np.outer(row, row) for row in features.numpy()) / 12
    np.testing.assert_allclose(gram(features).numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("count", [0, 4001])
def test_impossible_numbers_of_captions(count: int) -> None:
    with pytest.raises(UsageError, match="'captions'"):
        everyday_captions(count)


@pytest.mark.parametrize("count", [1, 500, 4000])
def test_everyday_captions_differ_and_use_every_word(count: int) -> None:
    captions = everyday_captions(count)
    assert len(set(captions)) == len(captions) == count
    assert all(caption.startswith("a photo of a ") for caption in captions)
    if count >= 500:
        for word in (*NOUNS, *ADJECTIVES, *PLACES):
            assert any(f" {word.strip()}" in caption for caption in captions), word
    assert everyday_captions(4000)[:count] == captions


def test_rows_equal_to_earlier_ones_are_dropped() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 1e-9], [1.0, 1e-3]], dtype=torch.float64)
    known = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    assert without_repeats(rows, rows[:0]).tolist() == [[1.0, 0.0], [0.0, 2.0], [1.0, 1e-3]]
    assert without_repeats(rows, known).tolist() == [[1.0, 0.0], [1.0, 1e-3]]
    assert without_repeats(rows[1:2], known).shape == (0, 2)
    assert without_repeats(-rows[:1], rows[:1]).tolist() == [[-1.0, 0.0]]


# -------------------------------------------------------------------------------------------- on the tiny checkpoint


@pytest.fixture
def model(tiny_models: Path) -> TextToImage:
    model = tiny_model(tiny_models)
    for number in (1, 2, 3):
        model.set_token(f"<v{number}>", 0.5 * torch.randn(model.token_dim, generator=generator(number)))
    return model


def own_features(model: TextToImage, prompt: str) -> Tensor:
    """(tokens, D2): features of one prompt, looked for by their ids: after BOS, up to and with the first EOS."""
    tokenizer = model.readers[0].tokenizer
    ids = tokenizer(prompt, padding="max_length", max_length=tokenizer.model_max_length).input_ids
    assert ids[0] == tokenizer.bos_token_id
    with torch.no_grad():
        return model.encode_prompts([prompt]).features[0, 1 : ids.index(tokenizer.eos_token_id) + 1].double()


def test_caption_features_are_those_between_bos_and_the_first_eos(model: TextToImage) -> None:
    captions = [*everyday_captions(19), "<v1> person", "a photo of a <v2> waterfall", "a photo of a <v2>"]
    expected = [own_features(model, caption) for caption in captions]
    assert [len(rows) for rows in expected[-3:]] == [3, 7, 6]
    found = caption_features(model, captions)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_prompts_share_the_features_of_their_beginning(model: TextToImage) -> None:
    first, second = (own_features(model, f"a photo of a <v{k}> person") for k in (1, 2))
    fresh = without_repeats(second, first)
    assert torch.equal(fresh, second[4:])  # <v2>, person and EOS; 'a photo of a' is there already
    assert len(without_repeats(first, second[:0])) == 7


def perturbed(model: TextToImage, seed: int) -> dict[str, Tensor]:
    """As if a concept had been learnt alone."""
    random = generator(seed)
    return {name: w + 0.1 * torch.randn(w.shape, generator=random) for name, w in model.initial.items()}


CONCEPTS = (("<v1>", "person"), ("<v2>", "waterfall"), ("<v3>", "person"))


@pytest.mark.parametrize("category_word", [True, False])
def test_every_concept_keeps_its_keys_and_values_through_all_merges(model: TextToImage, category_word: bool) -> None:
    alone: list[dict[str, Tensor]] = []
    memory: Any = {}
    length = 3 if category_word else 2  # V* X EOS
    for number, (token, category) in enumerate(CONCEPTS):
        alone.append(perturbed(model, 10 + number))
        method = CustomDiffusionMerge(MergeOptions(captions=200, ridge=0.0, category_word=category_word))
        method.memory = memory
        before = dict(memory)
        weights, memory = method.merge(model, alone[-1], token, category)
        assert set(weights) == set(model.initial)

        for name, w in weights.items():
            assert w.dtype == torch.float32
            for (known, word), own in zip(CONCEPTS, alone, strict=False):
                subject = f"{known} {word}" if category_word else known
                short, long = own_features(model, subject), own_features(model, f"a photo of a {subject}")
                assert len(short) == length
                for rows in (short, long[-length:]):  # of the long one, 'a photo of a' belongs to the first concept
                    wanted, found = rows @ own[name].double().T, rows @ w.double().T
                    pretrained = rows @ model.initial[name].double().T
                    assert float((found - wanted).abs().max()) < 1e-3 * float((pretrained - wanted).abs().max())
            prefix = own_features(model, "a photo of a")[:4]
            torch.testing.assert_close(prefix @ w.double().T, prefix @ alone[0][name].double().T, rtol=1e-3, atol=1e-4)

        added = 2 * length + (4 if number == 0 else 0)
        old = before.get("constraints", torch.zeros(0, model.token_dim))
        assert memory["constraints"].shape == (len(old) + added, model.token_dim)
        assert memory["owners"].tolist() == [*before.get("owners", torch.zeros(0)).tolist(), *[number + 1] * added]
        assert memory["gram"].shape == (model.token_dim, model.token_dim)
        for name, w in model.initial.items():
            assert memory[f"targets.{name}"].shape == (len(old) + added, w.shape[0])
        assert set(memory) == {"gram", "constraints", "owners", *(f"targets.{name}" for name in model.initial)}
        for name, tensor in before.items():  # what was there stays as it was
            assert torch.equal(memory[name][: len(tensor)], tensor)
    assert all(torch.equal(p.weight, model.initial[name]) for name, p in model.projections.items())


def test_a_merge_changes_everyday_captions_least(model: TextToImage) -> None:
    """Of those that serve the concept: less than its own weights, and less than the smallest change of the weights."""
    alone = perturbed(model, 7)
    weights, memory = CustomDiffusionMerge(MergeOptions(captions=200)).merge(model, alone, "<v1>", "person")
    captions = ["a photo of a person", *everyday_captions(200)]
    rows = torch.cat([own_features(model, caption) for caption in captions])
    constraints = memory["constraints"]
    for name, initial in model.initial.items():
        smallest = initial + ((alone[name] - initial).double() @ constraints.T @ torch.linalg.pinv(constraints).T)
        moved = [
            float((rows @ (w.double() - initial.double()).T).norm()) for w in (weights[name], alone[name], smallest)
        ]
        assert moved[0] < min(moved[1], moved[2]) * 0.95, name


def test_the_concept_that_is_one_too_many_is_named(model: TextToImage) -> None:
    """128 text dimensions hold 4 + 6 k rows for at most 20 concepts; a ridge goes on."""
    alone = perturbed(model, 7)
    memory: Any = {}
    for number in range(1, 22):
        model.set_token(f"<v{number}>", 0.5 * torch.randn(model.token_dim, generator=generator(number)))
        method = CustomDiffusionMerge(MergeOptions(captions=200))
        method.memory = memory
        if number == 21:
            with pytest.raises(UsageError, match=r"of 'task 21'.*128 dimensions.*'ridge'"):
                method.merge(model, alone, "<v21>", "person")
            break
        _, memory = method.merge(model, alone, f"<v{number}>", "person")
    soft = CustomDiffusionMerge(MergeOptions(captions=200, ridge=0.01))
    soft.memory = memory
    weights, _ = soft.merge(model, alone, "<v21>", "person")
    assert all(bool(w.isfinite().all()) for w in weights.values())
