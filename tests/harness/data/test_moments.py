"""Photographs of one moment, of which some are held out or to test, are named; the choice stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import bench
from own_photos import noise
from PIL import ExifTags, Image

from harness.data.images.decoding import examine_photo
from harness.data.moments import moments


def photograph(path: Path, time: str | None = None, part: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    block = exif.get_ifd(ExifTags.IFD.Exif)
    if time is not None:
        block[ExifTags.Base.DateTimeOriginal] = time
    if part is not None:
        block[ExifTags.Base.SubsecTimeOriginal] = part
    noise(f"{path.parent.parent.name}/{path.parent.name}/{path.name}").save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("time", "part", "said"),
    [
        ("2023:05:01 10:00:03", None, 3.0), ("2023:05:01 10:00:03", "25", 3.25), ("2023:05:01 10:00:03", "x", 3.0),
        ("2023:05:01 10:00:03\0", "500\0", 3.5),
        ("2023:05:01 12:00:00", None, None), ("2023:05:01 00:00:00", None, None), ("0000:00:00 00:00:00", None, None),
        ("yesterday", None, None), (None, None, None),
    ],
)  # fmt: skip
def test_when_a_photograph_was_taken(tmp_path: Path, time: str | None, part: str | None, said: float | None) -> None:
    first = examine_photo(photograph(tmp_path / "0.jpg", "2023:05:01 10:00:00")).taken
    found = examine_photo(photograph(tmp_path / "a.jpg", time, part)).taken
    assert first is not None
    assert (None if found is None else found - first) == said


def groups(**taken: float | None) -> list[str]:
    found = moments({Path(f"{name.replace('__', '-')}.jpg"): time for name, time in taken.items()})
    return [path.stem for path in found.values()]


def test_what_is_of_one_moment() -> None:
    assert groups(a=0.0, b=0.9, c=1.8, d=3.0, e=None) == ["a", "a", "a", "d", "e"]
    assert groups(b=5.0, a=4.0) == ["a", "a"]
    assert groups(a=4.0, b=4.0, c=4.0) == ["a", "b", "c"]  # as programs write one time into all
    assert groups(a=4.0, b=4.0, c=9.0) == ["a", "a", "c"]


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_20230501_100000_BURST001", "IMG_20230501_100000_BURST002"), ("frame_0001", "frame_0900"),
        ("00000IMG_00000_BURST20190101123456789_COVER", "00001IMG_00001_BURST20190101123456789"),
        ("20230501_100000_001", "20230501_100000_002"), ("dog frame 1", "dog frame 2"),
        ("vlcsnap__00001", "vlcsnap__00002"),
    ],
)  # fmt: skip
def test_names_of_bursts_and_of_frames_of_a_video(names: tuple[str, str]) -> None:
    one, other = groups(**dict.fromkeys(names))
    assert one == other


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_0001", "IMG_0002"), ("IMG_20230501_100000", "IMG_20230501_100001"), ("a_frame_1", "b_frame_1"),
        ("20230501_100000_001", "20230501_100001_001"), ("starburst1", "starburst2"), ("picture_frame", "photo_frame"),
        ("BURST20190101123456789", "BURST20190101123456799"),
    ],
)  # fmt: skip
def test_other_names_say_nothing(names: tuple[str, str]) -> None:
    assert groups(**dict.fromkeys(names)) == [name.replace("__", "-") for name in names]


def test_a_held_out_image_of_the_moment_of_one_that_is_trained_on_is_named(tmp_path: Path) -> None:
    for number in range(6):
        photograph(tmp_path / "photos" / "mug" / f"{number}.jpg", f"2023:05:01 10:00:0{number}")
        photograph(tmp_path / "photos" / "vase" / f"{number}.jpg", f"2023:05:01 10:0{number}:00")
    code, said = bench("data", "check", tmp_path / "photos", "--holdout", 2)
    assert code == 0
    (line,) = [line for line in said.splitlines() if "within a second" in line]
    assert line.startswith(
        "2 held-out images were taken within a second of images that are trained on, or in one burst"
    )
    assert line.endswith("; add photographs of other moments, as these are known by heart.")
    assert "mug/" in line
    assert "vase/" not in line
    assert "within a second" not in bench("data", "check", tmp_path / "photos")[1]
    code, said = bench("run", tmp_path / "photos", "--holdout", 2, "--dry-run", "-o", tmp_path / "runs")
    assert line in said
    assert bench("data", "check", tmp_path / "photos", "--holdout", 2, "--strict")[0] == 0


def test_an_image_to_test_of_such_a_moment_is_named(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("mug", "vase"):
            for number in range(2):
                time = f"2023:05:0{number + 1} 10:00:0{int(split == 'test')}" if name == "mug" else None
                photograph(tmp_path / "all" / split / name / f"{split}{number}.jpg", time)
    code, said = bench("data", "check", tmp_path / "all", "--setting", "classification", "--strict")
    assert code == 0
    (line,) = [line for line in said.splitlines() if "within a second" in line]
    assert line == (
        "2 images to test were taken within a second of images that are trained on, or in one burst or video with them "
        "by the names, so that accuracy shows what was kept by heart; keep each moment in one of the sets: "
        "test/mug/test0.jpg and train/mug/train0.jpg; test/mug/test1.jpg and train/mug/train1.jpg."
    )
