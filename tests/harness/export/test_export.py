"""What a run learnt, taken out by `export` and `generate`, and loaded by diffusers alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_process import bench, refused
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from tests_support import InlineExecutor

from harness import api
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.errors import UsageError
from harness.export.lora_file import factor
from harness.export.model_card import plain
from harness.export.trained_model import image_seeds
from harness.records.run_file import record
from harness.spec import MethodSpec, RunSpec
from harness.store.image_sets import load_images

METHODS = ("stamina", "ti++", "ub", "cd")
OTHER = Path(__file__).parents[3] / "benchmarks" / "mini" / "checkpoints" / "stable-diffusion-mini"
CHANGES: dict[str, Any] = {"steps": 3, "batch_size": 2, "learning_rate": 0.05}
PROMPT = "a photo of <v1> next to <v2>"


@pytest.fixture(scope="module")
def runs(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four methods on two concepts, whose folders have awkward names."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("export")
    draw = np.random.default_rng(0)
    for concept in ("a|b *cat*", "<b>vase"):
        (home / "photos" / concept).mkdir(parents=True)
        (home / "photos" / concept / "category.txt").write_text("person")
        for index in range(2):
            Image.fromarray(draw.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(
                home / "photos" / concept / f"{index}.png"
            )
    spec = RunSpec(
        benchmark=str(home / "photos"), backbone=str(tiny_models / "sd"), extractor=str(tiny_models / "clip"),
        methods=tuple(MethodSpec(name=name, changes=CHANGES) for name in METHODS),
        sampling={"steps": 2, "images": 2}, output=home / "runs",
    )  # fmt: skip
    prepared = api.prepare(spec)
    record(spec, prepared.plan)
    executor = InlineExecutor(prepared.plan.context, prepared.store.root)
    outcome = run(
        prepared.plan, prepared.store, executor, prepared.progress, QuietDisplay(Console(quiet=True)), keep_going=False
    )
    assert not outcome.failed
    return home / "runs"


def by_diffusers(pipeline: Any, prompt: str, seeds: list[int]) -> NDArray[np.uint8]:
    """What plain diffusers draws, as the run sampled."""
    from diffusers import DDIMScheduler

    usual = {"set_alpha_to_one": False, "steps_offset": 1}
    pipeline.scheduler = DDIMScheduler.from_config({**usual, **dict(pipeline.scheduler.config)}, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        [prompt] * len(seeds), generator=[torch.Generator().manual_seed(s) for s in seeds], num_inference_steps=2,
        guidance_scale=6.0, output_type="np",
    ).images  # fmt: skip
    return (images * 255).round().astype(np.uint8)


def load(folder: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32
    )


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def drawn(runs: Path, folder: Path, *arguments: object) -> NDArray[np.uint8]:
    sampled = ("--seeds", "0-2", "--guidance", 6.0, "--device", "cpu")
    code, said = bench("generate", runs, "-o", folder, *sampled, *arguments)
    assert code == 0, said
    return load_images(folder)


@pytest.mark.parametrize("method", ["stamina", "ti++", "cd"])
def test_a_pipeline_draws_what_generate_draws(runs: Path, tmp_path: Path, method: str) -> None:
    code, said = bench("export", runs, "-m", method, "-o", tmp_path / "out")
    assert code == 0, said
    ours = drawn(runs, tmp_path / "images", "-m", method, "-p", PROMPT)
    assert difference(by_diffusers(load(tmp_path / "out"), PROMPT, [0, 1, 2]), ours) <= 1
    told = json.loads((tmp_path / "images" / "prompt.json").read_text())
    assert (told["prompts"], told["seeds"], told["after_task"]) == ([PROMPT], [0, 1, 2], 2)


def test_several_prompts_share_batches_and_have_a_folder_each(runs: Path, tmp_path: Path) -> None:
    other = "a photo of a <v1>"
    alone = [drawn(runs, tmp_path / f"{i}", "-m", "stamina", "-p", p) for i, p in enumerate((PROMPT, other))]
    two = ("-m", "stamina", "-p", PROMPT, "-p", other, "--seeds", "0-2", "--guidance", 6.0, "--device", "cpu")
    code, said = bench("generate", runs, *two, "-o", tmp_path / "out")
    assert code == 0, said
    for number, images in enumerate(alone, 1):
        assert difference(load_images(tmp_path / "out" / f"prompt-{number}"), images) <= 1
    assert json.loads((tmp_path / "out" / "prompt.json").read_text())["prompts"] == [PROMPT, other]
    refused(bench("generate", runs, "-m", "stamina", "-p", PROMPT, "-p", "a <v7>", "-o", tmp_path / "no"), "<v7>")


def test_a_lora_file_draws_the_same_on_the_base_model(runs: Path, tiny_models: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    code, said = bench("export", runs, "-m", "stamina", "--as", "lora", "-o", tmp_path / "out")
    assert code == 0, said
    ours = drawn(runs, tmp_path / "images", "-m", "stamina", "-p", PROMPT)
    pipeline = load(tiny_models / "sd")
    for token in ("v1", "v2"):
        name = f"{token}.safetensors"
        pipeline.load_textual_inversion(tmp_path / "out" / "tokens", weight_name=name, token=f"<{token}>")
    without = by_diffusers(pipeline, PROMPT, [0, 1, 2])
    pipeline.load_lora_weights(tmp_path / "out", weight_name="pytorch_lora_weights.safetensors")
    assert difference(by_diffusers(pipeline, PROMPT, [0, 1, 2]), ours) <= 1
    assert difference(without, ours) > 1
    assert "relative error" in (tmp_path / "out" / "README.md").read_text()
    assert len({path.stat().st_mode for path in (tmp_path / "out").rglob("*.*")}) == 1  # readable as any file
    _, said = bench("export", runs, "-m", "stamina", "--as", "lora", "--rank", 1, "-o", tmp_path / "low")
    assert "rank 1 (it leaves out 0." in said


@pytest.mark.parametrize("rank", [1, 3, None])
def test_factors_are_the_best_of_their_rank(rank: int | None) -> None:
    change = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    up, down, left = factor(change, rank)
    assert up.shape[1] == down.shape[0] == (rank or 5)
    values = torch.linalg.svdvals(change.double())
    assert left == pytest.approx(float(values[rank or 5 :].square().sum()), abs=1e-9)
    rest = (change.double() - up.double() @ down.double()).square().sum()
    assert float(rest) == pytest.approx(left, abs=1e-5)


def test_nothing_changed_is_one_zero_column() -> None:
    up, down, left = factor(torch.zeros(4, 3), None)
    assert (up.shape, down.shape, left) == ((4, 1), (1, 3), 0.0)


def test_an_earlier_task_knows_only_the_concepts_up_to_it(runs: Path, tmp_path: Path) -> None:
    refused(bench("generate", runs, "-m", "stamina", "--task", 1, "-p", PROMPT, "-o", tmp_path / "out"), "<v2>")
    first = drawn(runs, tmp_path / "1", "-m", "stamina", "--task", 1, "-p", "a photo of a <v1>")
    last = drawn(runs, tmp_path / "2", "-m", "stamina", "-p", "a photo of a <v1>")
    assert difference(first, last) > 0


def test_a_prompt_without_tokens_shows_what_drifted(runs: Path, tiny_models: Path, tmp_path: Path) -> None:
    prompt = "a photo of a cat"
    base = drawn(runs, tmp_path / "base", "-m", "stamina", "--task", 0, "-p", prompt)
    assert difference(by_diffusers(load(tiny_models / "sd"), prompt, [0, 1, 2]), base) <= 1
    assert json.loads((tmp_path / "base" / "prompt.json").read_text())["after_task"] == 0
    assert difference(drawn(runs, tmp_path / "tokens", "-m", "ti++", "-p", prompt), base) == 0
    assert difference(drawn(runs, tmp_path / "weights", "-m", "cd", "-p", prompt), base) > 0


def test_of_a_method_that_learns_each_concept_alone_one_concept_is_exported(runs: Path, tmp_path: Path) -> None:
    assert bench("export", runs, "-m", "ub", "-o", tmp_path / "out")[0] == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# ub: 1 concept\n" in card
    assert "<v1>" not in card


def test_the_card_says_what_it_is_and_acts_on_no_name(runs: Path, tmp_path: Path) -> None:
    assert bench("export", runs, "-m", "stamina", "--task", 2, "-o", tmp_path / "out")[0] == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: diffusers\n")
    assert r"a\|b \*cat\*" in card
    assert r"\<b\>vase" in card
    assert "without their consent" in card
    assert plain("a\n# b") == r"a \# b"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export"], ["--method", "stamina", "ti++"]),
        (["export", "-m", "stmina"], ["photos, stamina", "seed 0"]),
        (["export", "-m", "stamina", "--task", "3"], ["--task 3", "1 to 2"]),
        (["export", "-m", "stamina", "--rank", "3"], ["--rank", "--as lora"]),
        (
            ["export", "-m", "stamina", "--backbone", "benchmarks/mini/checkpoints/stable-diffusion-mini"],
            ["--backbone"],
        ),
        (["generate", "-m", "stamina", "-p", "a photo of a <v9>"], ["<v9>", "<v1>"]),
        (["generate", "-m", "stamina"], ["nothing to draw", "-p 'a photo of a <v1>'", "<v1>, <v2>."]),
        (["generate", "-m", "stamina", "--task", "0"], ["nothing to draw", "-p 'a photo of a cat'."]),
        (["generate", "-m", "stamina", "--task", "0", "-p", "a <v1>"], ["The base model knows no <v1>", "--task 0"]),
        (["generate", "-m", "stamina", "--task", "3", "-p", "a cat"], ["--task 3", "0 to 2"]),
        (["export", "-m", "stamina", "--task", "0"], ["--task", "greater than or equal to 1"]),
        (["generate", "-m", "stamina", "-p", "a <v1>", "--seeds", "7-3"], ["--seeds", "7-3", "0-7"]),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], words: list[str], runs: Path, tmp_path: Path) -> None:
    command, *rest = arguments
    refused(bench(command, runs, *rest, "-o", tmp_path / "out"), *words)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for command in ("export", "generate"):
        refused(bench(command, runs, "-m", "stamina", "-o", tmp_path), "exists already")


def test_seeds_are_ranges_or_lists() -> None:
    assert image_seeds("3-5") == (3, 4, 5)
    assert image_seeds("5,2") == (5, 2)
    with pytest.raises(UsageError, match="0-7"):
        image_seeds("a")
