"""Face identity: whether who was drawn is who was taught, by dlib's face descriptors, which its packages ship."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError
from harness.metric import ImageSet, Metric, TaskImages, Values

SAME = 0.6  # dlib's model takes faces nearer than this for one person's, with 99.4 % accuracy on LFW
EXTRA = "stamina-bench[faces]"


class Faces(Metric):
    """Share of the task's real faces that a generated image's face is nearer to than `SAME`; 0 where no face is found.

    An image's face is the largest that dlib's frontal detector finds. Real images without one are left out.
    """

    name = "faces"
    title = "Face identity"
    summary = "Share of a task's real faces that a generated one is the same person as, to dlib; 0 where there is none."
    citation = "King, Dlib-ml, JMLR 2009; its ResNet face descriptor, 2017"
    higher = True
    packages: ClassVar[Mapping[str, str]] = {"dlib": EXTRA, "face_recognition_models": EXTRA}

    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image."""
        found: NDArray[np.float64] = (self.distances(task) < SAME).mean(axis=1)
        return found

    def parts_of_task(self, task: TaskImages) -> Mapping[str, Values]:
        """`detected`: whether an image has a face. `distance`: of faces from the real ones, where any has one."""
        apart = self.distances(task)
        seen = ~np.isnan(apart[:, 0])
        return {"detected": seen.astype(float)} | ({"distance": float(apart[seen].mean())} if seen.any() else {})

    def distances(self, task: TaskImages) -> NDArray[np.float64]:
        """(n, real faces) float64: of descriptors; a row of nan where no face is found.

        Raises:
            UsageError: no real image has a face.
        """
        real, drawn = (_described(each) for each in (task.real, task.generated))
        known = real[~np.isnan(real[:, 0])]
        if not len(known):
            raise UsageError(
                f"The metric 'faces' finds no face in any real image of task {task.index} ({task.name}); leave it out "
                "where not every task is a person's."
            )
        apart: NDArray[np.float64] = np.linalg.norm(drawn[:, None] - known[None], axis=2)
        return apart


def _described(images: ImageSet) -> NDArray[np.float64]:
    return np.stack([_descriptor(image.tobytes(), image.shape) for image in images.images])


@lru_cache(maxsize=256)  # a task's figure and its parts look at the same images
def _descriptor(content: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(128,) float64: of an RGB image's largest face; all nan if it has none."""
    detector, landmarks, network = _models()
    image = np.frombuffer(content, np.uint8).reshape(shape)
    boxes = detector(image, 1)
    if not boxes:
        return np.full(128, np.nan)
    largest = max(boxes, key=lambda box: box.area())
    return np.array(network.compute_face_descriptor(image, landmarks(image, largest)), np.float64)


@cache
def _models() -> tuple[Any, Any, Any]:
    """The detector, the five landmarks and the descriptor's network."""
    import dlib

    spec = find_spec("face_recognition_models")  # not imported: it wants a part of setuptools that is no more
    folder = Path(str(spec and spec.origin)).parent / "models"
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat")),
        dlib.face_recognition_model_v1(str(folder / "dlib_face_recognition_resnet_model_v1.dat")),
    )
