"""Make the embedded checkpoints again.

    python -m benchmarks.mini.pretrain --out checkpoints      # about three hours on two CPU cores

Four stages (vae, clip, vision, unet), each resumable: killed and started again, it goes on from its last minute. The
result is an ordinary open_clip folder, an ordinary Stable Diffusion folder and a model card with the measured quality.
The classifier (vit) is apart from these: an ordinary timm folder, last, or alone with `--stage vit`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch

from benchmarks.mini.factors import KINDS
from benchmarks.mini.pretrain.card import write_card
from benchmarks.mini.pretrain.clip import train_clip
from benchmarks.mini.pretrain.convert import save_clip, save_pipeline
from benchmarks.mini.pretrain.loop import console
from benchmarks.mini.pretrain.quality import caption_following, fit_probe, probe_scores, psnr, save_probes
from benchmarks.mini.pretrain.tokenizer import build_tokenizer
from benchmarks.mini.pretrain.unet import train_unet
from benchmarks.mini.pretrain.vae import train_vae
from benchmarks.mini.pretrain.vision import train_vision
from benchmarks.mini.pretrain.vit import make as make_vit
from benchmarks.mini.probes import PROBES

CLIP_FOLDER, PIPELINE_FOLDER = "clip-mini", "stable-diffusion-mini"


def main() -> None:
    """Train what is not trained yet, convert, measure, write the card."""
    parser = argparse.ArgumentParser(description="Train the embedded checkpoints of the mini tier (resumable).")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished checkpoints")
    parser.add_argument("--work", type=Path, default=Path(".pretrain"), help="folder for training state (.pretrain)")
    parser.add_argument(
        "--stage", choices=["vae", "clip", "vision", "unet", "vit", "all"], default="all", help="stop after this stage"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)

    if arguments.stage == "vit":
        make_vit(arguments.out, work)
        return
    tokenizer = build_tokenizer(work / "tokenizer")
    if arguments.stage in ("vae", "unet", "all"):
        vae = train_vae(work, device)
        if arguments.stage == "vae":
            return
    clip = train_clip(work, tokenizer, device)
    if arguments.stage == "clip":
        return
    clip = train_vision(work, tokenizer, clip, device)
    if arguments.stage == "vision":
        return
    unet = train_unet(work, tokenizer, clip, vae, device)

    for part in (clip, vae, unet):
        part.to("cpu").float()
    save_clip(clip, tokenizer, arguments.out / CLIP_FOLDER)
    save_pipeline(clip, tokenizer, vae, unet, arguments.out / PIPELINE_FOLDER)
    console.print("measuring quality on identities never trained on")
    measured = measure(arguments.out)
    (arguments.out / "quality.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write_card(arguments.out, measured)
    if arguments.stage == "all":
        make_vit(arguments.out, work)
    console.print(f"wrote {arguments.out}")


def measure(folder: Path) -> dict[str, object]:
    """Quality of the checkpoints as shipped (float16 on disk), by probes that are written beside them."""
    import open_clip
    from diffusers import StableDiffusionPipeline

    clip = open_clip.create_model_from_pretrained(f"local-dir:{folder / CLIP_FOLDER}", return_transform=False).eval()
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder / PIPELINE_FOLDER, torch_dtype=torch.float32, local_files_only=True, use_safetensors=True,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    probes = {kind: fit_probe(clip, kind) for kind in KINDS}
    save_probes(probes, folder / CLIP_FOLDER, folder / PROBES.name)
    return {
        "psnr_db": {kind: psnr(pipeline.vae, kind) for kind in KINDS},
        "probes": probe_scores(clip, probes, pipeline.vae),
        "captions": caption_following(clip, probes, pipeline),
    }


if __name__ == "__main__":
    main()
