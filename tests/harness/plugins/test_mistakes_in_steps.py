"""Mistakes around steps and folds that leave plausible figures: each is told, or ends the training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from faulty_methods import Plain, RankOptions
from tiny_tasks import Course
from torch import Tensor, nn

from harness.backbones.adapters import attach
from harness.backbones.text_to_image import TextToImage
from harness.errors import PluginError
from harness.method import Batch
from harness.settings.shared_steps import Memory
from methods import parts

Teach = Callable[..., list[str]]


def with_adapter(kind: type[parts.LowRank]) -> type[Plain]:
    class Mine(Plain):
        def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
            self.adapters = attach(model, lambda name, p: kind(p, self.options.rank, generator))
            return parts.new_token(model, "free", "category", self.options.rank, generator)

    return Mine


class Prunes(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        with torch.no_grad():
            for adapter in self.adapters.values():
                adapter.A.mul_(adapter.A > 0)
        return {}


def test_a_change_after_the_fold_is_an_error(notes: Teach) -> None:
    with pytest.raises(PluginError) as said:
        notes(Prunes)
    assert str(said.value) == (
        "Prunes.end_task() changes the adapter's A, which is folded before it, so that nothing comes of that; let "
        "compute() do it in eval mode (not self.training)."
    )


class GoesOn(Plain):
    """Its adapters begin with what the task before trained, which is folded."""

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        with torch.no_grad():
            for name, adapter in self.adapters.items():
                if f"{name}.A" in self.memory:
                    adapter.A.copy_(self.memory[f"{name}.A"])
                    adapter.B.copy_(self.memory[f"{name}.B"])
        return token

    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        return {f"{n}.{k}": getattr(a, k) for n, a in self.adapters.items() for k in "AB"}


def test_residuals_that_are_in_the_weights_already_are_told(
    model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = GoesOn.__init__
    places = iter((1, 2))

    def begun(self: Plain, options: RankOptions) -> None:
        made(self, options)
        self.task_index = next(places)

    model.reset()
    monkeypatch.setattr(GoesOn, "__init__", begun)
    monkeypatch.setattr("faulty_methods.chosen", GoesOn, raising=False)
    course = Course("faulty_methods:chosen", model)
    assert course.teach().done.notes == []
    course.memory = Memory(course.memory)
    (note,) = course.teach().done.notes
    assert note.startswith(
        "the residuals begin like what earlier tasks changed (a cosine of 1), which is in the weights"
    )


class ByGradients(parts.LowRank):
    """Soft where gradients are on, hard where they are off: in eval mode, too."""

    def compute(self) -> Tensor:
        whole = super().compute()
        return whole if torch.is_grad_enabled() else whole * (whole > 0)


def test_a_residual_that_goes_by_whether_gradients_are_on_is_told(notes: Teach) -> None:
    (note,) = notes(with_adapter(ByGradients))
    assert note.startswith("ByGradients.compute() gives another residual in training than in eval mode")


@functools.cache
def first_seen(model: Any) -> dict[str, float]:
    return {name: float(model.change(name).norm()) for name in model.projections}


class Caches(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"size": self.size() * (1 + sum(first_seen(self.model).values()))}

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.model = model
        return super().begin_task(model, generator)


def test_what_a_task_cached_the_next_does_not_find(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    model.reset()
    monkeypatch.setattr("faulty_methods.chosen", Caches, raising=False)
    course = Course("faulty_methods:chosen", model)
    course.teach()
    assert max(first_seen(model).values()) == 0
    course.teach()
    assert max(first_seen(model).values()) > 0  # of this task, as another process would have it


class Erases(Plain):
    """Always the same corner: its own generator begins anew at each step."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        own = torch.Generator().manual_seed(generator.initial_seed())
        row = int(torch.randint(0, 3, (1,), generator=own))
        mask = torch.ones_like(given.latents[:, :1])
        mask[:, :, row] = 0
        return replace(given, mask=mask)


def test_cells_that_no_step_counts_are_told(notes: Teach) -> None:
    (note,) = notes(Erases, steps=8)
    assert note.startswith("the masks of Erases.batch() left the same ")
    assert " % of all latents out of the loss in every step; draw places anew in each, from the generator" in note


class Bounded(nn.Module):
    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", start.detach().clone())
        self.offset = nn.Parameter(torch.full_like(start, 0.01))

    def forward(self) -> Tensor:
        return self.start + self.offset.data


class TrainedByAPenalty(Plain):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.token = Bounded(super().begin_task(model, generator)())
        return self.token

    def penalties(self) -> Mapping[str, Tensor]:
        return {"offset": self.token.offset.square().sum()}


def test_what_penalties_alone_train_is_told(notes: Teach) -> None:
    assert notes(TrainedByAPenalty) == [
        "TrainedByAPenalty trains its token by its penalties alone, as the loss itself does not get there (a detach() "
        "or .data on the way, perhaps)"
    ]


class Mirrors(Plain):
    """Along the channels, where the width was meant."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        return replace(given, latents=given.latents.flip(1))


def test_channels_that_are_elsewhere_are_told(notes: Teach) -> None:
    (note,) = notes(Mirrors, augment=False, prior_images=0)
    assert note.startswith("Mirrors.batch() gives latents whose channel ")
    assert note.endswith("latents are (examples, channels, height, width): is the dimension right?")


class Rehearses(Plain):
    """Latents and prompts of another concept beside the task's own."""

    word = "<v9>"

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        prompts = (*given.prompts * len(given.latents), f"a photo of a {self.word} person")
        return Batch(torch.cat([given.latents, given.latents[:1].roll(1, 1)]), prompts)


class RehearsesInWords(Rehearses):
    word = "young"


class RehearsesRightly(Rehearses):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        model.set_token("<v9>", torch.ones(model.token_dim))
        return super().begin_task(model, generator)


def test_a_token_that_stands_for_nothing_is_told(notes: Teach) -> None:
    (note,) = notes(Rehearses, augment=False, prior_images=0)
    assert note == (
        "Rehearses.batch() gives the prompt 'a photo of a <v9> person', and <v9> has no embedding in this training, so "
        "that it is read letter by letter: end_task() must leave it (that of lesson.token), and model.set_token() set "
        "it again"
    )
    assert notes(RehearsesInWords, augment=False, prior_images=0) == []  # its channels are another concept's
    (note,) = notes(RehearsesRightly, augment=False, prior_images=0)
    assert note.startswith("RehearsesRightly sets <v9>, another concept's token: nothing keeps that")


class OneWithoutItsF(Plain):
    """Several wordings, of which one lacks the f before its quote."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        prompts = [lesson.prompt] * (len(given.latents) - 1)
        return Batch(given.latents, (*prompts, "a picture of a {lesson.token}"))


def test_a_prompt_with_a_names_place_is_told(notes: Teach) -> None:
    (note,) = notes(OneWithoutItsF, augment=False, prior_images=0)
    assert note == (
        "OneWithoutItsF.batch() gives the prompt 'a picture of a {lesson.token}', and {lesson.token} is read letter by "
        "letter as it stands: put an f before the text's first quote, or call its format()"
    )


class ButTheLast(Plain):
    """One image is never drawn."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        chosen = torch.randint(0, len(lesson.latents) - 1, (self.options.batch_size,), generator=generator)
        return Batch(lesson.latents.draw(chosen, generator), (lesson.prompt,))


def test_an_image_that_is_never_drawn_is_told_where_that_is_no_chance(notes: Teach) -> None:
    (note,) = notes(ButTheLast, augment=False, prior_images=0, steps=40)
    assert note == (
        "ButTheLast.batch() drew 3 of the task's 4 images in 80 draws, which is hardly chance; torch.randint(n, ...) "
        "gives 0 to n - 1"
    )
    assert notes(ButTheLast, augment=False, prior_images=0, steps=3) == []


class FirstOfClass(Plain):
    """Class images are chosen as if there were as many as of the concept, of which there are fewer."""

    fewer = 2

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        own = lesson.plain(self.options.batch_size, generator)
        prior = lesson.prior.draw(torch.randint(0, self.fewer, (2,), generator=generator), generator)
        shares = torch.tensor([0.5, 0.5, 0.5, 0.5])
        return Batch(torch.cat([own.latents, prior]), (lesson.prompt,) * 2 + ("a photo of a person",) * 2, share=shares)


class AllOfClass(FirstOfClass):
    fewer = 4


def test_class_images_that_are_never_drawn_are_told(notes: Teach) -> None:
    (note,) = notes(FirstOfClass, augment=False, steps=40)
    assert note == (
        "FirstOfClass.batch() drew 2 of the 4 class images in 80 draws, which is hardly chance; torch.randint("
        "len(lesson.prior), ...) has all of them"
    )
    assert notes(FirstOfClass, augment=False, steps=6) == []
    assert notes(AllOfClass, augment=False, steps=40) == []


class OtherClass(FirstOfClass):
    fewer = 4
    under = "a photo of a waterfall"

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        own = super().batch(lesson, generator)
        return replace(own, prompts=(*own.prompts[:2], *(self.under,) * 2))


class NoClass(OtherClass):
    under = ""


def test_class_images_under_another_categorys_prompt_are_told(notes: Teach) -> None:
    (note,) = notes(OtherClass, augment=False, steps=6)
    assert note == (
        "OtherClass.batch() gives class images of lesson.prior, drawn as 'a photo of a person', under 'a photo of a "
        "waterfall': tasks have categories of their own; make the prompt of lesson.category"
    )
    assert notes(NoClass, augment=False, steps=6) == notes(AllOfClass, augment=False, steps=6) == []


class Swaps(Plain):
    """Class images first, as the prompts are not."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        return replace(given, latents=given.latents.flip(0))


def test_class_images_under_the_tasks_prompt_are_told(notes: Teach) -> None:
    (note,) = notes(Swaps, augment=False)
    assert note == (
        "Swaps.batch() gives 2 class images of lesson.prior under the task's prompt: the concept would be learnt from "
        "images of others; are latents and prompts in one order?"
    )


class Anchored(parts.LowRank):
    """Its anchor is trained along with it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.anchor = nn.Parameter(self.B.detach().clone() + 1)


class StaysNear(Plain):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, p: Anchored(p, self.options.rank, generator))
        return parts.new_token(model, "free", "category", self.options.rank, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        return {"near": torch.stack([(a.B - a.anchor).square().sum() for a in self.adapters.values()]).sum()}


def test_a_parameter_that_a_penalty_alone_trains_is_told(notes: Teach) -> None:
    (note,) = notes(StaysNear)
    assert note.startswith("StaysNear trains the parameter anchor of ")
    assert "by its penalties alone" in note


class Drops(parts.LowRank):
    """Half of the ranks in each step, and all of them in what is folded."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.draws = torch.Generator().manual_seed(0)

    def compute(self) -> Tensor:
        kept = (torch.rand(self.A.shape[-1], generator=self.draws) < 0.5).to(self.A) if self.training else 1.0
        return (self.A * kept) @ self.B


def test_noise_whose_mean_is_not_what_is_folded_is_told(notes: Teach) -> None:
    found = notes(with_adapter(Drops), rank=4)
    assert any(
        note.startswith("Drops.compute() gives in training, on average over its noise, 0.") for note in found
    ), found  # fmt: skip


class AloneAndHeld(Plain):
    independent = True

    def penalties(self) -> Mapping[str, Tensor]:
        return {"forget": self.size() * 0.0}


def test_a_penalty_on_a_past_that_there_is_none_of_is_told(notes: Teach) -> None:
    (note,) = notes(AloneAndHeld)
    assert note == (
        "the penalty 'forget' is 0 at every logged step, so it changes no weight: AloneAndHeld is independent, and so "
        "each of its tasks is the first"
    )


class KeepsTheOld(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        return {"norm": self.size().detach(), **self.memory}


@pytest.mark.parametrize(("task", "told"), [(2, True), (3, False)])
def test_a_memory_that_stays_as_it_is_is_told(
    model: TextToImage, monkeypatch: pytest.MonkeyPatch, task: int, told: bool
) -> None:
    made = KeepsTheOld.__init__

    def begun(self: Plain, options: RankOptions) -> None:
        made(self, options)
        self.task_index = task

    model.reset()
    monkeypatch.setattr(KeepsTheOld, "__init__", begun)
    monkeypatch.setattr("faulty_methods.chosen", KeepsTheOld, raising=False)
    course = Course("faulty_methods:chosen", model)
    course.memory = Memory({"norm": torch.ones(())})
    notes = course.teach().done.notes
    assert [
        "what end_task() leaves after the second task is what it left after the first" in note for note in notes
    ] == ([True] * told)


class Shakes(Plain):
    """Noise on the weights, in the last step as in all others."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        with torch.no_grad():
            for adapter in self.adapters.values():
                adapter.A.add_(0.5 * float(adapter.A.std()) * torch.randn(adapter.A.shape, generator=generator))
        return super().batch(lesson, generator)


def test_noise_that_is_folded_is_told(notes: Teach) -> None:
    (note,) = notes(Shakes)
    assert note.startswith("Shakes.batch() changes what is trained by ")
    assert note.endswith("noise for steps alone belongs into compute(), while self.training")


class KeepsB(Plain):
    def penalties(self) -> Mapping[str, Tensor]:
        return {"near": torch.stack([(a.B - 1).square().sum() for a in self.adapters.values()]).sum()}


def test_a_penalty_on_what_the_loss_trains_too_is_no_mistake(notes: Teach) -> None:
    """Of stacked adapters the loss reaches the stack's parameter, and the penalty each adapter's own."""
    assert notes(KeepsB) == []


class SharedFactor(nn.Module):
    def __init__(self, token: nn.Module) -> None:
        super().__init__()
        self.token, self.scale = token, nn.Parameter(torch.ones(1))

    def forward(self) -> Tensor:
        return self.token()


class Scaled(parts.LowRank):
    stackable = False
    scale: Any = None

    def compute(self) -> Tensor:
        return super().compute() * self.scale[0]


class TrainsBesideTheToken(Plain):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, p: Scaled(p, self.options.rank, generator))
        module = SharedFactor(parts.new_token(model, "free", "category", self.options.rank, generator))
        for adapter in self.adapters.values():
            adapter.scale = [module.scale]
        return module


def test_a_parameter_beside_the_tokens_is_told(notes: Teach) -> None:
    assert notes(TrainsBesideTheToken) == [
        "the parameter scale of what TrainsBesideTheToken.begin_task() returned is no part of the token, and is "
        "trained at token_learning_rate; as a parameter of an adapter it has learning_rate"
    ]


class WeighsByOne(Plain):
    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        return replace(given, share=torch.ones(len(given.latents)))


def test_shares_of_1_each_are_told(notes: Teach) -> None:
    (note,) = notes(WeighsByOne, augment=False, prior_images=0, batch_size=3)
    assert note.startswith("WeighsByOne.batch() gives shares that add up to 3, and L_SD is their sum over examples")


class Replays(Plain):
    under: str = ""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        given = super().batch(lesson, generator)
        latents = given.latents.clone()
        latents[0] = self.memory["latents"][0]
        prompts = (self.under or lesson.prompt, *[lesson.prompt] * (len(latents) - 1))
        return replace(given, latents=latents, prompts=prompts)


class ReplaysAsWhatItWas(Replays):
    under = "a photo of a cat"


@pytest.mark.parametrize("plugin", [Replays, ReplaysAsWhatItWas])
def test_what_was_kept_of_others_under_the_tasks_prompt_is_told(
    plugin: type[Replays], model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.reset()
    monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
    course = Course("faulty_methods:chosen", model, augment=False, prior_images=0, batch_size=3)
    others = np.random.default_rng(99).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    course.memory = Memory({"latents": model.posterior(others).mean})
    told = [note for note in course.teach().done.notes if "under the task's prompt" in note]
    assert len(told) == (plugin is Replays)
    assert all(n.startswith("Replays.batch() gives latents of self.memory['latents'] under the task's") for n in told)
