"""Seeds of a plugin's own that are made of names and places alone, so that every run draws the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from harness.sources.local_names import dotted

SEEDING: Final = frozenset({"manual_seed", "default_rng", "RandomState", "Random", "SeedSequence"})
# what gives the same for the same
PLAIN: Final = frozenset({
    "crc32", "adler32", "len", "int", "abs", "ord", "sum", "str", "repr", "encode", "sha256", "sha1", "md5", "digest",
    "hexdigest", "from_bytes", "index", "count", "range", "enumerate",
})  # fmt: skip
LAYERS: Final = frozenset({"projections", "adapters", "range", "enumerate"})


def same_for_every_seed(call: ast.Call, tree: ast.Module, names: Mapping[str, str]) -> str:
    """How a call seeds, if by nothing but the layer's name and the task's place; '' if not, or not for certain."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if dotted(call.func, names).rpartition(".")[2] not in SEEDING or not given:
        return ""
    known = set(_of_layers(tree))
    used = [set(_leaves(each, names)) for each in given]
    # a constant alone is told elsewhere
    if not all(used) or not all(leaf in known or leaf == "self.task_index" for leaves in used for leaf in leaves):
        return ""
    return ", ".join(map(ast.unparse, given))


def _leaves(node: ast.expr, names: Mapping[str, str]) -> Iterator[str]:
    """The names that an expression is made of; '?' for what may be anything."""
    if isinstance(node, ast.Constant):
        return
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield dotted(node, names)
    elif isinstance(node, ast.BinOp):
        yield from _leaves(node.left, names)
        yield from _leaves(node.right, names)
    elif isinstance(node, ast.UnaryOp):
        yield from _leaves(node.operand, names)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from _leaves(part.value if isinstance(part, ast.FormattedValue) else part, names)
    elif isinstance(node, ast.Subscript):
        yield from _leaves(node.value, names)
    elif isinstance(node, ast.Call) and dotted(node.func, names).rpartition(".")[2] in PLAIN:
        if isinstance(node.func, ast.Attribute) and _is_value(node.func.value, names):
            yield from _leaves(node.func.value, names)
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from _leaves(each, names)
    else:
        yield "?"


def _is_value(node: ast.expr, names: Mapping[str, str]) -> bool:
    """Whether a method is asked of a value, and not a function of a module (`zlib.crc32`) or a class (`int`)."""
    return dotted(node, names) not in ("zlib", "hashlib", "binascii", "int")


def _of_layers(tree: ast.Module) -> Iterator[str]:
    """Names that stand for a layer's name or place wherever they are used in a text."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found, makers = list[str](), list[ast.AST]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func, {}).rpartition(".")[2] == "attach" and len(node.args) > 1:
            make = node.args[1]
            made_by = make if isinstance(make, ast.Lambda) else functions.get(getattr(make, "id", ""))
            if made_by is not None:
                makers.append(made_by)
                found += [each.arg for each in made_by.args.args[:1]]
        elif isinstance(node, ast.For | ast.comprehension) and _is_over_layers(node.iter):
            targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
            found += [each.id for each in targets if isinstance(each, ast.Name)]
    # what another function is given under such a name may be anything
    others = {each.arg for node in functions.values() if node not in makers for each in node.args.args}
    yield from set(found) - others


def _is_over_layers(node: ast.expr) -> bool:
    """Whether it goes through projections, adapters or numbers."""
    return any(isinstance(each, ast.Name | ast.Attribute) and _last(each) in LAYERS for each in ast.walk(node))


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
