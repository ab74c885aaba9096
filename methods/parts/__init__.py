"""The parts that methods are built of, loaded when first used so that listing and planning need no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.parts.adapters import FullResidual, LowRank, MaskedLowRank
    from methods.parts.combined import ContinuedLowRank, LargerChange, SummedFactors
    from methods.parts.fisher import accumulate, diagonal_fisher, ewc_loss
    from methods.parts.heads import (
        RandomFeatureHead,
        aligned_heads,
        chosen_ridge,
        class_gaussians,
        linear_head,
        normalised_logits,
        random_features,
        ridge_regression,
        shown_features,
    )
    from methods.parts.losses import entries, forget_loss, past_changes, sparse_loss
    from methods.parts.masks import FreeMask, MlpMask, hard_concrete
    from methods.parts.merging import caption_features, everyday_captions, gram, merged, projector, without_repeats
    from methods.parts.prompted import FromPretrained, consolidation, longer, shares, weighed
    from methods.parts.prompting import orthogonal_start, prefixes, similarity
    from methods.parts.prompts import CodaPrompts, DualPrompts, PromptPool
    from methods.parts.records import FORGET_GRID, tuned, tuned_classes
    from methods.parts.rehearsal import known_tokens, rehearsed, remembered_concept, remembered_concepts, with_rehearsal
    from methods.parts.subspaces import (
        GivenRows,
        designed_rows,
        grown_basis,
        input_moments,
        overlap_loss,
        place_of,
        remembered,
        shared_rows,
    )
    from methods.parts.tokens import FreeToken, MlpToken, new_token, task_token

# part of every method that imports it: an edit here makes those methods' results new (see Method.source_hash)
__method_source__ = True

__all__ = [
    "FORGET_GRID", "CodaPrompts", "ContinuedLowRank", "DualPrompts", "FreeMask", "FreeToken", "FromPretrained",
    "FullResidual", "GivenRows", "LargerChange", "LowRank", "MaskedLowRank", "MlpMask", "MlpToken", "PromptPool",
    "RandomFeatureHead", "SummedFactors", "accumulate", "aligned_heads", "caption_features", "chosen_ridge",
    "class_gaussians", "consolidation", "designed_rows", "diagonal_fisher", "entries", "everyday_captions",
    "ewc_loss", "forget_loss", "gram", "grown_basis", "hard_concrete", "input_moments", "known_tokens",
    "linear_head", "longer", "merged", "new_token", "normalised_logits", "orthogonal_start", "overlap_loss",
    "past_changes", "place_of", "prefixes", "projector", "random_features", "rehearsed", "remembered",
    "remembered_concept", "remembered_concepts", "ridge_regression", "shared_rows", "shares", "shown_features",
    "similarity", "sparse_loss", "task_token", "tuned", "tuned_classes", "weighed", "with_rehearsal",
    "without_repeats",
]  # fmt: skip

_HOME = {
    "RandomFeatureHead": "heads", "aligned_heads": "heads", "chosen_ridge": "heads", "class_gaussians": "heads",
    "linear_head": "heads", "normalised_logits": "heads", "random_features": "heads", "ridge_regression": "heads",
    "shown_features": "heads",
    "ContinuedLowRank": "combined", "LargerChange": "combined", "SummedFactors": "combined",
    "known_tokens": "rehearsal", "rehearsed": "rehearsal", "remembered_concept": "rehearsal",
    "remembered_concepts": "rehearsal", "with_rehearsal": "rehearsal",
    "GivenRows": "subspaces", "designed_rows": "subspaces", "grown_basis": "subspaces", "input_moments": "subspaces",
    "overlap_loss": "subspaces", "place_of": "subspaces", "remembered": "subspaces", "shared_rows": "subspaces",
    "FromPretrained": "prompted", "consolidation": "prompted", "longer": "prompted", "shares": "prompted",
    "weighed": "prompted",
    "FullResidual": "adapters", "LowRank": "adapters", "MaskedLowRank": "adapters",
    "accumulate": "fisher", "diagonal_fisher": "fisher", "ewc_loss": "fisher",
    "entries": "losses", "forget_loss": "losses", "past_changes": "losses", "sparse_loss": "losses",
    "FreeMask": "masks", "MlpMask": "masks", "hard_concrete": "masks",
    "caption_features": "merging", "everyday_captions": "merging", "gram": "merging", "merged": "merging",
    "projector": "merging", "without_repeats": "merging",
    "orthogonal_start": "prompting", "prefixes": "prompting", "similarity": "prompting",
    "CodaPrompts": "prompts", "DualPrompts": "prompts", "PromptPool": "prompts",
    "FreeToken": "tokens", "MlpToken": "tokens", "new_token": "tokens", "task_token": "tokens",
    "FORGET_GRID": "records", "tuned": "records", "tuned_classes": "records",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
