"""What a plugin's text alone shows to be a likely mistake: draws that no seed changes or all do, files, the
environment, slips.

These are notes before a run, no errors: a text does not tell all that its code does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from harness.sources.copied_habits import habit_notes
from harness.sources.imports import parsed
from harness.sources.linear_algebra import linear_algebra_notes
from harness.sources.local_names import dotted, imported_names
from harness.sources.loops import loop_notes
from harness.sources.same_draws import same_for_every_seed

# values of entropy, whatever they are given
ENTROPY: Final = ("os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "secrets.", "random.SystemRandom")
# and these, unless they are given a seed
UNSEEDED: Final = ("default_rng", "RandomState", "SeedSequence", "PCG64", "MT19937", "Philox", "seed")
SEEDING: Final = frozenset({*UNSEEDED, "Random", "manual_seed", "manual_seed_all", "PRNGKey"})
# what differs from run to run, and is a seed only where it is given as one
CHANGING: Final = ("time.", "datetime.", "os.getpid", "os.urandom", "secrets.", "uuid.", "id", "hash")
# read or list files whose names no text need have; and those of compiled code, of which Python is not told
FOUND: Final = frozenset({"glob", "rglob", "iglob", "iterdir", "listdir", "scandir"})
COMPILED: Final = frozenset({"safe_open", "load_file", "torch.load", "torch.jit.load"})
KEPT: Final = frozenset({"save_file", "torch.save", "torch.jit.save"})
CONSTANT: Final = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.unaryop)


def text_notes(file: Path, content: bytes, *, data_named: bool) -> Iterator[str]:
    """A sentence for each call in a file that draws what the run's seed does not settle, or reads or keeps files.

    Args:
        data_named: whether the class names what it reads (`data_files`).
    """
    tree = parsed(content)
    if tree is None:
        return
    names, constants = imported_names(tree), _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript | ast.Call) and (variable := _environment(node, names)):
            yield (
                f"{file}, line {node.lineno}, reads the environment ({variable}), which is no part of what results are "
                "known by: after a change of it, a run would take old ones as they are; make it an option."
            )
        if not isinstance(node, ast.Call):
            continue
        where = f"{file}, line {node.lineno},"
        if call := _entropy(node, names):
            yield (
                f"{where} draws what differs from run to run ({call}): results with the same seed may differ; draw "
                "from the generator that the hook is given, or seed by a draw from it."
            )
        elif call := _constant_seed(node, names, constants):
            yield (
                f"{where} seeds by a constant ({call}), and so draws the same for every seed and task: the spread "
                "over seeds leaves it out; draw from the generator that the hook is given, or seed by a draw from it."
            )
        elif call := same_for_every_seed(node, tree, names):
            yield (
                f"{where} seeds by what no run changes ({call}), and so draws the same for every seed: the spread over "
                "seeds leaves it out; draw from the generator that the hook is given, or add a draw from it to the "
                "seed."
            )
        elif call := _files(node, names, data_named=data_named):
            yield f"{where} {call}"
    yield from (f"{file}, line {line}, {what}" for line, what in _twice(tree))
    yield from (f"{file}, line {line}, {what}" for line, what in _slips(tree, names))
    yield from (f"{file}, line {line}, {what}" for line, what in _never_seeded(tree, names))
    yield from (f"{file}, line {line}, {what}" for line, what in _hooks_without_answer(tree))
    yield from (f"{file}, line {line}, {what}" for line, what in loop_notes(tree))
    yield from (f"{file}, line {line}, {what}" for line, what in habit_notes(tree, names))
    yield from (f"{file}, line {line}, {what}" for line, what in linear_algebra_notes(tree, names))


def _environment(node: ast.Subscript | ast.Call, names: Mapping[str, str]) -> str:
    """How a piece of text asks for a variable of the environment; '' if it does not."""
    if isinstance(node, ast.Subscript):
        asked = isinstance(node.ctx, ast.Load) and dotted(node.value, names) == "os.environ"
    else:
        asked = dotted(node.func, names) in ("os.getenv", "os.environ.get", "os.environ.copy", "os.environ.items")
    return ast.unparse(node) if asked else ""


def _twice(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names and keys that a text gives twice in one place, so that the first is lost."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            for key in {key: None for place, key in enumerate(keys) if key in keys[:place]}:
                yield node.lineno, f"gives the key {key!r} twice in one dict: the first value is lost; rename one."
        elif isinstance(node, ast.ClassDef):
            plain = [each for each in node.body if isinstance(each, ast.FunctionDef) and not each.decorator_list]
            names = [each.name for each in plain]
            for place, each in enumerate(plain):
                if each.name in names[:place]:
                    yield each.lineno, f"defines {node.name}.{each.name}() again: the one above it is lost; remove one."


def _slips(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Expressions that are never meant: `"to_k" or "to_v"`, and products that go round in eight bits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            first = node.values[0]
            if isinstance(first, ast.Constant) and first.value:
                yield (
                    node.lineno,
                    f"says {ast.unparse(node)}, which is always {ast.unparse(first)}: compare with each, or give both "
                    "as a tuple.",
                )
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("astype", "to"):
            value, kinds = node.func.value, [dotted(each, names).rpartition(".")[2] for each in _given(node)]
            if "uint8" in kinds and isinstance(value, ast.BinOp) and not _of_255(value):
                yield (
                    node.lineno,
                    f"makes bytes of {ast.unparse(value)}, where values below 0 or above 255 come round to the other "
                    "end; clip them first.",
                )


def _of_255(value: ast.BinOp) -> bool:
    """Whether it scales what lies in [0, 1]."""
    return any(isinstance(each, ast.Constant) and each.value in (255, 255.0) for each in (value.left, value.right))


def _never_seeded(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Generators of torch that a function makes and does not seed; a prompt to test with may always be the same."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "recall"):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        called = {dotted(call.func, names).rpartition(".")[2] for call in calls}
        if called & {"manual_seed", "seed", "set_state"}:
            continue
        for call in calls:
            if dotted(call.func, names) == "torch.Generator":
                yield (
                    call.lineno,
                    (
                        "makes a generator and never seeds it: it draws the same for every seed and task, so that the "
                        "spread over seeds leaves it out; draw from the generator that the hook is given."
                    ),
                )


def _hooks_without_answer(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Functions given to `register_hook` that make a new gradient and return nothing, which leaves the old one."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "register_hook" or not call.args:
            continue
        given = call.args[0]
        function = functions.get(given.id) if isinstance(given, ast.Name) else None
        if function is None or not function.args.args:
            continue
        inside = list(ast.walk(function))
        gradient = function.args.args[-1].arg
        made = any(
            isinstance(target, ast.Name) and target.id == gradient
            for node in inside if isinstance(node, ast.Assign) for target in node.targets
        )  # fmt: skip
        if made and not any(isinstance(node, ast.Return) and node.value is not None for node in inside):
            yield (
                function.lineno,
                f"gives register_hook() a function that returns nothing, {function.name}(), so that the gradient stays "
                "as it is; return the new one.",
            )


def _entropy(call: ast.Call, names: Mapping[str, str]) -> str:
    name = dotted(call.func, names)
    last = name.rpartition(".")[2]
    if name.startswith(ENTROPY):
        return f"{name}()"
    given = _given(call)
    unset = all(isinstance(each, ast.Constant) and each.value is None for each in given)
    if unset and (name == "random.Random" or (last in UNSEEDED and not name.startswith("self."))):
        return f"{name}() without a seed"
    if last in SEEDING:
        for inner in (node for each in given for node in ast.walk(each) if isinstance(node, ast.Call)):
            source = dotted(inner.func, names)
            if source in CHANGING or source.startswith(tuple(each for each in CHANGING if each.endswith("."))):
                return f"{last}() seeded by {source}()"
    return ""


def _constant_seed(call: ast.Call, names: Mapping[str, str], constants: frozenset[str]) -> str:
    name = dotted(call.func, names)
    given = _given(call)
    if name.rpartition(".")[2] not in SEEDING - {"seed"} and name not in ("random.seed", "numpy.random.seed"):
        return ""
    parts = [part for each in given for part in ast.walk(each) if not isinstance(part, ast.expr_context | ast.operator)]
    plain = all(isinstance(part, CONSTANT) or (isinstance(part, ast.Name) and part.id in constants) for part in parts)
    return f"{name.removeprefix('?.')}({', '.join(map(ast.unparse, given))})" if given and plain else ""


def _files(call: ast.Call, names: Mapping[str, str], *, data_named: bool) -> str:
    name = dotted(call.func, names)
    last = name.rpartition(".")[2]
    if name in KEPT or last in KEPT:
        return (
            f"writes a file with {last}(), which another process or machine may not find, nor a run that takes this "
            "task from its store; return what the next task needs from end_task()."
        )
    if data_named:
        return ""
    if last in FOUND or name == "os.walk":
        return (
            f"finds files when it runs ({last}): an edit of one would go unnoticed if it is read; name them in the "
            "class's data_files, which takes patterns, too."
        )
    if name in COMPILED or last in COMPILED:
        return (
            f"reads a file with {last}(): an edit of it would go unnoticed unless the class's data_files name it; what "
            "another task left is in self.memory."
        )
    return ""


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _constants(tree: ast.Module) -> frozenset[str]:
    """Names of a module that stand for one number or text each, wherever they are used."""
    values: dict[str, list[bool]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            values.setdefault(node.id, []).append(False)
        elif isinstance(node, ast.arg):
            values.setdefault(node.arg, []).append(False)
    own = [n.targets[0] for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
    own += [n.target for n in tree.body if isinstance(n, ast.AnnAssign) and isinstance(n.value, ast.Constant)]
    return frozenset(each.id for each in own if isinstance(each, ast.Name) and len(values[each.id]) == 1)
