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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from harness.errors import UsageError, unknown
from harness.machine.libraries import library_failure
from harness.plugins.errors import not_loaded
from harness.sources.home import PACKAGES
from harness.sources.import_path import packages_from_home
from harness.sources.named_file import module_of, names_file

if TYPE_CHECKING:
    from harness.method import Method
    from harness.metric import Metric
    from harness.settings.base import Setting
    from harness.spec import Benchmark, SettingName, Tier
    from harness.tracker import Tracker

T = TypeVar("T")

packages_from_home()  # before a plugin is imported by a name that a user's folder may have, too

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")  # it goes into file names, tables and command lines


class Registry(Generic[T]):
    """All plugins of one kind. A name that two packages claim is an error that names both."""

    def __init__(
        self, kind: str, group: str, flaw: Callable[[object], str],
        elsewhere: Callable[[str, object], UsageError | None] = lambda name, plugin: None,
        loaded: Callable[[T], object] = lambda plugin: None,
    ) -> None:  # fmt: skip
        """Of one kind of plugin, registered as entry points of one group.

        Args:
            flaw: why something is no plugin of the kind, as the end of a sentence; empty if it is one.
            elsewhere: what to say of a name that belongs to another registry: one that is not in this one (None), or
                what it stands for, which does not fit.
            loaded: called with each plugin as soon as it is imported.
        """
        self.kind, self.group, self.flaw, self.elsewhere, self.loaded = kind, group, flaw, elsewhere, loaded
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

    def is_ours(self, name: str) -> bool:
        """Whether a name is registered, and stands for something of this program's own; imports nothing."""
        point = self._table().get(name)
        return point is not None and point.module.partition(".")[0] in PACKAGES

    def get(self, name: str) -> T:
        """Load one plugin.

        Raises:
            UsageError: no such name (with the nearest ones), or the plugin cannot be imported.
        """
        point = self._table().get(name)
        if point is None and ":" not in name:
            raise self.elsewhere(name, None) or unknown(self.kind, name, self._table())
        module, _, attribute = name.rpartition(":")
        if point is None and names_file(name):
            module = module_of(Path(module))
        try:
            plugin = cast(T, point.load() if point is not None else getattr(import_module(module), attribute))
        except (Exception, SystemExit) as error:  # a plugin's module may raise anything
            module = point.module if point is not None else module
            raise library_failure(error, module) or not_loaded(self.kind, name, point, error) from error
        if why := self.flaw(plugin):
            plain = UsageError(f"'{name}' cannot be used as a {self.kind}: {why}; see the README on writing one.")
            raise self.elsewhere(name, plugin) or plain
        self.loaded(plugin)
        return plugin


@cache
def settings() -> Registry[type[Setting]]:
    """The settings, each of which has methods and benchmarks of its own."""
    from harness.settings.base import Setting

    return Registry("setting", "stamina_bench.settings", lambda plugin: _derives(plugin, Setting))


@cache
def setting(name: str) -> Setting:
    """One setting; the same object each time.

    Raises:
        UsageError: no such setting (with the nearest names), or it cannot be imported.
    """
    found = settings().get(name)
    if getattr(found, "name", None) != name:
        raise UsageError(f"The setting '{name}' calls itself '{getattr(found, 'name', '')}'; mend its class's `name`.")
    return found()


@cache
def setting_names() -> tuple[str, ...]:
    """Every setting that can be loaded, customization first."""
    return tuple(sorted(settings().names(), key=lambda name: (setting(name).order, name)))


def methods(setting: SettingName = "customization") -> Registry[type[Method[Any]]]:
    """The methods of a setting; those of several are registered in each."""
    return _methods(setting)


@cache
def _methods(setting_name: SettingName) -> Registry[type[Method[Any]]]:
    from harness.plugins.method_checks import flaw

    of = setting(setting_name)

    def elsewhere(name: str, plugin: object) -> UsageError | None:
        known_tiers = tiers().names()
        for other in setting_names():
            fits = name in methods(other).names() if plugin is None else not flaw(plugin, setting(other), known_tiers)
            if other != setting_name and fits:
                known = ", ".join(methods(setting_name).names())
                return UsageError(f"The method '{name}' is of the setting {other}; {setting_name} has: {known}.")
        return None

    def read(plugin: type[Method[Any]]) -> str:
        return plugin.source_hash()  # now, so that it stands for what was imported, whatever is edited later

    group = of.method_group or f"stamina_bench.methods.{setting_name}"
    return Registry("method", group, lambda plugin: flaw(plugin, of, tiers().names()), elsewhere, read)


def base_method_of(plugin: type[Method[Any]], setting: Setting) -> type[Method[Any]] | None:
    """The method that learns each concept for one that merges; None for a method that learns itself.

    Raises:
        UsageError: there is no such method, or it does not learn each concept alone.
    """
    if not plugin.base_method:
        return None
    named = f"{plugin.__name__} names '{plugin.base_method}' as its base method"
    try:
        base = methods(setting.name).get(plugin.base_method)
    except UsageError as error:
        raise UsageError(f"{named}, which cannot be used: {error}") from None
    if base.base_method is not None or not base.independent:
        why = "itself names one" if base.base_method is not None else "is not independent"
        raise UsageError(
            f"{named}, which {why}: what is merged must be learnt of each concept alone, from the pre-trained weights; "
            "name a method with independent = True, such as 'ub'."
        )
    if base.adapts != plugin.adapts:
        raise UsageError(f"{named}, which adapts '{base.adapts}', and it '{plugin.adapts}'; give both the same adapts.")
    return base


def settings_of(method: str) -> tuple[SettingName, ...]:
    """The settings that a method is for, customization first.

    Args:
        method: a registered name, or 'package.module:ClassName'.

    Raises:
        UsageError: no such method in any setting (with the nearest names), or it cannot be imported.
    """
    every = setting_names()
    if ":" not in method:
        named = tuple(name for name in every if method in methods(name).names())
        if not named:
            raise unknown("method", method, {known for name in every for known in methods(name).names()})
        return named
    found: list[SettingName] = []
    reason: UsageError | None = None
    for name in every:
        try:
            methods(name).get(method)
            found.append(name)
        except UsageError as error:
            reason = reason or error
    if not found:
        assert reason is not None
        raise reason
    return tuple(found)


@cache
def metrics() -> Registry[type[Metric]]:
    """The measures that a run may be asked for beside its setting's own figures."""
    from harness.plugins.metric_checks import flaw

    def known() -> set[str]:
        shown = [setting(name).presentation for name in setting_names()]
        return {name for each in shown for name in (*(column.metric for column in each.every), *each.meanings)}

    return Registry(
        "metric", "stamina_bench.metrics", lambda plugin: flaw(plugin, known()),
        loaded=lambda plugin: plugin.source_hash(),
    )  # fmt: skip


def metric(named: str) -> type[Metric]:
    """The measure that a run calls 'NAME', 'module:Class', 'FILE.py:Class', or one of these and '=FOLDER'.

    Raises:
        UsageError: it is unknown or unusable, its weights are not named, or it has none, or a package is missing.
    """
    from harness.plugins.metric_weights import split, with_packages, with_weights

    name, folder = split(named)
    return with_packages(with_weights(metrics().get(name), name, folder), name)


@cache
def trackers() -> Registry[type[Tracker]]:
    """The programs that runs can be tracked by."""
    from harness.tracker import Tracker

    return Registry("tracker", "stamina_bench.trackers", lambda plugin: _derives(plugin, Tracker))


def tracker(name: str) -> Tracker:
    """One tracker, made anew.

    Raises:
        UsageError: no such tracker (with the nearest names), it cannot be imported, or lacks a package.
    """
    plugin = trackers().get(name)
    for module, wanted in plugin.packages.items():
        if find_spec(module) is None:
            raise UsageError(
                f"The tracker '{name}' needs {module}, which is not installed; run `pip install '{wanted}'`."
            )
    return plugin()


@cache
def benchmarks() -> Registry[Benchmark]:
    """The benchmark definitions."""
    from harness.spec import Benchmark

    return Registry("benchmark", "stamina_bench.benchmarks", lambda p: _is(p, Benchmark))


@cache
def tiers() -> Registry[Tier]:
    """The tiers."""
    from harness.spec import Tier

    return Registry("tier", "stamina_bench.tiers", lambda p: _is(p, Tier))


def _derives(plugin: object, kind: type) -> str:
    fits = isinstance(plugin, type) and issubclass(plugin, kind)
    return "" if fits else f"it is no class derived from {kind.__name__}"


def _is(plugin: object, kind: type) -> str:
    return "" if isinstance(plugin, kind) else f"it is a {type(plugin).__name__}, not a {kind.__name__}"
