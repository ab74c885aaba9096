"""Whether a class is a metric, and what tables must know of it. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from harness.metric import Metric
from harness.store.identity import DIGITS

HOOKS = ("of_task", "of_tasks", "of_run", "of_base")
NEEDS = ("truth",)
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def flaw(plugin: object, taken: Collection[str]) -> str:
    """Why something is no measure, as the end of a sentence; empty if it is one.

    Args:
        taken: Names of figures that results have anyway.
    """
    if not isinstance(plugin, type) or not issubclass(plugin, Metric) or plugin is Metric:
        return "it is no class derived from harness.metric.Metric"
    name = plugin.__name__
    if not isinstance(plugin.name, str) or not NAME.fullmatch(plugin.name):
        return f"the name of {name} is {plugin.name!r}; a name begins with a small letter and has such, digits and '_'"
    if plugin.name in taken:
        return f"its name, '{plugin.name}', is that of a figure which results have anyway"
    defined = [f"{hook}()" for hook in HOOKS if getattr(plugin, hook) is not getattr(Metric, hook)]
    if len(defined) != 1:
        which = f"{', '.join(defined)}; define only one of them" if defined else f"none of {'(), '.join(HOOKS)}()"
        return f"{name} defines {which}"
    if not isinstance(plugin.unit, str) or not plugin.unit or len(plugin.unit) > 12:
        return f"the unit of {name} is {plugin.unit!r}; give a text of up to 12 characters, '1' for a plain number"
    if plugin.edited and defined != ["of_task()"]:
        return f"{name} is of edited prompts and defines {defined[0]}; define of_task()"
    if isinstance(plugin.needs, str) or not set(plugin.needs) <= set(NEEDS):
        return f"{name}.needs is {plugin.needs!r}; it may name {', '.join(map(repr, NEEDS))}"
    if plugin.parts_of_task is not Metric.parts_of_task and defined != ["of_task()"]:
        return f"{name} defines parts_of_task(), which goes with of_task() alone"
    if not isinstance(plugin.weights_needed, str):
        return (
            f"{name}.weights_needed is {plugin.weights_needed!r}; say in words which folder it needs, or leave it out"
        )
    if not isinstance(plugin.higher, bool):
        return f"{name}.higher is {plugin.higher!r}; say True if higher is better, else False"
    return ""


def card_of(plugin: type[Metric]) -> dict[str, Any]:
    """What tables and files say of a metric, as the fields of `harness.results.Measure`."""
    return {
        "name": plugin.name, "title": plugin.title or plugin.name, "summary": plugin.summary, "unit": plugin.unit,
        "higher": plugin.higher, "digits": plugin.digits, "source": plugin.source_hash()[:DIGITS],
        "of": "base" if of_base(plugin) else "edits" if plugin.edited else "concepts",
    }  # fmt: skip


def of_base(plugin: type[Metric]) -> bool:
    """Whether it looks at prompts without a custom token."""
    return plugin.of_base is not Metric.of_base
