"""PickScore: which image people would prefer for a prompt, as learnt from their choices (Kirstain et al., 2023)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.measures.weights import loading
from harness.metric import Metric, TaskImages, Values

BATCH = 16


class PickScore(Metric):
    """The scaled cosine of a fine-tuned CLIP between an image and its prompt, the custom token left out."""

    name = "pickscore"
    title = "PickScore"
    summary = "PickScore of generated images for their prompt without the custom token: a preference model's logit."
    citation = "Kirstain et al., Pick-a-Pic, NeurIPS 2023 (arXiv 2305.01569)"
    higher = True
    digits = 2
    weights_needed = "a transformers folder of PickScore's CLIP"

    @torch.no_grad()
    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image."""
        model, processor = _model(self.weights, self.device)
        words = processor(text=[task.wording], padding=True, truncation=True, return_tensors="pt").to(self.device)
        found: list[NDArray[np.float64]] = []
        for first in range(0, len(task.generated.images), BATCH):
            batch = list(task.generated.images[first : first + BATCH])
            pixels = processor(images=batch, return_tensors="pt").to(self.device)
            found.append(model(**words, **pixels).logits_per_image[:, 0].double().cpu().numpy())
        return np.concatenate(found)


@lru_cache(maxsize=1)
def _model(folder: Path, device: str) -> tuple[Any, Any]:
    """CLIP and its processor."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    with loading(folder, PickScore):
        model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        images = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        processor = CLIPProcessor(images, CLIPTokenizer.from_pretrained(folder, local_files_only=True))
    return model.eval().float().to(device), processor
