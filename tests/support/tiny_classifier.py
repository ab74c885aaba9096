"""A small random ViT, labelled random images, and tasks of classes taught on them by any registered method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from harness import registry
from harness.backbones.classifier import Classifier
from harness.data.class_tasks import Split
from harness.method import Method
from harness.settings.classification.task_data import ClassLesson
from harness.settings.classification.training import TrainedClasses, train_classes
from harness.settings.classification.transforms import Pixels
from harness.spec import Recognition
from harness.store.checkpoint import Checkpoint

CPU = torch.device("cpu")
METHODS = tuple(registry.methods("classification").names())
ARCHITECTURE = "vit_tiny_patch16_224"
SHAPE: Mapping[str, Any] = {"img_size": 32, "patch_size": 16, "embed_dim": 32, "depth": 6, "num_heads": 2}
SEEN = Recognition(resolution=32, resize=32)
# short and violent: what must not move is to be pushed hard
CHANGES: Mapping[str, Any] = {
    "epochs": 2, "batch_size": 5, "learning_rate": 0.02, "pool": 6, "length": 4, "top": 2, "expert_length": 4,
    "general_length": 2, "rank": 3, "lambda_forget": 1.0, "drop_last": False,
    "features": 20, "align_epochs": 2, "align_samples": 8,
}  # fmt: skip


def tiny_vit(seed: int = 0, **changes: Any) -> nn.Module:
    """A timm VisionTransformer of 6 blocks, 32 wide, 32 px.

    Its weights are larger than timm's random ones, under which the features of all images are nearly the same.
    """
    vit: nn.Module = timm.create_model(ARCHITECTURE, num_classes=0, **{**SHAPE, **changes})
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in vit.named_parameters():
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
            if "norm" in name and name.endswith("weight"):
                parameter += 1
    return vit.eval()


def save_vit(folder: Path, vit: nn.Module, **config: Any) -> Path:
    """A timm model folder, as on timm's hub; `config` replaces entries of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"architecture": ARCHITECTURE, "num_classes": 0, "model_args": dict(SHAPE), **config}
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in vit.state_dict().items()}, folder / "model.safetensors")
    return folder


def tiny_classifier(seed: int = 0, **changes: Any) -> Classifier:
    """Wraps `tiny_vit`."""
    return Classifier(tiny_vit(seed, **changes), CPU)


@dataclass(frozen=True)
class RandomImages:
    """`ClassImages` of noise around a colour that tells the class; `size` is (height, width)."""

    classes: int = 2
    train: int = 6
    test: int = 4
    seed: int = 0
    size: tuple[int, int] = (32, 32)

    def labels(self, split: Split) -> NDArray[np.int64]:
        return np.arange(self.train if split == "train" else self.test, dtype=np.int64) % self.classes

    def image(self, split: Split, index: int) -> NDArray[np.uint8]:
        draw = np.random.default_rng((self.seed, split == "train", index))
        colour = np.random.default_rng((self.seed, int(self.labels(split)[index]))).integers(0, 200, 3)
        return (colour + draw.integers(0, 56, (*self.size, 3))).astype(np.uint8)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()

    def load(self, size: int) -> NDArray[np.uint8]:
        raise NotImplementedError

    def __len__(self) -> int:
        return self.train


def pixels(*images: RandomImages, first: int = 0, threads: int = 1, **seen: Any) -> Pixels:
    """Tasks' images, their classes counted from `first` on; at 32 px."""
    offsets = np.cumsum([first, *(each.classes for each in images)])[:-1].tolist()
    recognition = Recognition.model_validate({**SEEN.model_dump(), **seen})
    return Pixels(images, offsets, recognition, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2), threads)


class ClassCourse:
    """One method's tasks of two classes, one after another, at the published options with `CHANGES`."""

    def __init__(self, name: str, model: Classifier | None = None, seed: int = 0, tasks: int = 2, **changes: Any):
        self.plugin: type[Method[Any]] = registry.methods("classification").get(name)
        kind = self.plugin.options_for("classification")
        fields = {k: v for k, v in {**CHANGES, **changes}.items() if k in kind.model_fields}
        self.options = kind.for_tier("paper", fields)
        self.model = tiny_classifier() if model is None else model
        self.seed, self.tasks = seed, tasks
        self.images = [RandomImages(seed=j) for j in range(tasks)]
        self.memory: Mapping[str, Tensor] = {}
        self.taught = 0
        self.method = self.plugin(self.options)

    def lesson(self) -> ClassLesson:
        """The next task's; of a joint method all tasks' at once."""
        images = self.images if self.plugin.joint else [self.images[self.taught]]
        seen = pixels(*images, first=len(self.model.head_bias))
        return ClassLesson(self.model, seen, 2 * len(images))

    def teach(self, checkpoint: Checkpoint | None = None, lesson: ClassLesson | None = None) -> TrainedClasses:
        """The next task."""
        self.method = self.plugin(self.options)
        self.method.memory = self.memory
        self.method.task_index, self.method.num_tasks = self.taught + 1, self.tasks
        done = train_classes(self.method, lesson or self.lesson(), self.seed, f"task {self.taught}", checkpoint)
        self.memory = done.memory
        self.taught += 1
        return done

    def recall(self) -> Classifier:
        """The model as it is tested: with the prompt and the head that the method makes of its memory."""
        method = self.plugin(self.options)
        method.memory, method.task_index, method.num_tasks = self.memory, self.taught, self.tasks
        self.model.prompt, self.model.scorer = method.recall(self.model), method.head(self.model)
        if self.model.prompt is not None:
            self.model.prompt.eval()
        return self.model
