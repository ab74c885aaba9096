"""`stamina-bench check` of a metric: each mistake is named, and nothing is said of built-in ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from in_process import bench, refused

from harness import registry
from harness.authoring import known_images
from harness.authoring.metric_check import CheckedMetric, check_metric, is_metric
from harness.errors import UsageError

HEAD = """
import functools
import numpy as np
from stamina_bench import Metric

class Plain(Metric):
    name, summary = "gap", "How far the means of features are from each other."
    def gap(self, task, real):
        return float(np.linalg.norm(task.generated.features.mean(0) - real.mean(0)))
    def of_task(self, task):
        return self.gap(task, task.real.features)

@functools.cache
def kept(name):
    return []

"""
# what is wrong -> the class, the part in which it shows, what is said, whether it is an error
PLANTED = {
    "a mean along the wrong axis": ("""class Mine(Plain):
    def of_task(self, task):
        return np.abs(task.real.features[:, None] - task.generated.features[None]).mean(axis=(1, 2))
""", "figures", "one for each of 12 images; for task 1 (person 1) it gave an array of shape (16,)", True),
    "a cache under a task's name": ("""class Mine(Plain):
    def of_task(self, task):
        real = kept(task.name)
        real.append(task.generated.features) if not real else None
        return self.gap(task, real[0])
""", "again", "when tasks have other names and come last one first", True),
    "what hangs on the place": ("""class Mine(Plain):
    def of_task(self, task):
        return super().of_task(task) / task.index
""", "again", "keep nothing under a task's name or place", True),
    "neighbours taken for pairs": ("""class Mine(Plain):
    def of_task(self, task):
        drawn = task.generated.features
        return float(np.linalg.norm(drawn[1:] - drawn[:-1], axis=1).mean())
""", "order", "when the same generated images come in another order", True),
    "real rows taken for pairs": ("""class Mine(Plain):
    def of_task(self, task):
        drawn = task.generated.features
        return float(np.linalg.norm(drawn - task.real.features[:len(drawn)], axis=1).mean())
""", "order", "real image k is not what generated image k was made of", True),
    "the wrong direction": ("""class Mine(Plain):
    higher = True
""", "likeness", "finds another concept's images and noise better than the real images themselves", False),
    "the wrong direction of a share": ("""class Mine(Plain):
    def of_task(self, task):
        return -super().of_task(task)
""", "likeness", "it says that lower is better (higher = False)", False),
    "a norm of all pairs together": ("""class Mine(Plain):
    def of_task(self, task):
        return float(np.linalg.norm(task.real.features[:, None] - task.generated.features[None]))
""", "figures", "when each generated image is there twice: it goes with the root of how many there are", False),
    "a sum over real images": ("""class Mine(Plain):
    def of_task(self, task):
        drawn = task.generated.features.mean(0)
        return float(((task.real.features - drawn) ** 2).sum())
""", "figures", "when each real image is there twice: it goes with how many there are", False),
    "histograms between each set's own bounds": ("""class Mine(Plain):
    def of_task(self, task):
        real, drawn = (np.histogram(s.images, bins=32, density=True)[0] for s in (task.real, task.generated))
        return float(np.abs(real - drawn).sum())
""", "figures", "when one pixel of one generated image is black and one is white", False),
    "one figure for everything": ("""class Mine(Plain):
    def of_task(self, task):
        return float(task.generated.images.shape[1])
""", "likeness", "it says the same, 64, of the real images themselves and of all others", False),
    "a share that is none": ("""class Mine(Plain):
    unit = "fraction"
    def of_task(self, task):
        return 100 * float((task.generated.images > 127).mean())
""", "figures", "it says that its unit is a fraction, and gives figures up to 5", False),
    "percent that are shares": ("""class Mine(Plain):
    unit = "%"
    def of_task(self, task):
        return float((task.generated.images > 127).mean())
""", "figures", "it says that its unit is '%', and no figure is larger than 0.5", False),
    "a name that is not there": ("""class Mine(Plain):
    def of_task(self, task):
        return float(task.generated.pixels.mean())
""", "figures", "has no attribute 'pixels'", True),
    "no number": ("""class Mine(Plain):
    def of_task(self, task):
        return float("nan")
""", "figures", "it gave nan, a float", True),
    "a cosine that is none": ("""class Mine(Metric):
    name, summary, higher = "cosine", "Mean cosine of features.", True
    def of_task(self, task):
        real, drawn = (x.features / np.linalg.norm(x.features, axis=0) for x in (task.real, task.generated))
        return (drawn @ real.T).mean(axis=1)
""", "figures", "and no cosine is above 1 or below -1", False),
    "a label that tasks share": ("""class Mine(Metric):
    name, summary, higher = "right", "Share of images whose nearest is right.", True
    def of_tasks(self, tasks):
        real = np.concatenate([task.real.features for task in tasks])
        real = real / np.linalg.norm(real, axis=1, keepdims=True)
        labels = np.array([task.category for task in tasks for _ in task.real.features])
        return [
            (labels[(task.generated.features @ real.T).argmax(1)] == task.category).astype(float) for task in tasks
        ]
""", "likeness", "it says the same of the real images themselves and of another concept's (1 of the first", False),
    "a direction of prompts": ("""class Mine(Metric):
    name, summary, higher = "moved", "How far features moved.", True
    def of_base(self, drawn):
        return np.abs(drawn.before.features - drawn.after.features).mean(axis=1)
""", "likeness", "finds another concept's images and noise better than the real images themselves", False),
}  # fmt: skip
# metrics of other kinds, at which nothing is odd
RIGHT = {
    "plain": "class Mine(Plain): pass\n",
    "of histograms": """class Mine(Plain):
    def of_task(self, task):
        both = (np.histogram(s.images, 32, (0, 255))[0] / s.images.size for s in (task.real, task.generated))
        return float(np.abs(np.subtract(*both)).sum())
""",
    "of tasks": """class Mine(Plain):
    of_task = Metric.of_task
    def of_tasks(self, tasks):
        means = [task.real.features.mean(0) for task in tasks]
        return [float(np.mean([self.gap(task, other[None]) for other in means])) for task in tasks]
""",
    "of all together": """class Mine(Plain):
    of_task = Metric.of_task
    def of_run(self, tasks):
        return float(np.mean([self.gap(task, task.real.features) for task in tasks]))
""",
    "made of parts": """class Mine(Plain):
    def parts_of_task(self, task):
        return {"red": float(task.generated.images[..., 0].mean())}
""",
    "a diversity": """class Mine(Plain):
    higher = True
    def of_task(self, task):
        return float(task.generated.features.std(0).mean())
""",
}  # fmt: skip
Write = Callable[[str], str]


@pytest.fixture(autouse=True)
def _four_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people and two waterfalls are enough to tell, and take less time."""
    monkeypatch.setattr(known_images, "TASKS", 4)


@pytest.fixture
def metric(tmp_path: Path) -> Write:
    """Write a file with a class `Mine`; give what names it."""

    def write(text: str) -> str:
        name = sha256(f"{tmp_path}{text}".encode()).hexdigest()[:8]
        path = tmp_path / f"own_{name}.py"
        path.write_text(HEAD + text)
        return f"{path}:Mine"

    return write


@pytest.mark.parametrize("what", PLANTED)
def test_each_mistake_is_named(metric: Write, what: str) -> None:
    text, part, said, wrong = PLANTED[what]
    found = check_metric(metric(text))
    told = [finding for finding in found.findings if said in finding.text]
    assert [(finding.part, finding.wrong) for finding in told] == [(part, wrong)], found.findings
    assert found.wrong == wrong


@pytest.mark.parametrize("what", RIGHT)
def test_of_a_sound_one_nothing_is_said(metric: Write, what: str) -> None:
    found = check_metric(metric(RIGHT[what]))
    assert not found.findings
    assert found.ignores_real == (what == "a diversity")
    assert found.looked_at == ("text", "figures", "again", "order", "likeness")
    assert [Path(file).name.startswith("own_") for file in found.files] == [True]


def _own(name: str) -> bool:
    known = registry.metrics().get(name)
    return not known.weights_needed and not known.packages


@pytest.mark.parametrize("name", [name for name in registry.metrics().names() if _own(name)])
def test_of_a_built_in_one_nothing_is_said(name: str) -> None:
    assert is_metric(name)
    found = check_metric(name)
    assert not found.findings
    themselves, noise = (np.mean(found.said[of]) for of in ("the real images themselves", "noise"))
    assert name == "vendi" or (themselves > noise) == found.card["higher"]


def test_figures_are_those_of_the_images(metric: Write) -> None:
    """Other images of a concept have its features' mean nearly; strangers and noise have not."""
    said = check_metric(metric(RIGHT["plain"])).said
    themselves, others, another, noise = (np.array(said[name]) for name in said)
    assert (themselves < others).all()
    assert (others < 0.2 * np.minimum(another, noise)).all()


def test_what_is_no_metric_is_left_to_others(metric: Write) -> None:
    for named in ("stamina", "no_such", metric("Mine = 3\n"), metric("class Mine(\n"), "no.such.module:Mine"):
        assert not is_metric(named)
    assert is_metric("dino=somewhere")


def test_one_at_a_time() -> None:
    with pytest.raises(UsageError, match="One metric can be checked at a time, not clip_i and fid"):
        check_metric("clip_i,fid")


def test_the_command(metric: Write) -> None:
    code, said = bench("check", metric(RIGHT["plain"]))
    assert code == 0
    assert "gap, of each task; it says that lower is better" in said
    code, said = bench("check", metric(PLANTED["the wrong direction"][0]), "--strict", "--json", "-q")
    assert code == 1
    assert CheckedMetric.model_validate(json.loads(said)).findings
    code, said = bench("check", metric(PLANTED["no number"][0]))
    assert code == 1
    assert "not reached" in said
    refused(bench("check", "clip_i", "--set", "a=1"), "--set is for methods, and 'clip_i' is a metric; leave it out.")
