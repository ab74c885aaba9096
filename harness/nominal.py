"""What a step costs at the mini tier, on one core of a 2025 server: where nothing better is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# seconds and megabytes of a step
NOMINAL: Final = {
    "real": (0.3, 0.3), "prior": (1.2, 0.3), "train": (3.8, 0.7), "merge": (0.5, 1.5), "generate": (1.2, 0.2),
    "compose": (0.6, 0.1), "features": (0.15, 0.05), "evaluate": (1.2, 0.05), "score": (0.5, 0.1),
}  # fmt: skip
NOMINAL_WORK: Final = {"train": 240, "prior": 128, "generate": 128, "compose": 64}  # what they did: images times steps
SAMPLED: Final = {"generate", "prior", "compose"}


def units(kind: str, recipe: Mapping[str, Any]) -> float:
    """How much of its work a step is: images times steps of training or of the sampler, or epochs; classes; else 1."""
    if kind == "train" and "epochs" in recipe["options"]:
        return float(recipe["options"]["epochs"] * recipe["images"])
    if kind == "train":
        return float(recipe["options"]["steps"] * recipe["options"]["batch_size"])
    if kind == "evaluate":
        return float(sum(recipe["classes"]))
    if kind in SAMPLED:
        return float(recipe["sampling"]["images"] * recipe["sampling"]["steps"])
    return 1.0


def nominal_seconds(kind: str, recipe: Mapping[str, Any]) -> float:
    """Seconds of a step of that kind and size."""
    return NOMINAL[kind][0] * units(kind, recipe) / NOMINAL_WORK.get(kind, 1.0)
