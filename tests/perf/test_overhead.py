"""How far above its floor the harness is, as ratios within one run; printed, not asserted."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from pairs import turns
from record import tell
from test_against_diffusers import mini, training

from benchmarks.mini.concepts import ProceduralImages
from benchmarks.mini.tier import MINI
from harness import registry
from harness.backbones.text import Text
from harness.backbones.text_to_image import TextToImage
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import train_task
from harness.spec import Sampling


def seconds(work: Callable[[], object], times: int = 5) -> float:
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return median(taken)


def test_training_step_against_the_unets_forward_and_backward() -> None:
    torch.set_num_threads(1)
    model = TextToImage.load(MINI.backbone, torch.device("cpu"))
    images = ProceduralImages("person", "tuning", 0).load(64)
    latents = model.posterior(images)
    text = model.encode_prompts(["a photo of a person"]).features.expand(4, -1, -1).detach().requires_grad_(True)
    times = torch.tensor([1, 300, 600, 900])

    def floor() -> None:
        for projection in model.projections.values():
            projection.weight.requires_grad_(True)
        model.denoising_errors(
            latents.mean[:4], torch.randn_like(latents.mean[:4]), times, Text(text)
        ).mean().backward()

    base = seconds(floor, 15)
    model.denoiser.requires_grad_(False)
    print(f"\nfloor: U-Net forward and backward on K/V and text, batch 4: {base * 1e3:.1f} ms")
    for name in registry.methods().names():
        plugin = registry.methods().get(name)
        method_options = plugin.options_class.for_tier("mini", {"steps": 20, "batch_size": 4})

        def task(plugin: type = plugin, options: object = method_options) -> None:
            model.reset()
            train_task(plugin(options), Lesson(model, images, latents, "<v1>", "person", True), 0, "concept")

        step = seconds(task, 3) / 20
        print(f"{name}: {step * 1e3:.1f} ms a step, {step / base:.2f} of the floor")


def test_what_methods_add_to_a_step() -> None:
    """STAMINA's step in TI++'s, which trains a token alone (the paper: 1.096 in time), and C-LoRA's in LoRA's."""
    torch.set_num_threads(1)
    setting = mini()
    contenders = {name: training(setting, name, 4, cached=True) for name in ("ti++", "stamina", "lora", "clora")}
    found = turns(contenders, torch.device("cpu"), warm_up=3, timed=12, repetitions=15)
    print()
    for method, base in (("stamina", "ti++"), ("clora", "lora"), ("lora", "ti++")):
        tell("a step at the mini tier, batch 4", method, found[method].seconds, f"{base}'s", found[base].seconds)


def test_sampling_against_the_unets_forward() -> None:
    torch.set_num_threads(1)
    model = TextToImage.load(MINI.backbone, torch.device("cpu"))
    sampling = Sampling(images=16, steps=8, guidance_scale=2.0, eta=0.0, batch_size=16)
    text = model.encode_prompts(["a photo of a person"]).features.expand(32, -1, -1)
    latents = torch.randn(32, *model.latent_shape)
    with torch.no_grad():
        forward = seconds(lambda: model.denoiser(latents, 500, text)) * sampling.steps
        whole = seconds(lambda: model.generate("a photo of a person", list(range(16)), sampling), 3)
    print(f"\n16 images: {whole:.2f} s, of which U-Net forward {forward:.2f} s ({whole / forward:.2f} of the floor)")
