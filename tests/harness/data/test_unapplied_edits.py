"""Crops and turns that lie in files beside pictures, as photo programs leave them, are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines, noise, picture
from PIL import Image

XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {}/></x:xmpmeta>'
CROP = XMP.format('crs:HasCrop="True" crs:CropTop="0.2"')
TURN = XMP.format('tiff:Orientation="6"')


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.xmp", CROP), ("a.jpg.xmp", CROP), ("A.XMP", TURN), ("a.xmp", "<crs:HasCrop>True</crs:HasCrop>"),
        ("a.jpg.xmp", '<rdf:li darktable:operation="crop" darktable:enabled="1"/>'),
    ],
)  # fmt: skip
def test_a_crop_or_a_turn_is_named(tmp_path: Path, name: str, text: str) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg"))
    (mug / name).write_text(text)
    said = f"HERE/mug: 1 file holds a crop or a turn of the image beside it, not applied here: {name}; export the"
    (line,) = [line for line in lines(tmp_path) if "not applied" in line]
    assert line.startswith(said)


def test_what_apple_keeps_of_edits_may_be_some(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ("IMG_1.jpg", "IMG_2.jpg"))
    for name in ("IMG_1.AAE", "IMG_2.AAE", "IMG_3.AAE"):
        (mug / name).write_text("<plist><dict><key>adjustmentData</key></dict></plist>")
    assert lines(tmp_path)[-1] == (
        "HERE/mug: 2 files may hold edits of the images beside them, not applied here: IMG_1.AAE and IMG_2.AAE; export "
        "the edited pictures."
    )


def test_files_that_change_nothing_are_not(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg"))
    exif = Image.Exif()
    exif[0x0112] = 6
    noise("turned").save(mug / "c.jpg", exif=exif)
    picture(mug / "d.jpg")
    texts = {
        "a.xmp": XMP.format('xmp:Rating="5" crs:HasCrop="False" tiff:Orientation="1"'), "c.xmp": TURN,
        "gone.xmp": CROP, "d.aae": "<plist/>",
        "a.txt": CROP, "b.jpg.xmp": '<rdf:li darktable:operation="crop" darktable:enabled="0"/>',
    }  # fmt: skip
    for name, text in texts.items():
        (mug / name).write_text(text)
    assert not [line for line in lines(tmp_path) if "not applied" in line]


PICASA = (
    "[a.jpg]\nrotate=rotate(1)\n[b.jpg]\nbackuphash=1\nfilters=bw=1;\n[gone.jpg]\ncrop=rect64(1)\n"
    "[c.jpg]\ncrop=rect64(3f84)\n"
)


@pytest.mark.parametrize("name", [".picasa.ini", "Picasa.ini"])
def test_what_picasa_keeps_for_a_folder_is_named(tmp_path: Path, name: str) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg", "c.jpg"))
    (mug / name).write_text(PICASA)
    assert lines(tmp_path)[-1] == (
        f"HERE/mug/{name} holds a crop or a turn of 2 images, not applied here: a.jpg and c.jpg; export the edited "
        "pictures."
    )
    (mug / name).write_text("[a.jpg]\nrotate=rotate(0)\nfaces=rect64(1),x;\n")
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("[Crop]\nEnabled=true\nX=3\n", True), ("[Crop]\nEnabled=false\nX=3\n", False),
        ("[Coarse Transformation]\nRotate=90\n", True), ("[Rotation]\nDegree=-1.5\n", True),
        ("[Coarse Transformation]\nRotate=0\nHorizontalFlip=true\nVerticalFlip=false\n", True),
        ("[Coarse Transformation]\nRotate=0\nHorizontalFlip=false\nVerticalFlip=false\n[Rotation]\nDegree=0\n", False),
        ("[Sharpening]\nEnabled=true\n[Rotation]\nDegree=0.0\n[Lens]\nRotate=3\n", False),
    ],
)  # fmt: skip
def test_what_rawtherapee_keeps_of_a_crop_or_a_turn_is_named(tmp_path: Path, text: str, changes: bool) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg"))
    (mug / "a.jpg.pp3").write_text("[Version]\nAppVersion=5.8\n\n" + text)
    said = "HERE/mug: 1 file holds a crop or a turn of the image beside it, not applied here: a.jpg.pp3; export the"
    assert [line.startswith(said) for line in lines(tmp_path) if "not applied" in line] == [True] * changes


def test_files_of_other_editors_may_hold_some(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg"))
    (mug / "a.jpg.dop").write_text("Sidecar = {}")
    (line,) = [line for line in lines(tmp_path) if "not applied" in line]
    assert line.startswith("HERE/mug: 1 file may hold edits of the image beside it, not applied here: a.jpg.dop;")


def test_images_that_are_marked_as_rejected_are_named(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ("a.jpg", "b.jpg", "c.jpg"))
    texts = {"a.xmp": XMP.format('xmp:Rating="-1"'), "b.jpg.pp3": "[General]\nRank=0\nInTrash=true\n",
             "c.xmp": XMP.format('xmp:Rating="1"')}  # fmt: skip
    for name, text in texts.items():
        (mug / name).write_text(text)
    (line,) = [line for line in lines(tmp_path) if "rejected" in line]
    assert line == (
        "HERE/mug: 2 images are marked as rejected in files beside them, and used: a.jpg and b.jpg; remove them if "
        "that is meant."
    )
