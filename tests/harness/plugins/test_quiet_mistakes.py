"""What a method's code may leave behind or hang on without any error: each is told, or ends the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from faulty_methods import Plain, RankOptions
from tiny_tasks import Course
from torch import Tensor

from harness import registry
from harness.backbones.text_to_image import TextToImage
from harness.errors import PluginError
from harness.method import Batch
from harness.plugins.batches import company_notes
from harness.plugins.method_checks import flaw
from harness.plugins.opened_files import file_notes
from harness.settings.shared_steps import Memory

Teach = Callable[..., list[str]]


class State:
    count = 0

    def __init__(self) -> None:
        self.seen: list[int] = []


STATE = State()


def around() -> Callable[..., dict[str, Tensor]]:
    history: list[int] = []

    def end_task(self: Plain, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        history.append(1)
        return {}

    return end_task


class InAnObject(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        STATE.seen.append(1)
        return {}


class InAClosure(Plain):
    end_task = around()


class OnAFunction(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        calls: Any = around
        calls.count = getattr(calls, "count", 0) + 1
        return {}


HIDDEN = {
    InAnObject: f"STATE, a variable of {__name__}, its seen",
    InAClosure: "history, a variable around around.<locals>.end_task()",
    OnAFunction: "the attribute count of the function around()",
}


@pytest.mark.parametrize("plugin", HIDDEN)
def test_state_that_another_process_lacks_is_an_error(notes: Teach, plugin: type[Plain]) -> None:
    with pytest.raises(PluginError) as said:
        notes(plugin)
    told = f"A task of {plugin.__name__} changes {HIDDEN[plugin]}, which the next task does not find"
    assert str(said.value).startswith(told)


def test_state_in_a_module_that_it_imports_is_an_error(notes: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiny_tasks

    class Elsewhere(Plain):
        def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
            monkeypatch.setattr(tiny_tasks, "LATELY", 1, raising=False)
            return {}

    with pytest.raises(PluginError, match=r"^A task of Elsewhere changes LATELY, a variable of tiny_tasks, which"):
        notes(Elsewhere)


def test_files_that_a_hook_opens_are_told(notes: Teach, tmp_path: Path) -> None:
    class Files(Plain):
        def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
            for name in ("a.txt", "b.txt"):
                (tmp_path / name).write_text((tmp_path / "given.txt").read_text())
                (tmp_path / name).read_text()
            (tmp_path / "__pycache__").mkdir()
            (tmp_path / "__pycache__" / "c.pyc").write_bytes(b"")
            Path(__file__).read_text()
            Path(torch.__file__).with_name("version.py").read_text()
            return {}

    (tmp_path / "given.txt").write_text("x")
    assert notes(Files) == [
        f"Files.end_task() writes {tmp_path / 'a.txt'}, which another process or machine may not find, nor a run "
        "that takes this task from its store; return what the next task needs from end_task()",
        f"Files.end_task() reads {tmp_path / 'given.txt'}, which is not part of its results' keys: an edit of it would "
        "go unnoticed; name it in the class's data_files, or give what it holds as an option",
    ]
    (tmp_path / "after.txt").write_text("x")
    assert file_notes(Files(RankOptions())) == []


class Counts(Plain):
    """Keeps a number and a mean of its own, which a training that is resumed begins anew."""

    steps = 0

    def penalties(self) -> dict[str, Tensor]:
        self.steps += 1
        self.once = 1.0  # the same after each step, as it would be after a resume
        self.part = self.size()  # of the step's graph
        return {"size": self.part / self.steps}


def test_attributes_that_no_checkpoint_keeps_are_told(notes: Teach) -> None:
    assert notes(Counts) == [
        "self.steps changes from step to step, and no checkpoint keeps it: a training that is interrupted goes on with "
        "it as begin_task() leaves it; keep it as a buffer of the module that begin_task() returns"
    ]


class Hoards(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        return {**self.memory, f"{self.task_index}": torch.zeros(250_000)}


@pytest.mark.parametrize(("task", "held", "told"), [(1, 0, False), (2, 1, False), (3, 2, True), (4, 3, False)])
def test_a_memory_that_grows_is_told(
    model: TextToImage, monkeypatch: pytest.MonkeyPatch, task: int, held: int, told: bool
) -> None:
    made = Hoards.__init__

    def begun(self: Plain, options: RankOptions) -> None:
        made(self, options)
        self.task_index, self.num_tasks = task, 50

    model.reset()
    monkeypatch.setattr(Hoards, "__init__", begun)
    monkeypatch.setattr("faulty_methods.chosen", Hoards, raising=False)
    course = Course("faulty_methods:chosen", model)
    course.memory = Memory({str(i): torch.zeros(250_000) for i in range(held)})
    found = course.teach().done.notes
    assert (
        found
        == [
            "what end_task() leaves grows with the tasks, 2 MB after the second and 3 MB after the third, as if to "
            "100 MB after a hundred, and as much is read for each; sum it up in a fixed number of tensors if the "
            "method allows"
        ]
        * told
    )


def scaled(batch: Batch) -> Tensor:
    return batch.latents * 5


def normalised(batch: Batch) -> Tensor:
    return (batch.latents - batch.latents.mean(0)) / batch.latents.std(0) * batch.latents.std()


@pytest.mark.parametrize(
    ("change", "told"), [(scaled, "with a standard deviation of"), (normalised, "whose mean over the batch is 0")]
)
def test_latents_of_another_scale_are_told(notes: Teach, change: Callable[[Batch], Tensor], told: str) -> None:
    class Mine(Plain):
        def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
            found = super().batch(lesson, generator)
            return replace(found, latents=change(found))

    (note,) = notes(Mine)
    assert note.startswith(f"Mine.batch() gives latents {told}")


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("mask", "augment is on (without it the loss counts the grey around rescaled images)"),
        ("share", "prior_images is on (without it prior_weight does nothing)"),
    ],
)
def test_a_batch_that_loses_what_the_options_ask_for_is_told(notes: Teach, lost: str, told: str) -> None:
    class Loses(Plain):
        def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
            return replace(super().batch(lesson, generator), **{lost: None})

    assert notes(Loses) == [
        f"Loses.batch() gives no {lost}, though {told}; to change some of what super().batch() gives, use "
        "dataclasses.replace(given, latents=...)"
    ]


def left(of: Callable[[Any, Any, Tensor], Tensor]) -> type[Plain]:
    """A method that leaves something of each projection, its adapter and the weight kept at the start."""

    class Leaves(Plain):
        def begin_task(self, model: Any, generator: torch.Generator) -> Any:
            self.model = model
            self.start = {name: projection.weight for name, projection in model.projections.items()}
            return super().begin_task(model, generator)

        def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
            with torch.no_grad():
                return {n: of(self.model.projections[n], a, self.start[n]) for n, a in self.adapters.items()}

    return Leaves


def test_a_residual_that_is_counted_twice_is_told(notes: Teach) -> None:
    (note,) = notes(left(lambda projection, adapter, start: projection.weight + adapter.compute()))
    assert "' that end_task() leaves is the weight of " in note
    assert note.endswith("with the task's residual added once more: end_task() is called when the residual is folded "
                         "into projection.weight")  # fmt: skip
    for right in (lambda p, a, s: p.weight.clone(), lambda p, a, s: a.compute()):
        assert notes(left(right)) == []


def test_a_change_told_from_the_folded_tensor_itself_is_told(notes: Teach) -> None:
    (note,) = notes(left(lambda projection, adapter, start: projection.weight - start))
    assert note.startswith("what end_task() leaves of the projections ('")
    assert note.endswith("so keep projection.weight.clone() in begin_task() to tell a change")


def test_an_answer_that_hangs_on_the_batch_is_told() -> None:
    alone = torch.linspace(-1, 1, 10)
    assert company_notes(Plain(RankOptions()), alone + 1e-5, alone) == []
    (note,) = company_notes(Plain(RankOptions()), alone.flip(0), alone)
    assert note.startswith(
        "the prompt that Plain.recall() gives answers otherwise for an image alone than for the same"
    )


class Text(RankOptions):
    strength: float = "0.5"  # type: ignore[assignment]


class Whole(RankOptions):
    strength: float = 1


class ByTier(RankOptions):
    tier_defaults: ClassVar[dict[str, dict[str, Any]]] = {"mini": {"strength": "2"}}
    strength: float = 1.0


def test_a_default_of_another_type_is_refused() -> None:
    def of(options: type[RankOptions]) -> str:
        made = type("Made", (Plain,), {"__module__": __name__, "options_class": options})
        return flaw(made, registry.setting("customization"))

    assert of(Text) == (
        "the default of 'strength' in its Text is '0.5', a str, and read as an option it is 0.5, a float; write that"
    )
    assert (of(Whole), of(ByTier)) == ("", "")


class Thaws(Plain):
    """Freezes B at once, and trains it in the second half: of adapters that are computed together."""

    def batch(self, lesson: Any, generator: torch.Generator) -> Batch:
        for adapter in self.adapters.values():
            adapter.B.requires_grad_(adapter.progress >= 0.5)
        return super().batch(lesson, generator)


def test_what_is_thawed_beside_others_ends_the_training(notes: Teach) -> None:
    with pytest.raises(PluginError, match=r"^Thaws freezes or thaws a parameter of its adapters during a task"):
        notes(Thaws)
