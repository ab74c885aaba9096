"""Whether a method's adapters may be computed together: not where its code looks at what then happens to the stack."""

from __future__ import annotations

import ast
from typing import Any, Final

from harness.errors import PluginError
from harness.method import Method
from harness.sources.home import is_built_in, is_ours
from harness.sources.imports import parsed
from harness.sources.method_source import method_source

# what a parameter of a stack's adapter does not have, or does not do, while the stack is trained in its place
LOOKS: Final = frozenset({"grad", "register_hook", "register_post_accumulate_grad_hook", "register_full_backward_hook"})


def looks_at_gradients(method: Method[Any]) -> bool:
    """Whether a plugin's own text, or that of what it imports of its own, has to do with parameters' gradients."""
    if is_built_in(type(method)):
        return False
    files = [path for path in method_source(type(method), Method).files if not is_ours(path)]
    trees = [parsed(path.read_bytes()) for path in files if path.suffix == ".py" and path.is_file()]
    return any(
        isinstance(node, ast.Attribute) and node.attr in LOOKS
        for tree in trees if tree is not None
        for node in ast.walk(tree)
    )  # fmt: skip


class Trained:
    """Which parameters of stacked adapters are trained, which cannot be changed while they are computed together."""

    def __init__(self, method: Method[Any], adapters: Any) -> None:
        """Remember how they are.

        Args:
            adapters: those in stacks.
        """
        self.name = type(method).__name__
        self.flags = [(p, p.requires_grad) for adapter in adapters for p in adapter.parameters()]

    def check(self) -> None:
        """At a step.

        Raises:
            PluginError: one was frozen, or is no longer.
        """
        if any(p.requires_grad is not flag for p, flag in self.flags):
            raise PluginError(
                f"{self.name} freezes or thaws a parameter of its adapters during a task (requires_grad), which has no "
                "effect on adapters that are computed together; set stackable = False in the adapters' class."
            )
