"""Methods as Python names them: by a registered name, by 'module:Class', or by the class itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from harness import registry
from harness.errors import UsageError
from harness.overrides import called, named_methods
from harness.spec import MethodSpec, SettingName

MethodLike: TypeAlias = str | type[Any] | tuple[str | type[Any], Mapping[str, Any]]
Methods: TypeAlias = MethodLike | Sequence[MethodLike] | Mapping[str, MethodLike]

INTO_A_FILE = "write it into a file (in a notebook with %%writefile my_method.py), and import it from there"


def wanted_methods(methods: Methods | None, setting: SettingName) -> list[MethodSpec]:
    """The methods of a run.

    Args:
        methods: 'stamina,clora', 'all', or a list of names, classes, and pairs of one of these and its options such as
            ('clora', {'rank': 4}); or {'wide': ('clora', {'rank': 16})}, with what tables shall call each; None for the
            setting's default.
        setting: whose methods they are.

    Raises:
        UsageError: there is none, one is there twice with the same options, or a class cannot be used as one.
    """
    if methods is None or isinstance(methods, str):
        default = ",".join(registry.setting(setting).default_methods)
        return named_methods(methods or default, setting)
    if isinstance(methods, type) or _is_pair(methods):
        methods = [methods]  # type: ignore[list-item]
    listed = methods.items() if isinstance(methods, Mapping) else [("", each) for each in methods]
    found: list[MethodSpec] = []
    for own, each in listed:
        entry, changes = each if isinstance(each, tuple) and _is_pair(each) else (each, {})
        if isinstance(entry, type):
            specs = [called(reference(entry, setting), own, setting=setting)]
        elif isinstance(entry, str):
            specs = [called(entry, own, setting=setting)] if own else named_methods(entry, setting)
        else:
            raise UsageError(f"{entry!r} cannot be used as a method: give its name, its class, or (name, options).")
        found += [spec.model_copy(update={"changes": dict(changes)}) for spec in specs]
    if not found:
        named_methods("", setting)  # says so
    for index, spec in enumerate(found):
        if spec in found[:index]:
            raise UsageError(f"The method '{spec.name}' is there twice with the same options; name it once.")
    return found


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[1], Mapping)


def reference(method: type[Any], setting: SettingName = "customization") -> str:
    """What a class is called in a run: its registered name, or 'module:Class'.

    Args:
        method: a class of methods.
        setting: in whose registry to look for it.

    Raises:
        UsageError: it cannot be found again under that name, as a class within a function cannot.
    """
    return class_reference(method, registry.methods(setting), "method")


def class_reference(plugin: type[Any], plugins: registry.Registry[Any], kind: str) -> str:
    """As `reference`, of a class of any kind of plugin.

    Raises:
        UsageError: it cannot be found again under that name, as a class within a function cannot.
    """
    name = f"{plugin.__module__}:{plugin.__qualname__}"
    for registered in plugins.names():
        if plugins.origin(registered).endswith(f": {name}"):
            return registered
    if getattr(sys.modules.get(plugin.__module__), plugin.__qualname__, None) is not plugin:
        where = "was made inside a function or class" if "." in plugin.__qualname__ else "is no longer what it names"
        raise UsageError(
            f"The class {name} cannot be used as a {kind}, as it {where}; define it at the top level of a module."
        )
    return name


def only_here(names: Iterable[str]) -> list[str]:
    """Those of some methods that only this process has: their classes are of a notebook, a prompt or the script itself.

    Worker processes, and jobs of a cluster, cannot import them.
    """
    modules = {name: name.partition(":")[0] for name in names if ":" in name}
    return [name for name, module in modules.items() if module == "__main__" or _has_no_origin(module)]


def _has_no_origin(module: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and getattr(loaded, "__spec__", None) is None
