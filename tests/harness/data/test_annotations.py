"""Files of annotations beside images: not read for training, but they tell that a folder holds several things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_photos import concept, lines

IMAGES = tuple(f"{number:04}.jpg" for number in range(6))


def voc(*names: str) -> str:
    return f"<annotation>{''.join(f'<object><name>{name}</name><pose/></object>' for name in names)}</annotation>"


def labelme(*names: str) -> str:
    return json.dumps({"shapes": [{"label": name, "points": []} for name in names]})


def annotated(folder: Path, ending: str, texts: list[str]) -> list[str]:
    home = concept(folder, "pets", IMAGES)
    for image, text in zip(IMAGES, texts, strict=False):
        (home / image).with_suffix(ending).write_text(text)
    return [line for line in lines(folder) if "annotations" in line]


@pytest.mark.parametrize(
    ("ending", "texts", "named"),
    [
        (".xml", [voc("cat")] * 3 + [voc("dog"), voc("dog", "dog"), voc("dog", "ball")], "cat (3) and dog (3)"),
        (".json", [labelme("cat")] * 4 + [labelme("dog")] * 2, "cat (4) and dog (2)"),
        (".json", [labelme("cat")] * 3 + [labelme()] * 2, "cat (3) and nothing (2)"),
        (".txt", ["0 0.5 0.5 0.2 0.2\n"] * 3 + ["16 .5 .5 .2 .2\n"] * 3, "class 0 (3) and class 16 (3)"),
        (".cls", ["3"] * 3 + ["7"] * 3, "class 3 (3) and class 7 (3)"),
    ],
)  # fmt: skip
def test_labels_of_several_things_are_named(tmp_path: Path, ending: str, texts: list[str], named: str) -> None:
    (line,) = annotated(tmp_path, ending, texts)
    assert line == (
        "HERE/pets: the files of annotations beside its images name 2 things, and none on most: "
        f"{named}; if the images show these, give each a folder of its own."
    )


@pytest.mark.parametrize(
    ("ending", "texts"),
    [
        (".xml", [voc("cat")] * 6),  # one thing
        (".xml", [voc("cat", "ball"), voc("cat", "ball"), voc("cat", "bed"), voc("cat", "bed"), voc("cat")]),  # on all
        (".xml", [voc("cat")] * 5 + [voc("dog")]),  # a single one
        (".json", [labelme("cat")] * 2 + [labelme("dog")]),  # too few
        (".txt", ["a photo of a cat"] * 3 + ["a photo of a dog"] * 3),  # captions
        (".json", ['{"title": "x"}'] * 3 + ["[1]"] * 3),  # of an album
        (".xml", ["<x><object><name>cat</name></object></x>"] * 3 + ["<y/>"] * 3),
        (".cls", ["cat"] * 3 + ["dog"] * 3),
    ],
)  # fmt: skip
def test_other_files_and_labels_of_one_thing_are_not(tmp_path: Path, ending: str, texts: list[str]) -> None:
    assert annotated(tmp_path, ending, texts) == []
