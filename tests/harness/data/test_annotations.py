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


HALVES = ["cat"] * 3 + ["dog"] * 3


def coco(*labels: str) -> str:
    return json.dumps({
        "images": [{"id": number, "file_name": f"sub/{image}"} for number, image in enumerate(IMAGES)],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [{"image_id": k, "category_id": 7 if one == "cat" else 9} for k, one in enumerate(labels)],
    })  # fmt: skip


def studio(*labels: str, key: str = "choices") -> str:
    return json.dumps([
        {"data": {"image": f"/data/upload/1/0a1b2c3d-{image}"}, "annotations": [{"result": [{"value": {key: [one]}}]}]}
        for image, one in zip(IMAGES, labels, strict=True)
    ])  # fmt: skip


def rows(separator: str, *labels: str, heads: tuple[str, str] = ("Filename", "label")) -> str:
    pairs = [heads, *zip(IMAGES, labels, strict=True)]
    return "\n".join(separator.join(pair) for pair in pairs)


def jsonl(*labels: str) -> str:
    return "\n".join(json.dumps({"file_name": image, "label": one}) for image, one in zip(IMAGES, labels, strict=True))


def in_one_file(folder: Path, name: str, text: str) -> list[str]:
    (concept(folder, "pets", IMAGES) / name).write_text(text)
    return [line for line in lines(folder) if "none on most" in line]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_annotations.coco.json", coco(*HALVES)), ("project-1.json", studio(*HALVES)),
        ("project-2.json", studio(*HALVES, key="rectanglelabels")), ("labels.csv", rows(",", *HALVES)),
        ("labels.tsv", rows("\t", *HALVES)), ("pets.csv", rows(";", *HALVES, heads=("id", "Class"))),
        ("metadata.jsonl", jsonl(*HALVES)),
    ],
)  # fmt: skip
def test_labels_of_several_things_in_one_file_are_named(tmp_path: Path, name: str, text: str) -> None:
    assert in_one_file(tmp_path, name, text) == [
        f"HERE/pets: its images' annotations in {name} name 2 things, and none on most: cat (3) and dog (3); if the "
        "images show these, give each a folder of its own."
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_annotations.coco.json", coco(*["cat"] * 6)), ("labels.csv", rows(",", *["cat"] * 5, "dog")),
        ("labels.csv", rows(",", *HALVES).replace(".jpg", "-of-others.jpg")),
        ("metadata.jsonl", jsonl("a", "b", "c", "d", "e", "f")),  # captions
        ("metadata.jsonl", jsonl(*HALVES)[:-9]), ("labels.csv", rows(",", *HALVES, heads=("id", "camera"))),
        ("labels.csv", ""), ("x.json", '[{"data": {}}]'), ("x.json", '{"images": 3}'), ("x.json", "[" * 9999),
        ("x.jsonl", "3"), ("labels.csv", "id,label\n" + "0001\n" * 6),
    ],
)  # fmt: skip
def test_other_files_of_many_images_are_not(tmp_path: Path, name: str, text: str) -> None:
    assert in_one_file(tmp_path, name, text) == []


def captioned(folder: Path, **texts: list[str]) -> list[str]:
    """What is said of concepts with captions beside their images."""
    for name, some in texts.items():
        home = concept(folder, name, IMAGES)
        for image, text in zip(IMAGES, some, strict=False):
            (home / image).with_suffix(".txt").write_text(text)
    return [line for line in lines(folder) if "captions" in line]


def test_captions_of_another_concept_are_named(tmp_path: Path) -> None:
    (line,) = captioned(tmp_path, cat=["a photo of sks dog"] * 5 + ["a cat"], dog=["two sks Dogs"] * 4, red_cup=["x"])
    assert line == (
        "HERE/cat: 5 of 6 captions beside its images speak of 'dog', the word of another concept, and 1 of 'cat'; if "
        "they are right, correct its name or word."
    )


@pytest.mark.parametrize(
    "texts",
    [
        {"cat": ["a cat"] * 6, "dog": ["a dog"] * 6},
        {"cat": ["a cat on a dog"] * 6, "dog": ["a dog"] * 6},
        {"cat": ["a dog"] * 3, "dog": ["a dog"] * 6},  # too few
        {"cat": ["a dog"] * 3 + ["sks"] * 3, "dog": []},  # not most
        {"toy_dog": ["a dog"] * 6, "dog": ["a dog"] * 6},
        {"cat": ["a doggerel"] * 6, "dog": []},
    ],
)
def test_other_captions_are_not(tmp_path: Path, texts: dict[str, list[str]]) -> None:
    assert captioned(tmp_path, **texts) == []
