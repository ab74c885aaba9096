"""Task lists of the mini tier: people and waterfalls of the procedural world, by split and number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.seeds import derive_seed
from harness.spec import Task

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from benchmarks.mini.factors import Identities

IMAGES_PER_CONCEPT = 16


@cache
def world_hash() -> str:
    """Hash of the world's source: an edited renderer makes every image new."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in ("factors", "world"))).hexdigest()


@dataclass(frozen=True)
class ProceduralImages:
    """Photos number 0 to count - 1 of one identity, rendered when asked for.

    `held_out` photos show the same identity under nuisances (pose, light, background, ...) drawn from a seed of their
    own: none of them is among the training photos, whatever the counts.
    """

    kind: str
    split: str
    identity: int
    count: int = IMAGES_PER_CONCEPT
    held_out: bool = False

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """Hash of what determines the pixels: who is shown, and the renderer's source."""
        text = f"{world_hash()}/{self.kind}/{self.split}/{self.identity}/{self.count}"
        text += "/held-out" if self.held_out else ""
        return hashlib.sha256(text.encode()).hexdigest()

    def load(self, size: int) -> NDArray[np.uint8]:
        """(count, size, size, 3) uint8; rendered at 64 px, and resized if the tier asks for another size."""
        import numpy as np
        from PIL import Image

        from benchmarks.mini.factors import draw_nuisance
        from benchmarks.mini.world import SIZE, render

        who, generator = self._drawn()
        if self.held_out:
            generator.manual_seed(derive_seed("mini", "held-out", self.kind, self.split, self.identity))
        nuisance = draw_nuisance(self.kind, self.count, generator)  # type: ignore[arg-type]
        images = render(who.repeat(self.count), nuisance)
        pixels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        if size == SIZE:
            return pixels
        resized = [Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS) for image in pixels]
        return np.stack([np.asarray(image) for image in resized])

    def truth(self) -> Mapping[str, float | str]:
        """Every factor of the identity: continuous ones in [0, 1], of discrete ones the level in words."""
        from benchmarks.mini.factors import WORLDS

        who, _ = self._drawn()
        world = WORLDS[who.kind]
        numbers = {factor.name: float(x) for factor, x in zip(world.continuous, who.continuous[0], strict=True)}
        words = {factor.name: factor.levels[int(k)] for factor, k in zip(world.discrete, who.discrete[0], strict=True)}
        return {**numbers, **words}

    def _drawn(self) -> tuple[Identities, torch.Generator]:
        """Who it is, and the generator that goes on to draw the training photos' nuisances."""
        import torch

        from benchmarks.mini.factors import draw_identities

        generator = torch.Generator().manual_seed(derive_seed("mini", self.kind, self.split, self.identity))
        return draw_identities(self.kind, self.split, 1, generator), generator  # type: ignore[arg-type]


@dataclass(frozen=True)
class MiniConcepts:
    """`people` people and `waterfalls` waterfalls; both kinds alternate, starting with a person.

    Each is trained on 16 photos and measured against 16 others: A_mmd against the training photos rewards memorising.
    """

    people: int = 0
    waterfalls: int = 0
    split: str = "benchmark"

    def tasks(self) -> Sequence[Task]:
        """All tasks, numbered from 1."""
        kinds: list[tuple[str, int]] = []
        for number in range(max(self.people, self.waterfalls)):
            if number < self.people:
                kinds.append(("person", number))
            if number < self.waterfalls:
                kinds.append(("waterfall", number))
        return [
            Task(
                index=index, name=f"{kind} {number + 1}", category=kind,
                images=ProceduralImages(kind, self.split, number),
                reference=ProceduralImages(kind, self.split, number, held_out=True),
            )
            for index, (kind, number) in enumerate(kinds, 1)
        ]  # fmt: skip
