"""Names to plugins: built-in and third-party ones alike come from entry points, and load only when asked for.

A third party registers a method by an entry point in the group `stamina_bench.methods`; while it is being written,
`package.module:ClassName` works as a name, too. Listing names imports no plugin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from harness.errors import UsageError, first_line, unknown
from harness.libraries import library_failure

if TYPE_CHECKING:
    from harness.method import Method
    from harness.spec import Benchmark, Options, SettingName, Tier

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")  # it goes into file names, tables and command lines


class Registry(Generic[T]):
    """All plugins of one kind. A name that two packages claim is an error that names both."""

    def __init__(
        self, kind: str, group: str, fits: Callable[[object], bool], meaning: str = "",
        elsewhere: Callable[[str, object], UsageError | None] = lambda name, plugin: None,
    ) -> None:  # fmt: skip
        """`fits`: whether something is a plugin of the kind; `meaning`: what that takes, in brackets.

        `elsewhere`: what to say of a name that belongs to another registry: one that is not in this one (None), or what
        it stands for, which does not fit.
        """
        self.kind, self.group, self.fits, self.meaning, self.elsewhere = kind, group, fits, meaning, elsewhere
        self._points: dict[str, EntryPoint] | None = None

    def _table(self) -> dict[str, EntryPoint]:
        if self._points is None:
            table: dict[str, EntryPoint] = {}
            for point in entry_points(group=self.group):
                if not NAME.fullmatch(point.name):
                    raise UsageError(
                        f"{point.value} is registered as the {self.kind} {point.name!r}; a name has up to 80 letters, "
                        "digits, '.', '_', '+' or '-': rename or uninstall it."
                    )
                other = table.get(point.name)
                if other is not None and other.value != point.value:
                    raise UsageError(
                        f"Two packages register the {self.kind} '{point.name}' ({other.value} and {point.value}); "
                        "uninstall one of them."
                    )
                table[point.name] = point
            self._points = table
        return self._points

    def names(self) -> list[str]:
        """Every registered name, in alphabetical order."""
        return sorted(self._table())

    def origin(self, name: str) -> str:
        """Where a name comes from: 'distribution: module:attribute'."""
        point = self._table()[name]
        return f"{point.dist.name if point.dist else 'unknown'}: {point.value}"

    def get(self, name: str) -> T:
        """Load one plugin.

        Raises:
            UsageError: no such name (with the nearest ones), or the plugin cannot be imported.
        """
        point = self._table().get(name)
        if point is None and ":" not in name:
            raise self.elsewhere(name, None) or unknown(self.kind, name, self._table())
        try:
            if point is not None:
                plugin = cast(T, point.load())
            else:
                module, _, attribute = name.partition(":")
                plugin = cast(T, getattr(import_module(module), attribute))
        except (Exception, SystemExit) as error:  # a plugin's module may raise anything
            if (
                failure := library_failure(error, (point.value if point is not None else name).partition(":")[0])
            ) is not None:
                raise failure from error
            first = first_line(error)
            reason = "it ends the program" if isinstance(error, SystemExit) else first
            raise UsageError(f"The {self.kind} '{name}' cannot be loaded ({reason}); fix or uninstall it.") from error
        if not self.fits(plugin):
            plain = UsageError(f"'{name}' is not a {self.kind}{self.meaning}: see the README on writing one.")
            raise self.elsewhere(name, plugin) or plain
        return plugin


def methods(setting: SettingName = "customization") -> Registry[type[Method[Any]]]:
    """The methods of a setting; those of both are registered in both."""
    return _methods(setting)


@cache
def _methods(setting: SettingName) -> Registry[type[Method[Any]]]:
    from harness.method import Method
    from harness.spec import ClassOptions, MethodOptions

    of: type[Options] = MethodOptions if setting == "customization" else ClassOptions

    def fits(plugin: object) -> bool:
        if not (isinstance(plugin, type) and issubclass(plugin, Method) and not isabstract(plugin)):
            return False
        options = plugin.options_for(setting) if hasattr(plugin, "options_class") else None
        return isinstance(options, type) and issubclass(options, of)

    def elsewhere(name: str, plugin: object) -> UsageError | None:
        other: SettingName = "classification" if setting == "customization" else "customization"
        if not (name in methods(other).names() if plugin is None else methods(other).fits(plugin)):
            return None
        known = ", ".join(methods(setting).names())
        return UsageError(f"The method '{name}' is of the setting {other}; {setting} has: {known}.")

    if setting == "customization":
        meaning = " (a class of Method, with options_class and begin)"
        return Registry("method", "stamina_bench.methods", fits, meaning, elsewhere)
    meaning = " of the classification setting (a class of Method, with options of ClassOptions, and begin)"
    return Registry("method", "stamina_bench.methods.classification", fits, meaning, elsewhere)


def settings_of(method: str) -> tuple[SettingName, ...]:
    """The settings that a method is for, customization first.

    Args:
        method: a registered name, or 'package.module:ClassName'.

    Raises:
        UsageError: no such method in any setting (with the nearest names), or it cannot be imported.
    """
    from harness.spec import SETTINGS

    if ":" not in method:
        named = tuple(setting for setting in SETTINGS if method in methods(setting).names())
        if not named:
            raise unknown("method", method, {name for setting in SETTINGS for name in methods(setting).names()})
        return named
    found: list[SettingName] = []
    reason: UsageError | None = None
    for setting in SETTINGS:
        try:
            methods(setting).get(method)
            found.append(setting)
        except UsageError as error:
            reason = reason or error
    if not found:
        assert reason is not None
        raise reason
    return tuple(found)


@cache
def benchmarks() -> Registry[Benchmark]:
    """The benchmark definitions."""
    from harness.spec import Benchmark

    return Registry("benchmark", "stamina_bench.benchmarks", lambda p: isinstance(p, Benchmark))


@cache
def tiers() -> Registry[Tier]:
    """The tiers."""
    from harness.spec import Tier

    return Registry("tier", "stamina_bench.tiers", lambda p: isinstance(p, Tier))
