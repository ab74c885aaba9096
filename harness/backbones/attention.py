"""The U-Net's attention layers: diffusers' own sums, without what they do besides at every call."""

from __future__ import annotations

from typing import Any, cast

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from harness.backbones.adapters import Projection


class LeanAttention(Attention):  # type: ignore[misc]  # diffusers is untyped
    """`Attention` in its plainest use: no look at a processor's signature, no division by 1, no dropout of nothing.

    Where a text is shared by the whole batch, its keys and values are kept in one row, (1, n, dim), and the batch's
    queries asked of it in one go: there is nothing to expand, and nothing to sum over the batch on the way back.
    """

    def forward(
        self, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None, **cross_attention_kwargs: Any,
    ) -> Tensor:  # fmt: skip
        """(B, L, dim) to the same; `encoder_hidden_states`, (B, n, text dim), is the text; None for none."""
        if attention_mask is not None or cross_attention_kwargs or hidden_states.dim() != 3:
            answer: Tensor = super().forward(
                hidden_states, encoder_hidden_states, attention_mask, **cross_attention_kwargs
            )
            return answer
        count, length, _ = hidden_states.shape
        given = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = self.to_q(hidden_states), self.to_k(given), self.to_v(given)
        rows = key.shape[0]  # 1 for a shared text
        query, key, value = (self._by_head(each, rows) for each in (query, key, value))
        mixed = scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(1, 2).reshape(count, length, -1)
        return cast(Tensor, self.to_out[0](mixed))

    def _by_head(self, x: Tensor, rows: int) -> Tensor:
        """(B, L, dim) to (rows, heads, B L / rows, dim / heads)."""
        return x.reshape(rows, -1, self.heads, x.shape[-1] // self.heads).transpose(1, 2)


def make_lean(unet: nn.Module) -> None:
    """Let every attention layer that is plain be a `LeanAttention`, in place and for good; leave others as they are."""
    for module in unet.modules():
        if type(module) is Attention and _is_plain(module):
            module.__class__ = LeanAttention
            for projection in (module.to_k, module.to_v):
                if isinstance(projection, Projection):
                    projection.expands = False


def _is_plain(attention: Any) -> bool:
    beside = ("spatial_norm", "group_norm", "norm_q", "norm_k", "norm_cross", "residual_connection")
    return (
        type(attention.processor) is AttnProcessor2_0
        and not any(getattr(attention, name) for name in beside)
        and attention.rescale_output_factor == 1
        and attention.to_out[1].p == 0
    )
