"""Custom Diffusion held back by simple means (T2I-ConBench, arXiv 2505.16875): an L2 anchor, and half fine-tuning.

`l2` adds lambda_l2 |W - W_ref|^2 to the loss, summed over entries and matrices, W_ref the weights before the task, as
in K1nght/T2I-ConBench at f5a318d (train_pixart_l2norm.py, lines 595-600, 751-772), or the pre-trained ones, as others
have it.

`hft` (Half Fine-Tuning, arXiv 2404.18466) trains half of the matrices in each task, and leaves the rest at W_{t-1}.
That code draws half of each block's tensors anew for each task (train_pixart_hft.py, lines 780-895); of a
cross-attention's key and value projections it is either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class L2Options(CustomDiffusionOptions):
    """Options of Custom Diffusion and of the anchor; lambda_l2 is T2I-ConBench's."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("l2", like="cd", **MINI)

    lambda_l2: float = Field(1e-3, ge=0, description="weight of |W - W_ref|^2, summed over entries and matrices")
    anchor: Literal["previous", "pretrained"] = Field(
        "previous", description="W_ref: the weights before the task, which bounds its change, or the pre-trained ones"
    )


class L2(CustomDiffusion):
    """Custom Diffusion with an L2 anchor."""

    options: L2Options
    options_class = L2Options
    summary = "Custom Diffusion with an L2 penalty on what a task changes"
    citation = f"as in T2I-ConBench, arXiv 2505.16875; on {CustomDiffusion.citation}"
    loss = "L_SD (eq. 1) + lambda_l2 |W - W_ref|^2"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_l2": (1e-4, 1e-3, 1e-2, 1e-1),
        "learning_rate": (0.0005, 0.001, 0.002),
        "token_learning_rate": (0.003, 0.005, 0.01),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        from_start = self.options.anchor == "pretrained"
        self.past = [model.change(name) if from_start else 0.0 for name in self.adapters]
        return token

    def penalties(self) -> Mapping[str, Tensor]:
        import torch

        residuals = [adapter.residual() for adapter in self.adapters.values()]
        squares = [(past + new).square().sum() for past, new in zip(self.past, residuals, strict=True)]
        return {"l2": self.options.lambda_l2 * torch.stack(squares).sum()}


# what projections are called: in cross-attention, and in Stable Diffusion 3's joint attention
KEYS_AND_VALUES = (["to_k", "to_v"], ["add_k_proj", "add_v_proj"])


class HalfOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("hft", like="cd", **MINI)


class HalfFineTuning(CustomDiffusion):
    """Custom Diffusion of either the keys or the values of each layer, drawn anew for each task."""

    options: HalfOptions
    options_class = HalfOptions
    summary = "Custom Diffusion of half the matrices: of each layer the keys or the values, drawn for each task"
    citation = (
        "Hui et al., HFT: Half Fine-Tuning for Large Language Models, arXiv 2404.18466; as in T2I-ConBench, arXiv "
        f"2505.16875; on {CustomDiffusion.citation}"
    )
    trains = "every entry of half of the cross-attention's key and value projections; the custom token"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.003),
        "token_learning_rate": (0.001, 0.002, 0.003, 0.005, 0.01, 0.02),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        draw = Random(generator.initial_seed())
        layers = dict.fromkeys(name.rpartition(".")[0] for name in model.projections)
        kinds = sorted({name.rpartition(".")[2] for name in model.projections})
        if kinds not in KEYS_AND_VALUES:
            raise ValueError(f"keys and values are told apart by their names, and these are {', '.join(kinds)}")
        trained = {layer: draw.choice(kinds) for layer in layers}

        def adapter(name: str, projection: nn.Linear) -> parts.FullResidual | None:
            layer, _, kind = name.rpartition(".")
            return parts.FullResidual(projection) if kind == trained[layer] else None

        o = self.options
        self.adapters = attach(model, adapter)
        return parts.new_token(model, o.token, o.token_init, o.rank, generator)
