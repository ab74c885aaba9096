"""What is counted of a pipeline and of an extractor. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from harness.spec import Frozen


class Counts(Frozen):
    """One pipeline, per sample. FLOP of a training pass include the forward one.

    flop, memory: by pass: `unet`, `unet_train` (back to keys, values and text), `unet_again` (the same
    with gradient checkpointing), `text`, `text_train` (back to the
    token), `encode`, `decode`. memory: 'float32' or 'half' -> pass -> peak bytes above the weights.
    """

    resolution: int
    length: int
    token_dim: int
    token_widths: tuple[int, ...] = ()
    shares_text: bool = True
    latent: tuple[int, int, int]
    parameters: Mapping[str, int]
    projections: Mapping[str, tuple[int, int]]
    flop: Mapping[str, float]
    memory: Mapping[str, Mapping[str, int]]

    @property
    def text_dim(self) -> int:
        """Width of what the projections are given of a text."""
        return next(iter(self.projections.values()))[1]

    @property
    def entries(self) -> int:
        """Entries of all key and value projections."""
        return sum(rows * columns for rows, columns in self.projections.values())


class ExtractorCounts(Frozen):
    """An open_clip model: FLOP and peak bytes of an image, parameters of both towers, width of the features."""

    flop: float
    parameters: int
    features: int
    memory: int
