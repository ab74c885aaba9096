"""What diffusers' example scripts do at each training step, restated from the library's public interface.

`examples/textual_inversion/textual_inversion.py` and `examples/custom_diffusion/train_custom_diffusion.py`: the inner
loops, with their defaults, at a given batch. Data loading, trackers, checkpoints and accelerate's own wrapping are left
out, all to the scripts' advantage, and so is filling gradients with zeros where setting them to None does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor2_0
from diffusers.optimization import get_scheduler
from pairs import StepClock
from torch import Tensor, nn
from torch.nn.functional import mse_loss

TOKEN, START = "<new1>", "person"


@dataclass
class Script:
    """A pipeline in the hands of a script.

    pixels: (b, 3, size, size) in [-1, 1], on the device: what the data loader would hand over. dtype: of the U-Net and
    the VAE; the text encoder's forward pass runs under autocast where that is not float32.
    """

    pipeline: StableDiffusionPipeline
    pixels: Tensor
    dtype: torch.dtype

    def __post_init__(self) -> None:
        self.unet = cast(nn.Module, self.pipeline.unet)
        self.vae = cast(nn.Module, self.pipeline.vae)
        self.text_encoder = cast(nn.Module, self.pipeline.text_encoder)
        self.tokenizer: Any = self.pipeline.tokenizer
        self.noise: Any = DDPMScheduler.from_config(self.pipeline.scheduler.config)
        if self.tokenizer.add_tokens([TOKEN]):
            self.text_encoder.resize_token_embeddings(len(self.tokenizer), mean_resizing=False)  # type: ignore[operator]
        self.token: int = self.tokenizer.convert_tokens_to_ids(TOKEN)
        start = self.tokenizer(START, add_special_tokens=False).input_ids[0]
        self.table.data[self.token] = self.table.data[start]
        prompts = [f"a photo of a {TOKEN} {START}"] * len(self.pixels)
        length = self.tokenizer.model_max_length
        encoded = self.tokenizer(prompts, padding="max_length", max_length=length, return_tensors="pt")
        self.ids: Tensor = encoded.input_ids.to(self.device)
        self.unet.requires_grad_(False)
        self.vae.requires_grad_(False)
        self.text_encoder.requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    @property
    def table(self) -> nn.Parameter:
        """The text encoder's embedding table, (tokens, dim)."""
        return cast(nn.Parameter, self.text_encoder.get_input_embeddings().weight)  # type: ignore[operator]

    def encode(self) -> Tensor:
        """Scaled latents of the batch, drawn from the VAE's posterior."""
        encoded = self.vae.encode(self.pixels.to(self.dtype))  # type: ignore[operator]
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.sample()
        return cast(Tensor, latents * self.vae.config.scaling_factor)  # type: ignore[union-attr]

    def forward(self) -> tuple[Tensor, Tensor]:
        """The U-Net's prediction for noised images, and what it should have been."""
        latents = self.encode()
        noise = torch.randn_like(latents)
        times = torch.randint(self.noise.config.num_train_timesteps, (len(latents),), device=self.device).long()
        noisy = self.noise.add_noise(latents, noise, times)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            text = self.text_encoder(self.ids)[0]
        predicted = self.unet(noisy, times, text.to(self.dtype)).sample
        if self.noise.config.prediction_type == "v_prediction":
            noise = self.noise.get_velocity(latents, noise, times)
        return predicted.float(), noise.float()

    def textual_inversion(self, clock: StepClock) -> None:
        """The whole table is optimized, and all rows but the new one are put back after each step."""
        self.text_encoder.float().train()
        self.table.requires_grad_(True)
        optimizer = torch.optim.AdamW([self.table], lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
        schedule = get_scheduler("constant", optimizer)
        original = self.table.data.clone()
        try:
            while True:
                clock.tick()
                predicted, wanted = self.forward()
                loss = mse_loss(predicted, wanted)
                loss.backward()
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                others = torch.ones(len(self.tokenizer), dtype=torch.bool)
                others[self.token] = False
                with torch.no_grad():
                    self.table[others] = original[others]
                loss.item()  # to the progress bar
        finally:
            self._end()

    def custom_diffusion(self, clock: StepClock) -> None:
        """Keys and values of the cross-attention through the library's processors, and the new row of the table."""
        self.text_encoder.to(self.dtype).train()
        self.table.requires_grad_(True)
        before = self.unet.attn_processors
        trained = list(self._train_keys_and_values().parameters())
        optimizer = torch.optim.AdamW([self.table, *trained], lr=1e-5, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
        schedule = get_scheduler("constant", optimizer)
        size = self.pixels.shape[-1] // int(self.pipeline.vae_scale_factor)
        mask = torch.ones(len(self.pixels), 1, size, size, device=self.device)  # from the augmentation, here none
        self.unet.train()
        try:
            while True:
                clock.tick()
                predicted, wanted = self.forward()
                errors = mse_loss(predicted, wanted, reduction="none")
                loss = ((errors * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))).mean()
                loss.backward()
                gradient = cast(Tensor, self.table.grad)
                gradient[torch.arange(len(self.tokenizer)) != self.token, :] = 0
                nn.utils.clip_grad_norm_(chain(self.text_encoder.parameters(), trained), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
                loss.item()  # to the progress bar
        finally:
            self.unet.set_attn_processor(dict(before))  # type: ignore[operator]
            self._end()

    def _train_keys_and_values(self) -> nn.ModuleList:
        """Give every attention layer the library's processor: with trained copies of K and V at cross-attentions."""
        processors: dict[str, nn.Module] = {}
        for name in self.unet.attn_processors:
            layer = self.unet.get_submodule(name.removesuffix(".processor"))
            is_cross = name.endswith("attn2.processor")
            key, value = cast(nn.Linear, layer.to_k), cast(nn.Linear, layer.to_v)
            processor = CustomDiffusionAttnProcessor2_0(
                train_kv=is_cross, train_q_out=False, hidden_size=key.out_features,
                cross_attention_dim=key.in_features if is_cross else None,
            ).to(self.device)  # fmt: skip
            if is_cross:
                weights = {"to_k_custom_diffusion.weight": key.weight, "to_v_custom_diffusion.weight": value.weight}
                processor.load_state_dict(weights)
            processors[name] = processor
        self.unet.set_attn_processor(dict(processors))  # type: ignore[operator]
        return nn.ModuleList(processors.values())

    def _end(self) -> None:
        """As it was before, but for the new row's embedding."""
        self.table.requires_grad_(False)
        self.table.grad = None
        self.text_encoder.to(self.dtype).eval()
        self.unet.eval()
