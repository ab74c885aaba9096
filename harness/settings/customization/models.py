"""A pipeline and a feature extractor in words, for `stamina-bench doctor`."""

from __future__ import annotations

from pathlib import Path

from harness.backbones.checks import check_extractor, check_weights
from harness.backbones.hashes import model_folder
from harness.backbones.hub import SHORT, is_folder, label, resolved
from harness.backbones.pipeline_files import cached_extractor, check_pipeline


def pipeline_in_words(source: str) -> str:
    """What a Stable Diffusion folder or hub id is; only headers of its weights are read.

    Raises:
        UsageError: it cannot be used, or is not in the local hub cache.
    """
    folder = model_folder(source, offline=True)
    shown = label(resolved(source, folder))
    pixels = check_pipeline(folder, shown)
    where = "a folder" if is_folder(source) else f"commit {folder.name[:SHORT]} in the local hub cache"
    return f"{shown}, {pixels} px, {where}"


def extractor_in_words(source: str) -> str:
    """What an open_clip folder or 'architecture/pretrained' is.

    Raises:
        UsageError: it cannot be used, or is not in the local hub cache.
    """
    if Path(source).is_dir():
        name = Path(source).name
        return f"{name}, {check_extractor(Path(source), name)} features, a folder"
    check_weights(cached_extractor(source).parent, source)
    return f"{source}, in the local hub cache"
