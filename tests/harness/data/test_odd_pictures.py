"""What is odd of most pictures of a concept: enlarged, collages, stamped, bytes that went round or were clipped."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from own_photos import concept, lines, noise
from PIL import Image, ImageDraw, ImageFilter

from harness.data.class_folder import read_classes
from harness.data.odd_pictures import pictures_said, stamped_classes

BLOCKS = "are made of blocks, as enlarged thumbnails and JPEGs of lowest quality are; use better ones if any."
FILLED = "have edges that are repeated or mirrored, as programs fill a picture up to a square; crop them."


def photo(seed: str, width: int = 560, height: int = 520) -> Image.Image:
    """Like a photograph: large soft shapes, smaller ones on them, and a sensor's noise."""
    values = np.zeros((height, width, 3))
    for detail, weight in ((4, 0.5), (16, 0.25), (64, 0.15), (256, 0.07)):
        size = (width, height)
        soft = noise(f"{seed} {detail}", detail, detail).resize(size, Image.Resampling.BICUBIC)
        values += weight * np.asarray(soft)
    values += 0.03 * np.asarray(noise(f"{seed} sensor", width, height))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def enlarged(seed: str) -> Image.Image:
    return photo(seed).resize((48, 48)).resize((600, 600), Image.Resampling.BICUBIC)


def collage(seed: str) -> Image.Image:
    sheet = Image.new("RGB", (600, 600), "white")
    for place in range(4):
        sheet.paste(photo(f"{seed} {place}", 290, 290), (310 * (place % 2), 310 * (place // 2)))
    return sheet


def goes_round(seed: str) -> Image.Image:
    wide = np.asarray(photo(seed).filter(ImageFilter.GaussianBlur(2))).astype(np.int64)
    return Image.fromarray(((wide - 128) * 4 + 128).astype(np.uint8))  # never clipped


def clipped(seed: str) -> Image.Image:
    return Image.fromarray(
        np.clip(2.0 * np.asarray(photo(seed).convert("L").convert("RGB")) - 255, 0, 255).astype(np.uint8)
    )


def combed(seed: str) -> Image.Image:
    """Two fields of a video, between which it moved."""
    values = np.asarray(photo(seed).filter(ImageFilter.GaussianBlur(1))).copy()
    values[1::2] = np.roll(values, 24, axis=1)[1::2]
    return Image.fromarray(values)


def blocks(seed: str) -> Image.Image:
    return photo(seed).resize((64, 64)).resize((640, 640), Image.Resampling.NEAREST)


def lowest_quality(seed: str) -> Image.Image:
    data = io.BytesIO()
    photo(seed).resize((600, 600)).save(data, "JPEG", quality=3)
    return Image.open(data)


def filled(seed: str, mode: Literal["edge", "reflect", "symmetric"]) -> Image.Image:
    """A wide picture that was filled up to a square, and saved as a JPEG."""
    data = io.BytesIO()
    wide = np.asarray(photo(seed, 560, 360))
    Image.fromarray(np.pad(wide, ((100, 100), (0, 0), (0, 0)), mode)).save(data, "JPEG", quality=90)
    return Image.open(data)


def checkered(seed: str, greys: tuple[int, int] = (255, 204), square: int = 16) -> Image.Image:
    """A thing on the ground that stands for none, saved as a JPEG."""
    rows, columns = np.mgrid[:560, :560]
    ground = np.where((rows // square + columns // square) % 2, *greys)[..., None].repeat(3, 2).astype(np.uint8)
    image, data = Image.fromarray(ground), io.BytesIO()
    image.paste(photo(seed, 400, 400), (80, 80))
    image.save(data, "JPEG", quality=90)
    return Image.open(data)


ODD: dict[str, tuple[Callable[[str], Image.Image], str]] = {
    "enlarged": (enlarged, "look enlarged from thumbnails, or are out of focus; use larger ones if you have them."),
    "collages": (collage, "look like several pictures with a seam between them, which is learned, too; cut them apart"),
    "round": (goes_round, "have bytes that go round from white to black; clip values to 0 to 255 when they are saved."),
    "clipped": (clipped, "are 0 (black) in a third of all values; if they were in [-1, 1], scale them before"),
    "combed": (combed, "have every other row out of place, as frames of an interlaced video; deinterlace them."),
    "blocks": (blocks, BLOCKS),
    "lowest quality": (lowest_quality, BLOCKS),
    "mirrored": (lambda seed: filled(seed, "reflect"), FILLED),
    "mirrored, with the edge": (lambda seed: filled(seed, "symmetric").transpose(Image.Transpose.ROTATE_90), FILLED),
    "repeated": (lambda seed: filled(seed, "edge"), FILLED),
}


def series(folder: Path, make: Callable[[str], Image.Image], number: int = 4, odd: int = 4) -> list[Path]:
    """Pictures, so many of them made that way and the others as photographs."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{place}.png" for place in range(number)]
    for place, path in enumerate(paths):
        (make if place < odd else photo)(f"{folder.name} {place}").save(path)
    return paths


@pytest.mark.parametrize(("make", "told"), ODD.values(), ids=ODD)
def test_what_most_pictures_of_a_concept_have_is_said(
    tmp_path: Path, make: Callable[[str], Image.Image], told: str
) -> None:
    most = series(tmp_path / "mug", make, odd=3)
    few = series(tmp_path / "cup", make, odd=2)
    (line,) = pictures_said({"mug": most, "cup": few})
    assert line.startswith(f"Most images of mug {told}")


def framed(seed: str) -> Image.Image:
    """A thing on a plain ground."""
    image = Image.new("RGB", (560, 560), "white")
    image.paste(photo(seed, 300, 300), (130, 150))
    return image


def bordered(seed: str) -> Image.Image:
    """Something dark in a white frame: all that goes round is the frame's edge."""
    image = Image.new("RGB", (560, 560), "white")
    image.paste(Image.eval(photo(seed, 540, 540), lambda value: value // 12), (10, 10))
    return image


def blinds(seed: str) -> Image.Image:
    values = np.asarray(photo(seed)).copy()
    values[::8] //= 3
    values[1::8] //= 2
    return Image.fromarray(values)


def night(seed: str) -> Image.Image:
    return Image.fromarray((np.asarray(photo(seed)) // 6 + 1).astype(np.uint8))


def drawing(seed: str) -> Image.Image:
    image = Image.new("RGB", (560, 560), "red")
    shapes = np.random.default_rng(len(seed) + ord(seed[-1])).integers(0, 400, (30, 2))
    for left, top in shapes.tolist():
        ImageDraw.Draw(image).rectangle((left, top, left + 90, top + 90), fill=("cyan", "black")[left % 2])
    return image


@pytest.mark.parametrize(
    "make", [photo, framed, bordered, blinds, night, drawing, lambda seed: noise(seed, 600, 600), noise]
)
def test_photographs_drawings_and_noise_are_not(tmp_path: Path, make: Callable[[str], Image.Image]) -> None:
    assert pictures_said({"mug": series(tmp_path / "mug", make)}) == []


@pytest.mark.parametrize(("greys", "square"), [((255, 204), 16), ((102, 153), 8), ((239, 255), 10)])
def test_the_checkerboard_of_transparency_is_said_even_of_one(
    tmp_path: Path, greys: tuple[int, int], square: int
) -> None:
    paths = series(tmp_path / "mug", lambda seed: checkered(seed, greys, square), odd=1)
    assert pictures_said({"mug": paths, "cup": series(tmp_path / "cup", photo)}) == [
        "Images of mug have the checkerboard that stands for transparency around what they show, as pixels that are "
        "learned, too; save them with real transparency, or with a ground."
    ]


def chequered_cloth(seed: str) -> Image.Image:
    """A thing on a cloth that a camera saw: its squares are no two alike, and lie askew."""
    ground = np.asarray(checkered(seed, (230, 40), 40).rotate(4, fillcolor="grey")).astype(np.int64)
    return Image.fromarray((0.8 * ground + 0.2 * np.asarray(photo(seed, 560, 560))).astype(np.uint8))


def water(seed: str) -> Image.Image:
    """A shore and its mirror image in still water."""
    image = photo(seed, 560, 560)
    image.paste(image.crop((0, 0, 560, 280)).transpose(Image.Transpose.FLIP_TOP_BOTTOM), (0, 280))
    return image


def ordinary_jpeg(seed: str) -> Image.Image:
    data = io.BytesIO()
    photo(seed).filter(ImageFilter.GaussianBlur(1)).save(data, "JPEG", quality=25)
    return Image.open(data)


@pytest.mark.parametrize("make", [chequered_cloth, water, ordinary_jpeg])
def test_what_a_camera_may_see_is_not(tmp_path: Path, make: Callable[[str], Image.Image]) -> None:
    assert pictures_said({"mug": series(tmp_path / "mug", make)}) == []


def stamped(seed: str) -> Image.Image:
    image = photo(seed)
    draw = ImageDraw.Draw(image)
    for top in range(180, 340, 40):
        draw.rectangle((140, top, 420, top + 18), fill="white", outline="black", width=4)
    return image


def test_what_is_at_one_place_in_all_pictures_is_said(tmp_path: Path) -> None:
    (line,) = pictures_said({"mug": series(tmp_path / "mug", stamped)})
    assert line.startswith("Something is at one place in all images of mug (a watermark, a date, a stand?), which")
    assert pictures_said({"mug": series(tmp_path / "mug", stamped, odd=3)}) == []
    assert pictures_said({"mug": series(tmp_path / "mug", stamped, number=3)}) == []  # too few to tell
    frames = [tmp_path / f"{place}.png" for place in range(5)]  # of one video, which are told as look-alikes
    for place, path in enumerate(frames):
        Image.eval(photo("one"), lambda value, by=place: min(255, value + by)).save(path)
    assert pictures_said({"mug": frames}) == []


def test_what_is_at_one_place_in_a_class_and_not_in_all_is_said(tmp_path: Path) -> None:
    for name, odd in (("cat", 0), ("dog", 6), ("vase", 3)):
        series(tmp_path / name, stamped, 6, odd)
    text = (
        "Something is at one place in images of dog (a watermark, a date, a stand?), and not of all classes, so that a "
        "classifier may learn this alone; crop or retouch them if it is not meant."
    )
    assert text in read_classes(tmp_path).told


def test_what_is_in_all_classes_tells_none_from_another(tmp_path: Path) -> None:
    stamps, plain = series(tmp_path / "cat", stamped), series(tmp_path / "dog", photo)
    assert len(stamped_classes({"cat": stamps, "dog": plain})) == 1
    assert stamped_classes({"cat": stamps, "dog": stamps}) == []
    assert stamped_classes({"cat": [*stamps[:3], *plain] * 3, "dog": plain}) == []  # looked at all over


def test_a_folder_that_is_read_says_so(tmp_path: Path) -> None:
    series(tmp_path / "mug", collage)
    concept(tmp_path, "cup")
    assert [line for line in lines(tmp_path) if line.startswith("Most images of mug look like several pictures")]
