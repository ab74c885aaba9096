"""A picture that is there once more cropped, shifted, in a frame or drawn over, and other pictures of one thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_photos import lines
from PIL import Image, ImageDraw

from harness.data import class_copies
from harness.data.class_folder import read_classes
from harness.data.concept_folder import checked, read_photos
from harness.data.folder_benchmark import PhotoTasks
from harness.data.holdout import divided, names_held_out
from harness.data.images.decoding import examine_photo, load_greys
from harness.errors import shortened

Change = Callable[[Image.Image], Image.Image]


def scene(seed: int) -> Image.Image:
    """Shades with details of many sizes, as a photograph has them."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((240, 320, 3))
    for size, spread in ((4, 40), (8, 30), (16, 25), (40, 20), (80, 12)):
        coarse = Image.fromarray(rng.integers(0, 256, (size * 3 // 4, size, 3), np.uint8))
        whole += (np.asarray(coarse.resize((320, 240), Image.Resampling.BICUBIC)) / 127.5 - 1) * spread
    return Image.fromarray(np.clip(128 + whole, 0, 255).astype(np.uint8))


def fill(folder: Path, seeds: range) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        scene(seed).save(folder / f"{seed}.png")
    return folder


def cropped(image: Image.Image) -> Image.Image:
    """An iPhone's edit: 80 % of it, warmer."""
    warmer = np.clip(np.asarray(image) * [1.08, 1.0, 0.9], 0, 255).astype(np.uint8)
    return Image.fromarray(warmer).crop((40, 20, 296, 212))


def straightened(image: Image.Image) -> Image.Image:
    return image.rotate(3, Image.Resampling.BICUBIC).crop((20, 15, 300, 225))


def thumbnail(image: Image.Image) -> Image.Image:
    return image.crop((40, 0, 280, 240)).resize((150, 150), Image.Resampling.LANCZOS)


def screenshot(image: Image.Image) -> Image.Image:
    screen = Image.new("RGB", (270, 480))
    screen.paste(image.resize((270, 202), Image.Resampling.LANCZOS), (0, 139))
    return screen


def captioned(image: Image.Image) -> Image.Image:
    changed = image.copy()
    draw = ImageDraw.Draw(changed, "RGBA")
    draw.rectangle((0, 170, 320, 200), fill=(0, 0, 0, 150))
    draw.text((100, 180), "best lunch ever", fill="white")
    return changed


def tinted(image: Image.Image) -> Image.Image:
    over = Image.new("L", image.size, 0)
    ImageDraw.Draw(over).polygon([(60, 40), (240, 60), (260, 210), (80, 200)], fill=255)
    return Image.composite(Image.blend(image, Image.new("RGB", image.size, (128, 0, 0)), 0.5), image, over)


def next_frame(image: Image.Image) -> Image.Image:
    moved = np.asarray(image.rotate(0.5, Image.Resampling.BICUBIC, translate=(6, -4))).astype(int)
    grain = np.random.default_rng(0).normal(0, 3, (240, 320, 1))
    return Image.fromarray(np.clip(moved + grain, 0, 255).astype(np.uint8)).crop((12, 12, 308, 228))


CHANGES: list[Change] = [cropped, straightened, thumbnail, screenshot, captioned, tinted, next_frame]
HOW = "cropped, shifted, in a frame or drawn over"


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_in_another_cut_is_said(tmp_path: Path, change: Change) -> None:
    dog = fill(tmp_path / "dog", range(4))
    assert lines(tmp_path) == []
    change(scene(1)).save(dog / "new one.jpg", quality=90)
    assert lines(tmp_path) == [f"HERE/dog/new one.jpg looks like 1.png {HOW}; if it is that picture, remove it."]


def test_the_larger_picture_may_be_the_later_one(tmp_path: Path) -> None:
    dog = fill(tmp_path / "dog", range(2))
    (dog / "1.png").rename(dog / "the whole.png")
    cropped(scene(1)).save(dog / "a.jpg", quality=90)
    assert lines(tmp_path) == [f"HERE/dog/the whole.png looks like a.jpg {HOW}; if it is that picture, remove it."]


def test_copies_of_several_kinds_share_a_line(tmp_path: Path) -> None:
    dog = fill(tmp_path / "dog", range(3))
    cropped(scene(1)).save(dog / "new 1.jpg", quality=90)
    scene(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(dog / "new 2.jpg", quality=90)
    assert lines(tmp_path) == [
        f"HERE/dog: 2 images look like others there mirrored, turned or with other tones, or {HOW}: "
        "new 2.jpg like 2.png and new 1.jpg like 1.png; if they are those pictures, remove them."
    ]


def test_a_picture_drawn_over_in_another_concept_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "dog", range(3))
    overlays = fill(tmp_path / "mug", range(8, 10))
    tinted(scene(1)).save(overlays / "1.jpg", quality=90)
    assert lines(tmp_path) == [
        f"1 image looks like images of other concepts {HOW}: mug/1.jpg like dog/1.png; keep each picture in one "
        "concept."
    ]


def test_other_pictures_of_one_thing_are_not_alike(tmp_path: Path) -> None:
    """Before one smooth ground, from other sides: it is bent, and lit from elsewhere."""
    thing = np.asarray(scene(1).resize((160, 120)))
    (tmp_path / "mug").mkdir()
    for number in range(4):
        rows, columns = np.mgrid[0:120, 0:160]
        bent = np.clip(columns + 12 * number * np.sin(rows / 15 + number), 0, 159).astype(int)
        sheet = np.full((240, 320, 3), 245, np.uint8)
        sheet[60:180, 80:240] = thing[rows, bent]
        Image.fromarray(sheet).save(tmp_path / "mug" / f"{number}.png")
    assert lines(tmp_path) == []


def test_pictures_of_a_screen_are_not_alike_by_their_frame(tmp_path: Path) -> None:
    (tmp_path / "mug").mkdir()
    for seed in range(4):
        screenshot(scene(seed)).save(tmp_path / "mug" / f"{seed}.png")
    (line,) = lines(tmp_path)  # nothing of copies
    assert line.startswith("Most images of mug have bars of one colour, or blurs, at two opposite edges")


def test_the_copies_of_a_picture_are_held_out_together(tmp_path: Path) -> None:
    dog = fill(tmp_path / "dog", range(2))
    for seed in range(2):
        cropped(scene(seed)).save(dog / f"{seed} cropped by hand.jpg", quality=90)
    reading = checked(read_photos(tmp_path))
    assert set(map(frozenset, reading.looks_like)) == {
        frozenset({f"dog/{seed}.png", f"dog/{seed} cropped by hand.jpg"}) for seed in range(2)
    }
    (task,) = divided(PhotoTasks(reading).tasks(), 2)
    (held,) = names_held_out(PhotoTasks(reading).tasks(), 2).values()
    assert held in (["0 cropped by hand.jpg", "0.png"], ["0.png", "0 cropped by hand.jpg"],
                    ["1 cropped by hand.jpg", "1.png"], ["1.png", "1 cropped by hand.jpg"])  # fmt: skip
    assert len(task.images) == 2


def test_a_part_of_an_image_to_train_is_no_image_to_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first, name in ((0, "cat"), (10, "dog")):
        fill(tmp_path / "train" / name, range(first, first + 3))
        fill(tmp_path / "test" / name, range(first + 5, first + 7))
    assert read_classes(tmp_path).told == []
    cropped(scene(1)).save(tmp_path / "test/cat/new.jpg", quality=90)
    scene(16).crop((60, 30, 280, 200)).save(tmp_path / "train/dog/new.jpg", quality=90)
    (line,) = read_classes(tmp_path).told
    assert line.startswith(
        "2 images to test look like images to train cropped, shifted, in a frame or drawn over, so that accuracy shows "
        "what was kept by heart; keep each picture in one of the sets: "
    )
    assert "test/cat/new.jpg and train/cat/1.png" in line
    assert "test/dog/16.png and train/dog/new.jpg" in line
    monkeypatch.setattr(class_copies, "COMPARED", 0)
    assert read_classes(tmp_path).told == []


def test_an_overview_has_the_pictures_shape_and_is_never_enlarged(tmp_path: Path) -> None:
    scene(0).save(tmp_path / "a.png")
    scene(0).resize((24, 40)).save(tmp_path / "b.png")
    assert examine_photo(tmp_path / "a.png").overview.shape == (48, 64)
    assert examine_photo(tmp_path / "b.png").overview.shape == (40, 24)
    assert load_greys(tmp_path / "a.png", 160).shape == (120, 160)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("IMG_E0001.jpg", "IMG_0001.jpg"),
        ("a-removebg-preview.png", "a.png"),
        ("a_nobg.png", "a.png"),
        ("a_no_bg.png", "a.png"),
        ("a-1024x683.jpg", "a.png"),
        ("a-edited.jpg", "a.png"),
        ("a_jpg.rf.0123456789abcdef.jpg", "a.png"),
        ("a.PORTRAIT-01.COVER.jpg", "a.png"),
        ("a~2.jpg", "a.png"),
        ("a-edite.jpg", "a.png"),
        ("a_edit.jpg", "a.png"),
        ("a-bearbeitet.jpg", "a.png"),
        ("a-modifie\u0301.jpg", "a.png"),
        ("a-\u7de8\u96c6\u6e08\u307f.jpg", "a.png"),
        ("a-\u043e\u0442\u0440\u0435\u0434\u0430\u043a\u0442\u0438.jpg", "a.png"),
        ("a-EFFECTS.jpg", "a.png"),
        ("a-POP_OUT.jpg", "a.png"),
        ("a-Enhanced-NR.jpg", "a.png"),
        ("a-HDR.jpg", "a.png"),
        ("a_zugeschnitten.jpg", "a.png"),
        ("a_filtered.jpg", "a.png"),
    ],
)
def test_a_copy_by_its_name_is_said(tmp_path: Path, name: str, of: str) -> None:
    dog = fill(tmp_path / "dog", range(2))
    scene(2).save(dog / of)
    scene(3).save(dog / name)  # cut out, or turned too far, to look like it
    said = f"HERE/dog: 1 image is a copy by the names: {name} of {of}; if so, keep one of each picture."
    assert lines(tmp_path) == [said]


def test_what_is_no_copy_by_its_name(tmp_path: Path) -> None:
    dog = tmp_path / "dog"
    dog.mkdir()
    names = ["IMG_E0001", "IMG_0002", "a-150x150", "b-150x150", "dog (1)", "dog (2)", "cropped", "preview", "edited"]
    names += ["b~2", "b~3", "b-bearbeitet", "b_edit", "b-HDR", "b-EFFECTS", "cropped-edi", "cropped-red"]
    for seed, name in enumerate(names):
        scene(seed).save(dog / f"{name}.png")
    assert not any("by the names" in line for line in lines(tmp_path))


@pytest.mark.parametrize("mark", [" (1)", " copy", " - Kopie", "_copy2"])
def test_the_content_decides_on_marks_that_different_pictures_have_too(tmp_path: Path, mark: str) -> None:
    name = "WhatsApp Image 2023-05-14 at 10.10.12"
    dog = fill(tmp_path / "dog", range(2))
    scene(2).save(dog / f"{name}.png")
    scene(3).save(dog / f"{name}{mark}.png")
    reading = checked(read_photos(tmp_path))
    assert reading.looks_like == ()
    assert not reading.remarks
    assert len(divided(PhotoTasks(reading).tasks(), 3)) == 1
    cropped(scene(2)).save(dog / f"{name}{mark}.png")
    assert len(checked(read_photos(tmp_path)).looks_like) == 1


def test_of_two_long_names_each_is_shortened(tmp_path: Path) -> None:
    dog = fill(tmp_path / "dog", range(0))
    said = []
    for seed, begin in enumerate(("first", "second")):
        name, copy = f"{begin} {'of many words ' * 6}1.png", f"{begin} {'and other words ' * 6}2.png"
        scene(2 * seed).save(dog / name)
        cropped(scene(2 * seed)).save(dog / copy)
        said.append(f"{shortened(copy)} like {shortened(name)}")
    (line,) = lines(tmp_path)
    assert f": {said[0]} and {said[1]}; " in line
