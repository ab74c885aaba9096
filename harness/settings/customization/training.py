"""The training of the customization setting: one concept of one method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.backbones.adapters import count_trained
from harness.backbones.batched_adapters import gather
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.batches import BatchWatch, other_token_notes, token_notes
from harness.settings.customization.task_data import Lesson
from harness.settings.optimization import adamw, rate_share, set_rates
from harness.settings.training_loop import TrainingLoop, watched
from harness.sources.home import is_built_in
from harness.spec import MethodOptions
from harness.store.checkpoint import Checkpoint


@dataclass
class TrainedTask:
    """What a task leaves: the token's embedding, (dim,), the method's memory, and figures. The weights are folded."""

    token: Tensor
    measures: dict[str, float]
    layer_distance: dict[str, float]
    seconds: float  # spent on it, also before a resume; it depends on the machine, so no file holds it
    losses: list[dict[str, float]] = field(default_factory=list)
    memory: dict[str, Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # for the user
    reach: dict[str, str] = field(default_factory=dict)  # a plugin's penalty -> of how many adapters it is, in words


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

    Raises:
        PluginError: the method's code is at fault. BenchError: the loss is not finite.
    """
    with watched(method):
        return _train_task(method, lesson, seed, concept, checkpoint)


def _train_task(
    method: Method[MethodOptions], lesson: Lesson, seed: int, concept: str, checkpoint: Checkpoint | None
) -> TrainedTask:
    o, model = method.options, lesson.model
    loop = TrainingLoop(method, seed, concept, lesson)
    model.set_category(lesson.category)
    before, tokens = model.weights(), model.tokens()
    frozen = nn.ModuleList([model.denoiser, *model.text_encoders])
    module = loop.begin(model, model.device, frozen, lesson)
    optimizer = adamw(loop.stacks, module, o)
    # gradients that pass through float16 vanish unless the loss is scaled up; bfloat16 has float32's range
    scaler = torch.amp.GradScaler(model.device.type, enabled=model.dtype is torch.float16)
    trained_count = count_trained(model, module)
    rates = "learning_rate or token_learning_rate"
    loop.ready(
        optimizer, scaler, frozen, model.device, checkpoint, total=o.steps, of=f" of {lesson.token}", rates=rates,
        token=True,
    )  # fmt: skip

    odd: list[str] = []

    def adapt() -> None:
        """The model with what is trained, as it is now."""
        loop.refresh()
        token = hooks.token(method, module, model.token_dim)
        if not loop.step and not odd:
            odd.extend([*token_notes(method, token, model), *loop.checks.beside_token(token)])
        model.set_token(lesson.token, token)

    own_batch = type(method).batch is not Method.batch
    # those of `Method`, and of built-in methods, are known
    watch = BatchWatch(method, lesson) if own_batch and not is_built_in(type(method)) else None
    while loop.step < o.steps:
        set_rates(optimizer, rate_share(o.lr_schedule, o.warmup, loop.step, o.steps))
        adapt()
        is_last = loop.step == o.steps - 1
        values = loop.checks.values(watched=loop.is_first or (is_last and watch is not None)) if own_batch else []
        batch = hooks.batch(method, lesson, loop.generator, watched=loop.is_first)
        loop.lent.check("batch")
        if watch is not None:
            watch.look(batch)
        if own_batch and loop.checks.changed(values):
            if is_last and watch is not None:
                watch.last(loop.checks.share_changed(values))
            gather(loop.stacks)
            adapt()
        sd = lesson.loss(batch, loop.generator)
        loop.update("sd", sd, max_grad_norm=o.max_grad_norm, apart=o.clip_by == "kind")
    if not is_built_in(type(method)):
        changed = {name: now for name, now in model.tokens().items() if tokens.get(name) is not now}
        odd.extend(other_token_notes(method, changed, lesson.token))
    measures, notes = loop.finish()
    with torch.no_grad():
        embedding = module().detach().clone()
    model.fold()
    model.set_token(lesson.token, embedding)
    memory, more = loop.end_task(lesson)
    loop.lent.check_content()
    seconds = loop.seconds
    distance = distances(model)
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": residual_norm(before, model.weights()),
        "trained_parameters": float(trained_count),
        "final_loss": loop.losses[-1]["sd"],
    }
    notes += [*(watch.notes() if watch is not None else []), *odd, *more]
    return TrainedTask(
        embedding.cpu(), measures, distance, seconds, loop.losses, memory, notes, loop.checks.penalties.reach()
    )


def distances(model: TextToImage) -> dict[str, float]:
    """Name -> Frobenius norm of W - W_init, for every projection: their mean is the plasticity distance."""
    return {name: float(model.change(name).float().norm()) for name in model.projections}


def residual_norm(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Mean over projections of the Frobenius norm of W_t - W_{t-1}."""
    return sum(float((after[name] - before[name]).float().norm()) for name in after) / len(after)
