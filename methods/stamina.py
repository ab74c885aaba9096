"""STAMINA: STack-And-Mask INcremental Adapters (Smith et al., 2023, arXiv 2311.18763).

W_t = W_{t-1} + (A_t B_t) * M_t on every cross-attention key and value projection (eq. 5), where M_t is a hard binary
mask drawn by Gumbel-softmax (eq. 4) from the logits of a low-rank MLP (eq. 6), and the custom token is an MLP's output.
Of a classifier it is every query, key and value projection, and there is no token (section 5.2).
The loss (eq. 8) is L_SD + lambda_s L_sparse + lambda_f L_forget. After the task all of it folds into W.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method, Profile
from harness.spec import ClassOptions, MethodOptions
from methods import parts
from methods.forgetting import ForgetOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable, Adapter


class MaskOptions(ForgetOptions):
    """What STAMINA's residuals, masks and penalties can be told, in both settings; the paper's where it states them."""

    rank: int = Field(16, ge=1, description="rank r of A B, and hidden width of the mask's and the token's MLPs")
    tau: float = Field(0.5, gt=0, description="temperature of the Gumbel-softmax (eq. 4)")
    lambda_sparse: float = Field(1e-2, ge=0, description="weight of L_sparse (eq. 7)")
    sparse_reduction: Literal["mean", "sum"] = Field(
        "mean", description="L_sparse as the mask's mean entry (its density), or as the sum over entries"
    )
    mask: Literal["mlp", "free", "none"] = Field("mlp", description="mask logits from an MLP, free, or no mask at all")
    mask_kind: Literal["gumbel", "sigmoid"] = Field("gumbel", description="hard Gumbel-softmax mask, or a sigmoid one")
    mask_input: Literal["identity", "ones"] = Field("identity", description="the mask MLP's fixed input")
    mask_start: float = Field(1.0, description="initial bias of the mask's logits; sigmoid of it is the first density")
    mask_settle: float = Field(
        0.25, ge=0, le=1, description="share of the steps, the last ones, that train the mask without noise, as folded"
    )
    # the gradients of 19 million entries' masks are 1e-7 to 6e-11; above 3e-18, float32 still holds their squares
    adam_eps: float = Field(1e-15, gt=0, description="AdamW's eps: gradients far below it train nothing")


class StaminaOptions(MaskOptions, MethodOptions):
    """Options of STAMINA; the paper's where it states them (500 steps, rank 16, tau 0.5, no category word)."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "stamina", steps=60, rank=8, token_init="category"
    )

    steps: int = Field(500, ge=1, description="training steps per task")
    learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of A, B and the mask")
    token_learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of the token's MLP")
    category_word: bool = Field(False, description="name the category X in 'a photo of a V* X'")
    token: Literal["mlp", "free"] = Field("mlp", description="custom token from an MLP, or a free embedding")
    clip_by: Literal["all", "kind"] = Field(
        "kind",
        description="gradients are clipped all together, or all A, all B, ... and the token each by its own norm",
    )


class StaminaClassOptions(MaskOptions, ClassOptions):
    """Options of STAMINA in the classification setting; the paper does not state its rank, rates and weights there.

    Rank, rate and lambda_forget are those of `clora`, so that what differs is the method.
    """

    # the mini tier's rates and weights were tuned with this settling and eps
    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes(
        "stamina", rank=8, mask_settle=0.0, adam_eps=1e-8
    )

    rank: int = Field(64, ge=1, description="rank r of A B, and hidden width of the mask's MLP")
    lambda_forget: float = Field(0.5, ge=0, description="weight of L_forget (eq. 3, over all entries and matrices)")


class Stamina(Method[MaskOptions]):
    """Masked low-rank residuals, stacked and folded; MLP tokens; L_forget and L_sparse."""

    options_class = StaminaOptions
    summary = "low-rank residuals under hard MLP masks, MLP tokens, forgetting and sparsity penalties"
    citation = "Smith et al., Continual Diffusion with STAMINA, arXiv 2311.18763"
    trains = (
        "A, B (eq. 2) and the mask's MLP (eqs. 4-6) of every cross-attention key and value projection; "
        "the MLP of the custom token"
    )
    loss = "L_SD (eq. 1) + lambda_sparse L_sparse (eq. 7) + lambda_forget L_forget (eq. 3), in all eq. 8"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_forget": parts.FORGET_GRID,  # as clora's
        "learning_rate": (0.003, 0.006, 0.012),
        "token_learning_rate": (0.003, 0.01),
        "lambda_sparse": (0.03, 0.1),
    }
    profiles: ClassVar[Mapping[str, Profile]] = {
        "classification": Profile(
            StaminaClassOptions,
            trains="A, B (eq. 2) and the mask's MLP (eqs. 4-6) of every query, key and value projection; the head's "
            "rows of the new classes",
            loss="cross-entropy over the new classes + lambda_sparse L_sparse (eq. 7) + lambda_forget L_forget (eq. 3)",
            search_space={"learning_rate": (1e-3, 3e-3, 1e-2), "lambda_forget": (1e3, 1e5)},
        )
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        o = self.options

        def mask_for(rows: int, columns: int) -> parts.MlpMask | parts.FreeMask:
            common: dict[str, Any] = {
                "tau": o.tau, "kind": o.mask_kind, "start": o.mask_start, "settle": o.mask_settle,
                "generator": generator,
            }  # fmt: skip
            if o.mask == "free":
                return parts.FreeMask(rows, columns, **common)
            return parts.MlpMask(rows, columns, o.rank, given=o.mask_input, **common)

        def adapter(name: str, projection: nn.Linear) -> parts.LowRank:
            if o.mask == "none":
                return parts.LowRank(projection, o.rank, generator)
            return parts.MaskedLowRank(projection, o.rank, mask_for(*projection.weight.shape), generator)

        self.adapters = attach(model, adapter)
        self.changes = parts.past_changes((model.change(name) for name in self.adapters), o.forget_form)
        return parts.task_token(model, o, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        from harness.backbones.adapters import joined

        adapters = joined(self.adapters.values())
        forget = parts.forget_loss(self.changes, [adapter.residual() for adapter in adapters])
        terms = {"forget": self.options.lambda_forget * forget}
        masks = self._masks(adapters)
        if masks and self.options.lambda_sparse > 0:
            terms["sparse"] = self.options.lambda_sparse * parts.sparse_loss(masks, self.options.sparse_reduction)
        return terms

    def measures(self) -> Mapping[str, float]:
        masks = self._masks(self.adapters.values())
        if not masks:
            return {}
        kept = sum(float(mask.detach().sum()) for mask in masks)
        return {"mask_density": kept / sum(mask.numel() for mask in masks)}

    def _masks(self, adapters: Iterable[Adapter]) -> list[Tensor]:
        return [a.mask for a in adapters if isinstance(a, parts.MaskedLowRank)]
