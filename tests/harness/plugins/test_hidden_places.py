"""What goes on from task to task in one process, and would not in another: counters, iterators, generators."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from faulty_methods import Plain
from torch import Tensor

from harness.errors import PluginError

Teach = Callable[..., list[str]]
NUMBERS = [1, 2, 3]
AT_THE_MODULE = iter(NUMBERS)
COUNTED_ONCE = itertools.count(7)  # no task goes on with it
LINES = open(__file__, encoding="utf-8")  # noqa: SIM115  (a file is an iterator, and opened files are told elsewhere)
SEEDED = np.random.default_rng(3)


class Counter(Plain):
    places: ClassVar[Any] = itertools.count(1)

    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        next(self.places)
        return {}


class OfTheModule(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        next(AT_THE_MODULE)
        return {}


class OwnGenerator(Plain):
    draws: ClassVar[Any] = torch.Generator().manual_seed(1)

    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        torch.rand(1, generator=self.draws)
        return {}


class OwnNumpy(Plain):
    def end_task(self, lesson: Any, generator: torch.Generator) -> dict[str, Tensor]:
        SEEDED.random()
        return {}


GOES_ON = {
    Counter: "the class attribute Counter.places",
    OfTheModule: f"AT_THE_MODULE, a variable of {__name__}",
    OwnGenerator: "the class attribute OwnGenerator.draws",
    OwnNumpy: f"SEEDED, a variable of {__name__}",
}


@pytest.mark.parametrize("plugin", GOES_ON)
def test_what_a_task_goes_on_with_is_an_error(notes: Teach, plugin: type[Plain]) -> None:
    with pytest.raises(PluginError) as said:
        notes(plugin)
    told = f"A task of {plugin.__name__} changes {GOES_ON[plugin]}, which the next task does not find"
    assert str(said.value).startswith(told)


def turns() -> Iterator[int]:
    yield from NUMBERS


@pytest.mark.parametrize("made", [lambda: itertools.cycle(NUMBERS), turns, lambda: map(str, NUMBERS)])
def test_an_iterator_whose_place_nothing_tells_is_a_note(notes: Teach, made: Callable[[], Any]) -> None:
    class Turns(Plain):
        places: ClassVar[Any] = made()

    (note,) = notes(Turns)
    assert note.startswith("the class attribute Turns.places is an iterator: it goes on from task to task")


def test_what_no_task_goes_on_with_is_no_mistake(notes: Teach) -> None:
    class Fine(Plain):
        places: ClassVar[Any] = itertools.count(1)
        draws: ClassVar[Any] = np.random.default_rng(1)

    assert notes(Fine) == []


def test_a_generator_that_a_task_seeds_anew_is_no_mistake(notes: Teach) -> None:
    class Fine(Plain):
        draws: ClassVar[Any] = torch.Generator().manual_seed(1)

        def begin_task(self, model: Any, generator: torch.Generator) -> Any:
            self.draws.manual_seed(int(torch.randint(1000, (1,), generator=generator)))
            torch.rand(1, generator=self.draws)
            return super().begin_task(model, generator)

    assert notes(Fine) == []
