"""Writes what was learnt as a LoRA file with token files beside it, which diffusers loads onto the base model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.backbones.text_to_image import TextToImage

LORA = "pytorch_lora_weights.safetensors"
EXACT = 1e-6  # relative error at which a rank counts as enough: float32's own


@dataclass(frozen=True)
class Factored:
    """`rank` of the file, and the share of the change's Frobenius norm that it leaves out, over all matrices."""

    rank: int
    error: float


def factor(change: Tensor, rank: int | None) -> tuple[Tensor, Tensor, float]:
    """The best up (D1, r) and down (r, D2) factors of a change (D1, D2), and the squared norm of what they leave out.

    By the singular value decomposition in float64 (Eckart-Young). `rank` None: as many as make the rest vanish.
    """
    u, s, vh = torch.linalg.svd(change.double(), full_matrices=False)
    rest = s.square().flip(0).cumsum(0).flip(0)  # rest[r]: what rank r leaves out
    enough = int((rest > (EXACT * s.norm()) ** 2).sum())
    r = max(1, enough if rank is None else min(rank, len(s)))
    root = s[:r].sqrt()
    left = float(rest[r]) if r < len(s) else 0.0
    return (u[:, :r] * root).float(), (root[:, None] * vh[:r]).float(), left


def write_lora(model: TextToImage, rank: int | None, folder: Path) -> Factored:
    """Write W - W_init of every projection as LoRA factors, under the names that `load_lora_weights` reads.

    Args:
        model: folded. rank: of every matrix, None for no loss. folder: where `pytorch_lora_weights.safetensors` goes.
    """
    tensors: dict[str, Tensor] = {}
    left = total = 0.0
    highest = 0
    for name in model.projections:
        change = model.change(name).float().cpu()
        up, down, rest = factor(change, rank)
        # the scale is alpha / rank, and alpha is the rank where a file names none
        tensors[f"unet.{name}.lora_A.weight"] = down.contiguous()
        tensors[f"unet.{name}.lora_B.weight"] = up.contiguous()
        left, total, highest = left + rest, total + float(change.double().square().sum()), max(highest, len(down))
    save_file(tensors, str(folder / LORA), metadata={"format": "pt"})
    return Factored(highest, (left / total) ** 0.5 if total else 0.0)


def write_tokens(tokens: Mapping[str, Tensor], folder: Path) -> None:
    """One file for each custom token, as `load_textual_inversion` reads it: '<v1>' in v1.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    for token, embedding in tokens.items():
        path = folder / f"{token.strip('<>')}.safetensors"
        save_file({token: embedding.detach().float().cpu().contiguous()}, str(path))
