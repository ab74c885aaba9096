"""Identity read from images: probes that ship, against the renderer's own factors, and cases of known value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.mini.concepts import MiniConcepts, ProceduralImages
from benchmarks.mini.factors import WORLDS, draw_identities
from benchmarks.mini.identity import VARIANCE, Attributes, Identity
from benchmarks.mini.probes import Probe, load_probes
from benchmarks.mini.tier import MINI
from harness.backbones.extractor import Extractor
from harness.backbones.hashes import Fingerprints
from harness.errors import UsageError
from harness.metric import ImageSet, TaskImages
from harness.plugins.metric_hooks import part_values

EXTRACTOR, PROBES = load_probes()


def shown(images: ProceduralImages, features: np.ndarray[Any, Any], extractor: str = EXTRACTOR) -> TaskImages:
    def missing() -> Any:
        raise AssertionError("real images are not asked for")

    drawn = ImageSet(missing, lambda: features.astype(np.float32))
    return TaskImages(
        1, "one", images.kind, "", ImageSet(missing, missing), drawn, truth=images.truth(), extractor=extractor
    )


@pytest.mark.parametrize("kind", ["person", "waterfall"])
def test_real_images_show_who_it_is_and_others_images_somebody_else(kind: str) -> None:
    extractor = Extractor(MINI.extractor, torch.device("cpu"))
    concepts = [ProceduralImages(kind, "benchmark", number) for number in range(4)]
    features = [extractor.features(images.load(64)) for images in concepts]
    own = [np.asarray(Identity().of_task(shown(c, f))).mean() for c, f in zip(concepts, features, strict=True)]
    right = [np.asarray(Attributes().of_task(shown(c, f))).mean() for c, f in zip(concepts, features, strict=True)]
    assert min(own) > 0.75
    assert min(right) > 0.9
    assert float(np.mean(right)) > 0.97
    others = [np.asarray(Identity().of_task(shown(c, f))).mean() for c in concepts for f in features if f is not
              features[concepts.index(c)]]  # fmt: skip
    assert -1.7 < float(np.mean(others)) < -0.4  # -1 on average over many identities


def test_the_truth_is_what_the_images_are_rendered_from() -> None:
    images = ProceduralImages("person", "benchmark", 3)
    truth, world = images.truth(), WORLDS["person"]
    assert set(truth) == {factor.name for factor in (*world.continuous, *world.discrete)}
    assert truth == ProceduralImages("person", "benchmark", 3, held_out=True).truth()
    assert truth != ProceduralImages("person", "benchmark", 4).truth()
    many = draw_identities("person", "benchmark", 4000, torch.Generator().manual_seed(0))
    # the first factor tells the splits apart, and is uniform over its slabs
    assert many.continuous[:, 1:].double().var(0).numpy() == pytest.approx(VARIANCE, rel=0.06)


def test_r2_and_accuracy_are_what_the_formulas_say(monkeypatch: pytest.MonkeyPatch) -> None:
    # features are the factors themselves: two numbers, and one discrete factor of two levels
    weights = np.concatenate([np.eye(4), np.zeros((1, 4))])
    probe = Probe(np.zeros(4), np.ones(4), weights, ("width", "height"), {"hat": ("none", "red")})
    monkeypatch.setattr("benchmarks.mini.identity._probes", lambda: ("mine", {"person": probe}))
    rows = np.array([[0.5, 0.2, 1.0, 0.0], [0.25, 0.2, 0.1, 0.9]])
    task = shown(ProceduralImages("person", "benchmark", 0), rows, "mine")
    task = TaskImages(**{**task.__dict__, "truth": {"width": 0.5, "height": 0.2, "hat": "red"}})
    width = [1.0, 1 - 0.25**2 * 12]
    assert Identity().of_task(task) == pytest.approx([1.0, (width[1] + 1) / 2])
    assert Attributes().of_task(task) == pytest.approx([0.0, 1.0])
    (parts,) = part_values(Identity(), [lambda: task])
    assert {name: value.value for name, value in parts.items()} == pytest.approx(
        {"width": sum(width) / 2, "height": 1.0}
    )


def test_probes_are_for_the_extractor_that_ships_and_no_other() -> None:
    from pathlib import Path

    assert Fingerprints().folder(Path(MINI.extractor)) == EXTRACTOR
    with pytest.raises(UsageError, match=r"^The metrics identity and attributes read factors with probes of the mini"):
        Identity().of_task(shown(ProceduralImages("person", "benchmark", 0), np.zeros((3, 4)), "another"))


def test_every_task_of_the_tier_knows_its_truth() -> None:
    for task in MiniConcepts(people=1, waterfalls=1).tasks():
        assert isinstance(task.images, ProceduralImages)
        assert set(PROBES[task.category].continuous) | set(PROBES[task.category].discrete) == set(task.images.truth())
