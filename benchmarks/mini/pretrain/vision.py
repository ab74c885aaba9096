"""Stage 1: the CLIP's image tower, which is also the metrics' feature extractor.

A contrastive loss reads what tells images apart most easily (colour) and drowns the finer factors (a nose's width, a
skyline's bumps). So linear heads on the image embedding read every identity factor instead; the text tower then
learns to meet the finished image tower (`text.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn.functional import one_hot

from benchmarks.mini.factors import KINDS, WORLDS
from benchmarks.mini.pretrain.clip import MEAN, STD, FactorHeads, soften
from benchmarks.mini.pretrain.loop import Stage
from benchmarks.mini.pretrain.pool import Pools

STEPS, BATCH = 6500, 64  # BATCH / 2 of each kind; left out where the tower starts from a finished one
SHARPEN_STEPS = 3000  # then as many with each factor weighted by its own error
ADAPT_STEPS = 400  # in place of both where the tower starts from a finished one
ENTROPY = 0.3  # weight of the discrete factors beside the continuous ones


class TowerWithHeads(nn.Module):
    """What the stage trains: the image tower and the factor heads."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.heads = FactorHeads()


@torch.no_grad()
def fit_heads(model: TowerWithHeads, pools: Pools, embed: Callable[[Tensor], Tensor], count: int = 2000) -> None:
    """Put the ridge regression of each factor into the heads: a finished tower's best start."""
    model.eval()
    for kind in KINDS:
        images, identities = pools[kind].images(torch.arange(count)), pools[kind].identities[:count]
        features = torch.cat([embed(batch) for batch in images.split(50)]).double().cpu()
        hot = [
            one_hot(column, len(f.levels))
            for column, f in zip(identities.discrete.T, WORLDS[kind].discrete, strict=True)
        ]
        for head, target in (
            (model.heads.read_out("continuous", kind), identities.continuous.double() - 0.5),
            (model.heads.read_out("discrete", kind), 6 * torch.cat(hot, dim=1).double() - 3),
        ):
            mean, scale = features.mean(0), features.std(0) + 1e-6
            design = torch.cat([(features - mean) / scale, torch.ones(count, 1)], dim=1)
            ridge = 0.01 * count * torch.eye(design.shape[1], dtype=torch.float64)
            weights = torch.linalg.solve(design.T @ design + ridge, design.T @ target)
            slope = weights[:-1] / scale[:, None]
            head.weight.copy_(slope.T.float())
            head.bias.copy_((weights[-1] - mean @ slope).float())


def train_vision(
    folder: Path,
    clip: CLIP,
    pools: Pools | None,
    device: torch.device,
    *,
    started: bool = False,
) -> FactorHeads:
    """Train (or finish, or load) the image tower of `clip`, in place; its read-outs are returned.

    Args:
        folder: where the state is kept; clip: whose image tower it is.
        pools: the training images; None where the stage is finished.
        device: where to train.
        started: whether the tower comes from finished checkpoints, so that only the last part is needed.
    """
    clip.to(device)
    clip.visual.to(memory_format=torch.channels_last)
    model = TowerWithHeads(clip.visual).to(device)
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    half = BATCH // 2

    def loss_with(focus: bool) -> Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]:
        def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            assert pools is not None
            places = [pools[kind].pick(half, generator) for kind in KINDS]
            images = torch.cat([pools[kind].images(p) for kind, p in zip(KINDS, places, strict=True)])
            images = soften(images, generator)
            images = ((images - mean) / std).to(device, memory_format=torch.channels_last)
            embedding = clip.encode_image(images)
            parts = [
                model.heads.loss(e, pools[kind].identities[p], focus=focus)
                for e, kind, p in zip(embedding.chunk(2), KINDS, places, strict=True)
            ]
            error = torch.stack([p[0] for p in parts]).mean()
            entropy = torch.stack([p[1] for p in parts]).mean()
            loss = error + ENTROPY * entropy
            return loss, {"1-R2": error.item(), "entropy": entropy.item()}

        return loss_of

    parts = [("vision", STEPS, 1e-3), ("sharpen", SHARPEN_STEPS, 5e-4)]
    if started:
        parts = [("adapt", ADAPT_STEPS, 5e-4)]
        for layer in ("conv1", "conv2", "conv3", "bn1", "bn2", "bn3", "layer1"):
            getattr(clip.visual, layer).requires_grad_(False)  # edges and colours are what they were
        if pools is not None and not (folder / "adapt.safetensors").exists():
            fit_heads(model, pools, lambda images: clip.encode_image(((images - mean) / std).to(device)))
    for name, steps, rate in parts:
        stage = Stage(name, model, folder, steps=steps, rate=rate, decay=0.02, ema=0.995)
        stage.train(loss_with(name != "vision"))
        stage.use_average()
    clip.eval()
    return model.heads
