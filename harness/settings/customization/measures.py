"""The step in which a metric that a run was asked for looks at the images of a cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness import registry
from harness.backbones.extractor import loaded_extractor
from harness.engine.plan import RunContext, Step
from harness.errors import UsageError
from harness.metric import BaseImages, ImageSet, TaskImages
from harness.metrics.measured import base_figure, edit_figures, measured_figures, part_figures
from harness.plugins.metric_checks import card_of
from harness.plugins.metric_hooks import base_values, part_values, task_values, values_of
from harness.plugins.metric_state import MetricState, cosine_notes, pair_notes
from harness.prompts import class_prompt, edited_prompt
from harness.settings.shared_steps import Facts, write_json
from harness.store.artifacts import FIGURES
from harness.store.image_sets import load_images
from harness.store.store import Store


def run_measure(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """What one metric says of X_{N,j} and X_{j,j}, and of what was lost in between; or of prompts without a token.

    Raises:
        UsageError: the metric's source changed since the run was planned.
        PluginError: it gives something else than figures.
    """
    w = step.work
    plugin = registry.metric(w["metric"])
    if plugin.source_hash() != step.recipe["source"]:
        what = "source or the weights" if plugin.weights_needed else "source"
        raise UsageError(f"The {what} of metric '{w['metric']}' changed during the run; run the same command again.")

    def images_of(keys: tuple[str, str]) -> ImageSet:
        def read_images() -> NDArray[np.uint8]:
            return load_images(store.open(keys[0]).folder / "images")

        def read_features() -> NDArray[np.float32]:
            found: NDArray[np.float32] = load_file(str(store.open(keys[1]).file("features.safetensors")))["images"]
            return found

        return ImageSet(read_images, read_features)

    def shown(after: int, j: int) -> TaskImages:
        return drawn(j, w["prompts"][j - 1], class_prompt(w["tasks"][j - 1][2]), w["images"][after, j])

    def edited(j: int, edit: int) -> TaskImages:
        words, *keys = w["edits"][j - 1][edit]
        wording = edited_prompt(class_prompt(w["tasks"][j - 1][2]), words)
        return drawn(j, edited_prompt(w["prompts"][j - 1], words), wording, (keys[0], keys[1]))

    def drawn(j: int, prompt: str, wording: str, keys: tuple[str, str]) -> TaskImages:
        real, generated = images_of(w["real"][j - 1]), images_of(keys)
        index, name, category = w["tasks"][j - 1]
        return TaskImages(
            index, name, category, prompt, real, generated, wording, partial(text_features, wording),
            truth=w["truth"][j - 1].truth() if w["truth"][j - 1] is not None else {}, extractor=context.extractor_hash,
        )  # fmt: skip

    @cache
    def text_features(wording: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = loaded_extractor(context.extractor, device).text_features([wording])[0]
        return found

    def base(place: int) -> BaseImages:
        prompt, before, after = w["base"][place]
        return BaseImages(prompt, images_of(before), images_of(after))

    def each(after: Callable[[int], int]) -> list[Callable[[], TaskImages]]:
        return [partial(shown, after(j), j) for j, _ in enumerate(w["tasks"], 1)]

    metric = plugin()
    metric.device = device
    state, notes = MetricState(metric), list[str]()
    if w["base"]:
        values = base_values(metric, [partial(base, place) for place in range(len(w["base"]))])
        figures = [base_figure(metric.name, metric.unit, values)]
    elif w["edits"]:
        edits = [[partial(edited, j, k) for k in range(len(own))] for j, own in enumerate(w["edits"], 1)]
        figures = edit_figures(metric.name, metric.unit, [task_values(metric, own) for own in edits])
    else:
        last = len(w["tasks"])
        learned, final = (values_of(metric, state.seen(each(after))) for after in (lambda j: j, lambda j: last))
        notes = state.notes()
        if isinstance(learned, list):
            notes += pair_notes(metric, partial(shown, 1, 1), learned[0]) + cosine_notes(metric, learned)
        parts = [part_values(metric, each(after)) for after in (lambda j: j, lambda j: last)]
        figures = [
            *measured_figures(metric.name, metric.unit, higher=metric.higher, learned=learned, final=final),
            *part_figures(metric.name, metric.unit, higher=metric.higher, learned=parts[0], final=parts[1]),
        ]
    write_json(folder / FIGURES, {"metric": card_of(plugin), "figures": [figure.__dict__ for figure in figures]})
    return {"notes": notes} if notes else {}
