"""What `run`, `tune` and `data check` say of a folder of one's own images before any work; nothing is trained here."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import bench, call, refused
from own_photos import HEIC, concept, noise, picture
from photo_trees import state
from PIL import Image
from tests_support import raises_sentence

from harness import registry
from harness.data.concept_folder import read_photos
from harness.metrics.scores import accuracy_figures, floor_figures, forgetting_figures
from harness.settings.customization.steps import _real_counts
from harness.spec import RunSpec


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something of everything, ./photos."""
    monkeypatch.setattr("harness.data.images.file_kinds.find_spec", lambda _: None)  # no plugin of Pillow's
    monkeypatch.chdir(tmp_path)
    folder = Path("photos")
    concept(folder, "max", category="dog")
    home = concept(folder, "10_sks cat", ("a.png", "b.png", "c"))
    (home / "d.HEIC").write_bytes(HEIC)
    concept(folder, "@eaDir")
    (folder / "vase").mkdir()
    picture(folder / "max" / "c.png", noise("wide", 200, 20))
    return folder


LINES = [
    "photos: not used: 1 folder of the system's (@eaDir); 1 folder without images (vase).",
    "photos/10_sks cat: not used: 1 photograph (d.HEIC), a HEIC image, which Pillow reads with a plugin only; "
    "`pip install pillow-heif`, or save it as JPEG.",
    "A category word is not plainly the folder's name: cat (of '10_sks cat'); another goes into category.txt in the "
    "folder.",
    "photos/max/c.png has 200 x 20 pixels, and its central square shows 10 % of it.",
    "All of it: stamina-bench data check ./photos",
    "The mini tier's model knows drawn people and waterfalls only, and these are photographs; for photographs: "
    "--tier paper.",
]


def test_a_run_says_what_is_used_and_what_is_not(photos: Path) -> None:
    before = state(photos)
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, "run", "photos", "--methods", "ti++", "--dry-run") == 0
    assert err.getvalue().splitlines() == ["photos: 2 concepts, 6 images: 10_sks cat and max.", *LINES]
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.getvalue().splitlines() if "│" in line]
    assert table[:2] == [
        ["10_sks cat", "cat", "the folder's name", "3", "80 %", "1"], ["max", "dog", "category.txt", "3", "57 %", "0"]
    ]  # fmt: skip
    quiet = io.StringIO()
    assert call(io.StringIO(), quiet, "run", "photos", "--methods", "ti++", "--dry-run", "-q") == 0
    assert quiet.getvalue().splitlines() == LINES
    assert state(photos) == before


def test_a_tuning_says_it_too(photos: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, "tune", "ti++", "--benchmark", "photos", "--dry-run") == 0
    assert err.getvalue().splitlines()[1:] == LINES


def test_data_check_lists_everything(photos: Path) -> None:
    code, said = bench("data", "check", "./photos")
    assert code == 0
    lines = said.splitlines()
    assert [line for line in lines if line.startswith("not used: ")] == [
        "not used: photos/@eaDir: a folder that the system keeps for itself",
        "not used: photos/10_sks cat/d.HEIC: a HEIC image, which Pillow reads with a plugin only; `pip install "
        "pillow-heif`, or save it as JPEG",
        "not used: photos/vase: a folder without images",
    ]  # fmt: skip
    unseen = "What no look at files tells (docs/data.md, 'Not noticed'), a sheet of all images shows: --sheet FILE.png."
    assert lines[-4:] == [*LINES[2:4], "2 concepts, 6 images: 10_sks cat and max.", unseen]
    assert bench("data", "check", "photos") == (code, said)  # nothing of that name is prepared


def test_data_check_as_json_and_strict(photos: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, "data", "check", "photos", "--json", "--strict") == 2
    found: dict[str, Any] = json.loads(out.getvalue())
    assert found["used"][0] == {
        "concept": "10_sks cat", "category": "cat", "from": "the folder's name", "images": 3, "shown": "80 %",
        "skipped": 1,
    }  # fmt: skip
    assert [(one["path"], one["kind"], one["photographs"]) for one in found["skipped"]] == [
        ("photos/@eaDir", "system", 0), ("photos/10_sks cat/d.HEIC", "unreadable", 1), ("photos/vase", "empty", 0)
    ]  # fmt: skip
    assert found["notes"] == LINES[2:4]
    assert len(err.getvalue().splitlines()) == 1
    assert "photos/10_sks cat/d.HEIC is not used (a HEIC image" in err.getvalue()
    refused(bench("run", "photos", "--strict", "--dry-run"), "d.HEIC is not used", "1 more", "leave out --strict")


def test_a_sheet_is_written_where_it_is_asked_for(photos: Path, tmp_path: Path) -> None:
    before, file = state(photos), tmp_path / "sheet.png"
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, "data", "check", "photos", "--sheet", str(file)) == 0
    assert err.getvalue() == f"The images as a method is shown them: {file}.\n"
    with Image.open(file) as sheet:
        assert sheet.format == "PNG"
    assert state(photos) == before
    refused(bench("data", "check", "photos", "--sheet", file), "is there already; remove it, or name another file")
    classes = bench("data", "check", "photos", "--setting", "classification", "--sheet", tmp_path / "b.png")
    refused(classes, "--sheet is for a folder of concepts; leave it out for classes")
    refused(bench("data", "check", "mixed50", "--sheet", tmp_path / "b.png"), "--sheet is for a folder of your own")


def test_a_folder_of_classes_is_checked_too(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        for name in ("a", "b"):
            concept(tmp_path / "own" / split, name)
    code, said = bench("data", "check", tmp_path / "own", "--setting", "classification")
    assert code == 0
    assert "2 classes, 4 images to train, 4 to test: a and b. Images to train are of train/, images to test of" in said
    code, said = bench("data", "check", tmp_path / "own", "--setting", "classification", "--json")
    assert json.loads(said)["used"] == [{"class": name, "train": 2, "test": 2, "skipped": 0} for name in "ab"]
    arguments = ("run", tmp_path / "own", "--setting", "classification", "--dry-run", "-o", tmp_path / "runs")
    code, said = bench(*arguments, "--methods", "ft")
    assert (
        "The mini tier's model knows drawn objects only, and these are photographs; for photographs: --tier paper."
        in said
    )
    assert "│ a     │" in said
    refused(bench("data", "check", tmp_path / "own"), "give the one that holds", "--setting classification")


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    refused(bench("data", "check", tmp_path / "no"), "no does not exist")
    concept(tmp_path, "dog", ("a.png",))
    code, said = bench("data", "check", tmp_path)
    assert code == 2
    assert "only one image" in said.splitlines()[-1]
    refused(bench("data", "check", "mixed50", "--strict"), "--strict is for a folder")
    refused(bench("data", "check", "mixed50", "--setting", "classification"), "--setting is for a folder")
    refused(bench("data", "check", "mixed50", "--min-side", "3"), "--min-side is for a folder")


def test_data_check_lists_all_that_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    concept(root, "cat")
    concept(root, "dog", ("a.png",))
    (concept(root, "cup", category="a cup") / "c.jpg").touch()
    (concept(root, "max") / "c.jpg").write_bytes(b"\x89PNG\r\n\x1a\n")
    concept(root, "0001")
    (root / "categories.csv").write_text("maxx,dog\n")
    code, said = bench("data", "check", root)
    assert code == 2
    found = [line for line in said.replace(str(tmp_path) + "/", "").splitlines() if line.startswith("refused: ")]
    expected = [
        "photos/cup/c.jpg", "Line 1 of photos/categories.csv names 'maxx'", "The folder name '0001' has no word",
        "The first line of photos/cup/category.txt", "photos/dog has only one image", "photos/max/c.jpg",
    ]  # fmt: skip
    assert len(found) == len(expected)
    assert all(line.startswith(f"refused: {part}") for line, part in zip(found, expected, strict=True)), found
    assert said.splitlines()[-1].endswith("photos cannot be used; mend the 6 things that are refused.")
    assert "│ cat " in said  # what else there is
    out = io.StringIO()
    assert call(out, io.StringIO(), "data", "check", root, "--json") == 2
    as_json = json.loads(out.getvalue())
    assert [f"refused: {one}".replace(str(tmp_path) + "/", "") for one in as_json["refused"]] == found
    assert [one["concept"] for one in as_json["used"]] == ["0001", "cat", "cup", "dog", "max"]
    # a run names the first of what is seen without decoding, and how many more there are
    more = f"(and at least 4 more: stamina-bench data check {root})."
    refused(bench("run", root, "--methods", "ti++"), "cup/c.jpg", more)


def test_data_check_lists_the_rest_where_one_thing_is_refused(tmp_path: Path) -> None:
    concept(tmp_path, "dog")
    concept(tmp_path, "m\x1bnze")
    (concept(tmp_path, "cat") / "notes.pdf").write_bytes(b"%PDF-1.5")
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, "data", "check", str(tmp_path)) == 2
    assert "notes.pdf: no image but a PDF document" in out.getvalue()
    assert all(name in out.getvalue() for name in ("dog", "cat"))
    assert "refused" not in out.getvalue()
    assert err.getvalue().count("has unprintable characters; rename it.") == 1


def test_data_check_names_files_of_one_kind_once(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    for number in range(40):
        (home / f"{number:02}.txt").write_text("0 .5 .5 .2 .2")
    (home / "a.pdf").write_bytes(b"%PDF-1.5")
    for name in ("a.zip", "b.zip"):
        (home / name).write_bytes(b"PK\3\4")
    out = io.StringIO()
    assert call(out, io.StringIO(), "data", "check", str(tmp_path)) == 0
    found = [line for line in out.getvalue().replace(str(tmp_path), "HERE").splitlines() if "not used: " in line]
    assert found == [
        "not used: HERE/dog: 40 files, as 00.txt: no image but a text file each",
        "not used: HERE/dog/a.pdf: no image but a PDF document",
        "not used: HERE/dog/a.zip: no image but a ZIP archive; unpack it to use images in it",
        "not used: HERE/dog/b.zip: no image but a ZIP archive; unpack it to use images in it",
    ]


def test_data_check_lists_all_that_is_refused_of_classes(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for place, names in (("train", ("a", "vase", "c")), ("Test", ("a", "vases", "c"))):
        for name in names:
            concept(root / place, name)
    (root / "train" / "a" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "Test" / "c" / "x.png").touch()
    code, said = bench("data", "check", root, "--setting", "classification")
    found = [line for line in said.replace(str(root) + "/", "").splitlines() if line.startswith("refused: ")]
    assert code == 2
    assert len(found) == 4, said
    assert found[0].startswith("refused: Test/c/x.png")
    assert found[1] == "refused: Test/vases has no counterpart in train; did you mean vase?"
    assert found[2] == "refused: train/vase has no counterpart in Test; did you mean vases?"
    assert found[3].startswith("refused: train/a/x.png")
    (root / "Test" / "c" / "x.png").unlink()
    arguments = ("run", root, "--setting", "classification", "--methods", "ft")
    command = f"stamina-bench data check {root} --setting classification"
    refused(bench(*arguments), "Test/vases has no counterpart", f"did you mean vase (and at least 1 more: {command})?")


@pytest.mark.parametrize(
    ("place", "file", "remedy"),
    [
        ("mug", "category.txt.txt", "its name must be category.txt"), ("mug", "category", "its name must be category"),
        ("mug", "categories.csv", "its name must be category.txt"), ("", "categorys.csv", "its name must be cat"),
        ("", "category.csv", "its name must be categories.csv"), ("", "Categories.csv.txt", "its name must be cat"),
        ("", "categories.xlsx", "save it as text named categories.csv"),
    ],
)  # fmt: skip
def test_what_seems_a_category_file_and_is_not_read_is_said(tmp_path: Path, place: str, file: str, remedy: str) -> None:
    concept(tmp_path, "mug")
    (tmp_path / place / file).write_text("dog")
    code, said = bench("data", "check", tmp_path)
    assert code == 0
    (line,) = [line for line in said.splitlines() if f"{file} is" in line]
    assert line.startswith(f"{tmp_path / place / file} is not read; {remedy}")
    reading = read_photos(tmp_path)
    assert reading.lines() == [line]
    assert [one.kind for one in reading.skipped] == ["category"]
    raises_sentence(reading.require_whole, remedy, "--strict")


def test_many_such_files_take_one_line(tmp_path: Path) -> None:
    for number in range(5):
        (concept(tmp_path, f"dog_{number}") / "category.txt.txt").write_text("dog")
    (line,) = read_photos(tmp_path).lines()
    assert line == (
        f"{tmp_path}: 5 files are not read: dog_0/category.txt.txt, dog_1/category.txt.txt, dog_2/category.txt.txt "
        "and 2 more; the name must be category.txt."
    )


def test_a_file_name_that_is_not_utf_8_is_shown_and_comes_back_from_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        concept(tmp_path, "cup", ("a.png", "b.png", name))
    except OSError:
        pytest.skip("this file system refuses the name")
    (tmp_path / "cup" / name).write_bytes((tmp_path / "cup" / "a.png").read_bytes())
    _, said = bench("data", "check", tmp_path)
    assert f"not used: {tmp_path}/cup/caf\\xe9.png: the same file as a.png" in said
    _, said = bench("data", "check", tmp_path, "--json")
    (skipped,) = json.loads(said)["skipped"]
    assert skipped["path"] == f"{tmp_path}/cup/{name}"


def test_a_folder_that_cannot_be_read_at_all_as_json(tmp_path: Path) -> None:
    out = io.StringIO()
    assert call(out, io.StringIO(), "data", "check", tmp_path / "no", "--json") == 2
    assert json.loads(out.getvalue())["refused"] == [f"The photo folder {tmp_path}/no does not exist; check the path."]


def test_folders_inside_are_said_by_data_check_too(tmp_path: Path) -> None:
    concept(concept(tmp_path, "dog"), "monday")
    _, said = bench("data", "check", tmp_path)
    where = tmp_path / "dog" / "monday"
    assert f"not used: {where}: a folder inside, with 2 images; move the images up to use them\n" in said
    _, said = bench("data", "check", tmp_path, "--json")
    assert json.loads(said)["skipped"][0]["reason"] == "a folder inside, with 2 images; move the images up to use them"


def test_a_least_size_is_an_option_that_a_run_remembers(tmp_path: Path) -> None:
    concept(tmp_path / "photos", "dog")
    arguments = ("run", tmp_path / "photos", "--methods", "ti++", "--dry-run", "-o", tmp_path / "runs")
    refused(bench(*arguments, "--min-side", 17), "20 x 16 pixels", "at least 17")
    assert bench(*arguments, "--min-side", 16)[0] == 0
    picture(tmp_path / "photos" / "dog" / "c.png", noise("tiny", 7, 7))
    refused(bench(*arguments), "7 x 7 pixels", "at least 8")
    assert bench(*arguments, "--min-side", 7)[0] == 0
    code, said = bench("data", "check", tmp_path / "photos", "--min-side", 17)
    assert (code, said.count("at least 17")) == (2, 3)
    spec = RunSpec.model_validate({"benchmark": "x", "methods": [{"name": "ti++"}]})
    small = spec.model_copy(update={"min_side": 3})
    assert RunSpec.model_validate(small.model_dump(mode="json")) == small


def test_a_folder_that_is_called_as_a_benchmark_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    concept(Path("tuning6"), "dog")
    code, said = bench("run", "tuning6", "--methods", "ti++", "--dry-run", "-q")
    assert code == 0
    assert "'tuning6' is the benchmark of that name here; the folder beside it is ./tuning6.\n" in said
    code, said = bench("run", "./tuning6", "--methods", "ti++", "--dry-run")
    assert "tuning6: 1 concept, 2 images: dog." in said


def test_data_check_of_a_name_that_is_a_folder_too_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STAMINA_BENCH_DATA_DIR", str(tmp_path / "data"))
    for more in ((), ("--setting", "classification"), ("--min-side", 4), ("--strict",)):
        said = "Unknown prepared benchmark 'nope', and there is no such folder either; "
        refused(bench("data", "check", "nope", *more), said)
    concept(Path("mixed50"), "dog")
    refused(bench("data", "check", "mixed50"), "not prepared", "the folder beside it is ./mixed50.")
    assert bench("data", "check", "./mixed50")[0] == 0


def test_no_word_of_photographs_where_the_images_are_the_tiers_own(tmp_path: Path) -> None:
    for benchmark, methods in (("tuning6", "ti++"), ("imagenet-r20", "ft")):
        code, said = bench("run", benchmark, "--methods", methods, "--dry-run", "-o", tmp_path)
        assert code == 0, said
        assert "photographs" not in said


def test_a_tier_says_what_its_models_know() -> None:
    tiers = registry.tiers()
    assert tiers.get("mini").knows == {
        "customization": "drawn people and waterfalls", "classification": "drawn objects"
    }  # fmt: skip
    assert not tiers.get("paper").knows


def test_two_photographs_and_two_images_give_figures_without_an_interval() -> None:
    """Of so few nothing is estimated that needs more: no interval, no noise floor; and all that is given is finite."""
    draw = np.random.default_rng(0)
    real = [draw.normal(size=(count, 8)) for count in (2, 3)]
    final = [draw.normal(size=(2, 8)) for _ in real]
    figures = [*accuracy_figures(real, final), *forgetting_figures(final, final), *floor_figures(real, real)]
    assert all(np.isfinite(one.value) for one in figures)
    assert all(one.low is None and one.high is None for one in figures)
    assert {one.metric for one in figures} >= {"a_mmd", "kid", "f_mmd", "codec_floor"}
    assert "noise_floor" not in {one.metric for one in figures}
    by_hand = []
    for x, y in zip(real, final, strict=True):
        k = [(a @ b.T / 8 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
        same = [(part.sum() - np.trace(part)) / (len(part) * (len(part) - 1)) for part in k[:2]]
        by_hand.append(sum(same) - 2 * k[2].mean())
    (kid,) = (one.value for one in figures if one.metric == "kid" and one.task is None)
    assert kid == pytest.approx(np.mean(by_hand))


@pytest.mark.parametrize(("counts", "text"), [([3, 3], "3 real (task 1)"), ([2, 3, 5], "2 to 5 real")])
def test_the_protocol_says_how_many_real_images_there_are(counts: list[int], text: str) -> None:
    assert _real_counts(counts) == text
