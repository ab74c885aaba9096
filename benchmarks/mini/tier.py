"""The mini tier: the embedded checkpoints, 64 px, a CPU, minutes."""

from __future__ import annotations

from pathlib import Path

from harness.spec import Recognition, Sampling, Tier

CHECKPOINTS = Path(__file__).parent / "checkpoints"

MINI = Tier(
    name="mini",
    summary="embedded checkpoints and the procedural world; CPU, minutes",
    backbone=str(CHECKPOINTS / "stable-diffusion-mini"),
    extractor=str(CHECKPOINTS / "clip-mini"),
    resolution=64,
    device="cpu",
    sampling=Sampling(images=16, steps=8, guidance_scale=2.0, eta=0.0, batch_size=16),
    classifier=str(CHECKPOINTS / "vit-mini"),
    recognition=Recognition(resolution=64, resize=64, min_crop=0.5, normalise=True, batch_size=48),
    knows={"customization": "drawn people and waterfalls", "classification": "drawn objects"},
)
