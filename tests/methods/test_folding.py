"""What is trained can be folded: adapted, folded and exported models draw the same; diffusers alone loads the last."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tiny_tasks import CONCEPTS, Course, same, tiny_model
from torch import nn

from harness import registry
from harness.backbones.adapters import attach
from harness.backbones.text_to_image import TextToImage, to_uint8
from harness.errors import UsageError
from harness.export.diffusers_folder import export_pipeline
from harness.spec import Sampling
from methods.parts import LowRank

SAMPLING = Sampling(images=3, steps=3, guidance_scale=3.0, eta=1.0, batch_size=3)
SEEDS = [5, 6, 7]


@pytest.fixture(params=registry.methods().names())
def course(request: pytest.FixtureRequest, tiny_models: Path) -> Course:
    """Two tasks, taught."""
    made = Course(request.param, tiny_model(tiny_models))
    made.teach()
    made.teach()
    return made


@pytest.fixture
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


def drawn(model: TextToImage, prompt: str) -> NDArray[np.uint8]:
    return model.generate(prompt, SEEDS, SAMPLING)


def vanilla(folder: Path, prompt: str) -> NDArray[np.uint8]:
    """What diffusers draws by itself of the folder, from the same noise."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(
        prompt, num_images_per_prompt=len(SEEDS), num_inference_steps=SAMPLING.steps,
        guidance_scale=SAMPLING.guidance_scale, eta=SAMPLING.eta,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS], output_type="pt",
    )  # fmt: skip
    return to_uint8(output.images)


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_adapted_and_folded_draw_the_same(course: Course) -> None:
    model, (first, second) = course.model, course.taught
    model.load_weights(second.before)
    unlearnt = drawn(model, second.prompt)
    if second.adapters:
        attach(model, lambda name, _: second.adapters.get(name))
    assert model.adapters() == list(second.adapters.values())
    assert not any(adapter.training for adapter in second.adapters.values())
    adapted = {task.prompt: drawn(model, task.prompt) for task in (first, second)}
    model.fold()
    assert model.adapters() == []
    assert all(type(p.weight) is nn.Parameter and p.adapted is None for p in model.projections.values())
    assert same(model.weights(), second.folded)
    for prompt, images in adapted.items():
        assert np.array_equal(drawn(model, prompt), images)
    assert np.array_equal(unlearnt, adapted[second.prompt]) == (not second.adapters)


def test_an_exported_folder_draws_the_same_by_diffusers_alone(course: Course, tmp_path: Path) -> None:
    model = course.model
    tokens = {token: task.done.token for (token, _), task in zip(CONCEPTS, course.taught, strict=True)}
    folder = export_pipeline(model, tokens, tmp_path / "out")
    images = [drawn(model, prompt) for prompt in ("a photo of a <v1> person", "a photo of a <v2>")]
    assert difference(images[0], images[1]) > 1
    assert difference(vanilla(folder, "a photo of a <v1> person"), images[0]) <= 1
    assert difference(vanilla(folder, "a photo of a <v2>"), images[1]) <= 1
    for task in course.taught:
        assert difference(vanilla(folder, task.prompt), drawn(model, task.prompt)) <= 1


def test_an_export_holds_plain_parts_and_no_pickle(model: TextToImage, tmp_path: Path) -> None:
    folder = export_pipeline(model, {"<v1>": torch.ones(model.token_dim)}, tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["out"]
    index = json.loads((folder / "model_index.json").read_text())
    classes = {part: value[1] for part, value in index.items() if isinstance(value, list) and value[0]}
    assert classes == {
        "scheduler": "DDIMScheduler", "text_encoder": "CLIPTextModel", "tokenizer": "CLIPTokenizer",
        "unet": "UNet2DConditionModel", "vae": "AutoencoderTiny",
    }  # fmt: skip
    assert index["safety_checker"] == [None, None]
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    used = dict(model.pipeline.scheduler.config)
    assert {key: scheduler[key] for key in used if not key.startswith("_")} == {
        key: value for key, value in used.items() if not key.startswith("_")
    }
    for path in folder.rglob("*.json"):
        assert str(tmp_path.parent) not in path.read_text(), path  # not where the model came from
    weights = load_file(str(folder / "unet" / "diffusion_pytorch_model.safetensors"))
    assert same({name: weights[f"{name}.weight"] for name in model.projections}, model.weights())
    assert {name for name in weights if "attn2.to_" in name and "to_q" not in name and "to_out" not in name} == {
        f"{name}.weight" for name in model.projections
    }


def test_an_exported_folder_loads_where_there_is_nothing_of_ours(model: TextToImage, tmp_path: Path) -> None:
    folder = export_pipeline(model, {"<v1>": torch.ones(model.token_dim)}, tmp_path / "out")
    code = (
        "import sys\nfrom diffusers import StableDiffusionPipeline\n"
        f"p = StableDiffusionPipeline.from_pretrained({str(folder)!r}, local_files_only=True, use_safetensors=True)\n"
        "p('a photo of a <v1> person', num_inference_steps=1, output_type='pt')\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in ('harness', 'methods', 'benchmarks')]\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stderr


def test_exporting_leaves_the_model_and_the_random_state_alone(model: TextToImage, tmp_path: Path) -> None:
    for number in (1, 2):
        model.set_token(f"<v{number}>", number * torch.ones(model.token_dim))
    parts = (model.denoiser, model.vae, model.text_encoders[0])
    before = [{name: tensor.clone() for name, tensor in part.state_dict().items()} for part in parts]
    vocabulary, state = len(model.readers[0].tokenizer), torch.random.get_rng_state()
    images = drawn(model, "a photo of a <v2>")
    folder = export_pipeline(model, {"<v2>": 2 * torch.ones(model.token_dim)}, tmp_path / "out")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(same(old, part.state_dict()) for old, part in zip(before, parts, strict=True))
    assert len(model.readers[0].tokenizer) == vocabulary
    assert np.array_equal(drawn(model, "a photo of a <v2>"), images)
    assert difference(vanilla(folder, "a photo of a <v2>"), images) <= 1  # though its id is now another
    again = TextToImage.load(str(folder), torch.device("cpu"))
    assert len(again.readers[0].tokenizer) == model.readers[0].vocabulary + 1  # <v1> was left out


def test_an_export_of_half_precision_loads_with_no_dtype_named(tiny_models: Path, tmp_path: Path) -> None:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"), torch.bfloat16)
    folder = export_pipeline(model, {"<v1>": torch.ones(model.token_dim)}, tmp_path / "out")
    for path in folder.rglob("*.safetensors"):
        assert {t.dtype for t in load_file(str(path)).values() if t.is_floating_point()} == {torch.float32}
    assert vanilla(folder, "a photo of a <v1> person").std() > 0
    projection = next(iter(model.projections.values()))
    assert projection.weight.dtype is torch.float32
    assert next(model.vae.parameters()).dtype is torch.bfloat16


def test_refusals_leave_nothing_behind(model: TextToImage, tmp_path: Path) -> None:
    embedding = torch.ones(model.token_dim)
    for token in ("photo", "<V1>", "<v 1>"):
        with pytest.raises(UsageError, match="lower case and brackets"):
            export_pipeline(model, {token: embedding}, tmp_path / "out")
    with pytest.raises(ValueError, match=r"'<v1>' has shape \(3,\)"):
        export_pipeline(model, {"<v1>": embedding[:3]}, tmp_path / "out")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for taken in (full, full / "mine.txt"):
        with pytest.raises(UsageError, match="exists already"):
            export_pipeline(model, {}, taken)
    with pytest.raises(UsageError, match="cannot be written"):
        export_pipeline(model, {}, full / "mine.txt" / "below")
    generator = torch.Generator().manual_seed(0)
    attach(model, lambda _, projection: LowRank(projection, 2, generator))
    with pytest.raises(RuntimeError, match="fold them"):
        export_pipeline(model, {}, tmp_path / "out")
    model.fold()
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert (full / "mine.txt").read_text() == "mine"


def test_an_export_that_breaks_off_leaves_nothing(
    model: TextToImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import StableDiffusionPipeline

    def full_disk(self: object, folder: Path, **_: object) -> None:
        (Path(folder) / "model_index.json").write_text("{}")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StableDiffusionPipeline, "save_pretrained", full_disk)
    with pytest.raises(UsageError, match="no space left on device"):
        export_pipeline(model, {}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
