"""The classifier: a small timm ViT, pre-trained on photo-like images of all object classes.

    python -m benchmarks.mini.pretrain.vit --out checkpoints

Its images are drawn once, then seen several times, each time cropped, flipped and recoloured. A convolutional teacher
(`vit_teacher.py`) learns first. Killed and started again, it goes on from its last minute. The result is an ordinary
timm model folder with its measured quality.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, Final

import timm
import torch
from safetensors.torch import load_file
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, grid_sample, kl_div, log_softmax, mse_loss, softmax

from benchmarks.mini.objects import CLASSES, dataset, objects_hash
from benchmarks.mini.pretrain.loop import Stage, console, write_safetensors
from benchmarks.mini.pretrain.vit_model import MEAN, MODEL_ARGS, STD, normalise
from benchmarks.mini.pretrain.vit_quality import measure, write_section
from benchmarks.mini.pretrain.vit_teacher import SMOOTHING, Teacher, train_teacher

FOLDER: Final = "vit-mini"
ARCHITECTURE: Final = "vit_tiny_patch16_224"
PER_CLASS: Final = 200  # images drawn of each class
STEPS: Final = 2600
BATCH: Final = 64
TEMPERATURE: Final = 2.0  # of the teacher's logits
FEATURES: Final = 2.0  # weight of the squared distance to the teacher's features
BESIDE: Final = 0.5  # weight of the cross-entropy of the mean of the patch tokens
MIDDLE_AFTER, LATE_AFTER = 2, 4  # blocks after which the patch tokens are held against the teacher's features


@torch.no_grad()
def initialise(vit: Any) -> None:
    """Start from weights like those of trained ViTs, to need fewer images.

    Positions are sines and cosines; attention is near the identity in Q K^T and near its negative in V and the
    projection (Trockman and Kolter, "Mimetic initialization of self-attention layers", ICML 2023); other linear layers
    are Xavier uniform: timm's standard deviation of 0.02 is made for wider models.
    """
    width, heads, side = (
        MODEL_ARGS["embed_dim"],
        MODEL_ARGS["num_heads"],
        MODEL_ARGS["img_size"] // MODEL_ARGS["patch_size"],
    )
    vit.pos_embed[:, 1:] = build_sincos2d_pos_embed([side, side], dim=width, interleave_sin_cos=True)
    vit.pos_embed[:, 0] = 0
    for layer in vit.modules():
        if isinstance(layer, nn.Linear) and layer is not vit.head:
            nn.init.xavier_uniform_(layer.weight)
    identity, part = torch.eye(width), width // heads
    for block in vit.blocks:
        queries, keys, values = block.attn.qkv.weight.split(width)
        for rows in torch.arange(width).split(part):
            u, s, v = torch.linalg.svd(0.7 * torch.randn(width, width) / width**0.5 + 0.7 * identity)
            queries[rows] = (u[:, :part] * s[:part].sqrt()).T
            keys[rows] = s[:part, None].sqrt() * v[:part]
        u, s, v = torch.linalg.svd(0.4 * torch.randn(width, width) / width**0.5 - 0.4 * identity)
        values.copy_(s[:, None].sqrt() * v)
        block.attn.proj.weight.copy_(u * s.sqrt())


class Pupil(nn.Module):
    """What is trained: the ViT, and beside it (not shipped) a second head on the mean of its patch tokens and two
    linear maps from its patch tokens to the teacher's features."""

    def __init__(self) -> None:
        super().__init__()
        width = MODEL_ARGS["embed_dim"]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.vit: Any = timm.create_model(ARCHITECTURE, pretrained=False, **MODEL_ARGS)
            initialise(self.vit)
            self.beside = nn.Linear(width, len(CLASSES))
            self.to_middle, self.to_late = nn.Linear(width, Teacher.MIDDLE), nn.Linear(width, Teacher.LATE)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Guesses of the teacher's features at each patch, logits of the class token and of the patches' mean."""
        x = self.vit.norm_pre(self.vit._pos_embed(self.vit.patch_embed(images)))
        patches = []
        for block in self.vit.blocks:
            x = block(x)
            patches.append(x[:, 1:])
        x = self.vit.norm(x)
        middle, late = self.to_middle(patches[MIDDLE_AFTER - 1]), self.to_late(patches[LATE_AFTER - 1])
        return middle, late, self.vit.head(x[:, 0]), self.beside(x[:, 1:].mean(1))


def draw_pool(folder: Path, per_class: int = PER_CLASS) -> tuple[Tensor, Tensor]:
    """The images of pre-training (n, 64, 64, 3) uint8 and their labels, kept in `folder` for a later start."""
    path = folder / f"objects-{objects_hash()[:12]}-{per_class}.safetensors"
    if not path.exists():
        console.print(f"vit: drawing {per_class} images of each of {len(CLASSES)} classes")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # many small operations: a second thread only waits
        parts = []
        for number, who in enumerate(CLASSES, 1):
            parts.append(torch.from_numpy(dataset("pretrain", [who.name], per_class, 0)[0]))
            if number % 20 == 0:
                console.print(f"vit: {number} of {len(CLASSES)} classes drawn")
        torch.set_num_threads(threads)
        labels = torch.arange(len(CLASSES)).repeat_interleave(per_class)
        write_safetensors({"images": torch.cat(parts), "labels": labels}, path)
    tensors = load_file(str(path))
    return tensors["images"], tensors["labels"]


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip, crop (0.75 to 1.05 of the side), recolour: gain per channel, contrast, at times grey or inverted."""
    count = len(images)
    draws = torch.rand(count, 12, generator=generator)
    zoom = 0.75 + 0.30 * draws[:, 0]
    shift = (draws[:, 1:3] - 0.5) * 0.3
    flip = torch.where(draws[:, 3] < 0.5, 1.0, -1.0)
    zero = torch.zeros(count)
    affine = torch.stack(
        [torch.stack([zoom * flip, zero, shift[:, 0]], 1), torch.stack([zero, zoom, shift[:, 1]], 1)], 1
    )
    grid = nn.functional.affine_grid(affine, list(images.shape), align_corners=False)
    images = grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    grey = images.mean(1, keepdim=True)
    saturation = torch.where(draws[:, 4] < 0.1, 0.0, 0.6 + 0.8 * draws[:, 5])[:, None, None, None]
    images = grey + saturation * (images - grey)
    images = images * (0.8 + 0.4 * draws[:, 6:9])[:, :, None, None]
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (0.6 + 0.8 * draws[:, 9])[:, None, None, None] * (images - middle)
    images = torch.where((draws[:, 10] < 0.05)[:, None, None, None], 1 - images, images)
    return images.clamp(0, 1)


def standardised(features: Tensor) -> Tensor:
    """Each channel of (n, patches, channels) with mean 0 and standard deviation 1 over the batch."""
    return (features - features.mean((0, 1))) / (features.std((0, 1)) + 1e-3)


def train_vit(work: Path, per_class: int = PER_CLASS, steps: int = STEPS) -> nn.Module:
    """Train (or finish, or load) the teacher, then the ViT."""
    pool, known = draw_pool(work, per_class)

    def batches(generator: torch.Generator, size: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(known), (size,), generator=generator)
        images = augment(pool[rows].permute(0, 3, 1, 2).float() / 255, generator)
        return normalise(images), known[rows]

    teacher = train_teacher(work, len(CLASSES), batches)
    pupil = Pupil()
    stage = Stage("vit", pupil, work, steps=steps, rate=1e-3, decay=0.05, ema=0.995)

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images, labels = batches(generator, BATCH)
        with torch.no_grad():
            true_middle, true_late, taught = teacher(images)
        middle, late, logits, beside = pupil(images)
        own = cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        soft, target = log_softmax(logits / TEMPERATURE, 1), softmax(taught / TEMPERATURE, 1)
        kl = kl_div(soft, target, reduction="batchmean") * TEMPERATURE
        features = mse_loss(middle, standardised(true_middle)) + mse_loss(late, standardised(true_late))
        loss = own + BESIDE * cross_entropy(beside, labels, label_smoothing=SMOOTHING) + kl + FEATURES * features
        accuracy = (logits.argmax(1) == labels).float().mean().item()
        return loss, {"loss": own.item(), "kl": kl.item(), "features": features.item(), "accuracy": accuracy}

    stage.train(loss_of)
    stage.use_average()
    vit: nn.Module = pupil.vit
    return vit


def save_vit(model: nn.Module, folder: Path) -> None:
    """Write a timm model folder: `config.json` as on timm's hub, float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors({k: v.half() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    config = {
        "architecture": ARCHITECTURE,
        "num_classes": len(CLASSES),
        "num_features": MODEL_ARGS["embed_dim"],
        "global_pool": "token",
        "model_args": {k: v for k, v in MODEL_ARGS.items() if k != "num_classes"},
        "label_names": [c.name for c in CLASSES],
        "pretrained_cfg": {
            "tag": "objects", "custom_load": False, "input_size": [3, 64, 64], "fixed_input_size": True,
            "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": MEAN, "std": STD,
            "num_classes": len(CLASSES), "pool_size": None, "first_conv": "patch_embed.proj", "classifier": "head",
            "license": "mit",
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def load_vit(folder: Path) -> nn.Module:
    """The ViT as timm loads it, offline, in float32."""
    model: nn.Module = timm.create_model(f"local-dir:{folder}", pretrained=True)
    return model.eval()


def make(out: Path, work: Path, per_class: int = PER_CLASS, steps: int = STEPS) -> None:
    """Train what is not trained yet, save it under `out`, measure, write its section of the card."""
    model = train_vit(work, per_class, steps)
    folder = out / FOLDER
    save_vit(model, folder)
    console.print("vit: measuring quality on images never trained on")
    training = {"steps": steps, "batch": BATCH, "images_per_class": per_class}
    measured = {"training": training} | measure(load_vit(folder))
    (out / "quality-vit.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write_section(out, measured)
    console.print(f"wrote {folder}")


def main() -> None:
    """`make` from the command line."""
    parser = argparse.ArgumentParser(description="Train the embedded classifier of the mini tier (resumable).")
    parser.add_argument("--out", type=Path, required=True, help=f"{FOLDER}/ is written into this folder")
    parser.add_argument("--work", type=Path, default=Path(".pretrain"), help="folder for training state (.pretrain)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    make(arguments.out, arguments.work)


if __name__ == "__main__":
    main()
