"""The one training loop: one task of one method."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter, by_name, count_trained
from harness.backbones.batched_adapters import gather, stacked
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.gradients import backward
from harness.plugins.hidden_state import no_hidden_state
from harness.plugins.hooks import no_global_draws
from harness.plugins.lent import Lent
from harness.plugins.training_checks import TrainingChecks, check_apart, check_settled
from harness.plugins.written_files import written_notes
from harness.seeds import derive_seed
from harness.settings.customization.task_data import Lesson
from harness.spec import MethodOptions
from harness.store.checkpoint import Checkpoint, TrainingState


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
    with no_hidden_state(method), no_global_draws(f"The training of {type(method).__name__}", tensors_only=True):
        return _train_task(method, lesson, seed, concept, checkpoint)


def _train_task(
    method: Method[MethodOptions], lesson: Lesson, seed: int, concept: str, checkpoint: Checkpoint | None
) -> TrainedTask:
    o, model = method.options, lesson.model
    generator = torch.Generator().manual_seed(derive_seed(seed, "train", concept))
    initial = torch.Generator().manual_seed(derive_seed(seed, "initial", concept))
    model.set_category(lesson.category)
    before = model.weights()
    written_notes()  # of a task that failed
    lent = Lent(method, (generator, initial), lesson)
    module = hooks.begin_task(method, model, initial).to(model.device)
    lent.check("begin_task")
    adapters = model.adapters()
    frozen = nn.ModuleList([model.unet, model.text_encoder])
    check_apart(method, module, adapters, frozen)
    for adapter in adapters:
        adapter.to(model.device).train()
    stacks = stacked(adapters)
    groups = [
        # once each, though adapters may share one
        {"params": list(dict.fromkeys(p for s in stacks for p in s.parameters())), "lr": o.learning_rate},
        {"params": list(module.parameters()), "lr": o.token_learning_rate},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=o.weight_decay, fused=True)
    # gradients that pass through float16 vanish unless the loss is scaled up; bfloat16 has float32's range
    scaler = torch.amp.GradScaler(model.device.type, enabled=model.dtype is torch.float16)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    trained_count = count_trained(model, module)
    checks = TrainingChecks(
        method, optimizer, stacks, by_name(model.projections), module, frozen, model.device,
        of=f" of {lesson.token}", rates="learning_rate or token_learning_rate", token=True,
    )  # fmt: skip

    def adapt() -> None:
        """The model with what is trained, as it is now."""
        for stack in stacks:
            stack.refresh()
        model.set_token(lesson.token, hooks.token(method, module, model.token_dim))

    own_batch = type(method).batch is not Method.batch
    state = TrainingState([*adapters, module], optimizer, (generator, initial), scaler)
    first, losses, spent = resume(state, checkpoint)
    started = time.perf_counter() - spent
    for step in range(first, o.steps):
        logged = step % max(1, o.steps // 20) == 0 or step == o.steps - 1
        adapt()
        values = checks.values(watched=step == first) if own_batch else []
        batch = hooks.batch(method, lesson, generator, watched=step == first)
        lent.check("batch")
        if own_batch and checks.changed(values):
            gather(stacks)
            adapt()
        denoising = lesson.loss(batch, generator)
        penalties = hooks.penalties(method, watched=step == first)
        lent.check("penalties")
        checks.losses(step, {"sd": denoising, **penalties}, logged=logged)
        loss = denoising + sum(penalties.values(), torch.zeros_like(denoising))
        checks.reach(loss, penalties)
        optimizer.zero_grad(set_to_none=True)
        backward(type(method).__name__, scaler.scale(loss))
        gather(stacks)
        checks.note_gradients(logged=logged)
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(trained, o.max_grad_norm, foreach=True)
        if not scaler.is_enabled():  # which skips a step with a gradient that is too large for it
            checks.gradient(step, norm, logged=logged)
        scaler.step(optimizer)
        scaler.update()
        if logged:
            losses.append({"step": step, "sd": denoising.item()} | {k: v.item() for k, v in penalties.items()})
        if checkpoint is not None and checkpoint.due():
            facts = {"step": step + 1, "losses": losses, "seconds": time.perf_counter() - started}
            checkpoint.write(state.tensors(), facts)
    checks.same_parameters()
    notes = checks.idle()
    settle(module, adapters)
    check_settled(method, adapters, stacks)
    measures = hooks.measures(method)
    lent.check("measures")
    with torch.no_grad():
        embedding = module().detach().clone()
    model.fold()
    model.set_token(lesson.token, embedding)
    memory = hooks.end_task(method, lesson, generator)
    lent.check("end_task")
    lent.check_content()
    seconds = time.perf_counter() - started
    distance = distances(model)
    measures |= {
        "plasticity_distance": sum(distance.values()) / len(distance),
        "residual_norm": residual_norm(before, model.weights()),
        "trained_parameters": float(trained_count),
        "final_loss": losses[-1]["sd"],
    }
    return TrainedTask(embedding.cpu(), measures, distance, seconds, losses, memory, [*notes, *written_notes()])


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
