"""F_clip: the towers of an open_clip model, as the metrics' feature extractor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.backbones.checks import check_extractor, hub_weights
from harness.errors import UsageError, first_line


class Extractor:
    """Features of an open_clip model given as a folder, or as 'architecture/pretrained' ('ViT-B-32/openai').

    Features are a tower's embeddings, not normalised, float32. Its weights are safetensors, or it is refused.
    """

    def __init__(self, source: str, device: torch.device) -> None:
        import open_clip
        from huggingface_hub import hf_hub_download

        self.source, self.device = source, device
        try:
            if Path(source).is_dir():
                check_extractor(Path(source), source)
                with torch.random.fork_rng(devices=[]):  # weights are drawn before they are read
                    created: Any = open_clip.create_model_from_pretrained(f"local-dir:{source}", device=device)
            else:
                repository, file = hub_weights(source)
                if not file:
                    raise UsageError(f"open_clip knows no weights '{source}' in safetensors; give a folder of them.")
                hf_hub_download(repository, file)  # fails where there is only a pickle, which open_clip would take
                name, _, pretrained = source.partition("/")
                with torch.random.fork_rng(devices=[]):
                    created = open_clip.create_model_from_pretrained(name, pretrained=pretrained or None, device=device)
        except (OSError, RuntimeError, ValueError) as error:
            first = first_line(error)
            raise UsageError(
                f"The feature extractor '{source}' cannot be loaded ({first}); check its folder."
            ) from error
        self.model, self.preprocess = created
        self.model.eval().float()

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8], batch_size: int = 32) -> NDArray[np.float32]:
        """(n, d) float32 features of (n, h, w, 3) uint8 images."""
        pixels = torch.stack([self.preprocess(Image.fromarray(image)) for image in images])
        parts = [self.model.encode_image(batch.to(self.device)).float().cpu() for batch in pixels.split(batch_size)]
        return torch.cat(parts).numpy()

    @cached_property
    def tokenizer(self) -> Any:
        """Texts -> tokens of the text tower.

        Raises:
            UsageError: the model comes without one that can be loaded.
        """
        import open_clip

        folder = Path(self.source).is_dir()
        try:
            named = f"local-dir:{self.source}" if folder else self.source.partition("/")[0]
            return open_clip.get_tokenizer(named)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"The tokenizer of the feature extractor '{self.source}' cannot be loaded ({first_line(error)}); it is "
                "needed for what a text says."
            ) from error

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 features of n texts by the text tower.

        Raises:
            UsageError: the model comes without a tokenizer that can be loaded.
        """
        tokens = self.tokenizer(list(texts)).to(self.device)
        found: NDArray[np.float32] = self.model.encode_text(tokens).float().cpu().numpy()
        return found


@lru_cache(maxsize=1)
def loaded_extractor(source: str, device: str) -> Extractor:
    """The extractor that was last asked for, loaded once a process."""
    return Extractor(source, torch.device(device))
