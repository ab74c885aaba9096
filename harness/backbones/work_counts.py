"""What is counted of a pipeline and of an extractor. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.spec import Adapted, Frozen


class Counts(Frozen):
    """One pipeline, per sample. FLOP of a training pass include the forward one.

    flop, memory: by pass: `unet`, `unet_train` (back to keys, values and text), `unet_again` (the same
    with gradient checkpointing), `text`, `text_train` (back to the
    token), `encode`, `decode`. memory: 'float32' or 'half' -> pass -> peak bytes above the weights.
    projections: the shapes of keys and values of the text, by name. attention: rows, columns and number of what all
    attention layers compute with. See `harness.method.Method.adapts`.
    """

    resolution: int
    length: int
    token_dim: int
    token_widths: tuple[int, ...] = ()
    shares_text: bool = True
    latent: tuple[int, int, int]
    parameters: Mapping[str, int]
    projections: Mapping[str, tuple[int, int]]
    attention: Sequence[tuple[int, int, int]] = ()
    flop: Mapping[str, float]
    memory: Mapping[str, Mapping[str, int]]

    @property
    def text_dim(self) -> int:
        """Width of what the projections are given of a text."""
        return next(iter(self.projections.values()))[1]

    def adapted(self, what: Adapted) -> Counts:
        """The same, with other projections."""
        if what == "text":
            return self
        counted = Counter({(rows, columns): count for rows, columns, count in self.attention})
        counted.subtract(self.projections.values())  # the text's come first, by their names
        more = {f"layer {number}": shape for number, shape in enumerate(counted.elements())}
        return self.model_copy(update={"projections": {**self.projections, **more}})

    @property
    def entries(self) -> int:
        """Entries of all projections."""
        return sum(rows * columns for rows, columns in self.projections.values())


class ExtractorCounts(Frozen):
    """An open_clip model: FLOP and peak bytes of an image, parameters of both towers, width of the features."""

    flop: float
    parameters: int
    features: int
    memory: int
