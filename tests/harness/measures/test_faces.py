"""Face identity, with packages that stand in for dlib and its models; and with these, where they are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import bench, refused
from PIL import Image

from harness import registry
from harness.errors import UsageError
from harness.front.metric_names import wanted_metrics
from harness.measures import faces
from harness.measures.faces import Faces
from harness.metric import ImageSet, TaskImages
from harness.spec import Tier

# Boxes of an image: as many as its first pixel's red says, each larger than the last. A face's descriptor: the green of
# that pixel, a hundredth of it, if the largest box was taken.
DLIB = """
class Box:
    def __init__(self, size): self.size = size
    def area(self): return self.size
class Network:
    def compute_face_descriptor(self, image, landmarks):
        assert landmarks == image[0, 0, 0]
        return [image[0, 0, 1] / 100] + [0.0] * 127
def get_frontal_face_detector(): return lambda image, larger: [Box(k + 1) for k in range(image[0, 0, 0])]
def shape_predictor(path): assert path.endswith("5_face_landmarks.dat"); return lambda image, box: box.size
def face_recognition_model_v1(path): assert path.endswith("resnet_model_v1.dat"); return Network()
"""


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Packages of dlib's name and its models', of version 1.0."""
    for name, content in (("dlib", DLIB), ("face_recognition_models", "raise ImportError('not to be imported')")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(content)
        told = tmp_path / f"{name}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (told / "top_level.txt").write_text(name)
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (faces._models, faces._descriptor):
        cached.cache_clear()
    yield tmp_path
    for name in ("dlib", "face_recognition_models"):
        sys.modules.pop(name, None)
    for cached in (faces._models, faces._descriptor):
        cached.cache_clear()


def of(*first: tuple[int, int]) -> ImageSet:
    """Images with these (faces, hundredths of the descriptor)."""
    images = np.zeros((len(first), 4, 4, 3), np.uint8)
    images[:, 0, 0, :2] = first
    return ImageSet(lambda: images, lambda: np.zeros((len(first), 1), np.float32))


def task(real: ImageSet, drawn: ImageSet) -> TaskImages:
    return TaskImages(3, "Ada", "person", "a photo of a V* person", real, drawn)


def test_the_share_of_real_faces_that_the_largest_one_is_near(stand_ins: Path) -> None:
    seen = task(of((1, 0), (2, 100), (0, 7)), of((3, 50), (1, 0), (0, 50), (1, 255)))
    metric = registry.metric("faces")()
    assert np.asarray(metric.of_task(seen)).tolist() == [1.0, 0.5, 0.0, 0.0]  # 0.5 from both; 0 and 1; none; far away
    parts = metric.parts_of_task(seen)
    assert np.asarray(parts["detected"]).tolist() == [1, 1, 0, 1]
    assert parts["distance"] == pytest.approx(np.mean([0.5, 0.5, 0.0, 1.0, 2.55, 1.55]))
    assert set(metric.parts_of_task(task(of((1, 0)), of((0, 0))))) == {"detected"}


def test_a_task_without_a_real_face_is_named(stand_ins: Path) -> None:
    with pytest.raises(UsageError, match=r"no face in any real image of task 3 \(Ada\)"):
        registry.metric("faces")().of_task(task(of((0, 1)), of((1, 1))))


def test_a_run_without_faces_ends_with_that_sentence(
    stand_ins: Path, tiny_tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(stand_ins)
    dlib = stand_ins / "dlib" / "__init__.py"
    dlib.write_text(dlib.read_text().replace("range(image[0, 0, 0])", "range(0)"))
    few = [f"--set={each}" for each in ("steps=1", "sampling.images=3", "sampling.steps=1")]
    code, said = bench("run", "tuning6", "-m", "ti++", "--limit", "1", "-q", "--metrics", "faces", *few)
    assert code == 1
    assert "The metric 'faces' finds no face in any real image of task 1 (person 1); leave it out" in " ".join(
        said.split()
    )


def test_packages_versions_are_part_of_the_key(stand_ins: Path) -> None:
    first = registry.metric("faces").source_hash()
    assert first != Faces.source_hash()
    told = stand_ins / "dlib-1.0.dist-info" / "METADATA"
    told.write_text(told.read_text().replace("1.0", "1.1"))
    assert registry.metric("faces").source_hash() != first


def test_what_is_not_installed_is_said_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.plugins.metric_weights.find_spec", lambda module: None)
    why = r"needs dlib, which is not installed; run `pip install 'stamina-bench\[faces\]'`"
    refused(bench("run", "mixed50", "-m", "ti++", "--metrics", "faces", "--dry-run"), why.replace("\\", ""))
    assert "faces" not in wanted_metrics("all")


def test_dlib_finds_a_person_again() -> None:
    """On a photograph that matplotlib ships, where `stamina-bench[faces]` is installed."""
    pytest.importorskip("dlib")
    matplotlib: Any = pytest.importorskip("matplotlib")
    photo = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")

    def square(image: Image.Image) -> np.ndarray[Any, Any]:
        return np.asarray(image.crop((0, 0, 512, 512)).resize((256, 256)))

    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)

    def shown(*images: np.ndarray[Any, Any]) -> ImageSet:
        return ImageSet(lambda: np.stack(images), lambda: np.zeros((len(images), 1), np.float32))

    seen = task(shown(square(photo), noise), shown(square(photo.rotate(8)), noise))
    assert np.asarray(registry.metric("faces")().of_task(seen)).tolist() == [1, 0]
