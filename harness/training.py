"""The one training loop: one task of one method."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.backbones.adaptable import count_trained
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.prompts import prompt_for
from harness.seeds import derive_seed
from harness.spec import MethodOptions


@dataclass
class TrainedTask:
    """What a task leaves: the token's embedding, (dim,), and figures. The weights are folded into the model."""

    token: Tensor
    measures: dict[str, float]
    layer_distance: dict[str, float]
    losses: list[dict[str, float]] = field(default_factory=list)


def train_task(
    model: TextToImage, method: Method[MethodOptions], latents: Tensor, token: str, category: str, seed: int, index: int
) -> TrainedTask:
    """Teach the model one concept, then fold what was learnt.

    Args:
        model: holds W_{t-1}. latents: (n, c, h, w), the concept's images, encoded once.
        token: V*, such as '<v3>'. category: X. seed: the run's seed. index: the task's, 1-based.

    Returns:
        The token and figures; `model` then holds W_t.
    """
    o = method.options
    generator = torch.Generator().manual_seed(derive_seed(seed, "train", index))
    initial = torch.Generator().manual_seed(derive_seed(seed, "initial", index))
    model.set_category(category)
    before = model.weights()
    module = method.begin(model, initial).to(model.device)
    adapters = model.adapters()
    for adapter in adapters:
        adapter.to(model.device).train()
    groups = [
        {"params": [p for a in adapters for p in a.parameters()], "lr": o.learning_rate},
        {"params": list(module.parameters()), "lr": o.token_learning_rate},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=o.weight_decay, foreach=True)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    prompt = prompt_for(token, category, o.category_word)
    schedule_length = int(model.pipeline.scheduler.config.num_train_timesteps)
    losses: list[dict[str, float]] = []
    started = time.perf_counter()
    for step in range(o.steps):
        chosen = torch.randint(len(latents), (o.batch_size,), generator=generator)
        times = torch.randint(schedule_length, (o.batch_size,), generator=generator)
        noise = torch.randn((o.batch_size, *latents.shape[1:]), generator=generator)
        for adapter in adapters:
            adapter.refresh()
        model.set_token(token, module())
        text = model.encode_prompts([prompt]).expand(o.batch_size, -1, -1)
        denoising = model.denoising_loss(
            latents[chosen.to(latents.device)], noise.to(latents), times.to(model.device), text
        )
        penalties = method.penalties()
        loss = denoising + sum(penalties.values(), torch.zeros_like(denoising))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, o.max_grad_norm, foreach=True)
        optimizer.step()
        if step % max(1, o.steps // 20) == 0 or step == o.steps - 1:
            losses.append({"step": step, "sd": denoising.item()} | {k: v.item() for k, v in penalties.items()})
    seconds = time.perf_counter() - started
    module.eval()
    for adapter in adapters:
        adapter.eval()
        with torch.no_grad():
            adapter.refresh()
    measures = dict(method.measures())
    trained_count = count_trained(model, module)
    with torch.no_grad():
        embedding = module().detach().clone()
    model.fold()
    model.set_token(token, embedding)
    after = model.weights()
    distance = {name: float((after[name] - model.initial[name].cpu()).float().norm()) for name in after}
    residual = [float((after[name] - before[name]).float().norm()) for name in after]
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": sum(residual) / len(residual),
        "train_seconds": seconds,
        "trained_parameters": float(trained_count),
        "final_loss": losses[-1]["sd"],
    }
    return TrainedTask(embedding.cpu(), measures, distance, losses)
