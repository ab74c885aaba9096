"""Code that runs and is hardly what its author means: a note says so, or the training ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from faulty_methods import Plain, RankOptions
from pydantic import Field
from tiny_classifier import RandomImages, pixels, tiny_classifier
from tiny_tasks import Course, tiny_model
from torch import Tensor, nn

from harness import registry
from harness.backbones.adapters import Adapter, attach
from harness.backbones.classifier import Prompt
from harness.backbones.text_to_image import TextToImage
from harness.errors import BenchError
from harness.method import Batch, Method
from harness.plugins.method_checks import flaw
from harness.settings.classification.task_data import ClassLesson
from harness.settings.classification.training import train_classes
from harness.settings.shared_steps import Memory, missed, unread
from harness.sources.replaced_hooks import replaced_terms
from harness.spec import ClassOptions
from methods import parts

Generator = torch.Generator


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


@pytest.fixture
def notes(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is told of a class's task `number`, with `memory` from the one before."""

    def teach(plugin: type[Plain], number: int = 1, **memory: Tensor) -> list[str]:
        class At(plugin):  # type: ignore[misc,valid-type]
            def __init__(self, options: RankOptions) -> None:
                super().__init__(options)
                self.task_index, self.num_tasks = number, 5

        At.__name__ = plugin.__name__
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", At, raising=False)
        course = Course("faulty_methods:chosen", model)
        course.memory = Memory(memory)
        return course.teach().done.notes

    return teach


Notes = Callable[..., list[str]]


class Alone(parts.LowRank):
    """Computed one by one."""

    def compute(self) -> Tensor:
        return super().compute()


class Aliased(Plain):
    """Compares what is trained with itself: detached, but not cloned."""

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, projection: Alone(projection, 2, generator))
        self.anchor = {n: [p.detach() for p in a.parameters()] for n, a in self.adapters.items()}
        return parts.new_token(model, "free", "category", 2, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        pairs = [zip(a.parameters(), self.anchor[n], strict=True) for n, a in self.adapters.items()]
        return {"stay": torch.stack([(p - q).square().sum() for each in pairs for p, q in each]).sum()}


class Rewards(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"stay": -(1e-3 + self.size())}


class RewardsLater(Plain):
    """A residual begins at 0, and so does what is made of it."""

    def penalties(self) -> Mapping[str, Tensor]:
        return {"stay": -self.size()}


class KeepsNothing(Plain):
    """Keeps its past on the instance, which ends with the task."""

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.past: list[Tensor] = []
        return super().begin_task(model, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        return {"stay": self.size()} if self.past else {}


class Forgets(KeepsNothing):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"size": self.size()}

    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        self.past.append(self.size().detach())
        return {}


class Reassigns(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        self.memory = {"size": self.size()}
        return {}


class OfOne(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        total = torch.zeros(())
        for adapter in self.adapters.values():
            total = adapter.residual().square().sum()
        return {"stay": total}


class Large(Adapter):
    def __init__(self, projection: nn.Linear, generator: Generator) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.randn(projection.weight.shape, generator=generator))

    def compute(self) -> Tensor:
        return self.delta


class Scaled(parts.LowRank):
    def compute(self) -> Tensor:
        return super().compute() * (4 if self.training else 1)


class BeginsLarge(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, projection: Large(projection, generator))
        return parts.new_token(model, "free", "category", 2, generator)


class ScaledInTraining(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, projection: Scaled(projection, 2, generator))
        return parts.new_token(model, "free", "category", 2, generator)


class FarToken(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        with torch.no_grad():
            for parameter in token.parameters():
                parameter.add_(10)
        return token


class OtherPrompt(Plain):
    def batch(self, lesson: Any, generator: Generator) -> Batch:
        return replace(super().batch(lesson, generator), prompts=(f"{lesson.category} {lesson.token}",))


class OneImage(Plain):
    def batch(self, lesson: Any, generator: Generator) -> Batch:
        return Batch(lesson.latents.draw(torch.randint(0, 1, (20,), generator=generator), generator), (lesson.prompt,))


class OneExample(Plain):
    def batch(self, lesson: Any, generator: Generator) -> Batch:
        return lesson.plain(1, generator)


class OnlyTheLast(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        self.memory.values()
        return {f"{self.task_index}/size": self.size()}


TOLD: dict[str, tuple[type[Plain], str]] = {
    "what is compared with itself": (Aliased, "the penalty 'stay' is 0 at every logged step, so it changes no weight"),
    "a penalty's sign": (Rewards, "the penalty 'stay' is never above 0 at the logged steps, so that it rewards"),
    "a penalty's sign, from 0 on": (RewardsLater, "the penalty 'stay' is never above 0 at the logged steps"),
    "a past that is empty": (KeepsNothing, "penalties() gave no term at any logged step of task 3, so that nothing"),
    "a past that ends with the task": (Forgets, "end_task() keeps something in self.past and returns nothing: one"),
    "a memory that is assigned": (Reassigns, "end_task() keeps something in self.memory and returns nothing: one"),
    "= for +=": (OfOne, "the penalty 'stay' is of 1 of 8 adapters; is the sum over all of them meant?"),
    "no factor of zeros": (BeginsLarge, "the residuals that Large begins with are up to"),
    "a scale in training alone": (ScaledInTraining, "Scaled.compute() gives another residual in training than in eval"),
    "a token at another scale": (FarToken, "the token of FarToken begins with a norm of"),
    "another prompt": (OtherPrompt, "OtherPrompt.batch() never gave the prompt that images are drawn with, 'a photo"),
    "one image": (OneImage, "OneImage.batch() drew 1 of the task's 4 images in all its steps"),
    "one example": (OneExample, "OneExample.batch() gives 1 of the 2 examples of batch_size"),
    "a memory of the last task alone": (
        OnlyTheLast, "what end_task() leaves has the names of the task before but for a number, and none of its",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plugin", "told"), TOLD.values(), ids=TOLD)
def test_what_is_hardly_meant_is_told(notes: Notes, plugin: type[Plain], told: str) -> None:
    found = notes(plugin, 3, **{"2/size": torch.zeros(())} if plugin is OnlyTheLast else {})
    assert [note for note in found if note.startswith(told)], found
    # an anchor changes, too; and those batches know nothing of `augment`
    assert len(found) == 1 + (plugin in (Aliased, OneImage, OneExample))


def test_what_may_be_meant_is_not(notes: Notes) -> None:
    class Fine(Plain):
        def penalties(self) -> Mapping[str, Tensor]:
            return {"past": 0.0 * self.size(), "size": self.size()}

        def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
            return {"1/size": self.size(), "2/size": self.size()}

    assert notes(Plain, 3) == []
    assert notes(Fine, 1) == []  # nothing has been learnt before
    read = Memory({"1/size": torch.zeros(250), "2/size": torch.zeros(1)})
    assert not [note for note in notes(Fine, 3, **read) if "grows" in note or "number" in note]


class InThePast(Plain):
    """Centres W_init where it lies, which all methods begin with."""

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.drift = {n: model.initial[n].sub_(p.weight.detach()) for n, p in model.projections.items()}
        return super().begin_task(model, generator)


class InTheWeight(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        for projection in model.projections.values():
            weight = projection.weight.detach()
            weight -= weight.mean(0)
        return super().begin_task(model, generator)


class LaterInTheWeight(Plain):
    def measures(self) -> Mapping[str, float]:
        for adapter in self.adapters.values():
            adapter._projection[0].weight.detach().mul_(2)
        return {}


class Still(Plain):
    class Options(RankOptions):
        learning_rate: float = Field(0.0, description="rate")
        tier_defaults: ClassVar[dict[str, Any]] = {}

    options_class = Options


class MaskedAway(Plain):
    def batch(self, lesson: Any, generator: Generator) -> Batch:
        found = super().batch(lesson, generator)
        return replace(found, mask=torch.zeros_like(found.latents[:, :1]))


ENDED: dict[str, tuple[type[Plain], str]] = {
    "W_init is changed": (InThePast, "InThePast.begin_task() changes model.initial['"),
    "a weight is changed": (InTheWeight, "InTheWeight.begin_task() changes the weight of "),
    "a weight is changed later": (LaterInTheWeight, "LaterInTheWeight.measures() changes the weight of "),
    "a mask of zeros": (MaskedAway, "MaskedAway.batch() gives a mask that leaves nothing of an example"),
}


@pytest.mark.parametrize(("plugin", "told"), ENDED.values(), ids=ENDED)
def test_what_spoils_more_than_one_task_ends_it(tiny_models: Path, plugin: type[Plain], told: str) -> None:
    import faulty_methods

    faulty_methods.chosen = plugin  # type: ignore[attr-defined]
    try:
        with pytest.raises(BenchError) as said:
            Course("faulty_methods:chosen", tiny_model(tiny_models)).teach()
    finally:
        del faulty_methods.chosen  # type: ignore[attr-defined]
    assert str(said.value).startswith(told)


def test_a_rate_of_nothing_ends_the_training(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faulty_methods.chosen", Still, raising=False)
    course = Course("faulty_methods:chosen", model)
    course.options = course.options.model_copy(update={"learning_rate": 0.0})
    model.reset()
    with pytest.raises(
        BenchError, match=r"^A learning rate of Still is not above 0, so that nothing is learnt with it"
    ):
        course.teach()


def test_a_memory_that_is_asked_by_a_wrong_name_is_told() -> None:
    method = Plain(RankOptions())
    method.memory = Memory({"tokens": torch.zeros(2), "size": torch.zeros(1)})
    assert method.memory.get("token", None) is None
    said = ["self.memory is asked for 'token', which end_task() did not leave; is 'tokens' meant?"]
    assert (missed(method), unread(method)) == (said, said)
    assert method.memory["tokens"].shape == (2,)
    assert (missed(method), unread(method)) == ([], [])
    method.memory.get("fisher", None)  # like no other name
    assert missed(method) == []


class Untested(Method[ClassOptions]):
    """Trains a prompt, and has no recall()."""

    options_class = ClassOptions

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        prompt = Prompt()
        prompt.register_parameter("keys", nn.Parameter(torch.zeros(1)))
        return prompt


class Prompted(Method[ClassOptions]):
    """One prompt for all images: what it adds to K and V of the first block."""

    options_class = ClassOptions

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.prompt = parts.PromptPool(1, 2, 4, model.dim, 1, generator)
        if self.memory:
            self.prompt.load_state_dict(self.memory)
        return self.prompt

    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return self.prompt.state_dict()

    def recall(self, model: Any) -> Prompt:
        self.begin_task(model, Generator())
        return self.prompt


class InPlace(Prompted):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        held: Any = self.memory
        held["keys"] = torch.zeros(1)
        return {}


class Nothing(Prompted):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {}


class Deep(Prompted):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        prompt = super().begin_task(model, generator)
        made = prompt.forward
        prompt.forward = lambda query: {block + 9: prefix for block, prefix in made(query).items()}  # type: ignore[method-assign]
        return prompt


def test_a_prompt_for_a_block_that_there_is_not_ends_the_training() -> None:
    method = Deep(ClassOptions(batch_size=3))
    method.num_tasks = 5
    with pytest.raises(BenchError, match=r"^The prompt PromptPool gives prefixes for block 9; blocks are counted from"):
        train_classes(method, ClassLesson(tiny_classifier(), pixels(RandomImages()), 2), 0, "task")


class OneMemory(Plain):
    """Both factors, of square shape, begin with one tensor of zeros."""

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        token, start = super().begin_task(model, generator), dict[torch.Size, Tensor]()
        for adapter in self.adapters.values():
            adapter.A = nn.Parameter(start.setdefault(adapter.A.shape, torch.zeros(adapter.A.shape)))
        return token


def test_parameters_in_one_memory_end_the_training(notes: Notes) -> None:
    with pytest.raises(BenchError, match=r"^Two parameters that OneMemory.begin_task\(\) makes, of shape \("):
        notes(OneMemory)


class Epochs(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.order = iter(range(1000))
        return super().begin_task(model, generator)


def test_an_iterator_that_no_checkpoint_keeps_is_told(notes: Notes) -> None:
    (note,) = notes(Epochs)
    assert note.startswith("self.order changes from step to step, and no checkpoint keeps it")


class Mixin:
    """To be named before `Method`."""

    def penalties(self) -> Mapping[str, Tensor]:
        return {}


class Behind(Method[RankOptions], Mixin):
    options_class = RankOptions

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        return nn.Module()


class Before(Mixin, Plain):
    pass


def test_hooks_of_a_class_behind_method_are_never_called() -> None:
    setting = registry.setting("customization")
    assert flaw(Behind, setting) == (
        "Mixin.penalties() is never called, as Method.penalties() comes before it; name Mixin before Method: class "
        "Behind(Mixin, Method[...])"
    )
    assert flaw(Before, setting) == ""


class Decays(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"size": self.memory["w"].mul_(0.9) * self.size()}


class Copies(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"size": self.memory["w"].clone().mul_(0.9) * self.size()}


def test_a_memory_that_a_step_changes_in_place_ends_the_training(notes: Notes) -> None:
    with pytest.raises(BenchError, match=r"^Decays changes self.memory\['w'\] in place in a training step"):
        notes(Decays, 2, w=torch.ones(()))
    assert notes(Copies, 2, w=torch.ones(())) == []


class Masks(Plain):
    """Keeps the rows of A at 0 but for one, by a hook on its gradient, and sums up the gradients that it sees."""

    seen: ClassVar[float] = 0.0

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        self.mask = torch.tensor([1.0, 0.0])
        for adapter in self.adapters.values():
            adapter.A.register_hook(lambda gradient: gradient * self.mask)
        return token

    def measures(self) -> Mapping[str, float]:
        adapters = self.adapters.values()
        return {
            "closed": sum(float(each.A[:, 1].detach().abs().sum()) for each in adapters),
            "open": sum(float(each.A[:, 0].detach().abs().sum()) for each in adapters),
            "gradient": sum(float(each.A.grad.abs().sum()) for each in adapters if each.A.grad is not None),
        }


def test_hooks_on_gradients_work_as_anywhere(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    model.reset()
    monkeypatch.setattr("faulty_methods.chosen", Masks, raising=False)
    measures = Course("faulty_methods:chosen", model).teach().done.measures
    assert measures["closed"] == 0 < measures["open"]
    assert measures["gradient"] > 0


class BySuper(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"forget": self.size(), "size": self.size()}


class Replaces(BySuper):
    def penalties(self) -> Mapping[str, Tensor]:
        terms = dict(super().penalties())
        terms["forget"] = 2 * self.size()
        return terms


class Joins(BySuper):
    def penalties(self) -> Mapping[str, Tensor]:
        return {**super().penalties(), "size": self.size()}


class Doubles(BySuper):
    def penalties(self) -> Mapping[str, Tensor]:
        terms = dict(super().penalties())
        terms["forget"] = 2 * terms["forget"]
        return {**terms, "more": self.size()}


def test_a_term_that_replaces_anothers_is_told() -> None:
    told = [list(replaced_terms(kind, Method)) for kind in (Replaces, Joins, Doubles)]
    assert [[note.split(",")[0] for note in each] for each in told] == [
        ["Replaces.penalties() gives a term 'forget'"], ["Joins.penalties() gives a term 'size'"], [],
    ]  # fmt: skip


def test_a_test_with_another_prompt_than_the_one_trained_is_told() -> None:
    def taught(plugin: type[Prompted]) -> list[str]:
        lesson = ClassLesson(tiny_classifier(), pixels(RandomImages()), 2)
        method = plugin(ClassOptions(batch_size=3, epochs=2, learning_rate=0.1))
        method.num_tasks, method.memory = 5, Memory({})
        return [note for note in train_classes(method, lesson, 0, "task").notes if "recall()" in note]

    assert taught(Prompted) == []
    (note,) = taught(Nothing)
    assert note.startswith("the prompt that Nothing.recall() gives is not the one that was trained: logits of training")
    with pytest.raises(TypeError, match=r"^self.memory is what the task before left, and cannot be changed"):
        taught(InPlace)


def test_a_memory_is_only_read() -> None:
    memory: Any = Memory({"size": torch.zeros(1)})
    for change in (
        lambda: memory.update(size=1), lambda: memory.pop("size"), memory.clear, lambda: memory.setdefault("a", 1),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"return what the next one needs from end_task\(\)"):
            change()
    assert {**memory, "more": 1}.keys() == {"size", "more"}


def test_the_number_of_tasks_is_told_where_it_is_known() -> None:
    method = Plain(RankOptions())
    with pytest.raises(RuntimeError, match=r"^self.num_tasks is told in the classification setting only"):
        _ = method.num_tasks
    method.num_tasks = 5
    assert method.num_tasks == 5


def test_a_prompt_that_no_test_sees_ends_the_training() -> None:
    lesson = ClassLesson(tiny_classifier(), pixels(RandomImages()), 2)
    with pytest.raises(BenchError, match=r"^Untested.begin_task\(\) returns a Prompt to train, and no test sees it"):
        train_classes(Untested(ClassOptions(batch_size=3)), lesson, 0, "task")


def test_a_classifier_that_is_spoilt_is_noticed() -> None:
    model = tiny_classifier()
    intact = model.intact()
    model.vit.blocks[0].attn.q.weight.data.add_(1)  # what a step keeps
    assert intact.difference() == ""
    next(iter(model.initial.values())).add_(1)
    assert intact.difference().startswith("other values of model.initial['")


class Base(RankOptions):
    tier_defaults: ClassVar[dict[str, dict[str, Any]]] = {"mini": {"weight": 0.5, "rank": 3}}


class Below(Base):
    weight: float = 5.0


class Further(Below):
    pass


class Anew(Below):
    tier_defaults: ClassVar[dict[str, dict[str, Any]]] = {"mini": {"weight": 0.25}}


def test_a_new_default_counts_at_every_tier() -> None:
    """Not what a class above gave for a tier."""
    assert [kind.for_tier("mini").weight for kind in (Base, Below, Further, Anew)] == [0.5, 5.0, 5.0, 0.25]
    assert [kind.for_tier("mini").rank for kind in (Base, Below, Further)] == [3, 3, 3]
    pinned: Any = Below.pinned(rank=7)
    assert (pinned.for_tier("mini").rank, pinned.for_tier("mini").weight) == (7, 5.0)
