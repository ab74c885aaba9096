"""`data`: from a data set's own files by prepare, list, check and doctor to a run; nothing in the data is touched."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import bench, call, refused
from photo_trees import make_celeba_hq, make_gldv2, picture, state
from PIL import Image
from pydantic import ValidationError

from harness import doctor
from harness.data.manifest import Photo, data_folder, read_manifest, tasks_of
from harness.errors import UsageError
from harness.spec import SettingName

PEOPLE = {number: 15 + number % 3 for number in range(1, 28)}
FALLS = {number: 15 + number % 2 for number in range(101, 128)}

Say = Callable[..., tuple[int, str]]


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CelebA-HQ and GLDv2 in small, enough for every benchmark."""
    root = tmp_path_factory.mktemp("sets")
    make_celeba_hq(root / "celeba", PEOPLE)
    make_gldv2(root / "gldv2", FALLS)
    return root


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CelebA-HQ with three images of each of 21 people."""
    return make_celeba_hq(tmp_path_factory.mktemp("few") / "celeba", dict.fromkeys(range(1, 22), 3))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing may ask a server, also where a library would swallow that it failed."""
    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not asked


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """The command line with a folder of manifests of its own."""
    monkeypatch.setenv("STAMINA_BENCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return bench


@pytest.fixture
def celebahq20(say: Say, few: Path, tmp_path: Path) -> Path:
    """celebahq20 prepared with three images each, of a copy that a test may change."""
    shutil.copytree(few, tmp_path / "faces")
    code, said = say("data", "prepare", "celebahq20", "--celeba-hq", tmp_path / "faces", "--min-images", 3)
    assert code == 0, said
    return tmp_path / "faces"


def as_json(*arguments: object, code: int = 0) -> Any:
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, *arguments) == code, (out.getvalue(), err.getvalue())
    return json.loads(out.getvalue())


def run_of(models: Path, benchmark: str, output: Path, *more: object, tier: str = "paper") -> list[object]:
    return [
        "run", benchmark, "--tier", tier, "-m", "ti++", "--limit", 2, "--backbone", models / "sd", "--extractor",
        models / "clip", "--device", "cpu", "-o", output, "--set", "steps=2", "--set", "batch_size=2",
        "--set", "sampling.steps=2", "--set", "sampling.images=2", "--jobs", 1, *more,
    ]  # fmt: skip


def owed(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# From the data sets' files to a report


def test_from_the_sets_files_to_a_report(say: Say, sets: Path, tiny_models: Path, tmp_path: Path) -> None:
    before = state(sets)
    faces, falls = ("--celeba-hq", sets / "celeba"), ("--gldv2", sets / "gldv2")
    code, said = say("data", "prepare", "mixed50", *faces, *falls)
    assert code == 0, said
    assert "mixed50: 50 concepts, 750 images" in said
    assert "25 of the 27 with at least 15 images, by seed 0; 15 images of each" in said
    assert "non-commercial research only" in said
    assert "asks for attribution" in said
    assert "without their consent" in said
    assert "750 of 750 images are smaller than 512 px" in said
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mixed50.json"]
    assert (tmp_path / "data" / "mixed50.json").stat().st_size < 600_000

    drawn: set[SettingName] = {"customization"}
    found = {finding.name: finding for finding in doctor.benchmarks({"mini": drawn, "paper": drawn})}
    assert found["mixed50, paper"].state == "ready"
    assert found["mixed50, paper"].detail.startswith("50 tasks, 750 images of CelebA-HQ in ")
    assert found["celebahq20, paper"].state == "missing"
    assert found["celebahq20, paper"].remedy.endswith("`stamina-bench data prepare celebahq20 --celeba-hq DIR`")
    (waiting,) = [f for f in doctor.benchmarks({"paper": set()}) if f.name == "mixed50, paper"]
    assert "but the tier's models are not ready" in waiting.detail

    code, said = say(*run_of(tiny_models, "mixed50", tmp_path / "runs"))
    assert code == 0, said
    assert "partial: tasks 1-2 of 50" in said
    rows = owed(tmp_path / "runs" / "attribution" / "mixed50.csv")
    assert len(rows) == 30
    assert {row["source"] for row in rows} == {"CelebA-HQ", "Google Landmarks v2"}
    fall = next(row for row in rows if row["source"] == "Google Landmarks v2")
    assert fall["author"].startswith("Doe, Jané")
    assert fall["licence"] == "https://creativecommons.org/licenses/by/3.0/"
    assert fall["url"].startswith("https://commons.wikimedia.org/")
    real = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "store").rglob("manifest.json")]
    (first, second) = [entry for entry in real if entry["recipe"]["kind"] == "real"]
    assert sum("images/" in name for name in first["files"]) == sum("images/" in name for name in second["files"]) == 15
    assert "Nothing to do" in say(*run_of(tiny_models, "mixed50", tmp_path / "runs"))[1]

    code, said = say("report", tmp_path / "runs", "-o", tmp_path / "report", "--format", "html")
    assert code == 0, said
    assert owed(tmp_path / "report" / "attribution" / "mixed50.csv") == rows
    say("report", tmp_path / "runs", "-o", tmp_path / "tables", "--format", "latex")
    assert not (tmp_path / "tables" / "attribution").exists()
    assert state(sets) == before


def test_longer_runs_add_to_the_attribution(celebahq20: Path, say: Say, tiny_models: Path, tmp_path: Path) -> None:
    from harness.data.manifest import prepared_benchmark
    from harness.records.attribution import keep_attribution

    own = prepared_benchmark("celebahq20", "paper")
    assert own is not None
    tasks = own.tasks("paper")

    class Cell:
        def __init__(self, some: Any) -> None:
            self.benchmark, self.base, self.tasks = "celebahq20-order2", "celebahq20", some

    (path,) = keep_attribution(tmp_path, [Cell(tasks[:2])])  # type: ignore[list-item]
    stamp = path.stat().st_mtime_ns
    keep_attribution(tmp_path, [Cell(tasks[1:2])])  # type: ignore[list-item]
    assert path.stat().st_mtime_ns == stamp
    keep_attribution(tmp_path, [Cell(tasks[2:3])])  # type: ignore[list-item]
    assert len(owed(path)) == 9
    assert path.name == "celebahq20.csv"
    assert {row["licence"] for row in owed(path)} == {tasks[0].images.origin.terms}  # type: ignore[attr-defined]


def test_images_load_as_photographs_do_and_travel_to_workers(celebahq20: Path) -> None:
    from harness.data.images.decoding import load_image

    manifest = read_manifest("celebahq20")
    assert manifest is not None
    images = pickle.loads(pickle.dumps(tasks_of(manifest)[0].images))
    loaded = images.load(16)
    assert loaded.shape == (len(images), 16, 16, 3)
    for pixels, photo in zip(loaded, manifest.tasks[0].images, strict=True):
        np.testing.assert_array_equal(pixels, load_image(celebahq20 / photo.path, 16))


def test_the_fingerprint_is_of_bytes_and_not_of_places(celebahq20: Path, say: Say, tmp_path: Path) -> None:
    def prints() -> list[str]:
        manifest = read_manifest("celebahq20")
        assert manifest is not None
        return [task.images.fingerprint() for task in tasks_of(manifest)]

    before = prints()
    celebahq20.rename(tmp_path / "moved")
    assert say("data", "prepare", "celebahq20", "--celeba-hq", tmp_path / "moved", "--min-images", 3)[0] == 0
    assert prints() == before
    path = tmp_path / "moved" / tasks_of_first()
    path.write_bytes(picture(99999))
    assert say("data", "prepare", "celebahq20", "--celeba-hq", tmp_path / "moved", "--min-images", 3)[0] == 0
    after = prints()
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def tasks_of_first() -> str:
    """The path of the first image of the first task."""
    manifest = read_manifest("celebahq20")
    assert manifest is not None
    return manifest.tasks[0].images[0].path


# Photographs that changed since


def other_bytes(path: Path) -> None:
    """Another file of the same size."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda path: path.unlink(), "is missing since 'celebahq20' was prepared"),
        (lambda path: path.write_bytes(picture(1, 40, 40)), "changed since 'celebahq20' was prepared"),
        (other_bytes, "changed since 'celebahq20' was prepared"),
        (lambda path: (path.unlink(), path.mkdir()), "changed since 'celebahq20' was prepared"),
    ],
)
def test_a_run_and_doctor_notice_what_changed(
    celebahq20: Path, say: Say, tiny_models: Path, tmp_path: Path, change: Callable[[Path], object], part: str
) -> None:
    path = celebahq20 / tasks_of_first()
    change(path)
    said = say(*run_of(tiny_models, "celebahq20", tmp_path / "runs"))
    refused(said, str(path), part, "stamina-bench data prepare celebahq20")
    code, text = say("data", "check", "celebahq20")
    assert code == 1
    assert str(path) in text
    assert "59 of 60 images" in text
    answer = as_json("data", "check", "celebahq20", "--json", code=1)
    assert (answer["whole"], len(answer["found"])) == (59, 1)
    found = {finding.name: finding for finding in doctor.benchmarks({"paper": {"customization"}})}
    assert found["celebahq20, paper"].state == "missing"
    assert str(path) in found["celebahq20, paper"].detail
    assert "data prepare" in found["celebahq20, paper"].remedy


def test_a_file_that_was_only_copied_anew_is_no_change(
    celebahq20: Path, say: Say, tiny_models: Path, tmp_path: Path
) -> None:
    path = celebahq20 / tasks_of_first()
    path.touch()
    code, said = say(*run_of(tiny_models, "celebahq20", tmp_path / "runs", "--dry-run"))
    assert code == 0, said
    assert say("data", "check", "celebahq20") == (0, "60 of 60 images of celebahq20 are as they were prepared.\n")


def test_a_change_with_its_time_put_back_is_noticed_when_it_is_loaded(celebahq20: Path, tmp_path: Path) -> None:
    import os

    manifest = read_manifest("celebahq20")
    assert manifest is not None
    path = celebahq20 / manifest.tasks[0].images[0].path
    seen = path.stat()
    other_bytes(path)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    images = tasks_of(manifest)[0].images
    images.fingerprint()  # cheap, and deceived
    with pytest.raises(UsageError, match=f"{path.name} changed since"):
        images.load(8)


def test_planning_reads_no_photograph(celebahq20: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    manifest = read_manifest("celebahq20")
    assert manifest is not None
    assert len({task.images.fingerprint() for task in tasks_of(manifest)}) == 20


# What is asked for


def test_a_benchmark_without_its_photographs_says_how_to_prepare_it(
    say: Say, tiny_models: Path, tmp_path: Path
) -> None:
    for name, options in (
        ("celebahq20", "--celeba-hq DIR"), ("landmarks20", "--gldv2 DIR"), ("mixed50", "--celeba-hq DIR --gldv2 DIR")
    ):  # fmt: skip
        said = say(*run_of(tiny_models, name, tmp_path / "runs"))
        refused(said, f"'{name}' needs photographs of", f"`stamina-bench data prepare {name} {options}`")


def test_own_lists_and_numbers(say: Say, few: Path, tmp_path: Path) -> None:
    listing = tmp_path / "people.txt"
    listing.write_text("\n".join(str(number) for number in range(20, 0, -1)))
    arguments = ("data", "prepare", "celebahq20", "--celeba-hq", few, "--min-images", 3, "--json")
    answer = as_json(*arguments, "--people", listing, "--images-per-concept", 2)
    assert [task["id"] for task in answer["tasks"]] == [str(number) for number in range(20, 0, -1)]
    assert {task["images"] for task in answer["tasks"]} == {2}
    drawn, other = as_json(*arguments), as_json(*arguments, "--seed", 1)
    assert drawn["images"] == 60
    assert drawn["tasks"] != other["tasks"]
    again = as_json(*arguments, "--people", answer["manifest"])  # by now that of seed 1: all prepare the same name
    assert again["tasks"] == other["tasks"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("celebahq20", ("takes CelebA-HQ", "--celeba-hq DIR", "CelebAMask-HQ", "non-commercial")),
        ("mixed50 --celeba-hq {sets}/celeba", ("takes Google Landmarks v2", "--gldv2 DIR", "google-landmark")),
        ("celebahq20 --celeba-hq {sets}/celeba --gldv2 {sets}/gldv2", ("takes no --gldv2", "leave it out")),
        ("landmarks20 --gldv2 {sets}/gldv2 --people x.txt", ("takes no --people", "leave it out")),
        ("celebahq20 --celeba-hq {sets}/gldv2", ("--celeba-hq {sets}/gldv2 has no CelebA-HQ-img", "unpack")),
        ("landmarks20 --gldv2 {sets}/celeba", ("--gldv2 {sets}/celeba has neither", "get the tables")),
        ("celebahq20 --celeba-hq {sets}/celeba --min-images 17", ("lists 9 people with at least 17", "20 are needed")),
        ("celebahq20 --celeba-hq {sets}/celeba --min-images 1", ("--min-images", "--help")),
        ("tuning18 --celeba-hq {sets}/celeba", ("'tuning18' is not prepared from photographs", "celebahq20, landm")),
        ("celebahq --celeba-hq {sets}/celeba", ("did you mean celebahq20", "--hf FOLDER_OR_ID")),
        ("../evil --hf {sets}/celeba", ("'../evil' cannot name a benchmark", "letters")),
        ("mixed50 --hf {sets}/celeba", ("'mixed50' is a registered benchmark", "another name")),
        ("own --hf {sets}/celeba --gldv2 {sets}/gldv2", ("--hf goes without", "one source")),
        ("own --hf {sets}/celeba --category x --category-column y", ("--category or --category-column", "not both")),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(say: Say, sets: Path, arguments: str, parts: tuple[str, ...]) -> None:
    words = arguments.format(sets=sets).split()
    refused(say("data", "prepare", *words), *(part.format(sets=sets) for part in parts))


def test_the_list_says_what_is_prepared_and_where_to_get_the_rest(celebahq20: Path, say: Say, tmp_path: Path) -> None:
    (tmp_path / "data" / "broken.json").write_text("{}")
    code, said = say("data", "list")
    assert code == 0
    assert f"Manifests are in {tmp_path / 'data'}." in said
    assert "Google Landmarks v2 is to be had: the tables" in said
    answer = as_json("data", "list", "--json")
    assert answer["folder"] == str(tmp_path / "data")
    rows = {row["name"]: row for row in answer["benchmarks"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "celebahq20": "prepared", "landmarks20": "missing", "mixed50": "missing", "broken": "damaged",
        "imagenet-r20": "missing",
    }  # fmt: skip
    assert (rows["celebahq20"]["concepts"], rows["celebahq20"]["images"]) == (20, 60)
    assert rows["celebahq20"]["origins"][0]["root"] == str(celebahq20)
    assert rows["landmarks20"]["remedy"] == "stamina-bench data prepare landmarks20 --gldv2 DIR"
    assert "attribution" in rows["landmarks20"]["origins"][0]["terms"]
    assert "broken.json is damaged" in rows["broken"]["remedy"]


def test_the_folder_of_the_manifests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STAMINA_BENCH_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert data_folder() == tmp_path / ".local" / "share" / "stamina-bench"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == tmp_path / ".local" / "share" / "stamina-bench"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_folder() == tmp_path / "xdg" / "stamina-bench"
    monkeypatch.setenv("STAMINA_BENCH_DATA_DIR", "~/here")
    assert data_folder() == tmp_path / "here"
    assert data_folder(tmp_path / "given") == tmp_path / "given"


def test_another_folder_of_manifests_is_said(say: Say, sets: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    code, said = say("data", "prepare", "landmarks20", "--gldv2", sets / "gldv2", "-o", place)
    assert code == 0
    assert f"STAMINA_BENCH_DATA_DIR={place}" in said
    assert (place / "landmarks20.json").is_file()
    (tmp_path / "taken").write_text("a file")
    said = say("data", "prepare", "landmarks20", "--gldv2", sets / "gldv2", "-o", tmp_path / "taken")
    refused(said, str(tmp_path / "taken"), "cannot be written", "--data-dir")


# Manifests


def test_damaged_newer_and_misnamed_manifests(celebahq20: Path, say: Say, tiny_models: Path, tmp_path: Path) -> None:
    path = tmp_path / "data" / "celebahq20.json"
    whole = path.read_text()
    content = json.loads(whole)
    run = run_of(tiny_models, "celebahq20", tmp_path / "runs")
    again = "run `stamina-bench data prepare celebahq20 ...` again"
    for text in ("", whole[:1000], "[]", json.dumps({**content, "tasks": []}), json.dumps({**content, "extra": 1})):
        path.write_text(text)
        refused(say(*run), f"{path} is damaged", again)
    path.write_bytes(b"\xff\xfe")
    refused(say(*run), f"{path} is damaged", again)
    path.write_text(json.dumps({**content, "schema_version": 2}))
    refused(say(*run), f"{path} was written by a newer version", "install")
    path.rename(path.with_name("mixed50.json")).write_text(whole)
    refused(say(*run_of(tiny_models, "mixed50", tmp_path / "runs")), "mixed50.json describes 'celebahq20'", "prepare")
    refused(say("data", "check", "celebhq20"), "Unknown prepared benchmark 'celebhq20'")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret.png", "a/../../b.png", "C:\\x.png", "..\\x.png", "\\\\host\\x", "."]
)
def test_a_manifest_of_others_leads_nowhere_else(path: str) -> None:
    good = {"sha256": "0" * 64, "bytes": 1, "width": 1, "height": 1}
    Photo.model_validate({**good, "path": "a/b.png"})
    with pytest.raises(ValidationError):
        Photo.model_validate({**good, "path": path})
    with pytest.raises(ValidationError):
        Photo.model_validate({**good, "path": "a.png", "row": 1})
    with pytest.raises(ValidationError):
        Photo.model_validate(good)


# Hugging Face datasets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image folder of three concepts, one of them with a single image."""
    root = tmp_path / "photos"
    for place, (concept, count) in enumerate({"duck_toy": 4, "max": 3, "vase": 1}.items()):
        (root / concept).mkdir(parents=True)
        for number in range(count):
            (root / concept / f"{number}.jpg").write_bytes(picture(10 * place + number, 20, 20))
    return root


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """A data set in Parquet as the hub has them: bytes in rows, class labels, two splits, a card."""
    import datasets

    features = datasets.Features(
        {"photo": datasets.Image(), "who": datasets.ClassLabel(names=["ann", "bob"]), "kind": datasets.Value("string")}
    )
    rows = {
        "photo": [{"bytes": picture(number, 24, 20), "path": None} for number in range(8)],
        "who": [number % 2 for number in range(8)],
        "kind": ["dog" if number % 2 else "cat" for number in range(8)],
    }
    root = tmp_path / "table"
    (root / "data").mkdir(parents=True)
    for split in ("train", "test"):
        datasets.Dataset.from_dict(rows, features=features).to_parquet(
            root / "data" / f"{split}-00000-of-00001.parquet"
        )
    (root / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Card\n")
    return root


def test_an_image_folder_is_a_benchmark_at_any_tier(
    folder: Path, say: Say, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    before = state(folder)
    code, said = say("data", "prepare", "pets", "--hf", folder)
    assert code == 0, said
    assert "pets: 2 concepts, 7 images" in said
    assert "1 concept with too few images left out: vase." in said
    assert not (tmp_path / "cache").exists() or not [*(tmp_path / "cache").rglob("*.arrow")]
    manifest = read_manifest("pets")
    assert manifest is not None
    assert [(task.name, task.category, len(task.images)) for task in manifest.tasks] == [
        ("duck_toy", "duck toy", 4), ("max", "max", 3),
    ]  # fmt: skip
    assert [photo.path for photo in manifest.tasks[1].images] == ["max/0.jpg", "max/1.jpg", "max/2.jpg"]
    code, said = say(*run_of(tiny_models, "pets", tmp_path / "runs"))
    assert code == 0, said
    assert (tmp_path / "runs" / "attribution" / "pets.csv").is_file()
    (finding,) = doctor.prepared_benchmarks()
    assert (finding.name, finding.state) == ("pets, any tier", "ready")
    assert finding.detail.startswith("2 tasks, 7 images of photos in ")
    (folder / "max" / "1.jpg").unlink()
    (finding,) = doctor.prepared_benchmarks()
    assert finding.state == "missing"
    before.pop(str(folder / "max" / "1.jpg"))
    after = state(folder)
    assert {path: after[path] for path in before if path != str(folder / "max")} == {
        path: before[path] for path in before if path != str(folder / "max")
    }


def test_rows_of_parquet_are_loaded_again_and_held_against_their_hash(
    parquet: Path, say: Say, tiny_models: Path, tmp_path: Path
) -> None:
    columns = ("--concept-column", "who", "--image-column", "photo", "--category-column", "kind")
    before = state(parquet)
    code, said = say("data", "prepare", "who", "--hf", parquet, *columns, "--split", "test")
    assert code == 0, said
    assert "Terms: cc-by-4.0" in said
    manifest = read_manifest("who")
    assert manifest is not None
    assert [(task.name, task.category) for task in manifest.tasks] == [("ann", "cat"), ("bob", "dog")]
    assert [photo.row for photo in manifest.tasks[1].images] == [1, 3, 5, 7]
    table = manifest.origins["hf"].table
    assert table is not None
    assert (table.split, [file.path for file in table.files]) == ("test", ["data/test-00000-of-00001.parquet"])
    images = pickle.loads(pickle.dumps(tasks_of(manifest)[1].images))
    expected = [
        np.asarray(Image.open(io.BytesIO(picture(number, 24, 20))).crop((2, 0, 22, 20))) for number in (1, 3, 5, 7)
    ]
    np.testing.assert_array_equal(images.load(20), expected)
    code, said = say(*run_of(tiny_models, "who", tmp_path / "runs", tier="mini"))
    assert code == 0, said
    assert state(parquet) == before
    changed = manifest.model_dump(mode="json")
    changed["tasks"][0]["images"][0]["row"] = 2  # another image of the same table
    (tmp_path / "data" / "who.json").write_text(json.dumps(changed))
    code, said = say("data", "check", "who")
    assert (code, "Row 2 of table changed since 'who' was prepared" in said) == (1, True)
    changed["tasks"][0]["images"][0]["row"] = 800
    (tmp_path / "data" / "who.json").write_text(json.dumps(changed))
    assert "no row 800 any more" in say("data", "check", "who")[1]
    file = parquet / "data" / "test-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    refused(say(*run_of(tiny_models, "who", tmp_path / "runs", tier="mini")), str(file), "changed since 'who'")


def test_rows_and_files_that_do_not_match_are_named(folder: Path, say: Say) -> None:
    (folder / "vase" / "0.jpg").rename(folder / "0.jpg")
    for concept in ("duck_toy", "max"):
        for path in [*(folder / concept).iterdir()]:
            path.rename(folder / f"{concept}_{path.name}")
    names = sorted(path.name for path in folder.glob("*_*.jpg"))
    rows = [f"{name},{name.rpartition('_')[0]}" for name in names]
    table = folder / "metadata.csv"
    table.write_text("\n".join(["file_name,label", *rows, "max_0.jpg,max", "duck_toy_1.jpg,max"]))
    notes = as_json("data", "prepare", "pets", "--hf", folder, "--json")["notes"]
    assert notes == [
        "1 picture is more than once in a concept, and each counts: rows 4 and 7 of max; remove the others.",
        "1 picture is in more than one concept, and right in one at most: rows 1 and 8 (duck_toy and max); remove the "
        "others.",
        f"1 image is in no row of the table in {folder}, and not used: 0.jpg; add rows for what is meant.",
    ]
    (folder / "0.jpg").unlink()
    table.write_text("\n".join(["file_name,label", *rows]).replace("max_2.jpg,max", "max_2.jpg,Max"))
    with table.open("a") as stream:
        picture_of = folder / "max_3.jpg"
        picture_of.write_bytes(picture(99, 20, 20))
        stream.write("\nmax_3.jpg,Max\n")
    notes = as_json("data", "prepare", "pets", "--hf", folder, "--json")["notes"]
    assert notes == ["Concepts whose names differ in case only are kept apart: Max and max."]


def test_draws_and_words_of_the_users(folder: Path, say: Say) -> None:
    arguments = ("data", "prepare", "pets", "--hf", folder, "--json")
    some = as_json(*arguments, "--concepts", 1, "--images-per-concept", 2, "--category", "toy")
    assert (len(some["tasks"]), some["images"]) == (1, 2)
    manifest = read_manifest("pets")
    assert manifest is not None
    assert manifest.tasks[0].category == "toy"
    assert "1 drawn by seed 0; 2 images of each" in manifest.origins["hf"].drawn
    assert as_json(*arguments, "--min-images", 4)["images"] == 4
    odd = folder / "max" / "0.jpg"
    Image.open(odd).convert("CMYK").save(odd)
    assert as_json(*arguments)["notes"] == [
        "1 concept with too few images left out: vase.",
        f"{odd} is CMYK without a colour profile; its colours are approximate, so save it as RGB if they matter.",
    ]
    (folder / "max").rename(folder / "10_sks cat")
    code, said = say("data", "prepare", "pets", "--hf", folder)
    assert code == 0
    assert "A category word is not plainly the concept's name: cat (of '10_sks cat'); another comes from --cat" in said
    (folder / "10_sks cat").rename(folder / "0001")
    refused(say("data", "prepare", "pets", "--hf", folder), "The concept '0001'", "no word in its name", "--category")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("--hf {tmp}/none", ("--hf {tmp}/none is no folder", "hub id")),
        ("--hf {tmp}/photos/max/0.jpg", ("0.jpg is no folder", "hub id")),
        ("--hf nobody/nothing", ("--hf nobody/nothing is neither a folder nor a data set", "--no-offline")),
        ("--hf {tmp}/photos --revision main", ("--revision main is for a hub id", "leave it out")),
        ("--hf {tmp}/photos --split test", ("has no split 'test'", "use --split train")),
        ("--hf {tmp}/photos --concept-column lable", ("no column 'lable' for --concept-column", "did you mean label?")),
        ("--hf {tmp}/photos --image-column zzz", ("no column 'zzz' for --image-column", "it has image, label")),
        ("--hf {tmp}/photos --category-column zzz", ("no column 'zzz' for --category-column", "it has")),
        ("--hf {tmp}/photos --category dog2", ("--category gives the category 'dog2'", "letters")),
        ("--hf {tmp}/photos --concepts 3", ("has 2 concepts with at least 2 images, of 3, and 3 are needed", "lower")),
        ("--hf {tmp}/photos --min-images 5", ("has 0 concepts with at least 5", "--min-images")),
        ("--hf {tmp}/photos --image-column label", ("Column 'label'", "holds no images")),
        ("--hf {tmp}/empty", ("holds neither images nor Parquet files", "sub-folder")),
        ("--hf {tmp}/bad", ("--hf {tmp}/bad cannot be read", "check its files")),
    ],
)
def test_sources_that_cannot_be_used(
    folder: Path, say: Say, tmp_path: Path, arguments: str, parts: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.parquet").write_bytes(b"no parquet")
    words = arguments.format(tmp=tmp_path).split()
    refused(say("data", "prepare", "own", *words), *(part.format(tmp=tmp_path) for part in parts))


def test_tables_that_contradict_themselves(folder: Path, parquet: Path, say: Say, tmp_path: Path) -> None:
    columns = ("--concept-column", "kind", "--image-column", "photo", "--category-column")
    said = say("data", "prepare", "own", "--hf", parquet, *columns, "who")
    assert said[0] == 0  # one who of each kind
    lines = ["file_name,label,kind"]
    lines += [f"max/{number}.jpg,max,{'dog' if number else 'cat'}" for number in range(3)]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    shutil.rmtree(folder / "duck_toy")
    shutil.rmtree(folder / "vase")
    said = say("data", "prepare", "own", "--hf", folder, "--category-column", "kind")
    refused(said, "'max' the categories 'cat' and 'dog'", "--category")
    (folder / "max" / "2.jpg").write_bytes(picture(1)[:100])
    refused(
        say("data", "prepare", "own", "--hf", folder),
        f"{folder / 'max' / '2.jpg'} cannot be read",
        "truncated or damaged",
    )
    lines[1] = "max/0.jpg,,dog"
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    refused(say("data", "prepare", "own", "--hf", folder), "names no concept in 'label'", "correct")


def test_a_table_that_names_files_elsewhere_is_refused(parquet: Path, say: Say, tmp_path: Path) -> None:
    import datasets

    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture(0))
    rows = {"image": [{"bytes": None, "path": str(secret)}] * 2, "label": ["a", "a"]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    table = datasets.Dataset.from_dict(rows, features=features)
    shutil.rmtree(parquet / "data")
    table.data.table  # noqa: B018  nothing embedded: paths stay paths
    import pyarrow.parquet

    pyarrow.parquet.write_table(table.data.table, parquet / "train.parquet")
    refused(say("data", "prepare", "own", "--hf", parquet), str(secret), "not in its folder")


def test_a_hub_id_is_taken_from_the_cache_at_its_commit(
    parquet: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    commit = "0123456789abcdef0123456789abcdef01234567"

    def snapshot_download(repo_id: str, **options: Any) -> str:
        asked.update(options, repo_id=repo_id)
        place = tmp_path / "hub" / commit
        shutil.copytree(parquet, place, dirs_exist_ok=True)
        return str(place)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    columns = ("--concept-column", "who", "--image-column", "photo", "--category", "pet")
    assert say("data", "prepare", "who", "--hf", "some/pets", "--revision", "v1", *columns)[0] == 0
    assert (asked["repo_id"], asked["revision"], asked["local_files_only"]) == ("some/pets", "v1", True)
    assert asked["repo_type"] == "dataset"
    assert not [pattern for pattern in asked["allow_patterns"] if pattern.endswith((".py", ".pkl", "*"))][1:]
    manifest = read_manifest("who")
    assert manifest is not None
    origin = manifest.origins["hf"]
    assert (origin.hub_id, origin.revision, origin.title) == ("some/pets", commit, "some/pets")
    say("data", "prepare", "who", "--hf", "some/pets", *columns, "--no-offline")
    assert asked["local_files_only"] is False

    def fail(*_: Any, **__: Any) -> str:
        raise OSError("401 Client Error\nmore")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    said = say("data", "prepare", "who", "--hf", "some/pets", *columns, "--no-offline")
    refused(said, "--hf some/pets cannot be fetched", "401 Client Error", "check the id")


def test_without_datasets_one_sentence_says_what_to_install(
    folder: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused(
        say("data", "prepare", "own", "--hf", folder), "datasets is not installed", "pip install 'stamina-bench[hf]'"
    )


def test_own_names_count_as_benchmarks(folder: Path, say: Say) -> None:
    assert say("data", "prepare", "my-pets", "--hf", folder)[0] == 0
    refused(say("run", "my-pest"), "'my-pest'", "did you mean my-pets")
