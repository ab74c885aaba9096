"""CelebA-HQ and Google Landmarks v2 in their own file formats: what is drawn, and every way to get them wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from photo_trees import image_id, make_celeba_hq, make_gldv2, picture

from benchmarks.paper_data.celeba_hq import CELEBA_HQ, MAPPING
from benchmarks.paper_data.gldv2 import GLDV2
from harness import registry
from harness.data.manifest import Manifest, Part, PreparedTasks, write_manifest
from harness.data.selection import Draw, prepare
from harness.errors import UsageError

PEOPLE = {101: 16, 102: 17, 2880: 15, 104: 15, 105: 16, 300: 14, 301: 2}
FALLS = {11: 16, 12: 15, 13: 15, 14: 17, 20: 14}
IMAGES = "CelebA-HQ-img"
DRAW = Draw()

Change = Callable[[Path], object]


def people(root: Path, concepts: int = 3, draw: Draw = DRAW, listing: Path | None = None) -> Manifest:
    lists = {} if listing is None else {"celeba-hq": listing}
    return prepare("some", (Part(CELEBA_HQ, concepts),), {"celeba-hq": root}, draw, lists)


def falls(root: Path, concepts: int = 3, draw: Draw = DRAW, listing: Path | None = None) -> Manifest:
    lists = {} if listing is None else {"gldv2": listing}
    return prepare("some", (Part(GLDV2, concepts),), {"gldv2": root}, draw, lists)


def ids(manifest: Manifest) -> list[str]:
    return [task.id for task in manifest.tasks]


@pytest.fixture(scope="session")
def celeba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_celeba_hq(tmp_path_factory.mktemp("celeba") / "CelebAMask-HQ", PEOPLE)


@pytest.fixture(scope="session")
def gldv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gldv2(tmp_path_factory.mktemp("gldv2") / "gldv2", FALLS)


# What is chosen


def test_people_are_joined_from_mapping_and_identities(celeba: Path) -> None:
    manifest = people(celeba, 5)
    assert set(ids(manifest)) == {"101", "102", "2880", "104", "105"}
    owner = dict(line.split() for line in (celeba / "identity_CelebA.txt").read_text().splitlines())
    original = {line.split()[0]: line.split()[2] for line in (celeba / MAPPING).read_text().splitlines()[1:]}
    for task in manifest.tasks:
        assert (task.name, task.category) == (f"person {task.id}", "person")
        numbers = [int(Path(photo.path).stem) for photo in task.images]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == 15
        assert {owner[original[str(number)]] for number in numbers} == {task.id}
        for photo, number in zip(task.images, numbers, strict=True):
            assert (celeba / photo.path).read_bytes() == picture(number)
            assert (photo.width, photo.height) == (22, 18)
    (origin,) = manifest.origins.values()
    assert origin.people
    assert "non-commercial" in origin.terms
    assert "3 of" in people(celeba, 3).origins["celeba-hq"].drawn


@pytest.mark.parametrize("name", ["{file}", "{idx:05d}.jpg", "{idx}.png"])
def test_other_copies_name_the_files_otherwise(celeba: Path, tmp_path: Path, name: str) -> None:
    other = make_celeba_hq(tmp_path / "copy", PEOPLE, name, anno=True)
    expected, found = people(celeba), people(other)
    assert ids(found) == ids(expected)
    hashes = [[photo.sha256 for photo in task.images] for task in found.tasks]
    assert hashes == [[photo.sha256 for photo in task.images] for task in expected.tasks]


def test_a_draw_is_a_function_of_its_seed_and_a_longer_one_begins_with_a_shorter(celeba: Path, gldv2: Path) -> None:
    assert people(celeba) == people(celeba)
    assert ids(people(celeba, 5))[:3] == ids(people(celeba, 3))
    assert {tuple(ids(people(celeba, 4, Draw(seed=seed)))) for seed in range(4)} != {tuple(ids(people(celeba, 4)))}
    some = falls(gldv2, 4, Draw(images_per_concept=5))
    assert all(len(task.images) == 5 for task in some.tasks)
    other = falls(gldv2, 4, Draw(seed=1, images_per_concept=5))
    photos = [{task.id: task.images for task in manifest.tasks} for manifest in (some, other)]
    assert photos[0] != photos[1]


def test_the_draw_is_the_documented_one(celeba: Path) -> None:
    """By its definition, so that a list of ids in a paper can be made again: the hash of (data, set, seed, id)."""
    import hashlib
    import json

    def place(*parts: object) -> int:
        digest = hashlib.sha256(json.dumps(parts).encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    eligible = [str(person) for person, count in PEOPLE.items() if count >= 15]
    expected = sorted(eligible, key=lambda person: place("data", "celeba-hq", 0, person))
    assert ids(people(celeba, 5)) == expected


def test_waterfalls_come_by_label_with_whom_they_are_owed_to(gldv2: Path) -> None:
    manifest = falls(gldv2, 4)
    assert set(ids(manifest)) == {"11", "12", "13", "14"}
    task = next(task for task in manifest.tasks if task.id == "11")
    assert (task.name, task.category) == ("Fälls of No. 11 Falls", "waterfall")
    credit = task.images[0].credit
    assert credit is not None
    assert credit.author.startswith("Doe, Jané ")
    assert credit.title.startswith('A "fall", ')
    assert credit.licence == "https://creativecommons.org/licenses/by/3.0/"
    assert credit.url.startswith("https://commons.wikimedia.org/wiki/File:")
    assert "train_clean.csv and train_label_to_hierarchical.csv" in manifest.origins["gldv2"].drawn


def test_without_the_clean_list_train_csv_counts(gldv2: Path, tmp_path: Path) -> None:
    root = make_gldv2(tmp_path / "raw", FALLS, clean=False)
    assert set(ids(falls(root, 5))) == {"11", "12", "13", "14", "20"}  # train.csv lists one image more of each
    assert "by train.csv" in falls(root, 5).origins["gldv2"].drawn


def test_without_the_hierarchy_names_of_categories_count(tmp_path: Path) -> None:
    root = make_gldv2(tmp_path / "raw", FALLS, hierarchy=False)
    assert set(ids(falls(root, 4))) == {"11", "12", "13", "14"}  # not Fallmann Castle


@pytest.mark.parametrize(("prefix", "metadata"), [("", ""), ("train/", "metadata"), ("", "metadata")])
def test_both_places_of_images_and_of_tables(gldv2: Path, tmp_path: Path, prefix: str, metadata: str) -> None:
    root = make_gldv2(tmp_path / "other", FALLS, prefix=prefix, metadata=metadata)
    found, expected = falls(root), falls(gldv2)
    assert ids(found) == ids(expected)
    assert found.tasks[0].images[0].path == expected.tasks[0].images[0].path.removeprefix(
        "train/" if not prefix else ""
    )


def test_both_kinds_take_turns(celeba: Path, gldv2: Path) -> None:
    parts, roots = (Part(CELEBA_HQ, 3), Part(GLDV2, 3)), {"celeba-hq": celeba, "gldv2": gldv2}
    manifest = prepare("both", parts, roots, Draw(), {})
    assert [task.category for task in manifest.tasks] == ["person", "waterfall"] * 3
    assert ids(manifest)[::2] == ids(people(celeba))
    assert ids(manifest)[1::2] == ids(falls(gldv2))


def test_the_users_own_list_and_another_ones_manifest(celeba: Path, gldv2: Path, tmp_path: Path) -> None:
    listing = tmp_path / "people.txt"
    listing.write_text("# chosen by hand\n2880\n\n101  # this one, too\n")
    manifest = people(celeba, 2, listing=listing)
    assert ids(manifest) == ["2880", "101"]
    assert "people.txt" in manifest.origins["celeba-hq"].drawn
    drawn = falls(gldv2, 3, Draw(seed=5))
    path = write_manifest(drawn, tmp_path)
    assert [task.images for task in falls(gldv2, 3, Draw(seed=5), path).tasks] == [task.images for task in drawn.tasks]


def test_the_benchmarks_are_made_of_the_papers_sets() -> None:
    def parts(name: str) -> list[tuple[str, int]]:
        source = registry.benchmarks().get(name).sources["paper"]
        assert isinstance(source, PreparedTasks)
        assert source.name == name
        return [(part.photo_set.key, part.concepts) for part in source.parts]

    assert parts("celebahq20") == [("celeba-hq", 20)]
    assert parts("landmarks20") == [("gldv2", 20)]
    assert parts("mixed50") == [("celeba-hq", 25), ("gldv2", 25)]


def test_two_waterfalls_of_one_name_are_told_apart(tmp_path: Path) -> None:
    root = make_gldv2(tmp_path / "g", {11: 15, 12: 15})
    for name in ("train_label_to_hierarchical.csv", "train_label_to_category.csv"):
        table = root / name
        table.write_text(table.read_text().replace("No._12", "No._11"))
    assert sorted(task.name for task in falls(root, 2).tasks) == [
        "Fälls of No. 11 Falls (11)", "Fälls of No. 11 Falls (12)",
    ]  # fmt: skip


# What is wrong


def put(name: str, text: str) -> Change:
    return lambda root: (root / name).write_text(text)


def drop(*names: str) -> Change:
    def change(root: Path) -> None:
        for name in names:
            shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()

    return change


def edit(name: str, old: str, new: str, count: int = 1) -> Change:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert re.search(old, text), "the test changes nothing"
        (root / name).write_text(re.sub(old, new, text, count=count))

    return change


def cut(name: str, end: str) -> Change:
    """Leave everything up to and including the last `end`."""

    def change(root: Path) -> None:
        text = (root / name).read_text()
        (root / name).write_text(text[: text.rindex(end) + len(end)])

    return change


def both(*changes: Change) -> Change:
    return lambda root: [change(root) for change in changes]


def refused(call: Callable[[], object], *parts: object) -> str:
    """The one-sentence UsageError that a call raises, with each of the parts."""
    with pytest.raises(UsageError) as caught:
        call()
    message = str(caught.value)
    assert re.search(r"[^.][.?]$", message), message
    assert re.search(r"[;,:] |\?$", message), message
    for part in parts:
        assert str(part) in message, message
    return message


IDENTITIES = "identity_CelebA.txt"
CELEBA_WRONG: Mapping[str, tuple[Change, tuple[str, ...]]] = {
    "no images' folder": (drop(IMAGES), ("{root} has no CelebA-HQ-img", "CelebAMask-HQ.zip", "non-commercial")),
    "not unpacked": (
        both(drop(IMAGES), put("CelebAMask-HQ.zip", "x")),
        ("{root} has no CelebA-HQ-img, but CelebAMask-HQ.zip", "unpack"),
    ),
    "no mapping": (drop(MAPPING), ("{root} has no " + MAPPING, "CelebAMask-HQ.zip")),
    "no identities": (drop(IDENTITIES), ("{root} has no identity_CelebA.txt", "mmlab")),
    "identities in bytes": (
        lambda root: (root / IDENTITIES).write_bytes(b"\xff\xfe\x00"),
        (IDENTITIES, "get it again"),
    ),
    "identities empty": (put(IDENTITIES, "\n"), ("{root}/identity_CelebA.txt is empty", "again")),
    "identities of another form": (
        put(IDENTITIES, "202599\nimage person\n"),
        ("Line 1 of", IDENTITIES, "000001.jpg 2880"),
    ),
    "identities cut off within a line": (cut(IDENTITIES, ".jpg"), ("Line ", IDENTITIES, "get the file again")),
    "identities cut off": (
        lambda root: (root / IDENTITIES).write_text("000001.jpg 2880\n"),
        ("does not list", "cut off"),
    ),
    "mapping empty": (put(MAPPING, "idx orig_idx orig_file\n"), ("lists no image", "again")),
    "mapping of another form": (put(MAPPING, "0,1,000002.jpg\n"), ("Line 1 of", "does not read like", "again")),
    "mapping cut off within a line": (cut(MAPPING, " "), ("Line ", MAPPING, "cut off?")),
    "mapping twice": (edit(MAPPING, "\n1 ", "\n0 "), ("Line 3 of", "image 0 a second time")),
    "mapping cut off": (
        lambda root: (root / MAPPING).write_text("\n".join((root / MAPPING).read_text().split("\n")[:9])),
        (MAPPING + " does not name 8.jpg", "nor", "cut off"),
    ),
    "images of another set": (
        lambda root: [path.rename(path.with_name(f"face{path.name}")) for path in (root / IMAGES).iterdir()],
        ("holds no image that " + MAPPING + " names", "CelebAMask-HQ.zip"),
    ),
    "an empty images' folder": (
        lambda root: [path.unlink() for path in (root / IMAGES).iterdir()],
        ("holds no images", "unpack"),
    ),
    "too few people": (
        edit(IDENTITIES, " (101|102|104|105)\n", " 9997\n", 0),
        ("lists 2 people", "at least 15", "lower"),
    ),
}


@pytest.mark.parametrize("case", CELEBA_WRONG)
def test_every_wrong_copy_of_celeba_hq_has_its_sentence(tmp_path: Path, case: str) -> None:
    root = make_celeba_hq(tmp_path / "faces", PEOPLE)
    change, parts = CELEBA_WRONG[case]
    change(root)
    refused(lambda: people(root), *(part.replace("{root}", str(root)) for part in parts))


def test_another_folder_than_that_of_celeba_hq(celeba: Path, tmp_path: Path) -> None:
    refused(lambda: people(tmp_path / "none"), "--celeba-hq", tmp_path / "none", "is no folder", "CelebA-HQ-img")
    refused(lambda: people(celeba / IMAGES), celeba / IMAGES, "the folder of the images", "the one above it")
    refused(lambda: people(celeba.parent), celeba.parent, f"give {celeba}")


def test_a_chosen_image_that_is_missing_or_damaged(tmp_path: Path) -> None:
    root = make_celeba_hq(tmp_path / "faces", PEOPLE)
    first, second = (root / photo.path for photo in people(root).tasks[0].images[:2])
    first.write_bytes(first.read_bytes()[:200])
    refused(lambda: people(root), first, "truncated or damaged", "replace")
    first.unlink()
    refused(lambda: people(root), f"{first} is missing; unpack")
    second.unlink()
    refused(lambda: people(root), f"{first} is missing, as are 1 more of the 45 chosen images", "unpack")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("101\n102\n", ("lists 2 ids", "3 are needed")),
        ("101\n102\n102\n", ("'102' more than once", "remove")),
        ("101\n102\n28800\n", ("'28800', which", "correct it")),
        ("101\n102\nxyz\n", ("'xyz', which", "correct it")),
        ("101\n102\n300\n", ("'300', which has only 14 images", "--images-per-concept")),
    ],
)
def test_a_list_that_cannot_be_used(celeba: Path, tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    listing = tmp_path / "people.txt"
    listing.write_text(text)
    refused(lambda: people(celeba, listing=listing), f"--people {listing}", *parts)


def test_a_list_that_cannot_be_read(celeba: Path, tmp_path: Path) -> None:
    listing = tmp_path / "people.txt"
    refused(lambda: people(celeba, listing=listing), f"--people {listing}", "cannot be read")
    listing.write_bytes(b"\xff\xfe")
    refused(lambda: people(celeba, listing=listing), f"--people {listing}", "one id per line")
    (tmp_path / "other.json").write_text("{}")
    refused(lambda: people(celeba, listing=tmp_path / "other.json"), "other.json is damaged")


def test_more_images_than_promised(celeba: Path) -> None:
    refused(lambda: people(celeba, 3, Draw(images_per_concept=16)), "--images-per-concept 16", "--min-images 15")


TRAIN, CLEAN = "train.csv", "train_clean.csv"
CREDITS, LABELS, CATEGORIES = "train_attribution.csv", "train_label_to_hierarchical.csv", "train_label_to_category.csv"


def tar(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    (root / "train" / "images_000.tar").write_bytes(b"x")


GLDV2_WRONG: Mapping[str, tuple[Change, tuple[str, ...]]] = {
    "no list of images": (drop(TRAIN, CLEAN), ("{root} has neither train_clean.csv nor train.csv", "google-landmark")),
    "no attribution": (drop(CREDITS), ("{root} has no train_attribution.csv", "attribution")),
    "no labels": (drop(LABELS, CATEGORIES), ("has neither " + LABELS + " nor " + CATEGORIES, "google-landmark")),
    "no images": (drop("train"), ("{root} has no images at", "TAR files")),
    "not unpacked": (tar, ("images_000.tar is not unpacked", "{root}/train/0/1/2/ID.jpg")),
    "index instead of train": (
        lambda root: (root / "train").rename(root / "index"),
        ("index or test set", "train set"),
    ),
    "another table": (put(CLEAN, "id;images\n"), ("{root}/train_clean.csv has no column 'landmark_id'", "download")),
    "an empty table": (put(LABELS, ""), ("has no column 'landmark_id'", "download")),
    "cut off within a line": (
        cut(LABELS, "natural landmark"),
        ("Line 7 of {root}/" + LABELS + " has 4 of 5", "cut off?"),
    ),
    "cut off within an id": (
        lambda root: (root / CLEAN).write_text((root / CLEAN).read_text()[:-5]),
        ("Line ", CLEAN, "16 hexadecimal", "download"),
    ),
    "a hostile id": (
        edit(CLEAN, "\n11,", "\n11,../../../../etc/passwd "),
        ("'../../../../etc/passwd'", "16 hexadecimal"),
    ),
    "a landmark that is no number": (edit(CLEAN, "\n11,", "\neleven,"), ("Line 3 of", "'eleven'", "download")),
    "no waterfall": (edit(LABELS, "waterfall", "hill", 0), (LABELS + " lists no waterfall", "again")),
    "bytes": (
        lambda root: (root / LABELS).write_bytes(b"landmark_id\xff"),
        (LABELS + " cannot be read as CSV", "download"),
    ),
    "attribution cut off": (
        lambda root: (root / CREDITS).write_text("id,url,author,license,title\n"),
        ("does not list image", "cut off", "download"),
    ),
    "attribution of another form": (edit(CREDITS, "license", "licence"), ("no column 'license'", "download")),
    "too few waterfalls": (edit(LABELS, "\n1[123].*waterfall", "\n1,x,hill", 0), ("lists 1 landmarks", "3 are needed")),
}


@pytest.mark.parametrize("case", GLDV2_WRONG)
def test_every_wrong_copy_of_gldv2_has_its_sentence(tmp_path: Path, case: str) -> None:
    root = make_gldv2(tmp_path / "gldv2", FALLS)
    change, parts = GLDV2_WRONG[case]
    change(root)
    refused(lambda: falls(root), *(part.replace("{root}", str(root)) for part in parts))


def test_another_folder_than_that_of_gldv2(gldv2: Path, tmp_path: Path) -> None:
    refused(lambda: falls(tmp_path / "none"), "--gldv2", tmp_path / "none", "is no folder")
    refused(lambda: falls(gldv2 / "train"), gldv2 / "train", f"give {gldv2}")


def test_tar_files_that_were_not_all_unpacked(tmp_path: Path) -> None:
    root = make_gldv2(tmp_path / "gldv2", FALLS)
    path = root / falls(root).tasks[0].images[0].path
    path.unlink()
    refused(lambda: falls(root), f"{path} is missing; unpack", "images_000.tar to images_499.tar")


def test_a_line_as_long_as_the_largest_landmark_is_read(tmp_path: Path) -> None:
    """train_clean.csv has all images of a landmark in one field, longer than the csv module's default limit."""
    root = make_gldv2(tmp_path / "gldv2", FALLS)
    more = " ".join(image_id(7, number) for number in range(9000))
    with (root / CLEAN).open("a") as stream:
        stream.write(f"7,{more}\n")
    assert len(falls(root).tasks) == 3


def test_a_folder_that_may_not_be_read(gldv2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", deny)
    refused(lambda: falls(gldv2), LABELS, "Permission denied", "permissions")
