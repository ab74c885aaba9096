"""LoRA's factors added and its larger entries kept, Custom Diffusion held back: against plain formulas in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from tiny_tasks import Course, tiny_model
from torch import Tensor, nn

from methods.parts.combined import LargerChange, SummedFactors, orthogonal_columns
from methods.regularised import L2, L2Options

ROWS, COLUMNS, RANK = 5, 7, 3


def draws(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(adapter: SummedFactors | LargerChange, seed: int) -> tuple[Tensor, Tensor]:
    """Its factors as if a training had moved them, in float64."""
    with torch.no_grad():
        adapter.A.copy_(draws(ROWS, RANK, seed=seed))
        adapter.B.add_(draws(RANK, COLUMNS, seed=seed + 1))
    return adapter.A.detach().double(), adapter.B.detach().double()


def test_summed_factors_hold_all_tasks() -> None:
    projection, generator = nn.Linear(COLUMNS, ROWS, bias=False), torch.Generator().manual_seed(0)
    change = torch.zeros(ROWS, COLUMNS, dtype=torch.float64)
    past: tuple[Tensor, Tensor] | None = None
    every: list[tuple[Tensor, Tensor]] = []
    for task in range(3):
        adapter = SummedFactors(projection, past, RANK, generator)
        a, b = trained(adapter, 10 * task)
        every.append((a, b))
        assert torch.allclose(adapter.train().compute().double(), a @ b, atol=1e-5)  # what steps see: W_{t-1} + A B
        change += adapter.eval().compute().detach().double()
        past = adapter.summed()
    whole = sum(a for a, _ in every) @ sum(b for _, b in every)  # type: ignore[operator]
    assert torch.allclose(change, whole, atol=1e-4)


def test_columns_start_orthogonal_to_those_before() -> None:
    past = draws(RANK, COLUMNS, seed=1)
    new = orthogonal_columns(draws(RANK, COLUMNS, seed=2), past).double().numpy()
    for j in range(COLUMNS):
        assert abs(float(new[:, j] @ past.double().numpy()[:, j])) < 1e-6
        assert np.linalg.norm(new[:, j]) == pytest.approx(1, abs=1e-6)
    assert np.linalg.matrix_rank(new, tol=0.1) > 1
    assert torch.allclose(orthogonal_columns(torch.tensor([[2.0, -3.0]]), torch.ones(1, 2)), torch.tensor([[1.0, -1]]))


def test_the_first_tasks_columns_are_drawn_as_the_authors_do() -> None:
    adapter = SummedFactors(nn.Linear(4000, 2, bias=False), None, 8, torch.Generator().manual_seed(0))
    assert float(adapter.B.detach().std()) == pytest.approx(1 / 8, rel=0.02)


def test_the_larger_change_of_each_entry_is_kept() -> None:
    change = draws(ROWS, COLUMNS, seed=5)
    adapter = LargerChange(nn.Linear(COLUMNS, ROWS, bias=False), change, RANK, torch.Generator().manual_seed(0))
    a, b = trained(adapter, 1)
    new = (a @ b).numpy()
    wanted = np.array(
        [[n if abs(n) >= abs(c) else c for n, c in zip(*pair, strict=True)]
         for pair in zip(new, change.double().numpy(), strict=True)]
    )  # fmt: skip
    folded = change.double() + adapter.eval().compute().detach().double()
    assert np.allclose(folded, wanted, atol=1e-5)
    assert 0 < np.count_nonzero(np.abs(wanted - change.numpy()) < 1e-12) < wanted.size
    assert torch.allclose(adapter.train().compute().double(), a @ b, atol=1e-5)


def test_magnitude_goes_on_from_all_tasks_before(tiny_models: Path) -> None:
    """Of two tasks: the larger of the first one's change and the second one's A B, everywhere."""
    model = tiny_model(tiny_models)
    course = Course("lora-magnitude", model)
    initial = {name: w.double() for name, w in model.weights().items()}
    first, second = course.teach(), course.teach()
    for name, start in initial.items():
        old, adapter = first.weights[name].double() - start, second.adapters[name]
        assert isinstance(adapter, LargerChange)
        new = (adapter.A @ adapter.B).detach().double()
        wanted = torch.where(new.abs() >= old.abs(), new, old)
        assert torch.allclose(second.weights[name].double() - start, wanted, atol=1e-5)


# ------------------------------------------------------------------------------------- Custom Diffusion, held back


@pytest.mark.parametrize("anchor", ["previous", "pretrained"])
def test_l2_is_the_squared_distance_from_its_anchor(
    tiny_models: Path, anchor: Literal["previous", "pretrained"]
) -> None:
    model = tiny_model(tiny_models)
    wanted = 0.0
    method = L2(L2Options(anchor=anchor, lambda_l2=0.5))
    with torch.no_grad():
        for number, projection in enumerate(model.projections.values()):
            projection.weight += draws(*projection.weight.shape, seed=number)
    method.begin_task(model, torch.Generator().manual_seed(0))
    for number, (name, adapter) in enumerate(method.adapters.items()):
        residual = draws(*adapter.residual().shape, seed=100 + number)
        with torch.no_grad():
            next(adapter.parameters()).copy_(residual)
        adapter.refresh()
        past = model.change(name).double() if anchor == "pretrained" else 0.0
        wanted += 0.5 * float((residual.double() + past).square().sum())
    assert float(method.penalties()["l2"].detach()) == pytest.approx(wanted, rel=1e-5)


def test_a_heavy_anchor_keeps_the_weights(tiny_models: Path) -> None:
    moved = []
    for weight in (0.0, 1e4):
        course = Course("l2", tiny_model(tiny_models), lambda_l2=weight, weight_decay=0.0, steps=20)
        course.teach()
        second = course.teach()
        moved.append(sum(float((second.weights[n] - w).norm()) for n, w in second.before.items()))
    assert moved[1] < 0.5 * moved[0]


def test_half_fine_tuning_draws_keys_or_values_of_each_layer(tiny_models: Path) -> None:
    course = Course("hft", tiny_model(tiny_models))
    chosen = []
    for _ in range(2):
        taught = course.teach()
        layers = [name.rpartition(".")[0] for name in taught.adapters]
        assert sorted(layers) == sorted({name.rpartition(".")[0] for name in course.model.projections})
        chosen.append(set(taught.adapters))
    assert chosen[0] != chosen[1]  # four layers: one chance in sixteen, and the draws are fixed
