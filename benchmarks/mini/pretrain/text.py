"""Stage 3: the CLIP's text tower, against the finished image tower (locked-image tuning, Zhai et al., 2022).

The contrastive loss reads a caption at its end token only, and leaves what the words' own features are to chance:
few directions, nearly common to all captions. But these are what the U-Net's cross-attention sees. So three heads
(training only, not shipped) ask for more: the last word of each phrase says which phrase it is ("wide nose", not just
"nose"), the first word which word it is, and the end tokens which phrases the caption holds. What all words have in
common is penalised.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from transformers import CLIPTokenizer

from benchmarks.mini.captions import all_phrases, write_captions
from benchmarks.mini.factors import KINDS, Kind
from benchmarks.mini.pretrain.clip import MEAN, STD, text_features, tokenize
from benchmarks.mini.pretrain.loop import Stage, console, step_generator, write_safetensors
from benchmarks.mini.pretrain.pool import Pools

STEPS, BATCH = 500, 32  # BATCH / 2 of each kind
IMAGES = 2000  # of each kind, whose embeddings are taken once
CONTRAST, SUMMARY, COMMON = 0.5, 3.0, 0.3  # weights beside the words' own cross-entropy
PAD = -100  # cross_entropy's "no label"


class TextTower(nn.Module):
    """What the stage trains: the text half of the CLIP, and the heads."""

    def __init__(self, clip: CLIP, words: int, phrases: int) -> None:
        super().__init__()
        width = clip.token_embedding.weight.shape[1]
        self.token_embedding, self.transformer, self.ln_final = clip.token_embedding, clip.transformer, clip.ln_final
        self.positional_embedding, self.text_projection = clip.positional_embedding, clip.text_projection
        self.logit_scale = clip.logit_scale
        self.word = nn.Linear(width, words)
        self.phrase = nn.Linear(width, phrases)
        self.summary = nn.Linear(width, phrases)


@cache
def _phrase_index() -> dict[tuple[str, ...], int]:
    return {tuple(phrase.split()): index for index, phrase in enumerate(all_phrases())}


def label(tokens: Tensor, tokenizer: CLIPTokenizer) -> tuple[Tensor, Tensor]:
    """Phrase that ends at each place, (B, L), PAD where none does; phrases of each caption, (B, P) of 0 and 1."""
    words = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    index = _phrase_index()
    ends = torch.full_like(tokens, PAD)
    held = torch.zeros(len(tokens), len(index))
    for row, ids in enumerate(tokens.tolist()):
        text = [words[i].removesuffix("</w>") for i in ids]
        for place in range(1, len(text)):
            for length in (3, 2, 1):
                found = index.get(tuple(text[max(0, place + 1 - length) : place + 1]))
                if found is not None:
                    ends[row, place] = found
                    held[row, found] = 1
                    break
    return ends, held


@torch.no_grad()
def embeddings(folder: Path, clip: CLIP, pools: Pools, device: torch.device) -> dict[Kind, Tensor]:
    """(IMAGES, d) image embeddings of the first images of each pool, taken once."""
    path = folder / "embeddings.safetensors"
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    if not path.exists():
        console.print("text: taking the images' embeddings")
        taken = {}
        for kind in KINDS:
            batches = torch.arange(IMAGES).split(100)
            parts = [clip.encode_image(((pools[kind].images(p) - mean) / std).to(device)).cpu() for p in batches]
            taken[kind] = torch.cat(parts)
        write_safetensors({str(k): v for k, v in taken.items()}, path)
    kept = load_file(str(path))
    return {kind: kept[kind] for kind in KINDS}


def train_text(folder: Path, tokenizer: CLIPTokenizer, clip: CLIP, pools: Pools | None, device: torch.device) -> CLIP:
    """Train (or finish, or load) the text tower of `clip`, in place; its image tower is finished and stays."""
    clip.to(device).eval()
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (), generator=step_generator("text-weights", 0))))
        model = TextTower(clip, len(tokenizer), len(all_phrases())).to(device)
    stage = Stage("text", model, folder, steps=STEPS, rate=2e-3, decay=0.01, ema=0.98)
    if stage.step < stage.steps:
        assert pools is not None
        images = embeddings(folder, clip, pools, device)

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        assert pools is not None
        captions: list[str] = []
        seen: list[Tensor] = []
        for kind in KINDS:
            places = torch.randint(IMAGES, (BATCH // 2,), generator=generator)
            keep = float(torch.rand((), generator=generator))
            pool = pools[kind]
            captions += write_captions(pool.identities[places], pool.nuisance[places], generator, keep=0.1 + 0.9 * keep)
            seen.append(images[kind][places])
        tokens = tokenize(tokenizer, captions).to(device)
        ends, held = (t.to(device) for t in label(tokens.cpu(), tokenizer))
        features, pooled = text_features(clip, tokens)
        padding = tokens == tokenizer.pad_token_id
        spoken = ~padding
        spoken[:, 0] = False
        entropy = cross_entropy(model.phrase(features).flatten(0, 1), ends.flatten(), ignore_index=PAD)
        plain = cross_entropy(model.word(features)[spoken], tokens[spoken])
        after = (features * padding[..., None]).sum(1) / padding.sum(1, keepdim=True).clamp(min=1)
        summary = binary_cross_entropy_with_logits(model.summary(after), held)
        common = features[spoken].mean(0).square().sum() / features[spoken].detach().square().sum(1).mean()
        text = normalize(pooled @ clip.text_projection, dim=-1)
        logits = clip.logit_scale.exp().clamp(max=100) * normalize(torch.cat(seen).to(device), dim=-1) @ text.T
        labels = torch.arange(BATCH, device=device)
        contrast = (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2
        loss = entropy + plain + SUMMARY * summary + COMMON * common + CONTRAST * contrast
        return loss, {
            "phrase": entropy.item(), "word": plain.item(), "summary": summary.item(),
            "common": common.item(), "contrast": contrast.item(),
        }  # fmt: skip

    stage.train(loss_of)
    stage.use_average()
    return clip
