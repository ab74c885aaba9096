"""Pictures that are there more than once, in a concept or in two: counted once, and said by name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import bench
from own_photos import concept, noise, picture
from own_photos import lines as all_lines
from PIL import Image
from tests_support import raises_sentence

from harness.api import prepare
from harness.data.concept_folder import checked, read_photos
from harness.data.folder_benchmark import PhotoImages
from harness.data.images.decoding import examine_photo
from harness.spec import MethodSpec, RunSpec

T = TypeVar("T")


def lines(folder: Path) -> list[str]:
    """What a run says, but of sizes: here small images are beside large ones."""
    return [line for line in all_lines(folder) if "far fewer" not in line]


def test_copies_are_counted_once_and_named(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    shutil.copy(home / "a.png", home / "c.png")
    Image.open(home / "a.png").save(home / "d.bmp")
    reading = checked(read_photos(tmp_path))
    assert [path.name for path in reading.concepts[0].images] == ["a.png", "b.png"]
    assert lines(tmp_path) == [
        "HERE/dog: not used: 2 images that there are already (c.png is the same file as a.png and d.bmp is the same "
        "picture as a.png, saved in another way)."
    ]
    raises_sentence(reading.require_whole, home / "c.png", "--strict")
    (home / "b.png").unlink()
    raises_sentence(
        lambda: checked(read_photos(tmp_path)), home, "only one image, as c.png is the same file as a.png", "at least 2"
    )


def test_a_picture_saved_once_more_as_jpeg_is_said(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    large = noise("large", 4, 3).resize((240, 180))
    picture(home / "large.png", large)
    picture(home / "large.jpg", large)
    (line,) = lines(tmp_path)
    assert line == "HERE/dog/large.png looks the same as large.jpg; if it is that picture saved once more, remove it."
    assert len(read_photos(tmp_path).concepts[0].images) == 4


def saved_from_jpeg(home: Path, copy: Path, seed: str) -> None:
    """A large JPEG, of which the thumbnail is made at an eighth of its size, and a copy of the same pixels."""
    noise(seed, 40, 30).resize((640, 477)).save(home / "e.jpg")
    Image.open(home / "e.jpg").save(copy)
    thumbnails = [examine_photo(path).thumbnail for path in (home / "e.jpg", copy)]
    assert thumbnails[0] != thumbnails[1]


def test_a_jpeg_and_a_copy_of_its_pixels_are_one_picture(tmp_path: Path) -> None:
    dog, cat = concept(tmp_path, "dog"), concept(tmp_path, "cat")
    saved_from_jpeg(dog, dog / "copy.png", "dog")
    saved_from_jpeg(cat, dog / "from-cat.bmp", "cat")
    assert lines(tmp_path) == [
        "HERE/dog: not used: 1 image that there is already (copy.png is the same picture as e.jpg, saved in another "
        "way).",
        "1 picture is in more than one concept, and right in one at most: cat/e.jpg and dog/from-cat.bmp.",
    ]


def test_pictures_that_look_the_same_in_two_concepts_are_said(tmp_path: Path) -> None:
    dog, cat = concept(tmp_path, "dog"), concept(tmp_path, "cat")
    large = noise("large", 4, 3).resize((240, 180))
    large.save(dog / "large.png")
    large.save(cat / "c.jpg")
    (line,) = lines(tmp_path)
    said = "dog/large.png looks the same as cat/c.jpg, of another concept; if it is that picture, keep it in one."
    assert line == said
    assert checked(read_photos(tmp_path)).looks_like == (("dog/large.png", "cat/c.jpg"),)
    large.save(dog / "once-more.jpg", quality=60)
    assert lines(tmp_path) == [
        "2 images look the same as images of other concepts: dog/large.png like cat/c.jpg and dog/once-more.jpg like "
        "cat/c.jpg; if they are those pictures, keep each in one.",
        "HERE/dog/once-more.jpg looks the same as large.png; if it is that picture saved once more, remove it.",
    ]


def test_a_picture_saved_twice_is_no_mark_on_all(tmp_path: Path) -> None:
    """By chance two other pictures may be alike at some of its places."""
    home = concept(tmp_path, "cat", images=())
    for name, seed in (("a.png", "204"), ("b.png", "204 again")):
        picture(home / name, noise(seed))
    other = noise("other", 4, 3).resize((240, 180))
    picture(home / "c.png", other)
    other.save(home / "c.jpg")
    assert lines(tmp_path) == [
        "HERE/cat/c.png looks the same as c.jpg; if it is that picture saved once more, remove it."
    ]


def test_many_pictures_saved_once_more_take_one_line(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    large = noise("large", 4, 3).resize((240, 180))
    for number in range(10):
        large.save(home / f"{number}.jpg", quality=50 + 4 * number)
    cat = concept(tmp_path, "cat")
    other = noise("other", 4, 3).resize((240, 180))
    picture(cat / "c.png", other)
    other.save(cat / "c.jpg")
    assert lines(tmp_path) == [
        "HERE/cat/c.png looks the same as c.jpg; if it is that picture saved once more, remove it.",
        "HERE/dog: 9 images look the same as others there: 1.jpg like 0.jpg, 2.jpg like 0.jpg, 3.jpg like 0.jpg and 6 "
        "more; if they are those pictures saved once more, remove them.",
    ]
    _, said = bench("data", "check", tmp_path)
    assert said.count("the same as") == 2
    _, said = bench("data", "check", tmp_path, "--json")
    assert json.loads(said)["look_alike"] == [
        ["cat/c.png", "cat/c.jpg"], *([f"dog/{number}.jpg", "dog/0.jpg"] for number in range(1, 10))
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(228, 171), (80, 60)])
def test_a_smaller_copy_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    home = concept(tmp_path, "dog")
    large = noise("large", 8, 6).resize((240, 180))
    large.save(home / "IMG_1.jpg", quality=92)
    large.resize(size).save(home / "IMG_1_small.jpg")
    (line,) = lines(tmp_path)
    assert line.startswith("HERE/dog/IMG_1_small.jpg looks the same as IMG_1.jpg")


@pytest.mark.parametrize(
    ("original", "copy"), [("IMG_1.png", "IMG_1 (1).png"), ("IMG_1.png", "Copy of IMG_1.png"), ("2.png", "10.png")]
)
def test_the_file_of_the_shorter_name_is_the_original(tmp_path: Path, original: str, copy: str) -> None:
    home = concept(tmp_path, "dog", (original, "z.png"))
    alone = PhotoImages(checked(read_photos(tmp_path)).concepts[0]).fingerprint()
    shutil.copy(home / original, home / copy)
    reading = checked(read_photos(tmp_path))
    assert [path.name for path in reading.concepts[0].images] == [original, "z.png"]
    assert [(one.path.name, one.reason) for one in reading.skipped] == [(copy, f"the same file as {original}")]
    assert PhotoImages(reading.concepts[0]).fingerprint() == alone


def test_a_picture_in_two_concepts_is_said(tmp_path: Path) -> None:
    dog, cat = concept(tmp_path, "dog"), concept(tmp_path, "cat")
    shutil.copy(dog / "a.png", cat / "c.png")
    Image.open(dog / "b.png").save(cat / "d.bmp")
    assert lines(tmp_path) == [
        "2 pictures are in more than one concept, and right in one at most: cat/c.png and dog/a.png; cat/d.bmp and "
        "dog/b.png."
    ]
    assert [len(one.images) for one in checked(read_photos(tmp_path)).concepts] == [4, 2]
    raises_sentence(checked(read_photos(tmp_path)).require_whole, "more than one concept", "--strict")


def test_figures_of_a_picture_in_two_concepts_say_so(tmp_path: Path, tiny_models: Path) -> None:
    own, caution = tmp_path / "own", "1 picture is in more than one concept, and right in one at most."
    shutil.copy(concept(own, "dog") / "a.png", concept(own, "cat") / "c.png")
    spec = RunSpec(
        benchmark=str(own), methods=(MethodSpec(name="ti++"),), output=tmp_path / "runs",
        backbone=str(tiny_models / "sd"), extractor=str(tiny_models / "clip"),
    )  # fmt: skip
    prepared = prepare(spec)
    assert prepared.cautions == (caution,)
    assert prepare(spec.model_copy(update={"order": 1})).cautions == (caution,)
    _, said = bench("run", own, "--methods", "ti++", "--dry-run", "-o", tmp_path / "runs")
    assert said.count("1 picture is in more than one concept") == 1  # with names, and not once more without


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=7))
def test_as_many_images_are_used_as_there_are_pictures(pictures: list[int]) -> None:
    with TemporaryDirectory() as place:
        home = Path(place) / "dog"
        home.mkdir()
        for number, seed in enumerate(pictures):
            picture(home / f"{number}.{('png', 'bmp', 'tif')[number % 3]}", noise(str(seed)))
        if len(set(pictures)) < 2:
            raises_sentence(lambda: checked(read_photos(Path(place))), "only one image")
            return
        reading = checked(read_photos(Path(place)))
        assert reading.images == len(set(pictures))
        assert sum(one.kind == "copy" for one in reading.skipped) == len(pictures) - len(set(pictures))


def test_pictures_are_decoded_once_where_none_are_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concept(tmp_path, "dog", tuple(f"{number}.png" for number in range(5)))
    monkeypatch.setattr("harness.data.duplicates.content_hash", lambda _: pytest.fail("was read again"))
    monkeypatch.setattr("harness.data.duplicates.load_image", lambda *_: pytest.fail("was decoded again"))
    seen: list[tuple[str, int | None]] = []

    def watch(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        seen.append((label, total))
        return items

    checked(read_photos(tmp_path), watch)
    assert seen == [("reading photographs", 5)]
