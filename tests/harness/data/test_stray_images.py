"""Icons, thumbnails and sheets of several pictures among photographs are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines, noise, picture
from PIL import ExifTags, Image

from harness.data.class_folder import read_classes


def with_photos(folder: Path, *sizes: tuple[int, int]) -> Path:
    """A concept of four photographs and images of those sizes."""
    home = concept(folder, "mug", ())
    for number in range(4):
        noise(f"photo {number}", 400, 300).save(home / f"{number}.png")
    for number, size in enumerate(sizes):
        noise(f"small {number}", *size).save(home / f"small {number}.png")
    return home


def test_an_icon_is_named(tmp_path: Path) -> None:
    with_photos(tmp_path, (60, 90))
    assert lines(tmp_path) == [
        "HERE/mug/small 0.png has 60 x 90 pixels, far fewer than others there; if it is an icon or a thumbnail, remove "
        "it."
    ]


def test_thumbnails_are_named_in_one_line(tmp_path: Path) -> None:
    with_photos(tmp_path, (99, 74), (74, 99), (101, 76))
    assert lines(tmp_path) == [
        "HERE/mug: 2 images have far fewer pixels than others there: small 0.png (99 x 74) and small 1.png (74 x 99); "
        "if they are icons or thumbnails, remove them."
    ]


def test_icons_are_named_though_they_are_most(tmp_path: Path) -> None:
    with_photos(tmp_path, *[(24, 24)] * 9)
    (line,) = lines(tmp_path)
    assert line.startswith("HERE/mug: 9 images have far fewer pixels than others there: small 0.png (24 x 24)")


def test_a_data_set_of_small_images_has_no_icons(tmp_path: Path) -> None:
    concept(tmp_path, "mug", tuple(f"{number}.png" for number in range(4)))
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "ContactSheet-001",
        "contact sheet",
        "mug_collage",
        "montage (2)",
        "preview",
        "all-previews",
        "sprites",
        "InCollage_20230510_101010",
        "PicCollage 3",
        "Layout (1)",
        "collage maker 12",
    ],
)
def test_a_sheet_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    picture(concept(tmp_path, "mug") / f"{name}.png")
    assert lines(tmp_path) == [
        f"HERE/mug: 1 image is a preview or a sheet of several pictures by the name: {name}.png; if so, remove it."
    ]


@pytest.mark.parametrize("name", ["2024-05-01_10-00-00_UTC_profile_pic", "avatar", "Profile Picture (2)", "favicon"])
def test_a_picture_of_an_account_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    picture(concept(tmp_path, "mug") / f"{name}.png")
    assert lines(tmp_path) == [
        f"HERE/mug: 1 image is of an account, not of its posts, by the name: {name}.png; if so, remove it."
    ]


def test_the_back_of_a_print_is_told_by_its_name_beside_the_front(tmp_path: Path) -> None:
    concept(tmp_path, "mug", ("Mug_0001.png", "Mug_0001_b.png", "Mug_0002.png", "mug_0002_B.png", "Mug_0003_b.png"))
    assert lines(tmp_path) == [
        "HERE/mug: 2 images are the back of a print by the name: Mug_0001_b.png and mug_0002_B.png; if so, remove them."
    ]


@pytest.mark.parametrize(
    "name",
    ["Screenshot_20230504-101010_Chrome", "Screen Shot 2023-05-04 at 10.10.10", "screenshot", "Bildschirmfoto 2023",
     "Capture d'écran 2023-05-04", "スクリーンショット 2023"],
)  # fmt: skip
def test_a_picture_of_a_screen_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    picture(concept(tmp_path, "mug") / f"{name}.png")
    assert lines(tmp_path) == [f"HERE/mug: 1 image is what a screen showed, by the name: {name}.png; if so, remove it."]


def test_a_screenshot_that_says_so_itself_is_named_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0Screenshot"
    for name in ("mug", "vase"):
        noise(name).save(concept(tmp_path, name) / "Screenshot 1.png", exif=exif.tobytes())
    for said in (lines(tmp_path), read_classes(tmp_path).remarks):
        assert len(said) == 2
        assert len(said) == 2
        assert all("is a screenshot, as it says itself" in line for line in said)


@pytest.mark.parametrize(
    "name",
    ["ComfyUI_00001_", "DALL·E 2024-03-01 10.22.33 - A mug", "Gemini_Generated_Image_x8d9f2", "00012-3456789012",
     "ChatGPT Image Mar 3, 2025, 10_22_33 AM", "Firefly a mug on a table 51234", "mug_txt2img_3",
     "maya_a_mug_5f1c2b3a-1d2e-4f5a-8b9c-0d1e2f3a4b5c", "Firefly 20240102113012", "OIG1.x8Yab_cQ"],
)  # fmt: skip
def test_what_a_model_drew_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    picture(concept(tmp_path, "mug") / f"{name}.png")
    assert lines(tmp_path) == [f"HERE/mug: 1 image was drawn by a model, by the name: {name}.png; if so, remove it."]


def test_other_names_with_numbers_are_no_models(tmp_path: Path) -> None:
    concept(tmp_path, "mug", ("00012-20230501.png", "firefly_2.png", "leonardo_on_sofa_1.png", "12345-123.png"))
    uuid = "5f1c2b3a-1d2e-4f5a-8b9c-0d1e2f3a4b5c"
    concept(
        tmp_path,
        "jug",
        (f"{uuid}.png", f"IMG_{uuid}.png", f"IMG_2023_05_{uuid}.png", f"2023-05-01_{uuid}-main.png", "oigarden.png"),
    )
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["istockphoto-178149253-612x612", "gettyimages-1144586023-612x612", "360_F_301246013_inBdYvF",
     "depositphotos_1234567-stock-photo-mug", "stock-photo-red-mug-on-table-600w-1723456789", "mug-260nw-172345678"],
)  # fmt: skip
def test_what_an_agency_shows_with_its_mark_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    picture(concept(tmp_path, "mug") / f"{name}.png")
    assert lines(tmp_path) == [
        f"HERE/mug: 1 image is what an agency shows with its mark across, by the name: {name}.png; if so, remove it."
    ]


def test_what_an_agency_sold_is_not(tmp_path: Path) -> None:
    bought = ("shutterstock_1723456789.png", "GettyImages-1144586023.png", "AdobeStock_301246013.png")
    concept(tmp_path, "mug", (*bought, "Depositphotos_1234567_L.png", "iStock-178149253.png"))
    assert lines(tmp_path) == []


def test_pictures_made_by_keras_are_told_by_their_names(tmp_path: Path) -> None:
    concept(tmp_path, "mug", ("a.png", "b.png", "aug_0_4213.png", "aug_1_77.png"))
    assert lines(tmp_path) == [
        "HERE/mug: 2 images are made of other pictures, by the name: aug_0_4213.png and aug_1_77.png; if so, remove "
        "them."
    ]


def test_what_is_no_sheet(tmp_path: Path) -> None:
    concept(tmp_path, "collage", ("collage 1.png", "collage 2.png"))
    concept(tmp_path, "mug", ("previewed.png", "spritely.png", "a-removebg-preview.png", "contact.png"))
    concept(tmp_path, "jug", ("screenshotted.png", "Aug_2023.png", "august_1_2.png"))
    assert lines(tmp_path) == []


def test_classes_have_them_named_as_well(tmp_path: Path) -> None:
    with_photos(tmp_path, (60, 90))
    picture(concept(tmp_path, "vase", ("a.png",)) / "montage.png")
    said = "\n".join(read_classes(tmp_path).remarks)
    assert "small 0.png has 60 x 90 pixels" in said
    assert "by the name: montage.png" in said
