"""Folders whose names say nothing of what they show: their category words are named, and ordinary words are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines

from harness.data.category_words import FROM_NAME, Category, words_of_name
from harness.data.garbled_names import repaired
from harness.data.placeholder_words import empty_words, left_over, odd_parts, says_nothing


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("concept1", "concept"), ("New Folder (2)", "New Folder"), ("untitled", "untitled"), ("photos", "photos"),
        ("images", "images"), ("dataset", "dataset"), ("DSC_0001", "DSC"), ("IMG", "IMG"), ("class_3", "class"),
        ("my_pictures", "my pictures"), ("Camera Roll", "Camera Roll"), ("training_data", "training data"),
        ("Nouveau dossier", "Nouveau dossier"), ("instance_images", "instance images"),
    ],
)  # fmt: skip
def test_a_name_that_says_nothing_is_named(tmp_path: Path, name: str, word: str) -> None:
    home = concept(tmp_path, name)
    said = (
        f"A category word says nothing of what the folder shows: {word} (of '{name}'); give one that does by "
        "category.txt in the folder."
    )
    assert said in lines(tmp_path)
    (home / "category.txt").write_text("dog\n")
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "word",
    ["person", "dog", "train", "photo frame", "picture book", "image of a saint", "test tube", "data centre", "camera",
     "folder", "model car", "class room", "temple", "glass", "my dog", "new shoes", "file",
     "sample bottle", "photo album", "old man", "best dog", "good boy", "mask", "face",
     "toy train", "session chair", "new york"],
)  # fmt: skip
def test_ordinary_words_are_left_alone(word: str) -> None:
    assert not says_nothing(word, [word, "cat"])


def test_train_is_a_vehicle_but_not_beside_test(tmp_path: Path) -> None:
    concept(tmp_path, "train")
    concept(tmp_path, "bus")
    assert lines(tmp_path) == []
    concept(tmp_path, "Test")
    (line,) = lines(tmp_path)
    assert line.startswith("2 category words say nothing of what the folder shows: Test (of 'Test') and train (of 'tr")


@pytest.mark.parametrize(
    "name",
    ["WhatsApp Images", "Screenshots", "iCloud Photos", "Favorites", "Recents", "backup", "originals", "edited",
     "cropped", "resized", "user photos", "final", "Photos from", "Camera Uploads", "Saved Pictures", "Telegram Images",
     "Screen Recordings", "Photo Library", "Shared Album", "Untitled Album", "Sent", "Private", "Snapchat", "Instagram",
     "duplicates", "best", "good", "bad", "keep", "delete", "selected", "old", "new", "positive", "negative", "thumbs",
     "thumbnails", "masks", "augmented", "Unnamed Person", "Unidentified", "Cluster", "reg", "regularization images",
     "subject", "object", "style", "batch", "session", "day", "fill in", "todo", "unbekannt"],
)  # fmt: skip
def test_what_telephones_and_editors_call_folders_says_nothing(name: str) -> None:
    assert says_nothing(name)


def test_a_camera_is_one_but_not_beside_screenshots() -> None:
    assert says_nothing("Camera", ["Camera", "Screenshots"])
    assert not says_nothing("Camera", ["Camera", "dog"])


def test_words_with_parts_of_copies_and_formats_are_named_all_of_them() -> None:
    names = ["dog copy", "dog Kopie", "Copy of cat", "dog png", "photo of dog", "sks dog", "\u0441at"]
    (line,) = empty_words([(name, Category(name, FROM_NAME)) for name in names], most=len(names))
    assert line.startswith("7 category words have a part that is not of what the folder shows, or letters of two ")
    assert all(name in line for name in names)


@pytest.mark.parametrize("name", ["100CANON", "101_PANA", "Face 1", "faces_03"])
def test_what_cameras_and_sorters_of_faces_call_folders_says_nothing(name: str) -> None:
    (line,) = empty_words([(name, Category("Face", FROM_NAME))])
    assert line.startswith("A category word says nothing")


def test_a_cameras_folder_is_not_said_to_have_another_name(tmp_path: Path) -> None:
    concept(tmp_path, "100APPLE")
    (line,) = lines(tmp_path)
    assert line.startswith("A category word says nothing of what the folder shows: 100APPLE (of '100APPLE'); give")


@pytest.mark.parametrize("word", ["TODO", "fill in", "unknown"])
@pytest.mark.parametrize("file", ["category.txt", "categories.csv"])
def test_words_that_were_never_filled_in_are_named(tmp_path: Path, word: str, file: str) -> None:
    concept(tmp_path, "rex", category=word if file == "category.txt" else None)
    if file == "categories.csv":
        (tmp_path / file).write_text(f"folder,category\nrex,{word}\n")
    assert lines(tmp_path) == [
        f"A category word says nothing of what the folder shows: {word} (of 'rex'); give one that does by category.txt "
        "in the folder."
    ]


def test_a_train_of_a_file_is_a_vehicle_even_beside_test(tmp_path: Path) -> None:
    concept(tmp_path, "rex", category="train")
    concept(tmp_path, "test", category="dog")
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "word",
    ["dog edited", "dog photos", "dog cropped", "dog resized", "dog hq", "dogs for training", "best of dog", "my dog",
     "dog final", "dog new", "dog files", "dog old", "dog backup", "dog bak"],
)  # fmt: skip
def test_words_with_parts_of_edits_are_named(word: str) -> None:
    (line,) = empty_words([(word, Category(word, FROM_NAME))])
    assert line.startswith("A category word has a part that is not of what the folder shows")


def test_the_training_part_of_a_thing_is_told_by_its_other_parts() -> None:
    assert odd_parts("dog train", {"dog train", "dog test"})
    assert odd_parts("dog train", {"dog train", "dog"})
    assert not odd_parts("toy train", {"toy train", "bus"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [("stra\u00c3\u0178e", "stra\u00dfe"), ("caf\u00c3\u00a9 cup", "caf\u00e9 cup"), ("caf\u017d cup", "caf\u00e9 cup"),
     ("M\u207fnze", "M\u00fcnze"), ("Fu\u251c\u0192ball", "Fu\u00dfball")],
)  # fmt: skip
def test_a_garbled_name_is_named_with_what_it_seems_to_mean(tmp_path: Path, name: str, meant: str) -> None:
    concept(tmp_path, name)
    assert (
        f"A name has letters that seem garbled: {name} ({meant}?); rename the folder, or give a word by category.txt "
        "in the folder."
    ) in lines(tmp_path)


@pytest.mark.parametrize(
    "name", ["M\u00fcnze", "caf\u00e9", "\u00c9CLAIR", "\u72ac", "\u0421\u043e\u0431\u0430\u043a\u0430", "na\u00efve",
             "Bj\u00f6rk\u2019s mug",
             "\u0160koda", "\u1ed5i", "Lego\u00ae", "\u0130stanbul", "\u3044\u306c"],
)  # fmt: skip
def test_names_in_other_letters_are_not_garbled(name: str) -> None:
    assert repaired(name) is None


def test_a_lost_letter_is_named_without_a_guess(tmp_path: Path) -> None:
    concept(tmp_path, "stra\ufffde")
    assert any("letters that seem garbled: stra\ufffde; rename" in line for line in lines(tmp_path))


def test_classes_that_seem_to_be_none_are_named() -> None:
    assert left_over(["dog", "unlabeled", "_rejected", "all", "BACKGROUND_Google", "allium"]) == [
        "4 classes seem to be none by the folder's name: unlabeled, _rejected, all and BACKGROUND_Google; if so, move "
        "the folder away."
    ]
    (line,) = left_over(["257.clutter", "012_misc", "Background", "distractors", "12.cluttered desk", "other"])
    assert line.startswith("4 classes seem to be none by the folder's name: 257.clutter, 012_misc, Background and dis")


@pytest.mark.parametrize(
    ("words", "others", "odd"),
    [
        ("class dog", ["dog"], True), ("dog class", ["dog"], True), ("prior dog", ["dog", "cat"], True),
        ("class room", ["dog"], False), ("first class", [], False), ("generated dog", [], True),
        ("dog generated", [], True), ("reg dog", [], True), ("vase nobg", [], True), ("vase no bg", [], True),
    ],
)  # fmt: skip
def test_class_images_and_cut_out_ones_are_told_by_their_words(words: str, others: list[str], odd: bool) -> None:
    assert odd_parts(words, others) == odd


def test_a_size_is_no_part_of_a_word() -> None:
    assert words_of_name("dog_512x512") == ("dog", False)
    assert words_of_name("dog 512px")[0] == "dog"


def test_what_pets_and_people_are_called_is_named(tmp_path: Path) -> None:
    for name in ("bella", "Max", "teapot"):
        concept(tmp_path, name)
    text = "2 category words seem to be who it is, and not what: bella (of 'bella') and Max (of 'Max'); give the kind"
    assert lines(tmp_path) == [f"{text} (dog, person) by category.txt in the folder."]
    for name in ("bella", "Max"):
        (tmp_path / name / "category.txt").write_text("max" if name == "Max" else "dog")
    assert lines(tmp_path)[1:] == []  # what stands in a file is meant


def test_words_in_other_letters_are_named() -> None:
    words = {"犬": "犬", "собака": "собака", "chaise": "chaise", "crème brûlée": "creme_brulee", "straße": "straße"}
    given = [(name, Category(word, FROM_NAME)) for word, name in words.items()]
    (text,) = empty_words(given)
    assert text.startswith("2 category words have letters that are not Latin, and the text encoder was trained on")
    assert empty_words([("a", Category("犬", "category.txt"))]) == []
