"""What can be seen to be wrong with a method's class before it does anything, as the end of a sentence."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from inspect import isabstract
from types import FunctionType
from typing import Any, get_args

from harness.errors import UsageError
from harness.method import Method
from harness.settings.base import Setting
from harness.sources.replaced_hooks import used_names
from harness.spec import Adapted, Options

# hook -> what it is called with, by position
HOOKS: Mapping[str, tuple[str, ...]] = {
    "prepare": ("lesson", "generator"), "begin_task": ("model", "generator"), "recall": ("model",),
    "head": ("model",), "for_prompt": ("model", "prompt"),
    "batch": ("lesson", "generator"), "prior_images": (),
    "penalties": (), "update_mask": ("name", "parameter", "momentum"), "measures": (),
    "end_task": ("lesson", "generator"),
    "merge": ("model", "alone", "token", "category"),
}  # fmt: skip
# what plugins of earlier versions call otherwise
RENAMED: Mapping[str, str] = {
    "begin": "begin_task", "remember": "end_task", "learner": "base_method", "class_options": "profiles",
    "class_search_space": "profiles",
}  # fmt: skip
# what hooks are called elsewhere
SYNONYMS: Mapping[str, str] = {
    "regularizer": "penalties", "regularization": "penalties", "reg_loss": "penalties",
    "after_task": "end_task", "on_task_end": "end_task", "before_task": "begin_task", "on_task_start": "begin_task",
    "training_step": "batch",
}  # fmt: skip
FACTS = tuple(name for name in Method.__annotations__ if not name.startswith("_"))


def flaw(plugin: object, setting: Setting, tiers: Sequence[str] = ()) -> str:
    """Why something is no method of a setting: what it is, lacks, or calls by a wrong name; empty if it is one.

    Args:
        tiers: the names of those that there are, to notice a misspelt one.
    """
    if not isinstance(plugin, type):
        return f"it is no class, but a {type(plugin).__name__}"
    if not issubclass(plugin, Method):
        return "it is a class that is not derived from harness.method.Method"
    return _flaw(plugin, setting, tuple(tiers))


@cache
def _flaw(plugin: type[Method[Any]], setting: Setting, tiers: tuple[str, ...]) -> str:
    for old, new in RENAMED.items():
        if any(old in vars(kind) for kind in plugin.__mro__ if issubclass(kind, Method)):
            return f"it has {old}, which is called {new} now"
    if isabstract(plugin):
        return "it does not define begin_task()"
    own = _options_flaw(plugin, setting, tiers) or _hooks_flaw(plugin) or _kind_flaw(plugin)
    return own or _names_flaw(plugin) or _space_flaw(plugin, setting)


def made(plugin: type[Method[Any]], options: Options) -> Method[Any]:
    """An instance of a method with these options.

    Raises:
        UsageError: its `__init__` cannot be called with options alone, leaves out the base class's, or changes them.
    """
    init = f"{plugin.__name__}.__init__()"
    try:
        inspect.signature(plugin).bind(options)
    except TypeError:
        raise UsageError(f"{init} must take the options and nothing else: def __init__(self, options).") from None
    before = options.model_dump()
    method = plugin(options)
    if not all(hasattr(method, name) for name in ("options", "memory", "task_index")):
        raise UsageError(f"{init} leaves out the base class's; begin it with super().__init__(options).")
    if method.options.model_dump() != before:
        raise UsageError(
            f"{init} changes the options, though results are keyed and reported with those that it was given; give the "
            "options class other defaults (tier_defaults), or keep what is worked out of them in another attribute."
        )
    return method


def prior_images(method: Method[Any]) -> int:
    """What `Method.prior_images` returns: how many.

    Raises:
        UsageError: something else than a whole number of 0 or more.
    """
    count: object = method.prior_images()
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        hook = f"{type(method).__name__}.prior_images()"
        raise UsageError(f"{hook} must give a whole number of 0 or more; it gave {count!r}.")
    return count


def _options_flaw(plugin: type[Method[Any]], setting: Setting, tiers: Sequence[str]) -> str:
    if not hasattr(plugin, "options_class"):
        return "it has no options_class"
    options: object = plugin.options_for(setting.name)
    base = setting.base_options
    if not isinstance(options, type) or not issubclass(options, base):
        what = options.__name__ if isinstance(options, type) else repr(options)
        return f"its options_class is {what}, which is not derived from harness.spec.{base.__name__}"
    for tier in ("", *options.tier_defaults):
        try:
            options.for_tier("", options.tier_defaults.get(tier))  # as changes, of which a wrong name is told as such
            options.for_tier(
                tier, options.for_tier(tier).model_dump(warnings=False)
            )  # defaults are not looked at when taken
        except UsageError as error:
            at = f" at tier {tier} (tier_defaults)" * bool(tier)
            return f"the defaults of its {options.__name__}{at} do not fit: {str(error).rstrip('.?')}"
    for tier in ("", *options.tier_defaults):
        if other := _other_kind(options.for_tier(tier)):
            return other
    for tier in options.tier_defaults:
        close = difflib.get_close_matches(tier, tiers, n=1, cutoff=0.6)
        if tier not in tiers and close:
            return f"the tier_defaults of its {options.__name__} are for a tier '{tier}'; is '{close[0]}' meant?"
    return ""


def _other_kind(options: Options) -> str:
    """A default that is of another type than its option, as which it would be read from the command line."""
    given = {name: getattr(options, name) for name in type(options).model_fields}
    read = type(options).model_validate(given)
    for name, value in given.items():
        wanted = getattr(read, name)
        if type(value) is not type(wanted) and not (type(value) is int and type(wanted) is float):
            called = type(options).__name__
            return (
                f"the default of '{name}' in its {called} is {value!r}, a {type(value).__name__}, and read as an "
                f"option it is {wanted!r}, a {type(wanted).__name__}; write that"
            )
    return ""


def _kind_flaw(plugin: type[Method[Any]]) -> str:
    """Hooks that its own facts keep from ever being called."""
    if plugin.adapts not in get_args(Adapted):
        return f"its adapts is {plugin.adapts!r}, which must be {' or '.join(map(repr, get_args(Adapted)))}"
    if plugin.base_method is None and plugin.merge is not Method.merge:
        return "it defines merge(), which nothing calls, as it names no learner"
    if plugin.independent and plugin.end_task is not Method.end_task:
        return "it is independent, so that no task gets what its end_task() returns"
    return ""


def _order_flaw(plugin: type[Method[Any]]) -> str:
    """Hooks of a class that is named after `Method`, whose own of that name are called instead."""
    after = plugin.__mro__[plugin.__mro__.index(Method) + 1 :]
    for name in HOOKS:
        owner = next(kind for kind in plugin.__mro__ if name in vars(kind))
        other = next((kind for kind in after if name in vars(kind)), None)
        if owner is Method and other is not None:
            return (
                f"{other.__name__}.{name}() is never called, as Method.{name}() comes before it; name {other.__name__} "
                f"before Method: class {plugin.__name__}({other.__name__}, Method[...])"
            )
    return ""


def _hooks_flaw(plugin: type[Method[Any]]) -> str:
    if order := _order_flaw(plugin):
        return order
    for name, given in HOOKS.items():
        hook = inspect.getattr_static(plugin, name)
        if not isinstance(hook, FunctionType):
            return f"its {name} is a {type(hook).__name__}; write it as a plain method"
        signature = inspect.signature(hook)
        try:
            signature.bind(None, *given)
        except TypeError:
            return f"its {name}{signature} cannot be called with (self{''.join(f', {each}' for each in given)})"
    return ""


def _names_flaw(plugin: type[Method[Any]]) -> str:
    """A name that nothing uses, and a hook or class attribute which is not defined that it is like, or means."""
    below = plugin.__mro__[: plugin.__mro__.index(Method)]
    own = {name: value for kind in reversed(below) for name, value in vars(kind).items()}
    missing = [name for name in (*HOOKS, *FACTS) if name not in own]
    used = {used for value in own.values() if isinstance(value, FunctionType) for used in used_names(value.__code__)}
    for name, value in own.items():
        # more alike for what is no function: 'losses' is not 'loss'
        known, alike = (HOOKS, 0.72) if isinstance(value, FunctionType) else (FACTS, 0.85)
        if name.startswith("_") or name in used or name in HOOKS or name in FACTS:
            continue
        close = difflib.get_close_matches(name, [each for each in missing if each in known], n=1, cutoff=alike)
        if known is HOOKS and SYNONYMS.get(name) in missing:
            close = [SYNONYMS[name]]
        if close:
            called = "()" * (known is HOOKS)
            return (
                f"it defines {name}{called}, which nothing uses; is {close[0]}{called} meant? (else begin it with '_')"
            )
    return ""


def _space_flaw(plugin: type[Method[Any]], setting: Setting) -> str:
    space: object = plugin.space_for(setting.name)
    if not isinstance(space, Mapping):
        return f"its search_space is a {type(space).__name__}; write a dict of options to lists of values"
    options: type[Options] = plugin.options_for(setting.name)
    for option, values in space.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            return f"its search_space['{option}'] is a {type(values).__name__}; write a list of values"
        for value in values:
            try:
                options.for_tier("", {option: value})
            except UsageError as error:
                return f"its search_space does not fit its options: {str(error).rstrip('.?')}"
    return ""
