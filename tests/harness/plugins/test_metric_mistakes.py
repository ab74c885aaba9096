"""What a metric of one's own may get wrong: each is one sentence that names it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import registry
from harness.errors import PluginError, UsageError
from harness.front.metric_names import wanted_metrics
from harness.metric import BaseImages, ImageSet, Metric, TaskImages
from harness.metrics.measured import Value
from harness.plugins.metric_checks import flaw
from harness.plugins.metric_hooks import base_values, part_values, values_of


def task() -> TaskImages:
    some = ImageSet(lambda: np.zeros((3, 2, 2, 3), np.uint8), lambda: np.ones((3, 4), np.float32))
    return TaskImages(1, "cat", "animal", "a photo of a V* animal", some, some)


def made(answer: Any, hook: str = "of_task") -> Metric:
    return type("Mine", (Metric,), {"name": "mine", hook: lambda self, given: answer})()


@pytest.mark.parametrize(
    ("answer", "gave"),
    [
        (None, "None"), (float("nan"), "nan, a float"), ([1.0, 2.0], "a list"), ("0.5", "a str"),
        (np.ones((3, 1)), "an array of shape (3, 1) and float64"), ([1.0, float("inf"), 2.0], "a list"),
    ],
)  # fmt: skip
def test_an_answer_is_a_number_or_one_for_each_image(answer: Any, gave: str) -> None:
    with pytest.raises(PluginError) as said:
        values_of(made(answer), [task])
    assert str(said.value) == (
        f"Mine.of_task() must give a finite number, or one for each of 3 images; for task 1 (cat) it gave {gave}."
    )


def test_of_tasks_answers_for_each_task() -> None:
    with pytest.raises(
        PluginError, match=r"^Mine.of_tasks\(\) must return the figures of each of 2 tasks; it returned"
    ):
        values_of(made([1.0], "of_tasks"), [task, task])
    with pytest.raises(PluginError, match=r"^Mine.of_tasks\(\) must give a finite number"):
        values_of(made([1.0, None], "of_tasks"), [task, task])
    values = values_of(made([1, [0, 1, 2]], "of_tasks"), [task, task])
    assert isinstance(values, list)
    assert [value.value for value in values] == [1.0, 1.0]


def test_of_run_gives_one_number_without_an_interval() -> None:
    for wrong, gave in (([1.0, 2.0, 3.0], "a list"), (float("nan"), "nan, a float"), (None, "None")):
        with pytest.raises(PluginError) as said:
            values_of(made(wrong, "of_run"), [task])
        assert str(said.value) == f"Mine.of_run() must give one finite number; for the run it gave {gave}."
    value = values_of(made(0.5, "of_run"), [task, task])
    assert isinstance(value, Value)
    assert (value.value, value.n, value.without) == (0.5, 6, None)


def test_of_base_gives_a_number_or_one_for_each_pair() -> None:
    some = task().real
    prompt = partial(BaseImages, "a photo of a cat", some, some)
    with pytest.raises(PluginError) as said:
        base_values(made([1.0], "of_base"), [prompt])
    assert str(said.value) == (
        "Mine.of_base() must give a finite number, or one for each of 3 images; for 'a photo of a cat' it gave a list."
    )
    (one, each) = (base_values(made(answer, "of_base"), [prompt])[0] for answer in (2.0, [1.0, 2.0, 6.0]))
    assert (one.value, one.without.tolist()) == (2.0, [2.0] * 3)  # type: ignore[union-attr]
    assert (each.value, each.without.tolist()) == (3.0, [4.0, 3.5, 1.5])  # type: ignore[union-attr]


def test_parts_are_named_figures_beside_of_task() -> None:
    def parted(answer: Any) -> Metric:
        hooks = {"of_task": lambda self, task: 1.0, "parts_of_task": lambda self, task: answer}
        return type("Mine", (Metric,), {"name": "mine", **hooks})()

    (parts,) = part_values(parted({"nose": [0.0, 1.0, 2.0], "lips": 4.0}), [task])
    assert {name: value.value for name, value in parts.items()} == {"nose": 1.0, "lips": 4.0}
    assert part_values(made(1.0), [task]) == []
    for answer, gave in (([1.0], "a list"), ({1: 2.0}, "a dict")):
        with pytest.raises(PluginError) as said:
            part_values(parted(answer), [task])
        assert str(said.value).startswith(
            "Mine.parts_of_task() must return a dict of names and figures; for task 1 (cat) it gave " + gave
        )
    with pytest.raises(PluginError, match=r"^Mine.parts_of_task.*; for 'nose' of task 1 \(cat\) it gave"):
        part_values(parted({"nose": "wide"}), [task])


def test_a_text_that_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="these images come without the features of a text"):
        _ = task().text


def test_a_metric_draws_nothing_from_global_generators() -> None:
    class Draws(Metric):
        name = "draws"

        def of_task(self, task: TaskImages) -> float:
            return random.random()

    with pytest.raises(PluginError, match=r"^The metric Draws draws from .*; let it be a function of the images alone"):
        values_of(Draws(), [task])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": ""}, "the name of Mine is ''; a name begins with a small letter and has such, digits and '_'"),
        ({"name": "Mean Colour"}, "the name of Mine is 'Mean Colour'; a name begins with a small letter"),
        ({"name": "a_mmd"}, "its name, 'a_mmd', is that of a figure which results have anyway"),
        ({"name": "mine", "needs": ("weights",)}, "Mine.needs is ('weights',); it may name 'truth'"),
        (
            {"name": "mine", "edited": True, "of_task": Metric.of_task, "of_run": lambda self, tasks: 1.0},
            "Mine is of edited prompts and defines of_run(); define of_task()",
        ),
        ({"name": "mine", "needs": "truth"}, "Mine.needs is 'truth'; it may name 'truth'"),
        (
            {
                "name": "mine",
                "of_task": Metric.of_task,
                "of_run": lambda self, tasks: 1.0,
                "parts_of_task": lambda self, task: {},
            },
            "Mine defines parts_of_task(), which goes with of_task() alone",
        ),
        ({"name": "mine", "unit": ""}, "the unit of Mine is ''; give a text of up to 12 characters"),
        ({"name": "mine", "higher": "yes"}, "Mine.higher is 'yes'; say True if higher is better, else False"),
        (
            {"name": "mine", "of_task": Metric.of_task},
            "Mine defines none of of_task(), of_tasks(),",
        ),
        (
            {"name": "mine", "of_run": lambda self, tasks: 1.0},
            "Mine defines of_task(), of_run(); define only one",
        ),
    ],
)
def test_a_class_that_is_none_says_why(given: dict[str, Any], why: str) -> None:
    plugin = type("Mine", (Metric,), {"of_task": lambda self, task: 1.0, **given})
    assert flaw(plugin, {"a_mmd"}).startswith(why)
    assert flaw(Metric, ()) == flaw(int, ()) == "it is no class derived from harness.metric.Metric"


def write(folder: Path, name: str, figure: str = "mine") -> str:
    (folder / name).write_text(
        f"from stamina_bench import Metric\n\n\nclass Mine(Metric):\n    name = '{figure}'\n\n"
        "    def of_task(self, task):\n        return 1.0\n"
    )
    return f"{folder / name}:Mine"


def test_names_that_cannot_be_used_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    refused: Sequence[tuple[Any, str]] = [
        ("clipi", "Unknown metric 'clipi'; did you mean clip_i or clip_t or"),
        (" , ", "--metrics names no metric; known: attributes, base_drift, clip_i"),
        (f"{tmp_path}/none.py:Mine", f"There is no file {tmp_path}/none.py; name one as FILE.py:Class."),
        (write(tmp_path, "my-metric.py"), "cannot be imported under its name; use letters, digits and '_' only, as in"),
        (write(tmp_path, "queue.py"), "has the name of another module, 'queue', which is"),
        (write(tmp_path, "named_as_another.py", "a_mmd"), "its name, 'a_mmd', is that of a figure"),
        ((write(tmp_path, "one_of_two.py"), write(tmp_path, "two_of_two.py")), "both call their figures 'mine'"),
        (3, "3 cannot be used as a metric: give its name or its class."),
    ]
    for given, said in refused:
        with pytest.raises(UsageError) as error:
            wanted_metrics([given] if isinstance(given, int) else given)
        assert said in str(error.value)


def test_names_hold_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "named_by_path.py")
    (found,) = wanted_metrics("named_by_path.py:Mine")
    assert found == f"{tmp_path}/named_by_path.py:Mine"
    assert wanted_metrics(registry.metrics().get(found)) == ("named_by_path:Mine",)
    not_of_all = {"identity", "attributes", "dino", "faces", "lpips", "pickscore"}  # need the truth, or weights
    assert set(wanted_metrics("all")) == set(registry.metrics().names()) - not_of_all
    assert wanted_metrics(None) == ()
