"""Subspaces of O-LoRA, InfLoRA and Orthogonal Adaptation held against loops and eigenvectors in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tasks import CONCEPTS, Course, tiny_model
from torch import Tensor, nn

from methods import parts
from methods.inf_lora import InfLoRA, InfLoRAClassOptions, InfLoRAOptions


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -------------------------------------------------------------------------------------------------------------- O-LoRA


@settings(deadline=None, max_examples=20)
@given(tasks=st.integers(1, 4), rank=st.integers(1, 3), seed=st.integers(0, 99))
def test_overlap_is_the_sum_over_all_pairs_of_rows(tasks: int, rank: int, seed: int) -> None:
    past = {name: [draws(rank, 6, seed=seed + 7 * t + 100 * n) for t in range(tasks)] for n, name in enumerate("kv")}
    now = {name: draws(rank, 6, seed=seed + 1000 + n) for n, name in enumerate("kv")}
    absolute = squared = 0.0
    for name in "kv":
        for earlier in past[name]:
            for one in earlier.numpy():
                for other in now[name].numpy():
                    product = float(sum(a * b for a, b in zip(one, other, strict=True)))
                    absolute += abs(product)
                    squared += product**2
    for form, wanted in (("absolute", absolute), ("squared", squared)):
        memory: dict[str, Tensor] = {}
        for t in range(tasks):
            memory = parts.remembered(memory, {name: past[name][t] for name in "kv"}, form)  # type: ignore[arg-type]
        kept = {name: memory[f"past.{name}"] for name in "kv"}
        assert kept["k"].shape == ((rank * tasks, 6) if form == "absolute" else (6, 6))
        found = float(parts.overlap_loss(kept, now, form))  # type: ignore[arg-type]
        assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("factor", ["A", "B"])
def test_o_lora_keeps_apart_the_factor_that_it_is_told(tiny_models: Path, factor: str) -> None:
    """With a weight that drowns the loss, the second task's factor is driven away from the first one's, and only it."""
    overlaps: dict[float, dict[str, float]] = {}
    for weight in (0.0, 1e3):
        course = Course("o-lora", tiny_model(tiny_models), lambda_orth=weight, factor=factor, steps=40, rank=2)
        first, second = course.teach().adapters, course.teach().adapters
        overlaps[weight] = {
            side: sum(float((_rows(first[name], side) @ _rows(second[name], side).T).abs().sum())
                      for name in first)
            for side in "AB"
        }  # fmt: skip
    assert overlaps[1e3][factor] < 0.5 * overlaps[0.0][factor]


def _rows(adapter: Any, side: str) -> Tensor:
    rows: Tensor = adapter.B if side == "B" else adapter.A.T
    return rows.detach()


def test_o_loras_penalty_trains_and_its_weight_tells(tiny_models: Path) -> None:
    weights = []
    for weight in (0.0, 100.0, 1e8):
        course = Course("o-lora", tiny_model(tiny_models), lambda_orth=weight)
        course.teach()
        weights.append(torch.cat([w.flatten() for w in course.teach().weights.values()]))
    assert not any(torch.equal(weights[a], weights[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


# ------------------------------------------------------------------------------------------------------------- InfLoRA


def test_designed_rows_are_leading_directions_outside_the_memory() -> None:
    inputs = draws(200, 8) @ torch.diag(torch.tensor([9.0, 6, 4, 3, 2, 1, 0.5, 0.2], dtype=torch.float64))
    moment = inputs.T @ inputs / 200
    basis = torch.linalg.qr(draws(8, 3, seed=1))[0]
    rows = parts.designed_rows(moment, basis, 2).double().numpy()
    assert np.allclose(rows @ basis.numpy(), 0, atol=1e-6)
    assert np.allclose(rows @ rows.T, np.eye(2) / 3, atol=1e-6)
    outside = (np.eye(8) - basis.numpy() @ basis.numpy().T) @ moment.numpy()
    _, vectors = np.linalg.eigh(outside @ outside.T)  # its left singular vectors
    leading = vectors[:, -2:]
    assert np.allclose(3 * rows.T @ rows, leading @ leading.T, atol=1e-5)


def test_first_tasks_rows_are_the_inputs_leading_directions() -> None:
    moment = torch.diag(torch.tensor([1.0, 5.0, 3.0], dtype=torch.float64))
    rows = parts.designed_rows(moment, moment[:, :0], 2).abs()
    assert torch.allclose(rows, torch.tensor([[0.0, 1, 0], [0, 0, 1]]) / 3**0.5)


def test_where_nothing_is_left_rows_are_zero() -> None:
    """A singular vector of the value 0 may lie in what is to be left alone."""
    directions = torch.linalg.qr(draws(6, 6))[0]
    basis, seen = directions[:, :3], directions[:, 2:4]  # one direction of these two is new
    rows = parts.designed_rows(seen @ seen.T, basis, 4)
    assert rows[0].norm() == pytest.approx(3**-0.5, rel=1e-5)
    assert not rows[1:].any()
    assert torch.allclose(rows.double() @ basis, torch.zeros(4, 3, dtype=torch.float64), atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(threshold=st.floats(0.5, 0.9999), seed=st.integers(0, 99))
def test_the_memory_holds_its_share_with_no_direction_too_many(threshold: float, seed: int) -> None:
    spread = torch.diag(torch.linspace(3, 0.1, 7, dtype=torch.float64))
    one, two = (draws(50, 7, seed=seed + k) @ spread for k in range(2))
    moments = [x.T @ x / 50 for x in (one, two)]
    basis = moments[0][:, :0]
    for moment in moments:
        before = basis
        basis = parts.grown_basis(moment, basis, threshold)
        assert torch.allclose(basis.T @ basis, torch.eye(basis.shape[1], dtype=torch.float64), atol=1e-9)
        assert torch.equal(basis[:, : before.shape[1]], before)
        shares = [
            float((basis[:, :k] @ basis[:, :k].T @ moment).square().sum() / moment.square().sum())
            for k in range(before.shape[1], basis.shape[1] + 1)
        ]
        assert shares[-1] >= threshold - 1e-9
        assert all(share < threshold for share in shares[:-1])


def test_inf_loras_second_task_does_not_reach_the_first_ones_prompt(tiny_models: Path) -> None:
    """With all of the inputs' energy in memory, keys and values of the first prompt stay as they were."""
    model = tiny_model(tiny_models)
    course = Course("inf-lora", model, threshold=1.0, rank=4, steps=20)
    first = course.teach()
    model.set_token(CONCEPTS[0][0], first.done.token)
    with torch.no_grad():
        text = model.encode_prompts([first.prompt]).features[0]
    before = {name: text @ w.T for name, w in model.weights().items()}
    second = course.teach()
    changed = {name: text @ w.T for name, w in model.weights().items()}
    with torch.no_grad():
        own = model.encode_prompts([second.prompt]).features[0]
    for name, keys in before.items():
        moved = (own @ (second.weights[name] - second.before[name]).T).norm()
        assert float((changed[name] - keys).norm()) < 1e-3 * float(moved)
        assert moved > 0


def test_input_moments_are_of_every_position_of_the_prompt(tiny_models: Path) -> None:
    model = tiny_model(tiny_models)
    model.set_token("<v1>", torch.ones(model.token_dim))

    class Lesson:
        prompt = "a photo of a <v1> person"

    lesson: Any = Lesson()
    lesson.model = model
    with torch.no_grad():
        features = model.encode_prompts([lesson.prompt]).features[0].double().numpy()
    wanted = sum(np.outer(row, row) for row in features) / len(features)
    assert np.allclose(parts.input_moments(lesson, torch.Generator())["text"].numpy(), wanted, rtol=1e-12)


def test_the_share_rises_where_the_number_of_tasks_is_known() -> None:
    method = InfLoRA(InfLoRAClassOptions(threshold=0.9))
    method.task_index, method.num_tasks = 3, 5
    assert method._threshold() == pytest.approx(0.9 + 0.1 * 2 / 5)
    assert InfLoRA(InfLoRAOptions(threshold=0.9))._threshold() == 0.9


# ------------------------------------------------------------------------------------------- Orthogonal Adaptation


def test_shared_rows_are_of_one_orthogonal_matrix() -> None:
    one, two = (parts.shared_rows(12, 5, torch.Generator().manual_seed(seed)).double() for seed in (0, 1))
    assert torch.allclose(one @ one.T, torch.eye(5, dtype=torch.float64), atol=1e-6)
    products = (one @ two.T).abs()
    assert torch.all((products < 1e-6) | (products > 1 - 1e-6))  # the same row of the basis, or an orthogonal one
    assert not torch.equal(one, two)
    with pytest.raises(ValueError, match="rank 13 is more than the 12 rows"):
        parts.shared_rows(12, 13, torch.Generator())


def test_given_rows_train_a_alone() -> None:
    projection = nn.Linear(4, 3, bias=False)
    rows = draws(2, 4).float()
    adapter = parts.GivenRows(projection, rows)
    assert [name for name, _ in adapter.named_parameters()] == ["A"]
    assert not adapter.compute().any()
    with torch.no_grad():
        adapter.A.copy_(draws(3, 2, seed=1))
    assert torch.allclose(adapter.compute(), adapter.A @ rows)


@pytest.mark.parametrize(
    ("name", "changes", "weights"),
    [("lora-merge", {}, (1.0, 0.5)), ("orthogonal-adaptation", {"merge_weight": 0.7}, (0.7, 0.7))],
)
def test_merged_is_the_weighted_sum_of_what_each_concept_changed(
    tiny_models: Path, name: str, changes: dict[str, Any], weights: tuple[float, float]
) -> None:
    model = tiny_model(tiny_models)
    course = Course(name, model, rank=4, **changes)
    initial = {key: w.double() for key, w in model.weights().items()}
    first, second = course.teach(), course.teach()
    for key, start in initial.items():
        learnt = [taught.folded[key].double() - start for taught in (first, second)]
        assert all(change.any() for change in learnt)
        assert torch.allclose(first.weights[key].double(), start + weights[0] * learnt[0], atol=1e-6)
        assert torch.allclose(second.weights[key].double(), start + weights[1] * (learnt[0] + learnt[1]), atol=1e-6)
