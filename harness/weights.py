"""Model folders, looked at before anything of them is loaded: the classes expected, and weights in safetensors alone.

Reading a pickle may run code, and so may a class that a folder brings along: a folder that needs either is refused,
whatever the libraries that load it would do. Only headers are read, and no torch is imported.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from harness.errors import UsageError

PARTS = ("text_encoder", "unet", "vae")  # of a pipeline, with weights

# What a pipeline's parts may be, as 'library.class'; those not named here are not loaded or, as image_encoder, absent.
CLASSES = {
    "scheduler": r"diffusers\.\w+Scheduler",
    "text_encoder": r"transformers\.CLIPTextModel",
    "tokenizer": r"transformers\.CLIPTokenizer(Fast)?",
    "unet": r"diffusers\.UNet2DConditionModel",
    "vae": r"diffusers\.Autoencoder(KL|Tiny)",
}
OTHERS = r"None\.None|(diffusers|transformers|stable_diffusion)\.\w+"

# What says how each part is made.
SETTINGS = ("scheduler/scheduler_config.json", "text_encoder/config.json", "unet/config.json", "vae/config.json")

# What open_clip loads, if it is there, before any pickle.
FIRST = {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"}
PICKLES = {".bin", ".pth"}


def check_classes(folder: Path, source: str) -> None:
    """Make sure that a pipeline's parts are of the classes that Stable Diffusion has, and that it brings no code along.

    Raises:
        UsageError: they are not, or it does.
    """
    code = next(folder.rglob("*.py"), None)
    if code is not None:
        name = code.relative_to(folder).as_posix()
        raise UsageError(f"Backbone '{source}' brings code along ({name}), which is never run; give another folder.")
    try:
        index: dict[str, Any] = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        parts = {name: ".".join(map(str, value)) for name, value in index.items() if isinstance(value, list)}
    except (OSError, ValueError, AttributeError):
        raise UsageError(f"Backbone '{source}': model_index.json cannot be read; give another folder.") from None
    for name, found in parts.items():
        if not re.fullmatch(CLASSES.get(name, OTHERS), found):
            raise UsageError(
                f"Backbone '{source}': model_index.json gives {name} as '{found}', which no Stable Diffusion has; "
                "give another folder."
            )


def check_settings(folder: Path, source: str) -> None:
    """Make sure that the settings of a pipeline's parts, and its tokenizer's vocabulary, can be read.

    Raises:
        UsageError: a file is missing or damaged.
    """
    vocabulary = "vocab" if (folder / "tokenizer" / "vocab.json").exists() else "tokenizer"
    for name in (*SETTINGS, f"tokenizer/{vocabulary}.json"):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UsageError(f"Backbone '{source}': {name} is missing or damaged; give another folder.") from None


def check_parts(folder: Path, source: str) -> None:
    """Make sure that a pipeline can be loaded, without running code of its own or reading a pickle.

    Raises:
        UsageError: it cannot.
    """
    check_classes(folder, source)
    check_settings(folder, source)
    for part in PARTS:
        check_weights(folder / part, source)


def check_weights(folder: Path, source: str) -> None:
    """Make sure that a folder has weights, and that they are safetensors and whole as far as their headers tell.

    Raises:
        UsageError: it has none, or a file is cut short or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UsageError(
            f"'{source}' has no weights (*.safetensors) in {folder.name}; pickles (.bin, .ckpt, .pt) are never read, "
            "so convert them or give another folder."
        )
    for path in files:
        try:
            with safe_open(str(path), framework="np"):
                pass
        except (OSError, SafetensorError):
            raise UsageError(
                f"'{source}': {folder.name}/{path.name} is damaged or no weights; give another folder."
            ) from None
    for path in folder.glob("*.safetensors.index.json"):
        if re.search(r'"[^"]*\.(bin|ckpt|pth?|pkl)"', path.read_text(encoding="utf-8", errors="replace")):
            raise UsageError(f"'{source}': {folder.name}/{path.name} names a pickle; give another folder.")


def check_unet(source: str) -> None:
    """Make sure that there is a U-Net whose parameters can be counted: that of sd-1.4, or of a pipeline's folder.

    Raises:
        UsageError: there is none, or its weights are not whole as far as their headers tell.
    """
    if source == "sd-1.4":
        return
    if not Path(source).is_dir():
        raise UsageError(f"Unknown --backbone '{source}'; use sd-1.4, or a diffusers pipeline's folder.")
    unet = Path(source) / "unet"
    if not unet.is_dir():
        raise UsageError(f"--backbone '{source}' holds no U-Net; use sd-1.4, or a diffusers pipeline's folder.")
    check_weights(unet, source)


def check_extractor(folder: Path, source: str) -> int:
    """Make sure that open_clip finds safetensors in a folder, and no pickle that it would rather load.

    Returns: how many features it gives.

    Raises:
        UsageError: it does not.
    """
    try:
        config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
        width = int(config["model_cfg"]["embed_dim"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"Extractor '{source}': open_clip_config.json does not say its size; give an open_clip folder."
        ) from None
    check_weights(folder, source)
    names = {path.name for path in folder.iterdir()}
    if not names & FIRST and any(Path(name).suffix in PICKLES for name in names):
        raise UsageError(
            f"'{source}' holds pickles (.bin, .pth) beside its weights, which are never read; remove them, or call the "
            "weights open_clip_model.safetensors."
        )
    return width


def hub_weights(source: str) -> tuple[str, str]:
    """Hub repository and file of an open_clip 'architecture/pretrained', in safetensors; empty texts if there is none.

    It is the file that open_clip itself looks for before the pickle, and takes if it is there.
    """
    from open_clip import get_pretrained_cfg

    architecture, _, pretrained = source.partition("/")
    place = str((get_pretrained_cfg(architecture, pretrained) or {}).get("hf_hub") or "")
    repository, _, file = place.rpartition("/")
    if not repository:
        return "", ""
    return repository, f"{Path(file).stem}.safetensors" if file else "open_clip_model.safetensors"
