"""Images as a metric of one's own gets them: sums in eight bits that come round, and axes that are mixed up, end it.

Both give plausible figures. `images` is uint8, so 3 - 5 is 254; and (n, h, w, 3) reshaped to (n, 3, h, w) has neither
colours nor places any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, uint8
from torch.overrides import TorchFunctionMode

from harness.errors import PluginError
from harness.metric import BaseImages, ImageSet, Metric, TaskImages
from harness.sources.home import PACKAGES

Images = TypeVar("Images", TaskImages, BaseImages)
_COMES_ROUND = frozenset({
    "add", "iadd", "sub", "isub", "rsub", "subtract", "mul", "imul", "multiply", "pow", "ipow", "power", "square",
    "neg", "negative",
})  # fmt: skip


def is_own(metric: Metric) -> bool:
    """Whether a metric is somebody's own, and none of this program's, which its tests know."""
    return type(metric).__module__.partition(".")[0] not in PACKAGES


def watched_images(metric: Metric, given: Images) -> Images:
    """The same images, for a metric of one's own as arrays that tell such mistakes."""
    if not is_own(metric):
        return given
    if isinstance(given, BaseImages):
        return replace(given, before=_watched_set(metric, given.before), after=_watched_set(metric, given.after))
    return replace(given, real=_watched_set(metric, given.real), generated=_watched_set(metric, given.generated))


@contextmanager
def tensors_watched(metric: Metric) -> Iterator[None]:
    """Within it tensors made of images tell such mistakes, too.

    Raises:
        PluginError: it makes one.
    """
    if not is_own(metric):
        yield
        return
    with _Tensors(type(metric).__name__):
        yield


@dataclass(frozen=True)
class SizedSet(ImageSet):
    """Images that were made of another set: how many there are is that one's, and to ask for it reads none of these."""

    made_of: ImageSet

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.made_of)

    def without(self, k: int) -> ImageSet:
        """The same set, less image k."""
        left = super().without(k)
        return SizedSet(left.read_images, left.read_features, self.made_of.without(k))


class WatchedImages(np.ndarray[Any, Any]):
    """Images of bytes; what is worked out of them are plain arrays, but for views, copies and other bytes.

    Attributes:
        metric: The class that looks at them.
    """

    metric: str = ""

    def __array_finalize__(self, made_of: Any) -> None:
        """What is made of one is the same metric's."""
        self.metric = getattr(made_of, "metric", "")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **named: Any) -> Any:
        """Look whether bytes come round."""
        plain = [_plain(each) for each in inputs]
        wide = _wide(ufunc, method, plain)
        named = {
            key: tuple(map(_plain, v)) if key == "out" and v is not None else _plain(v) for key, v in named.items()
        }
        found = getattr(ufunc, method)(*plain, **named)
        if not isinstance(found, np.ndarray) or found.dtype != np.uint8:
            return found
        if wide is not None and not np.array_equal(wide, found):
            raise PluginError(_came_round(self.metric, ufunc.__name__))
        kept = found.view(WatchedImages)
        kept.metric = self.metric
        return kept

    def reshape(self, *shape: Any, **named: Any) -> Any:
        """Look whether axes are mixed up."""
        found = super().reshape(*shape, **named)
        if _mixed_up(self.shape, found.shape):
            raise PluginError(_reshaped(self.metric))
        return found


class _Tensors(TorchFunctionMode):
    def __init__(self, metric: str) -> None:
        super().__init__()
        self.metric = metric

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        called = getattr(func, "__name__", "").strip("_")  # sub, sub_, __sub__
        tensors = [each for each in args if isinstance(each, Tensor)]
        bytes_only = bool(tensors) and called in _COMES_ROUND and all(each.dtype is uint8 for each in tensors)
        before = [each.long() if isinstance(each, Tensor) else each for each in args] if bytes_only else []
        found = func(*args, **(kwargs or {}))
        if before and isinstance(found, Tensor) and found.dtype is uint8:
            wide = func(*before, **(kwargs or {}))
            if not wide.equal(found.long()):
                raise PluginError(_came_round(self.metric, called))
        shaped = called in ("reshape", "view") and isinstance(found, Tensor) and bool(tensors)
        if shaped and _mixed_up(tuple(tensors[0].shape), tuple(found.shape)):
            raise PluginError(_reshaped(self.metric))
        return found


def _watched_set(metric: Metric, images: ImageSet) -> ImageSet:
    def read() -> NDArray[np.uint8]:
        found = images.images.view(WatchedImages)
        found.metric = type(metric).__name__
        return found

    return SizedSet(read, lambda: images.features, images)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, WatchedImages) else value


def _wide(ufunc: np.ufunc, method: str, inputs: list[Any]) -> NDArray[Any] | None:
    """What a sum or product of bytes is with room for it; None of anything else."""
    if method != "__call__" or ufunc.__name__ not in _COMES_ROUND:
        return None
    kinds = [each.dtype for each in inputs if isinstance(each, np.ndarray | np.generic)]
    if not kinds or any(kind != np.uint8 for kind in kinds):
        return None
    found: NDArray[Any] = ufunc(
        *[each.astype(np.int64) if isinstance(each, np.ndarray | np.generic) else each for each in inputs]
    )
    return found


def _mixed_up(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether (..., h, w, 3) was given the shape (..., 3, h, w)."""
    if len(before) < 3 or len(after) < 3 or before[-1] != 3 or min(before[-3:-1]) <= 3:
        return False
    return after[-3:] == (3, *before[-3:-1])


def _came_round(metric: str, what: str) -> str:
    return (
        f"The metric {metric} works with images in eight bits ({what}), where values below 0 or above 255 come round "
        "to the other end; make numbers of them first, images.astype(float), or .float() of a tensor."
    )


def _reshaped(metric: str) -> str:
    return (
        f"The metric {metric} gives images (h, w, 3) the shape (3, h, w) by reshape, which mixes up colours and "
        "places; use transpose(0, 3, 1, 2), or permute of a tensor."
    )
