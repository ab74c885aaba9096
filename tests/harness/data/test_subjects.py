"""Images to test of a subject that images to train show, by the files' names, are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept

from harness.data.class_folder import read_classes


def said(folder: Path, train: tuple[str, ...], test: tuple[str, ...]) -> list[str]:
    for split, names in (("train", train), ("test", test)):
        for name in ("cat", "dog"):
            concept(folder / split, name, names)
    reading = read_classes(folder)
    reading.require_whole()
    return list(reading.told)


def test_a_subject_in_both_sets_is_named(tmp_path: Path) -> None:
    assert said(tmp_path, ("subj01_a.png", "subj02_a.png"), ("Subj01_b.png", "subj03_a.png")) == [
        "2 images to test are of a subject, a clip or a scene that images to train are of, by the names, so that "
        "accuracy shows what was kept by heart; keep each in one of the sets: test/cat/Subj01_b.png and "
        "train/cat/subj01_a.png; test/dog/Subj01_b.png and train/dog/subj01_a.png."
    ]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (("subj01_a.png", "subj02_a.png"), ("subj03_a.png",)),
        (("subj01_a.png",), ("subj01_b.png",)),  # a class of one subject
        (("person_1.png", "person_2.png"), ("person_3.png",)),
        (("VID_20230501_1.png", "VID_20230502_1.png"), ("VID_20230501_2.png",)),
        (("cat1_a.png", "cat2_a.png"), ("cat1_b.png",)),
    ],
)
def test_other_names_are_left_alone(tmp_path: Path, train: tuple[str, ...], test: tuple[str, ...]) -> None:
    assert said(tmp_path, train, test) == []
