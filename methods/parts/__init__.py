"""The parts that methods are built of, loaded when first used so that listing and planning need no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.parts.adapters import FullResidual, LowRank, MaskedLowRank
    from methods.parts.losses import forget_loss, sparse_loss
    from methods.parts.masks import FreeMask, MlpMask, hard_concrete
    from methods.parts.tokens import FreeToken, MlpToken, new_token

# part of every method that imports it: an edit here makes those methods' results new (see Method.source_hash)
__method_source__ = True

__all__ = [
    "FreeMask", "FreeToken", "FullResidual", "LowRank", "MaskedLowRank", "MlpMask", "MlpToken", "forget_loss",
    "hard_concrete", "new_token", "sparse_loss",
]  # fmt: skip

_HOME = {
    "FullResidual": "adapters", "LowRank": "adapters", "MaskedLowRank": "adapters",
    "forget_loss": "losses", "sparse_loss": "losses",
    "FreeMask": "masks", "MlpMask": "masks", "hard_concrete": "masks",
    "FreeToken": "tokens", "MlpToken": "tokens", "new_token": "tokens",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
