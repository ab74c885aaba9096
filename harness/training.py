"""The one training loop: one task of one method."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.backbones.adaptable import Adapter, count_trained
from harness.backbones.stack import stacked
from harness.backbones.text_to_image import TextToImage
from harness.checkpoint import Checkpoint, TrainingState
from harness.errors import BenchError
from harness.lesson import Lesson
from harness.method import Method
from harness.seeds import derive_seed
from harness.spec import MethodOptions


@dataclass
class TrainedTask:
    """What a task leaves: the token's embedding, (dim,), the method's memory, and figures. The weights are folded."""

    token: Tensor
    measures: dict[str, float]
    layer_distance: dict[str, float]
    seconds: float  # spent on it, also before a resume; it depends on the machine, so no file holds it
    losses: list[dict[str, float]] = field(default_factory=list)
    memory: dict[str, Tensor] = field(default_factory=dict)


def train_task(
    method: Method[MethodOptions], lesson: Lesson, seed: int, concept: str, checkpoint: Checkpoint | None = None
) -> TrainedTask:
    """Teach the model one concept, then fold what was learnt.

    Args:
        method: fresh, with the `memory` of the task before. lesson: the concept; its model holds W_{t-1}.
        seed: the run's seed. concept: what tells this concept's draws from those of others.
        checkpoint: where to go on from, and to write to now and then; of this very training.

    Returns:
        The token, memory and figures; `lesson.model` then holds W_t.
    """
    o, model = method.options, lesson.model
    generator = torch.Generator().manual_seed(derive_seed(seed, "train", concept))
    initial = torch.Generator().manual_seed(derive_seed(seed, "initial", concept))
    model.set_category(lesson.category)
    before = model.weights()
    module = method.begin(model, initial).to(model.device)
    adapters = model.adapters()
    for adapter in adapters:
        adapter.to(model.device).train()
    stacks = stacked(adapters)
    groups = [
        {"params": [p for stack in stacks for p in stack.parameters()], "lr": o.learning_rate},
        {"params": list(module.parameters()), "lr": o.token_learning_rate},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=o.weight_decay, fused=True)
    # gradients that pass through float16 vanish unless the loss is scaled up; bfloat16 has float32's range
    scaler = torch.amp.GradScaler(model.device.type, enabled=model.dtype is torch.float16)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    trained_count = count_trained(model, module)
    state = TrainingState([*adapters, module], optimizer, (generator, initial), scaler)
    first, losses, spent = resume(state, checkpoint)
    started = time.perf_counter() - spent
    for step in range(first, o.steps):
        for stack in stacks:
            stack.refresh()
        model.set_token(lesson.token, module())
        denoising = lesson.loss(method.batch(lesson, generator), generator)
        penalties = method.penalties()
        loss = denoising + sum(penalties.values(), torch.zeros_like(denoising))
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(trained, o.max_grad_norm, foreach=True)
        scaler.step(optimizer)
        scaler.update()
        if step % max(1, o.steps // 20) == 0 or step == o.steps - 1:
            losses.append({"step": step, "sd": denoising.item()} | {k: v.item() for k, v in penalties.items()})
            check_finite(losses[-1], f" of {lesson.token}", "learning_rate or token_learning_rate")
        if checkpoint is not None and checkpoint.due():
            facts = {"step": step + 1, "losses": losses, "seconds": time.perf_counter() - started}
            checkpoint.write(state.tensors(), facts)
    settle(module, adapters)
    measures = dict(method.measures())
    with torch.no_grad():
        embedding = module().detach().clone()
    model.fold()
    model.set_token(lesson.token, embedding)
    memory = {name: tensor.detach().cpu() for name, tensor in method.remember(lesson, generator).items()}
    seconds = time.perf_counter() - started
    distance = distances(model)
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": residual_norm(before, model.weights()),
        "trained_parameters": float(trained_count),
        "final_loss": losses[-1]["sd"],
    }
    return TrainedTask(embedding.cpu(), measures, distance, seconds, losses, memory)


def check_finite(loss: Mapping[str, float], of: str, rates: str) -> None:
    """A training that has run away shall not go on, nor leave weights that later tasks build on.

    Args:
        loss: its parts, and their step. of: whose it is, as ' of <v1>'. rates: the options that may be too large.

    Raises:
        BenchError: a part of the loss is not finite.
    """
    for name, value in loss.items():
        if not math.isfinite(value):
            raise BenchError(
                f"The loss '{name}'{of} is {value} at step {loss['step']}; try a smaller {rates} (--set), or --dtype "
                "float32."
            )


def resume(state: TrainingState, checkpoint: Checkpoint | None) -> tuple[int, list[dict[str, float]], float]:
    """The next step, the losses so far and the seconds spent on them; from the start if there is nothing to go on."""
    found = checkpoint.read() if checkpoint is not None else None
    if found is None:
        return 0, [], 0.0
    tensors, facts = found
    state.restore(tensors)
    return int(facts["step"]), list(facts["losses"]), float(facts["seconds"])


def settle(module: nn.Module, adapters: Iterable[Adapter]) -> None:
    """Nothing is trained any more: dropout and noise end, and adapters compute with what the last step left."""
    module.eval()
    for adapter in adapters:
        adapter.eval()
        with torch.no_grad():
            adapter.refresh()


def distances(model: TextToImage) -> dict[str, float]:
    """Name -> Frobenius norm of W - W_init, for every projection: their mean is the plasticity distance."""
    return {name: float(model.change(name).float().norm()) for name in model.projections}


def residual_norm(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Mean over projections of the Frobenius norm of W_t - W_{t-1}."""
    return sum(float((after[name] - before[name]).float().norm()) for name in after) / len(after)
