"""The training loop of the classification setting: one task of one method."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from harness.backbones.adapters import attached, by_name
from harness.backbones.batched_adapters import gather, stacked
from harness.backbones.classifier import Prompt
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.gradients import backward
from harness.plugins.hidden_state import no_hidden_state
from harness.plugins.hooks import no_global_draws
from harness.plugins.lent import Lent
from harness.plugins.training_checks import TrainingChecks, check_apart, check_settled
from harness.plugins.written_files import written_notes
from harness.seeds import derive_seed
from harness.settings.classification.task_data import ClassLesson, Head
from harness.settings.customization.training import resume, settle
from harness.store.checkpoint import Checkpoint, TrainingState

LOGGED = 20  # losses and rates that are kept of a training


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
    with no_hidden_state(method), no_global_draws(f"The training of {type(method).__name__}", tensors_only=True):
        return _train_classes(method, lesson, seed, concept, checkpoint)


def _train_classes(
    method: Method[Any], lesson: ClassLesson, seed: int, concept: str, checkpoint: Checkpoint | None
) -> TrainedClasses:
    o, model = method.options, lesson.model
    generator = torch.Generator().manual_seed(derive_seed(seed, "train", concept))
    initial = torch.Generator().manual_seed(derive_seed(seed, "initial", concept))
    head = Head(model, lesson.classes, o.mask_past, initial)
    before = {name: p.weight.detach().clone() for name, p in model.projections.items()}
    written_notes()  # of a task that failed
    lent = Lent(method, (generator, initial))
    module = hooks.begin_task(method, model, initial).to(model.device)
    lent.check("begin_task")
    adapters = model.adapters()
    check_apart(method, module, adapters, None)
    for adapter in adapters:
        adapter.to(model.device).train()
    stacks = stacked(adapters)
    module.train(isinstance(module, Prompt))  # a ViT that is trained as a whole has no dropout, but stays in eval mode
    model.prompt = module if isinstance(module, Prompt) else None
    # once each, though adapters may share one
    inner = list(dict.fromkeys(p for m in (*stacks, module) for p in m.parameters() if p.requires_grad))
    rates = (o.learning_rate, o.head_learning_rate or o.learning_rate)
    groups = [
        {"params": params, "lr": rate, "first": rate}
        for params, rate in zip((inner, list(head.parameters())), rates, strict=True)
        if params
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.999), fused=True)
    scaler = torch.amp.GradScaler(model.device.type, enabled=model.dtype is torch.float16)
    checks = TrainingChecks(
        method, optimizer, stacks, by_name(model.projections), module, model.vit, model.device, of="",
        rates="learning_rate", token=False,
    )  # fmt: skip
    state = TrainingState([*adapters, module, head], optimizer, (generator, initial), scaler)
    done, losses, spent = resume(state, checkpoint)
    labels = lesson.pixels.labels("train")
    each = math.ceil(len(labels) / o.batch_size)
    total = each * o.epochs
    started = time.perf_counter() - spent
    step = 0
    for epoch in range(o.epochs):
        shuffle = torch.Generator().manual_seed(derive_seed(seed, "epoch", concept, epoch))
        for group in optimizer.param_groups:
            group["lr"] = group["first"] * rate_at(epoch, o.epochs)
        for rows in lesson.batches(o.batch_size, shuffle):
            if step < done:
                step += 1
                continue
            logged = step % max(1, total // LOGGED) == 0 or step == total - 1
            for stack in stacks:
                stack.refresh()
            images = lesson.pixels.training(rows, generator).to(model.device)
            entropy = head(model.features(images), labels[rows].to(model.device))
            penalties = hooks.penalties(method, watched=step == done)
            lent.check("penalties")
            checks.losses(step, {"ce": entropy, **penalties}, logged=logged)
            loss = entropy + sum(penalties.values(), torch.zeros_like(entropy))
            checks.reach(loss, penalties)
            optimizer.zero_grad(set_to_none=True)
            backward(type(method).__name__, scaler.scale(loss))
            gather(stacks)
            checks.note_gradients(logged=logged)
            if logged and not scaler.is_enabled():
                grads = [p.grad for group in groups for p in group["params"] if p.grad is not None]
                checks.gradient(step, torch.nn.utils.get_total_norm(grads, foreach=True), logged=True)
            scaler.step(optimizer)
            scaler.update()
            if logged:
                rate = optimizer.param_groups[0]["lr"]
                losses.append(
                    {"step": step, "ce": entropy.item(), "rate": rate} | {k: v.item() for k, v in penalties.items()}
                )
            step += 1
            if checkpoint is not None and checkpoint.due():
                facts = {"step": step, "losses": losses, "seconds": time.perf_counter() - started}
                checkpoint.write(state.tensors(), facts)
    checks.same_parameters()
    notes = checks.idle()
    settle(module, adapters)
    check_settled(method, adapters, stacks)
    measures = hooks.measures(method)
    trained = sum(p.numel() for p in inner)
    model.fold()
    weight, bias = head.whole()
    model.load_head(weight, bias)
    memory = hooks.end_task(method, lesson, generator)
    lent.check("end_task")
    model.prompt = None
    seconds = time.perf_counter() - started
    distance = {name: float(model.change(name).norm()) for name in model.projections}
    moved = [float((p.weight.detach() - before[name]).norm()) for name, p in model.projections.items()]
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": sum(moved) / len(moved),
        "trained_parameters": float(trained),
        "final_loss": losses[-1]["ce"],
    }
    assert not attached(model.projections.values())
    notes += written_notes()
    return TrainedClasses((weight.cpu(), bias.cpu()), measures, distance, seconds, losses, memory, notes)
