"""The training of the classification setting: the classes of one task by one method."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.backbones.adapters import attached
from harness.backbones.classifier import Prompt
from harness.errors import PluginError
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.batches import recall_notes
from harness.plugins.method_checks import made
from harness.seeds import derive_seed
from harness.settings.classification.epochs import steps_an_epoch
from harness.settings.classification.task_data import ClassLesson, Head
from harness.settings.optimization import set_rates
from harness.settings.shared_steps import Memory
from harness.settings.training_loop import TrainingLoop, watched
from harness.sources.home import is_built_in
from harness.store.checkpoint import Checkpoint

LOOKED_AT = 8  # images by which two prompts are compared


@dataclass
class TrainedClasses:
    """What a task leaves: the head of all classes seen, the method's memory, and figures. The weights are folded."""

    head: tuple[Tensor, Tensor]
    measures: dict[str, float]
    layer_distance: dict[str, float]
    seconds: float
    losses: list[dict[str, float]] = field(default_factory=list)
    memory: dict[str, Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # for the user
    reach: dict[str, str] = field(default_factory=dict)  # a plugin's penalty -> of how many adapters it is, in words


def rate_at(epoch: int, epochs: int) -> float:
    """The learning rate of an epoch (from 0), as a share of the first: cos(99 pi e / (200 (K - 1))) (CODA-Prompt)."""
    return math.cos(99 * math.pi * epoch / (200 * (epochs - 1))) if epochs > 1 else 1.0


def train_classes(
    method: Method[Any], lesson: ClassLesson, seed: int, concept: str, checkpoint: Checkpoint | None = None
) -> TrainedClasses:
    """Teach the model a task's classes, then fold what was learnt.

    Args:
        method: fresh, with the `memory` of the task before. lesson: its model holds W_{t-1} and the head so far.
        seed: the run's seed. concept: what tells this task's draws from those of others.
        checkpoint: where to go on from, and to write to now and then; of this very training.

    Raises:
        PluginError: the method's code is at fault. BenchError: the loss is not finite.
    """
    with watched(method):
        return _train_classes(method, lesson, seed, concept, checkpoint)


def _train_classes(
    method: Method[Any], lesson: ClassLesson, seed: int, concept: str, checkpoint: Checkpoint | None
) -> TrainedClasses:
    o, model = method.options, lesson.model
    loop = TrainingLoop(method, seed, concept)
    head = Head(model, lesson.classes, o.mask_past, loop.initial)
    before = {name: p.weight.detach().clone() for name, p in model.projections.items()}
    module = loop.begin(model, model.device, None, lesson)
    if isinstance(module, Prompt) and type(method).recall is Method.recall:
        raise PluginError(
            f"{type(method).__name__}.begin_task() returns a Prompt to train, and no test sees it: define recall(), "
            "which gives the prompt to test with."
        )
    module.train(isinstance(module, Prompt))  # a ViT that is trained as a whole has no dropout, but stays in eval mode
    model.prompt = module if isinstance(module, Prompt) else None
    # once each, though adapters may share one
    inner = list(dict.fromkeys(p for m in (*loop.stacks, module) for p in m.parameters() if p.requires_grad))
    rates = (o.learning_rate, o.head_learning_rate or o.learning_rate)
    groups = [
        {"params": params, "lr": rate}
        for params, rate in zip((inner, list(head.parameters())), rates, strict=True)
        if params
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.999), eps=o.adam_eps, fused=True)
    scaler = torch.amp.GradScaler(model.device.type, enabled=model.dtype is torch.float16)
    labels = lesson.pixels.labels("train")
    total = steps_an_epoch(len(labels), o.batch_size, o.drop_last) * o.epochs
    loop.ready(
        optimizer, scaler, model.vit, model.device, checkpoint, total=total, of="", rates="learning_rate", token=False,
        more=[head],
    )  # fmt: skip
    step = 0
    for epoch in range(o.epochs):
        shuffle = torch.Generator().manual_seed(derive_seed(seed, "epoch", concept, epoch))
        set_rates(optimizer, rate_at(epoch, o.epochs))
        for rows in lesson.batches(o.batch_size, shuffle, drop_last=o.drop_last):
            step += 1
            if step <= loop.step:  # made before the run was resumed
                continue
            loop.refresh()
            images = lesson.pixels.training(rows, loop.generator).to(model.device)
            entropy = head(model.features(images), labels[rows].to(model.device))
            loop.update("ce", entropy, more={"rate": optimizer.param_groups[0]["lr"]})
    measures, notes = loop.finish()
    trained = sum(p.numel() for p in inner)
    model.fold()
    weight, bias = head.whole()
    model.load_head(weight, bias)
    memory, more = loop.end_task(lesson)
    if isinstance(module, Prompt) and not is_built_in(type(method)):
        more += _recalled(method, lesson, module, memory)
    model.prompt = None
    seconds = loop.seconds
    distance = {name: float(model.change(name).norm()) for name in model.projections}
    moved = [float((p.weight.detach() - before[name]).norm()) for name, p in model.projections.items()]
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": sum(moved) / len(moved),
        "trained_parameters": float(trained),
        "final_loss": loop.losses[-1]["ce"],
    }
    assert not attached(model.projections.values())
    notes += more
    reach = loop.checks.penalties.reach()
    return TrainedClasses((weight.cpu(), bias.cpu()), measures, distance, seconds, loop.losses, memory, notes, reach)


@torch.no_grad()
def _recalled(method: Method[Any], lesson: ClassLesson, trained: Prompt, memory: dict[str, Tensor]) -> list[str]:
    """Compare the prompt that was trained with what another instance makes of the memory, as a test will."""
    model = lesson.model
    other = made(type(method), method.options)
    other.memory, other.task_index, other.num_tasks = Memory(memory), method.task_index, method.num_tasks
    images = lesson.pixels.training(range(min(LOOKED_AT, len(lesson.pixels.labels("train")))), torch.Generator())
    images = images.to(model.device)
    before = model.logits(images)
    prompt = hooks.recall(other, model)
    if prompt is not None:
        prompt.to(model.device).eval()
    model.prompt = prompt
    after = model.logits(images)
    model.prompt = trained
    return recall_notes(method, before, after)
