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

from harness.errors import UsageError, unknown

if TYPE_CHECKING:
    from harness.method import Method
    from harness.spec import Benchmark, Tier

T = TypeVar("T")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")  # it goes into file names, tables and command lines


class Registry(Generic[T]):
    """All plugins of one kind. A name that two packages claim is an error that names both."""

    def __init__(self, kind: str, group: str, fits: Callable[[object], bool], meaning: str = "") -> None:
        """`fits`: whether something is a plugin of the kind; `meaning`: what that takes, in brackets."""
        self.kind, self.group, self.fits, self.meaning = kind, group, fits, meaning
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
            raise unknown(self.kind, name, self._table())
        try:
            if point is not None:
                plugin = cast(T, point.load())
            else:
                module, _, attribute = name.partition(":")
                plugin = cast(T, getattr(import_module(module), attribute))
        except (Exception, SystemExit) as error:  # a plugin's module may raise anything
            first = next(iter(str(error).splitlines()), type(error).__name__)
            reason = "it ends the program" if isinstance(error, SystemExit) else first
            raise UsageError(f"The {self.kind} '{name}' cannot be loaded ({reason}); fix or uninstall it.") from error
        if not self.fits(plugin):
            raise UsageError(f"'{name}' is not a {self.kind}{self.meaning}: see the README on writing one.")
        return plugin


@cache
def methods() -> Registry[type[Method[Any]]]:
    """The methods."""
    from harness.method import Method
    from harness.spec import MethodOptions

    def fits(plugin: object) -> bool:
        options = getattr(plugin, "options_class", None)
        return (
            isinstance(plugin, type) and issubclass(plugin, Method) and not isabstract(plugin)
            and isinstance(options, type) and issubclass(options, MethodOptions)
        )  # fmt: skip

    return Registry("method", "stamina_bench.methods", fits, " (a class of Method, with options_class and begin)")


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
