"""What a method may touch of a backbone: its adaptable projections, and one new token where it has tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from harness.errors import PluginError

_backwards = False  # see `handed_out_backwards`


class Projection(nn.Linear):
    """A query, key or value projection: computes with W + residual while an adapter is attached, with W otherwise.

    `weight` stays W_{t-1} until the adapter is folded. The sum is a plain tensor, made outside the forward pass: to a
    compiled U-Net it is an input, so that one graph serves every task and method. It computes in the weight's own
    precision, float32, and answers in the input's: bfloat16 would round small residuals away.
    """

    adapter: tuple[Adapter, ...] = ()  # in a tuple, so that it is no part of this module's own state
    adapted: Tensor | None = None
    known: list[Tensor] | None = None  # of a text shown again and again: that text and its projection
    expands = True  # whether a text that the batch shares is answered with a row for each, or with one

    def current(self) -> Tensor:
        """The weight that it computes with, (D1, D2)."""
        if self.adapted is None:
            for adapter in self.adapter:
                adapter.refresh()
        return self.weight if self.adapted is None else self.adapted

    def forward(self, input: Tensor) -> Tensor:
        """(..., D2) to (..., D1). A text that is one row shown to a whole batch is projected once: see `expands`."""
        if self.known and self.known[0] is input:
            return self.known[1]
        weight = self.current()
        rows = input[:1] if input.dim() == 3 and input.stride(0) == 0 else input
        projected = linear(rows.to(weight.dtype), weight, self.bias).to(input.dtype)
        answer = projected.expand(len(input), -1, -1) if rows is not input and self.expands else projected
        if self.known is not None:
            self.known[:] = [input, answer]
        return answer


@contextmanager
def same_text(projections: Iterable[Projection]) -> Iterator[None]:
    """Within it each projection answers at once if it is asked for the very tensor of the last time.

    A sampler shows the U-Net one text at every step, and the weights stay as they are.
    """
    projections = list(projections)
    for projection in projections:
        projection.known = []
    try:
        yield
    finally:
        for projection in projections:
            projection.known = None


class Adapter(nn.Module):
    """A residual on one projection: forward(W) = W + residual(), W (D1, D2).

    Subclasses implement `compute`. The residual is computed once a training step, by `refresh`, and reused by the
    forward pass and by the penalties, so that both see the same noise.

    Attributes:
        progress: The share of the task's steps that are over, in [0, 1), as a training says it before each of them.

    Class attributes:
        stackable: whether `compute` works as well for parameters and buffers with a leading dimension, (n, ...) each,
            so that a training may compute n adapters that are alike as one (`harness.backbones.batched_adapters`). What
            `compute` leaves beside its answer is then that one's: see `joined`. Said by the class that defines
            `compute`, and of the modules that it is made of by theirs; a subclass that defines methods of its own says
            it again.
    """

    stackable: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.progress = 0.0
        self._residual: Tensor | None = None
        self._projection: tuple[Projection, ...] = ()
        self._joint: tuple[Adapter, int] | None = None  # computed as one of several: in what, and at which place
        self._parts: tuple[Tensor, ...] = ()  # of one that computes several: the residual of each

    def compute(self) -> Tensor:
        """The residual, (D1, D2); in training mode it may draw noise, in eval mode it must not."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Compute the residual anew, and with it the weight that its projection computes with."""
        self._joint = None
        self._residual = self.compute()
        for projection in self._projection:
            projection.adapted = self(projection.weight)

    def residual(self) -> Tensor:
        """The current residual, (D1, D2)."""
        if self._joint is not None:
            whole, place = self._joint
            return whole._parts[place]
        if self._residual is None:
            self.refresh()
        assert self._residual is not None
        return self._residual

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.residual().to(weight.dtype)


class Adaptable(Protocol):
    """A model's adaptable projections, by name, and the width and scale of its token embeddings."""

    @property
    def projections(self) -> Mapping[str, nn.Linear]:
        """Name -> projection, in a fixed order."""
        ...

    @property
    def token_dim(self) -> int:
        """Width of a token embedding, of all text encoders together; 0 for a model without tokens, a classifier."""
        ...

    def change(self, name: str) -> Tensor:
        """W_{t-1} - W_init of one projection, (D1, D2): all that the past left in it. Zero at the first task."""
        ...

    def token_start(self, kind: str) -> Tensor:
        """Where the custom token starts: (dim,), the category word's embedding or zeros for a random start."""
        ...

    @property
    def token_widths(self) -> tuple[int, ...]:
        """Width of a token's embedding in each text encoder; `token_dim` is their sum."""
        ...

    def token_scale(self, part: int = 0) -> float:
        """Standard deviation of the existing token embeddings' entries, in the text encoder of that number."""
        ...


def joined(adapters: Iterable[Adapter]) -> list[Adapter]:
    """The same adapters; in place of those that were last computed as one, that one, whose residual is (n, D1, D2).

    For penalties that are sums over all entries: one kernel then does what would take one for each projection.
    """
    return list(dict.fromkeys(adapter._joint[0] if adapter._joint else adapter for adapter in adapters))


def cross_attention(unet: nn.Module) -> dict[str, nn.Linear]:
    """What is adapted of a U-Net: its cross-attention's key and value projections, by name; 32 in SD 1.x."""
    ends = ("attn2.to_k", "attn2.to_v")
    return {
        name: module for name, module in unet.named_modules() if name.endswith(ends) and isinstance(module, nn.Linear)
    }


def all_attention(denoiser: nn.Module) -> dict[str, nn.Linear]:
    """What attention layers compute with: queries, keys, values and outputs, of images and of text, by name."""
    ends = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    return {
        name: module for name, module in denoiser.named_modules()
        if re.search(r"attn\d?\.", name) and name.endswith(ends) and isinstance(module, nn.Linear)
    }  # fmt: skip


@contextmanager
def handed_out_backwards(on: bool) -> Iterator[None]:
    """Within it, if `on`, `attach` gives its adapters last one first, which no method should hang on."""
    global _backwards
    before, _backwards = _backwards, on
    try:
        yield
    finally:
        _backwards = before


def attach(model: Adaptable, make: Callable[[str, nn.Linear], Adapter | None]) -> dict[str, Adapter]:
    """Put a new adapter on every projection.

    A projection for which `make` gives None is left out, and stays as it is. One of class `nn.Linear` becomes a
    `Projection`, in place and for good.

    Args:
        model: What has the projections.
        make: Makes the adapter of one projection, from its name and the projection.

    Returns:
        The adapters, by the names of their projections.

    Raises:
        RuntimeError: there are adapters already, or a projection is of another class.
        PluginError: there are projections, and `make` gave None for each.

    Example:
        >>> attach(model, lambda name, projection: parts.LowRank(projection, 4, generator))
    """
    if attached(model.projections.values()):
        raise RuntimeError("the projections have adapters already; fold them before attaching new ones")
    adapters: dict[str, Adapter] = {}
    for name, projection in model.projections.items():
        adaptable(projection)
        adapter = make(name, projection)
        if adapter is None:
            continue
        adapters[name] = adapter
        projection.weight.requires_grad_(False)
        projection.adapter, adapters[name]._projection = (adapters[name],), (projection,)  # type: ignore[assignment]
    if model.projections and not adapters:
        names = " and ".join(f"'{name}'" for name in list(model.projections)[:2])
        raise PluginError(
            f"attach() put an adapter on no projection, as make() gave None for each; their names are like {names}."
        )
    return dict(reversed(adapters.items())) if _backwards else adapters


def adaptable(projection: nn.Linear) -> Projection:
    """The same projection, as one that takes an adapter.

    Raises:
        RuntimeError: its class computes in a way of its own.
    """
    if type(projection) is nn.Linear:
        projection.__class__ = Projection
        discard([projection])  # a compiled U-Net is told from another by what its modules have, too
    if not isinstance(projection, Projection):
        raise RuntimeError(f"a projection is a {type(projection).__name__}, not an nn.Linear; it cannot be adapted")
    return projection


def plain(projection: nn.Linear) -> None:
    """An `nn.Linear` again, in place, without its adapter."""
    discard([projection])
    if isinstance(projection, Projection):
        projection.__class__ = nn.Linear  # type: ignore[assignment]


def attached(projections: Iterable[nn.Linear]) -> list[Adapter]:
    """The adapters that are on these projections now."""
    return [adapter for each in projections if isinstance(each, Projection) for adapter in each.adapter]


def by_name(projections: Mapping[str, nn.Linear]) -> dict[str, Adapter]:
    """The same, by the names of their projections."""
    return {name: adapter for name, projection in projections.items() for adapter in attached([projection])}


def fold(projections: Iterable[nn.Linear]) -> None:
    """Write every adapter's residual into its projection's weight, without noise, and remove the adapter."""
    for projection in projections:
        for adapter in attached([projection]):
            adapter.eval()
            with torch.no_grad():
                adapter.refresh()
                projection.weight.copy_(adapter(projection.weight))
        discard([projection])


def discard(projections: Iterable[nn.Linear]) -> None:
    """Remove the adapters, and with them what they learnt."""
    for projection in projections:
        for adapter in attached([projection]):
            adapter._projection = ()
        if isinstance(projection, Projection):
            projection.adapter, projection.adapted = (), None


def count_trained(model: Adaptable, token: nn.Module) -> int:
    """How many parameters a task trains: those of the adapters and of the token."""
    modules: list[nn.Module] = [*attached(model.projections.values()), token]
    own = dict.fromkeys(p for module in modules for p in module.parameters() if p.requires_grad)  # a shared one once
    return sum(p.numel() for p in own)
