"""Methods with mistakes as people make them, each in one hook, and what is said of each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from harness.backbones.adapters import attach
from harness.method import Batch, Method
from harness.spec import MethodOptions
from methods import parts


class RankOptions(MethodOptions):
    rank: int = Field(2, ge=1, description="rank")
    weight: float = Field(1.0, ge=0, description="weight of the penalty")


class Plain(Method[RankOptions]):
    """Nothing wrong with it."""

    options_class = RankOptions

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        make = lambda name, projection: parts.LowRank(projection, self.options.rank, generator)  # noqa: E731
        self.adapters: dict[str, Any] = attach(model, make)
        return parts.new_token(model, "free", "category", self.options.rank, generator)

    def size(self) -> Tensor:
        return torch.stack([adapter.residual().square().sum() for adapter in self.adapters.values()]).sum()


class Orthogonal(Plain):
    """A penalty on the adapters' own B, as O-LoRA has it: each new B is orthogonal to the sum of B^T B so far."""

    def penalties(self) -> Mapping[str, Tensor]:
        if not self.memory:
            return {}
        terms = [torch.einsum("rd,de,re->", a.B, self.memory[n], a.B) for n, a in self.adapters.items()]
        return {"ortho": self.options.weight * torch.stack(terms).sum()}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return {n: a.B.T @ a.B + self.memory.get(n, torch.zeros(())) for n, a in self.adapters.items()}


class OwnParameters(Plain):
    """A penalty on all that an adapter says it has."""

    def penalties(self) -> Mapping[str, Tensor]:
        every = [p.square().sum() for a in self.adapters.values() for p in a.parameters()]
        return {"decay": self.options.weight * torch.stack(every).sum()}


class Elsewhere(Plain):
    """Gives an adapter's parameter another value, in memory of its own."""

    def penalties(self) -> Mapping[str, Tensor]:
        for adapter in self.adapters.values():
            adapter.B.data = 0.5 * adapter.B.data
        return {}


class Zeroed(Plain):
    """Sets A to 0 before each step, so that nothing is left of the steps before it."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        with torch.no_grad():
            for adapter in self.adapters.values():
                adapter.A.zero_()
        return super().batch(lesson, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        return {"size": self.size()}


class TooLate(Plain):
    """Changes what its own penalty was computed from."""

    def penalties(self) -> Mapping[str, Tensor]:
        term = self.size()
        with torch.no_grad():
            for adapter in self.adapters.values():
                adapter.B.add_(1.0)
        return {"size": term}


def broken(sentence: str, **members: Any) -> type[Plain]:
    """A method with these members, of which that sentence is to be said."""
    return type("Broken", (Plain,), {"__module__": __name__, "sentence": sentence, **members})


def begins(sentence: str, spoil: Any) -> type[Plain]:
    """One whose `begin_task` gives what `spoil` makes of the token."""
    return broken(
        sentence, begin_task=lambda self, model, generator: spoil(self, Plain.begin_task(self, model, generator))
    )


def ends(sentence: str, hook: str, value: Any) -> type[Plain]:
    """One with a hook that gives a value, or what a function makes of the method."""
    give = lambda self, *arguments: value(self) if callable(value) else value  # noqa: E731
    return broken(sentence, **{hook: give})


class Three(nn.Module):
    """Gives an embedding that is too small."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(3))

    def forward(self) -> Tensor:
        return self.w


class Ignoring(parts.LowRank):
    """Computes without what it trains."""

    def compute(self) -> Tensor:
        return (self.A.detach() + 1) @ self.B.detach()


class Noisy(parts.LowRank):
    """Draws noise whenever it is asked."""

    def __init__(self, projection: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.generator = generator

    def compute(self) -> Tensor:
        return super().compute() + 0.1 * torch.randn(1, generator=self.generator)


class NoisyToken(nn.Module):
    """A token that draws noise whenever it is asked."""

    def __init__(self, token: nn.Module, generator: torch.Generator) -> None:
        super().__init__()
        self.token, self.generator = token, generator

    def forward(self) -> Tensor:
        embedding: Tensor = self.token()
        return embedding + 0.1 * torch.randn(embedding.shape, generator=self.generator)


class BothZero(parts.LowRank):
    """Neither factor gets a gradient, as each is multiplied by the other."""

    def __init__(self, projection: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        nn.init.zeros_(self.B)


class Whole(parts.LowRank):
    """Adds the residual to the weight by itself."""

    def __init__(self, projection: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.register_buffer("weight", projection.weight.detach().clone())

    def compute(self) -> Tensor:
        whole: Tensor = self.weight + super().compute()  # type: ignore[operator]
        return whole


class OverAll(parts.LowRank):
    """Scales by the norm of all entries, and yet says that it may be stacked."""

    stackable = True

    def compute(self) -> Tensor:
        return super().compute() / (1 + self.B.norm())


def attached(method: Plain, model: Any, kind: type[parts.LowRank], generator: torch.Generator) -> nn.Module:
    method.adapters = attach(model, lambda name, projection: kind(projection, method.options.rank, generator))
    return parts.new_token(model, "free", "category", method.options.rank, generator)


tasks_so_far = 0


def drawn(method: Plain, token: nn.Module) -> nn.Module:
    for adapter in method.adapters.values():
        adapter.B.data += 0.1 * torch.randn_like(adapter.B)
    return token


def holding(method: Plain, token: nn.Module) -> nn.Module:
    token.more = nn.ModuleList(method.adapters.values())
    return token


def extra(method: Plain, token: nn.Module) -> nn.Module:
    method.gates = [nn.Parameter(torch.ones(2, 2))]  # type: ignore[attr-defined]
    return token


def exchanged(method: Any) -> Mapping[str, Tensor]:
    adapter = next(iter(method.adapters.values()))
    adapter.B = nn.Parameter(adapter.B.detach().clone())
    return {}


def shrunk(method: Any, batch: Batch) -> Batch:
    for adapter in method.adapters.values():
        adapter.B.data.mul_(0.5).add_(1.0)
    return batch


def summed(method: Any) -> Mapping[str, Tensor]:
    method.total = getattr(method, "total", 0.0) + method.size()
    return {"total": method.total}


def late(method: Any) -> Mapping[str, Tensor]:
    method.seen = getattr(method, "seen", 0) + 1
    return {"late": method.size() * (float("nan") if method.seen == 2 else 0.0)}


def remembering(self: Plain, history: list[int] = []) -> Mapping[str, Tensor]:  # noqa: B006  (the mistake)
    history.append(len(history))
    return {}


TOKEN = "must give an nn.Module whose forward() gives the token, a (128,) floating-point tensor; it gave"
SCALAR = "Broken.penalties() must give a scalar tensor, already weighted, for 'bad'; it gave"
MISTAKES: Mapping[str, type[Plain]] = {
    "begin gives None": begins(f"Broken.begin_task() {TOKEN} None.", lambda m, t: None),
    "begin gives a dict": begins(f"Broken.begin_task() {TOKEN} a dict.", lambda m, t: {"token": t}),
    "begin gives a tensor": begins(
        f"Broken.begin_task() {TOKEN} a tensor of shape (128,) and float32.", lambda m, t: t()
    ),
    "token too small": begins(
        "The module that Broken.begin_task() returned, a Three, must give the token's embedding, a (128,) "
        "floating-point "
        "tensor; it gave a tensor of shape (3,) and float32.",
        lambda m, t: Three(),
    ),
    "token of no module's": begins(
        "The module that Broken.begin_task() returned holds an adapter's parameter (more.0.A); leave it out.", holding
    ),
    "draws in begin": begins("Broken.begin_task() draws from torch's global generator, so that its results", drawn),
    "draws by NumPy": ends(
        "Broken.penalties() draws from NumPy's global generator",
        "penalties",
        lambda m: {"bad": m.size() * np.random.rand()},  # noqa: NPY002
    ),
    "draws by Python": ends(
        "Broken.end_task() draws from Python's global generator",
        "end_task",
        lambda m: {"a": torch.tensor(random.random())},
    ),
    "a penalty of nan": ends(
        "The loss 'bad' of <v1> is nan at step 0; mend what Broken.penalties() computes",
        "penalties",
        lambda m: {"bad": m.size() / 0 * 0},
    ),
    "nan at a step that is not logged": ends(
        "The loss 'late' of <v1> is nan at step 1; mend what Broken.penalties() computes", "penalties", late
    ),
    "a float": ends(f"{SCALAR} 0.5, a float.", "penalties", {"bad": 0.5}),
    "a vector": ends(
        f"{SCALAR} a tensor of shape (2,) and float32.", "penalties", lambda m: {"bad": torch.stack([m.size()] * 2)}
    ),
    "a list of penalties": ends(
        "Broken.penalties() must give a dict of names to scalar tensors, already weighted; it gave a list.",
        "penalties",
        lambda m: [m.size()],
    ),
    "one penalty": ends(
        "Broken.penalties() must give a dict of names to scalar tensors, already weighted; it gave a tensor of shape (",
        "penalties",
        lambda m: m.size(),
    ),
    "a penalty called sd": ends(
        "Broken.penalties() calls a term 'sd', as the loss itself is; rename it.",
        "penalties",
        lambda m: {"sd": m.size()},
    ),
    "a penalty that is cut off": ends(
        "The penalty 'bad' of Broken reaches nothing that is trained, so it changes no weight; compute it from",
        "penalties",
        lambda m: {"bad": next(iter(m.adapters.values())).B.detach().square().sum()},
    ),
    "a penalty with no derivative": ends(
        "The gradient of the penalty 'bad' of Broken is not finite at step 0, though its value is",
        "penalties",
        lambda m: {"bad": m.size().sqrt()},
    ),
    "a parameter of nobody's": broken(
        "The parameter Broken.gates[0] gets a gradient, but no optimizer trains it; make it a parameter of an adapter,",
        begin_task=lambda self, model, generator: extra(self, Plain.begin_task(self, model, generator)),
        penalties=lambda self: {"gate": (self.gates[0] * self.size()).sum()},
    ),
    "a parameter exchanged": ends("Broken exchanged the parameter B of the adapter of ", "penalties", exchanged),
    "state of the class": broken(
        "A task of Broken changes the class attribute Broken.seen, which the next task does not find",
        seen=[],
        end_task=lambda self, lesson, generator: self.seen.append(1) or {},
    ),
    "a number of the class": broken(
        "A task of Broken changes the class attribute Broken.count, which the next task does not find",
        count=0,
        end_task=lambda self, lesson, generator: setattr(type(self), "count", self.count + 1) or {},
    ),
    "a new attribute of the class": broken(
        "A task of Broken changes the class attribute Broken.last, which the next task does not find",
        end_task=lambda self, lesson, generator: setattr(type(self), "last", lesson.token) or {},
    ),
    "a tensor where there was none": broken(
        "A task of Broken changes the class attribute Broken.past, which the next task does not find",
        past=None,
        end_task=lambda self, lesson, generator: setattr(type(self), "past", self.size().detach()) or {},
    ),
    "a variable of the module": broken(
        "A task of Broken changes tasks_so_far, a variable of faulty_methods, which the next task does not find",
        end_task=lambda self, lesson, generator: globals().update(tasks_so_far=globals()["tasks_so_far"] + 1) or {},
    ),
    "a default argument": broken(
        "A task of Broken changes the default argument history of remembering(), which the next task does not find",
        penalties=remembering,
    ),
    "memory as lists": ends("Broken.end_task() must give a tensor for 'a'; it gave a list.", "end_task", {"a": [1]}),
    "no memory": ends("Broken.end_task() must give a dict of names to tensors (an empty", "end_task", lambda m: None),
    "measures as a tensor": ends(
        "Broken.measures() must give a finite number for 'mine'; it gave a tensor of shape (2,) and float32.",
        "measures",
        {"mine": torch.ones(2)},
    ),
    "a measure of ours": ends(
        "Broken.measures() gives 'final_loss', which is measured anyway; rename it.", "measures", {"final_loss": 1.0}
    ),
    "measures in place": ends(
        "Broken.measures() changes the adapter's A, which is folded after it; copy it first",
        "measures",
        lambda m: {"size": sum(a.A.data.abs_().sum().item() for a in m.adapters.values())},
    ),
    "frozen adapters": begins(
        "The adapters of Broken have no parameter that is trained: each is frozen, or none.",
        lambda m, t: [p.requires_grad_(False) for a in m.adapters.values() for p in a.parameters()] and t,
    ),
    "adapters that ignore their parameters": broken(
        "Broken trains nothing of its adapters: no parameter had a gradient in any step; does compute() use them?",
        begin_task=lambda self, model, generator: attached(self, model, Ignoring, generator),
    ),
    "an adapter on nothing": broken(
        "attach() put an adapter on no projection, as make() gave None for each; their names are like 'down_blocks.0.",
        begin_task=lambda self, model, generator: attach(model, lambda name, projection: None),
    ),
    "both factors 0": broken(
        "Broken trains nothing of its adapters: their gradient is 0 at every step; do both factors start at 0?",
        begin_task=lambda self, model, generator: attached(self, model, BothZero, generator),
    ),
    "the whole weight": broken(
        "Whole.compute() gives the whole weight; return the residual alone",
        begin_task=lambda self, model, generator: attached(self, model, Whole, generator),
    ),
    "a prompt without the token": ends(
        "Broken trains nothing of its token: no parameter had a gradient in any step; is the token in the prompt?",
        "batch",
        lambda m: Batch(torch.zeros(2, 4, 8, 8), ("a photo",)),
    ),
    "noise in eval mode": broken(
        "The adapters of Broken (Noisy) give another residual each time in eval mode; draw noise only while",
        begin_task=lambda self, model, generator: attached(self, model, Noisy, generator),
    ),
    "a token with noise in eval mode": broken(
        "The module that Broken.begin_task() returned (NoisyToken) gives another embedding of the token each time in",
        begin_task=lambda self, model, generator: NoisyToken(Plain.begin_task(self, model, generator), generator),
    ),
    "wrongly stackable": broken(
        "OverAll says that it is stackable, but computes otherwise for several adapters at once than for one; let",
        begin_task=lambda self, model, generator: attached(self, model, OverAll, generator),
    ),
    "a seed in begin_task": broken(
        "Broken.begin_task() seeds the generator that it is given anew, so that draws no longer depend on the run's "
        "seed;",
        begin_task=lambda self, model, generator: Plain.begin_task(self, model, generator.manual_seed(1)),
    ),
    "a seed from the clock": broken(
        "Broken.end_task() seeds the generator that it is given anew",
        end_task=lambda self, lesson, generator: {"a": torch.tensor(generator.seed() % 2)},
    ),
    "a seed in penalties": broken(
        "Broken.penalties() seeds the generator that it is given anew",
        batch=lambda self, lesson, generator: setattr(self, "kept", generator) or lesson.plain(2, generator),
        penalties=lambda self: self.kept.manual_seed(1) and {},
    ),
    "latents scaled in place": broken(
        "Broken.batch() changes lesson.latents.mean in place, which all later steps of the task are taught from;",
        batch=lambda self, lesson, generator: lesson.latents.mean.mul_(1.5) is None or lesson.plain(2, generator),
    ),
    "latents scaled as data": broken(
        "A hook of Broken changes lesson.latents.mean in place",
        batch=lambda self, lesson, generator: lesson.latents.mean.data.mul_(1.5) is None or lesson.plain(2, generator),
    ),
    "images turned in place": broken(
        "A hook of Broken changes lesson.images in place",
        end_task=lambda self, lesson, generator: lesson.images.fill(0) or {},
    ),
    "other options": broken(
        "A task of Broken changes self.options, though its results are keyed and reported with those that it was given",
        begin_task=lambda self, model, generator: (
            setattr(self, "options", self.options.model_copy(update={"weight": 2.0}))
            or Plain.begin_task(self, model, generator)
        ),
    ),
    "an option set by force": ends(
        "A task of Broken changes self.options",
        "penalties",
        lambda m: object.__setattr__(m.options, "weight", m.options.weight + 1) or {},
    ),
    "an empty batch": broken(
        "Broken.batch() gives no example, so that there is nothing to train on; choose at least one.",
        batch=lambda self, lesson, generator: lesson.plain(0, generator),
    ),
    "latents of one image": broken(
        "Broken.batch() must give latents as a floating-point tensor (examples, channels, height, width); it gave a te",
        batch=lambda self, lesson, generator: Batch(lesson.latents.mean[0], (lesson.prompt,)),
    ),
    "parameters changed as data in batch": broken(
        "Broken.batch() changes what is trained through .data, which cannot be seen at every step; change it in place",
        batch=lambda self, lesson, generator: shrunk(self, lesson.plain(2, generator)),
    ),
    "a sum over steps": ends(
        "A hook of Broken uses a tensor of an earlier step, whose graph is gone (a sum over steps, perhaps,",
        "penalties",
        summed,
    ),
    "no batch": ends(
        "Broken.batch() must give a Batch, as lesson.plain() does; it gave None.", "batch", lambda m: None
    ),
}


class Everything(Plain):
    """All that a hook may give, where a check could be too strict."""

    places: ClassVar[list[int]] = [1, 2]
    unset: ClassVar[float] = float("nan")
    words: ClassVar[dict[str, set[str]]] = {"a": {"b"}}

    def penalties(self) -> Mapping[str, Tensor]:
        return {"zero": torch.zeros(()), "size": 0.1 * self.size(), "nothing": 0.0 * self.size()}

    def measures(self) -> Mapping[str, float]:
        return {"one": 1, "half": np.float32(0.5), "third": torch.tensor(1 / 3), "yes": True}  # type: ignore[dict-item]

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        whole = torch.rand(4, 4, generator=generator)
        return {"turned": whole.T, "shared": whole, "part": whole[0], "whole": torch.arange(3)}
