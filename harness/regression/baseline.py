"""The baseline of `stamina-bench verify`: what to run, under which conditions it was measured, and every figure.

A JSON file to be committed and read by people: keys in a fixed order, one figure a line, written in one step. Each
figure carries how far it may move before that counts: see `tolerance`.
"""

from __future__ import annotations

import json
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator
from scipy.special import stdtrit

from harness import registry
from harness.errors import BenchError, UsageError, first_line
from harness.results import CellResult, Measure, Metric, measures_of
from harness.settings.base import Setting
from harness.spec import FIRST_SETTING, Frozen, SettingName
from harness.store.migrations import refuse_newer
from harness.store.store import write_atomically

SCHEMA_VERSION = 1
LEVEL = 0.99  # of the bound on each side: one figure in a hundred crosses it, either way, if only the draws are new
FLOOR = 1e-6  # of the mean, or absolute for means below 1: what counts as equal
ONE_SEED = (
    "A baseline needs at least two seeds, better three (--seeds 0,1,2): tolerances come from the spread over seeds, "
    "and one seed has none."
)
RULES: Mapping[str, str] = {
    "spread": f"tolerance = t({LEVEL}, n - 1) * sd * sqrt(2 / n): by how much the means of two independent runs of n "
    "seeds differ at most, in each direction with that probability; sd: sample standard deviation of the n seeds here",
    "floor": f"tolerance = {FLOOR:g} * max(1, |mean|): equal, where the spread is less than that",
    "exact": f"tolerance = {FLOOR:g} * max(1, |mean|): equal, as it is no matter of chance",
}
DIGITS = 6  # significant, of spreads and tolerances; values and means are kept as they are

Values = Mapping[tuple[str, Metric], Mapping[int, float]]  # (method, metric) -> seed -> figure of the whole cell


class Subset(Frozen):
    """What is run. `limit`: the first so many tasks, None for all; `methods`: name -> options changed."""

    benchmark: str = "mixed50"
    tier: str = "mini"
    limit: int | None = Field(2, ge=1)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    methods: Mapping[str, Mapping[str, Any]] = Field({"stamina": {}, "clora": {}, "ti++": {}}, min_length=1)
    sampling: Mapping[str, Any] = Field({}, description="what is changed of the protocol")
    backbone: str | None = None
    extractor: str | None = None
    setting: SettingName = Field(FIRST_SETTING, exclude_if=lambda name: name == FIRST_SETTING)
    metrics: tuple[str, ...] = Field(
        (), exclude_if=lambda names: not names, description="measures beside the setting's own figures"
    )

    @field_validator("seeds")
    @classmethod
    def _several(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(seeds) < 2 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("seeds must be two or more distinct, non-negative integers")
        return seeds

    @property
    def seed_list(self) -> str:
        """'0,1,2'."""
        return ",".join(map(str, self.seeds))


class Conditions(Frozen):
    """What must be the same for figures to be comparable; hashes are SHA-256. Known before anything is run."""

    backbone: str
    backbone_hash: str
    extractor_hash: str
    tasks: str  # of their names, categories and images
    resolution: int
    device: str
    dtype: str
    sampling: Mapping[str, Any]  # the whole protocol
    options: Mapping[str, Mapping[str, Any]]  # method -> every option


class Origin(Frozen):
    """By what it was measured: said where it changed, as that is what a check is about, and never refused."""

    sources: Mapping[str, str]  # method, or 'metrics' -> hash of its source
    versions: Mapping[str, str]
    platform: str


class Figure(Frozen):
    """One figure of one method: `values` in the order of the seeds, `sd` their sample standard deviation."""

    method: str
    metric: Metric
    unit: str
    mean: float
    sd: float = Field(ge=0)
    tolerance: float = Field(gt=0)
    rule: str
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """'stamina a_mmd'."""
        return f"{self.method} {self.metric}"


class Baseline(Frozen):
    """The whole file."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    schema_version: int = Field(SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    subset: Subset
    conditions: Conditions
    protocol: Mapping[str, str]  # how the metrics were measured, as the cells say it
    origin: Origin
    labels: Mapping[str, str]  # method -> as tables print it, with its changed options
    measures: tuple[Measure, ...] = Field(
        (), exclude_if=lambda found: not found, description="metrics of figures beside the setting's own"
    )
    rules: Mapping[str, str] = RULES
    figures: tuple[Figure, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [figure.name for figure in self.figures]
        setting = registry.setting(self.subset.setting)
        known = {*setting.verified, *setting.states, *(measure.name for measure in self.measures)}
        for figure in self.figures:
            if figure.metric not in known:
                raise ValueError(f"{figure.name} is no figure that the setting {setting.name} has judged")
            if figure.method not in self.subset.methods or names.count(figure.name) > 1:
                raise ValueError(f"{figure.name} is there twice, or of a method that is not run")
            if len(figure.values) != len(self.subset.seeds):
                raise ValueError(f"{figure.name} has {len(figure.values)} values for {len(self.subset.seeds)} seeds")
            mean, sd = statistics.fmean(figure.values), statistics.stdev(figure.values)
            if not (_near(mean, figure.mean) and math.isclose(sd, figure.sd, rel_tol=1e-4, abs_tol=floor(mean))):
                raise ValueError(f"mean and sd of {figure.name} are not those of its values")
        return self

    def better(self, metric: Metric) -> int:
        """1: higher is better, -1: lower; 0: any move counts."""
        setting = registry.setting(self.subset.setting)
        higher = {measure.name: measure.higher for measure in self.measures}
        if metric not in higher and metric not in setting.verified:
            return 0
        return 1 if higher.get(metric, setting.higher(metric)) else -1

    @property
    def values(self) -> Values:
        """Its figures by seed, as a run's."""
        return {(f.method, f.metric): dict(zip(self.subset.seeds, f.values, strict=True)) for f in self.figures}

    def to_json(self) -> str:
        """The file's text: the same baseline always gives the same bytes."""
        whole = self.model_dump(mode="json")
        figures = ",\n".join(f"  {json.dumps(figure, ensure_ascii=False)}" for figure in whole.pop("figures"))
        for part in ("conditions", "protocol", "origin", "labels"):
            whole[part] = _sorted(whole[part])
        head = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
        return f'{head},\n "figures": [\n{figures}\n ]\n}}\n'

    def write(self, path: Path) -> None:
        """Write the file in one step.

        Raises:
            UsageError: it cannot be written.
        """
        try:
            write_atomically(path, self.to_json())
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({(error.strerror or str(error)).lower()}).") from None


def floor(mean: float) -> float:
    """The difference up to which figures of that mean are equal."""
    return FLOOR * max(1.0, abs(mean))


def tolerance(values: Sequence[float], *, exact: bool = False) -> tuple[float, str]:
    """How far the mean of as many seeds may move, and the name of the rule in `RULES`.

    With sd s of n seeds here, the means of this and of another independent run of n seeds differ by
    s * sqrt(2 / n) * T, where T has Student's t distribution with n - 1 degrees of freedom.

    Args:
        exact: whether it is a count, which no seed moves.
    """
    n, least = len(values), floor(statistics.fmean(values))
    if exact:
        return _rounded(least), "exact"
    reach = float(stdtrit(n - 1, LEVEL)) * statistics.stdev(values) * math.sqrt(2 / n)
    return (_rounded(reach), "spread") if reach > least else (_rounded(least), "floor")


def first_seeds(whole: Baseline, seeds: Sequence[int]) -> Baseline:
    """A baseline of its first seeds alone, for a check in less time: the spread stays that of all seeds.

    With sd s of all n seeds, the means of two runs of m seeds differ by s * sqrt(2 / m) * T with the same T as in
    `tolerance`: what is 'spread' there becomes wider by sqrt(n / m), and all else stays.

    Raises:
        UsageError: these are not its first ones.
    """
    n, m = len(whole.subset.seeds), len(seeds)
    if not 2 <= m <= n or tuple(seeds) != whole.subset.seeds[:m]:
        raise UsageError(
            f"--seeds {','.join(map(str, seeds))}: a check runs the baseline's seeds, {whole.subset.seed_list}, or the "
            "first two or more of them; leave the option out for all, or renew the baseline with --update."
        )
    figures = tuple(
        figure.model_copy(
            update={
                "values": figure.values[:m],
                "mean": statistics.fmean(figure.values[:m]),
                "tolerance": _rounded(figure.tolerance * (math.sqrt(n / m) if figure.rule == "spread" else 1)),
            }
        )
        for figure in whole.figures
    )
    subset = whole.subset.model_copy(update={"seeds": tuple(seeds)})
    return whole.model_copy(update={"subset": subset, "figures": figures})


def figures_of(cells: Sequence[CellResult], setting: Setting) -> Values:
    """The figures of whole cells that a check looks at."""
    wanted = {*setting.verified, *setting.states, *(measure.name for measure in measures_of(cells))}
    found: dict[tuple[str, Metric], dict[int, float]] = {}
    for cell in cells:
        for row in cell.rows:
            if row.metric in wanted and row.task is None and not row.detail:
                found.setdefault((cell.method, row.metric), {})[cell.seed] = row.value
    return found


def protocol_of(cells: Sequence[CellResult]) -> Mapping[str, str]:
    """How the cells' metrics were measured; where they differ, all ways."""
    names = dict.fromkeys(name for cell in cells for name in cell.protocol)
    return {
        name: " or ".join(dict.fromkeys(cell.protocol.get(name, "not recorded") for cell in cells)) for name in names
    }


def make_baseline(
    subset: Subset, conditions: Conditions, origin: Origin, cells: Sequence[CellResult], setting: Setting
) -> Baseline:
    """The baseline of a run's finished cells: all of the subset's.

    Raises:
        BenchError: a figure is missing for a seed, or no number.
    """
    units = {(cell.method, row.metric): row.unit for cell in cells for row in cell.rows}
    measures = measures_of(cells)
    values, order = figures_of(cells, setting), (*setting.verified, *setting.states, *(m.name for m in measures))
    figures: list[Figure] = []
    for method, metric in sorted(values, key=lambda k: (list(subset.methods).index(k[0]), order.index(k[1]))):
        by_seed = values[method, metric]
        for seed in subset.seeds:
            if not math.isfinite(by_seed.get(seed, math.nan)):
                came = f"came out as {by_seed[seed]}" if seed in by_seed else "is missing"
                raise BenchError(f"{method} {metric} {came} at seed {seed}; no baseline can be made of that.")
        found = tuple(by_seed[seed] for seed in subset.seeds)
        reach, rule = tolerance(found, exact=metric in setting.exact)
        figures.append(
            Figure(
                method=method, metric=metric, unit=units[method, metric], mean=statistics.fmean(found),
                sd=_rounded(statistics.stdev(found)), tolerance=reach, rule=rule, values=found,
            )
        )  # fmt: skip
    if not figures:
        raise BenchError("The run gave no figures; no baseline can be made of that.")
    return Baseline(
        subset=subset, conditions=conditions, protocol=protocol_of(cells), origin=origin,
        labels={cell.method: cell.label for cell in cells}, figures=tuple(figures),
        measures=measures,
    )  # fmt: skip


def read_baseline(path: Path) -> Baseline:
    """A baseline file.

    Raises:
        UsageError: there is none, or it is damaged, of a newer version, or something else.
    """
    again = f"make it with `{shlex.join(['stamina-bench', 'verify', '--update', '--against', str(path)])}`"
    restore = "take it from version control again, or delete it and " + again
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no baseline {path}; {again}.") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read ({reason}); name a baseline's file with --against.") from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({first_line(error)}); {restore}.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if type(version) is not int or version < 1:
        raise UsageError(f"{path} is not a baseline of `verify`, which says its schema_version; name another file.")
    refuse_newer(path, version, SCHEMA_VERSION)
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path} is damaged ({place + ': ' if place else ''}{reason}); {restore}.") from None


def _near(first: float, second: float) -> bool:
    return abs(first - second) <= floor(first)


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _sorted(value: Any) -> Any:
    return {key: _sorted(value[key]) for key in sorted(value)} if isinstance(value, dict) else value
