"""Subspaces of a projection's inputs or outputs: fixed rows B, bases of what earlier tasks saw, and their overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from methods.parts.products import product

BASIS_SEED = 231202432  # of the basis that all concepts share, on every machine
TOLERANCE = 1e-6  # of the largest singular value: what is smaller is rounding, and its direction any


class GivenRows(Adapter):
    """W + A B with B, (r, D2), given and fixed; A, (D1, r), starts at zero and is trained."""

    stackable = True

    def __init__(self, projection: nn.Linear, rows: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.zeros(projection.weight.shape[0], len(rows)))
        self.register_buffer("B", rows.clone())
        self.B: Tensor

    def compute(self) -> Tensor:
        return product(self.A, self.B)


def shared_rows(columns: int, rank: int, generator: torch.Generator) -> Tensor:
    """`rank` rows, (rank, columns), of one orthogonal matrix that all concepts share, drawn without regard to others.

    Two concepts' rows are orthogonal but for those that both drew, rank^2 / columns on average.

    Args:
        generator: of the draw; the matrix itself hangs on `columns` alone.

    Raises:
        ValueError: there are fewer rows than `rank`.
    """
    if rank > columns:
        raise ValueError(f"rank {rank} is more than the {columns} rows of the shared basis")
    shared = torch.Generator().manual_seed(BASIS_SEED)
    basis, _ = torch.linalg.qr(torch.randn(columns, columns, generator=shared, dtype=torch.float64))
    drawn: Tensor = basis.T[torch.randperm(columns, generator=generator)[:rank]]
    return drawn.float()


def second_moment(inputs: Tensor) -> Tensor:
    """C = mean of x x^T, (D2, D2) float64, over rows x of (n, D2)."""
    rows = inputs.double()
    return rows.T @ rows / len(rows)


def outside(moment: Tensor, basis: Tensor) -> Tensor:
    """C less its part in the span of a basis, M (D2, k) orthonormal: C - M M^T C."""
    return moment - basis @ (basis.T @ moment)


def designed_rows(moment: Tensor, basis: Tensor, rank: int) -> Tensor:
    """InfLoRA's rows, (rank, D2) float32: the leading left singular vectors of C - M M^T C, by 1 / sqrt(3).

    That factor gives a row the norm that LoRA's usual start gives it. Where fewer directions than `rank` are left, the
    other rows are 0: a singular vector of the value 0 is any vector, and may lie in what is to be left alone.

    Args:
        moment: C, (D2, D2), of the new task's inputs. basis: M, (D2, k), of what earlier tasks saw; k may be 0.
    """
    vectors, values, _ = torch.linalg.svd(outside(moment, basis))
    seen = values[:rank] > TOLERANCE * torch.linalg.matrix_norm(moment, 2)
    rows = vectors[:, :rank].T * 3**-0.5
    return torch.where(seen[:, None], rows, torch.zeros_like(rows)).float()


def grown_basis(moment: Tensor, basis: Tensor, threshold: float) -> Tensor:
    """M with the directions added that a task's inputs need, (D2, k') orthonormal: gradient projection memory.

    Added are left singular vectors of C - M M^T C, the largest first, until M holds the share `threshold` of C's
    energy, the sum of its squared entries.

    Args:
        moment: C, (D2, D2). basis: M, (D2, k). threshold: in (0, 1].
    """
    rest = outside(moment, basis)
    whole = float(moment.square().sum())
    vectors, values, _ = torch.linalg.svd(rest)
    held = (whole - float(rest.square().sum())) / whole
    added = 0
    while held < threshold and added < len(values) and values[added] > TOLERANCE * whole**0.5:
        held += float(values[added]) ** 2 / whole
        added += 1
    return torch.cat([basis, vectors[:, :added]], dim=1)


def remembered(
    memory: Mapping[str, Tensor], rows: Mapping[str, Tensor], form: Literal["absolute", "squared"]
) -> dict[str, Tensor]:
    """What `overlap_loss` needs of all tasks, one more among them, under 'past.NAME'.

    For 'absolute' it is every task's rows, (r t, D), which grows with the tasks; for 'squared' their Gram matrix,
    sum_i X_i^T X_i, (D, D), which does not.

    Args:
        memory: the same of earlier tasks. rows: name -> X_t, (r, D).
    """
    result: dict[str, Tensor] = {}
    for name, now in rows.items():
        new = now.detach() if form == "absolute" else now.detach().T @ now.detach()
        old = memory.get(f"past.{name}")
        if old is None:
            result[f"past.{name}"] = new
        else:
            result[f"past.{name}"] = torch.cat([old.to(new), new]) if form == "absolute" else old.to(new) + new
    return result


def overlap_loss(
    past: Mapping[str, Tensor], rows: Mapping[str, Tensor], form: Literal["absolute", "squared"]
) -> Tensor:
    """O-LoRA's L_orth: sum over matrices and past tasks i of |X_i X_t^T|, or of its square; over all entries.

    Args:
        past: name -> X_i of all past tasks in one, (r (t - 1), D); for 'squared' their Gram matrix, (D, D).
        rows: name -> X_t, (r, D).
    """
    terms = []
    for name, now in rows.items():
        if form == "absolute":
            terms.append((past[name] @ now.T).abs().sum())
        else:  # sum_i |X_i X_t^T|^2 = tr(X_t (sum_i X_i^T X_i) X_t^T)
            terms.append(((now @ past[name]) * now).sum())
    return torch.stack(terms).sum()


TEXT = "text"  # the place of inputs that are the same in every layer
SHOWN = 16  # noisy images by which inputs are found that change from layer to layer


def place_of(name: str) -> str:
    """Where a projection's inputs come from: one place for all that attend to a text, a block's attention elsewhere."""
    block, attention, _ = name.rpartition(".attn.")
    return f"{block}.attn" if attention else TEXT


@torch.no_grad()
def input_moments(lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
    """Place -> C, (D2, D2) float64, of what projections see of a task, on the CPU.

    Args:
        lesson: a `Lesson`, whose prompt's text features, padding included, are what all projections see, where they do
            not change from layer to layer; or a `ClassLesson`, whose training images, as a test shows them, are passed
            through the ViT.
        generator: draws the images, times and noise with which a text's features are found that do change.
    """
    model = lesson.model
    if not model.token_dim:
        blocks = {f"blocks.{i}.attn": block.attn for i, block in enumerate(model.vit.blocks)}
        with _watched(blocks) as found:
            for images, _ in lesson.shown():
                model.features(images)
    elif model.shares_text:
        (rows,) = model.text_inputs([lesson.prompt])
        return {TEXT: second_moment(rows.cpu())}
    else:
        # keys and values of a block are given the same
        with _watched({place_of(name): projection for name, projection in model.projections.items()}) as found:
            lesson.losses(lesson.plain(SHOWN, generator), generator)
    return {place: total / count for place, (total, count) in found.items()}


@contextmanager
def _watched(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, tuple[Tensor, int]]]:
    """Place -> the sum of x x^T, (D2, D2) float64, and the number of rows x that a module is given within it."""
    found: dict[str, tuple[Tensor, int]] = {}

    def watch(place: str) -> Any:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            rows = arguments[0].flatten(0, 1).double()
            total, count = (rows.T @ rows).cpu(), len(rows)
            if place in found:
                total, count = found[place][0] + total, found[place][1] + count
            found[place] = (total, count)

        return hook

    hooks = [module.register_forward_pre_hook(watch(place)) for place, module in modules.items()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
