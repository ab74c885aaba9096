"""What a classifier sees: crops as torchvision draws and cuts them, the same for any threads and any neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_classifier import RandomImages, pixels
from torch import Tensor
from torchvision.transforms import v2

from harness.settings.classification.transforms import ASPECT, SMALL, TRIES, Pixels, crop_box

sides = st.integers(1, 600)
draws = st.lists(st.floats(0, 1, exclude_max=True), min_size=2 * TRIES + 2, max_size=2 * TRIES + 2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ---------------------------------------------------------------------------------------------------------------- crops


@settings(max_examples=40)
@given(sides, sides, st.floats(0.01, 1), draws)
def test_a_crop_is_inside_its_image(height: int, width: int, least: float, drawn: list[float]) -> None:
    top, left, h, w = crop_box(height, width, least, drawn)
    assert min(h, w) >= 1
    assert min(top, left) >= 0
    assert top + h <= height
    assert left + w <= width


@settings(max_examples=40)
@given(st.integers(1, 400), draws)
def test_a_crop_of_all_of_a_square_image_is_that_image(side: int, drawn: list[float]) -> None:
    """Whatever aspect is drawn: only a square of the whole area fits, and the fallback is the whole, too."""
    top, left, h, w = crop_box(side, side, 1.0, drawn)
    # an aspect next to 1 may round to the side itself along one axis, and lose a pixel along the other
    assert side - 1 <= min(h, w) <= max(h, w) == side
    assert (top, left) in {(0, 0), (side - h, 0), (0, side - w)}


@settings(max_examples=40)
@given(st.integers(50, 600), st.integers(50, 600), draws)
def test_a_crop_has_the_area_and_aspect_it_was_drawn_with(height: int, width: int, drawn: list[float]) -> None:
    _, _, h, w = crop_box(height, width, 0.25, drawn)
    slack = 1 / min(h, w)  # rounding to whole pixels
    if ASPECT[0] <= height / width <= ASPECT[1]:
        assert h * w >= 0.25 * height * width * (1 - slack) ** 2
    assert ASPECT[0] * (1 - slack) <= w / h <= ASPECT[1] * (1 + 2 * slack)


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [(100, 400, (0, 133, 100, 133)), (400, 100, (133, 0, 133, 100)), (90, 100, (0, 0, 90, 100))],
)
def test_after_ten_crops_that_do_not_fit_it_is_the_largest_central_one(
    height: int, width: int, wanted: tuple[int, int, int, int]
) -> None:
    drawn = [0.999, 0.999 if height >= width else 0.0] * TRIES + [0.9, 0.9]  # wide for the tall, tall for the wide
    assert crop_box(height, width, 0.99, drawn) == wanted


@pytest.mark.parametrize(("height", "width"), [(60, 100), (40, 200)])
def test_crops_are_distributed_as_torchvisions(height: int, width: int) -> None:
    """Means of area, log aspect and place over 1000 draws, within four standard errors."""
    count, image = 1000, torch.empty(3, height, width)
    rows = torch.rand(count, 2 * TRIES + 2, generator=generator(), dtype=torch.float64).tolist()
    ours = np.array([crop_box(height, width, 0.2, row) for row in rows], dtype=float)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        crop = v2.RandomResizedCrop(8, scale=(0.2, 1.0))
        found = [crop.make_params([image]) for _ in range(count)]
    theirs = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in found], dtype=float)

    def figures(boxes: np.ndarray) -> np.ndarray:
        top, left, h, w = boxes.T
        return np.stack([h * w / (height * width), np.log(w / h), top + h / 2, left + w / 2])

    a, b = figures(ours), figures(theirs)
    error = np.sqrt((a.var(1) + b.var(1)) / count)
    assert (abs(a.mean(1) - b.mean(1)) <= 4 * error + 1e-9).all()
    assert (a.std(1) <= 1.2 * b.std(1) + 1e-9).all()
    assert (b.std(1) <= 1.2 * a.std(1) + 1e-9).all()


# ------------------------------------------------------------------------------------------------------- images as seen


@pytest.mark.parametrize("size", [(40, 40), (50, 80), (97, 41), (20, 30)])
@pytest.mark.parametrize("resize", [32, 37])
def test_test_images_are_torchvisions_resize_and_centre_crop(size: tuple[int, int], resize: int) -> None:
    images = RandomImages(size=size)
    found = pixels(images, resize=resize).testing([0, 3])
    assert (found.shape, found.dtype) == ((2, 3, 32, 32), torch.float32)
    path = v2.Compose([v2.Resize(resize, antialias=True), v2.CenterCrop(32)])
    for number, row in enumerate((0, 3)):
        whole = torch.from_numpy(images.image("test", row)).permute(2, 0, 1)
        wanted = path(whole.float() / 255)
        assert (found[number] - wanted).abs().max() <= 1.5 / 255
        quantised = path(whole).float() / 255  # of bytes, as most pipelines have it
        assert (found[number] - quantised).abs().max() <= 1.5 / 255
    assert found.min() >= 0
    assert found.max() <= 1


def test_an_image_of_the_right_size_is_left_as_it_is() -> None:
    images = RandomImages()
    found = pixels(images).testing([1])[0]
    assert torch.equal(found, torch.from_numpy(images.image("test", 1)).permute(2, 0, 1).float() / 255)


@pytest.mark.parametrize("split", ["train", "test"])
def test_normalised_pixels_are_as_the_checkpoint_expects(split: str) -> None:
    plain, normalised = (
        seen.testing([0, 1]) if split == "test" else seen.training([0, 1], generator())
        for seen in (pixels(RandomImages(), normalise=False), pixels(RandomImages(), normalise=True))
    )
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.5, 0.25, 0.2])
    torch.testing.assert_close(normalised, (plain - mean[:, None, None]) / std[:, None, None])
    assert 0 <= plain.min() < plain.max() <= 1


def test_a_training_image_is_the_crop_that_was_drawn_scaled_and_perhaps_mirrored() -> None:
    images = RandomImages(train=12, size=(50, 70))
    seen = pixels(images, min_crop=0.3)
    rows = list(range(12))
    found = seen.training(rows, generator(7))
    drawn = torch.rand(12, 2 * TRIES + 3, generator=generator(7), dtype=torch.float64)
    mirrored = 0
    for row, own in zip(rows, drawn.tolist(), strict=True):
        whole = torch.from_numpy(images.image("train", row)).permute(2, 0, 1).float() / 255
        wanted = v2.functional.resized_crop(whole, *crop_box(50, 70, 0.3, own), [32, 32], antialias=True)
        flipped = own[-1] < 0.5
        mirrored += flipped
        assert (found[row] - (wanted.flip(2) if flipped else wanted)).abs().max() <= 1e-5
    assert 0 < mirrored < 12


def test_without_flips_crops_are_the_same_and_none_is_mirrored() -> None:
    images = RandomImages(train=8)
    whole = torch.stack([torch.from_numpy(images.image("train", k)).permute(2, 0, 1) for k in range(8)]).float() / 255
    fixed = pixels(images, min_crop=1.0, flip=False).training(range(8), generator())
    torch.testing.assert_close(fixed, whole, atol=0.2, rtol=0)  # a pixel may be lost along one side
    turned = pixels(images, min_crop=1.0).training(range(8), generator())
    same = [torch.equal(a, b) for a, b in zip(fixed, turned, strict=True)]
    other = [torch.equal(a.flip(2), b) for a, b in zip(fixed, turned, strict=True)]
    assert all(a != b for a, b in zip(same, other, strict=True))
    assert {*same} == {True, False}


# ----------------------------------------------------------------------------------------------- threads and neighbours


def both(seen: Pixels, rows: Sequence[int]) -> list[Tensor]:
    return [seen.training(rows, generator(2)), seen.testing(rows)]


def test_threads_change_no_byte() -> None:
    """Of images large enough for threads to be used."""
    side = math.isqrt(SMALL) + 5
    images = [RandomImages(train=4, size=(side, side + 9)), RandomImages(train=4, seed=1, size=(side, side))]
    rows = [0, 5, 3, 6, 7]
    one, four = (both(pixels(*images, threads=threads), rows) for threads in (1, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, four, strict=True))


def test_an_images_draws_do_not_hang_on_the_others() -> None:
    """Of other sizes or other numbers, in the same place of the batch."""
    small, large = RandomImages(train=5, seed=3), RandomImages(train=5, size=(41, 90))
    rows = [1, 6, 8]  # one of the first task, two of the second
    found = pixels(large, small).training(rows, generator())
    other = pixels(RandomImages(train=5, seed=9, size=(70, 33)), small).training(rows, generator())
    assert torch.equal(found[1:], other[1:])
    assert not torch.equal(found[0], other[0])
    alone = pixels(large, small).training(rows[:1], generator())
    assert torch.equal(alone[0], found[0])


def test_the_generator_moves_by_as_much_for_any_image() -> None:
    left = []
    for size in ((32, 32), (41, 90)):
        drawn = generator()
        pixels(RandomImages(size=size), flip=size == (32, 32)).training([0, 1], drawn)
        left.append(drawn.get_state())
    assert torch.equal(*left)


def test_rows_run_through_the_tasks_and_labels_are_offset() -> None:
    images = [RandomImages(train=5, test=2), RandomImages(classes=3, train=4, test=7, seed=1), RandomImages(seed=2)]
    seen = pixels(*images, first=10)
    assert seen.labels("train").tolist() == [10, 11, 10, 11, 10, 12, 13, 14, 12, 15, 16, 15, 16, 15, 16]
    assert seen.labels("test").tolist() == [10, 11, 12, 13, 14, 12, 13, 14, 12, 15, 16, 15, 16]
    assert seen.labels("test").dtype == torch.int64
    places = [(task, k) for task in range(3) for k in range(images[task].test)]
    found = seen.testing(range(13))
    for row, (task, k) in enumerate(places):
        whole = torch.from_numpy(images[task].image("test", k)).permute(2, 0, 1).float() / 255
        assert torch.equal(found[row], whole)
