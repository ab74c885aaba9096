"""What the CLIP's two stages share: the architecture, the factor heads, tokens.

The contrastive loss alone reads what tells images apart most easily (colour); a linear head on the image embedding
that regresses every identity factor keeps the rest visible, so that the metrics see more than a caption says.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate
from transformers import CLIPTokenizer

from benchmarks.mini.factors import WORLDS, Identities, Kind
from benchmarks.mini.pretrain.tokenizer import CONTEXT_LENGTH

EMBED_DIM = 256
TEXT_LAYERS = 2  # the first binds an adjective to its noun, the second reads the whole caption
MEAN = STD = (0.5, 0.5, 0.5)


def clip_config(tokenizer: CLIPTokenizer) -> dict[str, object]:
    """The `model_cfg` of `open_clip_config.json`."""
    vision = CLIPVisionCfg(layers=(1, 2, 2, 2), width=32, image_size=64)
    text = CLIPTextCfg(
        context_length=CONTEXT_LENGTH,
        vocab_size=len(tokenizer),
        width=128,
        heads=4,
        layers=TEXT_LAYERS,
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

    def read_out(self, part: str, kind: Kind) -> nn.Linear:
        """The layer of one kind's "continuous" or "discrete" factors."""
        layer = getattr(self, part)[kind]
        assert isinstance(layer, nn.Linear)
        return layer

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


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """(B, 48) int64, padded with the end token, as the pipeline does it."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=CONTEXT_LENGTH, return_tensors="pt")
    return torch.as_tensor(encoded.input_ids)


def text_features(clip: CLIP, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Of (B, L) tokens: the features of all places, (B, L, W), and those of the first end token, (B, W)."""
    hidden = clip.token_embedding(tokens) + clip.positional_embedding
    features = clip.ln_final(clip.transformer(hidden, attn_mask=clip.attn_mask))
    first = (tokens == clip.text_eos_id).int().argmax(dim=-1)
    return features, features[torch.arange(len(tokens), device=tokens.device), first]


def soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the batches lose some sharpness and gain noise, as images do that went through an autoencoder."""
    if float(torch.rand((), generator=generator)) < 0.5:
        return images
    return resample(images, 40, generator)


def resample(images: Tensor, least: int, generator: torch.Generator) -> Tensor:
    """Images that went through a random size of at least `least` pixels, with noise: what is seen then is visible."""
    size = int(torch.randint(least, 64, (), generator=generator))
    small = interpolate(images, size, mode="bilinear", antialias=True)
    return interpolate(small, 64, mode="bilinear") + 0.02 * torch.randn(images.shape, generator=generator).to(images)
