"""What the trainings of all settings share: beginning, one step, checkpoints, and the end of a task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adaptable, Adapter, by_name
from harness.backbones.batched_adapters import Stack, gather, stacked
from harness.errors import PluginError
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.adapter_checks import (
    check_apart,
    check_residuals,
    check_settled,
    check_token_settled,
    faded_notes,
    scaled_notes,
    twice_notes,
)
from harness.plugins.begun import begun_notes
from harness.plugins.folded import counted_notes, folded_notes
from harness.plugins.gradients import backward
from harness.plugins.hidden_state import iterator_notes, no_hidden_state
from harness.plugins.hooked_gradients import HookedGradients
from harness.plugins.hooks import no_global_draws
from harness.plugins.kept_data import kept_notes
from harness.plugins.lent import Lent
from harness.plugins.one_by_one import Trained, looks_at_gradients
from harness.plugins.opened_files import file_notes
from harness.plugins.pulled import pulled_notes
from harness.plugins.settled import MemoryWatch, changed_notes, growth_notes, lost_notes, own_values, same_notes
from harness.plugins.training_checks import TrainingChecks
from harness.seeds import derive_seed
from harness.settings.masked_updates import MaskedUpdates
from harness.settings.optimization import clip_by_kind, kinds_of
from harness.sources.home import is_built_in
from harness.store.checkpoint import Checkpoint, TrainingState

FOLDED = "is folded before it, so that nothing comes of that; let compute() do it in eval mode (not self.training)"
SECOND = 2  # task that has one before it, and no other
LOGGED = 20  # steps of a training whose losses are kept


@contextmanager
def watched(method: Method[Any]) -> Iterator[None]:
    """A method's code in a training: no state is kept that another process would lack, and draws are its own.

    Raises:
        PluginError: it does not.
    """
    with no_hidden_state(method), no_global_draws(f"The training of {type(method).__name__}", tensors_only=True):
        yield


class TrainingLoop:
    """One training of one task, from `begin` over `ready` and as many `update`s as there are steps to `finish`.

    Attributes:
        generator: Draws what steps look at, and their noise. initial: draws initial values.
        adapters: What `begin_task` attached. stacks: the same, as they are computed.
        module: What `begin_task` returned.
        step: The step to make next, counted from 0; after a resume not the first. total: how many there are.
        losses: Step, losses and penalties of the steps that were logged.
    """

    def __init__(self, method: Method[Any], seed: int, concept: str, lesson: Any = None) -> None:
        """Prepare the draws.

        Args:
            method: Fresh, with the `memory` of the task before.
            seed: The run's seed.
            concept: What tells this task's draws from those of others.
            lesson: What the method's hooks get to look at, and must leave as it is.
        """
        self.method, self.name = method, type(method).__name__
        self.generator = torch.Generator().manual_seed(derive_seed(seed, "train", concept))
        self.initial = torch.Generator().manual_seed(derive_seed(seed, "initial", concept))
        self._lesson = lesson
        self.step = 0
        self.losses: list[dict[str, float]] = []
        self._begun: list[str] = []  # what there is to say of the start
        self._own: dict[str, object] | None = None  # the method's attributes after the first step

    def begin(self, model: Adaptable, device: torch.device, frozen: nn.Module | None, lesson: Any) -> nn.Module:
        """Let the method look at the task, and attach what it trains.

        Args:
            model: What is adapted.
            frozen: What of it must not be trained; None for nothing.
            lesson: What the method may look at first.

        Returns:
            What `begin_task` returned, on the device.
        """
        file_notes(self.method)  # of a task that failed
        initial = {f"model.initial['{name}']": tensor for name, tensor in getattr(model, "initial", {}).items()}
        self.lent = Lent(self.method, (self.generator, self.initial), self._lesson, initial)
        weights = {f"the weight of {name}": each.weight for name, each in model.projections.items()}
        lent_weights = Lent(self.method, (), model=weights)
        if type(self.method).prepare is not Method.prepare:
            hooks.prepare(self.method, lesson, self.initial)
            self.lent.check("prepare")
            lent_weights.check("prepare")
        self.module = hooks.begin_task(self.method, model, self.initial).to(device)
        self.lent.check("begin_task")
        lent_weights.check("begin_task")
        # what a method unfroze, its optimizer changes
        self._weights = Lent(self.method, (), model={n: w for n, w in weights.items() if not w.requires_grad})
        self._memory = MemoryWatch(self.method)
        self._named = by_name(model.projections)
        self.adapters: list[Adapter] = list(self._named.values())
        check_apart(self.method, self.module, self.adapters, frozen)
        self._first = begun_notes(self.method, self._named, self.module)
        for adapter in self.adapters:
            adapter.to(device).train()
        self._masked = MaskedUpdates(self.method, self._named, self.module)
        one_by_one = self._masked.used or looks_at_gradients(self.method)
        self.stacks = list(self.adapters) if one_by_one else stacked(self.adapters)
        together = [each for stack in self.stacks if isinstance(stack, Stack) for each in stack.adapters]
        self._flags = Trained(self.method, together)
        self._model = model
        return self.module

    def ready(
        self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, frozen: nn.Module, device: torch.device,
        checkpoint: Checkpoint | None, *, total: int, of: str, rates: str, token: bool,
        more: Sequence[nn.Module] = (),
    ) -> None:  # fmt: skip
        """Go on from the checkpoint, if there is any of this training, or begin with step 0.

        Args:
            total: How many steps it has.
            frozen: What must not be trained.
            of: Whose training it is, as ' of <v1>'. rates: the options that may be too large.
            token: Whether the module is a custom token. more: What is trained beside adapters and module.
        """
        self.optimizer, self.scaler, self.checkpoint, self.total = optimizer, scaler, checkpoint, total
        self._token = token
        self.kinds = kinds_of(self.stacks, [self.module, *more])
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        if any(group["params"] and not group["lr"] > 0 for group in optimizer.param_groups):
            raise PluginError(
                f"A learning rate of {self.name} is not above 0, so that nothing is learnt with it; see {rates}."
            )
        self.checks = TrainingChecks(
            self.method, optimizer, self.stacks, by_name(self._model.projections), self.module, frozen, device, of=of,
            rates=rates, token=token,
        )  # fmt: skip
        self._hooked = HookedGradients(self.method, self.trained)
        self.state = TrainingState(
            [*self.adapters, self.module, *more], optimizer, (self.generator, self.initial), scaler
        )
        spent = 0.0
        found = checkpoint.read() if checkpoint is not None else None
        if found is not None:
            tensors, facts = found
            self.state.restore(tensors)
            self.step, self.losses, spent = int(facts["step"]), list(facts["losses"]), float(facts["seconds"])
        self.first = self.step
        self._started = time.perf_counter() - spent

    @property
    def seconds(self) -> float:
        """Spent on the training so far, before a resume, too."""
        return time.perf_counter() - self._started

    @property
    def is_first(self) -> bool:
        """Whether this process makes its first step: hooks are then looked at more closely."""
        return self.step == self.first

    @property
    def logged(self) -> bool:
        """Whether the losses of the present step are kept."""
        return self.step % max(1, self.total // LOGGED) == 0 or self.step == self.total - 1

    def refresh(self) -> None:
        """Compute adapters with what they are now, at this step."""
        for stack in self.stacks:
            stack.progress = self.step / self.total
            stack.refresh()

    def update(
        self, name: str, value: Tensor, *, max_grad_norm: float | None = None, apart: bool = False,
        more: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        """One step of the optimizer on a loss and the method's penalties.

        Args:
            name: What the loss is called. value: it, a scalar.
            max_grad_norm: What the norm of all gradients is clipped to; None for not at all.
            apart: Clip each kind of parameter by its own norm instead.
            more: What is kept beside the loss, if this step is logged.
        """
        logged = self.logged
        if self.step == 0:
            self._begun = [*check_residuals(self.adapters), *self._first]
            if self.method.task_index > 1 and not is_built_in(type(self.method)):
                self._begun += twice_notes(self._model, self._named)
        penalties = hooks.penalties(self.method, watched=self.is_first)
        self.lent.check("penalties")
        self._flags.check()
        self._memory.check()
        self.checks.losses(self.step, {name: value, **penalties}, logged=logged)
        loss = value + sum(penalties.values(), torch.zeros_like(value))
        self.checks.reach(value, loss, penalties)
        self.checks.penalties.look(penalties, logged=logged)
        if self.step == 0 and self.method.task_index == SECOND and not is_built_in(type(self.method)):
            self._begun += pulled_notes(self.method, penalties, self._model, self._named)
        self._hooked.before(logged=logged)
        self.optimizer.zero_grad(set_to_none=True)
        backward(self.name, self.scaler.scale(loss))
        gather(self.stacks)
        self.checks.note_gradients(logged=logged)
        self._hooked.after()
        self._look_at_gradients(max_grad_norm, apart=apart, logged=logged)
        with self._masked.step(self.optimizer):
            self.scaler.step(self.optimizer)
        self.scaler.update()
        if logged:
            kept = {"step": self.step, name: value.item(), **(more or {})}
            self.losses.append(kept | {k: v.item() for k, v in penalties.items()})
        if self.is_first and not is_built_in(type(self.method)):  # a copy of all that a plugin keeps
            self._own = own_values(self.method)
        self.step += 1
        if self.checkpoint is not None and self.checkpoint.due():
            facts = {"step": self.step, "losses": self.losses, "seconds": self.seconds}
            self.checkpoint.write(self.state.tensors(), facts)

    def _look_at_gradients(self, max_grad_norm: float | None, *, apart: bool, logged: bool) -> None:
        """Clip them, and see that they are finite; a scaler skips a step with a gradient that is too large for it."""
        if max_grad_norm is not None or self._masked.used:
            self.scaler.unscale_(self.optimizer)
        if max_grad_norm is not None:
            norm = (clip_by_kind(self.kinds, max_grad_norm) if apart
                    else torch.nn.utils.clip_grad_norm_(self.trained, max_grad_norm, foreach=True))  # fmt: skip
        elif logged and not self.scaler.is_enabled():
            norm = torch.nn.utils.get_total_norm([p.grad for p in self.trained if p.grad is not None], foreach=True)
        else:
            return
        if not self.scaler.is_enabled():
            self.checks.gradient(self.step, norm, logged=logged)

    def finish(self) -> tuple[dict[str, float], list[str]]:
        """After the last step, before anything is folded.

        Returns:
            What the method measured, and notes for the user.
        """
        self.checks.same_parameters()
        notes = [*self._begun, *self.checks.idle(), *self._masked.notes(), *self._hooked.notes()]
        if self._own is not None:
            notes += [*changed_notes(self.method, self._own), *iterator_notes(self.method)]
        self.module.eval()
        for adapter in self.adapters:  # dropout and noise end, and they compute with what the last step left
            adapter.eval()
            with torch.no_grad():
                adapter.refresh()
        check_settled(self.method, self.adapters, self.stacks)
        notes += scaled_notes(self.method, self.adapters, self.initial)
        notes += faded_notes(self.method, self.adapters)
        if self._token:
            check_token_settled(self.method, self.module, self._model.token_dim)
        with self.checks.unchanged("measures", "is folded after it; copy it first (clone())"):
            measures = hooks.measures(self.method)
        self.lent.check("measures")
        self._weights.check("measures")
        return measures, notes

    def end_task(self, lesson: Any) -> tuple[dict[str, Tensor], list[str]]:
        """The method's memory, once everything is folded, and notes for the user."""
        held, own = self.method.memory, None if is_built_in(type(self.method)) else own_values(self.method)
        with self.checks.unchanged("end_task", FOLDED) if own is not None else nullcontext():
            memory = hooks.end_task(self.method, lesson, self.generator)
        self.lent.check("end_task")
        growth = [] if is_built_in(type(self.method)) else growth_notes(self.method, memory)  # tables say it of all
        notes = [*hooks.not_finite(self.method, memory), *growth]
        if self.method.keeps_data and not is_built_in(type(self.method)):  # tables say it of these
            notes.append(f"{self.name} keeps {self.method.keeps_data}, against the rule that no data are kept")
        if own is not None:
            notes += lost_notes(self.method, own, held, memory)
            notes += [*hooks.vanished(self.method, memory), *same_notes(self.method, memory)]
            notes += kept_notes(self.method, memory, lesson)
            notes += folded_notes(self.method, memory, self._model, self._named)
            notes += counted_notes(self.method, memory, self._model, self._named)
        return memory, [*notes, *file_notes(self.method)]
