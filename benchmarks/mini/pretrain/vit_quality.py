"""How good the embedded classifier is: on new photos, and as a frozen extractor on the benchmark's renditions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from benchmarks.mini.objects import BENCHMARK_CLASSES, CLASSES, OTHER_RENDITIONS, PHOTO, dataset
from benchmarks.mini.pretrain.vit_model import MODEL_ARGS, features

PHOTOS, TRAIN, TEST = 10, 24, 24  # images of a class
RIDGE: Final = 30.0
HEADING: Final = "## Classifier"

SECTION = """## Classifier

`vit-mini` is a timm VisionTransformer (8 px patches, depth 6, width {width}, {parameters:.2f} M parameters, float16)
for 64 x 64 images, trained from random weights on photo-like renders of {classes} object classes
(`benchmarks/mini/objects.py`) by `python -m benchmarks.mini.pretrain.vit`: {steps:,} steps of {batch} images,
{per_class} images of a class, taught by a small convolutional network beside the labels.
Accuracy on new photo-like images of these classes: {top1:.1f} % ({top5:.1f} % top-5).

Frozen, on the benchmark's {benchmark} classes in renditions it was never trained on ({train} training and {test} test
images of a class, disjoint by construction), in % of the test images: ridge regression of the class token, the nearest
class mean (cosine), and the pre-trained head restricted to these classes, which has seen no training image.

| rendition | ridge | nearest mean | pre-trained head |
|---|---|---|---|
{rows}
"""


def photo_accuracy(model: nn.Module, per_class: int = PHOTOS) -> dict[str, float]:
    """Top-1 and top-5 accuracy (%) over all classes on photo-like images of the split "tune"."""
    images, labels = dataset("tune", [c.name for c in CLASSES], per_class, 0, [PHOTO])
    _, logits = features(model, images)
    best = logits.topk(5, dim=1).indices == torch.from_numpy(labels)[:, None]
    return {"top1": 100 * float(best[:, 0].float().mean()), "top5": 100 * float(best.any(1).float().mean())}


def _hits(scores: Tensor, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    hits: NDArray[np.bool_] = (scores.argmax(1) == torch.from_numpy(labels)).numpy()
    return hits


def frozen_accuracy(model: nn.Module, train: int = TRAIN, test: int = TEST) -> dict[str, dict[str, float]]:
    """Accuracy (%) of three classifiers on frozen features, over all test images and for each rendition."""
    shown, known = dataset("train", BENCHMARK_CLASSES, train, 0)
    images, labels = dataset("test", BENCHMARK_CLASSES, test, 0)
    fit, _ = features(model, shown)
    tokens, logits = features(model, images)
    mean, std = fit.mean(0), fit.std(0)
    x, z = (torch.cat([(t - mean) / std, torch.ones(len(t), 1)], dim=1).double() for t in (fit, tokens))
    targets = one_hot(torch.from_numpy(known)).double()
    weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]).double(), x.T @ targets)
    means = torch.stack([fit[torch.from_numpy(known == k)].mean(0) for k in range(len(BENCHMARK_CLASSES))])
    order = [[c.name for c in CLASSES].index(name) for name in BENCHMARK_CLASSES]
    hits = {
        "ridge": _hits(z @ weights, labels),
        "nearest_mean": _hits(normalize(tokens - mean, dim=1) @ normalize(means - mean, dim=1).T, labels),
        "head": _hits(logits[:, order], labels),
    }
    number = np.tile(np.arange(test), len(BENCHMARK_CLASSES)) % len(OTHER_RENDITIONS)
    names = ["all", *OTHER_RENDITIONS]
    rows = [np.ones(len(labels), dtype=bool), *(number == i for i in range(len(OTHER_RENDITIONS)))]
    return {
        key: {n: 100 * float(hit[row].mean()) for n, row in zip(names, rows, strict=True)} for key, hit in hits.items()
    }


def measure(model: nn.Module) -> dict[str, Any]:
    """Everything the card prints."""
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "photo": photo_accuracy(model),
        "frozen": frozen_accuracy(model),
    }


def write_section(folder: Path, measured: Mapping[str, Any]) -> None:
    """Put the section into `README.md` of the checkpoints' folder, in place of an older one."""
    frozen, training = measured["frozen"], measured["training"]
    rows = [
        f"| {name} | {frozen['ridge'][name]:.1f} | {frozen['nearest_mean'][name]:.1f} | {frozen['head'][name]:.1f} |"
        for name in frozen["ridge"]
    ]
    section = SECTION.format(
        parameters=measured["parameters"] / 1e6, width=MODEL_ARGS["embed_dim"], classes=len(CLASSES),
        benchmark=len(BENCHMARK_CLASSES), train=TRAIN,
        test=TEST, steps=training["steps"], batch=training["batch"], per_class=training["images_per_class"],
        top1=measured["photo"]["top1"], top5=measured["photo"]["top5"], rows="\n".join(rows),
    )  # fmt: skip
    path = folder / "README.md"
    before = path.read_text(encoding="utf-8").split(HEADING)[0] if path.exists() else ""
    path.write_text(f"{before.rstrip()}\n\n{section}".lstrip(), encoding="utf-8")
