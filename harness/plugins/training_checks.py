"""What is looked at while a task is trained, so that no training goes wrong in silence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from harness.backbones.batched_adapters import Stack
from harness.errors import BenchError, PluginError
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.gradients import check_reach, leaves, name_of, undefined
from harness.plugins.penalties import PenaltyWatch
from harness.sources.home import is_built_in


class TrainingChecks:
    """Losses and gradients of one training: that they are finite, and that what gets a gradient is trained."""

    def __init__(
        self, method: Method[Any], optimizer: torch.optim.Optimizer, stacks: Sequence[Adapter | Stack],
        adapters: Mapping[str, Adapter], module: nn.Module, model: nn.Module, device: torch.device, *, of: str,
        rates: str, token: bool,
    ) -> None:  # fmt: skip
        """Begin before the first step.

        Args:
            stacks: what computes the residuals of `adapters`, which go by their projections' names.
            module: what `begin_task` returned. model: what must not be trained.
            of: whose training it is, as ' of <v1>'. rates: the options that may be too large. token: whether `module`
                gives one.
        """
        self.method, self.stacks, self.of, self.rates = method, stacks, of, rates
        self.name = type(method).__name__
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        # a stack's adapters hand their gradients on to it
        own = [p for stack in stacks if isinstance(stack, Stack) for each in stack.adapters for p in each.parameters()]
        self.reachable = [*self.trained, *own]
        self.at_once = device.type == "cpu"  # elsewhere, to look is to wait for the device
        begun = f"the module that {self.name}.begin_task() returned"
        self._places: dict[str, nn.Module] = {f"the adapter of {name}": each for name, each in adapters.items()}
        self._places[begun] = self._module = module
        self._model = model
        self._kept = {place: dict(each.named_parameters()) for place, each in self._places.items()}
        self._terms: tuple[str, ...] | None = None
        self._adapters = {id(p) for stack in stacks for p in stack.parameters()}
        self._begun = {id(p) for p in module.parameters()}
        self._token = token
        self._what = "its token" if token else f"what {self.name}.begin_task() returned"
        self._idle = [p for p in self.trained if p.requires_grad]  # without a gradient other than 0 so far
        self._reached: set[int] = set()  # of these, what had one of zeros
        self.penalties = PenaltyWatch(method, stacks, self.reachable, adapters)
        self._steps = 0
        self._own = {id(p) for p in own}
        # own parameter of a stack's adapter -> what is trained in its place
        self._whole = {id(share.own): id(share.whole) for s in stacks if isinstance(s, Stack) for share in s.shares}
        self._without_loss: list[str] = []  # what the loss itself does not reach, but for its penalties
        if adapters and not any(p.requires_grad for each in adapters.values() for p in each.parameters()):
            raise PluginError(
                f"The adapters of {self.name} have no parameter that is trained: each is frozen, or none."
            )
        self._unseen: list[tuple[int, dict[str, Tensor]]] = []

    def losses(self, step: int, terms: Mapping[str, Tensor], *, logged: bool) -> None:
        """Look whether each part of the loss is finite; on a GPU at logged steps, then at those since the last one.

        Raises:
            BenchError: a part is not. It names the first one, and its step.
        """
        self._unseen.append((step, {name: term.detach() for name, term in terms.items()}))
        if not (logged or self.at_once):
            return
        parts = [(at, name, value) for at, found in self._unseen for name, value in found.items()]
        self._unseen.clear()
        for (at, name, _), value in zip(parts, torch.stack([part.float() for *_, part in parts]).tolist(), strict=True):
            if not math.isfinite(value):
                remedy = f"try a smaller {self.rates} (--set), or --dtype float32"
                if name not in hooks.LOSSES:
                    mend = f"mend what {self.name}.penalties() computes (a division by 0, perhaps)"
                    remedy = mend if at == 0 else f"{mend}, or {remedy}"  # at step 0 nothing has been learnt yet
                raise BenchError(f"The loss '{name}'{self.of} is {value} at step {at}; {remedy}.")

    def reach(self, bare: Tensor, loss: Tensor, penalties: Mapping[str, Tensor]) -> None:
        """Look, when a term is new, that all that gets a gradient is trained, and that each penalty trains something.

        Args:
            bare: the loss without penalties. loss: the whole.

        Raises:
            PluginError: something is not, or does not.
        """
        if self._terms != tuple(penalties):
            self._terms = tuple(penalties)
            if penalties and not is_built_in(type(self.method)):
                reached = {id(leaf) for leaf in leaves(bare)}
                kinds = {"its adapters": self._adapters | self._own, self._what: self._begun}
                self._without_loss = [what for what, own in kinds.items() if own and not own & reached]
                alone = [leaf for leaf in leaves(loss) if not {id(leaf), self._whole.get(id(leaf))} & reached]
                if alone and not self._without_loss:
                    named = name_of(alone[0], self.name, self._places, self.method)
                    self._without_loss = [named[0].lower() + named[1:]]
            places = {**self._places, "the model": self._model}
            check_reach(self.name, loss, penalties, self.reachable, places, self.method)

    def beside_token(self, token: Tensor) -> list[str]:
        """A sentence if `begin_task` returned parameters that the token, (dim,), is not made of, as well as others."""
        made_of = {id(leaf) for leaf in leaves(token)}
        trained = {name: id(p) for name, p in self._module.named_parameters() if p.requires_grad}
        found = [name for name, key in trained.items() if key not in made_of]
        if not found or len(found) == len(trained) or is_built_in(type(self.method)):
            return []
        return [
            f"the parameter {found[0]} of what {self.name}.begin_task() returned is no part of the token, and is "
            "trained at token_learning_rate; as a parameter of an adapter it has learning_rate"
        ]

    def gradient(self, step: int, norm: Tensor, *, logged: bool) -> None:
        """Look whether the gradient of a loss that is finite is finite, too, before a step is made with it.

        Raises:
            PluginError: it is not; the sentence names the penalty.
            BenchError: the same, and no penalty is to blame.
        """
        if not (logged or self.at_once) or math.isfinite(norm.item()):
            return
        for stack in self.stacks:
            stack.refresh()  # the graph of the last pass is gone
        name = undefined(hooks.penalties(self.method, watched=False), self.reachable)
        if name:
            raise PluginError(
                f"The gradient of the penalty '{name}' of {self.name} is not finite at step {step}, though its value "
                "is: a square root or a norm of 0, perhaps; add a small constant inside it."
            )
        raise BenchError(
            f"The gradient{self.of} is {norm.item()} at step {step}; try a smaller {self.rates} (--set), or --dtype "
            "float32."
        )

    def note_gradients(self, *, logged: bool) -> None:
        """Remember which parameters have had a gradient other than 0; after the first steps hardly any is left."""
        self._steps += 1
        if self._idle and (logged or self._steps <= 3):
            self._reached |= {id(p) for p in self._idle if p.grad is not None}
            self._idle = [p for p in self._idle if p.grad is None or not p.grad.any()]

    def idle(self) -> list[str]:
        """After the last step: sentences, if some of what is trained or a penalty never had a gradient.

        Raises:
            PluginError: no parameter of any adapter had one, or none of what else is trained.
        """
        if not self._steps:  # it went on from a checkpoint of its last step
            return []
        idle = {id(p) for p in self._idle}
        whole = [p for p in self.trained if p.requires_grad]
        parts = {
            "of its adapters": ([p for p in whole if id(p) in self._adapters], "does compute() use them?"),
            f"of {self._what}": (
                [p for p in whole if id(p) in self._begun],
                "is the token in the prompt?" if self._token else "does anything compute with it?",
            ),
        }
        for what, (own, question) in parts.items():
            if own and all(id(p) in idle for p in own):
                if what == "of its adapters" and any(id(p) in self._reached for p in own):
                    raise PluginError(
                        f"{self.name} trains nothing {what}: their gradient is 0 at every step; do both factors start "
                        "at 0?"
                    )
                raise PluginError(
                    f"{self.name} trains nothing {what}: no parameter had a gradient in any step; {question}"
                )
        notes = self.penalties.notes()
        for what in self._without_loss:
            notes.append(
                f"{self.name} trains {what} by its penalties alone, as the loss itself does not get there (a detach() "
                "or .data on the way, perhaps)"
            )
        if not idle or self._steps < 3:  # what is multiplied by a 0 at first has none in the first step
            return notes
        what = name_of(self._idle[0], self.name, self._places, self.method)
        what = f": {what[0].lower()}{what[1:]}, and others" if len(idle) > 1 else f": {what[0].lower()}{what[1:]}"
        return [*notes, f"{len(idle)} of {len(whole)} tensors that {self.name} trains never had a gradient{what}"]

    def values(self, *, watched: bool) -> list[tuple[int, int, Tensor | None]]:
        """What tells later whether anything that is trained was given another value.

        Args:
            watched: whether to remember the values as well, which takes time.
        """
        return [(p._version, p.data_ptr(), p.detach().clone() if watched else None) for p in self.reachable]

    def changed(self, before: Sequence[tuple[int, int, Tensor | None]]) -> bool:
        """After `batch`: whether it gave anything that is trained another value, so that all must be computed again.

        Raises:
            PluginError: it did so where it cannot be seen at every step.
        """
        if any((p._version, p.data_ptr()) != (was[0], was[1]) for p, was in zip(self.reachable, before, strict=True)):
            return True
        if any(
            value is not None and not torch.equal(value, p)
            for p, (_, _, value) in zip(self.reachable, before, strict=True)
        ):
            raise PluginError(
                f"{self.name}.batch() changes what is trained through .data, which cannot be seen at every step; "
                "change it in place under torch.no_grad()."
            )
        return False

    def share_changed(self, before: Sequence[tuple[int, int, Tensor | None]]) -> float:
        """By how much what is trained differs from watched `values`, as a share of its norm."""
        moved, whole = 0.0, 1e-30
        for parameter, (_, _, value) in zip(self.reachable, before, strict=True):
            if value is not None:
                moved += float((parameter.detach() - value).square().sum())
                whole += float(value.square().sum())
        return math.sqrt(moved / whole)

    @contextmanager
    def unchanged(self, hook: str, why: str) -> Iterator[None]:
        """A hook after the last step, which must leave what was trained alone.

        Args:
            why: why it must, and what to do instead, as the end of a sentence.

        Raises:
            PluginError: it gave a parameter another value.
        """
        whole = [
            ("the adapter's" if place.startswith("the adapter of ") else "the module's", name, p, p.detach().clone())
            for place, each in self._places.items()
            for name, p in each.named_parameters()
        ]
        yield
        for whose, name, parameter, before in whole:
            if not torch.equal(parameter, before):
                raise PluginError(f"{self.name}.{hook}() changes {whose} {name}, which {why}.")

    def same_parameters(self) -> None:
        """Look that what was trained is what adapters and modules still hold.

        Raises:
            PluginError: a parameter was exchanged for another, which no optimizer has.
        """
        for place, kept in self._kept.items():
            for name, parameter in self._places[place].named_parameters():
                if parameter is not kept.get(name):
                    raise PluginError(
                        f"{self.name} exchanged the parameter {name} of {place} during the training, so that no "
                        "optimizer trained the new one; change its values in place, under torch.no_grad()."
                    )
