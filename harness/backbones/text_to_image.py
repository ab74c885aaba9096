"""TextToImage: a Stable Diffusion pipeline, and the few things a method or the engine may do with it."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.backbones.adapters import Adapter, Projection, adaptable, attached, cross_attention, fold, same_text
from harness.backbones.architecture import images_at_once
from harness.backbones.checks import check_parts
from harness.backbones.intact import Intact
from harness.backbones.oom import out_of_memory, release
from harness.backbones.packed_convolutions import freeze
from harness.backbones.posterior import Posterior
from harness.backbones.solvers import check_steps, ddim_of, scheduler_of
from harness.errors import UsageError, first_line
from harness.spec import Sampling, Solver

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


class TextToImage:
    """Wraps a `StableDiffusionPipeline` (the embedded folder, any other folder, or a hub id), frozen throughout.

    The pre-trained projections W_init are kept, so that `reset` brings the model back, and `change` gives
    W_{t-1} - W_init. Custom tokens live beside the embedding table, whose rows are never touched.
    """

    def __init__(
        self, pipeline: StableDiffusionPipeline, device: torch.device, dtype: torch.dtype, *, compiled: bool = False
    ) -> None:
        from harness.backbones.attention import make_lean

        self.pipeline = pipeline
        self.device, self.dtype, self.compiled = device, dtype, compiled
        pipeline.set_progress_bar_config(disable=True)
        pipeline.scheduler = ddim_of(pipeline.scheduler)
        self.unet = cast(nn.Module, pipeline.unet)
        self.vae = cast(nn.Module, pipeline.vae)
        self.text_encoder = cast(nn.Module, pipeline.text_encoder)
        self.tokenizer: Any = pipeline.tokenizer
        for part in (self.unet, self.vae, self.text_encoder):
            part.to(device=device, dtype=dtype)
            part.requires_grad_(False).eval()
        self.projections: dict[str, Projection] = {
            name: adaptable(module) for name, module in cross_attention(self.unet).items()
        }
        if not self.projections:
            raise UsageError("The backbone's U-Net has no cross-attention (attn2.to_k, attn2.to_v); use another one.")
        for projection in self.projections.values():
            projection.float()  # what is trained and stacked over tasks
        make_lean(self.unet)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        for part in (self.unet, self.vae):  # convolutions are faster so, on a CPU, too
            part.to(memory_format=torch.channels_last)
        if device.type == "cpu" and not compiled:
            freeze(self.unet)
        if compiled:
            # shapes are few: a training batch, a sampling batch, the last sampling batch
            self.unet.compile(dynamic=False)
        self.initial = {name: p.weight.detach().clone() for name, p in self.projections.items()}
        self._tokens: dict[int, Tensor] = {}
        self._token_ids: dict[str, int] = {}
        self._prompt_ids: dict[str, Tensor] = {}
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
        cls, source: str, device: torch.device, dtype: torch.dtype = torch.float32, *, offline: bool = True,
        compiled: bool = False,
    ) -> TextToImage:  # fmt: skip
        """Load a pipeline from a folder, or from the hub (only its local cache when `offline`).

        Args:
            dtype: of everything but the projections, which stay in float32. compiled: U-Net through `torch.compile`.

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
            first = first_line(error)
            raise UsageError(
                f"Backbone '{source}' cannot be loaded as a Stable Diffusion pipeline with safetensors ({first}); "
                f"give {where} with --backbone{' or allow downloads with --no-offline' if offline else ''}."
            ) from error
        return cls(pipeline, device, dtype, compiled=compiled)

    # --- projections -------------------------------------------------------------------------------------------------

    def intact(self) -> Intact:
        """How it is now, but for the projections' weights: these are all that a step keeps."""
        parts = {"unet": self.unet, "vae": self.vae, "text_encoder": self.text_encoder}
        return Intact(parts, [projection.weight for projection in self.projections.values()], self.initial)

    def change(self, name: str) -> Tensor:
        """W - W_init of one projection, (D1, D2), as folded so far."""
        return self.projections[name].weight.detach() - self.initial[name]

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
        self._prompt_ids.clear()  # prompts that hold it are other ids now
        ids = self.tokenizer(token, add_special_tokens=False).input_ids
        if len(ids) != 1 or ids[0] < self._vocabulary:
            raise UsageError(f"The tokenizer splits the custom token '{token}' or knows it already; use another name.")
        self._token_ids[token] = int(ids[0])
        return self._token_ids[token]

    def set_token(self, token: str, embedding: Tensor) -> None:
        """Give a custom token its embedding, (dim,); gradients flow through it."""
        self._tokens[self.token_id(token)] = embedding

    def tokens(self) -> dict[str, Tensor]:
        """The embeddings, (dim,) each, of all custom tokens that were set."""
        return {name: self._tokens[number] for name, number in self._token_ids.items() if number in self._tokens}

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
        features: Tensor = self.text_encoder(torch.cat([self._ids_of(prompt) for prompt in prompts]))[0]
        return features

    def _ids_of(self, prompt: str) -> Tensor:
        """(1, length) token ids on the device; kept, as a training asks for the same prompts at every step."""
        if prompt not in self._prompt_ids:
            length = self.tokenizer.model_max_length
            ids = self.tokenizer(prompt, padding="max_length", max_length=length, return_tensors="pt").input_ids
            if ids.shape[1] > length:
                raise UsageError(f"A prompt is longer than the {length} tokens that the backbone reads: {prompt!r}.")
            self._prompt_ids[prompt] = ids.to(self.device)
        return self._prompt_ids[prompt]

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
    def posterior(self, images: NDArray[np.uint8] | Tensor) -> Posterior:
        """What the VAE makes of (n, size, size, 3) uint8 images, or of a (n, 3, size, size) uint8 tensor."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) if isinstance(images, np.ndarray) else images
        means: list[Tensor] = []
        spreads: list[Tensor] = []
        for batch in pixels.split(images_at_once(pixels.shape[-1])):
            scaled = (batch.to(self.device).float() / 127.5 - 1).to(self.dtype)
            encoded: Any = self.vae.encode(scaled)  # type: ignore[operator]
            if hasattr(encoded, "latents"):  # AutoencoderTiny's have no spread
                means.append(encoded.latents.float() * self._scaling_factor)
            else:
                means.append(encoded.latent_dist.mean.float() * self._scaling_factor)
                spreads.append(encoded.latent_dist.std.float() * self._scaling_factor)
        return Posterior(torch.cat(means), torch.cat(spreads) if spreads else None)

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> NDArray[np.uint8]:
        """(n, size, size, 3) uint8 images of scaled latents."""
        scaled = (latents.to(self.device).float() / self._scaling_factor).to(self.dtype)
        parts = scaled.split(images_at_once(self.resolution))
        decoded = torch.cat([self.vae.decode(batch).sample for batch in parts])  # type: ignore[operator]
        return to_uint8(decoded / 2 + 0.5)

    def denoising_errors(self, latents: Tensor, noise: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """Squared errors of the U-Net's prediction on (B, c, h, w) latents, same shape, float32. L_SD is their mean."""
        scheduler: Any = self.pipeline.scheduler
        predicted = self.predict(latents, noise, times, text)
        if scheduler.config.prediction_type == "v_prediction":
            noise = scheduler.get_velocity(latents, noise, times)
        return (predicted - noise.float()).square()

    def predict(self, latents: Tensor, noise: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """The U-Net's prediction on (B, c, h, w) latents with that noise at these times, same shape, float32.

        It is eps_theta(x_t, t, c), or v where the model predicts that. Differentiable in adapters and custom tokens.
        """
        scheduler: Any = self.pipeline.scheduler
        noisy = scheduler.add_noise(latents, noise, times)
        predicted: Tensor = self.unet(noisy.to(self.dtype), times, text).sample
        return predicted.float()

    @contextmanager
    def pretrained(self) -> Iterator[None]:
        """Within it the projections compute with W_init; adapters and weights are as before afterwards."""
        own = {name: projection.adapted for name, projection in self.projections.items()}
        for name, projection in self.projections.items():
            projection.adapted = self.initial[name]
        try:
            yield
        finally:
            for name, projection in self.projections.items():
                projection.adapted = own[name]

    @torch.no_grad()
    def generate(self, prompts: str | Sequence[str], seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        """One image a seed, (n, size, size, 3) uint8. Each image's noise is its own seed's, whatever the batch.

        Every solver begins with the same noise. Where the memory does not hold a batch it is halved, down to one image;
        `batch_limit` then says so.

        Args:
            prompts: one for all, or one for each seed; batches run across prompts.

        Raises:
            ValueError: prompts and seeds differ in number. UsageError: a prompt is too long, or steps are too many.
        """
        each = [prompts] * len(seeds) if isinstance(prompts, str) else list(prompts)
        if len(each) != len(seeds):
            raise ValueError(f"{len(each)} prompts for {len(seeds)} seeds; give one for all, or one for each")
        check_steps(sampling, self.pipeline.scheduler.config)
        distinct = list(dict.fromkeys(each))
        text = torch.cat([self.encode_prompts([prompt]) for prompt in distinct])  # as if each were asked for alone
        rows = torch.tensor([distinct.index(prompt) for prompt in each], device=self.device)
        empty = self.encode_prompts([""])
        batches: list[NDArray[np.uint8]] = []
        done = 0
        while done < len(seeds):
            size = min(sampling.batch_size, self.batch_limit or sampling.batch_size, len(seeds) - done)
            part = slice(done, done + size)
            try:
                batches.append(self._sample(text[rows[part]], empty, seeds[part], sampling))
                done += size
                continue
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not out_of_memory(error):
                    raise
            # only here is the error gone, and with it what it held
            self.batch_limit = size // 2
            release(self.device)
        return np.concatenate(batches)

    def _sample(self, text: Tensor, empty: Tensor, seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        # a compiled U-Net would be compiled anew for what its projections know
        with same_text(() if self.compiled else self.projections.values()), self._solved_by(sampling.solver):
            output: Any = self.pipeline(
                prompt_embeds=text,
                negative_prompt_embeds=empty.expand(len(seeds), -1, -1),
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                num_inference_steps=sampling.steps, guidance_scale=sampling.guidance_scale, eta=sampling.eta,
                output_type="latent",
            )  # fmt: skip
        return self.decode_latents(output.images)

    @contextmanager
    def _solved_by(self, solver: Solver) -> Iterator[None]:
        """With another scheduler for a while: trainings always add noise by the pipeline's own."""
        own = self.pipeline.scheduler
        self.pipeline.scheduler = scheduler_of(solver, own)
        try:
            yield
        finally:
            self.pipeline.scheduler = own


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
