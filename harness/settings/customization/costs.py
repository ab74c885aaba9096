"""What each step of a plan costs, whatever the machine's speed: FLOP, bytes on disk, bytes on the device.

Counted are the passes of the U-Net, the text encoder, the VAE and the extractor, and the method's own matrix products.
Not counted: reading and writing images, resizing them, loading the model, the algebra of `merge` and `score`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.backbones.architecture import blueprint, images_at_once
from harness.backbones.counts import counts_of, extractor_counts
from harness.backbones.work_counts import Counts, ExtractorCounts
from harness.engine.plan import Plan, Step
from harness.spec import Frozen, Sampling

if TYPE_CHECKING:
    from harness.settings.customization.footprint import Footprint

FLOAT: Final = 4
FEATURES_AT_ONCE: Final = 32
PNG: Final = 0.65  # of an image's bytes: photographs, lightly compressed
PNG_HEAD: Final = 100
NOTES: Final = 1500  # a manifest, without its files
A_FILE: Final = 120  # one file's part of a manifest
TRAINING: Final = 6000  # training.json: losses and distances
FIGURES: Final = 20  # rows of a task in figures.json, beside one for each projection
A_ROW: Final = 220
GIB: Final = 2**30
SAMPLED: Final = ("generate", "prior", "compose", "edit", "base")


class Work(Frozen):
    """One step: FLOP, bytes that it leaves on disk, and at most on the device, the model included."""

    flop: float
    disk: int
    memory: int


class Costs:
    """The cost of steps on one backbone."""

    def __init__(
        self, counts: Counts, extractor: ExtractorCounts, dtype: str, *, gradient_checkpointing: bool = False
    ) -> None:
        self.counts, self.extractor = counts, extractor
        self.training = "unet_again" if gradient_checkpointing else "unet_train"  # a pass there and back
        self.width = "float32" if dtype == "float32" else "half"
        c = counts
        frozen = sum(c.parameters.values()) - c.entries
        # the projections and their pre-trained values are kept in float32; so is the extractor, both its towers
        self.model_memory = frozen * (FLOAT if self.width == "float32" else 2) + 2 * FLOAT * c.entries
        self.model_memory += FLOAT * extractor.parameters

    def footprint(self, method: str, options: Mapping[str, Any]) -> Footprint:
        """What one task of a method takes; imports torch."""
        from harness.settings.customization.footprint import footprint

        return footprint(method, options, self.counts)

    def of(self, step: Step, plan: Plan) -> Work:
        """The cost of a step of a plan."""
        images = len(step.work["task"].images) if "task" in step.work else 0
        sets = 1
        if step.kind == "features":
            parent = plan.steps[step.parents[0]]
            sets, images = (2, len(parent.work["task"].images)) if parent.kind == "real" else (1, _drawn(parent.recipe))
        index = step.work["task"].index if "task" in step.work else 1
        sequential = step.kind == "train" and step.work.get("weights") is not None
        return self.work(step.kind, step.recipe, images * sets, index, sequential=sequential)

    def work(
        self, kind: str, recipe: Mapping[str, Any], images: int = 0, index: int = 1, *, sequential: bool = False
    ) -> Work:
        """The cost of a step by its kind and recipe.

        Args:
            images: how many it reads. index: 1-based, of its task. sequential: whether it builds on an earlier task.
        """
        if kind in SAMPLED:
            return self._sampled(Sampling.model_validate(recipe["sampling"]))
        if kind == "train":
            return self._train(recipe, images, sequential=sequential)
        f, m = self.counts.flop, self._memory()
        at_once = min(max(images, 1), self.at_once)
        if kind == "real":
            disk = images * (self.png + A_FILE)
            if not recipe.get("reconstructed", True):
                return self._work(0.0, disk, 0)
            return self._work(images * (f["encode"] + f["decode"]), 2 * disk, at_once * max(m["encode"], m["decode"]))
        if kind == "features":
            peak = min(max(images, 1), FEATURES_AT_ONCE) * self.extractor.memory
            return self._work(images * self.extractor.flop, images * self.extractor.features * FLOAT, peak)
        if kind == "merge":
            own = self.footprint(recipe["method"], recipe["options"])
            memory = own.memory + (index - 1) * own.memory_growth
            return self._work(0.0, FLOAT * own.entries + memory + TRAINING, 0)
        rows = int(recipe.get("tasks", 1)) * (len(self.counts.projections) + FIGURES)
        return self._work(0.0, rows * A_ROW, 0)

    @property
    def png(self) -> int:
        """Bytes of an image."""
        return int(PNG * 3 * self.counts.resolution**2) + PNG_HEAD

    @property
    def at_once(self) -> int:
        """Images that the VAE sees at a time."""
        return images_at_once(self.counts.resolution)

    def _memory(self) -> Mapping[str, int]:
        return self.counts.memory[self.width]

    def _work(self, flop: float, disk: int, peak: int) -> Work:
        return Work(flop=flop, disk=disk + NOTES, memory=self.model_memory + peak)

    def _sampled(self, sampling: Sampling) -> Work:
        c, m = self.counts, self._memory()
        guided = 2 if sampling.guidance_scale > 1 else 1
        flop = sampling.images * (sampling.steps * guided * c.flop["unet"] + c.flop["decode"]) + 2 * c.flop["text"]
        rows = guided * min(sampling.batch_size, sampling.images)
        peak = max(rows * m["unet"], min(sampling.images, self.at_once) * m["decode"])
        return self._work(flop, sampling.images * (self.png + A_FILE), peak)

    def _train(self, recipe: Mapping[str, Any], images: int, *, sequential: bool) -> Work:
        c, m, options = self.counts, self._memory(), recipe["options"]
        own = self.footprint(recipe["method"], options)
        a_step = own.rows * c.flop[self.training] + own.prompts * c.flop["text_train"] + own.encoded * c.flop["encode"]
        flop = int(options["steps"]) * (a_step + own.flop) + own.remembered * c.flop[self.training]
        flop += own.remembered_prompts * c.flop["text"] + own.remembered_flop
        flop += (images + own.prior) * c.flop["encode"]
        disk = FLOAT * own.entries if own.adapted or sequential else 0
        disk += own.memory + FLOAT * c.token_dim + TRAINING
        latents = 2 * FLOAT * (images + own.prior) * c.latent[0] * c.latent[1] * c.latent[2]
        passes = own.held + own.rows * m[self.training] + own.prompts * m["text_train"]
        encoding = min(max(own.encoded, images, own.prior), self.at_once) * m["encode"]
        peak = own.standing + 3 * FLOAT * own.trained + latents + max(passes, own.step, own.held + encoding)
        return self._work(flop, disk, peak)


class PlanCosts:
    """The same for the steps of one plan."""

    def __init__(self, plan: Plan) -> None:
        s = plan.context
        shapes = blueprint(s.backbone_name, folder=Path(s.backbone))
        width = "float32" if s.dtype == "float32" else "half"
        counts = counts_of(shapes, s.backbone_name, width)
        self._plan, self._costs = (
            plan,
            Costs(counts, extractor_counts(s.extractor), s.dtype, gradient_checkpointing=s.gradient_checkpointing),
        )

    def flop(self, step: Step) -> float:
        """See `StepCounts.flop`."""
        return self._costs.of(step, self._plan).flop

    def megabytes(self, step: Step) -> float:
        """See `StepCounts.megabytes`."""
        return self._costs.of(step, self._plan).disk / 1e6

    def flop_of(self, kind: str, recipe: Mapping[str, Any]) -> float:
        """See `StepCounts.flop_of`."""
        return self._costs.work(kind, recipe, sequential=True).flop


def _drawn(recipe: Mapping[str, Any]) -> int:
    return int(recipe["sampling"]["images"])
