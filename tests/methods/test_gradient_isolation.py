"""What a task may change, and that it changes nothing else, bit for bit: two tasks of every method, pushed hard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_tasks import CONCEPTS, Course, same, tiny_model
from torch import Tensor, nn

from harness import registry
from harness.backbones.text_to_image import TextToImage
from methods.parts import FromPretrained, MaskedLowRank

TOKENS_ONLY = {"ti", "ti++"}


@pytest.fixture(params=registry.methods().names())
def course(request: pytest.FixtureRequest, tiny_models: Path) -> Course:
    return Course(request.param, tiny_model(tiny_models))


def state(model: TextToImage) -> dict[str, Tensor]:
    """Every tensor of the pipeline that is not a key or value projection."""
    parts: dict[str, nn.Module] = {"unet": model.denoiser, "vae": model.vae, "text_encoder": model.text_encoders[0]}
    adapted = {f"unet.{name}.weight" for name in model.projections}
    found = {f"{part}.{name}": t for part, module in parts.items() for name, t in module.state_dict().items()}
    assert adapted < set(found)
    return {name: tensor.clone() for name, tensor in found.items() if name not in adapted}


def frozen(model: TextToImage) -> dict[str, nn.Parameter]:
    """Every parameter of the pipeline, W_{t-1} beneath the adapters included, but not the adapters' own."""
    adapters = {id(p) for adapter in model.adapters() for p in adapter.parameters()}
    parts = (model.denoiser, model.vae, model.text_encoders[0])
    return {name: p for part in parts for name, p in part.named_parameters() if id(p) not in adapters}


def watch(model: TextToImage, seen: list[int]) -> None:
    """At every training step, look for a frozen parameter that asks for or has a gradient."""
    inner = model.denoising_errors

    def watched(*arguments: Any) -> Tensor:
        parameters = frozen(model)
        assert [name for name, p in parameters.items() if p.requires_grad or p.grad is not None] == []
        seen.append(len(parameters))
        return inner(*arguments)

    model.denoising_errors = watched  # type: ignore[method-assign]


def test_two_tasks_change_what_they_may_and_nothing_else(course: Course) -> None:
    model = course.model
    name = registry_name(course)
    before, everything, steps = state(model), len(frozen(model)), list[int]()
    watch(model, steps)
    options = course.options
    assert options.weight_decay == 0.1
    assert options.learning_rate >= 0.05

    first = course.teach()
    table = model.text_encoders[0].get_input_embeddings().weight  # type: ignore[operator]
    embedding = first.done.token.clone()
    one, two = (token for token, _ in CONCEPTS)
    known = model.token(one).clone()
    second = course.teach()

    assert len(steps) >= 2 * options.steps
    assert set(steps) == {everything}
    assert [key for key, p in frozen(model).items() if p.requires_grad or p.grad is not None] == []
    assert same(before, state(model))
    assert any(key.endswith("token_embedding.weight") and torch.equal(before[key], table) for key in before)

    assert torch.equal(first.done.token, embedding)
    assert torch.equal(model.token(one), embedding)
    assert torch.equal(known, embedding)
    assert torch.equal(model.token(two), second.done.token)
    assert not torch.equal(second.done.token, embedding)

    for task in (first, second):
        changed = {key for key in task.before if not torch.equal(task.before[key], task.weights[key])}
        assert changed == set(model.projections if course.plugin.base_method else task.adapters)
        assert len(changed) == {**dict.fromkeys(TOKENS_ONLY, 0), "hft": len(model.projections) // 2}.get(
            name, len(model.projections)
        )
        assert bool(task.adapters) == (name not in TOKENS_ONLY)
    assert same(model.weights(), second.weights)


def test_a_later_task_builds_on_the_weights_before_it(course: Course) -> None:
    """W_t = W_{t-1} + residual, exactly; W_{t-1} itself where the residual is 0, as under a mask.

    But for a method that takes the change of the past back.
    """
    first, second = course.teach(), course.teach()
    independent = course.plugin.independent or course.plugin.base_method is not None
    start: Any = course.model.initial if independent else first.weights
    assert same(second.before, start)
    masked = 0
    for key, adapter in second.adapters.items():
        with torch.no_grad():
            residual = adapter.compute()
        past = adapter.past if isinstance(adapter, FromPretrained) else torch.zeros_like(residual)
        assert torch.equal(second.folded[key], second.before[key] - past + residual)
        untouched = (residual == 0) & (past == 0)
        assert torch.equal(second.folded[key][untouched], second.before[key][untouched])
        if isinstance(adapter, MaskedLowRank) and adapter.mask_module.kind == "gumbel":
            closed = adapter.mask_module.logits() <= 0
            assert torch.equal(second.folded[key][closed], second.before[key][closed])
            masked += int(closed.sum())
    if registry_name(course) == "stamina":
        assert masked > 100


def registry_name(course: Course) -> str:
    """The name that the course's method is registered under."""
    names = [n for n in registry.methods().names() if registry.methods().get(n) is course.plugin]
    assert len(names) == 1
    return names[0]
