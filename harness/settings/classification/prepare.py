"""What a run of the classification setting needs before its first step: a ViT, and how images are seen."""

from __future__ import annotations

from pathlib import Path

from harness import registry
from harness.backbones.hashes import hub_snapshot
from harness.backbones.hub import is_folder
from harness.engine.plan import RunContext
from harness.errors import UsageError
from harness.settings.base import Given
from harness.spec import Recognition

LOADED = ("config.json", "model.safetensors")  # of a timm model


def context(given: Given) -> RunContext:
    """What all cells of a run share.

    Raises:
        UsageError: an unknown recognition option, or one that does not fit the ViT.
    """
    spec = given.spec
    return RunContext(
        tier=given.tier, protocol=_recognition(given), backbone=str(given.folder), backbone_name=given.backbone_name,
        backbone_hash=given.backbone_hash, extractor="", extractor_hash="", device_type=given.device_type,
        dtype=spec.dtype or "float32", offline=spec.offline, cautions=given.cautions, setting="classification",
    )  # fmt: skip


def _recognition(given: Given) -> Recognition:
    """How images are seen: the tier's way with the spec's changes, at the size that the ViT was made for.

    Raises:
        UsageError: an unknown option, or a value out of range.
    """
    from harness.backbones.classifier_files import image_size

    tier = given.tier
    usual, size = tier.recognition, image_size(given.folder)
    if size is not None and size != usual.resolution:
        fitted = {"resolution": size, "resize": round(size * usual.resize / usual.resolution)}
        tier = tier.model_copy(update={"recognition": usual.model_copy(update=fitted)})
    found: Recognition = registry.setting("classification").changed_protocol(tier, given.spec)
    if size is not None and found.resolution != size:
        raise UsageError(f"recognition.resolution={found.resolution} does not fit the ViT, which was made for {size}.")
    if found.resize < found.resolution:
        raise UsageError(
            f"recognition.resize={found.resize} is smaller than the resolution {found.resolution}; raise it."
        )
    return found


def classifier_folder(source: str, *, offline: bool) -> Path:
    """A timm model's folder: itself, or its snapshot in the local hub cache (fetched first where `offline` is False).

    Raises:
        UsageError: neither, or it is no whole timm ViT in safetensors.
    """
    from harness.backbones.classifier_files import read_config

    if is_folder(source):
        folder = Path(source).expanduser()
        read_config(folder)
        return folder
    repository, _, revision = source.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"The backbone '{source}' is neither a folder nor a timm model's hub id; give one of them.")
    pinned = f" --revision {revision}" if revision else ""
    missing = (
        f"The backbone '{source}' is neither a folder nor in the local hub cache; give a folder, allow downloads with "
        f"--no-offline, or fetch it with `hf download {repository}{pinned} {' '.join(LOADED)}`; the mini tier needs "
        "none of this."
    )
    folder = hub_snapshot(source, repository, revision or None, LOADED, missing, offline=offline)
    read_config(folder)
    return folder
