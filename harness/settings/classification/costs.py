"""How much work steps of the classification setting are, counted from the ViT's size. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from harness.backbones.classifier_files import WEIGHTS, read_config
from harness.engine.plan import RunContext, Step
from harness.settings.classification.epochs import planned
from harness.spec import Recognition

FORWARD, TRAINING = 1, 3  # passes; backward is twice forward
ADAPTED = 0.25  # of a ViT's parameters are Q, K and V; a prompt is less, a whole model four times as much


SMALL_MB = 0.1  # of predictions, or figures


class ClassCosts:
    """FLOP and bytes of steps with one ViT."""

    def __init__(self, context: RunContext) -> None:
        """Only the settings and the header of the weights are read.

        Raises:
            UsageError: the folder is no timm ViT's, or its weights are damaged.
        """
        from safetensors import safe_open

        from harness.backbones.checks import check_weights

        folder = Path(context.backbone)
        architecture, told = read_config(folder)
        named = re.search(r"patch(\d+)", architecture)
        patch = int(told.get("patch_size") or (named[1] if named else 16))
        check_weights(folder, context.backbone, [folder / WEIGHTS])
        with safe_open(str(folder / WEIGHTS), framework="np") as file:
            self.parameters: int = sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        tokens = (context.protocol_as(Recognition).resolution // patch) ** 2 + 1
        self.image_flop = 2.0 * self.parameters * tokens
        self._tests: dict[str, int] = {}

    def flop(self, step: Step) -> float:
        """Of a training or an evaluation; 0 for a score."""
        if step.kind == "train":
            return self.flop_of(step.kind, step.recipe)
        if step.kind == "evaluate":
            return FORWARD * self.image_flop * self._test_images(step)
        return 0.0

    def megabytes(self, step: Step) -> float:
        """What a step leaves on disk."""
        return 4e-6 * ADAPTED * self.parameters if step.kind == "train" else SMALL_MB

    def flop_of(self, kind: str, recipe: Mapping[str, Any]) -> float:
        """Of a finished training; what others looked at, their recipes do not tell."""
        if kind != "train":
            return 0.0
        return TRAINING * self.image_flop * planned(recipe)[0]

    def _test_images(self, step: Step) -> int:
        for fingerprint, task in zip(step.recipe["tests"], step.work["tasks"], strict=True):
            if fingerprint not in self._tests:
                self._tests[fingerprint] = len(task.images.labels("test"))
        return sum(self._tests[fingerprint] for fingerprint in step.recipe["tests"])
