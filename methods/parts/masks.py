"""STAMINA's hard attention masks (eqs. 4, 6): a Bernoulli gate for every entry of a weight residual."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from harness.backbones.random import uniform
from methods.parts.products import affine

MaskInput = Literal["identity", "ones"]
MaskKind = Literal["gumbel", "sigmoid"]


def gumbel_difference(shape: torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    """Draws of g1 - g0, both Gumbel(0, 1), on the device of `like`, from the given (CPU) generator.

    With g = -log(-log U) that is log(log U0 / log U1), which takes a logarithm less.
    """
    outer, matrix = shape[:-2], shape[-2:]
    pairs = uniform(torch.Size((*outer, 2, *matrix)), like.device, generator)  # a matrix's two, then the next one's
    keep, drop = pairs.clamp_(1e-20, 1 - 1e-7).log_().unbind(len(outer))
    return (drop / keep).log_().to(like)


class _StraightThrough(torch.autograd.Function):
    """Forward whether logits + noise are above 0, backward the gradient of sigmoid((logits + noise) / tau)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, noise: Tensor, tau: float) -> Tensor:
        noisy = noise.add_(logits)
        hard = torch.gt(noisy, 0, out=torch.empty_like(noisy))  # as numbers at once
        soft = noisy.div_(tau).sigmoid_()
        ctx.save_for_backward(soft.addcmul_(soft, soft, value=-1).div_(tau))  # soft (1 - soft) / tau
        return hard

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None


def hard_concrete(logits: Tensor, tau: float, generator: torch.Generator) -> Tensor:
    """Binary Gumbel-softmax, straight through (eq. 4; Jang et al., 2016).

    The class "keep" has logit m, the class "drop" has 0; each gets a Gumbel draw, so that P(keep) = sigmoid(m). Forward
    is exactly 0 or 1; the gradient is that of the soft mask sigmoid((m + g1 - g0) / tau).

    Args:
        logits: m, any shape. tau: temperature, > 0. generator: CPU generator of the noise.
    """
    noise = gumbel_difference(logits.shape, logits, generator)
    hard: Tensor = _StraightThrough.apply(logits, noise, tau)
    return hard


def settled_mask(logits: Tensor, tau: float) -> Tensor:
    """The mask that is folded, m > 0, straight through: the gradient is that of sigmoid(m / tau)."""
    hard: Tensor = _StraightThrough.apply(logits, torch.zeros_like(logits), tau)
    return hard


class Mask(nn.Module):
    """A mask over a (D1, D2) residual. In training it draws noise; in eval mode it is m > 0, without noise.

    An entry is kept with probability sigmoid(m) under noise, and always or never without. In the last steps of a task,
    a share `settle` of them, it trains without noise, so that what is folded is what A, B and the token were fitted to.
    With kind 'sigmoid' (the paper's "ablate Gumbel-softmax") it is sigmoid(m) throughout.
    """

    stackable: ClassVar[bool] = True

    def __init__(self, tau: float, kind: MaskKind, generator: torch.Generator, settle: float = 0.0) -> None:
        super().__init__()
        self.tau, self.kind, self.generator, self.settle = tau, kind, generator, settle

    def logits(self) -> Tensor:
        """m, (D1, D2), or with as many leading dimensions as the parameters have."""
        raise NotImplementedError

    def forward(self, progress: float = 0.0) -> Tensor:
        """The mask, (D1, D2), entries in {0, 1} (or in (0, 1) for kind 'sigmoid').

        Args:
            progress: the share of the task's steps that are over, in [0, 1).
        """
        logits = self.logits()
        if self.kind == "sigmoid":
            return torch.sigmoid(logits)
        if not self.training:
            return (logits > 0).to(logits)
        if progress >= 1 - self.settle:
            return settled_mask(logits, self.tau)
        return hard_concrete(logits, self.tau, self.generator)


class MlpMask(Mask):
    """Logits from a two-layer MLP (eq. 6): Linear(D2 -> r), ReLU, Linear(r -> D1), on a fixed input.

    Input 'identity' (the reading that gives the paper's 0.19 %): the MLP is applied to the D2 one-hot vectors, and
    column k of the logits is its answer to the k-th. Input 'ones': one answer for all, a mask constant along rows; its
    ones are scaled to unit length, so that the first layer's outputs are of order one as well.

    Args:
        rows, columns: D1, D2. rank: r, the hidden width. start: initial value of the output bias; sigmoid(start) is
        about the share of entries that the mask lets through at first.
    """

    stackable = True

    def __init__(
        self, rows: int, columns: int, rank: int, *, tau: float, kind: MaskKind, given: MaskInput, start: float,
        generator: torch.Generator, settle: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(tau, kind, generator, settle)
        self.columns, self.given = columns, given
        # for one-hot inputs the first layer is a table of D2 rows; unit-variance entries keep the logits of order one
        self.weight1 = nn.Parameter(torch.randn(rank, columns, generator=generator))
        self.bias1 = nn.Parameter(torch.zeros(rank))
        self.weight2 = nn.Parameter(torch.randn(rows, rank, generator=generator) / rank**0.5)
        self.bias2 = nn.Parameter(torch.full((rows,), start))

    def logits(self) -> Tensor:
        if self.given == "identity":
            hidden = relu(self.weight1 + self.bias1[..., None])  # (r, D2): weight1 @ I is weight1 itself
        else:
            hidden = relu(self.weight1.mean(dim=-1) * self.columns**0.5 + self.bias1)[..., None]  # (r, 1)
        logits = affine(self.weight2, hidden, self.bias2)
        return logits if self.given == "identity" else logits.expand(*logits.shape[:-1], self.columns)


class FreeMask(Mask):
    """Logits learnt directly, one per entry (the paper's "ablate mask MLP")."""

    stackable = True

    def __init__(
        self, rows: int, columns: int, *, tau: float, kind: MaskKind, start: float, generator: torch.Generator,
        settle: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(tau, kind, generator, settle)
        self.values = nn.Parameter(start + 0.01 * torch.randn(rows, columns, generator=generator))

    def logits(self) -> Tensor:
        return self.values
