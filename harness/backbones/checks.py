"""Model folders, looked at before anything of them is loaded: the classes expected, and weights in safetensors alone.

Reading a pickle may run code, and so may a class that a folder brings along: a folder that needs either is refused,
whatever the libraries that load it would do. Only headers are read, and no torch is imported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.backbones.hub import NAMES
from harness.backbones.layouts import PIECES, PIPELINES, STABLE_DIFFUSION, TOKENIZERS, WEIGHTED, Layout, TextPart
from harness.backbones.solvers import FLOW_SOLVER
from harness.errors import UsageError
from harness.formats.git_lfs import POINTER_REMEDY, is_pointer_file

INDEX = "model_index.json"
# The names under which diffusers and transformers look for weights where no variant is asked for; whole, or shards.
WEIGHTS = ("model.safetensors", "*model-?????-of-?????.safetensors", "diffusion_pytorch_model.safetensors")
INDEXES = ("model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json")  # of shards
# All that is loaded of a pipeline of any family, so all that is fetched, and all that its hash depends on: no variants
# such as fp16 and non_ema, no checkpoint in a single file beside the parts, no safety checker.
LOADED = (
    INDEX, "scheduler/scheduler_config.json",
    *(f"{part}/*.{kind}" for part in TOKENIZERS for kind in ("json", "txt", "model")),
    *(f"{part}/{name}" for part in WEIGHTED for name in ("config.json", *WEIGHTS, *INDEXES)),
)  # fmt: skip

# by what a flow's scheduler shifts its noise at each image's size, turns it around, or adds noise that no seed names
OTHER_FLOWS = ("use_dynamic_shifting", "invert_sigmas", "stochastic_sampling")
PREDICTIONS = ("epsilon", "v_prediction")

# What other parts of a pipeline may be, as 'library.class': those are not loaded or, as image_encoder, absent.
OTHERS = r"None\.None|(diffusers|transformers|stable_diffusion)\.\w+"

SCHEDULE = "scheduler/scheduler_config.json"

# What open_clip loads, if it is there, before any pickle.
FIRST = {"open_clip_model.safetensors", "open_clip_pytorch_model.safetensors"}
PICKLES = {".bin", ".pth"}


def is_loaded(name: str) -> bool:
    """Whether a pipeline's file, by its name relative to the folder, is ever loaded."""
    return name.count("/") < 2 and any(fnmatchcase(name, pattern) for pattern in LOADED)


def single_file(source: str) -> str:
    """What to do with a checkpoint in a single file."""
    return (
        f"Backbone '{source}' is a checkpoint in a single file; write it as a folder with diffusers "
        f"({STABLE_DIFFUSION.pipeline}.from_single_file(FILE).save_pretrained(FOLDER)) and give the folder."
    )


def layout_of(folder: Path, source: str) -> Layout:
    """The family of a pipeline in a folder, by its index.

    Raises:
        UsageError: it is of none that is known, or has no index that can be read.
    """
    if not (folder / INDEX).exists():
        if any(folder.glob("*.safetensors")) or any(folder.glob("*.ckpt")):
            raise UsageError(single_file(source))
        raise UsageError(f"Backbone '{source}' is not a Stable Diffusion folder: it has no {INDEX}; give a whole one.")
    found = read_index(folder, source).get("_class_name", STABLE_DIFFUSION.pipeline)
    if not isinstance(found, str) or found not in PIPELINES:
        families = ", ".join(PIPELINES)
        raise UsageError(
            f"Backbone '{source}' is of the class {found}, and known are {families}; use {NAMES}, or another folder."
        )
    return PIPELINES[found]


def refuse_pointers(paths: Iterable[Path], folder: Path, source: str) -> None:
    """Make sure that files of `folder` are themselves, and not what a clone without git-lfs has in their place.

    Raises:
        UsageError: names the first that is not.
    """
    pointer = next((path for path in paths if is_pointer_file(path)), None)
    if pointer is not None:
        name = pointer.relative_to(folder).as_posix()
        raise UsageError(f"'{source}': {name} is a Git LFS pointer in place of the file; {POINTER_REMEDY}.")


def read_index(folder: Path, source: str) -> dict[str, Any]:
    """A pipeline's model_index.json.

    Raises:
        UsageError: it cannot be read.
    """
    refuse_pointers([folder / INDEX], folder, source)
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        index.keys()
    except (OSError, ValueError, AttributeError):
        raise UsageError(f"Backbone '{source}': {INDEX} cannot be read; give another folder.") from None
    return index


def check_classes(folder: Path, source: str) -> None:
    """Make sure that a pipeline's parts are of the classes that its family has, and that it brings no code along.

    Raises:
        UsageError: they are not, or it does.
    """
    code = next(folder.rglob("*.py"), None)
    if code is not None:
        name = code.relative_to(folder).as_posix()
        raise UsageError(f"Backbone '{source}' brings code along ({name}), which is never run; give another folder.")
    layout = layout_of(folder, source)
    index = read_index(folder, source)
    parts = {name: ".".join(map(str, value)) for name, value in index.items() if isinstance(value, list)}
    for name, found in parts.items():
        if not re.fullmatch(layout.classes.get(name, OTHERS), found):
            raise UsageError(
                f"Backbone '{source}': model_index.json gives {name} as '{found}', which no {layout.title} has; "
                "give another folder."
            )


def check_settings(folder: Path, source: str) -> None:
    """Make sure that the settings of a pipeline's parts, and its tokenizers' vocabularies, can be read.

    Raises:
        UsageError: a file is missing or damaged.
    """
    for name in settings_of(folder, source):
        _settings(folder, name, source)
    for text in texts_of(folder, source):
        _check_tokenizer(folder, text, source)


def texts_of(folder: Path, source: str) -> list[TextPart]:
    """The tokenizers and text encoders that a pipeline has.

    Raises:
        UsageError: as `layout_of`.
    """
    return list(layout_of(folder, source).texts_of(read_index(folder, source)))


def parts_of(folder: Path, source: str) -> list[str]:
    """The folders of a pipeline's parts that have weights.

    Raises:
        UsageError: as `layout_of`.
    """
    encoders = [text.encoder for text in texts_of(folder, source)]
    return [*encoders, layout_of(folder, source).denoiser, "vae"]


def settings_of(folder: Path, source: str) -> list[str]:
    """The files that say how each part is made.

    Raises:
        UsageError: as `layout_of`.
    """
    return [SCHEDULE, *(f"{part}/config.json" for part in parts_of(folder, source))]


def _check_tokenizer(folder: Path, text: TextPart, source: str) -> None:
    tokenizer = folder / text.tokenizer
    if text.in_pieces:
        if not (tokenizer / "tokenizer.json").exists() and not (tokenizer / PIECES).exists():
            raise UsageError(
                f"Backbone '{source}': {text.tokenizer}/tokenizer.json is missing, and {PIECES}, too; "
                "give another folder."
            )
        if not (tokenizer / "tokenizer.json").exists():
            _check_pieces_can_be_read(text, source)
        return
    vocabulary = "vocab" if (tokenizer / "vocab.json").exists() else "tokenizer"
    _settings(folder, f"{text.tokenizer}/{vocabulary}.json", source)
    if not (tokenizer / "tokenizer.json").exists() and not (tokenizer / "merges.txt").exists():
        raise UsageError(f"Backbone '{source}': {text.tokenizer}/merges.txt is missing; give another folder.")


def _check_pieces_can_be_read(text: TextPart, source: str) -> None:
    # transformers reads SentencePiece's files with the one, through the other's classes
    missing = next((name for name, module in (("sentencepiece", "sentencepiece"), ("protobuf", "google.protobuf"))
                    if not _is_installed(module)), None)  # fmt: skip
    if missing is not None:
        raise UsageError(
            f"Backbone '{source}': {text.tokenizer}/{PIECES} can only be read with the package {missing}, which is "
            "not installed; pip install 'stamina-bench[t5]'."
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is what it lies in
        return False


def _settings(folder: Path, name: str, source: str) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
        settings.keys()
    except (OSError, ValueError, AttributeError):
        raise UsageError(f"Backbone '{source}': {name} is missing or damaged; give another folder.") from None
    return settings


def check_task(folder: Path, source: str) -> None:
    """Make sure that a denoiser denoises an image's latents and nothing else, and predicts what L_SD is written for.

    Inpainting, depth, upscaling and image-conditioned checkpoints have further input channels.

    Raises:
        UsageError: it is one of those.
    """
    layout = layout_of(folder, source)
    denoiser, vae = (_settings(folder, f"{part}/config.json", source) for part in (layout.denoiser, "vae"))
    scheduler = _settings(folder, SCHEDULE, source)
    channels, latent = (settings.get(key, 4) for settings, key in ((denoiser, "in_channels"), (vae, "latent_channels")))
    if channels != latent:
        raise UsageError(
            f"Backbone '{source}': its {layout.noun} takes {channels} channels where an image has {latent}, as those "
            f"for inpainting, depth or upscaling do; use {NAMES}, or another {layout.pipeline}."
        )
    if vae.get("latents_mean") is not None:
        raise UsageError(
            f"Backbone '{source}': vae/config.json gives each channel of the latents a mean of its own, which is not "
            f"supported; use {NAMES}, or another {layout.pipeline}."
        )
    _check_conditions(layout, denoiser, source)
    named = scheduler.get("_class_name", "")
    if layout.flow:
        if named != FLOW_SOLVER:
            raise UsageError(
                f"Backbone '{source}': {SCHEDULE} has the class '{named}', and a {layout.title} adds noise by "
                f"{FLOW_SOLVER}; give another folder."
            )
        odd = next((name for name in OTHER_FLOWS if scheduler.get(name)), None)
        if odd is not None:
            raise UsageError(
                f"Backbone '{source}': {SCHEDULE} has {odd}, and training knows flows without it only; set it to "
                "false, or give another folder."
            )
        return
    if scheduler.get("use_flow_sigmas") or (named and not {"beta_start", "trained_betas"} & scheduler.keys()):
        raise UsageError(
            f"Backbone '{source}': {SCHEDULE} ({named}) has no betas, by which a "
            f"diffusion model adds noise to images, as flow models have none; use {NAMES}, or another folder."
        )
    found = scheduler.get("prediction_type", PREDICTIONS[0])
    if found not in PREDICTIONS:
        raise UsageError(
            f"Backbone '{source}': its {layout.noun} predicts '{found}', and training knows "
            f"{' and '.join(PREDICTIONS)} only; use {NAMES}, or another folder."
        )


def _check_conditions(layout: Layout, denoiser: dict[str, Any], source: str) -> None:
    """Make sure that a U-Net is told what its family is told, and nothing besides."""
    if denoiser.get("time_cond_proj_dim") is not None:
        raise UsageError(
            f"Backbone '{source}': its U-Net is told the scale of guidance (time_cond_proj_dim), as models distilled "
            f"for few steps are, and training here does not tell it; use {NAMES}, or another {layout.pipeline}."
        )
    if layout.name == "sdxl" and denoiser.get("addition_embed_type") != "text_time":
        raise UsageError(
            f"Backbone '{source}': its U-Net is not told the image's size and the prompt as a whole "
            f"(addition_embed_type in {layout.denoiser}/config.json is {denoiser.get('addition_embed_type')!r} and not "
            f"'text_time'), as every {layout.title} is; give another folder."
        )


def check_parts(folder: Path, source: str) -> None:
    """Make sure that a pipeline can be loaded, without running code of its own or reading a pickle.

    Raises:
        UsageError: it cannot.
    """
    check_classes(folder, source)
    refuse_pointers((p for p in sorted(folder.glob("*/*")) if is_loaded(f"{p.parent.name}/{p.name}")), folder, source)
    check_settings(folder, source)
    check_task(folder, source)
    for part in parts_of(folder, source):
        check_part(folder / part, source)


def check_part(folder: Path, source: str) -> None:
    """Make sure that a pipeline's part has the weights that are loaded; variants beside them do not count.

    Raises:
        UsageError: as `check_weights`, or it has nothing but variants.
    """
    files = [path for path in folder.glob("*.safetensors") if any(fnmatchcase(path.name, name) for name in WEIGHTS)]
    variant = next((path.name for path in sorted(folder.glob("*.safetensors"))), "")
    if variant and not files:
        raise UsageError(
            f"'{source}' has only a variant of its weights in {folder.name} ({variant}), and the full ones are needed; "
            f"add {folder.name}/{_whole_name(folder.name)} or give another folder."
        )
    check_weights(folder, source, files)


def _whole_name(part: str) -> str:
    return WEIGHTS[0] if part.startswith("text_encoder") else WEIGHTS[-1]


def check_weights(folder: Path, source: str, files: Sequence[Path] | None = None) -> None:
    """Make sure that a folder has weights, and that they are safetensors and whole as far as their headers tell.

    Args:
        files: those of the weights that count; all if None.

    Raises:
        UsageError: it has none, or a file is cut short or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors")) if files is None else files
    if not files:
        raise UsageError(
            f"'{source}' has no weights (*.safetensors) in {folder.name}; pickles (.bin, .ckpt, .pt) are never read, "
            "so convert them or give another folder."
        )
    refuse_pointers(files, folder.parent, source)
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
        if path.name in INDEXES:
            _check_shards(path, source)


def _check_shards(index: Path, source: str) -> None:
    """Make sure that all files that an index names are there: an interrupted download leaves some."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        missing = next((name for name in sorted(set(named)) if not (index.parent / name).exists()), None)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"'{source}': {index.parent.name}/{index.name} is damaged; give another folder.") from None
    whole = (index.parent / WEIGHTS[0]).exists()  # which transformers then loads, whatever the index says
    if missing is not None and not whole:
        raise UsageError(
            f"'{source}': {index.parent.name}/{missing} is missing, a part of its weights; fetch the model again, or "
            "give another folder."
        )


def check_extractor(folder: Path, source: str) -> int:
    """Make sure that open_clip finds safetensors in a folder, and no pickle that it would rather load.

    Returns: how many features it gives.

    Raises:
        UsageError: it does not.
    """
    refuse_pointers([folder / "open_clip_config.json"], folder, source)
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
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

    architecture, _, pretrained = source.partition("/")
    repository, _, file = str((get_pretrained_cfg(architecture, pretrained) or {}).get("hf_hub") or "").rpartition("/")
    if not repository:
        return "", ""
    if file in ("", HF_WEIGHTS_NAME):
        return repository, HF_SAFE_WEIGHTS_NAME
    name = Path(file)
    return (repository, f"{name.stem}.safetensors") if name.suffix in (".bin", ".pth", ".safetensors") else ("", "")
