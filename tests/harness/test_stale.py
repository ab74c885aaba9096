"""One input changed at a time: exactly the steps that depend on it are made again, and all others stay.

Real runs of tiny models on photographs of two concepts; each case starts from a copy of a finished run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.numpy import load_file, save_file
from tests_support import InlineExecutor

from harness import api, registry
from harness.engine.devices import Slot
from harness.engine.display import QuietDisplay
from harness.engine.plan import Step
from harness.engine.runner import run
from harness.settings.customization import prepare
from harness.spec import MethodSpec, RunSpec

SETTING = registry.setting("customization")

NAMES = ("cat", "mug")
SHORT = {"steps": 2, "batch_size": 2}
MERGED = {**SHORT, "learning_rate": 1e-3, "token_learning_rate": 1e-3, "prior_images": 2}
METHODS = {"clora": SHORT, "ti++": SHORT}
MERGING = {"ub": MERGED, "cd-merge": {**MERGED, "captions": 20, "ridge": 1e-3}}

# The steps by what a run calls them, with names and prompts left out; (i, j) is task j after task i.


def real(task: int) -> set[str]:
    """The real images of a task, and their features."""
    return {f"real images of {NAMES[task - 1]}", f"features of real {NAMES[task - 1]}"}


def train(method: str, *tasks: int) -> set[str]:
    return {f"{method} seed 0: train task {task}" for task in tasks}


def merge(method: str, *tasks: int) -> set[str]:
    return {f"{method} seed 0: merge task {task}" for task in tasks}


def features(method: str, *places: tuple[int, int]) -> set[str]:
    return {f"features of {method} task {j} after task {i}" for i, j in places}


def images(method: str, *places: tuple[int, int]) -> set[str]:
    """X_{i,j}, and their features."""
    return {f"{method} seed 0: images of task {j} after task {i}" for i, j in places} | features(method, *places)


def end(method: str) -> set[str]:
    return {f"{method} seed 0: two together", f"{method} seed 0: score"}


DIAGONAL, TRIANGLE = [(1, 1), (2, 2)], [(1, 1), (2, 1), (2, 2)]
REAL = real(1) | real(2)

CLORA = train("clora", 1, 2) | images("clora", *TRIANGLE) | end("clora")
CLORA_2 = train("clora", 2) | images("clora", (2, 1), (2, 2)) | end("clora")  # what builds on the second task
TOKENS = train("ti++", 1, 2) | images("ti++", *DIAGONAL) | end("ti++")
TOKENS_1, TOKENS_2 = (train("ti++", j) | images("ti++", (j, j)) | end("ti++") for j in (1, 2))
EVERYTHING = REAL | CLORA | TOKENS
DRAWN = EVERYTHING - REAL - train("clora", 1, 2) - train("ti++", 1, 2)
SCORES = {"clora seed 0: score", "ti++ seed 0: score"}
MEASURED = {step for step in EVERYTHING if step.startswith("features")} | SCORES

PRIOR = {f"2 class images of '{name}'" for name in NAMES}
UB = images("ub", *DIAGONAL) | end("ub")
MERGE_IMAGES = images("cd-merge", *TRIANGLE) | end("cd-merge")
MERGE = merge("cd-merge", 1, 2) | MERGE_IMAGES
MERGE_2 = merge("cd-merge", 2) | images("cd-merge", (2, 1), (2, 2)) | end("cd-merge")
MERGING_EVERYTHING = REAL | PRIOR | train("ub", 1, 2) | UB | MERGE


def plain_label(step: Step) -> str:
    """A step's label without what a changed name or category word alters in it."""
    if step.kind == "compose":
        return f"{step.label.split(': ')[0]}: two together"
    return re.sub(r" \(\w+\)$", "", step.label)


class Watched(InlineExecutor):
    """Notes the labels of what it runs."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.labels: list[str] = []

    def submit(self, step: Step, slot: Slot) -> Future[Any]:
        self.labels.append(plain_label(step))
        return super().submit(step, slot)


@dataclass
class World:
    """All that a run depends on: photographs and results in `home`, models, methods, and what else its spec says."""

    home: Path
    models: Path
    methods: dict[str, dict[str, Any]]
    spec: dict[str, Any] = field(default_factory=dict)
    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    @property
    def photos(self) -> Path:
        return self.home / "photos"

    def copy(self, home: Path) -> World:
        """Another one in `home`, with the same models."""
        shutil.copytree(self.home, home, dirs_exist_ok=True)
        return World(home, self.models, {name: dict(changes) for name, changes in self.methods.items()})

    def model(self, name: str, new: str = "other") -> Path:
        """A copy of the backbone (`sd`) or of the extractor (`clip`) that is used from now on."""
        copy = shutil.copytree(self.models / name, self.home / new)
        self.spec["backbone" if name == "sd" else "extractor"] = str(copy)
        return copy

    def made(self, output: Path | None = None) -> list[str]:
        """What a run makes now."""
        usual = {
            "benchmark": str(self.photos), "device": "cpu", "output": output or self.home / "runs",
            "methods": tuple(MethodSpec(name=name, changes=changes) for name, changes in self.methods.items()),
            "backbone": str(self.models / "sd"), "extractor": str(self.models / "clip"),
        }  # fmt: skip
        sampling = {"images": 3, "steps": 2, "guidance_scale": 2.0, "eta": 0.0, **self.spec.get("sampling", {})}
        prepared = api.prepare(RunSpec(**{**usual, **self.spec, "sampling": sampling}))
        executor = Watched(prepared.plan.context, prepared.store.root)
        display = QuietDisplay(Console(quiet=True))
        outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
        assert not outcome.failed
        return sorted(executor.labels)


def finished(world: World, steps: set[str]) -> World:
    """Photographs of two concepts, and a finished run on them."""
    draw = np.random.default_rng(0)
    for name in NAMES:
        (world.photos / name).mkdir(parents=True)
        for number in "123":
            pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(world.photos / name / f"{number}.bmp")
    assert world.made() == sorted(steps)
    return world


@pytest.fixture(scope="module")
def base(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    return finished(World(tmp_path_factory.mktemp("base"), tiny_models, METHODS), EVERYTHING)


@pytest.fixture(scope="module")
def merging_base(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """With a text encoder whose features the merge can use: an untrained last norm leaves a dimension empty."""
    models = shutil.copytree(tiny_models, tmp_path_factory.mktemp("merging_models"), dirs_exist_ok=True)
    path = models / "sd" / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    norm = next(name for name in tensors if name.endswith("final_layer_norm.bias"))
    tensors[norm] = np.random.default_rng(0).normal(0, 0.1, tensors[norm].shape).astype(np.float32)
    save_file(tensors, path, metadata={"format": "pt"})
    return finished(World(tmp_path_factory.mktemp("merging"), models, MERGING), MERGING_EVERYTHING)


# Changes of one input

Change = Callable[[World], object]


def pixel(name: str) -> Change:
    """One channel of one pixel of one photograph; the file's size and times stay."""

    def change(world: World) -> None:
        path = world.photos / name / "2.bmp"
        times, content = path.stat(), bytearray(path.read_bytes())
        content[-1] ^= 255
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    return change


def category(name: str, word: str) -> Change:
    return lambda world: (world.photos / name / "category.txt").write_text(word)


def option(method: str, **changes: Any) -> Change:
    return lambda world: world.methods[method].update(changes)


def source(method: str) -> Change:
    return lambda world: world.patch.setattr(registry.methods().get(method), "source_hash", lambda: "edited")


def version(kind: str) -> Change:
    kinds: Any = SETTING.step_kinds
    return lambda world: world.patch.setitem(kinds, kind, replace(kinds[kind], version=99))


def spec(**changes: Any) -> Change:
    return lambda world: world.spec.update(changes)


def weights(model: str, file: str, tensor: str) -> Change:
    """One value of one tensor of a model."""

    def change(world: World) -> None:
        path = world.model(model) / f"{file}.safetensors"
        tensors = load_file(path)
        name = next(name for name in tensors if name.endswith(tensor))
        tensors[name] = tensors[name].copy()
        tensors[name].flat[0] += 1
        save_file(tensors, path, metadata={"format": "pt"})

    return change


def setting(file: str, **changes: Any) -> Change:
    """A value in one of the backbone's JSON files."""

    def change(world: World) -> None:
        path = world.model("sd") / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def other_order(world: World) -> None:
    """The first shuffled order in which the second concept comes first."""
    benchmark = api.find_benchmark(str(world.photos), "mini")
    orders = ((k, [task.name for task in benchmark.shuffled(k).tasks("mini")]) for k in range(1, 99))
    world.spec["order"] = next(k for k, names in orders if names == list(NAMES[::-1]))


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "a pixel of the first concept": (pixel("cat"), real(1) | CLORA | TOKENS_1),
    "a pixel of the second concept": (pixel("mug"), real(2) | CLORA_2 | TOKENS_2),
    "the order of photographs": (
        lambda world: (world.photos / "mug" / "1.bmp").rename(world.photos / "mug" / "4.bmp"),
        real(2) | CLORA_2 | TOKENS_2,
    ),
    "the first category word": (category("cat", "dog"), CLORA | TOKENS_1),
    "the second category word": (category("mug", "cup"), CLORA_2 | TOKENS_2),
    "the order of tasks": (other_order, CLORA | end("ti++")),
    "an option of one method": (option("clora", rank=2), CLORA),
    "an option of the other": (option("ti++", rank=2), TOKENS),
    "one method's source": (source("clora"), CLORA),
    "the other method's source": (source("ti++"), TOKENS),
    "the seed": (spec(seeds=(1,)), {step.replace("seed 0", "seed 1") for step in EVERYTHING - REAL}),
    "the U-Net": (weights("sd", "unet/diffusion_pytorch_model", "conv_in.weight"), EVERYTHING),
    "the text encoder": (weights("sd", "text_encoder/model", "position_embedding.weight"), EVERYTHING),
    "the tokenizer": (setting("tokenizer/tokenizer_config.json", model_max_length=20), EVERYTHING),
    "the scheduler": (setting("scheduler/scheduler_config.json", beta_end=0.013), EVERYTHING),
    "the dtype": (spec(dtype="bfloat16"), EVERYTHING),
    "the resolution": (lambda world: world.patch.setattr(prepare, "check_pipeline", lambda *_: 8), EVERYTHING),
    "sampling.steps": (spec(sampling={"steps": 3}), DRAWN),
    "sampling.images": (spec(sampling={"images": 4}), DRAWN),
    "sampling.guidance_scale": (spec(sampling={"guidance_scale": 3.0}), DRAWN),
    "sampling.eta": (spec(sampling={"eta": 0.5}), DRAWN),
    "sampling.solver": (spec(sampling={"solver": "dpmpp"}), DRAWN),
    "the extractor": (weights("clip", "open_clip_model", "visual.conv1.weight"), MEASURED),
    "the metrics' source": (
        lambda world: world.patch.setitem(vars(SETTING), "metrics_hash", "edited"),
        SCORES,
    ),
    "the full matrix": (spec(full_matrix=True), SCORES),
    "fewer tasks": (spec(tasks=(1,)), SCORES),
    "the version of train": (version("train"), EVERYTHING - REAL),
    "the version of generate": (
        version("generate"),
        DRAWN - {"clora seed 0: two together", "ti++ seed 0: two together"},
    ),
    "the version of features": (version("features"), MEASURED),
    "the version of score": (version("score"), SCORES),
    "one more method": (
        lambda world: world.methods.update(cd=SHORT),
        train("cd", 1, 2) | images("cd", *TRIANGLE) | end("cd"),
    ),
}

MERGING_CHANGES: dict[str, tuple[Change, set[str]]] = {
    "a pixel of the first concept": (pixel("cat"), real(1) | train("ub", 1) | images("ub", (1, 1)) | end("ub") | MERGE),
    "the second category word": (
        category("mug", "cup"),
        {"2 class images of 'cup'"} | train("ub", 2) | images("ub", (2, 2)) | end("ub") | MERGE_2,
    ),
    "an option of the merge": (option("cd-merge", ridge=0.01), MERGE),
    "an option of what the merge is taught": (option("cd-merge", steps=3), train("ub", 1, 2) | MERGE),
    "the merge's source": (source("cd-merge"), MERGE),
    "the learner's source": (source("ub"), train("ub", 1, 2) | UB | MERGE),
    "sampling.steps": (spec(sampling={"steps": 3}), MERGING_EVERYTHING - REAL),  # of class images, too
    "sampling.images": (spec(sampling={"images": 4}), UB | MERGE_IMAGES),
    "the version of merge": (version("merge"), MERGE),
}


def renamed(world: World) -> None:
    """Photographs, concepts and their folder under other names that give the same order and categories."""
    for path in (world.photos / "cat").iterdir():
        path.rename(path.with_name(f"photo {path.name}"))
    (world.photos / "cat").rename(world.photos / "cat_07")
    (world.photos / "categories.csv").write_text("mug,mug\n")
    world.spec["benchmark"] = str(world.photos.rename(world.home / "others"))


def moved(world: World) -> None:
    """Models in other folders, at other times, with more to read beside them."""
    for name in ("sd", "clip"):
        folder = world.model(name, f"my {name}")
        (folder / "README.md").write_text("A model.")
        for path in folder.rglob("*"):
            os.utime(path, (1e9, 1e9))


def touched(world: World) -> None:
    for path in world.photos.rglob("*.bmp"):
        os.utime(path, (1e9, 1e9))


NO_CHANGES: dict[str, Change] = {
    "none": lambda world: None,
    "the solver by its default": spec(sampling={"solver": "ddim"}),
    "how it runs": spec(jobs=3, keep_going=True, offline=False),
    "times of photographs": touched,
    "names of photographs": renamed,
    "places of models": moved,
    "the order of methods": lambda world: world.methods.update(clora=world.methods.pop("clora")),
    "one method less": lambda world: world.methods.pop("clora"),
}


def check_change(base: World, home: Path, change: Change, expected: set[str]) -> None:
    world = base.copy(home)
    try:
        change(world)
        assert world.made() == sorted(expected)
    finally:
        world.patch.undo()
    assert base.made(world.home / "runs") == []  # both versions are kept


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_depends_on_a_change_and_nothing_else_is_made_again(
    base: World, tmp_path: Path, change: Change, expected: set[str]
) -> None:
    check_change(base, tmp_path, change, expected)


@pytest.mark.parametrize(("change", "expected"), MERGING_CHANGES.values(), ids=MERGING_CHANGES)
def test_so_it_is_with_class_images_and_merges(
    merging_base: World, tmp_path: Path, change: Change, expected: set[str]
) -> None:
    check_change(merging_base, tmp_path, change, expected)


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_no_result_makes_nothing_again(base: World, tmp_path: Path, change: Change) -> None:
    world = base.copy(tmp_path)
    change(world)
    assert world.made() == []


def test_a_model_exchanged_in_its_place_is_noticed_whatever_its_times(base: World, tmp_path: Path) -> None:
    world = base.copy(tmp_path)
    path = world.model("clip") / "open_clip_model.safetensors"
    assert world.made() == []
    times, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert world.made() == sorted(MEASURED)


def test_what_is_kept_is_what_a_run_from_nothing_makes(base: World, tmp_path: Path) -> None:
    world = base.copy(tmp_path)
    for change in (pixel("mug"), option("ti++", rank=2), weights("clip", "open_clip_model", "visual.conv1.weight")):
        change(world)
    kept = contents(world.home / "runs")
    world.made()
    assert world.made(world.home / "fresh") == sorted(EVERYTHING)
    mixed, fresh = contents(world.home / "runs"), contents(world.home / "fresh")
    assert fresh.items() <= mixed.items()
    assert kept.keys() & fresh.keys()  # some were kept
    assert fresh.keys() - kept.keys()  # and some were not


def contents(output: Path) -> dict[tuple[str, str], str]:
    """(step, file) -> SHA-256 of all pictures and tensors in a store; figures hold seconds, too."""
    manifests = [json.loads(path.read_text()) for path in output.glob("store/steps/*/*/manifest.json")]
    return {
        (manifest["key"], name): facts["sha256"]
        for manifest in manifests
        for name, facts in manifest["files"].items()
        if not name.endswith(".json")
    }
