"""`stamina-bench calibrate`: its weights balance penalty and loss in a training of their own, on any backbone."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from in_process import bench, call, refused
from tiny_models import make_tiny_families

from harness import api, registry
from harness.backbones.pipeline_files import check_pipeline
from harness.backbones.text_to_image import TextToImage
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task

RATES = ("--set", "learning_rate=0.02", "--set", "token_learning_rate=0.01")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion 2, of random weights."""
    return make_tiny_families(tmp_path_factory.mktemp("families")) / "sd2"


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 1.4 with a quarter of each width, of random weights, 64 px."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "perf"))
    from random_pipelines import clip_tokenizer, sd14_pipeline

    folder = tmp_path_factory.mktemp("quarter") / "sd14"
    pipeline = sd14_pipeline(clip_tokenizer(), torch.device("cpu"), torch.float32, size=64, narrower=4)
    pipeline.save_pretrained(folder, safe_serialization=True)  # type: ignore[no-untyped-call]
    return folder


def calibrated(*words: object) -> dict[str, Any]:
    """What it prints as JSON."""
    printed, said = io.StringIO(), io.StringIO()
    assert call(printed, said, "calibrate", *words, "--json") == 0, said.getvalue()
    found: dict[str, Any] = json.loads(printed.getvalue())
    return found


def taught(name: str, tier: str, folder: Path, changes: dict[str, Any]) -> list[TrainedTask]:
    """Two tasks, by what runs use, from draws of their own."""
    plugin = registry.methods().get(name)
    plain = {"prior_images": 0} if "prior_images" in plugin.options_class.model_fields else {}
    options = plugin.options_class.for_tier(tier, {**plain, **changes})
    model = TextToImage.load(str(folder), torch.device("cpu"))
    done: list[TrainedTask] = []
    for task in api.find_benchmark("tuning6", "mini").tasks("mini")[:2]:
        images = task.images.load(check_pipeline(folder, ""))
        method = plugin(options)
        method.memory = done[-1].memory if done else {}
        lesson = Lesson(model, images, model.posterior(images), task.token, task.category, options.category_word)
        done.append(train_task(method, lesson, 5, task.name))
    return done


def share(done: TrainedTask, penalty: str) -> float:
    """The penalty at the end over the mean loss of the last half of the logged steps."""
    half = done.losses[len(done.losses) // 2 :]
    return done.losses[-1][penalty] / fmean(step["sd"] for step in half)


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("stamina", "relative"),
        *(
            pytest.param(*other, marks=pytest.mark.thorough)
            for other in (("clora", "sum"), ("stamina", "sum"), ("clora", "relative"))
        ),
    ],
)  # fmt: skip
def test_penalty_and_loss_are_equal_on_a_tiny_stable_diffusion_2(method: str, form: str, second: Path) -> None:
    changes = {"forget_form": form, "learning_rate": 0.02, "token_learning_rate": 0.01, "steps": 12}
    found = calibrated(
        method, "--tier", "paper", "--backbone", second, "--steps", 12, "--set", f"forget_form={form}", *RATES
    )
    assert (found["steps"], found["backbone"]) == (12, "sd2")
    weights = {weight["option"]: weight for weight in found["weights"]}
    assert list(weights) == ["lambda_forget"] + ["lambda_sparse"] * (method == "stamina")
    for option, task in (("lambda_forget", 2), ("lambda_sparse", 1)):
        if option in weights:
            assert weights[option]["task"] == task
            balanced = weights[option]["balanced"]
            assert balanced is not None, weights[option]
            done = taught(method, "paper", second, {**changes, option: balanced})
            assert 0.5 < share(done[task - 1], option.removeprefix("lambda_")) < 2


@pytest.mark.thorough
def test_penalty_and_loss_are_equal_on_stable_diffusion_14_by_four(quarter: Path) -> None:
    found = calibrated("stamina", "--tier", "paper", "--backbone", quarter, "--steps", 12, *RATES)
    balanced = found["weights"][0]["balanced"]
    assert balanced is not None, found
    changes = {"learning_rate": 0.02, "token_learning_rate": 0.01, "steps": 12, "lambda_forget": balanced}
    assert 0.5 < share(taught("stamina", "paper", quarter, changes)[1], "forget") < 2


@pytest.mark.thorough
def test_penalty_and_loss_are_equal_on_the_mini_pipeline() -> None:
    found = calibrated("stamina")
    balanced = found["weights"][0]["balanced"]
    assert balanced is not None, found
    folder = Path(registry.tiers().get("mini").backbone)
    assert 0.5 < share(taught("stamina", "mini", folder, {"lambda_forget": balanced})[1], "forget") < 2


@pytest.mark.thorough
def test_a_weight_that_balances_by_chance_is_none() -> None:
    """C-LoRA's penalty at the mini tier equals the loss only where its size hangs on the draws."""
    code, said = bench("calibrate", "clora")
    assert code == 0
    told = " ".join(said.split())
    assert "No lambda_forget makes its penalty equal the loss" in told
    assert "the optimizer's jitter decides there, not the weight" in told


def test_a_table_progress_and_what_is_to_be_known(tiny_models: Path) -> None:
    code, said = bench("calibrate", "clora", "--backbone", tiny_models / "sd", "--steps", 2)
    assert code == 0
    assert "Task 1, 2 steps" in said
    assert "Task 2 with lambda_forget=" in said
    assert "penalty / loss" in said
    assert "trainings of 2 steps; those of the options have 60" in said
    code, said = bench("calibrate", "clora", "--backbone", tiny_models / "sd", "--steps", 2, "-q")
    assert "Task 2" not in said


def test_mistakes_are_one_sentence(tiny_models: Path) -> None:
    place = ("--backbone", tiny_models / "sd", "--steps", 1)
    refused(bench("calibrate", "lora", *place), "'lora' has no penalty with a weight")
    refused(bench("calibrate", "stamin", *place), "did you mean")
    refused(bench("calibrate", "clora", *place, "--set", "lamda=1"), "unknown option 'lamda'")
    refused(bench("calibrate", "clora", "--backbone", tiny_models / "clip", "--steps", 1), "Backbone", "folder")
    refused(bench("calibrate", "clora,stamina", *place), "one method")
