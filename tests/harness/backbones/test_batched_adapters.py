"""Adapters computed together: the same draws, residuals, gradients and checkpoints as one by one, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.backbones import batched_adapters as stacks
from harness.backbones.adapters import Adapter, attach, attached, fold, joined
from harness.backbones.batched_adapters import Stack, stacked
from methods.parts import FreeMask, FullResidual, LowRank, MaskedLowRank, MlpMask, entries, forget_loss, sparse_loss

SHAPES = [(6, 9), (6, 9), (4, 9), (4, 9), (4, 9), (6, 9)]  # neighbours of one shape: 2, 3 and 1
RUNS = [2, 3, 1]


class Layers:
    """Projections of several shapes, float64."""

    token_dim = 0

    def __init__(self) -> None:
        self.projections = {
            f"layer {i}": nn.Linear(columns, rows, bias=False).double() for i, (rows, columns) in enumerate(SHAPES)
        }
        random = torch.Generator().manual_seed(1)
        for projection in self.projections.values():
            projection.weight.data.normal_(generator=random)

    def change(self, name: str) -> Tensor:
        return torch.zeros_like(self.projections[name].weight)

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return torch.zeros(0)

    def token_scale(self, part: int = 0) -> float:
        return 1.0


def maker(kind: str, noise: torch.Generator) -> Callable[[str, nn.Linear], Adapter]:
    def make(name: str, projection: nn.Linear) -> Adapter:
        rows, columns = projection.weight.shape
        common: dict[str, Any] = {"tau": 0.5, "start": 0.3, "generator": noise}
        if kind == "full":
            return FullResidual(projection)
        if kind == "low-rank":
            return LowRank(projection, 2, noise)
        if kind == "free":
            return MaskedLowRank(projection, 2, FreeMask(rows, columns, kind="gumbel", **common), noise)
        given, gate = (
            ("ones", "gumbel") if kind == "ones" else ("identity", "sigmoid" if kind == "sigmoid" else "gumbel")
        )
        mask = MlpMask(rows, columns, 3, kind=gate, given=given, **common)  # type: ignore[arg-type]
        return MaskedLowRank(projection, 2, mask, noise)

    return make


KINDS = ["full", "low-rank", "masked", "ones", "free", "sigmoid"]


def trained(kind: str, *, together: bool, steps: int = 3) -> dict[str, Tensor]:
    """What a few steps of a made-up loss leave: all that one could look at, by name."""
    model, noise = Layers(), torch.Generator().manual_seed(2)
    adapters = attach(model, maker(kind, noise))
    values = torch.Generator().manual_seed(3)
    for adapter in adapters.values():
        adapter.double().train()
        for parameter in adapter.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=values, dtype=torch.float64), alpha=0.3)
    computed: list[Any] = stacked(list(adapters.values())) if together else list(adapters.values())
    if together:
        assert [len(each.adapters) if isinstance(each, Stack) else 1 for each in computed] == RUNS
    optimizer = torch.optim.SGD([p for each in computed for p in each.parameters()], lr=0.1)
    inputs = torch.randn(5, 9, generator=values, dtype=torch.float64)
    changes = torch.randn(sum(r * c for r, c in SHAPES), generator=values, dtype=torch.float64)
    found: dict[str, Tensor] = {}
    for step in range(steps):
        for each in computed:
            each.refresh()
        answers = [projection(inputs) for projection in model.projections.values()]
        whole = joined(adapters.values())
        penalties = [forget_loss(changes, [adapter.residual() for adapter in whole])]
        masks = [adapter.mask for adapter in whole if isinstance(adapter, MaskedLowRank)]
        penalties += [sparse_loss(masks, "sum")] if masks else []
        loss = sum((answer.square().mean() for answer in answers), torch.zeros(())) + 0.1 * torch.stack(penalties).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found |= {f"{step} residual of {name}": a.residual().detach().clone() for name, a in adapters.items()}
        found |= {f"{step} loss": loss.detach(), f"{step} penalties": torch.stack(penalties).detach()}
    found |= {
        f"{name}.{place}": p.detach().clone() for name, a in adapters.items() for place, p in a.named_parameters()
    }
    fold(model.projections.values())
    assert not attached(model.projections.values())
    return found | {name: projection.weight.detach() for name, projection in model.projections.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_together_is_as_one_by_one(kind: str) -> None:
    together, alone = trained(kind, together=True), trained(kind, together=False)
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        torch.testing.assert_close(
            together[name], value, rtol=1e-10, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
        )
    assert any(bool(value.any()) for name, value in alone.items() if "residual" in name)


def test_an_adapters_own_parameters_are_what_the_stack_trains() -> None:
    model = Layers()
    adapters = list(attach(model, maker("masked", torch.Generator())).values())
    first = stacked([each.double() for each in adapters])[0]
    assert isinstance(first, Stack)
    for whole, names in zip(first.parameters(), adapters[0].named_parameters(), strict=True):
        whole.data.fill_(7.0)
        assert all(bool((dict(each.named_parameters())[names[0]] == 7).all()) for each in first.adapters)
    state = {name: torch.full_like(value, 3.0) for name, value in adapters[1].state_dict().items()}
    adapters[1].load_state_dict(state)  # as a checkpoint does
    assert all(whole[0].eq(7).all() and whole[1].eq(3).all() for whole in first.parameters())


def test_an_adapter_that_is_refreshed_by_itself_leaves_the_stack() -> None:
    model = Layers()
    adapters = list(attach(model, maker("low-rank", torch.Generator())).values())
    computed = stacked([each.double() for each in adapters])
    for each in computed:
        each.refresh()
    assert len(joined(adapters)) == len(RUNS)
    assert joined(adapters)[0].residual().shape == (2, 6, 9)
    assert adapters[1].residual().shape == (6, 9)
    adapters[0].refresh()
    adapters[1].refresh()
    assert joined(adapters)[:2] == adapters[:2]
    computed[0].refresh()
    assert len(joined(adapters)) == len(RUNS)
    assert entries(a.residual() for a in joined(adapters)).equal(entries(a.residual() for a in adapters))


def test_what_is_asked_of_one_adapters_residual_reaches_its_parameters() -> None:
    """As EWC does, whose penalty goes by name."""
    model = Layers()
    adapters = list(attach(model, maker("full", torch.Generator())).values())
    computed = stacked([each.double() for each in adapters])
    for each in computed:
        each.refresh()
    torch.stack([(place + 1) * adapter.residual().sum() for place, adapter in enumerate(adapters)]).sum().backward()
    found = [float(entry) for each in computed for p in each.parameters() for entry in p.grad.flatten()]  # type: ignore[union-attr]
    expected = [place + 1.0 for place, (rows, columns) in enumerate(SHAPES) for _ in range(rows * columns)]
    assert found == expected


class Own(Adapter):
    """Says nothing of leading dimensions."""

    def __init__(self, projection: nn.Linear) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(len(projection.weight)))

    def compute(self) -> Tensor:
        return self.scale[:, None].expand(-1, 9).double()


class Initialised(LowRank):
    """Begins elsewhere."""

    def __init__(self, projection: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.A.data.fill_(0.1)


class Scaled(LowRank):
    """A norm over all entries: of one adapter alone it is another than of several at once."""

    def compute(self) -> Tensor:
        return super().compute() / self.A.norm()


class ScaledAlike(LowRank):
    """Says that it may be stacked; `scale` is a constant, or a parameter."""

    stackable = True

    def __init__(
        self,
        projection: nn.Linear,
        rank: int,
        generator: torch.Generator,
        scale: Tensor = torch.ones(1),  # noqa: B008
    ) -> None:
        super().__init__(projection, rank, generator)
        self.scale = scale

    def compute(self) -> Tensor:
        return super().compute() * self.scale.sum()


class OwnMask(FreeMask):
    """One that says nothing of leading dimensions, in an adapter that may be stacked."""

    def logits(self) -> Tensor:
        return self.values / self.values.norm()


def masked_by(kind: type[FreeMask], projection: nn.Linear, noise: torch.Generator) -> Adapter:
    mask = kind(*projection.weight.shape, tau=0.5, kind="gumbel", start=0.0, generator=noise)
    return MaskedLowRank(projection, 2, mask, noise)


def half_frozen(adapter: LowRank, frozen: bool) -> LowRank:
    adapter.B.requires_grad_(not frozen)
    return adapter


def test_only_what_says_so_and_is_alike_is_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def sizes(make: Callable[[str, nn.Linear], Adapter]) -> list[int]:
        found = stacked(list(attach(Layers(), make).values()))
        return [len(each.adapters) if isinstance(each, Stack) else 1 for each in found]

    noise = torch.Generator()
    assert sizes(lambda _, projection: Own(projection)) == [1] * 6
    assert sizes(lambda _, projection: LowRank(projection, 2, noise)) == RUNS
    ranks = iter([2, 3, 2, 2, 2, 2])
    assert sizes(lambda _, projection: LowRank(projection, next(ranks), noise)) == [1, 1, 3, 1]

    def masked(_: str, projection: nn.Linear) -> Adapter:
        return masked_by(FreeMask, projection, torch.Generator())  # a generator each: its draws must stay its own

    assert sizes(masked) == [1] * 6
    assert sizes(lambda _, projection: Initialised(projection, 2, noise)) == RUNS  # only made in another way
    assert sizes(lambda _, projection: Scaled(projection, 2, noise)) == [1] * 6  # has code that says nothing of itself
    assert sizes(lambda _, projection: ScaledAlike(projection, 2, noise)) == RUNS
    assert sizes(lambda _, projection: masked_by(OwnMask, projection, noise)) == [1] * 6
    assert sizes(lambda _, projection: masked_by(FreeMask, projection, noise)) == RUNS
    fixed = iter(torch.eye(6))
    assert sizes(lambda _, projection: ScaledAlike(projection, 2, noise, next(fixed))) == [1] * 6  # different constants
    everybodys = nn.Parameter(torch.ones(()))
    assert sizes(lambda _, projection: ScaledAlike(projection, 2, noise, everybodys)) == [1] * 6  # one tensor for all
    frozen = iter([True, False] * 3)
    assert sizes(lambda _, projection: half_frozen(LowRank(projection, 2, noise), next(frozen))) == [1] * 6
    monkeypatch.setattr(stacks, "LARGEST", {"cpu": 2 * 4 * 9})
    assert sizes(lambda _, projection: LowRank(projection, 2, noise)) == [1, 1, 2, 1, 1]
    monkeypatch.setattr(stacks, "LARGEST", {})
    assert sizes(lambda _, projection: LowRank(projection, 2, noise)) == [1] * 6


def test_a_stack_draws_what_its_adapters_would() -> None:
    """On a CPU the numbers of a seed are those of one after another, so that results stay what they were."""
    shape, seed = (3, 4, 5), 6
    from methods.parts.masks import gumbel_difference

    like = torch.zeros((), dtype=torch.float32)
    whole = gumbel_difference(torch.Size(shape), like, torch.Generator().manual_seed(seed))
    one = torch.Generator().manual_seed(seed)
    each = torch.stack([gumbel_difference(torch.Size(shape[1:]), like, one) for _ in range(shape[0])])
    assert torch.equal(whole, each)
    plain = torch.Generator().manual_seed(seed)
    keep, drop = (torch.rand(4, 5, generator=plain).double() for _ in range(2))
    expected = -torch.log(-torch.log(keep)) + torch.log(-torch.log(drop))  # g1 - g0, two draws of Gumbel(0, 1)
    torch.testing.assert_close(whole[0].double(), expected, rtol=1e-4, atol=1e-5)
