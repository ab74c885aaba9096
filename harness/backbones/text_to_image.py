"""TextToImage: a Stable Diffusion pipeline, and the few things a method or the engine may do with it."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.backbones.adaptable import Adapter, attached, fold
from harness.backbones.memory import out_of_memory, release
from harness.errors import UsageError
from harness.spec import Sampling
from harness.weights import check_parts

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

ADAPTED = ("attn2.to_k", "attn2.to_v")  # the cross-attention's key and value projections, 32 in SD 1.x


class TextToImage:
    """Wraps a `StableDiffusionPipeline` (the embedded folder, any other folder, or a hub id), frozen throughout.

    The pre-trained projections W_init are kept, so that `reset` brings the model back, and `change` gives
    W_{t-1} - W_init. Custom tokens live beside the embedding table, whose rows are never touched.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, device: torch.device, dtype: torch.dtype) -> None:
        from diffusers import DDIMScheduler

        self.pipeline = pipeline
        self.device, self.dtype = device, dtype
        pipeline.set_progress_bar_config(disable=True)
        # set DDIM explicitly: Stable Diffusion 1.x ships PNDM, which ignores eta
        config = dict(pipeline.scheduler.config)
        # what Stable Diffusion's own DDIM configuration says; other schedulers' lack it, and the defaults clip latents
        usual = {"set_alpha_to_one": False, "steps_offset": 1}
        pipeline.scheduler = DDIMScheduler.from_config({**usual, **config}, clip_sample=False)
        self.unet = cast(nn.Module, pipeline.unet)
        self.vae = cast(nn.Module, pipeline.vae)
        self.text_encoder = cast(nn.Module, pipeline.text_encoder)
        self.tokenizer: Any = pipeline.tokenizer
        for part in (self.unet, self.vae, self.text_encoder):
            part.to(device=device, dtype=dtype)
            part.requires_grad_(False).eval()
        self.projections: dict[str, nn.Linear] = {
            name: module
            for name, module in self.unet.named_modules()
            if name.endswith(ADAPTED) and isinstance(module, nn.Linear)
        }
        if not self.projections:
            raise UsageError("The backbone's U-Net has no cross-attention (attn2.to_k, attn2.to_v); use another one.")
        if dtype is not torch.float32:
            self._keep_projections_in_float32()
        self.initial = {name: p.weight.detach().clone() for name, p in self.projections.items()}
        self._tokens: dict[int, Tensor] = {}
        self._token_ids: dict[str, int] = {}
        embedding = cast(nn.Embedding, self.text_encoder.get_input_embeddings())  # type: ignore[operator]
        self._vocabulary = embedding.num_embeddings
        self._embedding = embedding
        embedding.register_forward_pre_hook(self._hide_custom_ids)
        embedding.register_forward_hook(self._show_custom_tokens)
        self._ids: list[Tensor] = []
        self._category: str = ""
        self.batch_limit: int | None = None  # images that fit into memory at a time, once it ran out
        vae_config: Any = self.vae.config
        self._scaling_factor = float(vae_config.scaling_factor)

    @classmethod
    def load(
        cls, source: str, device: torch.device, dtype: torch.dtype = torch.float32, *, offline: bool = True
    ) -> TextToImage:
        """Load a pipeline from a folder, or from the hub (only its local cache when `offline`).

        Raises:
            UsageError: no such folder or cached model, or it is not a Stable Diffusion pipeline in safetensors.
        """
        if Path(source).is_dir():
            check_parts(Path(source), source)
        from diffusers import StableDiffusionPipeline
        from diffusers.utils import logging as diffusers_logging

        diffusers_logging.set_verbosity_error()
        diffusers_logging.disable_progress_bar()
        logging.getLogger("transformers").setLevel(logging.ERROR)
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pipeline = StableDiffusionPipeline.from_pretrained(
                    source, torch_dtype=dtype, local_files_only=offline or Path(source).exists(), use_safetensors=True,
                    safety_checker=None, feature_extractor=None, requires_safety_checker=False,
                )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            where = "a folder" if offline else "a folder or hub id"
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(
                f"Backbone '{source}' cannot be loaded as a Stable Diffusion pipeline with safetensors ({first}); "
                f"give {where} with --backbone{' or allow downloads with --no-offline' if offline else ''}."
            ) from error
        return cls(pipeline, device, dtype)

    def _keep_projections_in_float32(self) -> None:
        """What is trained and stacked over tasks stays in float32: bfloat16 would round small residuals away."""

        def widen(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (arguments[0].float(), *arguments[1:])

        def narrow(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return output.to(self.dtype)

        for projection in self.projections.values():
            projection.float()
            projection.register_forward_pre_hook(widen)
            projection.register_forward_hook(narrow)

    # --- projections -------------------------------------------------------------------------------------------------

    def change(self, name: str) -> Tensor:
        """W - W_init of one projection, (D1, D2), as folded so far."""
        projection = self.projections[name]
        weight = projection.parametrizations["weight"].original if attached([projection]) else projection.weight  # type: ignore[index,union-attr]
        return cast(Tensor, weight).detach() - self.initial[name]

    def adapters(self) -> list[Adapter]:
        """The adapters attached now."""
        return attached(self.projections.values())

    def fold(self) -> None:
        """Write all adapters into the weights and remove them."""
        fold(self.projections.values())

    def reset(self) -> None:
        """Back to the pre-trained weights, without adapters or custom tokens."""
        self.fold()
        self.load_weights(self.initial)
        self._tokens.clear()

    def weights(self) -> dict[str, Tensor]:
        """Copies of the projections as they are, name -> (D1, D2), on the CPU."""
        return {name: p.weight.detach().cpu().clone() for name, p in self.projections.items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the projections."""
        with torch.no_grad():
            for name, weight in weights.items():
                self.projections[name].weight.copy_(weight)

    # --- tokens and prompts ------------------------------------------------------------------------------------------

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table; custom tokens have the ids from there on."""
        return self._vocabulary

    @property
    def token_dim(self) -> int:
        """Width of a token embedding."""
        return self._embedding.embedding_dim

    def token_scale(self) -> float:
        """Standard deviation of the token embeddings' entries."""
        return float(self._embedding.weight.float().std())

    def set_category(self, category: str) -> None:
        """The category word of the task to come, for `token_start`."""
        self._category = category

    def token_start(self, kind: str) -> Tensor:
        """(dim,) float32: the mean embedding of the category's tokens for 'category', zeros for 'random'."""
        if kind != "category" or not self._category:
            return torch.zeros(self.token_dim, device=self.device)
        ids = self.tokenizer(self._category, add_special_tokens=False).input_ids
        return self._embedding.weight[torch.tensor(ids, device=self.device)].float().mean(dim=0)

    def token_id(self, token: str) -> int:
        """The id of a custom token, added to the tokenizer if need be.

        Raises:
            UsageError: it is not of the form <name>, or the tokenizer does not keep it in one piece.
        """
        if token in self._token_ids:
            return self._token_ids[token]
        check_token(token)
        self.tokenizer.add_tokens([token])
        ids = self.tokenizer(token, add_special_tokens=False).input_ids
        if len(ids) != 1 or ids[0] < self._vocabulary:
            raise UsageError(f"The tokenizer splits the custom token '{token}' or knows it already; use another name.")
        self._token_ids[token] = int(ids[0])
        return self._token_ids[token]

    def set_token(self, token: str, embedding: Tensor) -> None:
        """Give a custom token its embedding, (dim,); gradients flow through it."""
        self._tokens[self.token_id(token)] = embedding

    def token(self, token: str) -> Tensor:
        """The embedding, (dim,), of a custom token that was set."""
        return self._tokens[self.token_id(token)]

    def _hide_custom_ids(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self._ids.append(arguments[0])
        return (arguments[0].clamp(max=self._vocabulary - 1), *arguments[1:])

    def _show_custom_tokens(self, module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        ids = self._ids.pop()
        for token, embedding in self._tokens.items():
            output = torch.where((ids == token)[..., None], embedding.to(output), output)
        return output

    def encode_prompts(self, prompts: Sequence[str]) -> Tensor:
        """(B, length, dim) text features of B prompts; differentiable in the custom tokens' embeddings.

        Raises:
            UsageError: a prompt is too long for the tokenizer, so that words would be lost without a word.
        """
        length = self.tokenizer.model_max_length
        encoded = self.tokenizer(list(prompts), padding="max_length", max_length=length, return_tensors="pt")
        if encoded.input_ids.shape[1] > length:
            raise UsageError(f"A prompt is longer than the {length} tokens that the backbone reads: {prompts[0]!r}.")
        features: Tensor = self.text_encoder(encoded.input_ids.to(self.device))[0]
        return features

    # --- images ------------------------------------------------------------------------------------------------------

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image's latent at the U-Net's own size."""
        size = int(self.unet.config.sample_size)  # type: ignore[union-attr,arg-type]
        return int(self.unet.config.in_channels), size, size  # type: ignore[union-attr,arg-type]

    @property
    def resolution(self) -> int:
        """Pixels along each side, by the U-Net's own size."""
        return self.latent_shape[1] * int(self.pipeline.vae_scale_factor)

    @torch.no_grad()
    def encode_images(self, images: NDArray[np.uint8]) -> Tensor:
        """(n, c, h, w) scaled latents of (n, size, size, 3) uint8 images: the mode, without noise."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device, self.dtype) / 127.5 - 1
        parts: list[Tensor] = []
        for batch in pixels.split(16):
            encoded: Any = self.vae.encode(batch)  # type: ignore[operator]
            parts.append(encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode())
        return torch.cat(parts) * self._scaling_factor

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> NDArray[np.uint8]:
        """(n, size, size, 3) uint8 images of scaled latents."""
        scaled = latents.to(self.device, self.dtype) / self._scaling_factor
        decoded = torch.cat([self.vae.decode(batch).sample for batch in scaled.split(16)])  # type: ignore[operator]
        return to_uint8(decoded / 2 + 0.5)

    def denoising_errors(self, latents: Tensor, noise: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Squared errors of the U-Net's prediction on (B, c, h, w) latents, same shape, float32. L_SD is their mean."""
        scheduler: Any = self.pipeline.scheduler
        noisy = scheduler.add_noise(latents, noise, times)
        predicted: Tensor = self.unet(noisy, times, text).sample
        if scheduler.config.prediction_type == "v_prediction":
            noise = scheduler.get_velocity(latents, noise, times)
        return (predicted.float() - noise.float()).square()

    @torch.no_grad()
    def generate(self, prompt: str, seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        """One image a seed, (n, size, size, 3) uint8. Each image's noise is its own seed's, whatever the batch.

        Where the memory does not hold a batch it is halved, down to one image; `batch_limit` then says so.
        """
        text = self.encode_prompts([prompt])
        empty = self.encode_prompts([""])
        batches: list[NDArray[np.uint8]] = []
        left = list(seeds)
        while left:
            size = min(sampling.batch_size, self.batch_limit or sampling.batch_size, len(left))
            try:
                batches.append(self._sample(text, empty, left[:size], sampling))
                left = left[size:]
                continue
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not out_of_memory(error):
                    raise
            # only here is the error gone, and with it what it held
            self.batch_limit = size // 2
            release(self.device)
        return np.concatenate(batches)

    def _sample(self, text: Tensor, empty: Tensor, seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        output: Any = self.pipeline(
            prompt_embeds=text.expand(len(seeds), -1, -1),
            negative_prompt_embeds=empty.expand(len(seeds), -1, -1),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            num_inference_steps=sampling.steps, guidance_scale=sampling.guidance_scale, eta=sampling.eta,
            output_type="pt",
        )  # fmt: skip
        return to_uint8(output.images)


def check_token(token: str) -> None:
    """Of the form <name>, in lower case, or else it would hide in words, or be confused with another.

    Raises:
        UsageError: it is not.
    """
    if not re.fullmatch(r"<[a-z0-9_-]+>", token):
        raise UsageError(f"The custom token '{token}' could hide a word; write it in lower case and brackets, as <v1>.")


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """(n, 3, h, w) in [0, 1] to (n, h, w, 3) uint8, rounded."""
    scaled = (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).cpu().numpy()
