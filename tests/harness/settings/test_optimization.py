"""Rates at each step, clipping by kind, and AdamW's eps, held against plain loops in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.backbones.adapters import attach
from harness.backbones.batched_adapters import Stack, stacked
from harness.settings.optimization import Schedule, adamw, clip_by_kind, kinds_of, rate_share, set_rates
from harness.spec import MethodOptions
from methods.parts import LowRank, MaskedLowRank, MlpMask

# --------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@given(steps=st.integers(1, 300), warmup=st.floats(0, 0.99))
def test_rates_rise_to_the_full_one_and_fall_to_almost_nothing(schedule: Schedule, steps: int, warmup: float) -> None:
    shares = [rate_share(schedule, warmup, step, steps) for step in range(steps)]
    rising = min(round(warmup * steps), steps - 1)
    assert all(0 < share <= 1 for share in shares)
    assert shares[rising] == 1
    for step in range(rising):
        assert shares[step] == pytest.approx((step + 1) / (rising + 1), abs=1e-12)
    for step in range(rising, steps):
        over = (step - rising) / (steps - rising)
        formula = {"constant": 1.0, "linear": 1 - over, "cosine": 0.5 + 0.5 * math.cos(math.pi * over)}[schedule]
        assert shares[step] == pytest.approx(formula, abs=1e-12)


def test_each_group_keeps_its_own_full_rate() -> None:
    one, other = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([{"params": [one], "lr": 0.1}, {"params": [other], "lr": 0.4}])
    for share in (0.5, 0.25, 1.0):
        set_rates(optimizer, share)
        assert [group["lr"] for group in optimizer.param_groups] == [0.1 * share, 0.4 * share]


# ------------------------------------------------------------------------------------------------------------ clipping


class Model:
    """Five projections of two shapes, so that some adapters are stacked."""

    token_dim = 0

    def __init__(self) -> None:
        shapes = [(4, 6), (4, 6), (4, 6), (5, 6), (5, 6)]
        self.projections = {f"p{i}": nn.Linear(d2, d1, bias=False) for i, (d1, d2) in enumerate(shapes)}


def masked() -> tuple[list[object], nn.Module]:
    """Adapters as they are computed, and a module beside them."""
    model, draw = Model(), torch.Generator().manual_seed(0)

    def adapter(name: str, projection: nn.Linear) -> MaskedLowRank:
        mask = MlpMask(*projection.weight.shape, 2, tau=0.5, kind="gumbel", given="identity", start=1.0, generator=draw)
        return MaskedLowRank(projection, 2, mask, draw)

    adapters = list(attach(model, adapter).values())  # type: ignore[arg-type]
    return stacked(adapters), nn.Linear(3, 2)  # type: ignore[return-value]


def test_kinds_are_names_over_all_adapters_and_each_module() -> None:
    stacks, module = masked()
    assert any(isinstance(stack, Stack) for stack in stacks)
    kinds = kinds_of(stacks, [module])  # type: ignore[arg-type]
    entries = sorted(sum(p.numel() for p in kind) for kind in kinds)
    rows, columns, r, count = 4 * 3 + 5 * 2, 6, 2, 5
    names = {"A": rows * r, "B": count * r * columns, "weight1": count * r * columns, "bias1": count * r,
             "weight2": rows * r, "bias2": rows, "module": 3 * 2 + 2}  # fmt: skip
    assert entries == sorted(names.values())


def test_a_shared_parameter_counts_once() -> None:
    model, draw = Model(), torch.Generator().manual_seed(0)
    adapters = list(attach(model, lambda name, p: LowRank(p, 2, draw)).values())  # type: ignore[arg-type]
    adapters[1].B = adapters[0].B
    found = kinds_of(stacked(adapters), [])
    parameters = [p for kind in found for p in kind]
    assert len(parameters) == len({id(p) for p in parameters})


def test_each_kind_is_clipped_by_its_own_norm() -> None:
    draw = torch.Generator().manual_seed(3)
    kinds: list[list[Tensor]] = []
    for scale, sizes in ((1e4, (3, 5)), (0.3, (4,)), (2.0, (2, 2, 2)), (1e-9, (7,))):
        own = [torch.zeros(size, dtype=torch.float64) for size in sizes]
        for tensor in own:
            tensor.grad = scale * torch.randn(len(tensor), generator=draw, dtype=torch.float64)
        kinds.append(own)
    kinds[1].append(torch.zeros(2, dtype=torch.float64))  # without a gradient
    before = [[p.grad.tolist() for p in own if p.grad is not None] for own in kinds]
    whole = clip_by_kind(kinds, 0.5)

    norms = [math.sqrt(sum(x * x for part in own for x in part)) for own in before]
    assert float(whole) == pytest.approx(math.sqrt(sum(norm * norm for norm in norms)), rel=1e-12)
    for own, parts, norm in zip(kinds, before, norms, strict=True):
        factor = min(1.0, 0.5 / (norm + 1e-6))
        after = [p.grad for p in own if p.grad is not None]
        for grad, part in zip(after, parts, strict=True):
            torch.testing.assert_close(grad, torch.tensor([factor * x for x in part], dtype=torch.float64), rtol=1e-12,
                                       atol=0)  # fmt: skip


def test_nothing_to_clip_is_no_error() -> None:
    assert float(clip_by_kind([[torch.zeros(3)]], 1.0)) == 0


# ------------------------------------------------------------------------------------------------------------------ eps


@pytest.mark.parametrize(("eps", "moved"), [(1e-8, 6e-11 / (6e-11 + 1e-8)), (1e-15, 6e-11 / (6e-11 + 1e-15))])
def test_a_free_masks_gradient_at_full_size_moves_it_only_under_a_small_eps(eps: float, moved: float) -> None:
    """AdamW's first step is rate g / (|g| + eps); 6e-11 is a free mask's g among 19 million entries."""
    (stack, *_), _ = masked()
    options = MethodOptions(learning_rate=0.25, adam_eps=eps)
    optimizer = adamw([stack], nn.Module(), options)  # type: ignore[list-item]
    parameter = next(iter(stack.parameters()))  # type: ignore[attr-defined]
    before = parameter.detach().double()
    parameter.grad = torch.full_like(parameter, 6e-11)
    optimizer.step()
    change = (before - parameter.detach().double()).abs().mean()
    assert float(change) == pytest.approx(0.25 * moved, rel=1e-4)
