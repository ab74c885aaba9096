"""What a run learnt, taken out by `export` and `generate`, and loaded by diffusers alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from exported import by_diffusers, difference, drawn, load
from in_process import bench, refused
from safetensors.torch import load_file

from harness.errors import UsageError
from harness.export.lora_file import factor
from harness.export.model_card import plain
from harness.export.trained_model import choose_cell, image_seeds, learnt
from harness.export.trained_model import load as load_model
from harness.plugins import hooks
from harness.records.run_file import read_cells
from harness.seeds import derive_seed
from harness.store.artifacts import MEMORY
from harness.store.image_sets import load_images
from harness.store.store import Store
from methods.cidm import CIDM, CIDMOptions

OTHER = Path(__file__).parents[3] / "benchmarks" / "mini" / "checkpoints" / "stable-diffusion-mini"
PROMPT = "a photo of <v1> next to <v2>"


@pytest.mark.parametrize("method", ["stamina", "ti++", "cd", "dreambooth-lora"])
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


@pytest.mark.parametrize("method", ["stamina", "dreambooth-lora"])
def test_a_lora_file_draws_the_same_on_the_base_model(
    runs: Path, tiny_models: Path, tmp_path: Path, method: str
) -> None:
    pytest.importorskip("peft")
    code, said = bench("export", runs, "-m", method, "--as", "lora", "-o", tmp_path / "out")
    assert code == 0, said
    ours = drawn(runs, tmp_path / "images", "-m", method, "-p", PROMPT)
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
    _, said = bench("export", runs, "-m", method, "--as", "lora", "--rank", 1, "-o", tmp_path / "low")
    assert "rank 1 (it leaves out 0." in said


def test_weights_that_hang_on_the_prompt_are_drawn_with_and_not_exported(runs: Path, tmp_path: Path) -> None:
    refused(
        bench("export", runs, "-m", "cidm", "-o", tmp_path / "out"),
        "'cidm [batch_size=2, ",
        "]' draws each prompt with weights of its own, so that there is no one model to write",
    )
    state = learnt(choose_cell(read_cells(runs), method="cidm"))
    method = CIDM(CIDMOptions())
    assert state.weights is not None
    assert state.cell.store is not None
    method.memory = load_file(str(state.weights.file(MEMORY)))
    for task in state.tasks:
        model, prompt = load_model(state, "cpu"), state.prompt(task)
        model.load_weights(method.for_prompt(model, prompt))
        concept = Store(state.cell.store).open(task.after[2].parent.name).manifest["recipe"]["concept"]
        own = [derive_seed(0, "generate", concept, k) for k in range(2)]
        of_the_run = load_images(task.after[2])
        assert difference(model.generate(prompt, own, state.sampling), of_the_run) <= 1
        numbers, sampling = [0, 1, 2], state.sampling.with_changes({"guidance_scale": 6.0})
        ours = drawn(runs, tmp_path / str(task.index), "-m", "cidm", "-p", prompt)
        assert difference(model.generate(prompt, numbers, sampling), ours) <= 1
        assert difference(load_model(state, "cpu").generate(prompt, numbers, sampling), ours) > 1


def test_a_prompt_without_weights_of_its_own_has_those_of_the_task(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also behind one that has some."""
    own = hooks.for_prompt
    monkeypatch.setattr(hooks, "for_prompt", lambda method, model, p: own(method, model, p) if "<v1>" in p else None)
    first, second = "a photo of a <v1>", "a photo of a <v2>"
    drawn_alone = drawn(runs, tmp_path / "alone", "-m", "cidm", "-p", second)
    code, said = bench(
        "generate", runs, "-m", "cidm", "-p", first, "-p", second, "--seeds", "0-2", "--guidance", 6.0, "--device",
        "cpu", "-o", tmp_path / "both",
    )  # fmt: skip
    assert code == 0, said
    assert difference(load_images(tmp_path / "both" / "prompt-2"), drawn_alone) == 0


@pytest.mark.parametrize("rank", [1, 3, None])
def test_factors_are_the_best_of_their_rank(rank: int | None) -> None:
    change = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    up, down = factor(change, rank)
    assert up.shape[1] == down.shape[0] == (rank or 5)
    values = torch.linalg.svdvals(change.double())
    rest = (change.double() - up @ down).square().sum()
    assert float(rest) == pytest.approx(float(values[rank or 5 :].square().sum()), abs=1e-9)


def test_nothing_changed_is_one_zero_column() -> None:
    up, down = factor(torch.zeros(4, 3), None)
    assert (up.shape, down.shape, float(up.abs().sum())) == ((4, 1), (1, 3), 0.0)


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
