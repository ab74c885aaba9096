"""CIDM's two formulas against plain loops in float64, and that images are drawn with the weights of their prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import CONCEPTS, Course, tiny_model
from torch import Tensor

from harness.errors import PluginError
from harness.plugins import hooks
from harness.prompts import prompt_for
from methods.cidm import CIDM, CIDMOptions
from methods.parts import consolidation, shares

SHAPES = {"to_k": (5, 3), "to_v": (4, 3)}


def draws(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("concepts", [1, 3])
def test_the_consolidation_loss_is_two_means(concepts: int) -> None:
    past = {name: draws(concepts, *shape, seed=n) for n, (name, shape) in enumerate(SHAPES.items())}
    now = {name: draws(*shape, seed=10 + n) for n, (name, shape) in enumerate(SHAPES.items())}
    apart, ones = [], []
    for name, a in now.items():
        for earlier in past[name]:
            overlap = a.numpy() @ earlier.numpy().T
            apart.append(np.abs(overlap).mean())
            ones.append(((a.numpy() - 1) ** 2).mean())
    found = consolidation(past, now)
    np.testing.assert_allclose(float(found["apart"]), np.mean(apart), rtol=1e-12)
    np.testing.assert_allclose(float(found["ones"]), np.mean(ones), rtol=1e-12)


@pytest.mark.parametrize("power", [1.0, 4.0, 16.0])
def test_shares_are_powers_of_the_largest_cosine(power: float) -> None:
    concepts, prompt = draws(3, 6, seed=0).numpy(), draws(4, 6, seed=1).numpy()
    likeness = []
    for concept in concepts:
        cosines = [concept @ place / np.linalg.norm(concept) / np.linalg.norm(place) for place in prompt]
        likeness.append(abs(max(cosines)) ** power)
    found = shares(torch.from_numpy(concepts), torch.from_numpy(prompt), power)
    np.testing.assert_allclose(found.numpy(), np.array(likeness) / sum(likeness), rtol=1e-12)


def test_the_loss_is_there_from_the_second_concept_on(tiny_models: Path) -> None:
    course = Course("cidm", tiny_model(tiny_models), likeness="prompt", power=8.0)
    first = course.teach()
    assert set(first.done.losses[0]) == {"step", "sd"}
    second = course.teach()
    assert {"apart", "ones"} < set(second.done.losses[0])
    # A_2 is 0 at the first step: (0 - 1)^2, by 0.1; and |A_2 A_1^T| of nothing
    np.testing.assert_allclose(second.done.losses[0]["ones"], 0.1, rtol=1e-6)
    assert second.done.losses[0]["apart"] == 0 < second.done.losses[-1]["apart"]


@pytest.mark.parametrize("likeness", ["token", "prompt"])
def test_a_prompt_is_drawn_with_the_sum_of_all_by_their_shares(tiny_models: Path, likeness: str) -> None:
    model = tiny_model(tiny_models)
    course = Course("cidm", model, likeness=likeness, power=8.0)
    before = {name: weight.double() for name, weight in model.initial.items()}
    alone: list[dict[str, Tensor]] = []
    features = []
    for token, category in CONCEPTS:
        course.teach()
        # W_t is what was learnt of this concept alone, from W_init
        alone.append({name: weight.double() - before[name] for name, weight in model.weights().items()})
        prompt = token if likeness == "token" else prompt_for(token, category, True)
        place = 0 if likeness == "token" else prompt.split().index(token)
        features.append(model.text_inputs([prompt], words_only=True)[0][place].double())
    method = CIDM(CIDMOptions(likeness=likeness, power=8.0))
    method.memory = course.memory
    for name, weight in alone[1].items():
        product = course.memory[f"A.{name}"][1].double() @ course.memory[f"B.{name}"][1].double()
        torch.testing.assert_close(weight, product, rtol=1e-4, atol=1e-6)
    drawn = []
    for token, category in CONCEPTS:
        prompt = prompt_for(token, category, True)
        weights = hooks.for_prompt(method, model, prompt)
        share = shares(torch.stack(features), model.text_inputs([prompt])[0].double(), 8.0)
        assert weights is not None
        drawn.append(weights)
        for name, weight in weights.items():
            expected = before[name] + share[0] * alone[0][name] + share[1] * alone[1][name]
            torch.testing.assert_close(weight.double(), expected, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(weight, drawn[1][name]) for name, weight in drawn[0].items())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "must give a weight of its own shape for each of the projections."),
        (3, "must give the weights as a dict of names to tensors"),
    ],
)
def test_other_weights_are_an_error(tiny_models: Path, given: Any, sentence: str) -> None:
    class Odd(CIDM):
        def for_prompt(self, model: Any, prompt: str) -> Any:
            return given

    with pytest.raises(PluginError, match=sentence):
        hooks.for_prompt(Odd(CIDMOptions()), tiny_model(tiny_models), "a photo of a person")
