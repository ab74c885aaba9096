"""What `stamina-bench show` prints of a method: what it trains, on what loss, with which options, and whence those are.

Imports no torch by itself; counting a method's parameters (`harness.settings.customization.parameters`) does.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness import registry
from harness.errors import UsageError
from harness.formats.figure_text import counted as number_of
from harness.formats.figure_text import number
from harness.method import Method
from harness.spec import Frozen, Options, SettingName
from harness.store.migrations import refuse_newer
from harness.tuning.tune import SCHEMA_VERSION, TuningRecord, as_text

NOT_STATED = "(not stated)"
SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class OptionCard(Frozen):
    """One option: its default at the tier, and what it may be. `bounds` such as '>= 1'; empty where there are none."""

    name: str
    default: Any
    type: str
    choices: tuple[Any, ...] | None
    bounds: str
    meaning: str | None


class TunedCard(Frozen):
    """The record of the tuning that chose a tier's defaults.

    `figures`: of the options chosen, after `tasks` tasks: what tuning goes by in the setting.
    """

    method: str
    record: str
    benchmark: str
    trials: int
    finals: int
    tasks: int
    space_size: int
    chosen: Mapping[str, Any]
    figures: Mapping[str, float | None]


class MethodCard(Frozen):
    """A method at one tier, in one of its `settings`. What its class leaves unsaid is None, and what does not apply."""

    name: str
    setting: SettingName
    settings: tuple[SettingName, ...]
    summary: str | None
    citation: str | None
    origin: str
    tier: str
    trains: str | None
    loss: str | None
    prompt: str | None
    end_of_task: str
    independent: bool
    joint: bool
    base_method: str | None
    memory: bool
    options: tuple[OptionCard, ...]
    tuned: TunedCard | None
    search_space: Mapping[str, Sequence[Any]]


def method_card(name: str, tier: str, setting: SettingName | None = None) -> MethodCard:
    """What there is to know of a method before it is run.

    Args:
        name: as registered, or 'package.module:ClassName'. tier: a registered tier. setting: by default the first that
            the method is for.

    Raises:
        UsageError: an unknown method or tier (with the nearest ones), one that is not for the setting, or a damaged
            record of its tuning.
    """
    settings = registry.settings_of(name)
    setting = setting or settings[0]
    known = registry.methods(setting)
    plugin: type[Method[Any]] = known.get(name)
    of = plugin.options_for(setting)
    options = of.for_tier(registry.tiers().get(tier).name)
    return MethodCard(
        name=name, setting=setting, settings=settings, summary=plugin.summary or None, citation=plugin.citation or None,
        origin=known.origin(name) if name in known.names() else f"not registered: {name}", tier=tier,
        trains=_said(plugin, setting, "trains"), loss=_loss(plugin, setting, options),
        prompt=registry.setting(setting).prompt(options),
        end_of_task=_end_of_task(plugin, setting), independent=plugin.independent, joint=plugin.joint,
        base_method=plugin.base_method, memory=_has_memory(plugin),
        options=tuple(
            _option(key, value, of.model_fields[key]) for key, value in options.model_dump(mode="json").items()
        ),
        tuned=_tuned(plugin, name, tier, setting), search_space=plugin.space_for(setting),
    )  # fmt: skip


def _said(plugin: type[Method[Any]], setting: SettingName, what: Literal["trains", "loss"]) -> str | None:
    """What the class states for a setting."""
    return plugin.said_for(setting, what) or None


def _loss(plugin: type[Method[Any]], setting: SettingName, options: Options) -> str | None:
    """What the class states; if it states nothing, and adds nothing to the loss, that alone."""
    of, usual = registry.setting(setting), plugin.batch is Method.batch
    stated = _said(plugin, setting, "loss") or (
        of.bare_loss if usual and plugin.penalties is Method.penalties else None
    )
    return stated + of.loss_note(options) * usual if stated else None


def _has_memory(plugin: type[Method[Any]]) -> bool:
    return plugin.end_task is not Method.end_task or plugin.base_method is not None


def _end_of_task(plugin: type[Method[Any]], setting: SettingName) -> str:
    text = registry.setting(setting).end_of_task
    if plugin.base_method is not None:
        text = f"what {plugin.base_method} learnt of the concept alone is merged with all earlier concepts into one W_t"
    return text + ("; a memory of the task is kept for the next" if _has_memory(plugin) else "")


def _option(name: str, default: Any, field: FieldInfo) -> OptionCard:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    limits = [(SIGNS[key], getattr(item, key)) for item in field.metadata for key in SIGNS if hasattr(item, key)]
    return OptionCard(
        name=name, default=default, type="choice" if choices else _type_name(field.annotation),
        choices=choices, bounds=", ".join(f"{sign} {as_text(limit)}" for sign, limit in limits),
        meaning=field.description,
    )  # fmt: skip


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_type_name(part) for part in get_args(annotation))
    names = {type(None): "nothing", bool: "true or false", int: "integer", float: "number", str: "text"}
    return names.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _tuned(plugin: type[Method[Any]], name: str, tier: str, setting: SettingName) -> TunedCard | None:
    """The record that the tier's defaults come from: the method's own, or that of one which it varies (an ablation)."""
    known = registry.methods(setting)
    folder = registry.setting(setting).tuned_folder
    names = {known.origin(key).partition(": ")[2]: key for key in known.names()}
    for ancestor in plugin.__mro__:
        if not issubclass(ancestor, Method):
            continue
        own = name if ancestor is plugin else names.get(f"{ancestor.__module__}:{ancestor.__qualname__}")
        file = getattr(sys.modules.get(ancestor.__module__), "__file__", None)
        if own is None or file is None:
            continue
        path = Path(file).parent / folder / tier / f"{own}.json"
        if path.is_file():
            record = _read(path)
            if record.chosen is not None and _followed(plugin, ancestor, tier, record.chosen, setting):
                last = record.finals or record.trials
                best = next((t for t in last if t.setting == record.chosen), None)
                return TunedCard(
                    method=own, record=f"{folder}/{tier}/{path.name}", benchmark=record.benchmark,
                    trials=len(record.trials), finals=len(record.finals),
                    tasks=record.tasks if record.finals else record.short_tasks,
                    space_size=record.space_size, chosen=record.chosen,
                    figures=best.figures if best else {},
                )  # fmt: skip
    return None


def _followed(
    plugin: type[Method[Any]], tuned: type[Method[Any]], tier: str, chosen: Mapping[str, Any], setting: SettingName
) -> bool:
    """Whether a method's defaults are those chosen for another, but for the options that its class pins."""
    fields, others = plugin.options_for(setting).model_fields, tuned.options_for(setting).model_fields
    options = plugin.options_for(setting).for_tier(tier)
    free = [key for key in chosen if key in fields and key in others and fields[key].default == others[key].default]
    return bool(free) and all(getattr(options, key) == chosen[key] for key in free)


def _read(path: Path) -> TuningRecord:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        refuse_newer(path, content.get("version"), SCHEMA_VERSION)
        return TuningRecord.model_validate(content)
    except (OSError, ValueError, AttributeError):
        raise UsageError(f"{path} is damaged; delete it, or make it again with `stamina-bench tune`.") from None


def as_table(card: MethodCard) -> RenderableType:
    """The card for a terminal: facts, then options. Nothing in it is read as markup."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    if card.joint:
        tasks = "all at once, an upper bound"
    elif card.independent:
        tasks = "each learnt alone from the pre-trained weights, so F_mmd is 0"
    else:
        tasks = "each learnt alone, then merged" if card.base_method else "one after another, each from W_{t-1}"
    others = [setting for setting in card.settings if setting != card.setting]
    more = "".join(f" ({setting}: --setting {setting})" for setting in others)
    rows = {
        "method": card.name,
        "setting": f"{card.setting}{more}",
        "summary": card.summary,
        "trains": card.trains,
        "loss": card.loss,
        **({"prompt": card.prompt} if card.prompt is not None else {}),
        "tasks": tasks,
        "end of a task": card.end_of_task,
        f"defaults at {card.tier}": _defaults(card),
        "tune searches": _space(card),
        "citation": card.citation,
        "origin": card.origin,
    }
    for label, text in rows.items():
        facts.add_row(Text(label), Text(text or NOT_STATED))
    options = Table(title=Text(f"Options at the tier {card.tier}"), title_justify="left")
    for column in ("option", "default", "may be", "meaning"):
        options.add_column(column, overflow="fold")
    for o in card.options:
        allowed = ", ".join(as_text(c) for c in o.choices) if o.choices else f"{o.type} {o.bounds}".strip()
        options.add_row(*map(Text, (o.name, as_text(o.default), allowed, o.meaning or NOT_STATED)))
    return Group(facts, Text(), options)


def _space(card: MethodCard) -> str:
    spaces = (f"{key} of {', '.join(map(as_text, values))}" for key, values in card.search_space.items())
    return "; ".join(spaces) or "nothing"


def _defaults(card: MethodCard) -> str:
    t = card.tuned
    if t is None:
        return "as the method's class has them; no record of a tuning"
    whose = "" if t.method == card.name else f" for {t.method}"
    figure_of = next(((name, value) for name, value in t.figures.items() if value is not None), None)
    best = ""
    if figure_of is not None:
        of = registry.setting(card.setting)
        name = dict(zip(of.headline, of.headline_names, strict=True)).get(figure_of[0], figure_of[0])
        best = f"{name} {number(figure_of[1])}" + " %" * (of.headline_unit == "%")
    figure = f" ({best} after {number_of(t.tasks, 'task')})" if best else ""
    finals = f" and {number_of(t.finals, 'final')}" if t.finals else ""
    chosen = ", ".join(f"{key}={as_text(value)}" for key, value in t.chosen.items())
    return (
        f"chosen{whose} by stamina-bench tune on {t.benchmark}, the best{figure} of "
        f"{number_of(t.trials, 'trial')}{finals} among "
        f"{number_of(t.space_size, 'setting')}: {chosen}; record {t.record}"
    )


def counted(
    name: str, backbone: str, note: Callable[[str], None], setting: SettingName = "customization",
    patience_s: float = 2.0,
) -> dict[str, Any]:  # fmt: skip
    """What a task trains, at the paper tier's options: {backbone, trained, WHOLE, n_param}.

    `WHOLE` is `unet`, `vit` or what else the setting counts; n_param is in % of it.

    Args:
        backbone: 'sd-1.4' or a pipeline's folder; of a classifier see
        `harness.settings.classification.parameters.find_vit`. note: told
            once if it takes more than `patience_s` seconds.

    Raises:
        UsageError: a backbone that cannot be loaded.
    """
    waiting = Timer(patience_s, note, [f"Counting parameters on {backbone}; --no-params leaves it out."])
    waiting.daemon = True
    waiting.start()
    try:
        row = registry.setting(setting).count_parameters(backbone, name)[0]
    finally:
        waiting.cancel()
    whole = {name.removesuffix("_parameters"): value for name, value in row.items() if name.endswith("_parameters")}
    return {"backbone": backbone, "trained": row["parameters"], **whole, "n_param": row["n_param"]}
