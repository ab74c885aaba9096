"""Held-out images: what is measured against is never trained on, is chosen by content, and is said."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from in_process import bench, call, refused
from own_photos import concept, noise, picture

from benchmarks.mini.concepts import IMAGES_PER_CONCEPT, MiniConcepts, ProceduralImages
from benchmarks.mini.factors import draw_identities, draw_nuisance
from benchmarks.mini.world import render
from harness import api, registry
from harness.data.concept_folder import checked, read_photos
from harness.data.folder_benchmark import PhotoTasks
from harness.data.holdout import divided, hold_out, names_held_out
from harness.data.manifest import Origin, Photo, PreparedImages
from harness.engine.plan import CellRequest, Plan, RunContext
from harness.errors import UsageError
from harness.seeds import derive_seed
from harness.settings.customization.steps import _real_counts
from harness.spec import Benchmark, RunSpec, Task, Tier

TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
CONTEXT = RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32")
TUNED = ("celebahq20", "landmarks20", "mixed50", "tuning6", "tuning18")


def planned(tasks: list[Task], method: str = "stamina") -> Plan:
    benchmark = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=1)})
    plugin, made = registry.methods().get(method), Plan(CONTEXT)
    made.add_cell(CellRequest(benchmark, tasks, len(tasks), method, plugin, plugin.options_class.for_tier("mini"), 0))
    return made


# ------------------------------------------------------------------------------------------------------ the mini tier


@pytest.mark.parametrize("name", TUNED)
def test_every_mini_concept_is_measured_against_as_many_photos_that_are_not_trained_on(name: str) -> None:
    shown: dict[str, set[bytes]] = {}
    for task in registry.benchmarks().get(name).tasks("mini")[:6]:
        assert task.reference is not None
        assert len(task.reference) >= len(task.images) == IMAGES_PER_CONCEPT
        trained, apart = ({image.tobytes() for image in one.load(64)} for one in (task.images, task.reference))
        assert len(trained) == len(task.images)
        assert len(apart) == len(task.reference)
        assert not trained & apart
        shown[task.name] = apart
    assert all(not one & other for one, other in pairwise(shown.values()))


def test_the_training_photos_are_those_of_before_and_the_others_show_the_same_identity() -> None:
    for kind in ("person", "waterfall"):
        generator = torch_generator(derive_seed("mini", kind, "benchmark", 3))
        who = draw_identities(kind, "benchmark", 1, generator)  # type: ignore[arg-type]
        nuisance = draw_nuisance(kind, 16, generator)  # type: ignore[arg-type]
        plain = (render(who.repeat(16), nuisance) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        assert np.array_equal(ProceduralImages(kind, "benchmark", 3).load(64), plain)
        others = draw_nuisance(kind, 16, torch_generator(derive_seed("mini", "held-out", kind, "benchmark", 3)))  # type: ignore[arg-type]
        apart = (render(who.repeat(16), others) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        assert np.array_equal(ProceduralImages(kind, "benchmark", 3, held_out=True).load(64), apart)


def torch_generator(seed: int) -> object:
    import torch

    return torch.Generator().manual_seed(seed)


def test_what_is_trained_on_is_not_what_is_measured_against() -> None:
    tasks = list(registry.benchmarks().get("mixed50").tasks("mini")[:2])
    plain = [task.model_copy(update={"reference": None}) for task in tasks]
    made, before = planned(tasks), planned(plain)
    assert not set(made.cells[0].real) & set(before.cells[0].real)
    assert made.cells[0].score != before.cells[0].score
    assert made.cells[0].content != before.cells[0].content
    score = made.steps[made.cells[0].score]
    assert score.work["trained_on"] == [16, 16]
    for task, key, trained in zip(tasks, score.work["real"], made.cells[0].trains, strict=True):
        (photos,) = made.steps[key].parents
        assert task.reference is not None
        assert made.steps[photos].recipe["images"] == task.reference.fingerprint()
        assert made.steps[photos].recipe.get("reconstructed", True)
        assert photos not in made.steps[trained].parents
        shown = made.steps[made.steps[trained].parents[0]]
        assert shown.recipe["images"] == task.images.fingerprint()
        assert not shown.recipe["reconstructed"]  # nothing is measured against them: the VAE is spared


def test_the_protocol_says_that_the_real_images_are_held_out() -> None:
    assert _real_counts([16, 16], [16, 16]) == "16 real, held out (16 others trained on)"
    assert _real_counts([3, 3], [5, 7]) == "3 real, held out (5 to 7 others trained on)"


def test_the_paper_has_no_held_out_images_and_its_tasks_keep_their_content() -> None:
    task = Task(index=1, name="a", category="dog", images=ProceduralImages("person", "tuning", 0))
    assert task.measured_by is task.images
    made = planned([task])
    assert made.steps[made.cells[0].score].work["trained_on"] == []
    assert made.steps[made.cells[0].trains[0]].parents[0] == made.cells[0].real[0]


# --------------------------------------------------------------------------------------------- photographs of the user


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """./photos with a dog of six photographs and a cat of five."""
    monkeypatch.chdir(tmp_path)
    for name, count in (("dog", 6), ("cat", 5)):
        (Path("photos") / name).mkdir(parents=True)
        for number in range(count):
            picture(Path("photos") / name / f"{number}.png", noise(f"{name} {number}", 40, 40))
    return Path("photos")


def names(count: int = 2) -> dict[str, list[str]]:
    reading = checked(read_photos(Path("photos")))
    return names_held_out(PhotoTasks(reading).tasks(), count)


def by_hand(folder: Path, count: int) -> set[str]:
    def place(path: Path) -> str:
        return hashlib.sha256(f"holdout/{hashlib.sha256(path.read_bytes()).hexdigest()}".encode()).hexdigest()

    return {path.name for path in sorted(folder.iterdir(), key=place)[:count]}


def test_so_many_of_each_concept_are_held_out_by_their_content_alone(photos: Path) -> None:
    for count in (2, 3, 4):
        found = names(count)
        assert {name: len(one) for name, one in found.items()} == {"cat": count, "dog": count}
        assert {name: set(one) for name, one in found.items()} == {n: by_hand(photos / n, count) for n in found}
    before = {path.name: path.read_bytes() for path in (photos / "dog").iterdir()}
    held = {before[name] for name in names()["dog"]}
    shutil.rmtree(photos / "dog")
    order = sorted(before.values())
    random.Random(1).shuffle(order)
    for number, content in enumerate(order):
        (photos / "dog").mkdir(exist_ok=True)
        (photos / "dog" / f"z{9 - number}.png").write_bytes(content)
    assert {(photos / "dog" / name).read_bytes() for name in names()["dog"]} == held


def test_both_parts_are_the_whole_and_share_nothing(photos: Path) -> None:
    found = api.find_benchmark(str(photos), "mini", holdout=2)
    plain = api.find_benchmark(str(photos), "mini")
    for task, whole in zip(found.tasks("mini"), plain.tasks("mini"), strict=True):
        assert task.reference is not None
        parts = [{image.tobytes() for image in one.load(32)} for one in (task.images, task.reference)]
        assert not parts[0] & parts[1]
        assert parts[0] | parts[1] == {image.tobytes() for image in whole.images.load(32)}
        assert len(task.reference) == 2
        assert task.measured_by is task.reference
    assert found.shows_photographs("mini")


def test_an_image_that_another_one_looks_like_stays_in_training(photos: Path) -> None:
    from PIL import Image

    held = names()["dog"]
    shutil.rmtree(photos / "cat")
    rows, columns = np.mgrid[0:60, 0:60]
    smooth = np.stack([rows * 4, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(photos / "dog" / "smooth.png")
    Image.fromarray(smooth).save(photos / "dog" / "smooth.jpg", quality=95)
    reading = checked(read_photos(photos))
    (pair,) = [pair for pair in reading.looks_like if "dog" in pair[0]]
    assert {name.split("/")[1] for name in pair} == {"smooth.png", "smooth.jpg"}
    everything = names(6)["dog"]
    assert set(everything) == {f"{number}.png" for number in range(6)}
    assert names()["dog"] == held
    with pytest.raises(
        UsageError, match="'dog' has 8 images, 2 of which look alike or are called as copies and stay in "
    ):
        names(7)


def test_too_few_images_are_one_sentence(photos: Path) -> None:
    with pytest.raises(UsageError) as error:
        api.find_benchmark(str(photos), "mini", holdout=6)
    assert str(error.value) == (
        "--holdout 6: 'cat' has 5 images, too few to hold 6 out and train on at least one (and 1 more concept has "
        "too few); add images, or hold out fewer."
    )
    refused(bench("run", "photos", "--holdout", 5, "--dry-run"), "'cat' has 5 images", "hold out fewer")
    code, said = bench("data", "check", "photos", "--holdout", 5)
    assert code == 2
    assert said.splitlines()[-1].endswith("hold out fewer.")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run", "mixed50", "--holdout", "4", "--dry-run"], ["'person 1'", "16 held-out images already"]),
        (["run", "imagenet-r20", "--holdout", "4", "--dry-run"], ["--holdout is for concepts", "leave it out"]),
        (["run", "photos", "--holdout", "1", "--dry-run"], ["--holdout", "equal to 2"]),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], parts: list[str], photos: Path) -> None:
    refused(bench(*words), *parts)


def test_a_dry_run_and_data_check_name_what_is_held_out(photos: Path) -> None:
    lines = [f"held out of training and measured against: {name}: {', '.join(one)}" for name, one in names().items()]
    for words in (
        ["run", "photos", "--methods", "ti++", "--holdout", "2", "--dry-run"],
        ["data", "check", "photos", "--holdout", "2"],
    ):
        out = io.StringIO()
        assert call(out, io.StringIO(), *words) == 0
        assert [line for line in out.getvalue().splitlines() if line.startswith("held out")] == lines
    code, said = bench("data", "check", "photos", "--holdout", 2, "--json")
    assert (code, json.loads(said)["held_out"]) == (0, names())


def test_a_run_with_held_out_images_is_told_apart_from_one_without(photos: Path) -> None:
    spec = RunSpec(benchmark=str(photos), methods=({"name": "ti++"},), output=Path("runs"))  # type: ignore[arg-type]
    assert "holdout" not in spec.model_dump()  # in a run's file only where it is asked for
    assert RunSpec(**spec.model_copy(update={"holdout": 2}).model_dump()).holdout == 2
    plain, apart = (api.prepare(spec.model_copy(update={"holdout": count})).plan.cells[0] for count in (None, 2))
    assert plain.content != apart.content
    assert not {plain.trains, plain.score} & {apart.trains, apart.score}


def test_photographs_of_a_prepared_benchmark_can_be_held_out(photos: Path) -> None:
    files = sorted((photos / "dog").iterdir())
    told = [
        Photo(
            path=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), bytes=path.stat().st_size,
            mtime_ns=path.stat().st_mtime_ns, width=40, height=40,
        )
        for path in files
    ]  # fmt: skip
    origin = Origin(title="t", root=str((photos / "dog").resolve()), terms="", drawn="all", min_images=2)
    task = Task(index=1, name="dog", category="dog", images=PreparedImages("own", origin, (*told, told[0])))
    (apart,) = divided([task], 2)
    assert apart.reference is not None
    assert (len(apart.reference), len(apart.images)) == (2, 5)
    assert isinstance(apart.reference, PreparedImages)
    assert {photo.path for photo in apart.reference.photos} <= {path.name for path in files[1:]}  # 0 is there twice
    assert not {p.sha256 for p in apart.reference.photos} & {p.sha256 for p in apart.images.photos}  # type: ignore[attr-defined]


def test_nothing_is_held_out_twice(photos: Path) -> None:
    found = api.find_benchmark(str(photos), "mini", holdout=2)
    with pytest.raises(UsageError, match="2 held-out images already"):
        hold_out(found, "mini", 2)


def test_a_concept_of_one_picture_more_is_trained_on_that_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    concept(Path("photos"), "max", ("a.png", "b.png", "c.png"))
    (task,) = divided(PhotoTasks(checked(read_photos(Path("photos")))).tasks(), 2)
    assert len(task.images) == 1
