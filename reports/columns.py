"""The columns of a results table by setting: which metric, in which unit, under which heading, which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import BenchError
from harness.figure_text import DIGITS
from harness.results import Metric
from harness.spec import SettingName

# (unit of the row, unit of the column) -> factor
FACTORS = {("1", "1e-3"): 1000.0, ("1e-3", "1"): 0.001, ("fraction", "%"): 100.0, ("%", "fraction"): 0.01}

DOWN, UP = "↓", "↑"


@dataclass(frozen=True)
class Column:
    """One column.

    `unit` is that of the printed value, `interval` says whether its 95 % interval is printed, `compact` whether the
    narrow text table has it, `higher` whether higher is better.
    """

    metric: Metric
    unit: str
    title: str
    short: str
    latex: tuple[str, str]  # two lines of heading
    digits: int = DIGITS
    interval: bool = False
    compact: bool = True
    higher: bool = False

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return UP if self.higher else DOWN

    @property
    def heading(self) -> str:
        """The title with the arrow that says which way is better."""
        return f"{self.title} {self.arrow}"


_SHARE = Column("n_param", "%", "N_param Train (%)", "N_param %", (r"$N_\mathrm{param}$", r"Train (\%)"))

COLUMNS: Mapping[SettingName, tuple[Column, ...]] = {
    "customization": (
        _SHARE,
        Column("a_mmd", "1e-3", "A_mmd (x10^3)", "A_mmd", (r"$A_\mathrm{mmd}$", r"($\times 10^3$)")),
        Column(
            "a_mmd_unbiased", "1e-3", "A_mmd unbiased (x10^3)", "A_mmd unb.",
            (r"$A_\mathrm{mmd}$", r"unbiased ($\times 10^3$)"), interval=True, compact=False,
        ),
        Column("f_mmd", "1e-3", "F_mmd (x10^3)", "F_mmd", (r"$F_\mathrm{mmd}$", r"($\times 10^3$)")),
        Column(
            "f_mmd_unbiased", "1e-3", "F_mmd unbiased (x10^3)", "F_mmd unb.",
            (r"$F_\mathrm{mmd}$", r"unbiased ($\times 10^3$)"), interval=True, compact=False,
        ),
        Column("kid", "1e-3", "KID (x10^3)", "KID", ("KID", r"($\times 10^3$)")),
        Column("train_seconds", "s", "train s/task", "s/task", ("train", "s/task"), digits=1),
    ),
    "classification": (
        _SHARE,
        Column("a_n", "%", "A_N (%)", "A_N %", ("$A_N$", r"(\%)"), interval=True, higher=True),
        Column(
            "a_n_mean", "%", "mean of A_1..A_N (%)", "mean A_n %", ("mean of", r"$A_1,\ldots,A_N$ (\%)"), higher=True,
        ),
        Column("forgetting_max", "%", "forgetting max (%)", "F max %", ("forgetting", r"max (\%)")),
        Column("forgetting_step", "%", "forgetting step (%)", "F step %", ("forgetting", r"step (\%)")),
        Column(
            "learned_accuracy", "%", "learned accuracy (%)", "learned %", ("learned", r"accuracy (\%)"),
            compact=False, higher=True,
        ),
        Column("train_seconds", "s", "train s/task", "s/task", ("train", "s/task"), digits=1, compact=False),
    ),
}  # fmt: skip

_OF_WEIGHTS = (
    Column("plasticity_distance", "1", "plasticity distance", "distance", ("plasticity", "distance")),
    Column("residual_norm", "1", "residual norm", "residual", ("residual", "norm"), digits=3),
    Column("mask_density", "fraction", "mask density", "density", ("mask", "density"), digits=3),
    Column("interference", "fraction", "interference", "interf.", ("interference", ""), digits=3),
    Column("overlap", "1", "overlap", "overlap", ("overlap", ""), digits=3),
    Column("change_density", "fraction", "change density", "changed", ("change", "density"), digits=3),
)

# Figures that no results table prints, and that the CSV file and the LaTeX macros have beside the columns.
MORE: Mapping[SettingName, tuple[Column, ...]] = {
    "customization": (
        Column("f_kid", "1e-3", "F_KID (x10^3)", "F_KID", (r"$F_\mathrm{KID}$", r"($\times 10^3$)")),
        Column(
            "learned_mmd", "1e-3", "A_mmd just learned (x10^3)", "learned",
            (r"$A_\mathrm{mmd}$", r"just learned ($\times 10^3$)"),
        ),
        *_OF_WEIGHTS,
    ),
    "classification": _OF_WEIGHTS,
}  # fmt: skip
FIGURES: Mapping[SettingName, tuple[Column, ...]] = {
    setting: (*columns, *MORE[setting]) for setting, columns in COLUMNS.items()
}
HIGHER: frozenset[Metric] = frozenset(c.metric for columns in FIGURES.values() for c in columns if c.higher)

# A metric that both settings print stands in the same unit in both.
UNITS: Mapping[Metric, str] = {c.metric: c.unit for columns in FIGURES.values() for c in columns}


def every(tables: Mapping[SettingName, tuple[Column, ...]]) -> tuple[Column, ...]:
    """The columns of all settings, of each metric one."""
    return tuple({column.metric: column for columns in tables.values() for column in columns}.values())


def convert(value: float, unit: str, target: str) -> float:
    """The value in another unit.

    Raises:
        BenchError: the units measure different things.
    """
    if unit == target:
        return value
    if (unit, target) not in FACTORS:
        raise BenchError(f"A row in unit '{unit}' cannot be printed in '{target}'; run that cell again to renew it.")
    return value * FACTORS[unit, target]


def printed(value: float, unit: str, metric: Metric) -> float:
    """The value in the unit of the metric's column; as it is where no table has one.

    A_n is printed in classification only; what customization has of it, MMD scores of single tasks, stays as it is.

    Raises:
        BenchError: the units measure different things.
    """
    return value if metric == "a_n" and unit != "%" else convert(value, unit, UNITS.get(metric, unit))
