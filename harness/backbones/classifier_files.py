"""A timm model folder, looked at before anything of it is loaded. Imports neither torch nor timm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.backbones.checks import refuse_pointers
from harness.errors import UsageError

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def image_size(folder: Path) -> int | None:
    """Pixels along each side that a folder's ViT was made for, where its config.json says so."""
    told = _config(folder)
    size = (told.get("model_args") or {}).get("img_size")
    size = size or ((told.get("pretrained_cfg") or told).get("input_size") or [None])[-1]
    return int(size) if isinstance(size, int) else None


def statistics(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, as the checkpoint expects them; 0.5 where it does not say."""
    told = _config(folder)
    told = told.get("pretrained_cfg") or told
    mean, std = told.get("mean") or (0.5, 0.5, 0.5), told.get("std") or (0.5, 0.5, 0.5)
    return tuple(map(float, mean)), tuple(map(float, std))


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not an object")
        return config
    except (OSError, ValueError):
        raise UsageError(f"{folder / CONFIG} cannot be read as JSON; give another folder.") from None


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """Architecture and its settings, of a timm folder's config.json.

    Raises:
        UsageError: it is not there, or says something else.
    """
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"The classifier '{folder}' is not a timm model folder: it has no {' and no '.join(missing)}; give a whole "
            "one, in safetensors."
        )
    refuse_pointers([folder / CONFIG, folder / WEIGHTS], folder, str(folder))
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        architecture, settings = str(config["architecture"]), dict(config.get("model_args") or {})
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder / CONFIG} does not name a timm architecture; give another folder.") from None
    if not architecture.startswith(("vit_", "deit_")):
        raise UsageError(
            f"The classifier '{folder}' is a '{architecture}'; only timm's plain ViTs (vit_..., deit_...) can be used."
        )
    # timm's own arguments: what to load is this module's business, and a checkpoint named here could be a pickle
    for name in (
        "num_classes",
        "pretrained",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "checkpoint_path",
        "cache_dir",
    ):
        settings.pop(name, None)
    return architecture, settings
