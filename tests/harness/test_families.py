"""Customization methods on a small checkpoint of each family: two tasks at the paper tier, export, LoRA file."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from in_process import bench, refused
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from tests_support import InlineExecutor
from tiny_models import FAMILIES, LATER, make_tiny_families

from harness import api, registry
from harness.backbones.hub import KNOWN
from harness.backbones.text_to_image import TextToImage
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.method import Method
from harness.prompts import prompt_for
from harness.records.run_file import read_cells, record
from harness.results import CellResult
from harness.seeds import derive_seed
from harness.spec import MethodSpec, RunSpec
from harness.store.image_sets import load_images

METHODS = tuple(registry.methods().names())
NEED_SHARED_TEXT = {name for name in METHODS if registry.methods().get(name).needs_shared_text}
CHANGED_IN_ALL_WAYS = ("stamina", "clora", "cd", "cd-merge", "ub", "ti++")  # masked, low-rank, full, merged, alone, not
ALL_OF = tuple(f"{family}, every method" for family in ("sd2", *LATER))
# few and large steps, so that a wrong weight shows in the images; what is counted in hundreds, in ones
CHANGES: Mapping[str, Any] = {
    "steps": 2, "batch_size": 2, "learning_rate": 0.05, "token_learning_rate": 0.05, "prior_images": 2,
    "fisher_samples": 2, "captions": 400, "ridge": 1e-3, "rank": 8,
}  # fmt: skip
SAMPLING = {"steps": 2, "images": 2, "batch_size": 2}
GUIDANCE, ETA = 6.0, 1.0  # the paper tier's


@dataclass(frozen=True)
class Family:
    """A family's checkpoint, a results folder with these methods on it, and the cells in it."""

    methods: tuple[str, ...]
    backbone: Path
    runs: Path
    cells: Mapping[str, CellResult]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Path:
    """The checkpoints, and two concepts of two photographs each."""
    home = make_tiny_families(tmp_path_factory.mktemp("families"))
    draw = np.random.default_rng(0)
    for concept in ("person", "waterfall"):
        (home / "photos" / concept).mkdir(parents=True)
        for index in range(2):
            pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / "photos" / concept / f"{index}.png")
    return home


def methods_on(family: str) -> tuple[str, ...]:
    """What is run on a family: every method on the first and where all are asked for; else one of each kind."""
    names = METHODS if family == "sd1" or family in ALL_OF else CHANGED_IN_ALL_WAYS
    # whose layers see features of a prompt that are not the same
    return tuple(name for name in names if not (family.startswith("sd3") and name in NEED_SHARED_TEXT))


THOROUGH = [pytest.param(family, marks=pytest.mark.thorough) for family in ALL_OF]


@pytest.fixture(scope="module", params=[*FAMILIES, *LATER, *THOROUGH])
def family(request: pytest.FixtureRequest, home: Path, tiny_models: Path) -> Iterator[Family]:
    """One run at the paper tier: of the hub's cache by a known name, every method; or of a folder, every kind."""
    torch.set_num_threads(1)
    backbone = home / request.param.partition(",")[0]
    methods = methods_on(request.param)
    known = KNOWN["sd-1.4"]
    if request.param == "sd1":
        snapshots = home / "hub" / f"models--{known.repository.replace('/', '--')}" / "snapshots"
        backbone = shutil.copytree(backbone, snapshots / known.revision, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        yield taught(methods, backbone, known.name if request.param == "sd1" else str(backbone), home, tiny_models)


def taught(names: tuple[str, ...], backbone: Path, source: str, home: Path, tiny_models: Path) -> Family:
    """The run, from its images to its figures."""
    methods = []
    for name in names:
        fields = registry.methods().get(name).options_class.model_fields
        methods.append(MethodSpec(name=name, changes={k: v for k, v in CHANGES.items() if k in fields}))
    runs = home / f"runs-{backbone.name}-{len(names)}"
    solver = {"solver": "euler"} if backbone.name.startswith("sd3") else {}
    spec = RunSpec(
        benchmark=str(home / "photos"), tier="paper", backbone=source, device="cpu",
        extractor=str(tiny_models / "clip"), methods=tuple(methods), sampling={**SAMPLING, **solver}, output=runs,
        dtype="float32",
    )  # fmt: skip
    prepared = api.prepare(spec)
    record(prepared.spec, prepared.plan)
    executor = InlineExecutor(prepared.plan.context, prepared.store.root)
    display = QuietDisplay(Console(quiet=True))
    outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
    assert not outcome.failed, outcome
    return Family(names, backbone, runs, {cell.method: cell for cell in read_cells(runs)})


def drawn_by_diffusers(pipeline: Any, prompt: str, seeds: list[int]) -> NDArray[np.uint8]:
    """What plain diffusers draws, sampled as the run did."""
    from diffusers import DDIMScheduler

    told: dict[str, Any] = {"num_inference_steps": SAMPLING["steps"], "guidance_scale": GUIDANCE, "output_type": "np"}
    if type(pipeline).__name__ != "StableDiffusion3Pipeline":
        usual = {"set_alpha_to_one": False, "steps_offset": 1}
        pipeline.scheduler = DDIMScheduler.from_config({**usual, **dict(pipeline.scheduler.config)}, clip_sample=False)
        told["eta"] = ETA
    if type(pipeline).__name__ == "PixArtAlphaPipeline":
        told |= {"use_resolution_binning": False, "clean_caption": False}
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline([prompt] * len(seeds), generator=[torch.Generator().manual_seed(s) for s in seeds], **told).images
    return (images * 255).round().astype(np.uint8)


def load(folder: Path) -> Any:
    import diffusers

    index = json.loads((folder / "model_index.json").read_text())
    kind = index["_class_name"]
    left_out = {"StableDiffusionPipeline": ("safety_checker", "feature_extractor")}.get(kind, ())
    left_out = dict.fromkeys((*left_out, *(name for name, value in index.items() if value == [None, None])))
    return getattr(diffusers, kind).from_pretrained(folder, local_files_only=True, use_safetensors=True, **left_out)


def denoiser(pipeline: Any) -> str:
    return "transformer" if hasattr(pipeline, "transformer") else "unet"


def differences(pipeline: Any, cell: CellResult, tokens: set[str]) -> list[int]:
    """The largest difference in grey levels from each X_{2,j} of the concepts that a pipeline knows."""
    found = []
    for task in cell.tasks:
        if f"<v{task.index}>" not in tokens:
            continue
        folder = task.after[2]
        recipe = json.loads((folder.parent / "manifest.json").read_text())["recipe"]
        seeds = [derive_seed(0, "generate", recipe["concept"], k) for k in range(SAMPLING["images"])]
        prompt = prompt_for(f"<v{task.index}>", task.category, recipe["category_word"])
        ours, theirs = load_images(folder).astype(int), drawn_by_diffusers(pipeline, prompt, seeds).astype(int)
        found.append(int(np.abs(ours - theirs).max()))
    return found


def concepts(card: Path) -> set[str]:
    """The custom tokens that a model card lists."""
    return set(re.findall(r"^\| `(<v\d>)` \|", card.read_text(), re.MULTILINE))


def test_every_method_learnt_both_tasks(family: Family) -> None:
    assert set(family.cells) == set(family.methods)
    for name, cell in family.cells.items():
        assert [task.index for task in cell.tasks] == [1, 2], name
        assert bool(cell.keeps_data) == (name == "replay"), name
        assert all(np.isfinite(row.value) for row in cell.rows if row.metric in ("a_mmd", "f_mmd")), name


@pytest.fixture
def loaded_once(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family's checkpoint is read once; each command starts from its pre-trained weights and no token."""
    model = _checkpoint(str(family.backbone))
    model.reset()
    monkeypatch.setattr(TextToImage, "load", lambda *_, **__: model)


@cache
def _checkpoint(folder: str) -> TextToImage:
    return TextToImage.load(folder, torch.device("cpu"))


@pytest.mark.usefixtures("loaded_once")
@pytest.mark.parametrize(
    ("family", "method"),
    [
        *((family, method) for family in ("sd1", "sd2", *LATER) for method in methods_on(family)),
        *(
            pytest.param(family, method, marks=pytest.mark.thorough)
            for family in ALL_OF
            for method in methods_on(family)
            if method not in CHANGED_IN_ALL_WAYS
        ),
    ],
    indirect=["family"],
)
def test_an_export_draws_the_same_in_diffusers(family: Family, method: str, tmp_path: Path) -> None:
    code, said = bench("export", family.runs, "-m", method, "--task", 2, "-o", tmp_path / "out")
    if registry.methods().get(method).for_prompt is not Method.for_prompt:
        refused((code, said), "draws each prompt with weights of its own")
        return
    assert code == 0, said
    tokens = concepts(tmp_path / "out" / "README.md")
    assert tokens in ({"<v1>", "<v2>"}, {"<v2>"})  # of a method that learns each concept alone, weights and all
    pipeline = load(tmp_path / "out")
    assert max(differences(pipeline, family.cells[method], tokens)) <= 1
    if method == "stamina":  # the comparison can fail: W_init draws something else
        part = denoiser(pipeline)
        setattr(pipeline, part, getattr(load(family.backbone), part))
        assert max(differences(pipeline, family.cells[method], tokens)) > 1


def applied(pipeline: Any, folder: Path) -> None:
    """Load a LoRA file into the weights, as its card says."""
    name = "pytorch_lora_weights.safetensors"
    if not hasattr(pipeline, "load_lora_weights"):  # PixArt's; its card does it by hand
        factors = load_file(folder / name)
        for key, down in factors.items():
            if key.endswith(".lora_A.weight"):
                module = pipeline.transformer.get_submodule(key.removesuffix(".lora_A.weight").partition(".")[2])
                module.weight.data += factors[key.replace("lora_A", "lora_B")] @ down
        return
    pipeline.load_lora_weights(folder, weight_name=name)
    pipeline.fuse_lora()


@pytest.mark.usefixtures("loaded_once")
@pytest.mark.parametrize(
    ("family", "method"),
    [(family, method) for family in (*FAMILIES, *LATER) for method in methods_on(family)
     if method in CHANGED_IN_ALL_WAYS],
    indirect=["family"],
)  # fmt: skip
def test_a_lora_file_is_what_it_says(family: Family, method: str, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    code, said = bench("export", family.runs, "-m", method, "--task", 2, "--as", "lora", "-o", tmp_path / "out")
    assert code == 0, said
    card = tmp_path / "out" / "README.md"
    tokens = concepts(card)
    if family.cells[method].backbone == "sd-1.4":
        known = KNOWN["sd-1.4"]
        assert f'from_pretrained(\n    "{known.repository}", revision="{known.revision}"' in card.read_text()
        assert f"license: {known.licence}\n" in card.read_text()
    else:  # a folder's, whatever its name: one is called 'sdxl'
        assert "license:" not in card.read_text()
    pipeline = load(family.backbone)
    before = weights(getattr(pipeline, denoiser(pipeline)))
    if family.backbone.name in LATER:  # tokens of several text encoders are loaded by the card's own code
        pipeline = drawn_by_the_card(card, tmp_path)
        if hasattr(pipeline, "fuse_lora"):
            pipeline.fuse_lora()
    else:
        applied(pipeline, tmp_path / "out")
        for token in (name.strip("<>") for name in sorted(tokens)):
            pipeline.load_textual_inversion(
                tmp_path / "out" / "tokens", weight_name=f"{token}.safetensors", token=f"<{token}>"
            )
    assert max(differences(pipeline, family.cells[method], tokens)) <= 1
    told = float(re.findall(r"it leaves out (\S+) of", said)[0])
    after = weights(getattr(pipeline, denoiser(pipeline)))
    assert left_out(before, after, family.cells[method]) <= told + 1e-5


@pytest.mark.usefixtures("loaded_once")
@pytest.mark.parametrize("family", ["sdxl"], indirect=True)
def test_kohyas_file_of_xl_is_read_back_by_diffusers_converter(family: Family, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    out = tmp_path / "out"
    code, said = bench("export", family.runs, "-m", "cd", "--task", 2, "--as", "kohya", "--name", "pets", "-o", out)
    assert code == 0, said
    pipeline = load(family.backbone)
    before = weights(pipeline.unet)
    pipeline.load_lora_weights(out, weight_name="pets.safetensors")
    pipeline.fuse_lora()
    told = float(re.findall(r"it leaves out (\S+) of", said)[0])
    assert left_out(before, weights(pipeline.unet), family.cells["cd"]) <= told + 1e-5


def drawn_by_the_card(card: Path, folder: Path) -> Any:
    """The pipeline that a card's code makes, as printed."""
    (code,) = re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL)
    with contextlib.chdir(folder):
        told: dict[str, Any] = {}
        exec(code, told)
    return told["pipeline"]


@pytest.mark.usefixtures("loaded_once")
def test_a_lora_file_of_low_rank_states_its_error(family: Family, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    code, said = bench("export", family.runs, "-m", "cd", "--as", "lora", "--rank", 2, "-o", tmp_path / "out")
    assert code == 0, said
    pipeline = load(family.backbone)
    before = weights(getattr(pipeline, denoiser(pipeline)))
    applied(pipeline, tmp_path / "out")
    told = float(re.findall(r"it leaves out (\S+) of", said)[0])
    assert told > 0.01
    after = weights(getattr(pipeline, denoiser(pipeline)))
    assert left_out(before, after, family.cells["cd"]) == pytest.approx(told, rel=0.05)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the key and value projections, by their names without an adapter's."""
    state = {name.replace(".base_layer", ""): tensor for name, tensor in model.state_dict().items()}
    ends = ("attn2.to_k.weight", "attn2.to_v.weight", "add_k_proj.weight", "add_v_proj.weight")
    joint = any(name.endswith(ends[2:]) for name in state)  # then attn2 is the image's alone
    return {n.removesuffix(".weight"): t.clone() for n, t in state.items() if n.endswith(ends[2:] if joint else ends)}


def left_out(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], cell: CellResult) -> float:
    """The share of the Frobenius norm of a cell's change of the weights that is not in another change of them."""
    drawn = json.loads((cell.tasks[-1].after[2].parent / "manifest.json").read_text())["recipe"]
    assert cell.store is not None
    (path,) = (cell.store / "steps").glob(f"*/{drawn['parents'][0]}")
    kept = path / "weights.safetensors"
    learnt = load_file(str(kept)) if kept.exists() else before
    assert before.keys() == after.keys() == learnt.keys()
    total = sum(float((learnt[name] - before[name]).square().sum()) for name in before)
    rest = sum(float((learnt[name] - after[name]).square().sum()) for name in before)
    return (rest / total) ** 0.5 if total else rest**0.5
