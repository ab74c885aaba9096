"""A ViT in words, for `stamina-bench doctor`."""

from __future__ import annotations

from pathlib import Path

from harness.backbones.checks import check_weights
from harness.backbones.classifier_files import image_size, read_config
from harness.backbones.hub import SHORT, is_folder
from harness.settings.classification.prepare import classifier_folder


def classifier_in_words(source: str) -> str:
    """What a timm ViT's folder or hub id is; only headers of its weights are read.

    Raises:
        UsageError: it cannot be used, or is not in the local hub cache.
    """
    folder = classifier_folder(source, offline=True)
    check_weights(folder, source)
    architecture, size = read_config(folder)[0], image_size(folder)
    where = "a folder" if is_folder(source) else f"commit {folder.name[:SHORT]} in the local hub cache"
    name = Path(source).name if Path(source).is_dir() else source
    return f"{name}, {architecture}, {f'{size} px, ' if size else ''}{where}"
