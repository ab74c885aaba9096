"""What a plugin's text alone shows to be a likely mistake: options that nothing reads, draws from the clock or entropy.

These are notes before a run, no errors: a text does not tell all that its code does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from harness.sources.home import PACKAGES
from harness.sources.imports import parsed
from harness.spec import Options

# values of entropy, whatever they are given
ENTROPY: Final = ("os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "secrets.", "random.SystemRandom")
# and these, unless they are given a seed
UNSEEDED: Final = ("default_rng", "RandomState", "SeedSequence", "PCG64", "MT19937", "Philox", "seed")
SEEDING: Final = frozenset({*UNSEEDED, "Random", "manual_seed", "manual_seed_all", "PRNGKey"})
# what differs from run to run, and is a seed only where it is given as one
CHANGING: Final = ("time.", "datetime.", "os.getpid", "os.urandom", "secrets.", "uuid.", "id", "hash")
# with any of these, options may be read by names that no text has
WHOLESALE: Final = frozenset({"model_dump", "model_dump_json", "model_fields", "__dict__", "vars", "dict"})
SPACES: Final = frozenset({"search_space", "profiles", "tier_defaults"})


def entropy_notes(file: Path, content: bytes) -> Iterator[str]:
    """A sentence for each call in a file whose draws differ from run to run."""
    tree = parsed(content)
    if tree is None:
        return
    names = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (call := _entropy(node, names)):
            yield (
                f"{file}, line {node.lineno}, draws what differs from run to run ({call}): results with the same seed "
                "may differ; draw from the generator that the hook is given, or seed by a draw from it."
            )


def _entropy(call: ast.Call, names: Mapping[str, str]) -> str:
    name = _dotted(call.func, names)
    last = name.rpartition(".")[2]
    if name.startswith(ENTROPY):
        return f"{name}()"
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    unset = all(isinstance(each, ast.Constant) and each.value is None for each in given)
    if unset and (name == "random.Random" or (last in UNSEEDED and not name.startswith("self."))):
        return f"{name}() without a seed"
    if last in SEEDING:
        for inner in (node for each in given for node in ast.walk(each) if isinstance(node, ast.Call)):
            source = _dotted(inner.func, names)
            if source in CHANGING or source.startswith(tuple(each for each in CHANGING if each.endswith("."))):
                return f"{last}() seeded by {source}()"
    return ""


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> what it stands for: 'np' -> 'numpy', 'default_rng' -> 'numpy.random.default_rng'."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _dotted(func: ast.expr, names: Mapping[str, str]) -> str:
    """'numpy.random.default_rng' of `np.random.default_rng`; what is no name becomes '?'."""
    if isinstance(func, ast.Name):
        return names.get(func.id, func.id)
    if isinstance(func, ast.Attribute):
        return f"{_dotted(func.value, names)}.{func.attr}"
    return "?"


def option_notes(method: type[Any], files: Mapping[Path, bytes], shared: Iterable[Path]) -> Iterator[str]:
    """A sentence on the options that a plugin's own options classes declare and no text of it reads.

    Args:
        files: the plugin's own. shared: files of this program that it is written in, too; they read by attribute.
    """
    profiles: Mapping[str, Any] = getattr(method, "profiles", {})
    kinds = (getattr(method, "options_class", None), *(profile.options for profile in profiles.values()))
    options = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Options)]
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
