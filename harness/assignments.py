"""`--set` assignments: 'option=value' or 'method.option=value' for methods, 'sampling.option=value' for the sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from harness import registry
from harness.errors import UsageError, nearest
from harness.spec import MethodSpec, Sampling

SAMPLING = "sampling."


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


def sampling_changes(changes: Sequence[str]) -> dict[str, Any]:
    """The assignments among `changes` that are the sampler's.

    Raises:
        UsageError: an unknown sampling option.
    """
    found: dict[str, Any] = {}
    for change in changes:
        if change.startswith(SAMPLING):
            option = change.partition("=")[0].removeprefix(SAMPLING).strip()
            if option not in Sampling.model_fields:
                raise _unknown(change, option, set(Sampling.model_fields))
            found[option] = parse_value(change)
    return found


def _unknown(change: str, option: str, fields: set[str]) -> UsageError:
    close = nearest(option, fields)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(fields))}."
    return UsageError(f"--set '{change}': unknown option '{option}'; {hint}")


def method_names(names: str) -> list[str]:
    """'stamina,ti++' or 'all' as names, none of them twice.

    Raises:
        UsageError: there is none, or one is there twice.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise UsageError(f"--methods names no method; known: {', '.join(registry.methods().names())}.")
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--methods '{names}' names a method twice; name each once.")
    if "all" not in wanted:
        return wanted
    if len(wanted) > 1:
        raise UsageError(f"--methods '{names}' names more than all; write 'all' alone.")
    return registry.methods().names()


def method_specs(names: str, changes: Sequence[str]) -> tuple[MethodSpec, ...]:
    """'stamina,ti++' and ['stamina.rank=8', 'steps=100'] as method specs.

    An assignment without a method's name goes to every method that has the option.

    Raises:
        UsageError: an unknown method or option, a malformed assignment.
    """
    wanted = method_names(names)
    plugins = {name: registry.methods().get(name) for name in wanted}
    assigned: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for change in changes:
        if change.startswith(SAMPLING):
            continue
        left, equals, _ = change.partition("=")
        left = left.strip()
        if not equals or not left:
            raise UsageError(f"--set '{change}' must be of the form option=value or method.option=value.")
        target, dot, option = left.rpartition(".")
        if dot and target not in plugins:
            raise UsageError(f"--set '{change}' names the method '{target}', which --methods does not; add it there.")
        homes = [target] if dot else [n for n, p in plugins.items() if option in p.options_class.model_fields]
        fields = {f for n in (homes or plugins) for f in plugins[n].options_class.model_fields}
        if not homes or option not in fields:
            raise _unknown(change, option, fields)
        for name in homes:
            assigned[name][option] = parse_value(change)
    return tuple(MethodSpec(name=name, changes=assigned[name]) for name in wanted)
