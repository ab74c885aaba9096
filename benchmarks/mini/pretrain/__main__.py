"""Make the embedded checkpoints again.

    python -m benchmarks.mini.pretrain --out checkpoints      # hours on two CPU cores

Stages (images, vision, vae, text, unet), each resumable: killed and started again, it goes on from its last minute. The
result is an ordinary open_clip folder, an ordinary Stable Diffusion folder and a model card with the measured quality.
With `--start FOLDER` the image tower, the autoencoder and the U-Net start from earlier checkpoints where they fit, and
need fewer steps. The classifier (vit) is apart from these: an ordinary timm folder, last, or alone with `--stage vit`.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import cache
from pathlib import Path

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from safetensors.torch import load_file
from transformers import CLIPTokenizer

from benchmarks.mini.factors import KINDS
from benchmarks.mini.pretrain.card import write_card
from benchmarks.mini.pretrain.clip import EMBED_DIM, clip_config
from benchmarks.mini.pretrain.convert import save_clip, save_pipeline
from benchmarks.mini.pretrain.loop import console, finished
from benchmarks.mini.pretrain.pool import Pools, load_pools
from benchmarks.mini.pretrain.quality import (
    caption_following,
    codec_floor,
    fit_probe,
    probe_scores,
    psnr,
    save_probes,
)
from benchmarks.mini.pretrain.text import train_text
from benchmarks.mini.pretrain.tokenizer import build_tokenizer
from benchmarks.mini.pretrain.unet import train_unet
from benchmarks.mini.pretrain.vae import train_vae
from benchmarks.mini.pretrain.vision import train_vision
from benchmarks.mini.pretrain.vit import make as make_vit
from benchmarks.mini.probes import PROBES

CLIP_FOLDER, PIPELINE_FOLDER = "clip-mini", "stable-diffusion-mini"
STAGES = ("images", "vision", "vae", "text", "unet", "vit", "all")


def main() -> None:
    """Train what is not trained yet, convert, measure, write the card."""
    parser = argparse.ArgumentParser(description="Train the embedded checkpoints of the mini tier (resumable).")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished checkpoints")
    parser.add_argument("--work", type=Path, default=Path(".pretrain"), help="folder for training state (.pretrain)")
    parser.add_argument("--start", type=Path, help="earlier checkpoints to start from (default: random weights)")
    parser.add_argument("--stage", choices=STAGES, default="all", help="stop after this stage (vit: nothing else)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)  # initial weights; all else draws from generators of its own
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.stage == "vit":
        make_vit(arguments.out, arguments.work)
        return
    if not train(arguments.work, arguments.start, arguments.stage, torch.device(arguments.device), arguments.out):
        return
    console.print("measuring quality on identities never trained on")
    measured = measure(arguments.out)
    (arguments.out / "quality.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write_card(arguments.out, measured, started=arguments.start is not None)
    if arguments.stage == "all":
        make_vit(arguments.out, arguments.work)
    console.print(f"wrote {arguments.out}")


def build_clip(tokenizer: CLIPTokenizer, start: Path | None) -> CLIP:
    """The untrained CLIP, its image tower from `start` where there is one."""
    config = clip_config(tokenizer)
    clip = CLIP(EMBED_DIM, CLIPVisionCfg(**config["vision_cfg"]), CLIPTextCfg(**config["text_cfg"]))  # type: ignore[arg-type]
    if start is not None:
        kept = load_file(str(start / CLIP_FOLDER / "open_clip_model.safetensors"))
        tower = {k.removeprefix("visual."): v for k, v in kept.items() if k.startswith("visual.")}
        clip.visual.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tower.items()})
    return clip


def train(work: Path, start: Path | None, last: str, device: torch.device, out: Path) -> bool:
    """Run the stages up to `last`; whether all are finished and written to `out`."""

    @cache
    def pools() -> Pools:
        return load_pools(work)

    def needed(*names: str) -> Pools | None:
        return None if all(finished(work, name) for name in names) else pools()

    def part(name: str) -> Path | None:
        return None if start is None else start / PIPELINE_FOLDER / name / "diffusion_pytorch_model.safetensors"

    # the vocabulary of earlier checkpoints, if any: ties between equally frequent pairs are broken at random
    kept = work / "tokenizer"
    if start is not None:
        tokenizer = CLIPTokenizer.from_pretrained(start / CLIP_FOLDER)
    else:
        tokenizer = build_tokenizer(kept) if not kept.exists() else CLIPTokenizer.from_pretrained(kept)
    if last == "images":
        pools()
        return False
    clip = build_clip(tokenizer, start)
    names = ("vision", "sharpen") if start is None else ("adapt",)
    heads = train_vision(work, clip, needed(*names), device, started=start is not None)
    if last == "vision":
        return False
    names = ("vae", "vae-factors") if start is None else ("vae-factors",)
    vae = train_vae(work, clip, heads, needed(*names), device, start=part("vae"))
    if last == "vae":
        return False
    clip = train_text(work, tokenizer, clip, needed("text"), device)
    if last == "text":
        return False
    unet = train_unet(work, tokenizer, clip, vae, needed("unet"), device, start=part("unet"))
    for module in (clip, vae, unet):
        module.to("cpu").float()
    save_clip(clip, tokenizer, out / CLIP_FOLDER)
    save_pipeline(clip, tokenizer, vae, unet, out / PIPELINE_FOLDER)
    return True


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
        "codec_floor": {kind: codec_floor(clip, pipeline.vae, kind) for kind in KINDS},
        "captions": caption_following(clip, probes, pipeline),
    }


if __name__ == "__main__":
    main()
