"""What a plugin's text shows of its options: those that nothing reads or uses, and a 0 that is taken for unset.

These are notes before a run, no errors: a text does not tell all that its code does.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from harness.sources.home import PACKAGES
from harness.sources.imports import parsed
from harness.spec import Options

# with any of these, options may be read by names that no text has
WHOLESALE: Final = frozenset({"model_dump", "model_dump_json", "model_fields", "__dict__", "vars", "dict"})
SPACES: Final = frozenset({"search_space", "profiles", "tier_defaults"})


def unused_options(method: type[Any], base: type[Any]) -> Iterator[str]:
    """A sentence for each class of options in a method's module that no method there uses.

    Args:
        base: what all methods descend from.
    """
    module = method.__module__
    values = [value for value in list(vars(sys.modules.get(module, object)).values()) if isinstance(value, type)]
    here = [value for value in values if value.__module__ == module]
    methods: list[Any] = [value for value in (*values, method) if issubclass(value, base)]
    used = {getattr(value, "options_class", None) for value in methods}
    used |= {profile.options for value in methods for profile in value.profiles.values()}
    whole = {kind for each in used if isinstance(each, type) for kind in each.__mro__}
    for value in here:
        if issubclass(value, Options) and value not in whole and not any(value in other.__mro__[1:] for other in here):
            yield (
                f"{value.__name__} is a class of options that no method in {module} uses: its defaults count nowhere; "
                "name it as the options_class of one."
            )


def option_notes(method: type[Any], files: Mapping[Path, bytes], shared: Iterable[Path]) -> Iterator[str]:
    """A sentence on the options that a plugin's own options classes declare and no text of it reads.

    Args:
        files: the plugin's own. shared: files of this program that it is written in, too; they read by attribute.
    """
    profiles: Mapping[str, Any] = getattr(method, "profiles", {})
    kinds = (getattr(method, "options_class", None), *(profile.options for profile in profiles.values()))
    options = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Options)]
    for file, content in files.items():
        for call in _made_by_default(content, {kind.__name__ for kind in options}):
            yield (
                f"{file}, line {call.lineno}, makes {ast.unparse(call)}, which has the defaults and not what a run was "
                "given; use self.options."
            )
        yield from (f"{file}, line {line}, {what}" for line, what in _zero_is_unset(content, options))
    ancestors = list(dict.fromkeys(each for kind in options for each in kind.__mro__ if issubclass(each, Options)))
    ours = {name for each in ancestors if each.__module__.partition(".")[0] in PACKAGES for name in each.model_fields}
    whose = {n: each.__name__ for each in ancestors for n in vars(each).get("__annotations__", {}) if n not in ours}
    declared = {name: kind for name, kind in whose.items() if any(name in each.model_fields for each in options)}
    for content in files.values():
        declared = _unread(declared, content, wholesale=True)
    for path in shared if declared else ():
        declared = _unread(declared, path.read_bytes(), wholesale=False)
    for name, kind in declared.items():
        yield (
            f"the option '{name}' of {kind} is read nowhere in its files: another value would make results anew, and "
            "change nothing in them; use it, or leave it out."
        )


def _made_by_default(content: bytes, classes: set[str]) -> Iterator[ast.Call]:
    """Where a text calls one of these classes with nothing."""
    tree = parsed(content)
    for node in ast.walk(tree) if tree is not None else ():
        named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes
        if isinstance(node, ast.Call) and named and not node.args and not node.keywords:
            yield node


def _unread(declared: Mapping[str, str], content: bytes, *, wholesale: bool) -> dict[str, str]:
    tree = parsed(content)
    read = set(_reads(tree)) if tree is not None else set(declared)
    return {} if wholesale and read & WHOLESALE else {n: kind for n, kind in declared.items() if n not in read}


def _reads(tree: ast.AST) -> Iterator[str]:
    """Names that a text may read of something: attributes and strings, but for those that say what may be chosen."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Load):
            yield child.attr
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        elif isinstance(child, ast.Call) and isinstance(child.func, ast.Name):
            literal = len(child.args) > 1 and isinstance(child.args[1], ast.Constant)
            yield "vars" if child.func.id == "getattr" and not literal else child.func.id
        targets = child.targets if isinstance(child, ast.Assign) else []
        if isinstance(child, ast.AnnAssign):
            targets = [child.target]
        if not any(isinstance(target, ast.Name) and target.id in SPACES for target in targets):
            yield from _reads(child)


def _zero_is_unset(content: bytes, options: Iterable[type[Options]]) -> Iterator[tuple[int, str]]:
    """Where `self.options.weight or 1.0` puts another value in the place of a 0 that the option may be given."""
    tree = parsed(content)
    if tree is None:
        return
    called = {"options"} | {
        target.id for node in ast.walk(tree) if isinstance(node, ast.Assign) and _last(node.value) == "options"
        for target in node.targets if isinstance(target, ast.Name)
    }  # fmt: skip
    conditions = {id(part) for each in _conditions(tree) for part in ast.walk(each)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and id(node) not in conditions:
            first, other = node.values[0], node.values[-1]
        elif isinstance(node, ast.IfExp) and ast.unparse(node.test) == ast.unparse(node.body):
            first, other = node.body, node.orelse
        else:
            continue
        if not isinstance(first, ast.Attribute) or _last(first.value) not in called or _is_none(other):
            continue
        if _may_be_zero(first.attr, options):
            yield (
                node.lineno,
                f"says {ast.unparse(node)}, which is {ast.unparse(other)} for {first.attr}=0, too; use "
                f"{ast.unparse(first)} as it is, compare it with None, or let the option refuse 0 (gt=0).",
            )


def _conditions(tree: ast.AST) -> Iterator[ast.expr]:
    """What is only asked for whether it is true."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            yield node.test
        elif isinstance(node, ast.comprehension):
            yield from node.ifs
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.operand
        elif isinstance(node, ast.Call) and _last(node.func) == "bool":
            yield from node.args


def _is_none(node: ast.expr) -> bool:
    """Whether it says that there is nothing: '0 for none' is a usual way to switch something off."""
    return isinstance(node, ast.Constant) and not node.value


def _last(node: ast.expr) -> str:
    """'options' of `self.options`, `o` of `o`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _may_be_zero(name: str, options: Iterable[type[Options]]) -> bool:
    """Whether it is a number that may be 0; one that is 0 by default may well mean 'unset' by it."""
    for kind in options:
        field = kind.model_fields.get(name)
        at_tiers = [values[name] for values in kind.tier_defaults.values() if name in values]
        if field is None or any(isinstance(each, str | bool) or each == 0 for each in (field.default, *at_tiers)):
            continue
        try:
            given = getattr(kind.model_validate({name: 0}), name)
        except ValidationError:
            continue
        if isinstance(given, int | float) and not isinstance(given, bool):
            return True
    return False
