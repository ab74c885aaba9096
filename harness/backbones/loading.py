"""Loads a text-to-image pipeline of any known family, from a folder or the hub, in safetensors alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from harness.backbones.checks import check_parts, layout_of, read_index, texts_of
from harness.backbones.hashes import model_folder
from harness.errors import UsageError, first_line

# what a pipeline draws without, and is not given: its class -> arguments
LEFT_OUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "StableDiffusionPipeline": {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    "StableDiffusionXLPipeline": {"image_encoder": None, "feature_extractor": None, "add_watermarker": False},
    "StableDiffusion3Pipeline": {"image_encoder": None, "feature_extractor": None},
}


def load_pipeline(source: str, dtype: torch.dtype, *, offline: bool) -> Any:
    """diffusers' own pipeline.

    Args:
        source: A folder, a known name, or a hub id (only in its local cache when `offline`).

    Raises:
        UsageError: no such folder or cached model, or it is not a known family's pipeline in safetensors.
    """
    folder = Path(source) if Path(source).is_dir() else model_folder(source, offline=offline)
    check_parts(folder, source)
    import diffusers
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    layout = layout_of(folder, source)
    kind = read_index(folder, source).get("_class_name", layout.pipeline)
    texts = texts_of(folder, source)
    absent = {name: None for text in layout.texts if text not in texts for name in (text.tokenizer, text.encoder)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(diffusers, kind).from_pretrained(
                folder,
                torch_dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                **LEFT_OUT.get(kind, {}),
                **absent,
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"Backbone '{source}' cannot be loaded as a {layout.title} pipeline with safetensors "
            f"({first_line(error)}); give another folder with --backbone."
        ) from error
