"""ImageNet-R in 20 tasks: the mini tier's object classes, and the paper tier from a tree with the published lists."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import bench, refused
from photo_trees import make_imagenet_r, picture, state, wnid, write_list

from benchmarks.imagenet_r20 import BENCHMARK
from benchmarks.mini import object_tasks, objects
from benchmarks.mini.object_tasks import ObjectClasses, ObjectImages
from benchmarks.objects_tuning5 import BENCHMARK as TUNING
from benchmarks.paper_data.imagenet_r import TEST, TRAIN
from harness import doctor
from harness.data.class_files import FileImages
from harness.data.class_manifest import (
    PreparedClasses,
    manifest_path,
    prepare_classes,
    read_class_manifest,
    write_class_manifest,
)
from harness.data.class_tasks import ClassImages, ClassList, ClassTask, class_order
from harness.data.manifest import VARIABLE
from harness.errors import UsageError

PAPER = BENCHMARK.sources["paper"]
assert isinstance(PAPER, PreparedClasses)
CLASSES = 200


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageNet-R with three images of each class, and the lists beside it."""
    return make_imagenet_r(tmp_path_factory.mktemp("renditions"), CLASSES)


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 20 classes."""
    return make_imagenet_r(tmp_path_factory.mktemp("few"), 20)


@pytest.fixture
def own(few: Path, tmp_path: Path) -> Path:
    """A copy of `few` to spoil."""
    return shutil.copytree(few.parent, tmp_path / "own") / few.name


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where manifests go."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


def prepared(root: Path, seed: int = 0, lists: Path | None = None) -> list[ClassTask]:
    """The tasks of a tree."""
    write_class_manifest(prepare_classes(PAPER, root, lists))
    return list(PAPER.in_order(seed))


def refusal(call: Callable[[], object]) -> str:
    """The sentence of a `UsageError`."""
    with pytest.raises(UsageError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def pixels(images: ClassImages, split: Any) -> list[bytes]:
    return [images.image(split, k).tobytes() for k in range(len(images.labels(split)))]


# The mini tier


def test_the_mini_tier_has_twenty_tasks_of_two_classes() -> None:
    source = BENCHMARK.sources["mini"]
    assert isinstance(source, ClassList)
    assert BENCHMARK.setting == TUNING.setting == "classification"
    tasks = source.in_order(0)
    assert list(tasks) == list(source.tasks())
    assert [task.index for task in tasks] == list(range(1, 21))
    assert [name for task in tasks for name in task.classes] == list(objects.BENCHMARK_CLASSES)
    assert tasks[0].name == tasks[0].category == "fish, mushroom"
    for seed in (1, 2):
        shuffled = source.in_order(seed)
        assert [number for task in shuffled for number in task.numbers] == class_order(40, seed)
        assert all(
            task.classes == tuple(objects.BENCHMARK_CLASSES[number] for number in task.numbers) for task in shuffled
        )
        assert len({task.name for task in shuffled}) == 20


def test_the_tuning_benchmark_has_other_classes() -> None:
    assert TUNING.tuning
    assert list(TUNING.sources) == ["mini"]
    tasks = TUNING.tasks("mini")
    assert [len(task.classes) for task in tasks if isinstance(task, ClassTask)] == [2] * 5
    names = {name for task in tasks if isinstance(task, ClassTask) for name in task.classes}
    assert len(names) == 10
    assert names <= {c.name for c in objects.CLASSES} - set(objects.BENCHMARK_CLASSES)


def test_names_and_hash_are_those_of_the_objects() -> None:
    assert object_tasks.BENCHMARK == objects.BENCHMARK_CLASSES
    assert object_tasks.sources_hash() == objects.objects_hash()


def test_a_plan_needs_no_torch() -> None:
    program = (
        "import sys; from benchmarks import imagenet_r20, objects_tuning5\n"
        "for one in (imagenet_r20, objects_tuning5):\n"
        "    [task.images.fingerprint() for task in one.BENCHMARK.sources['mini'].in_order(1)]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_object_images_are_those_of_the_data_set() -> None:
    images = ObjectImages(("cat", "mug"), train=9, test=8)
    assert isinstance(images, ClassImages)
    assert (len(images), images.labels("train").tolist()) == (18, [0] * 9 + [1] * 9)
    assert images.labels("test").tolist() == [0] * 8 + [1] * 8
    expected, _ = objects.dataset("train", ["cat", "mug"], 9, 0)
    assert np.array_equal(np.stack([images.image("train", k) for k in range(18)]), expected)
    assert np.array_equal(images.load(64), expected)
    assert images.load(32).shape == (18, 32, 32, 3)
    test, _ = objects.dataset("test", ["cat", "mug"], 8, 0)
    assert np.array_equal(np.stack([images.image("test", k) for k in range(16)]), test)
    assert not set(pixels(images, "train")) & set(pixels(images, "test"))
    images.image("train", 0)[:] = 0  # the caller's own
    assert np.array_equal(images.image("train", 0), expected[0])
    for place in (18, -1):
        with pytest.raises(IndexError):
            images.image("train", place)
    there = pickle.loads(pickle.dumps(images))
    assert there == images
    assert there.fingerprint() == images.fingerprint()


def test_object_images_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    real = objects.dataset
    monkeypatch.setattr(objects, "dataset", lambda *arguments: (calls.append(arguments), real(*arguments))[1])
    object_tasks.images_of.cache_clear()
    for classes in (("cat", "key"), ("key", "hat"), ("cat", "hat")):
        pixels(ObjectImages(classes, train=2, test=1), "train")
    assert len(calls) == 3


def test_an_objects_fingerprint_has_all_that_determines_it(monkeypatch: pytest.MonkeyPatch) -> None:
    base = ObjectImages(("cat", "mug"))
    others = [
        ObjectImages(("mug", "cat")), ObjectImages(("cat", "key")), ObjectImages(("cat", "mug"), train=31),
        ObjectImages(("cat", "mug"), test=23), ObjectImages(("cat", "mug"), seed=1), ObjectImages(("cat",)),
    ]  # fmt: skip
    assert len({one.fingerprint() for one in (base, *others)}) == 7
    before = base.fingerprint()
    monkeypatch.setattr(object_tasks, "sources_hash", lambda: "edited")
    assert base.fingerprint() != before


def test_a_list_of_classes_that_do_not_divide() -> None:
    assert [len(task.classes) for task in ObjectClasses(("cat", "mug", "key"), 2).tasks()] == [2, 1]


# The paper tier


def test_the_published_lists_give_classes_labels_and_split(tree: Path) -> None:
    before = state(tree.parent)
    tasks = prepared(tree)
    assert len(tasks) == 20
    assert {len(task.classes) for task in tasks} == {10}
    assert [number for task in tasks for number in task.numbers] == list(range(CLASSES))
    # labels are the lists' own: the last folder has the label 0
    assert [name for task in tasks for name in task.classes] == [wnid(n) for n in reversed(range(CLASSES))]
    assert tasks[0].name == f"{wnid(199)}, {wnid(198)}, ... (10)"
    images = tasks[3].images
    assert isinstance(images, ClassImages)
    assert images.labels("train").tolist() == [label for label in range(10) for _ in range(2)]
    assert images.labels("test").tolist() == list(range(10))
    assert len(images) == 20
    assert images.image("test", 4).shape == (10, 12, 3)
    assert images.load(6).shape == (20, 6, 6, 3)
    assert isinstance(images, FileImages)
    for task in tasks:
        assert isinstance(task.images, FileImages)
        for one in task.images.classes:
            assert {Path(file.path).name for file in one.test} == {"art_2.jpg"}
            assert {Path(file.path).name for file in one.train} == {"art_0.jpg", "art_1.jpg"}
            assert {Path(file.path).parent.name for file in (*one.train, *one.test)} == {one.name}
    assert PAPER.note == (
        f"not the published split: {TRAIN} and {TEST}: 400 images to train and 200 to test, 200 classes"
    )
    assert state(tree.parent) == before
    starts = {1: [33, 146, 79, 19, 23], 2: [51, 94, 55, 35, 170]}
    for seed, start in starts.items():
        shuffled = [number for task in PAPER.in_order(seed) for number in task.numbers]
        assert shuffled[:5] == start
        assert sorted(shuffled) == list(range(CLASSES))
    there = pickle.loads(pickle.dumps(images))
    assert there.fingerprint() == images.fingerprint()
    assert pixels(there, "test") == pixels(images, "test")


def test_the_published_numbers_are_recognised(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.paper_data.imagenet_r.IMAGES", (40, 20))
    monkeypatch.setattr("benchmarks.paper_data.imagenet_r.CLASSES", 20)
    prepared(few)
    assert PAPER.note == ""


def test_without_lists_a_fifth_is_drawn_and_said(own: Path) -> None:
    (own.parent / TRAIN).unlink()
    (own.parent / TEST).unlink()
    tasks = prepared(own)
    assert [name for task in tasks for name in task.classes] == [wnid(number) for number in range(20)]
    assert PAPER.note == (
        "not the published split: a fifth of each class's images of 20 of 200 classes, drawn once, are the test set"
    )
    prints = [task.images.fingerprint() for task in tasks]
    for folder in own.iterdir():
        for k, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            path.rename(folder / f"renamed_{k}.jpg")
    assert [task.images.fingerprint() for task in prepared(own)] == prints


def test_the_order_of_the_lists_does_not_matter(own: Path) -> None:
    prints = [task.images.fingerprint() for task in prepared(own)]
    for name in (TRAIN, TEST):
        data, targets = (own.parent / name).read_text().removeprefix("data:\n").split("targets:\n")
        entries = zip(data.splitlines(), targets.splitlines(), strict=True)
        write_list(own.parent / name, [(path[2:], int(label[2:])) for path, label in reversed(list(entries))])
    assert [task.images.fingerprint() for task in prepared(own)] == prints


@pytest.mark.parametrize("place", ["beside", "inside", "elsewhere", "above"])
def test_where_the_lists_may_be(own: Path, place: str) -> None:
    given, root = None, own
    if place == "inside":
        for name in (TRAIN, TEST):
            (own.parent / name).rename(own / name)
    elif place == "elsewhere":
        given = own.parent / "splits"
        given.mkdir()
        for name in (TRAIN, TEST):
            (own.parent / name).rename(given / name)
    elif place == "above":
        root = own.parent
    assert prepared(root, lists=given)[0].classes[0] == wnid(19)


def test_class_names_come_from_the_readme(own: Path) -> None:
    (own / "README.txt").write_text(
        f"Below: the classes.\n\n{wnid(19)} great_white_shark\n{wnid(18)} crane\n{wnid(17)} crane\nn09999999 other\n"
    )
    names = [name for task in prepared(own) for name in task.classes]
    assert names[:4] == ["great white shark", f"crane ({wnid(18)})", f"crane ({wnid(17)})", wnid(16)]
    (own / "README.txt").write_bytes(b"\xff\xfe\x00broken")
    assert prepared(own)[0].classes[0] == wnid(19)


def test_a_fingerprint_changes_with_images_labels_and_split(own: Path) -> None:
    def print_of() -> str:
        return prepared(own)[0].images.fingerprint()

    found = {print_of()}
    (own / wnid(19) / "art_0.jpg").write_bytes(picture(5, 12, 10))
    found.add(print_of())
    train, test = own.parent / TRAIN, own.parent / TEST
    entries = [(f"data/imagenet-r/{wnid(19 - label)}/art_{k}.jpg", label) for label in range(20) for k in range(3)]
    write_list(train, [entry for entry in entries if "art_1" not in entry[0]])
    write_list(test, [entry for entry in entries if "art_1" in entry[0]])
    found.add(print_of())
    write_list(train, [(path, (label + 1) % 20) for path, label in entries if "art_1" not in path])
    write_list(test, [(path, (label + 1) % 20) for path, label in entries if "art_1" in path])
    found.add(print_of())
    assert len(found) == 4


def test_what_is_gone_or_changed_since_is_noticed(own: Path) -> None:
    images = prepared(own)[0].images
    (ready,) = (f for f in doctor.benchmarks({"paper": {"classification"}}) if f.name == "imagenet-r20, paper")
    assert (ready.state, ready.detail) == ("ready", "20 tasks, 40 images to train")
    path = own / wnid(19) / "art_0.jpg"
    path.write_bytes(picture(5, 40, 40))
    remedy = "restore it, or run `stamina-bench data prepare imagenet-r20 ...` again."
    assert refusal(images.fingerprint) == f"{path} changed since it was listed; {remedy}"
    (changed,) = (f for f in doctor.benchmarks({"paper": {"classification"}}) if f.name == "imagenet-r20, paper")
    assert (changed.state, changed.detail) == ("missing", f"{path} changed since it was listed")
    path.unlink()
    assert refusal(images.fingerprint) == f"{path} is missing since it was listed; {remedy}"


def test_it_is_not_prepared_yet() -> None:
    assert isinstance(PAPER, ClassList)
    assert PAPER.note == ""
    assert refusal(lambda: BENCHMARK.tasks("paper")) == (
        "'imagenet-r20' needs the images of ImageNet-R, which are not prepared; name their place with "
        "`stamina-bench data prepare imagenet-r20 --imagenet-r DIR`."
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda content: content.update(schema_version=2), "newer version"),
        (lambda content: content.update(name="other"), "describes 'other'"),
        (lambda content: content.update(root="relative"), "is damaged"),
        (lambda content: content.update(classes=content["classes"][:19]), "is damaged"),
        (lambda content: content["classes"][0]["test"].clear(), "is damaged"),
        (lambda content: content["classes"][0]["train"][0].update(path="../../etc/passwd"), "is damaged"),
        (lambda content: content["classes"][0]["train"][0].update(path="/etc/passwd"), "is damaged"),
        (lambda content: content["classes"][0]["train"].append(content["classes"][1]["test"][0]), "is damaged"),
        (lambda content: content["classes"][0].update(name=content["classes"][1]["name"]), "is damaged"),
        (lambda content: content["classes"][0].update(name="a\x1b[2Jb"), "is damaged"),
    ],
)
def test_a_manifest_that_was_tampered_with(few: Path, change: Callable[[Any], object], part: str) -> None:
    path = write_class_manifest(prepare_classes(PAPER, few))
    assert path == manifest_path("imagenet-r20")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    message = refusal(PAPER.tasks)
    assert str(path) in message
    assert part in message


def test_a_manifest_that_is_no_json(few: Path) -> None:
    path = write_class_manifest(prepare_classes(PAPER, few))
    path.write_bytes(b"\xff{")
    assert "is damaged; run `stamina-bench data prepare imagenet-r20 ...` again." in refusal(PAPER.tasks)
    assert PAPER.note == ""
    path.unlink()
    path.mkdir()
    assert "is damaged" in refusal(lambda: read_class_manifest("imagenet-r20"))


# What cannot be prepared


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def first(number: int) -> str:
    return f"data/imagenet-r/{wnid(number)}/art_0.jpg"


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (lambda own: shutil.rmtree(own), ("is no folder",)),
        (lambda own: [shutil.rmtree(one) for one in own.iterdir()], ("has no folder such as n01443537",)),
        (
            lambda own: [*(shutil.rmtree(one) for one in own.iterdir()), (own / "imagenet-r.tar").touch()],
            ("imagenet-r.tar; unpack that first",),
        ),
        (lambda own: (own.parent / TEST).unlink(), (f"has {TRAIN} but no {TEST}",)),
        (lambda own: (own.parent / TRAIN).unlink(), (f"has {TEST} but no {TRAIN}",)),
        (lambda own: (own / wnid(3) / "art_1.jpg").unlink(), (f"{wnid(3)}/art_1.jpg is missing; unpack",)),
        (lambda own: shutil.rmtree(own / wnid(3)), ("is missing, as are 2 more of the 60 listed images",)),
        (lambda own: (own / wnid(3) / "art_1.jpg").write_bytes(b"x"), ("art_1.jpg cannot be read as an image",)),
        (lambda own: edit(own.parent / TRAIN, first(0), "data/x.jpg"), (TRAIN, "has the entry 'data/x.jpg'")),
        (lambda own: edit(own.parent / TRAIN, first(0), f"x/{wnid(0)}/.."), (f"{wnid(0)}/.. is missing",)),
        (lambda own: edit(own.parent / TRAIN, first(0), first(1)), (TRAIN, "gives the label 19 to", wnid(1))),
        (
            lambda own: edit(own.parent / TRAIN, first(0), first(0).replace("_0", "_1")),
            (TRAIN, f"lists {wnid(0)}/art_1.jpg twice"),
        ),
        (
            lambda own: edit(own.parent / TEST, first(0).replace("_0", "_2"), first(0)),
            (TEST, f"lists {wnid(0)}/art_0.jpg, as does {TRAIN}"),
        ),
        (lambda own: edit(own.parent / TEST, "- 19\n", "- 20\n"), (f"give {wnid(0)} the labels 19 and 20",)),
        (lambda own: edit(own.parent / TRAIN, "targets:", "labels:"), (TRAIN, "is not YAML with as many `targets`")),
        (lambda own: edit(own.parent / TRAIN, "- 19\n", ""), (TRAIN, "is not YAML with as many `targets`")),
        (lambda own: edit(own.parent / TRAIN, "- 19\n", "- nineteen\n"), (TRAIN, "is not YAML with as many")),
        (lambda own: edit(own.parent / TRAIN, "- 19\n", "- true\n"), (TRAIN, "is not YAML with as many")),
        (lambda own: edit(own.parent / TRAIN, f"- {first(0)}", "- 7"), (TRAIN, "is not YAML with as many")),
        (lambda own: edit(own.parent / TRAIN, "data:", "data: ["), (TRAIN, "is not YAML")),
        (
            lambda own: edit(own.parent / TRAIN, f"- {first(0)}", "- !!python/object/apply:os.system ['true']"),
            (TRAIN, "is not YAML"),
        ),
        (lambda own: (own.parent / TRAIN).write_bytes(b"\xff\xfe\x00"), (TRAIN, "is not YAML")),
        (lambda own: (own.parent / TRAIN).write_text("- 1\n"), (TRAIN, "is not YAML")),
        (lambda own: (own.parent / TRAIN).write_text("#" * (1 << 24) + "\n"), (TRAIN, "is not YAML")),
    ],
)  # fmt: skip
def test_what_cannot_be_prepared(own: Path, spoil: Callable[[Path], object], parts: tuple[str, ...]) -> None:
    spoil(own)
    message = refusal(lambda: prepare_classes(PAPER, own))
    for part in parts:
        assert part in message, message


def relabelled(own: Path, change: Callable[[int, str], int | None]) -> None:
    """Write both lists again with other labels, or without entries."""
    for name, images in ((TRAIN, (0, 1)), (TEST, (2,))):
        entries = [
            (f"{wnid(n)}/art_{k}.jpg", label)
            for n in range(20)
            for k in images
            if (label := change(n, name)) is not None
        ]
        write_list(own.parent / name, entries)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda n, name: n + 1, (TRAIN, "have no label 0 among 20")),
        (lambda n, name: n - 1, (TRAIN, "have no label 19 among 20")),
        (lambda n, name: None if n == 4 and name == TEST else n, (TEST, f"lists no image of {wnid(4)}, label 4")),
        (lambda n, name: None if n == 4 and name == TRAIN else n, (TRAIN, f"lists no image of {wnid(4)}, label 4")),
        (lambda n, name: None if n == 19 else n, ("has 19 classes, and 'imagenet-r20' has 20 tasks",)),
    ],
)
def test_labels_that_do_not_fit(own: Path, change: Callable[[int, str], int | None], parts: tuple[str, ...]) -> None:
    relabelled(own, change)
    message = refusal(lambda: prepare_classes(PAPER, own))
    for part in parts:
        assert part in message, message


def test_a_class_with_two_labels(own: Path) -> None:
    entries = [(f"{wnid(n)}/art_{k}.jpg", n) for n in range(20) for k in range(3)]
    twice = [(f"{wnid(0)}/art_{k}.jpg", 20) for k in (3, 4)]
    write_list(own.parent / TRAIN, [*(entry for entry in entries if "art_2" not in entry[0]), twice[0]])
    write_list(own.parent / TEST, [*(entry for entry in entries if "art_2" in entry[0]), twice[1]])
    message = refusal(lambda: prepare_classes(PAPER, own))
    assert f"give {wnid(0)} the labels 0 and 20" in message


def test_other_folders_than_asked_for(own: Path, tmp_path: Path) -> None:
    assert "is the folder of one class; give the one above it" in refusal(lambda: prepare_classes(PAPER, own / wnid(3)))
    assert f"--split-lists {tmp_path} has no {TRAIN}" in refusal(lambda: prepare_classes(PAPER, own, tmp_path))
    for name in (TRAIN, TEST):
        (own.parent / name).unlink()
    for path in (own / wnid(3)).iterdir():
        path.unlink()
    assert f"{wnid(3)} holds no images" in refusal(lambda: prepare_classes(PAPER, own))
    (own / wnid(3) / "art_0.jpg").write_bytes(picture(0))
    assert f"{wnid(3)} has only one image" in refusal(lambda: prepare_classes(PAPER, own))


# The command


def test_prepare_list_and_check(own: Path, data: Path) -> None:
    assert bench("data", "list")[0] == 0
    rows = {row["name"]: row for row in json.loads(bench("data", "list", "--json")[1])["benchmarks"]}
    assert rows["imagenet-r20"]["state"] == "missing"
    assert rows["imagenet-r20"]["remedy"] == "stamina-bench data prepare imagenet-r20 --imagenet-r DIR"
    code, said = bench("data", "prepare", "imagenet-r20", "--imagenet-r", own)
    assert code == 0, said
    assert "ImageNet-R: not the published split" in said
    assert "20 classes, 40 images to train, 20 to test; manifest: " in said
    code, said = bench("data", "list")
    assert code == 0
    assert "prepared" in said
    rows = {row["name"]: row for row in json.loads(bench("data", "list", "--json")[1])["benchmarks"]}
    assert (rows["imagenet-r20"]["state"], rows["imagenet-r20"]["images"]) == ("prepared", 60)
    assert rows["imagenet-r20"]["origins"][0]["root"] == str(own)
    assert bench("data", "check", "imagenet-r20") == (0, "60 of 60 images of imagenet-r20 are as they were prepared.\n")
    (own / wnid(0) / "art_0.jpg").write_bytes(picture(5))
    code, said = bench("data", "check", "imagenet-r20")
    assert code == 1
    assert "changed since it was listed" in said
    assert "59 of 60 images" in said
    (data / "classes" / "imagenet-r20.json").write_text("{}")
    rows = {row["name"]: row for row in json.loads(bench("data", "list", "--json")[1])["benchmarks"]}
    assert rows["imagenet-r20"]["state"] == "damaged"


def test_prepare_elsewhere_as_json(own: Path, tmp_path: Path) -> None:
    place = tmp_path / "other"
    code, said = bench("data", "prepare", "imagenet-r20", "--imagenet-r", own, "-o", place, "--json")
    assert code == 0, said
    assert f"`run` finds it with {VARIABLE}={place}" in said
    answer = json.loads(said[said.index("{") :])
    assert (answer["train"], answer["test"], len(answer["classes"])) == (40, 20, 20)
    assert answer["manifest"] == str(place / "classes" / "imagenet-r20.json")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("imagenet-r20", ("takes ImageNet-R", "--imagenet-r DIR", "MIT")),
        ("imagenet-r20 --imagenet-r {few} --gldv2 {few}", ("'imagenet-r20' takes no --gldv2",)),
        ("imagenet-r20 --imagenet-r {few} --people {few}", ("'imagenet-r20' takes no --people",)),
        ("imagenet-r20 --imagenet-r {few} --seed 3", ("'imagenet-r20' takes no --seed",)),
        ("imagenet-r20 --imagenet-r {few} --min-images 3", ("'imagenet-r20' takes no --min-images",)),
        ("celebahq20 --celeba-hq {few} --imagenet-r {few}", ("'celebahq20' takes no --imagenet-r",)),
        ("celebahq20 --celeba-hq {few} --split-lists {few}", ("'celebahq20' takes no --split-lists",)),
        ("imagenet-r20 --hf {few}", ("'imagenet-r20' is a registered benchmark",)),
        ("imagenet-r21 --imagenet-r {few}", ("did you mean imagenet-r20",)),
    ],
)
def test_what_is_asked_wrongly(few: Path, arguments: str, parts: tuple[str, ...]) -> None:
    refused(bench("data", "prepare", *arguments.format(few=few).split()), *parts)
