"""`--set` assignments: 'option=value' or 'method.option=value' for methods, 'sampling.option=value' for a protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from harness import registry
from harness.errors import UsageError, nearest
from harness.sources.named_file import module_name
from harness.spec import MethodSpec, RunSpec, SettingName


@dataclass(frozen=True)
class Assignment:
    """One changed option.

    Args:
        key: 'option', 'method.option', 'sampling.option' or 'recognition.option'.
        value: what it is set to.
        text: the assignment as errors quote it.
    """

    key: str
    value: Any
    text: str

    @classmethod
    def parse(cls, change: str) -> Assignment:
        """'rank=4' as the command line has it.

        Raises:
            UsageError: it has no option or no '=', or its value cannot be read.
        """
        left, equals, _ = change.partition("=")
        if not equals or not left.strip():
            raise UsageError(f"--set '{change}' must be of the form option=value or method.option=value.")
        return cls(left.strip(), parse_value(change), change)


def assignments(options: Mapping[str, Any] | Iterable[str | Assignment]) -> list[Assignment]:
    """{'rank': 4, 'sampling.images': 8}, or ['rank=4', 'sampling.images=8'] as assignments.

    Raises:
        UsageError: a text among them is malformed.
    """
    if isinstance(options, Mapping):
        return [Assignment(str(key), value, f"{key}={value}") for key, value in options.items()]
    return [each if isinstance(each, Assignment) else Assignment.parse(each) for each in options]


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


def protocol_changes(changes: Sequence[str | Assignment]) -> dict[str, Any]:
    """The assignments among `changes` that are a protocol's, as fields of a `RunSpec`.

    Raises:
        UsageError: an unknown option of the protocol.
    """
    found: dict[str, Any] = {}
    parsed = assignments(changes)
    for setting in map(registry.setting, registry.setting_names()):
        prefix, fields = f"{setting.protocol_name}.", set(setting.protocol_class.model_fields)
        own: dict[str, Any] = {}
        for change in parsed:
            if change.key.startswith(prefix):
                option = change.key.removeprefix(prefix)
                if option not in fields:
                    raise _unknown(change.text, option, fields)
                own[option] = change.value
        if setting.protocol_name in RunSpec.model_fields:
            found[setting.protocol_name] = own
        elif own:
            found.setdefault("protocol", {})[setting.protocol_name] = own
    return found


def _unknown(change: str, option: str, fields: set[str]) -> UsageError:
    close = nearest(option, fields)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(fields))}."
    return UsageError(f"--set '{change}': unknown option '{option}'; {hint}")


def method_names(names: str, setting: SettingName = "customization") -> list[str]:
    """'stamina,path/to/my_method.py:Mine' or 'all' as names ('my_method:Mine'), none of them twice.

    Raises:
        UsageError: there is none, or one is there twice; or a file cannot be imported.
    """
    found = named_methods(names, setting)
    if own := next((spec for spec in found if spec.called), None):
        raise UsageError(f"'{own.called}={own.name}': a name of your own is for `run` and `plan`; leave it out here.")
    return [spec.name for spec in found]


def named_methods(names: str, setting: SettingName = "customization") -> list[MethodSpec]:
    """As `method_names`, with names of the user's own: 'stamina,wide=stamina,mine=./my_method.py:Mine'.

    Raises:
        UsageError: as of `method_names`, or a name of the user's own is another method's, or cannot be one.
    """
    parts = [name.strip() for name in names.split(",") if name.strip()]
    wanted = [called(*reversed(part.rpartition("=")[::2]), setting=setting) for part in parts]
    if not wanted:
        raise UsageError(f"--methods names no method; known: {', '.join(registry.methods(setting).names())}.")
    shown = [spec.shown for spec in wanted]
    if len(set(shown)) < len(shown):
        raise UsageError(
            f"--methods '{names}' names a method twice; name each once, or give names of your own (wide=stamina)."
        )
    if "all" not in [spec.name for spec in wanted]:
        return wanted
    if len(wanted) > 1 or wanted[0].called:
        raise UsageError(f"--methods '{names}' names more than all; write 'all' alone.")
    return [MethodSpec(name=name) for name in registry.methods(setting).names()]


def called(method: str, name: str, *, setting: SettingName = "customization") -> MethodSpec:
    """A method, and what tables shall call it; '' for its own name.

    Raises:
        UsageError: the name is another method's, or none that could be one; or a file cannot be imported.
    """
    if name and not registry.NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be what tables call {method}; use up to 80 letters, digits, '.', '_', '+' or '-'."
        )
    found = module_name(method)
    if name != found and name in (*registry.methods(setting).names(), "all"):
        raise UsageError(f"'{name}' is the name of another method than {method}; call it otherwise.")
    return MethodSpec(name=found, called="" if name == found else name)


def method_specs(
    names: str, changes: Sequence[str | Assignment], setting: SettingName = "customization"
) -> tuple[MethodSpec, ...]:
    """'stamina,ti++' and ['stamina.rank=8', 'steps=100'] as method specs.

    Raises:
        UsageError: an unknown method or option, a malformed assignment.
    """
    return assigned([MethodSpec(name=name) for name in method_names(names, setting)], changes, setting)


def assigned(
    wanted: Sequence[MethodSpec], changes: Sequence[str | Assignment], setting: SettingName = "customization"
) -> tuple[MethodSpec, ...]:
    """The methods with assignments on top of the changes that they have.

    An assignment without a method's name goes to every method that has the option.

    Raises:
        UsageError: an unknown method or option, a malformed assignment.
    """
    plugins = {spec.shown: registry.methods(setting).get(spec.name) for spec in wanted}
    fields_of = {name: plugin.options_for(setting).model_fields for name, plugin in plugins.items()}
    protocols = tuple(f"{registry.setting(name).protocol_name}." for name in registry.setting_names())
    found: dict[str, dict[str, Any]] = {name: {} for name in plugins}
    for change in assignments(changes):
        if change.key.startswith(protocols):
            continue
        target, dot, option = change.key.rpartition(".")
        if dot and target not in plugins:
            close = nearest(target, plugins) or [name for name in plugins if target in name]
            hint = f"did you mean {' or '.join(close)}?" if close else f"add it there (it has {', '.join(plugins)})."
            raise UsageError(f"--set '{change.text}' names the method '{target}', which --methods does not; {hint}")
        homes = [target] if dot else [name for name, fields in fields_of.items() if option in fields]
        fields = {f for name in (homes or plugins) for f in fields_of[name]}
        if not homes or option not in fields:
            raise _unknown(change.text, option, fields)
        for name in homes:
            found[name][option] = change.value
    return tuple(spec.model_copy(update={"changes": {**spec.changes, **found[spec.shown]}}) for spec in wanted)
