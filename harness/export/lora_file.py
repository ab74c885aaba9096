"""Writes what was learnt as a LoRA file: under the names that diffusers reads, or under kohya's, which others read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from harness.backbones.text_to_image import TextToImage
from harness.export.precision import rounded

LORA = "pytorch_lora_weights.safetensors"
EXACT = 1e-6  # relative error at which a rank counts as enough: float32's own
SECOND_WIDTH = 1024  # of the text features of Stable Diffusion 2.x
XL_WIDTH = 2048  # of Stable Diffusion XL's


@dataclass(frozen=True)
class Factors:
    """W - W_init of every projection as a product of two, of one rank for all.

    diffusers before 0.40 takes one rank for all where a file names no alphas, and scales the others wrongly; so all
    have the highest, filled with zeros, which is their alpha, too: every program then applies them at strength 1.

    Attributes:
        up: name -> (D1, rank). down: name -> (rank, D2). Both in the precision of the file.
        rank: of all.
        error: the share of the change's Frobenius norm that they leave out over all matrices, rounding included.
    """

    up: Mapping[str, Tensor]
    down: Mapping[str, Tensor]
    rank: int
    error: float

    def __iter__(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(name, up, down) of each projection."""
        return ((name, up, self.down[name]) for name, up in self.up.items())


def factor(change: Tensor, rank: int | None) -> tuple[Tensor, Tensor]:
    """The best up (D1, r) and down (r, D2) factors of a change (D1, D2), float64.

    By the singular value decomposition (Eckart-Young). `rank` None: as many as make the rest vanish.
    """
    u, s, vh = torch.linalg.svd(change.double(), full_matrices=False)
    rest = s.square().flip(0).cumsum(0).flip(0)  # rest[r]: what rank r leaves out
    enough = int((rest > (EXACT * s.norm()) ** 2).sum())
    r = max(1, enough if rank is None else min(rank, len(s)))
    root = s[:r].sqrt()
    return u[:, :r] * root, root[:, None] * vh[:r]


def factors_of(model: TextToImage, rank: int | None, dtype: torch.dtype = torch.float32) -> Factors:
    """The change of every projection of a folded model as factors.

    Args:
        rank: the highest of any matrix, None for no loss but rounding.
        dtype: of the factors.

    Raises:
        UsageError: a factor is too large for the precision.
    """
    changes = {name: model.change(name).double().cpu() for name in model.projections}
    found = {name: factor(change, rank) for name, change in changes.items()}
    highest = max(len(down) for _, down in found.values())
    ups = {name: rounded(pad(up, (0, highest - up.shape[1])), dtype, name) for name, (up, _) in found.items()}
    downs = {name: rounded(pad(down, (0, 0, 0, highest - len(down))), dtype, name) for name, (_, down) in found.items()}
    left = sum(float((changes[n] - ups[n].double() @ downs[n].double()).square().sum()) for n in changes)
    total = sum(float(change.square().sum()) for change in changes.values())
    return Factors(ups, downs, highest, (left / total) ** 0.5 if total else 0.0)


def write_lora(factors: Factors, folder: Path, denoiser: str = "unet") -> None:
    """`pytorch_lora_weights.safetensors` in a folder, as `load_lora_weights` reads it.

    Args:
        denoiser: What the pipeline calls what is adapted.
    """
    tensors: dict[str, Tensor] = {}
    for name, up, down in factors:
        tensors |= {f"{denoiser}.{name}.lora_A.weight": down, f"{denoiser}.{name}.lora_B.weight": up}
    save_file(tensors, str(folder / LORA), metadata={"format": "pt"})


def write_kohya(factors: Factors, path: Path) -> None:
    """A file as kohya's trainer writes it: AUTOMATIC1111, ComfyUI and others read it, and `load_lora_weights`."""
    tensors: dict[str, Tensor] = {}
    for name, up, down in factors:
        key = f"lora_unet_{name.replace('.', '_')}"
        alpha = torch.tensor(float(factors.rank))
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": alpha}
    width = next(iter(factors.down.values())).shape[1]
    # by ss_v2 and ss_base_model_version AUTOMATIC1111 tells which models a file is for, and hides it from the others
    told = {
        "format": "pt", "ss_network_module": "networks.lora", "ss_network_dim": str(factors.rank),
        "ss_network_alpha": str(float(factors.rank)), "ss_v2": str(width == SECOND_WIDTH),
    }  # fmt: skip
    if width == XL_WIDTH:
        told["ss_base_model_version"] = "sdxl_base_v1-0"
    save_file(tensors, str(path), metadata=told)
