"""Writes custom tokens as textual inversions: a file each, which diffusers, AUTOMATIC1111 and ComfyUI read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.errors import UsageError
from harness.export.precision import rounded

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def check_name(name: str, tokenizer: Any = None) -> None:
    """Make sure that files and custom tokens can have this name.

    Args:
        tokenizer: of the backbone; AUTOMATIC1111 puts an embedding wherever a prompt has its file's name.

    Raises:
        UsageError: they cannot.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name '{name}' cannot be what files and tokens are called; use up to 80 lower-case letters, digits, "
            "'-' and '_', as in my-cat."
        )
    if tokenizer is not None and f"{name}</w>" in tokenizer.get_vocab():
        raise UsageError(
            f"--name '{name}' is a word of the backbone's, which prompts could then no longer say; choose another, "
            f"such as my-{name}."
        )


def write_embeddings(
    embeddings: Mapping[str, Tensor], folder: Path, dtype: torch.dtype = torch.float32,
    parts: Mapping[str, int] | None = None,
) -> None:  # fmt: skip
    """NAME.safetensors of each, with one tensor '<NAME>', (1, dim), or with one for each of a model's text encoders.

    `load_textual_inversion` takes the tensor's name for the token, AUTOMATIC1111 and ComfyUI the file's. Of several
    encoders the tensors are called as those programs call the encoders: 'clip_l', 'clip_g', 't5xxl'.

    Args:
        embeddings: name -> (dim,).
        parts: Of several encoders: what each is called -> its width; in the order in which embeddings have their parts.

    Raises:
        UsageError: a value too large for the precision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, embedding in embeddings.items():
        whole = {f"<{name}>": embedding}
        split = dict(zip(parts, embedding.split(list(parts.values())), strict=True)) if parts else whole
        saved = {key: rounded(part[None], dtype, name).contiguous() for key, part in split.items()}
        save_file(saved, str(folder / f"{name}.safetensors"), metadata={"format": "pt"})
