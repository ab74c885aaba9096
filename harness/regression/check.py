"""The regression check: a run's figures against a baseline's, each with its tolerance and its direction."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from platform import machine, python_version, system
from typing import Any, Literal

from harness import registry
from harness.api import Prepared
from harness.errors import BenchError, ExitCode
from harness.formats.figure_text import counted
from harness.regression.baseline import Baseline, Conditions, Figure, Origin, Values, floor
from harness.results import CellResult
from harness.store.store import key_of

Verdict = Literal["regression", "changed", "missing", "improved", "within", "equal"]
SEVERITY: tuple[Verdict, ...] = ("regression", "changed", "missing", "improved", "within", "equal")
FAILING: frozenset[Verdict] = frozenset(("regression", "changed"))
LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "numpy")


@dataclass(frozen=True)
class Judged:
    """One figure of the baseline, what it is now, and what that means.

    `now`: in the order of the seeds, None where a cell did not finish or the figure is not measured any more. `mean`
    and `difference` (now less baseline) are over all seeds, None if any is missing.
    """

    figure: Figure
    now: tuple[float | None, ...]
    verdict: Verdict
    mean: float | None = None
    difference: float | None = None
    better: int = 0  # 1: higher is better, -1: lower; 0: any move counts

    @property
    def ratio(self) -> float:
        """The difference in tolerances."""
        return math.inf if self.difference is None else abs(self.difference) / self.figure.tolerance

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        f = self.figure
        was = f"{f.name} was {f.mean:.6g} ± {f.sd:.3g}"
        if self.verdict == "missing":
            return f"{was}, and there is none now: a cell did not finish."
        if self.mean is None or self.difference is None:
            return f"{was}, and is not measured any more."
        if not math.isfinite(self.mean):
            return f"{was}, and is not a number now."
        way = "higher" if self.better > 0 else "lower"
        what = {
            "regression": f"worse by more than the tolerance of {f.tolerance:.3g} ({way} is better)",
            "changed": f"more than the tolerance of {f.tolerance:.3g}",
            "improved": f"better by more than the tolerance of {f.tolerance:.3g} ({way} is better)",
            "within": f"within the tolerance of {f.tolerance:.3g}",
            "equal": "equal seed by seed",
        }[self.verdict]
        return f"{was} and is {self.mean:.6g} now, {self.difference:+.3g}: {what}."

    def record(self) -> dict[str, Any]:
        """Flat, and strict JSON: what is no number is None."""
        finite = {"now": self.mean, "difference": self.difference}
        return {
            "method": self.figure.method, "metric": self.figure.metric, "unit": self.figure.unit,
            "verdict": self.verdict, "baseline": self.figure.mean, "sd": self.figure.sd,
            **{name: value if value is not None and math.isfinite(value) else None for name, value in finite.items()},
            "tolerance": self.figure.tolerance, "rule": self.figure.rule, "baseline_values": list(self.figure.values),
            "now_values": [value if value is not None and math.isfinite(value) else None for value in self.now],
            "sentence": self.sentence,
        }  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """Every figure judged, worst first, and the figures that the baseline does not have."""

    judged: tuple[Judged, ...]
    new: tuple[str, ...] = ()

    def count(self, *verdicts: Verdict) -> int:
        """How many figures have one of these verdicts."""
        return sum(judged.verdict in verdicts for judged in self.judged)

    def fails(self, judged: Judged, *, strict: bool) -> bool:
        """Whether a figure fails the check by itself."""
        return judged.verdict in FAILING or (strict and judged.verdict == "improved")

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """A check of unfinished cells is none; else any figure that fails is a regression."""
        if self.count("missing"):
            return ExitCode.CELLS_FAILED
        failing = any(self.fails(judged, strict=strict) for judged in self.judged)
        return ExitCode.REGRESSION if failing else ExitCode.DONE

    def summary(self) -> str:
        """'18 figures: 1 regression, 15 within tolerance, 2 equal.'"""
        words = {
            "regression": "regression", "changed": "changed", "missing": "missing", "improved": "improved",
            "within": "within tolerance", "equal": "equal",
        }  # fmt: skip
        parts = [f"{count} {words[verdict]}" for verdict in SEVERITY if (count := self.count(verdict))]
        return f"{counted(len(self.judged), 'figure')}: {', '.join(parts)}."


def verify(baseline: Baseline, now: Values, finished: frozenset[tuple[str, int]]) -> Verification:
    """Judge every figure of the baseline.

    Args:
        now: from `figures_of`. finished: (method, seed) of the cells that were finished.
    """
    seeds = baseline.subset.seeds
    judged = [
        _judge(
            figure,
            tuple(now.get((figure.method, figure.metric), {}).get(seed) for seed in seeds),
            all((figure.method, seed) in finished for seed in seeds),
            baseline.better(figure.metric),
        )
        for figure in baseline.figures
    ]
    known = {(figure.method, figure.metric) for figure in baseline.figures}
    return _ordered(judged, [key for key in now if key not in known])


def _ordered(judged: Sequence[Judged], new: Iterable[tuple[str, str]]) -> Verification:
    worst_first = sorted(judged, key=lambda j: (SEVERITY.index(j.verdict), -j.ratio))
    return Verification(tuple(worst_first), tuple(f"{method} {metric}" for method, metric in new))


def moved(old: Baseline, new: Baseline) -> Verification:
    """What a new baseline's figures are beside the old one's, whatever their seeds; of figures that both have."""
    values = {(figure.method, figure.metric): figure.values for figure in new.figures}
    judged = [
        _judge(figure, values.pop((figure.method, figure.metric)), True, old.better(figure.metric))
        for figure in old.figures
        if (figure.method, figure.metric) in values
    ]
    return _ordered(judged, values)


def finished_cells(cells: Sequence[CellResult]) -> frozenset[tuple[str, int]]:
    """(method, seed) of each."""
    return frozenset((cell.method, cell.seed) for cell in cells)


def _judge(figure: Figure, now: Sequence[float | None], finished: bool, better: int) -> Judged:
    now = tuple(now)
    if not finished:
        return Judged(figure, now, "missing")
    values = [value for value in now if value is not None]
    if len(values) < len(now):
        return Judged(figure, now, "changed")
    if not all(map(math.isfinite, values)):
        return Judged(figure, now, "regression" if better else "changed", math.nan, math.inf, better)
    mean = statistics.fmean(values)
    difference = mean - figure.mean
    pairs = zip(values, figure.values, strict=False)
    same = len(values) == len(figure.values) and all(abs(one - other) <= floor(other) for one, other in pairs)
    verdict: Verdict
    if abs(difference) <= figure.tolerance:
        verdict = "equal" if same else "within"
    elif not better:
        verdict = "changed"
    else:
        verdict = "improved" if difference * better > 0 else "regression"
    return Judged(figure, now, verdict, mean, difference, better)


def conditions_of(prepared: Prepared) -> Conditions:
    """What a prepared run will be measured under."""
    context, plan = prepared.plan.context, prepared.plan
    tasks = [
        [
            task.name,
            task.category,
            plan.concept(task),
            *([] if task.reference is None else [plan.fingerprint(task.reference)]),
        ]
        for task in plan.cells[0].tasks
    ]
    return Conditions(
        backbone=context.backbone_name, backbone_hash=context.backbone_hash, extractor_hash=context.extractor_hash,
        tasks=key_of({"tasks": tasks}), resolution=getattr(context.protocol, "resolution", context.tier.resolution),
        device=context.device_type,
        dtype=context.dtype, sampling=context.protocol.model_dump(mode="json"),
        options={cell.method: cell.options.model_dump(mode="json") for cell in plan.cells},
    )  # fmt: skip


def origin_of(prepared: Prepared) -> Origin:
    """By which sources and libraries a run is made, on what platform."""
    setting = prepared.plan.setting
    sources, methods = {"metrics": setting.metrics_hash}, registry.methods(setting.name)
    for method in prepared.spec.methods:
        plugin = methods.get(method.name)
        learner = [methods.get(plugin.base_method)] if plugin.base_method else []
        sources[method.name] = key_of({"sources": [found.source_hash() for found in (plugin, *learner)]})
    return Origin(
        sources=sources, versions={"python": python_version(), **{name: version(name) for name in LIBRARIES}},
        platform=f"{system()} {machine()}",
    )  # fmt: skip


def differences(old: Conditions, new: Conditions) -> list[str]:
    """What makes figures under the two not comparable, in words; empty where they are."""
    found: list[str] = []
    for name, text in (("extractor_hash", "extractor"), ("tasks", "tasks or their images")):
        if getattr(old, name) != getattr(new, name):
            found.append(f"the {text} (SHA-256 {getattr(old, name)[:12]} there, {getattr(new, name)[:12]} here)")
    if old.backbone_hash != new.backbone_hash:
        both = [f"'{side.backbone}', SHA-256 {side.backbone_hash[:12]}" for side in (old, new)]
        found.insert(0, f"the backbone ({both[0]} there, {both[1]} here)")
    plain = ({name: getattr(side, name) for name in ("resolution", "device", "dtype")} for side in (old, new))
    found += _changes("", *plain)
    found += _changes("sampling.", old.sampling, new.sampling)
    for method in dict.fromkeys((*old.options, *new.options)):
        if method not in old.options or method not in new.options:
            found.append(f"the methods ({method} is in one of both only)")
        else:
            found += _changes(f"option {method}.", old.options[method], new.options[method])
    return found


def protocol_differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The same for the metrics' protocols, which finished cells tell."""
    return _changes("the metrics' protocol, ", old, new)


def origin_changes(old: Origin, new: Origin) -> list[str]:
    """What else is not as it was: sources, versions and platform."""
    sources = [n for n in dict.fromkeys((*old.sources, *new.sources)) if old.sources.get(n) != new.sources.get(n)]
    found = [f"the source of {', '.join(sources)}"] if sources else []
    found += _changes("", old.versions, new.versions)
    return found + ([f"platform ({old.platform} there, {new.platform} here)"] if old.platform != new.platform else [])


def _changes(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    def said(side: Mapping[str, Any], name: str) -> str:
        return str(side[name]) if name in side else "none"

    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name, ...) != new.get(name, ...)]
    return [f"{prefix}{name} ({said(old, name)} there, {said(new, name)} here)" for name in names]


def self_test(baseline: Baseline) -> int:
    """Perturb the baseline's own figures, one at a time, and see that each is noticed, and that less is not.

    Returns:
        The number of figures.

    Raises:
        BenchError: the check would have missed one, or raised a false alarm.
    """
    cells = frozenset((method, seed) for method in baseline.subset.methods for seed in baseline.subset.seeds)
    for figure in baseline.figures:
        worse = -1 if baseline.better(figure.metric) > 0 else 1
        for share in (1.01, 0.99):  # of the tolerance, in the bad direction
            shift = share * figure.tolerance * worse
            values = {seed: value + shift for seed, value in baseline.values[figure.method, figure.metric].items()}
            found = verify(baseline, {**baseline.values, (figure.method, figure.metric): values}, cells)
            expected = ExitCode.REGRESSION if share > 1 else ExitCode.DONE
            named = [judged.figure.name for judged in found.judged if judged.verdict in FAILING]
            if found.exit_code() != expected or named != [figure.name] * (share > 1):
                what = "was not reported" if share > 1 else "was reported, though within its tolerance"
                raise BenchError(f"Self-test failed: {figure.name}, worse by {shift:.6g}, {what}; trust no verdict.")
    return len(baseline.figures)
