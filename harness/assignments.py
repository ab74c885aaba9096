"""`--set` assignments: 'option=value' or 'method.option=value' for methods, 'sampling.option=value' for a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from harness import registry
from harness.errors import UsageError, nearest
from harness.spec import Benchmark, MethodSpec, RunSpec, SettingName


def parse_value(change: str) -> Any:
    """The value of an assignment, read as YAML: numbers, booleans, words.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return yaml.safe_load(change.partition("=")[2])
    except yaml.YAMLError:
        raise UsageError(
            f"--set '{change}': the value cannot be read; write a number, true, false or a word."
        ) from None


def protocol_changes(changes: Sequence[str]) -> dict[str, Any]:
    """The assignments among `changes` that are a protocol's, as fields of a `RunSpec`.

    Raises:
        UsageError: an unknown option of the protocol.
    """
    found: dict[str, Any] = {}
    for setting in map(registry.setting, registry.setting_names()):
        prefix, fields = f"{setting.protocol_name}.", set(setting.protocol_class.model_fields)
        own: dict[str, Any] = {}
        for change in changes:
            if change.startswith(prefix):
                option = change.partition("=")[0].removeprefix(prefix).strip()
                if option not in fields:
                    raise _unknown(change, option, fields)
                own[option] = parse_value(change)
        if setting.protocol_name in RunSpec.model_fields:
            found[setting.protocol_name] = own
        elif own:
            found.setdefault("protocol", {})[setting.protocol_name] = own
    return found


def default_methods(benchmark: Benchmark) -> str:
    """What `run` takes on a benchmark when no method is named.

    Raises:
        UsageError: its setting says none.
    """
    names = registry.setting(benchmark.setting).default_methods
    if not names:
        known = ", ".join(registry.methods(benchmark.setting).names())
        raise UsageError(f"Name the methods with --methods; the setting {benchmark.setting} has: {known}.")
    return ",".join(names)


def _unknown(change: str, option: str, fields: set[str]) -> UsageError:
    close = nearest(option, fields)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(fields))}."
    return UsageError(f"--set '{change}': unknown option '{option}'; {hint}")


def method_names(names: str, setting: SettingName = "customization") -> list[str]:
    """'stamina,ti++' or 'all' as names, none of them twice.

    Raises:
        UsageError: there is none, or one is there twice.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise UsageError(f"--methods names no method; known: {', '.join(registry.methods(setting).names())}.")
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--methods '{names}' names a method twice; name each once.")
    if "all" not in wanted:
        return wanted
    if len(wanted) > 1:
        raise UsageError(f"--methods '{names}' names more than all; write 'all' alone.")
    return registry.methods(setting).names()


def method_specs(names: str, changes: Sequence[str], setting: SettingName = "customization") -> tuple[MethodSpec, ...]:
    """'stamina,ti++' and ['stamina.rank=8', 'steps=100'] as method specs.

    An assignment without a method's name goes to every method that has the option.

    Raises:
        UsageError: an unknown method or option, a malformed assignment.
    """
    wanted = method_names(names, setting)
    plugins = {name: registry.methods(setting).get(name) for name in wanted}
    fields_of = {name: plugin.options_for(setting).model_fields for name, plugin in plugins.items()}
    protocols = tuple(f"{registry.setting(name).protocol_name}." for name in registry.setting_names())
    assigned: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for change in changes:
        if change.startswith(protocols):
            continue
        left, equals, _ = change.partition("=")
        left = left.strip()
        if not equals or not left:
            raise UsageError(f"--set '{change}' must be of the form option=value or method.option=value.")
        target, dot, option = left.rpartition(".")
        if dot and target not in plugins:
            raise UsageError(f"--set '{change}' names the method '{target}', which --methods does not; add it there.")
        homes = [target] if dot else [name for name, fields in fields_of.items() if option in fields]
        fields = {f for name in (homes or plugins) for f in fields_of[name]}
        if not homes or option not in fields:
            raise _unknown(change, option, fields)
        for name in homes:
            assigned[name][option] = parse_value(change)
    return tuple(MethodSpec(name=name, changes=assigned[name]) for name in wanted)
