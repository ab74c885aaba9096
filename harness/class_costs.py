"""How much work steps of the classification setting are, counted from the ViT's size. Imports no torch."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

from harness.backbones.classifier_files import WEIGHTS, read_config
from harness.nominal import NOMINAL
from harness.plan import Setting, Step

FORWARD, TRAINING = 1, 3  # passes; backward is twice forward
ADAPTED = 0.25  # of a ViT's parameters are Q, K and V; a prompt is less, a whole model four times as much


class ClassCosts:
    """FLOP and bytes of steps with one ViT."""

    def __init__(self, setting: Setting) -> None:
        """Only the settings and the header of the weights are read.

        Raises:
            UsageError: the folder is no timm ViT's, or its weights are damaged.
        """
        from safetensors import safe_open

        from harness.weights import check_weights

        assert setting.recognition is not None
        folder = Path(setting.backbone)
        architecture, told = read_config(folder)
        named = re.search(r"patch(\d+)", architecture)
        patch = int(told.get("patch_size") or (named[1] if named else 16))
        check_weights(folder, setting.backbone, [folder / WEIGHTS])
        with safe_open(str(folder / WEIGHTS), framework="np") as file:
            self.parameters: int = sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        tokens = (setting.recognition.resolution // patch) ** 2 + 1
        self.image_flop = 2.0 * self.parameters * tokens
        self._tests: dict[str, int] = {}

    def flop(self, step: Step) -> float:
        """Of a training or an evaluation; 0 for a score."""
        if step.kind == "train":
            return TRAINING * self.image_flop * int(step.recipe["options"]["epochs"]) * int(step.recipe["images"])
        if step.kind == "evaluate":
            return FORWARD * self.image_flop * self._test_images(step)
        return 0.0

    def megabytes(self, step: Step) -> float:
        """What a step leaves on disk."""
        return 4e-6 * ADAPTED * self.parameters if step.kind == "train" else NOMINAL[step.kind][1]

    def _test_images(self, step: Step) -> int:
        for fingerprint, task in zip(step.recipe["tests"], step.work["tasks"], strict=True):
            if fingerprint not in self._tests:
                self._tests[fingerprint] = len(task.images.labels("test"))
        return sum(self._tests[fingerprint] for fingerprint in step.recipe["tests"])
