"""Stage 2: the CLIP. open_clip's ResNet image tower and text transformer, trained on long captions of every factor.

The contrastive loss alone reads what tells images apart most easily (colour); a linear head on the image embedding
that regresses every identity factor keeps the rest visible, so that the metrics see more than a caption says.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, normalize
from transformers import CLIPTokenizer

from benchmarks.mini.captions import write_captions
from benchmarks.mini.factors import KINDS, WORLDS, Identities, Kind, Split, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.loop import Stage
from benchmarks.mini.pretrain.tokenizer import CONTEXT_LENGTH
from benchmarks.mini.world import render

STEPS, BATCH = 3600, 64  # BATCH / 2 of each kind
EMBED_DIM = 256
MEAN = STD = (0.5, 0.5, 0.5)


def clip_config(tokenizer: CLIPTokenizer) -> dict[str, object]:
    """The `model_cfg` of `open_clip_config.json`."""
    vision = CLIPVisionCfg(layers=(1, 2, 2, 2), width=32, image_size=64)
    text = CLIPTextCfg(
        context_length=CONTEXT_LENGTH,
        vocab_size=len(tokenizer),
        width=128,
        heads=4,
        layers=4,
        hf_tokenizer_name="local",
        pad_id=tokenizer.pad_token_id or 0,
        eos_id=tokenizer.eos_token_id,
    )
    return {
        "embed_dim": EMBED_DIM,
        "vision_cfg": {k: v for k, v in asdict(vision).items() if v != getattr(CLIPVisionCfg(), k)},
        "text_cfg": {k: v for k, v in asdict(text).items() if v != getattr(CLIPTextCfg(), k)},
    }


class FactorHeads(nn.Module):
    """Linear read-outs of every identity factor from the image embedding (training only, not shipped)."""

    def __init__(self) -> None:
        super().__init__()
        self.continuous = nn.ModuleDict({k: nn.Linear(EMBED_DIM, len(w.continuous)) for k, w in WORLDS.items()})
        self.discrete = nn.ModuleDict(
            {k: nn.Linear(EMBED_DIM, sum(len(f.levels) for f in w.discrete)) for k, w in WORLDS.items()}
        )

    def loss(self, embedding: Tensor, identities: Identities, *, focus: bool = False) -> tuple[Tensor, Tensor]:
        """Mean squared error in units of each factor's variance (1/12), and mean cross-entropy.

        With `focus` each continuous factor is weighted by its own error: those still badly read lead.
        """
        world = WORLDS[identities.kind]
        target = identities.continuous.to(embedding.device)
        errors = 12 * (self.continuous[identities.kind](embedding) - (target - 0.5)).square().mean(dim=0)
        weights = errors.detach() / errors.detach().mean() if focus else torch.ones_like(errors)
        error = (weights * errors).mean()
        logits = self.discrete[identities.kind](embedding).split([len(f.levels) for f in world.discrete], dim=1)
        labels = identities.discrete.to(embedding.device)
        entropy = torch.stack([cross_entropy(x, labels[:, i]) for i, x in enumerate(logits)]).mean()
        return error, entropy


class ClipWithHeads(nn.Module):
    """What the stage trains: the CLIP and its auxiliary heads."""

    def __init__(self, clip: CLIP) -> None:
        super().__init__()
        self.clip = clip
        self.heads = FactorHeads()


def draw_captioned(
    kind: Kind, split: Split, count: int, generator: torch.Generator, *, short: bool = False, keep: float = 0.7
) -> tuple[Identities, Tensor, list[str]]:
    """`count` identities of a split, one image each in [0, 1], and their captions."""
    identities = draw_identities(kind, split, count, generator)
    nuisance = draw_nuisance(kind, count, generator)
    captions = write_captions(identities, nuisance, generator, short=short, keep=keep)
    return identities, render(identities, nuisance), captions


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """(B, 48) int64, padded with the end token, as the pipeline does it."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt")
    return torch.as_tensor(encoded.input_ids)


def soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the batches lose some sharpness and gain noise, as images do that went through an autoencoder."""
    if float(torch.rand((), generator=generator)) < 0.5:
        return images
    size = int(torch.randint(40, 64, (), generator=generator))
    softened = interpolate(interpolate(images, size, mode="bilinear", antialias=True), 64, mode="bilinear")
    return softened + 0.02 * torch.randn(images.shape, generator=generator)


def train_clip(folder: Path, tokenizer: CLIPTokenizer, device: torch.device) -> CLIP:
    """Train (or finish, or load) the CLIP."""
    config = clip_config(tokenizer)
    clip = CLIP(EMBED_DIM, CLIPVisionCfg(**config["vision_cfg"]), CLIPTextCfg(**config["text_cfg"]))  # type: ignore[arg-type]
    model = ClipWithHeads(clip).to(device)
    model.clip.visual.to(memory_format=torch.channels_last)
    stage = Stage("clip", model, folder, steps=STEPS, rate=1e-3, decay=0.02, ema=0.995)
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        draws = [draw_captioned(kind, "pretrain", BATCH // 2, generator) for kind in KINDS]
        images = soften(torch.cat([images for _, images, _ in draws]), generator)
        images = ((images - mean) / std).to(device, memory_format=torch.channels_last)
        tokens = tokenize(tokenizer, [caption for _, _, captions in draws for caption in captions]).to(device)
        embedding = clip.encode_image(images)
        text = clip.encode_text(tokens, normalize=True)
        logits = clip.logit_scale.exp().clamp(max=100) * normalize(embedding, dim=-1) @ text.T
        labels = torch.arange(BATCH, device=device)
        contrast = (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
        parts = [model.heads.loss(e, d[0]) for e, d in zip(embedding.chunk(2), draws, strict=True)]
        error = torch.stack([p[0] for p in parts]).mean()
        entropy = torch.stack([p[1] for p in parts]).mean()
        loss = contrast + 2 * error + entropy
        return loss, {"contrast": contrast.item(), "1-R2": error.item(), "entropy": entropy.item()}

    stage.train(loss_of)
    stage.use_average()
    return clip
