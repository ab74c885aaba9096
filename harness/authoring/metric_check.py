"""What `stamina-bench check` finds in a metric: what it says of images of which one knows what it should say.

Nothing is drawn by a model. In the place of the generated images a metric is shown the real images themselves, other
images of the same concept, another concept's, and noise; and the same once more under other names, in another order.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import Field

from harness import api, registry
from harness.authoring.findings import Finding, Looked, Told
from harness.authoring.known_images import ANOTHER, NOISE, OTHERS, THEMSELVES, Changes, KnownImages
from harness.authoring.metric_probes import probe_notes
from harness.errors import BenchError, UncountedSourceWarning, UsageError
from harness.front.metric_names import MetricLike, wanted_metrics
from harness.metric import Metric
from harness.metrics.measured import Value
from harness.overrides import method_specs
from harness.plugins.errors import explained
from harness.plugins.metric_checks import card_of
from harness.plugins.metric_state import NEAR, cosine_notes
from harness.plugins.metric_weights import split
from harness.sources.home import is_built_in, is_ours
from harness.sources.method_source import method_source
from harness.sources.named_file import module_of, names_file
from harness.spec import RunSpec

Part = Literal["text", "figures", "again", "order", "likeness"]
Said = dict[str, list[Value]]  # what was shown as generated -> of each task


class CheckedMetric(Looked):
    """What was found in a metric, and what it says.

    Attributes:
        metric: As it was named. card: what tables print of it.
        said: What was shown as generated -> the metric's figure of each task, or its only one.
        ignores_real: Whether it says the same whatever the real images are.
        seconds: Of one task's figure, with its interval.
    """

    metric: str
    tier: str
    benchmark: str
    card: Mapping[str, object] = Field(default={})
    said: Mapping[str, tuple[float, ...]] = Field(default={})
    ignores_real: bool = False
    seconds: float = 0.0


def check_metric(
    metric: MetricLike, *, tier: str = "mini", benchmark: str | None = None, device: str = "auto",
    offline: bool = True, tell: Told = lambda text: None,
) -> CheckedMetric:  # fmt: skip
    """Look at a metric of your own: what it says of images of which the right answer is known.

    Args:
        metric: 'FILE.py:Class', a registered name, one of these with '=FOLDER' of its weights, or a class.
        tier: whose feature extractor to take. benchmark: whose first tasks are shown; default a small one.
        device: 'auto', 'cpu' or 'cuda:0'. offline: whether nothing is downloaded.
        tell: is told what is being done, in sentences.

    Raises:
        UsageError: what is named cannot be used as a metric.
        BenchError: no work can begin on this machine.

    Example:
        >>> found = sb.check_metric("my_metric.py:MeanColour")
        >>> found.said["noise"]
    """
    names = wanted_metrics(metric)
    if len(names) != 1:
        raise UsageError(f"One metric can be checked at a time, not {' and '.join(names)}.")
    of = registry.setting("customization")
    spec = RunSpec(
        benchmark=benchmark or of.quick_benchmark, methods=method_specs("ti", [], of.name), metrics=names,
        tier=registry.tiers().get(tier).name, device=device, offline=offline, output=Path(),
    )  # fmt: skip
    return _Check(names[0], spec, tell).made()


def is_metric(named: str) -> bool:
    """Whether a name, 'FILE.py:Class' or 'module:Class' stands for a metric; of what cannot be loaded, False."""
    name, _ = split(named)
    if name in registry.metrics().names():
        return True
    module, _, attribute = name.rpartition(":")
    try:
        module = module_of(Path(module)) if names_file(name) else module
        plugin = getattr(import_module(module), attribute)
    except (Exception, SystemExit):  # a plugin's module may raise anything; who loads it next tells
        return False
    return isinstance(plugin, type) and issubclass(plugin, Metric)


class _Check:
    def __init__(self, name: str, spec: RunSpec, tell: Told) -> None:
        self.name, self.spec, self.tell = name, spec, tell
        self.findings: list[Finding] = []
        self.looked_at: list[Part] = []
        self.found = CheckedMetric(metric=name, tier=spec.tier, benchmark=spec.benchmark)

    def made(self) -> CheckedMetric:
        plugin = registry.metric(self.name)
        with TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UncountedSourceWarning)
            prepared = api.prepare(self.spec.model_copy(update={"output": Path(folder)}))
        self.looked_at.append("text")
        own = is_built_in(plugin)
        files = tuple(str(f) for f in method_source(plugin, Metric).files if own or not is_ours(f))
        self.found = self.found.model_copy(update={"files": files, "card": card_of(plugin)})
        for text in dict.fromkeys(str(w.message).partition(": ")[2] for w in said):
            self.say("text", text)
        self.look(KnownImages(plugin, prepared))
        return self.found.model_copy(update={"findings": tuple(self.findings), "looked_at": tuple(self.looked_at)})

    def say(self, part: Part, text: str, *, wrong: bool = False) -> None:
        self.findings.append(Finding(part=part, wrong=wrong, text=text))

    def look(self, shown: KnownImages) -> None:
        """Everything that is done with images; it ends at the first part that the metric cannot do."""
        parts: dict[Part, Callable[[KnownImages, Said], None]] = {
            "figures": self.scale, "again": self.again, "order": self.order, "likeness": self.likeness,
        }  # fmt: skip
        said = Said()
        for part, look in parts.items():
            self.looked_at.append(part)
            try:
                if part == "figures":
                    said = self.figures(shown)
                look(shown, said)
            except Exception as error:
                told = explained(error, shown.plugin.__module__)
                if not isinstance(told, BenchError):
                    raise
                self.say(part, str(told), wrong=True)
                return

    def figures(self, shown: KnownImages) -> Said:
        """What it says of everything that it is shown."""
        began = time.monotonic()
        values = {name: shown.values(name) for name in shown.stand_ins}
        took = time.monotonic() - began
        self.tell(f"{len(values)} times {len(shown.concepts)} tasks took {took:.0f} s.")
        said = {name: tuple(value.value for value in each) for name, each in values.items()}
        seconds = took / len(values) / len(shown.concepts)
        self.found = self.found.model_copy(update={"said": said, "seconds": seconds})
        return values

    def scale(self, shown: KnownImages, said: Said) -> None:
        """Whether its figures can be of the unit that it says."""
        unit, highest = shown.plugin.unit, max(abs(value.value) for each in said.values() for value in each)
        if unit == "fraction" and highest > 1 + NEAR:
            self.say("figures", f"it says that its unit is a fraction, and gives figures up to {highest:.4g}.")
        if unit == "%" and 0 < highest <= 1:
            self.say(
                "figures",
                f"it says that its unit is '%', and no figure is larger than {highest:.4g}: give 100 times as much, or "
                "unit = 'fraction'.",
            )
        for text in cosine_notes(shown.plugin(), [value for each in said.values() for value in each]):
            self.say("figures", f"{text}.")
        for text in probe_notes(shown):
            self.say("figures", text)

    def again(self, shown: KnownImages, said: Said) -> None:
        """The same images under other names, last task first, for a metric made anew."""
        for name in reversed(shown.stand_ins):
            for one, other in _differ(said[name], shown.values(name, Changes(renamed=True)))[:1]:
                self.say(
                    "again",
                    f"of {name} it says {one.value:.6g}, and {other.value:.6g} of the same images when tasks have "
                    "other names and come last one first: let it be a function of the images alone, and keep nothing "
                    "under a task's name or place.",
                    wrong=True,
                )
                return

    def order(self, shown: KnownImages, said: Said) -> None:
        """The same images in another order."""
        for one, other in _differ(said[OTHERS], shown.values(OTHERS, Changes(mixed=True)))[:1]:
            self.say(
                "order",
                f"it says {one.value:.6g} of images, and {other.value:.6g} when the same generated images come in "
                "another order: image k is no neighbour of image k + 1, and real image k is not what generated image k "
                "was made of.",
                wrong=True,
            )

    def likeness(self, shown: KnownImages, said: Said) -> None:
        """Whether the real images themselves are said to be the best likeness of them."""
        plugin, themselves = shown.plugin, said[THEMSELVES]
        if not any(_differ(themselves, each) for each in said.values()):
            self.say(
                "likeness",
                f"it says the same, {themselves[0].value:.4g}, of the real images themselves and of all others, noise "
                "among them.",
            )
            return
        if not shown.of_base:
            ignores = not _differ(said[OTHERS], shown.values(OTHERS, Changes(exchanged=True)))
            self.found = self.found.model_copy(update={"ignores_real": ignores})
            if ignores:
                return
        better = 1 if plugin.higher else -1
        strangers = [name for name in said if name in (ANOTHER, NOISE)]
        lags = [better * (a.value - b.value) < 0 for n in strangers for a, b in zip(themselves, said[n], strict=True)]
        if all(lags):
            self.say(
                "likeness",
                f"it says that {'higher' if plugin.higher else 'lower'} is better (higher = {plugin.higher}), and "
                f"finds {' and '.join(strangers)} better than the real images themselves; is that meant?",
            )
        elif ANOTHER in said and not _differ(themselves, said[ANOTHER]):
            self.say(
                "likeness",
                f"it says the same of the real images themselves and of another concept's ({themselves[0].value:.4g} "
                "of the first task), so that it cannot tell concepts apart: do tasks share a label (task.category, "
                "which several have; task.index is a task's own)?",
            )


def _differ(one: Sequence[Value], other: Sequence[Value]) -> list[tuple[Value, Value]]:
    """Values that are not the same."""
    return [(a, b) for a, b in zip(one, other, strict=True) if _far(a.value, b.value)]


def _far(a: float, b: float) -> bool:
    return abs(a - b) > NEAR * max(abs(a), abs(b), NEAR)
