"""Stage 3: the CLIP's image tower goes on alone, its text tower locked.

In the contrastive stage the gradient of what tells captions apart drowns that of the finer factors (a nose's width, a
skyline's bumps): probes read nothing of them. Here the factor heads lead, and the contrastive term only keeps the image
tower aligned with the text tower, which the U-Net is conditioned on and which therefore stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import CLIPTokenizer

from benchmarks.mini.factors import KINDS
from benchmarks.mini.pretrain.clip import MEAN, STD, FactorHeads, draw_captioned, soften, tokenize
from benchmarks.mini.pretrain.loop import Stage

STEPS, BATCH = 6500, 64  # BATCH / 2 of each kind
SHARPEN_STEPS = 3000  # then as many with each factor weighted by its own error
CONTRAST, ENTROPY = 0.05, 0.3  # weights beside the continuous factors' error


class TowerWithHeads(nn.Module):
    """What the stage trains: the image tower and the factor heads."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.heads = FactorHeads()


def train_vision(folder: Path, tokenizer: CLIPTokenizer, clip: CLIP, device: torch.device) -> CLIP:
    """Train (or finish, or load) the image tower of `clip`, in place."""
    clip.to(device)
    clip.visual.to(memory_format=torch.channels_last)
    model = TowerWithHeads(clip.visual).to(device)
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))

    def loss_with(focus: bool) -> Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]:
        def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            draws = [draw_captioned(kind, "pretrain", BATCH // 2, generator) for kind in KINDS]
            images = soften(torch.cat([images for _, images, _ in draws]), generator)
            images = ((images - mean) / std).to(device, memory_format=torch.channels_last)
            tokens = tokenize(tokenizer, [caption for _, _, captions in draws for caption in captions]).to(device)
            with torch.autocast(device.type, torch.bfloat16):
                embedding = clip.encode_image(images)
            embedding = embedding.float()
            with torch.no_grad():
                text = clip.encode_text(tokens, normalize=True)
            logits = clip.logit_scale.exp().clamp(max=100).detach() * normalize(embedding, dim=-1) @ text.T
            labels = torch.arange(BATCH, device=device)
            contrast = (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
            parts = [model.heads.loss(e, d[0], focus=focus) for e, d in zip(embedding.chunk(2), draws, strict=True)]
            error = torch.stack([p[0] for p in parts]).mean()
            entropy = torch.stack([p[1] for p in parts]).mean()
            loss = error + ENTROPY * entropy + CONTRAST * contrast
            return loss, {"contrast": contrast.item(), "1-R2": error.item(), "entropy": entropy.item()}

        return loss_of

    for name, steps, rate in (("vision", STEPS, 1e-3), ("sharpen", SHARPEN_STEPS, 5e-4)):
        stage = Stage(name, model, folder, steps=steps, rate=rate, decay=0.02, ema=0.995)
        stage.train(loss_with(name == "sharpen"))
        stage.use_average()
    clip.eval()
    return clip
