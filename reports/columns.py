"""The columns of a results table: which metric, in which unit, under which heading."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import BenchError
from harness.results import Metric

# (unit of the row, unit of the column) -> factor
FACTORS = {("1", "1e-3"): 1000.0, ("1e-3", "1"): 0.001, ("fraction", "%"): 100.0, ("%", "fraction"): 0.01}

DOWN = "↓"


@dataclass(frozen=True)
class Column:
    """One column.

    `unit` is that of the printed value, `interval` says whether its 95 % interval is printed, `compact` whether the
    narrow text table has it. Lower is better in all of `COLUMNS`.
    """

    metric: Metric
    unit: str
    title: str
    short: str
    latex: tuple[str, str]  # two lines of heading
    digits: int = 2
    interval: bool = False
    compact: bool = True

    @property
    def heading(self) -> str:
        """The title with the arrow that says which way is better."""
        return f"{self.title} {DOWN}"


COLUMNS = (
    Column("n_param", "%", "N_param Train (%)", "N_param %", (r"$N_\mathrm{param}$", r"Train (\%)")),
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
)  # fmt: skip

# Figures that no results table prints, and that the CSV file and the LaTeX macros have beside the columns.
MORE = (
    Column("f_kid", "1e-3", "F_KID (x10^3)", "F_KID", (r"$F_\mathrm{KID}$", r"($\times 10^3$)")),
    Column(
        "learned_mmd", "1e-3", "A_mmd just learned (x10^3)", "learned",
        (r"$A_\mathrm{mmd}$", r"just learned ($\times 10^3$)"),
    ),
    Column("plasticity_distance", "1", "plasticity distance", "distance", ("plasticity", "distance")),
    Column("residual_norm", "1", "residual norm", "residual", ("residual", "norm"), digits=3),
    Column("mask_density", "fraction", "mask density", "density", ("mask", "density"), digits=3),
    Column("interference", "fraction", "interference", "interf.", ("interference", ""), digits=3),
    Column("overlap", "1", "overlap", "overlap", ("overlap", ""), digits=3),
    Column("change_density", "fraction", "change density", "changed", ("change", "density"), digits=3),
)  # fmt: skip
FIGURES = (*COLUMNS, *MORE)


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
