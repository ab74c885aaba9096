"""The columns of results tables, as settings say them, and the units that values are converted to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from harness import registry
from harness.errors import BenchError
from harness.results import Metric
from harness.settings.presentation import DOWN, UP, Column, Presentation
from harness.spec import SettingName

__all__ = [
    "DOWN", "UP", "Column", "accuracies", "column", "convert", "every", "file_columns", "presentation", "printed",
    "table_columns", "units",
]  # fmt: skip

# (unit of the row, unit of the column) -> factor
FACTORS = {("1", "1e-3"): 1000.0, ("1e-3", "1"): 0.001, ("fraction", "%"): 100.0, ("%", "fraction"): 0.01}


def presentation(setting: SettingName) -> Presentation:
    """How a setting's results are printed.

    Raises:
        UsageError: the setting is a plugin's that is not installed here.
    """
    return registry.setting(setting).presentation


def _each_once(columns: Callable[[Presentation], Iterable[Column]]) -> tuple[Column, ...]:
    settings = map(presentation, registry.setting_names())
    return tuple({column.metric: column for setting in settings for column in columns(setting)}.values())


@cache
def every() -> tuple[Column, ...]:
    """The columns of all settings, and what only files hold, of each metric one."""
    return _each_once(lambda setting: setting.every)


def column(metric: Metric) -> Column | None:
    """The column of a metric, of the first setting that has it; None where no table or file has it."""
    return next((found for found in every() if found.metric == metric), None)


@cache
def table_columns() -> tuple[Column, ...]:
    """The columns of all settings' tables, of each metric one."""
    return _each_once(lambda setting: setting.columns)


@cache
def file_columns() -> tuple[Column, ...]:
    """What no table prints, and files hold, of each metric one."""
    return _each_once(lambda setting: (*setting.more, *setting.variants))


@cache
def accuracies() -> Presentation:
    """The setting whose tables print A_N."""
    settings = map(presentation, registry.setting_names())
    return next(setting for setting in settings if any(column.metric == "a_n" for column in setting.columns))


@cache
def units() -> Mapping[str, str]:
    """Metric -> the unit that it is printed in; one that two settings print stands in the same unit in both."""
    return {column.metric: column.unit for column in every()}


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
    return value if metric == "a_n" and unit != "%" else convert(value, unit, units().get(metric, unit))
