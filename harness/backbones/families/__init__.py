"""What differs between families of text-to-image models, a file each; `Family` says what that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.backbones.families.family import Family
from harness.backbones.families.pixart import PixArt
from harness.backbones.families.stable_diffusion import StableDiffusion
from harness.backbones.families.stable_diffusion_3 import StableDiffusion3
from harness.backbones.families.stable_diffusion_xl import StableDiffusionXL

FAMILIES: Final[Mapping[str, type[Family]]] = {
    "sd": StableDiffusion, "sdxl": StableDiffusionXL, "pixart": PixArt, "sd3": StableDiffusion3,
}  # fmt: skip
