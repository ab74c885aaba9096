"""FLOP and memory of a backbone, counted on the meta device: its own code runs on tensors without content.

A multiply-add counts two. Counted are matrix products and convolutions, as `torch.utils.flop_counter` does; attention's
backward pass counts four products, without the recomputation that fused kernels add. Memory is that of tensors alive at
the same time, above the weights: each storage once, freed when the last tensor on it is. Not counted: workspaces of
libraries, the allocator's rounding, what one operation needs inside. Attention counts as fused, without its matrix.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

from harness.backbones.adapters import adaptable, all_attention
from harness.backbones.architecture import Blueprint
from harness.backbones.families.family import Family
from harness.backbones.on_meta import META, MetaReader, denoiser_of, family_of, readers_of, text_of, vae_of
from harness.backbones.text import Text
from harness.backbones.work_counts import Counts, ExtractorCounts

WIDTHS: Final = {"float32": torch.float32, "half": torch.bfloat16}
_FUSED: Final = torch.ops.aten._scaled_dot_product_efficient_attention
_FUSED_BACKWARD: Final = torch.ops.aten._scaled_dot_product_efficient_attention_backward


class Tracker(TorchDispatchMode):
    """Counts FLOP, and bytes of the tensors alive that were made in it, now (`live`) and at most (`peak`)."""

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        """`known`: tensors that are there already, and do not count, nor does what shares their storage."""
        super().__init__()
        self.flop = 0.0
        self.live = self.peak = 0
        self._seen: Any = WeakIdKeyDictionary()
        for tensor in known:
            self._seen[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        packet = func._overloadpacket
        if packet is _FUSED_BACKWARD:
            self.flop += 2 * flop_registry[_FUSED](args[1], args[2], args[3], out_val=result)
        elif packet in flop_registry:
            self.flop += flop_registry[packet](*args, **(kwargs or {}), out_val=result)
        return result

    def _add(self, storage: Any) -> None:
        if storage in self._seen:
            return
        self._seen[storage] = True
        size = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.live -= size


@contextmanager
def fused() -> Iterator[None]:
    """Within it attention is as GPUs compute it: without keeping the matrix of its weights.

    Not by a `TorchFunctionMode`, which a checkpoint's second pass, in the middle of the backward one, would not see.
    """
    own = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = _attend
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = own


def _attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    found: tuple[Tensor, ...] = _FUSED(
        query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
    )
    return found[0]


def _measured(work: Callable[[], Any], known: Iterable[Tensor]) -> tuple[float, int]:
    """FLOP and peak bytes."""
    tracker = Tracker(known)
    with fused(), tracker:
        work()
    return tracker.flop, tracker.peak


def count(plan: Blueprint, widths: Iterable[str] = tuple(WIDTHS)) -> Counts:
    """Count one pipeline, one sample a pass. Takes some seconds of one core, whatever its size.

    Args:
        widths: in which of 'float32' and 'half' to count memory.
    """
    denoiser, vae, readers = denoiser_of(plan), vae_of(plan), readers_of(plan)
    family, encoders = family_of(plan), [reader.encoder for reader in readers]
    projections = family.projections(denoiser)
    named = [text.encoder for text in plan.layout.texts]
    parameters = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in (("unet", denoiser), *zip(named, encoders, strict=False), ("vae", vae))
    }
    config: Any = denoiser.config
    side = int(plan.denoiser["sample_size"])
    latent, pixels = (int(config.in_channels), side, side), (3, plan.resolution, plan.resolution)
    flop: dict[str, float] = {}
    memory: dict[str, dict[str, int]] = {}
    length = 0
    for width in widths:
        dtype = WIDTHS[width]
        for part in (denoiser, vae, *encoders):
            part.to(dtype)
        for module in projections.values():
            module.float()
        text = text_of(plan, readers)
        length = text.features.shape[1]
        found = {
            "unet": _denoise(family, denoiser, latent, text, dtype),
            "unet_train": _denoise(family, denoiser, latent, text, dtype, projections),
            "unet_again": _again(family, denoiser, latent, text, dtype, projections),
            "text": _read(family, readers, training=False),
            "text_train": _read(family, readers, training=True),
            "encode": _without_gradient(vae, vae.encode, torch.empty(1, *pixels, dtype=dtype, device=META)),
            "decode": _without_gradient(vae, vae.decode, torch.empty(1, *latent, dtype=dtype, device=META)),
        }  # fmt: skip
        flop = {name: counted[0] for name, counted in found.items()}
        memory[width] = {name: counted[1] for name, counted in found.items()}
    shapes = Counter(tuple(module.weight.shape) for module in all_attention(denoiser).values())
    return Counts(
        resolution=plan.resolution, length=length, token_dim=sum(plan.token_widths), latent=latent,
        parameters=parameters, projections={name: tuple(module.weight.shape) for name, module in projections.items()},
        attention=[(*shape, count) for shape, count in shapes.items()],
        flop=flop, memory=memory, token_widths=plan.token_widths, shares_text=family.shares_text,
    )  # fmt: skip


def _without_gradient(module: nn.Module, work: Callable[..., Any], *given: Tensor) -> tuple[float, int]:
    def run() -> None:
        with torch.no_grad():
            work(*given)

    return _measured(run, [*module.parameters(), *module.buffers(), *given])


def _denoise(
    family: Family, denoiser: nn.Module, latent: tuple[int, ...], text: Text, dtype: torch.dtype,
    trained: Mapping[str, nn.Module] | None = None,
) -> tuple[float, int]:  # fmt: skip
    """One pass of the frozen denoiser; with `trained` also back to the text and to what adapts these projections."""
    noisy = torch.empty(1, *latent, dtype=dtype, device=META)
    times = torch.empty(1, dtype=torch.long, device=META)
    shown = Text(text.features.detach().requires_grad_(trained is not None), text.pooled, text.mask)
    given = [tensor for tensor in (noisy, times, shown.features, shown.pooled, shown.mask) if tensor is not None]

    def predict() -> Tensor:
        return family.denoise(denoiser, noisy, times, shown)

    if trained is None:
        return _without_gradient(denoiser, lambda *_: predict(), *given)
    adapted: list[Tensor] = []
    for module in trained.values():
        projection = adaptable(module)  # type: ignore[arg-type]
        adapted.append(torch.empty(projection.weight.shape, device=META, requires_grad=True))
        projection.adapted = adapted[-1]

    def run() -> None:
        predicted = predict()
        loss = (predicted.float() - noisy.float()).square().mean()
        del predicted
        loss.backward()

    try:
        return _measured(run, [*denoiser.parameters(), *denoiser.buffers(), *adapted, *given])
    finally:
        for module in trained.values():
            adaptable(module).adapted = None  # type: ignore[arg-type]


def _again(family: Family, denoiser: Any, *arguments: Any) -> tuple[float, int]:
    """`_denoise` in training, with gradient checkpointing."""
    denoiser.enable_gradient_checkpointing()
    try:
        return _denoise(family, denoiser, *arguments)
    finally:
        denoiser.disable_gradient_checkpointing()


def _read(family: Family, readers: Sequence[MetaReader], *, training: bool) -> tuple[float, int]:
    """One prompt; in training also back to the embeddings of the custom token."""
    stand_ins: Any = readers
    encoders = nn.ModuleList(reader.encoder for reader in readers)
    tokens = [torch.empty(reader.tables[0].embedding_dim, device=META, requires_grad=True) for reader in readers]

    def show(token: Tensor) -> Callable[..., Tensor]:
        return lambda module, given, output: torch.where((given[0] == 0)[..., None], token.to(output), output)

    def run() -> None:
        text = family.read(stand_ins, [""])
        torch.autograd.backward([text.features], [torch.empty_like(text.features)])

    hooks = [
        table.register_forward_hook(show(token))
        for reader, token in zip(readers, tokens, strict=True)
        for table in reader.tables
    ]
    try:
        if not training:
            return _without_gradient(encoders, lambda *_: family.read(stand_ins, [""]), *tokens)
        return _measured(run, [*encoders.parameters(), *encoders.buffers(), *tokens])
    finally:
        for hook in hooks:
            hook.remove()


def count_extractor(model_cfg: Mapping[str, Any], *, quick_gelu: bool = False) -> ExtractorCounts:
    """Count an open_clip model by its `model_cfg`: one image through the image tower, and the parameters of both."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    config = dict(model_cfg)
    vision, text = config.pop("vision_cfg"), config.pop("text_cfg")
    width = int(config.pop("embed_dim"))
    quick = bool(config.get("quick_gelu", quick_gelu))
    with torch.device(META):
        model: nn.Module = CLIP(width, CLIPVisionCfg(**vision), CLIPTextCfg(**text), quick_gelu=quick)
    size = int(vision.get("image_size", 224))
    pixels = torch.empty(1, 3, size, size, device=META)
    flop, memory = _without_gradient(model, model.eval().encode_image, pixels)  # type: ignore[arg-type]
    parameters = sum(p.numel() for p in model.parameters())
    return ExtractorCounts(flop=flop, parameters=parameters, features=width, memory=memory)
