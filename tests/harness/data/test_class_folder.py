"""A folder of classes as a benchmark: layouts, the split, class orders, fingerprints, and every refusal."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import bench
from photo_trees import state
from PIL import ExifTags, Image
from tests_support import raises_sentence

from harness.api import prepare
from harness.data import class_files
from harness.data.class_folder import DRAWN, folder_benchmark, read_classes
from harness.data.class_tasks import ClassImages, ClassList, ClassTask, class_order, split_into
from harness.spec import Benchmark, MethodSpec, RunSpec


def picture(seed: int, width: int = 11, height: int = 9) -> bytes:
    """A PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def fill(folder: Path, seeds: Iterable[int]) -> None:
    """A class's folder with an image for each seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(picture(seed))


def make_classes(root: Path, names: Iterable[str], images: int = 5) -> Path:
    """Classes of so many images each."""
    for number, name in enumerate(names):
        fill(root / name, range(100 * number, 100 * number + images))
    return root


def classes_of(benchmark: Benchmark, tier: str = "mini") -> ClassList:
    source = benchmark.sources[tier]
    assert isinstance(source, ClassList)
    return source


def tasks_of(folder: Path, count: int | None = None, seed: int = 0, fixed: int | None = None) -> list[ClassTask]:
    return list(classes_of(folder_benchmark(folder, "mini", count, fixed)).in_order(seed))


def pixels(images: ClassImages, split: str) -> list[bytes]:
    return [images.image(split, k).tobytes() for k in range(len(images.labels(split)))]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes of ten images."""
    return make_classes(tmp_path_factory.mktemp("folders") / "animals", ["cat", "ant", "eel", "bee", "dog", "fox"], 10)


# Tasks


def test_a_folder_given_as_a_dot_has_its_name(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(animals)
    assert folder_benchmark(Path(), "mini", 3).title == "6 classes of animals in 3 tasks"
    monkeypatch.chdir(animals / "cat")
    assert folder_benchmark(Path(".."), "mini", 3).title == "6 classes of animals in 3 tasks"


def test_a_folder_is_a_benchmark_of_classes(animals: Path) -> None:
    before = state(animals)
    benchmark = folder_benchmark(animals, "mini", 3)
    assert (benchmark.name, benchmark.setting, benchmark.tuning) == ("animals-3tasks", "classification", True)
    assert benchmark.title == "6 classes of animals in 3 tasks"
    tasks = classes_of(benchmark).in_order(0)
    assert list(tasks) == list(benchmark.tasks("mini"))
    assert [task.name for task in tasks] == ["ant, bee", "cat, dog", "eel, fox"]
    assert [task.category for task in tasks] == ["ant, bee", "cat, dog", "eel, fox"]
    assert [task.classes for task in tasks] == [("ant", "bee"), ("cat", "dog"), ("eel", "fox")]
    assert [(task.index, task.numbers) for task in tasks] == [(1, (0, 1)), (2, (2, 3)), (3, (4, 5))]
    images = tasks[1].images
    assert isinstance(images, ClassImages)
    assert (images.labels("train").tolist(), images.labels("test").tolist()) == ([0] * 8 + [1] * 8, [0, 0, 1, 1])
    assert images.labels("train").dtype == np.int64
    assert len(images) == 16
    assert images.load(4).shape == (16, 4, 4, 3)
    cat = {picture(seed) for seed in range(10)}
    shown = {Image.fromarray(images.image("test", k)).tobytes() for k in (0, 1)}
    assert shown < {Image.open(io.BytesIO(data)).tobytes() for data in cat}
    assert state(animals) == before


def test_the_classes_order_is_the_trials_or_the_one_given(animals: Path) -> None:
    shuffled = tasks_of(animals, 3, seed=1)
    assert [number for task in shuffled for number in task.numbers] == class_order(6, 1) != list(range(6))
    names = sorted(path.name for path in animals.iterdir())
    assert all(task.classes == tuple(names[number] for number in task.numbers) for task in shuffled)
    one_each = {task.name: task.images.fingerprint() for task in tasks_of(animals, 6)}
    assert {task.name: task.images.fingerprint() for task in tasks_of(animals, 6, seed=3)} == one_each
    assert tasks_of(animals, 3, seed=5, fixed=1) == shuffled
    assert tasks_of(animals, 3, seed=5, fixed=0) == tasks_of(animals, 3)
    assert folder_benchmark(animals, "mini", 3, 1).name == "animals-3tasks-order1"


def test_tasks_hold_two_classes_unless_told(animals: Path, tmp_path: Path) -> None:
    assert [len(task.classes) for task in tasks_of(animals)] == [2, 2, 2]
    seven = shutil.copytree(animals, tmp_path / "seven")
    fill(seven / "gnu", range(900, 902))
    assert [len(task.classes) for task in tasks_of(seven)] == [3, 2, 2]
    assert [len(task.classes) for task in tasks_of(make_classes(tmp_path / "two", "ab", 2))] == [2]


def test_a_task_of_many_classes_has_a_short_name_of_its_own(animals: Path) -> None:
    assert [task.name for task in tasks_of(animals, 1)] == ["ant, bee, ... (6)"]
    assert tasks_of(animals, 1)[0].category == "ant, bee, cat, dog, eel, fox"
    assert [task.name for task in tasks_of(animals, 2)] == ["ant, bee, cat", "dog, eel, fox"]


def test_task_names_are_unique(tmp_path: Path) -> None:
    make_classes(tmp_path, ["a", "a, b", "b", "b, c"], 2)
    tasks = tasks_of(tmp_path, 4)
    pairs = [(0, 2), (1,), (3,)]
    images = [tasks[0].images] * 3
    names = [task.name for task in class_files.class_tasks(["a", "a, b", "b", "b, c"], pairs, images)]
    assert names == ["a, b", "a, b (task 2)", "b, c"]


@given(st.data(), st.integers(1, 60), st.integers(0, 9))
def test_every_class_is_in_one_task_and_tasks_are_of_one_size(data: st.DataObject, classes: int, seed: int) -> None:
    count = data.draw(st.integers(1, classes))
    groups = split_into(class_order(classes, seed), count)
    sizes = [len(group) for group in groups]
    assert len(groups) == count
    assert sorted(number for group in groups for number in group) == list(range(classes))
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert [number for group in groups for number in group] == class_order(classes, seed)


@pytest.mark.parametrize("count", [0, -1, 7])
def test_more_tasks_than_classes_or_none(animals: Path, count: int) -> None:
    raises_sentence(lambda: folder_benchmark(animals, "mini", count), f"--split-into {count}", "from 1 to 6")


# The split


@pytest.mark.parametrize(("images", "tests"), [(2, 1), (3, 1), (7, 1), (8, 2), (10, 2), (13, 3), (20, 4)])
def test_a_fifth_is_for_testing(tmp_path: Path, images: int, tests: int) -> None:
    make_classes(tmp_path, "ab", images)
    source = classes_of(folder_benchmark(tmp_path, "mini", None))
    assert source.note == DRAWN == "a fifth of each class's images, drawn once, are the test set"
    (task,) = source.in_order(0)
    assert task.images.labels("train").tolist() == [0] * (images - tests) + [1] * (images - tests)
    assert task.images.labels("test").tolist() == [0] * tests + [1] * tests
    shown = pixels(task.images, "train") + pixels(task.images, "test")
    assert len(set(shown)) == 2 * images


def test_the_split_depends_on_content_alone(animals: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    for folder in animals.iterdir():
        (renamed / folder.name).mkdir(parents=True)
        for k, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            shutil.copy(path, renamed / folder.name / f"x{k}.PNG")
    for seed in (0, 4):
        ours, theirs = tasks_of(animals, 2, seed), tasks_of(renamed, 2, seed)
        for one, other in zip(ours, theirs, strict=True):
            assert one.images.fingerprint() == other.images.fingerprint()
            assert pixels(one.images, "test") == pixels(other.images, "test")
            assert pixels(one.images, "train") == pixels(other.images, "train")


def test_copies_of_an_image_stay_on_one_side(tmp_path: Path) -> None:
    make_classes(tmp_path, "ab", 4)
    for seed in range(4):
        for copy in range(3):
            (tmp_path / "a" / f"copy{seed}{copy}.png").write_bytes(picture(seed))
    (task,) = tasks_of(tmp_path)
    assert task.images.labels("test").tolist() == [0, 0, 0, 0, 1]
    assert not set(pixels(task.images, "train")) & set(pixels(task.images, "test"))


def test_copies_of_pixels_in_another_format_stay_on_one_side(tmp_path: Path) -> None:
    make_classes(tmp_path, "ab", 5)
    before = tasks_of(tmp_path)[0].images
    for seed in range(5):
        Image.open(tmp_path / "a" / f"{seed}.png").save(tmp_path / "a" / f"again{seed}.bmp")
    images = tasks_of(tmp_path)[0].images
    assert (images.labels("train").tolist(), images.labels("test").tolist()) == ([0] * 8 + [1] * 4, [0, 0, 1])
    assert not set(pixels(images, "train")) & set(pixels(images, "test"))
    for seed in range(5):
        (tmp_path / "a" / f"again{seed}.bmp").unlink()
    assert tasks_of(tmp_path)[0].images.fingerprint() == before.fingerprint()


def test_a_test_image_saved_from_a_training_image_is_said(tmp_path: Path) -> None:
    make_classes(tmp_path / "own" / "train", "ab", 3)
    fill(tmp_path / "own" / "test" / "a", [50])
    fill(tmp_path / "own" / "test" / "b", [150])
    assert read_classes(tmp_path / "own").lines() == []
    large = Image.open(io.BytesIO(picture(7))).resize((640, 480))
    large.save(tmp_path / "own" / "train" / "a" / "e.jpg")
    Image.open(tmp_path / "own" / "train" / "a" / "e.jpg").save(tmp_path / "own" / "test" / "a" / "e.png")
    line, *sizes = read_classes(tmp_path / "own").lines()
    assert line.startswith("1 picture is in the training set and in the test set, so that accuracy shows what was")
    assert line.endswith(": train/a/e.jpg and test/a/e.png.")
    assert all("far fewer" in size for size in sizes)


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_a_test_folder_is_the_test_set(tmp_path: Path, held_out: str) -> None:
    make_classes(tmp_path / "train", "ab", 3)
    fill(tmp_path / held_out / "a", [50])
    fill(tmp_path / held_out / "b", [51, 52])
    source = classes_of(folder_benchmark(tmp_path, "paper", None), "paper")
    assert source.note == ""
    (task,) = source.in_order(0)
    assert task.images.labels("train").tolist() == [0, 0, 0, 1, 1, 1]
    assert task.images.labels("test").tolist() == [0, 1, 1]
    assert pixels(task.images, "test")[0] == Image.open(io.BytesIO(picture(50))).tobytes()


def test_of_two_test_folders_the_first_is_taken_and_said(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        make_classes(tmp_path / split, "ab", {"train": 3, "val": 2, "test": 1}[split])
    source = classes_of(folder_benchmark(tmp_path, "mini", None))
    assert source.note == "test/ is the test set, val/ is not used"
    assert len(source.in_order(0)[0].images.labels("test")) == 2


def test_a_train_folder_alone_is_split(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", "ab", 5)
    source = classes_of(folder_benchmark(tmp_path, "mini", None))
    assert source.note == DRAWN
    assert source.in_order(0)[0].classes == ("a", "b")


def test_train_and_test_may_be_classes(tmp_path: Path) -> None:
    make_classes(tmp_path, ["train", "test", "car"], 2)
    assert tasks_of(tmp_path, 1)[0].classes == ("car", "test", "train")


@pytest.mark.parametrize("train", ["train", "Train", "training"])
@pytest.mark.parametrize("held_out", ["Test", "testing", "valid", "VALIDATION", "dev"])
def test_folders_of_a_split_in_any_case_and_by_any_usual_name(tmp_path: Path, train: str, held_out: str) -> None:
    make_classes(tmp_path / train, "ab", 2)
    fill(tmp_path / held_out / "a", [50])
    fill(tmp_path / held_out / "b", [51])
    reading = read_classes(tmp_path)
    assert [(len(one.train), len(one.test)) for one in reading.classes] == [(2, 1), (2, 1)]
    assert reading.split == f"Images to train are of {train}/, images to test of {held_out}/."
    assert reading.split in reading.summary
    assert (reading.note, reading.lines()) == ("", [])


def test_files_of_a_split_need_no_suffix(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", "ab", 2)
    make_classes(tmp_path / "test", "ab", 2)
    for path in list(tmp_path.rglob("*.png")):
        path.rename(path.with_suffix(""))
    assert [len(one.test) for one in read_classes(tmp_path).classes] == [2, 2]


def test_two_train_folders_are_refused(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", "ab", 2)
    make_classes(tmp_path / "training", "ab", 2)
    raises_sentence(lambda: read_classes(tmp_path), tmp_path, "train and training", "merge or remove")


def test_what_lies_beside_a_split_is_said(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", "ab", 2)
    for name, first in (("test", 300), ("valid", 500)):
        fill(tmp_path / name / "a", [first])
        fill(tmp_path / name / "b", [first + 1])
    fill(tmp_path / "extra", [700, 701])
    (tmp_path / "train" / "c").mkdir()
    fill(tmp_path / "train" / ".ipynb_checkpoints", [0])
    reading = read_classes(tmp_path)
    assert reading.note == "test/ is the test set, valid/ is not used"
    assert reading.lines() == [
        f"{tmp_path}: not used: extra/ with 2 images (as train/ holds the classes); valid/ with 2 images (as test/ is "
        "the test set); 1 folder of the system's (train/.ipynb_checkpoints).",
        f"{tmp_path}/train: not used: 1 folder without images (c).",
    ]  # fmt: skip
    raises_sentence(reading.require_whole, "not used", "--strict")


def test_classes_are_compared_in_composed_letters(tmp_path: Path) -> None:
    for split, form, seed in (("train", "NFC", 0), ("test", "NFD", 10)):
        fill(tmp_path / split / unicodedata.normalize(form, "café"), [seed, seed + 1])
        fill(tmp_path / split / "dog", [seed + 2, seed + 3])
    assert [one.name for one in read_classes(tmp_path).classes] == ["caf\u00e9", "dog"]


def test_one_class_in_two_cases_is_said(tmp_path: Path) -> None:
    try:
        make_classes(tmp_path, ["dog", "Dog"], 2)
        assert len(list(tmp_path.iterdir())) == 2
    except AssertionError:
        pytest.skip("this file system ignores case")
    assert read_classes(tmp_path).lines() == ["Folders whose names differ in case only are kept apart: Dog and dog."]


# Copies


def test_test_images_that_are_training_images_are_said(tmp_path: Path) -> None:
    make_classes(tmp_path / "train", "ab", 4)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    (line,) = read_classes(tmp_path).lines()
    assert line.startswith("8 pictures are in the training set and in the test set, so that accuracy shows what was ")
    assert line.endswith("; and 5 more.")
    assert sum(f"train/a/{k}.png and test/a/{k}.png" in line for k in range(4)) in (1, 2, 3)


def test_a_picture_in_two_classes_is_said(tmp_path: Path) -> None:
    make_classes(tmp_path / "own", "ab", 4)
    (tmp_path / "own" / "b" / "again.png").write_bytes(picture(0))
    told = read_classes(tmp_path / "own").told
    assert "1 picture is in more than one class, and right in one at most: own/a/0.png and own/b/again.png." in told


def test_copies_within_a_class_are_said(tmp_path: Path) -> None:
    make_classes(tmp_path / "own", "ab", 5)
    (tmp_path / "own" / "a" / "0 (1).png").write_bytes(picture(0))
    (line,) = read_classes(tmp_path / "own").lines()
    assert line == "1 file is there more than once in a class, and counted each time: own/a/0.png = own/a/0 (1).png."
    for number in range(5):
        (tmp_path / "own" / "b" / f"again{number}.png").write_bytes(picture(100 + number))
    reading = read_classes(tmp_path / "own")
    (line,) = reading.lines()
    assert line.startswith("6 files are there more than once in a class, and counted each time: own/")
    assert line.count(" = ") == 3
    assert line.endswith("; and 3 more.")
    assert {(f"own/b/{number}.png", f"own/b/again{number - 100}.png") for number in range(100, 105)} < {*reading.same}
    code, said = bench("data", "check", tmp_path / "own", "--setting", "classification")
    assert code == 0
    assert said.count("the same picture: own/") == 6
    _, said = bench("data", "check", tmp_path / "own", "--setting", "classification", "--json")
    assert len(json.loads(said)["same_pictures"]) == 6
    raises_sentence(reading.require_whole, "more than once in a class", "--strict")


def test_figures_of_a_folder_with_copies_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_classes(tmp_path / "own" / "train", "ab", 4)
    make_classes(tmp_path / "own" / "test", "ab", 4)
    method = MethodSpec(name="ft")
    spec = RunSpec(
        benchmark=str(tmp_path / "own"), setting="classification", methods=(method,), output=tmp_path / "runs"
    )
    caution = "8 pictures are in the training set and in the test set, so that accuracy shows what was kept by heart."
    prepared = prepare(spec)
    assert prepared.cautions[-1] == caution
    monkeypatch.setattr("harness.api.image_cautions", lambda *_: ())
    without = prepare(spec)
    assert caution not in without.cautions
    assert [*prepared.plan.steps] == [*without.plan.steps]
    monkeypatch.undo()
    arguments = ("run", tmp_path / "own", "--setting", "classification", "--methods", "ft", "--dry-run")
    _, said = bench(*arguments, "-o", tmp_path / "runs")
    assert said.count("8 pictures are in the training set") == 1  # with names, and not once more without


def test_what_is_no_image_of_a_class_is_said(tmp_path: Path) -> None:
    make_classes(tmp_path, "ab", 4)
    (tmp_path / "c").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("x")
    fill(tmp_path / "a" / "more", [900, 901])
    (tmp_path / "b" / "photo").write_bytes(picture(77))
    reading = read_classes(tmp_path)
    assert [len(one.train) + len(one.test) for one in reading.classes] == [4, 5]
    assert reading.lines() == [
        f"{tmp_path}/a: not used: 2 images in 1 folder inside (more; move the images up to use them); 1 file that is "
        "no image (notes.txt).",
        f"{tmp_path}: not used: 1 folder without images (c).",
    ]  # fmt: skip
    assert [row["skipped"] for row in reading.rows()] == [2, 0]


# Images


def test_an_image_is_whole_and_upright(tmp_path: Path) -> None:
    make_classes(tmp_path, "ab", 2)
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").mkdir()
    for k, shade in enumerate((40, 90)):
        turned = Image.new("L", (18, 8), shade)
        turned.paste(255, (0, 0, 6, 8))  # the left third; upright, the top
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        turned.save(tmp_path / "a" / f"{k}.png", exif=exif)
    (task,) = tasks_of(tmp_path)
    image = task.images.image("test", 0)
    assert image.shape == (18, 8, 3)
    assert image.dtype == np.uint8
    assert image[:6].min() == 255
    assert image[6:].max() < 100
    with pytest.raises(IndexError):
        task.images.image("test", 2)
    with pytest.raises(IndexError):
        task.images.image("test", -1)


def test_images_travel_to_another_process(animals: Path) -> None:
    task = tasks_of(animals, 2)[1]
    there = pickle.loads(pickle.dumps(task))
    assert there.images.fingerprint() == task.images.fingerprint()
    assert pixels(there.images, "test") == pixels(task.images, "test")


def test_a_fingerprint_covers_images_labels_and_splits(tmp_path: Path) -> None:
    for split, seed in (("train", 0), ("test", 50)):
        fill(tmp_path / split / "a", [seed, seed + 1])
        fill(tmp_path / split / "b", [seed + 2, seed + 3])

    def print_of() -> str:
        return tasks_of(tmp_path)[0].images.fingerprint()

    first = print_of()
    (tmp_path / "train" / "a" / "0.png").rename(tmp_path / "train" / "a" / "z.png")
    assert print_of() == first
    found = {first}
    (tmp_path / "train" / "a" / "z.png").write_bytes(picture(7))  # another image
    found.add(print_of())
    (tmp_path / "train" / "a" / "z.png").rename(tmp_path / "train" / "b" / "z.png")  # another label
    found.add(print_of())
    (tmp_path / "train" / "b" / "z.png").rename(tmp_path / "test" / "b" / "z.png")  # another split
    found.add(print_of())
    assert len(found) == 4


def test_where_labels_and_splits_begin_is_in_the_fingerprint(tmp_path: Path) -> None:
    """The same files in the same order, with other borders between classes and splits."""
    fill(tmp_path, range(6))
    files = [class_files.examine(tmp_path / f"{k}.png") for k in range(6)]

    def print_of(*counts: int) -> str:
        cut = np.cumsum([0, *counts])
        a, b, c, d = (tuple(files[i:j]) for i, j in pairwise(cut))
        classes = (class_files.FileClass("a", a, c), class_files.FileClass("b", b, d))
        return class_files.FileImages(classes, "").fingerprint()

    counts = [(2, 2, 1, 1), (3, 1, 1, 1), (1, 1, 2, 2), (2, 1, 2, 1), (1, 2, 1, 2), (2, 0, 1, 0), (1, 0, 2, 0)]
    assert len({print_of(*one) for one in counts}) == len(counts)


def test_which_images_are_for_testing_stays_the_same_in_later_versions() -> None:
    files = [class_files.ClassFile(f"/{k}", f"{k:064x}", 1, 0) for k in range(15)]
    train, test = class_files.drawn_split(files, "a")
    assert [file.path for file in test] == ["/0", "/5", "/13"]
    assert sorted(train + test, key=lambda file: file.sha256) == files


def test_a_file_is_read_once_in_a_process(animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copytree(animals, tmp_path / "copy")
    read: list[str] = []
    real = class_files.read_file
    monkeypatch.setattr(class_files, "read_file", lambda path: (read.append(path), real(path))[1])
    for _ in range(2):
        for seed in (0, 1):
            for task in tasks_of(copy, 3, seed):
                task.images.fingerprint()
    assert sorted(read) == sorted(map(str, copy.rglob("*.png")))
    os.utime(copy / "ant" / "100.png", ns=(1, 1))
    tasks_of(copy, 3)
    assert read[60:] == [str(copy / "ant" / "100.png")]


def test_what_changed_since_is_noticed(tmp_path: Path) -> None:
    make_classes(tmp_path, "ab", 2)
    (task,) = tasks_of(tmp_path)
    images = task.images
    assert isinstance(images, class_files.FileImages)
    path = Path(images.classes[0].train[0].path)
    data = path.read_bytes()
    os.utime(path, ns=(1, 1))
    images.fingerprint()
    path.write_bytes(picture(77))
    raises_sentence(images.fingerprint, path, "changed since it was listed", "restore it")
    raises_sentence(lambda: images.image("train", 0), path, "changed since it was listed")
    raises_sentence(lambda: images.load(4), path, "changed since it was listed")
    assert [str(error) for error in images.verify() if error is not None] == [
        f"{path} changed since it was listed; restore it, or run again."
    ]
    path.unlink()
    raises_sentence(images.fingerprint, path, "is missing since it was listed")
    raises_sentence(lambda: images.image("train", 0), path, "is missing since it was listed")
    path.mkdir()
    raises_sentence(lambda: images.image("train", 0), path, "is not a file")
    path.rmdir()
    path.write_bytes(data)
    images.fingerprint()


# Refusals


def spoil(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def only_test(root: Path) -> None:
    make_classes(root / "test", "ab", 2)


def no_counterpart(root: Path, more: str) -> None:
    make_classes(root / "train", "ab", 2)
    make_classes(root / "test", "ab", 2)
    fill(root / more / "c", [1, 2])


@pytest.mark.parametrize(
    ("build", "parts"),
    [
        (lambda root: None, ("does not exist",)),
        (lambda root: root.write_bytes(picture(0)), ("not a folder", "one sub-folder per class")),
        (lambda root: root.mkdir(), ("has no sub-folder with images",)),
        (lambda root: fill(root, [0, 1]), ("holds images but no sub-folder", "one per class")),
        (lambda root: make_classes(root, "a", 4), ("only one class, a",)),
        (lambda root: (make_classes(root, "ab", 2), fill(root / "c", [0])), ("/c has only one image", "testing")),
        (
            lambda root: (make_classes(root, "ab", 2), spoil(root / "a" / "1.png", picture(0))),
            ("All images of", "/a are the same"),
        ),
        (
            lambda root: (make_classes(root, "ab", 2), spoil(root / "b" / "100.png", picture(9)[:60])),
            ("/b/100.png cannot be read as an image: the PNG is truncated or damaged",),
        ),
        (
            lambda root: (make_classes(root, "ab", 2), (root / "b" / "c.png").symlink_to(root / "gone.png")),
            ("/b/c.png does not exist or is a broken link",),
        ),
        (lambda root: no_counterpart(root, "test"), ("/test/c has no counterpart in", "/train", "add training images")),
        (lambda root: no_counterpart(root, "train"), ("/train/c has no counterpart in", "/test", "add test images")),
        (only_test, ("has test/ but no train/", "or give")),
        (lambda root: (make_classes(root, "ab", 2), fill(root / "c\nd", [0, 1])), ("unprintable characters",)),
    ],
)  # fmt: skip
def test_bad_folders(tmp_path: Path, build: Callable[[Path], object], parts: tuple[str, ...]) -> None:
    root = tmp_path / "own"
    build(root)
    raises_sentence(lambda: folder_benchmark(root, "mini", None), *parts)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_classes(tmp_path, "ab", 2)

    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", deny)
    raises_sentence(lambda: folder_benchmark(tmp_path, "mini", None), tmp_path / "a" / "0.png", "Permission denied")
