"""A contact sheet shows each image as a method sees it, and is written only where it was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_photos import concept
from PIL import Image
from tests_support import raises_sentence

from harness.data.contact_sheet import ACROSS, GAP, LINE, TILE, contact_sheet, sheet_file


def test_each_image_is_shown_as_its_central_square(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ())
    wide = Image.new("RGB", (60, 20), "red")
    wide.paste("blue", (20, 0, 40, 20))
    paths = [mug / f"{place}.png" for place in range(ACROSS + 1)]
    for path in paths:
        wide.save(path)
    sheet = np.asarray(contact_sheet({"mug": paths, "cup": paths[:1]}))
    assert sheet.shape[1] == GAP + ACROSS * (TILE + GAP)
    for row, column in ((0, 0), (0, ACROSS - 1), (1, 0)):
        top, left = 2 * GAP + LINE + row * (TILE + LINE + GAP), GAP + column * (TILE + GAP)
        square = sheet[top : top + TILE, left : left + TILE]
        assert (square[4:-4, 4:-4] == (0, 0, 255)).all()
        below = sheet[top + TILE : top + TILE + LINE, left : left + TILE]
        assert (below < 128).any()  # its name
    assert (sheet == (255, 0, 0)).all(axis=-1).sum() == 0


def test_a_long_or_a_foreign_name_has_room(tmp_path: Path) -> None:
    home = concept(tmp_path, "mug", (f"{'long ' * 30}.png", "犬.png"))
    sheet = contact_sheet({"犬": sorted(home.iterdir())})
    assert sheet.size[0] == GAP + ACROSS * (TILE + GAP)


def test_where_a_sheet_may_be_written(tmp_path: Path) -> None:
    assert sheet_file(tmp_path / "a.PNG") == tmp_path / "a.PNG"
    (tmp_path / "b.png").write_bytes(b"")
    raises_sentence(lambda: sheet_file(tmp_path / "b.png"), "is there already; remove it, or name another file")
    raises_sentence(lambda: sheet_file(tmp_path / "b.jpg"), "A contact sheet is a PNG; call it")
    raises_sentence(lambda: sheet_file(tmp_path / "no" / "b.png"), "is no folder; make it first")


@pytest.mark.parametrize("number", [41, 1])
def test_of_many_images_the_first_are_shown(tmp_path: Path, number: int) -> None:
    (path,) = concept(tmp_path, "mug", ("a.png",)).iterdir()
    sheet = contact_sheet({"mug": [path] * number})
    rows = 5 if number > 1 else 1
    assert sheet.height == 2 * GAP + 3 * LINE + rows * (TILE + LINE + GAP)
