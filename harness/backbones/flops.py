"""FLOP and memory of a backbone, counted on the meta device: its own code runs on tensors without content.

A multiply-add counts two. Counted are matrix products and convolutions, as `torch.utils.flop_counter` does; attention's
backward pass counts four products, without the recomputation that fused kernels add. Memory is that of tensors alive at
the same time, above the weights: each storage once, freed when the last tensor on it is. Not counted: workspaces of
libraries, the allocator's rounding, what one operation needs inside. Attention counts as fused, without its matrix.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakIdKeyDictionary

from harness.backbones.adapters import adaptable, cross_attention
from harness.backbones.architecture import Blueprint
from harness.backbones.work_counts import Counts, ExtractorCounts

META: Final = torch.device("meta")
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


class Fused(TorchFunctionMode):
    """Attention as GPUs compute it: without keeping the matrix of its weights."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return _attend(*args, **kwargs) if func is scaled_dot_product_attention else func(*args, **kwargs)


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
    with Fused(), tracker:
        work()
    return tracker.flop, tracker.peak


def count(plan: Blueprint, widths: Iterable[str] = tuple(WIDTHS)) -> Counts:
    """Count one pipeline, one sample a pass. Takes some seconds of one core, whatever its size.

    Args:
        widths: in which of 'float32' and 'half' to count memory.
    """
    from diffusers import UNet2DConditionModel

    with torch.device(META):
        unet: nn.Module = UNet2DConditionModel(**_arguments(plan.unet))
        vae, text_encoder = _vae(plan), _text_encoder(plan)
    for part in (unet, vae, text_encoder):
        part.requires_grad_(False).eval()
    projections = cross_attention(unet)
    channels, side = int(plan.unet["in_channels"]), int(plan.unet["sample_size"])
    length, dim = int(plan.text["max_position_embeddings"]), int(plan.unet["cross_attention_dim"])
    parameters = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in (("unet", unet), ("text_encoder", text_encoder), ("vae", vae))
    }
    latent, pixels = (channels, side, side), (3, plan.resolution, plan.resolution)
    flop: dict[str, float] = {}
    memory: dict[str, dict[str, int]] = {}
    for width in widths:
        dtype = WIDTHS[width]
        for part in (unet, vae, text_encoder):
            part.to(dtype)
        for module in projections.values():
            module.float()
        found = {
            "unet": _denoise(unet, latent, (length, dim), dtype),
            "unet_train": _denoise(unet, latent, (length, dim), dtype, projections),
            "text": _read(text_encoder, length, training=False),
            "text_train": _read(text_encoder, length, training=True),
            "encode": _without_gradient(vae, vae.encode, torch.empty(1, *pixels, dtype=dtype, device=META)),
            "decode": _without_gradient(vae, vae.decode, torch.empty(1, *latent, dtype=dtype, device=META)),
        }  # fmt: skip
        flop = {name: counted[0] for name, counted in found.items()}
        memory[width] = {name: counted[1] for name, counted in found.items()}
    return Counts(
        resolution=plan.resolution, length=length, token_dim=dim, latent=latent, parameters=parameters,
        projections={name: tuple(module.weight.shape) for name, module in projections.items()},
        flop=flop, memory=memory,
    )  # fmt: skip


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name[0] != "_"}


def _vae(plan: Blueprint) -> Any:
    from diffusers import AutoencoderKL, AutoencoderTiny

    arguments = _arguments(plan.vae)
    if plan.vae_class == "AutoencoderTiny":
        arguments.pop("block_out_channels", None)  # what it writes into its configuration, but does not take
        return AutoencoderTiny(**arguments)
    return AutoencoderKL(**arguments)


def _text_encoder(plan: Blueprint) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    arguments = {name: value for name, value in _arguments(plan.text).items() if name not in ("dtype", "torch_dtype")}
    made: nn.Module = CLIPTextModel(CLIPTextConfig(**arguments))
    return made


def _without_gradient(module: nn.Module, work: Callable[..., Any], *given: Tensor) -> tuple[float, int]:
    def run() -> None:
        with torch.no_grad():
            work(*given)

    return _measured(run, [*module.parameters(), *module.buffers(), *given])


def _denoise(
    unet: nn.Module, latent: tuple[int, ...], text: tuple[int, int], dtype: torch.dtype,
    trained: Mapping[str, nn.Module] | None = None,
) -> tuple[float, int]:  # fmt: skip
    """One pass of the frozen U-Net; with `trained` also back to the text and to what adapts these projections."""
    noisy = torch.empty(1, *latent, dtype=dtype, device=META)
    times = torch.empty(1, dtype=torch.long, device=META)
    features = torch.empty(1, *text, dtype=dtype, device=META, requires_grad=trained is not None)
    if trained is None:
        return _without_gradient(unet, unet, noisy, times, features)
    adapted: list[Tensor] = []
    for module in trained.values():
        projection = adaptable(module)  # type: ignore[arg-type]
        adapted.append(torch.empty(projection.weight.shape, device=META, requires_grad=True))
        projection.adapted = adapted[-1]

    def run() -> None:
        predicted: Tensor = unet(noisy, times, features).sample
        loss = (predicted.float() - noisy.float()).square().mean()
        del predicted
        loss.backward()

    try:
        return _measured(run, [*unet.parameters(), *unet.buffers(), *adapted, noisy, times, features])
    finally:
        for module in trained.values():
            adaptable(module).adapted = None  # type: ignore[arg-type]


def _read(text_encoder: nn.Module, length: int, *, training: bool) -> tuple[float, int]:
    """One prompt; in training also back to the embedding of the custom token."""
    table: nn.Module = text_encoder.get_input_embeddings()  # type: ignore[operator]
    ids = torch.empty(1, length, dtype=torch.long, device=META)
    token = torch.empty(table.weight.shape[1], device=META, requires_grad=True)  # type: ignore[index,arg-type]

    def show(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return torch.where((given[0] == 0)[..., None], token.to(output), output)

    def run() -> None:
        features: Tensor = text_encoder(ids)[0]
        features.backward(torch.empty_like(features))

    hook = table.register_forward_hook(show)
    try:
        if not training:
            return _without_gradient(text_encoder, lambda given, _: text_encoder(given), ids, token)
        return _measured(run, [*text_encoder.parameters(), *text_encoder.buffers(), ids, token])
    finally:
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
