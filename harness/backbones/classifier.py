"""Classifier: a timm ViT with a head that grows by each task's classes, and what a method may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from harness.backbones.adapters import Adapter, Projection, attached, fold
from harness.backbones.classifier_files import WEIGHTS, read_config
from harness.backbones.intact import Intact
from harness.errors import PluginError, UsageError, first_line

Prefix = tuple[Tensor, Tensor]  # what goes before the keys and before the values of a block, each (B, L, dim)


class Prompt(nn.Module):
    """What a prompt method trains: prefixes of attention, chosen or made for each image by its query.

    An image's prefixes hang on nothing but its own query, so that accuracy does not depend on the test batch.
    """

    def forward(self, query: Tensor) -> Mapping[int, Prefix]:
        """Block (from 0) -> its prefixes, of (B, dim) queries: class tokens of a pass without prompts."""
        raise NotImplementedError


class PrefixAttention(nn.Module):
    """A timm attention whose Q, K and V are three adaptable projections, with room for prefixes before K and V.

    The three weights are joined for one product, as timm has it: they are small beside the tokens.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        dim = attention.qkv.in_features
        self.heads, self.head_dim = attention.num_heads, attention.head_dim
        joined = attention.qkv
        biases = (None,) * 3 if joined.bias is None else joined.bias.detach().split(self.heads * self.head_dim)
        parts: list[Projection] = []
        for weight, bias in zip(joined.weight.detach().split(self.heads * self.head_dim), biases, strict=True):
            part = Projection(dim, len(weight), bias=bias is not None)
            part.weight = nn.Parameter(weight.clone())
            if bias is not None:
                part.bias = nn.Parameter(bias.clone())
            parts.append(part)
        self.q, self.k, self.v = parts
        self.q_norm, self.k_norm = attention.q_norm, attention.k_norm
        self.norm, self.proj = attention.norm, attention.proj
        self.prefix: Prefix | None = None

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, n, dim) to the same; a plain ViT has no mask, and one is refused."""
        if attn_mask is not None or is_causal:
            raise ValueError("a classifier's attention has no mask")
        count, length, _ = x.shape
        parts = (self.q, self.k, self.v)
        weight = torch.cat([part.current() for part in parts])
        bias = None if self.q.bias is None else torch.cat([part.bias for part in parts])
        joined = linear(x, weight, bias).reshape(count, length, 3, self.heads, self.head_dim)
        q, k, v = joined.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.prefix is not None:
            before_k, before_v = (self._by_head(each.to(k.dtype)) for each in self.prefix)
            k, v = torch.cat([before_k, k], dim=2), torch.cat([before_v, v], dim=2)
        mixed = scaled_dot_product_attention(q, k, v)
        mixed = mixed.transpose(1, 2).reshape(count, length, self.heads * self.head_dim)
        return cast(Tensor, self.proj(self.norm(mixed)))

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, L, dim) to (B, heads, L, head_dim)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_dim).transpose(1, 2)


class Classifier:
    """Wraps a timm `VisionTransformer`, frozen but for what a method trains, and its head.

    The pre-trained weights are kept, so that `reset` brings the model back, and `change` gives W_{t-1} - W_init. The
    feature is the class token after the final norm; the head has a row for each class seen so far.
    """

    token_dim = 0  # no custom tokens
    token_widths: tuple[int, ...] = ()

    def __init__(self, vit: Any, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype
        for block in vit.blocks:
            block.attn = PrefixAttention(block.attn)
        self.vit: Any = vit.to(device).requires_grad_(False).eval()
        self.projections: dict[str, Projection] = {
            f"blocks.{i}.attn.{name}": getattr(block.attn, name)
            for i, block in enumerate(vit.blocks)
            for name in ("q", "k", "v")
        }
        self.initial = {name: p.detach().clone() for name, p in self.vit.named_parameters()}
        self.dim = int(vit.embed_dim)
        self.depth = len(vit.blocks)
        self.head_weight = torch.empty(0, self.dim, device=device)
        self.head_bias = torch.empty(0, device=device)
        self.prompt: Prompt | None = None
        self.scorer: nn.Module | None = None  # a method's own head, in a test

    @classmethod
    def load(cls, folder: str, device: torch.device, dtype: torch.dtype = torch.float32) -> Classifier:
        """Load a timm model folder: `config.json` as on timm's hub, and `model.safetensors`.

        Raises:
            UsageError: it is no whole folder of a timm VisionTransformer with a class token.
        """
        return cls(load_vit(Path(folder)), device, dtype)

    @property
    def parameters(self) -> int:
        """How many parameters the ViT has, without the head."""
        return sum(p.numel() for p in self.vit.parameters())

    # --- weights ----------------------------------------------------------------------------------------------------

    def change(self, name: str) -> Tensor:
        """W - W_init of one projection, (D1, D2), as folded so far."""
        initial: Tensor = self.initial[f"{name}.weight"]
        return self.projections[name].weight.detach() - initial

    def token_start(self, kind: str) -> Tensor:
        """There are no tokens: (0,)."""
        return torch.zeros(0)

    def token_scale(self, part: int = 0) -> float:
        """There are no tokens."""
        return 0.0

    def adapters(self) -> list[Adapter]:
        """The adapters attached now."""
        return attached(self.projections.values())

    def fold(self) -> None:
        """Write all adapters into the weights and remove them; nothing is trained any more."""
        fold(self.projections.values())
        self.vit.requires_grad_(False)

    def reset(self) -> None:
        """Back to the pre-trained weights, without adapters, prompts, or a head."""
        self.fold()
        self.load_weights(self.initial)
        self.load_head(torch.empty(0, self.dim), torch.empty(0))
        self.prompt = self.scorer = None

    def intact(self) -> Intact:
        """How it is now, but for the ViT's parameters: of these each step keeps those that changed."""
        return Intact({"vit": self.vit}, self.vit.parameters(), self.initial)

    def unfrozen(self) -> nn.Module:
        """The ViT itself, all of it to be trained."""
        self.vit.requires_grad_(True)
        return cast(nn.Module, self.vit)

    def weights(self) -> dict[str, Tensor]:
        """Copies of all parameters that differ from the pre-trained ones, by name, on the CPU."""
        return {
            name: p.detach().cpu().clone()
            for name, p in self.vit.named_parameters()
            if not torch.equal(p.detach(), self.initial[name])
        }

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set parameters."""
        own = dict(self.vit.named_parameters())
        with torch.no_grad():
            for name, weight in weights.items():
                own[name].copy_(weight)

    def load_head(self, weight: Tensor, bias: Tensor) -> None:
        """Set the head: (classes, dim) and (classes,), float32."""
        self.head_weight, self.head_bias = weight.to(self.device), bias.to(self.device)

    # --- forward passes ---------------------------------------------------------------------------------------------

    def features(self, images: Tensor) -> Tensor:
        """Class tokens after the final norm, (B, dim) float32, of normalised images (B, 3, size, size).

        With a prompt there is a pass without it before, for the queries: of the weights as they are, without gradient.
        """
        images = images.to(self.device)
        if self.prompt is None:
            return self._class_token(images)
        with torch.no_grad():
            query = self._class_token(images)
        prefixes = self.prompt(query)
        if wrong := [block for block in prefixes if block not in range(len(self.vit.blocks))]:
            raise PluginError(
                f"The prompt {type(self.prompt).__name__} gives prefixes for block {wrong[0]!r}; blocks are counted "
                f"from 0 to {len(self.vit.blocks) - 1}."
            )
        try:
            for block, prefix in prefixes.items():
                self.vit.blocks[block].attn.prefix = prefix
            return self._class_token(images)
        finally:
            for block in prefixes:
                self.vit.blocks[block].attn.prefix = None

    def _class_token(self, images: Tensor) -> Tensor:
        # weights stay in float32, whatever passes compute in: in bfloat16 small updates would be lost
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            token: Tensor = self.vit.forward_features(images)[:, 0]
        return token.float()

    def logits(self, images: Tensor) -> Tensor:
        """(B, classes seen), float32: by the linear head, or by a method's own."""
        if self.scorer is not None:
            scores: Tensor = self.scorer(self.features(images))
            return scores.float()
        found: Tensor = linear(self.features(images), self.head_weight, self.head_bias)
        return found


def load_vit(folder: Path) -> nn.Module:
    """The timm model of a folder, without its head, in float32. Only the named architecture's code runs.

    Raises:
        UsageError: it is no whole folder of a timm VisionTransformer with a class token.
    """
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from timm.models.vision_transformer import Attention, VisionTransformer  # type: ignore[attr-defined]

    architecture, settings = read_config(folder)
    try:
        vit = timm.create_model(architecture, pretrained=False, num_classes=0, **settings)
        tensors = load_file(str(folder / WEIGHTS))
        kept = {name: tensor.float() for name, tensor in tensors.items() if not name.startswith("head.")}
        vit.load_state_dict(kept)
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"The classifier '{folder}' cannot be loaded ({first_line(error)}); give another folder."
        ) from error
    plain = isinstance(vit, VisionTransformer) and vit.cls_token is not None and vit.global_pool == "token"
    attentions = [getattr(block, "attn", None) for block in cast(Any, vit).blocks] if plain else []
    if not plain or any(type(each) is not Attention or getattr(each, "gate", None) is not None for each in attentions):
        raise UsageError(
            f"The classifier '{folder}' is no timm VisionTransformer whose feature is its class token; give another."
        )
    return vit
