"""Adapters on two bare projections: attached, penalised for the right draw, folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter, attach, attached, count_trained, fold
from methods.clora import CLoRA
from methods.custom_diffusion import UpperBound
from methods.parts import FreeMask, FullResidual, LowRank, MaskedLowRank, MlpMask
from methods.stamina import Stamina
from methods.textual_inversion import TextualInversionPlusPlus

Make = Callable[[str, nn.Linear], Adapter]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Toy:
    """Two projections, one with a bias; remembers W_init as a backbone does."""

    def __init__(self, seed: int = 0) -> None:
        self.projections = {"k": nn.Linear(9, 6, bias=False), "v": nn.Linear(9, 4)}
        for number, projection in enumerate(self.projections.values()):
            with torch.no_grad():
                projection.weight.normal_(generator=generator(seed + number))
        self.initial = {name: p.weight.detach().clone() for name, p in self.projections.items()}
        self.token_dim = 5

    def weight(self, name: str) -> Tensor:
        """W_{t-1}, below any adapter."""
        return self.projections[name].weight.detach()

    def forward_weight(self, name: str) -> Tensor:
        """What the projection computes with, float64: its answers to the one-hot vectors."""
        projection = self.projections[name]
        answers = projection(torch.eye(projection.in_features)).detach().double()
        return (answers - (0 if projection.bias is None else projection.bias.detach().double())).T

    def change(self, name: str) -> Tensor:
        return self.weight(name) - self.initial[name]

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return torch.zeros(self.token_dim)

    def token_scale(self, part: int = 0) -> float:
        return 1.0


def masked(name: str, projection: nn.Linear) -> MaskedLowRank:
    rows, columns = projection.weight.shape
    mask = MlpMask(rows, columns, 3, tau=0.5, kind="gumbel", given="identity", start=0.0, generator=generator(7))
    return MaskedLowRank(projection, 2, mask, generator(8))


def free_masked(name: str, projection: nn.Linear) -> MaskedLowRank:
    mask = FreeMask(*projection.weight.shape, tau=0.5, kind="sigmoid", start=0.0, generator=generator(7))
    return MaskedLowRank(projection, 2, mask, generator(8))


MAKERS: dict[str, Make] = {
    "full": lambda name, projection: FullResidual(projection),
    "low-rank": lambda name, projection: LowRank(projection, 2, generator(8)),
    "masked": masked,
    "sigmoid": free_masked,
}


def shake(adapters: dict[str, Adapter], seed: int = 3) -> None:
    """Give every parameter a value, so that no residual is zero, and compute residuals in training mode."""
    random = generator(seed)
    for adapter in adapters.values():
        with torch.no_grad():
            for parameter in adapter.parameters():
                parameter.normal_(generator=random)
        adapter.train()
        adapter.refresh()


@pytest.mark.parametrize("kind", MAKERS)
def test_a_new_adapter_changes_nothing(kind: str) -> None:
    model, inputs = Toy(), torch.randn(3, 9, generator=generator(1))
    before = [p(inputs) for p in model.projections.values()]
    attach(model, MAKERS[kind])
    for expected, projection in zip(before, model.projections.values(), strict=True):
        assert torch.equal(projection(inputs), expected)
    assert all(not model.change(name).any() for name in model.projections)


@pytest.mark.parametrize("kind", MAKERS)
def test_attached_adapters_are_what_learns(kind: str) -> None:
    model = Toy()
    adapters = attach(model, MAKERS[kind])
    assert list(adapters) == ["k", "v"]
    assert attached(model.projections.values()) == list(adapters.values())
    shake(adapters)
    inputs = torch.randn(3, 9, generator=generator(1))
    for name, projection in model.projections.items():
        expected = inputs @ (model.weight(name) + adapters[name].residual()).T
        if projection.bias is not None:
            expected = expected + projection.bias
        torch.testing.assert_close(projection(inputs), expected)
    sum(p(inputs).square().sum() for p in model.projections.values()).backward()  # type: ignore[union-attr]
    for projection in model.projections.values():
        assert not projection.weight.requires_grad
        assert projection.weight.grad is None
    for name, adapter in adapters.items():
        for place, parameter in adapter.named_parameters():
            assert parameter.grad is not None, f"{name}.{place}"
            assert float(parameter.grad.abs().sum()) > 0, f"{name}.{place}"


@pytest.mark.parametrize("kind", MAKERS)
def test_fold_leaves_plain_weights_plus_the_noiseless_residual(kind: str) -> None:
    model = Toy()
    adapters = attach(model, MAKERS[kind])
    shake(adapters)
    in_training = {name: adapter.residual().detach().clone() for name, adapter in adapters.items()}
    before = {name: model.weight(name).clone() for name in model.projections}

    fold(model.projections.values())

    for name, projection in model.projections.items():
        assert {place for place, _ in projection.named_parameters()} <= {"weight", "bias"}
        assert type(projection.weight) is nn.Parameter
        assert not projection.weight.requires_grad
        assert not attached([projection])
        adapter = adapters[name]
        assert not adapter.training
        with torch.no_grad():
            residual = adapter.compute()
        assert residual.any()
        assert torch.equal(projection.weight, before[name] + residual)
        if kind == "masked":
            assert not torch.equal(residual, in_training[name])
            assert isinstance(adapter, MaskedLowRank)
            expected = adapter.A @ adapter.B * (adapter.mask_module.logits() > 0)
            assert torch.equal(residual, expected)
        assert set(projection.state_dict()) == ({"weight", "bias"} if projection.bias is not None else {"weight"})
    assert attached(model.projections.values()) == []
    fold(model.projections.values())  # nothing left to fold
    assert all(torch.equal(model.weight(name), before[name] + adapters[name].residual()) for name in adapters)


@pytest.mark.parametrize("kind", MAKERS)
def test_folded_and_adapted_give_the_same_answers(kind: str) -> None:
    model, inputs = Toy(), torch.randn(3, 9, generator=generator(1))
    adapters = attach(model, MAKERS[kind])
    shake(adapters)
    for adapter in adapters.values():
        adapter.eval()
        adapter.refresh()
    adapted = [p(inputs).detach() for p in model.projections.values()]
    fold(model.projections.values())
    for projection, expected in zip(model.projections.values(), adapted, strict=True):
        assert torch.equal(projection(inputs), expected)


def test_three_tasks_add_up() -> None:
    """W_3 = W_init + sum of (A B) * M over the tasks (eq. 5), held in one tensor a weight."""
    model = Toy()
    total = {name: torch.zeros_like(w) for name, w in model.initial.items()}
    for task in range(3):
        adapters = attach(model, masked)
        shake(adapters, seed=task)
        fold(model.projections.values())
        for name, adapter in adapters.items():
            total[name] = total[name] + adapter.residual()
    for name in total:
        torch.testing.assert_close(model.change(name), total[name])
    assert [sorted(p.state_dict()) for p in model.projections.values()] == [["weight"], ["bias", "weight"]]


# ------------------------------------------------------------------------------------------------------------- methods


def started(method_class: Any, changes: dict[str, Any], model: Toy) -> tuple[Any, dict[str, Adapter], nn.Module]:
    """A method after `begin_task`, with every adapter shaken."""
    method = method_class(method_class.options_class.for_tier("paper", changes))
    token = method.begin_task(model, generator(5))
    adapters = dict(zip(model.projections, attached(model.projections.values()), strict=False))
    shake(adapters)
    return method, adapters, token


def second_task(model: Toy) -> None:
    """As if one task had been learnt and folded."""
    shake(attach(model, masked), seed=11)
    fold(model.projections.values())


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("kind", ["gumbel", "sigmoid"])
def test_stamina_penalties_come_from_the_draw_that_forward_used(reduction: str, kind: str) -> None:
    model = Toy()
    second_task(model)
    changes = {"rank": 2, "lambda_forget": 3.0, "lambda_sparse": 0.7, "sparse_reduction": reduction, "mask_kind": kind}
    method, adapters, _ = started(Stamina, changes, model)
    for _ in range(3):
        for adapter in adapters.values():
            adapter.refresh()
        used = {name: model.forward_weight(name) - model.weight(name).double() for name in model.projections}
        penalties = method.penalties()

        forget = sum(
            float(model.change(name)[i, j]) ** 2 * float(used[name][i, j]) ** 2
            for name in used
            for i in range(used[name].shape[0])
            for j in range(used[name].shape[1])
        )
        entries = []
        for name, adapter in adapters.items():
            assert isinstance(adapter, MaskedLowRank)
            drawn = used[name] / (adapter.A @ adapter.B).detach().double()  # (A B * M) / (A B)
            if kind == "gumbel":
                assert bool(((drawn.abs() < 1e-3) | ((drawn - 1).abs() < 1e-1)).all())
                drawn = drawn.round()
            entries += drawn.flatten().tolist()
        sparse = sum(entries) / (len(entries) if reduction == "mean" else 1)

        assert penalties["forget"].item() == pytest.approx(3.0 * forget, rel=1e-4)
        assert penalties["sparse"].item() == pytest.approx(0.7 * sparse, rel=1e-3)
        assert forget > 0
        assert method.measures()["mask_density"] == pytest.approx(sum(entries) / len(entries), rel=1e-3)


def test_stamina_penalties_reach_masks_and_factors() -> None:
    model = Toy()
    second_task(model)
    method, adapters, _ = started(Stamina, {"rank": 2}, model)
    for term in ("forget", "sparse"):
        for adapter in adapters.values():
            adapter.zero_grad(set_to_none=True)
            adapter.refresh()
        method.penalties()[term].backward()
        for adapter in adapters.values():
            assert isinstance(adapter, MaskedLowRank)
            reached = {n for n, p in adapter.named_parameters() if p.grad is not None and bool(p.grad.any())}
            mlp = {f"mask_module.{place}" for place in ("weight1", "bias1", "weight2", "bias2")}
            assert reached == (mlp | {"A", "B"} if term == "forget" else mlp)


@pytest.mark.parametrize("method_class", [Stamina, CLoRA])
def test_first_task_forgets_nothing(method_class: Any) -> None:
    method, _, _ = started(method_class, {"rank": 2}, Toy())
    assert method.penalties()["forget"].item() == 0.0


def test_clora_penalty() -> None:
    model = Toy()
    second_task(model)
    method, adapters, _ = started(CLoRA, {"rank": 2, "lambda_forget": 5.0}, model)
    expected = sum(
        float((model.change(name).double() * (a.A @ a.B).detach().double()).square().sum())  # type: ignore[operator]
        for name, a in adapters.items()
    )
    assert {k: v.item() for k, v in method.penalties().items()} == {"forget": pytest.approx(5 * expected, rel=1e-4)}
    assert method.measures() == {}


def test_forgetting_is_against_the_weights_before_the_task() -> None:
    """The penalty's W_{t-1} stays put while the task changes W_t."""
    model = Toy()
    second_task(model)
    method, adapters, _ = started(CLoRA, {"rank": 2, "lambda_forget": 1.0}, model)
    before = method.penalties()["forget"].item()
    for adapter in adapters.values():
        with torch.no_grad():
            adapter.A.mul_(2.0)  # type: ignore[operator,union-attr]
        adapter.refresh()
    assert method.penalties()["forget"].item() == pytest.approx(4 * before, rel=1e-4)


def test_textual_inversion_touches_no_projection() -> None:
    model = Toy()
    method, adapters, token = started(TextualInversionPlusPlus, {}, model)
    assert adapters == {}
    assert method.penalties() == {}
    assert count_trained(model, token) == sum(p.numel() for p in token.parameters())
    assert all(torch.equal(model.projections[name].weight, model.initial[name]) for name in model.initial)


@pytest.mark.parametrize("method_class", [Stamina, CLoRA, UpperBound, TextualInversionPlusPlus])
def test_begin_draws_from_its_generator_alone(method_class: Any) -> None:
    """One seed gives one start; another seed another; the global state of torch is neither read nor moved."""
    starts = []
    for seed, place in ((1, 0), (1, 99), (2, 0)):
        torch.manual_seed(place)
        model, state = Toy(), torch.get_rng_state()
        method = method_class(method_class.options_class.for_tier("paper", {"rank": 2}))
        token = method.begin_task(model, generator(seed))
        for adapter in attached(model.projections.values()):
            adapter.refresh()
        assert torch.equal(torch.get_rng_state(), state)
        parameters = [*token.parameters(), *(p for a in attached(model.projections.values()) for p in a.parameters())]
        starts.append(torch.cat([p.detach().flatten() for p in parameters]))
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
