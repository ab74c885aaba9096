"""TextToImage: a pipeline of any known family, and the few things a method or the engine may do with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.backbones.adapters import Adapter, Projection, adaptable, all_attention, attached, fold, plain, same_text
from harness.backbones.architecture import images_at_once
from harness.backbones.intact import Intact
from harness.backbones.layouts import PIPELINES
from harness.backbones.noise import NoiseSchedule
from harness.backbones.oom import out_of_memory, release
from harness.backbones.packed_convolutions import freeze
from harness.backbones.posterior import Posterior
from harness.backbones.solvers import check_sampling, ddim_of, scheduler_of
from harness.backbones.text import Reader, Text, keep_in_range
from harness.errors import UsageError
from harness.spec import Adapted, Sampling, Solver

if TYPE_CHECKING:
    from harness.backbones.families.family import Family


class TextToImage:
    """Wraps a text-to-image pipeline (the embedded folder, any other folder, or a hub id), frozen throughout.

    The pre-trained projections W_init are kept, so that `reset` brings the model back, and `change` gives
    W_{t-1} - W_init. Custom tokens live beside the tables of embeddings, whose rows are never touched. What differs
    between families of models is its `family`'s.

    Attributes:
        pipeline: diffusers' own, with DDIM, or the flow's own solver. family: What kind of model it is.
        layout: What its family's pipelines consist of. texts: The tokenizers and encoders that this one has.
        parts: What the pipeline calls its networks. denoiser: The U-Net or transformer.
        readers: Tokenizers and text encoders, in the order of a token's parts.
        projections: What is adapted, by name: see `adapt`. initial: W_init of each.
        batch_limit: Images that fit into memory at a time, once it ran out; None before.
    """

    def __init__(
        self, pipeline: Any, device: torch.device, dtype: torch.dtype, *, compiled: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:  # fmt: skip
        from harness.backbones.attention import make_lean
        from harness.backbones.families import FAMILIES

        layout = PIPELINES[type(pipeline).__name__]
        self.pipeline = pipeline
        self.device, self.dtype, self.compiled = device, dtype, compiled
        pipeline.set_progress_bar_config(disable=True)
        if not layout.flow:
            pipeline.scheduler = ddim_of(pipeline.scheduler)
        self.denoiser = cast(nn.Module, getattr(pipeline, layout.denoiser))
        self.vae = cast(nn.Module, pipeline.vae)
        texts = [text for text in layout.texts if getattr(pipeline, text.encoder) is not None]
        self.layout, self.texts = layout, texts
        self.parts = (layout.denoiser, "vae", *(text.encoder for text in texts))
        self.text_encoders: list[nn.Module] = [getattr(pipeline, text.encoder) for text in texts]
        for part in (self.denoiser, self.vae, *self.text_encoders):
            part.to(device=device, dtype=dtype)
            part.requires_grad_(False).eval()
        if dtype is torch.float16:
            keep_in_range(self.text_encoders)
            if layout.upcasts_vae and cast(Any, self.vae).config.get("force_upcast"):
                self.vae.float()
        config: Any = self.denoiser.config
        self.family: Family = FAMILIES[layout.name](
            type(pipeline).__name__, config, self.resolution,
            empty_is_zero=bool(pipeline.config.get("force_zeros_for_empty_prompt")),
        )  # fmt: skip
        self.noise: NoiseSchedule = self.family.noise_schedule(pipeline.scheduler)
        self.projections: dict[str, Projection] = {
            name: adaptable(module) for name, module in self.family.projections(self.denoiser).items()
        }
        for projection in self.projections.values():
            projection.float()  # what is trained and stacked over tasks
        self._of_text = dict(self.projections)
        make_lean(self.denoiser)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True
        for part in (self.denoiser, self.vae):  # convolutions are faster so, on a CPU, too
            part.to(memory_format=torch.channels_last)
        if device.type == "cpu" and not compiled:
            freeze(self.denoiser)
        if compiled:
            # shapes are few: a training batch, a sampling batch, the last sampling batch
            self.denoiser.compile(dynamic=False)
        if gradient_checkpointing:
            self.denoiser.enable_gradient_checkpointing()  # type: ignore[operator]
        self.initial = {name: p.weight.detach().clone() for name, p in self.projections.items()}
        tokenizers = [getattr(pipeline, text.tokenizer) for text in texts]
        self.readers = [
            Reader(tokenizer, encoder, length)
            for tokenizer, encoder, length in zip(
                tokenizers, self.text_encoders, self.family.lengths(tokenizers), strict=True
            )
        ]
        self._tokens: dict[str, Tensor] = {}
        self._category: str = ""
        self.batch_limit: int | None = None
        vae_config: Any = self.vae.config
        self._scaling_factor = float(vae_config.scaling_factor)
        self._shift_factor = float(vae_config.get("shift_factor") or 0.0)

    @classmethod
    def load(
        cls, source: str, device: torch.device, dtype: torch.dtype = torch.float32, *, offline: bool = True,
        compiled: bool = False, gradient_checkpointing: bool = False,
    ) -> TextToImage:  # fmt: skip
        """Load a pipeline from a folder, or from the hub (only its local cache when `offline`).

        Args:
            dtype: of everything but the projections, which stay in float32. compiled: U-Net through `torch.compile`.
            gradient_checkpointing: in training the denoiser's layers are computed a second time on the way back, and
                what lies between them is not kept.

        Raises:
            UsageError: no such folder or cached model, or it is not a known family's pipeline in safetensors.
        """
        from harness.backbones.loading import load_pipeline

        pipeline = load_pipeline(source, dtype, offline=offline)
        return cls(pipeline, device, dtype, compiled=compiled, gradient_checkpointing=gradient_checkpointing)

    # --- projections -------------------------------------------------------------------------------------------------

    @property
    def adapts(self) -> Adapted:
        """What can be adapted: see `adapt`."""
        return "text" if len(self.projections) == len(self._of_text) else "attention"

    def adapt(self, what: Adapted) -> None:
        """Let keys and values of the text be adapted, as it is at first, or all that attention layers compute with.

        Layers that are no longer adapted are as the pre-trained model has them, in its precision.
        """
        if what == self.adapts:
            return
        if what == "attention":
            wide = {name: adaptable(each).float() for name, each in all_attention(self.denoiser).items()}
            more = {name: each.weight.detach().clone() for name, each in wide.items() if name not in self._of_text}
            self.projections, self.initial = wide, self.initial | more
            return
        for name in self.projections.keys() - self._of_text.keys():
            self.load_weights({name: self.initial.pop(name)})
            plain(self.projections[name])
            self.projections[name].to(self.dtype)
        self.projections = dict(self._of_text)

    def intact(self) -> Intact:
        """How it is now, but for the projections' weights: these are all that a step keeps."""
        with torch.no_grad():
            self.encode_prompts([""])  # transformers gives some encoders hooks of its own when they are first asked
        parts = {name: getattr(self.pipeline, name) for name in self.parts}
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
        """Back to the pre-trained weights, without adapters or custom tokens; what is adapted is the text's again."""
        self.fold()
        self.load_weights(self.initial)
        self.adapt("text")
        self._tokens.clear()
        for reader in self.readers:
            reader.forget_tokens()

    def weights(self) -> dict[str, Tensor]:
        """Copies of the projections as they are, name -> (D1, D2), on the CPU."""
        return {name: p.weight.detach().cpu().clone() for name, p in self.projections.items()}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the projections; where there are weights of others than the text's, they are adapted from here on."""
        if not weights.keys() <= self.projections.keys():
            self.adapt("attention")
        with torch.no_grad():
            for name, weight in weights.items():
                self.projections[name].weight.copy_(weight)

    # --- tokens and prompts ------------------------------------------------------------------------------------------

    @property
    def token_widths(self) -> tuple[int, ...]:
        """Width of a token's embedding in each text encoder."""
        return tuple(reader.width for reader in self.readers)

    @property
    def token_dim(self) -> int:
        """Width of a token's embedding, of all text encoders together."""
        return sum(self.token_widths)

    def token_scale(self, part: int = 0) -> float:
        """Standard deviation of the token embeddings' entries.

        Args:
            part: Which text encoder's, as numbered by `token_widths`.
        """
        return self.readers[part].scale()

    def set_category(self, category: str) -> None:
        """The category word of the task to come, for `token_start`."""
        self._category = category

    def token_start(self, kind: str) -> Tensor:
        """(dim,) float32: the mean embedding of the category's tokens for 'category', zeros for 'random'."""
        if kind != "category" or not self._category:
            return torch.zeros(self.token_dim, device=self.device)
        return torch.cat([reader.mean_embedding(self.layout.as_read(self._category)) for reader in self.readers])

    def set_token(self, token: str, embedding: Tensor) -> None:
        """Give a custom token its embedding, (dim,), each text encoder's part behind the other; gradients flow.

        Raises:
            UsageError: it is not of the form <name>, or a tokenizer does not keep it in one piece.
        """
        check_token(token)
        for reader, part in zip(self.readers, embedding.split(self.token_widths), strict=True):
            reader.set_token(token, part)
        self._tokens[token] = embedding

    def tokens(self) -> dict[str, Tensor]:
        """The embeddings, (dim,) each, of all custom tokens that were set."""
        return dict(self._tokens)

    def token(self, token: str) -> Tensor:
        """The embedding, (dim,), of a custom token that was set."""
        return self._tokens[token]

    def encode_prompts(self, prompts: Sequence[str]) -> Text:
        """What the denoiser is shown of the prompts; differentiable in the custom tokens' embeddings.

        Raises:
            UsageError: a prompt is too long for a tokenizer, so that words would be lost without a word.
        """
        return self.family.read(self.readers, prompts)

    @property
    def shares_text(self) -> bool:
        """Whether every adapted projection is given the same of a prompt: see `text_inputs`."""
        return self.family.shares_text

    def text_inputs(self, prompts: Sequence[str], *, words_only: bool = False) -> list[Tensor]:
        """What every adapted projection is given of each prompt, (places, D2).

        Args:
            words_only: Only the places of words and the end, not the beginning and the padding.

        Raises:
            UsageError: as `encode_prompts`; or not all of them are given the same.
        """
        text = self.encode_prompts(prompts)
        features = self.family.shared_features(self.denoiser, text)
        if words_only:
            places = [self.readers[0].places_of_words(self.layout.as_read(prompt)) for prompt in prompts]
            return [row[place] for row, place in zip(features, places, strict=True)]
        if text.mask is None:
            return list(features)
        return [row[shown.bool()] for row, shown in zip(features, text.mask, strict=True)]

    # --- images ------------------------------------------------------------------------------------------------------

    @property
    def own_solver(self) -> Solver:
        """The solver that goes with the model's noise at its plainest: DDIM, or Euler's method of a flow."""
        return "euler" if self.layout.flow else "ddim"

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image's latent at the denoiser's own size."""
        config: Any = self.denoiser.config
        return int(config.in_channels), int(config.sample_size), int(config.sample_size)

    @property
    def resolution(self) -> int:
        """Pixels along each side, by the denoiser's own size."""
        return self.latent_shape[1] * int(self.pipeline.vae_scale_factor)

    @torch.no_grad()
    def posterior(self, images: NDArray[np.uint8] | Tensor) -> Posterior:
        """What the VAE makes of (n, size, size, 3) uint8 images, or of a (n, 3, size, size) uint8 tensor."""
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2) if isinstance(images, np.ndarray) else images
        means: list[Tensor] = []
        spreads: list[Tensor] = []
        for batch in pixels.split(images_at_once(pixels.shape[-1])):
            scaled = (batch.to(self.device).float() / 127.5 - 1).to(self._vae_dtype)
            encoded: Any = self.vae.encode(scaled)  # type: ignore[operator]
            if hasattr(encoded, "latents"):  # AutoencoderTiny's have no spread
                means.append(self._scaled(encoded.latents))
            else:
                means.append(self._scaled(encoded.latent_dist.mean))
                spreads.append(encoded.latent_dist.std.float() * self._scaling_factor)
        return Posterior(torch.cat(means), torch.cat(spreads) if spreads else None)

    @property
    def _vae_dtype(self) -> torch.dtype:
        return next(self.vae.parameters()).dtype

    def _scaled(self, encoded: Tensor) -> Tensor:
        return (encoded.float() - self._shift_factor) * self._scaling_factor

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> NDArray[np.uint8]:
        """(n, size, size, 3) uint8 images of scaled latents."""
        scaled = (latents.to(self.device).float() / self._scaling_factor + self._shift_factor).to(self._vae_dtype)
        parts = scaled.split(images_at_once(self.resolution))
        decoded = torch.cat([self.vae.decode(batch).sample for batch in parts])  # type: ignore[operator]
        return to_uint8(decoded / 2 + 0.5)

    def denoising_errors(self, latents: Tensor, noise: Tensor, times: Tensor, text: Text) -> Tensor:
        """Squared errors of the prediction on (B, c, h, w) latents, same shape, float32. L_SD is their mean."""
        predicted = self.predict(latents, noise, times, text)
        return (predicted - self.noise.target(latents, noise, times).float()).square()

    def predict(self, latents: Tensor, noise: Tensor, times: Tensor, text: Text) -> Tensor:
        """The denoiser's prediction on (B, c, h, w) latents with that noise at these times, same shape, float32.

        It is eps_theta(x_t, t, c), or v, or a flow's velocity, where the model predicts that. Differentiable in
        adapters and custom tokens.
        """
        noisy = self.noise.noisy(latents, noise, times)
        return self.family.denoise(self.denoiser, noisy.to(self.dtype), self.noise.told(times), text).float()

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
        scheduler = self.pipeline.scheduler
        check_sampling(sampling, {**scheduler.config, "_class_name": type(scheduler).__name__})
        distinct = list(dict.fromkeys(each))
        text = Text.joined([self.encode_prompts([prompt]) for prompt in distinct])  # as if each were asked for alone
        rows = torch.tensor([distinct.index(prompt) for prompt in each], device=self.device)
        empty = self.family.without_prompt(self.readers)
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

    def _sample(self, text: Text, empty: Text, seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        noise = {"eta": sampling.eta} if sampling.solver == "ddim" else {}
        # a compiled U-Net would be compiled anew for what its projections know
        with same_text(() if self.compiled else self._of_text.values()), self._solved_by(sampling.solver):
            output: Any = self.pipeline(
                **self.family.asked(text, empty.expand(len(seeds))), **noise,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                num_inference_steps=sampling.steps, guidance_scale=sampling.guidance_scale,
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
