"""What every method trains on at the paper tier: the authors' rates, the same class images, rescaled images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import tiny_model
from torch import Tensor, nn

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.backbones.architecture import blueprint
from harness.backbones.counts import counts_of
from harness.engine.plan import CellRequest, Plan, RunContext
from harness.method import Batch, Method
from harness.method_card import method_card
from harness.prompts import FAR, NEAR, class_prompt
from harness.settings.customization.footprint import footprint
from harness.settings.customization.task_data import Lesson
from harness.spec import Benchmark, MethodOptions, Tier
from methods import parts
from methods.parts.tokens import FreeToken, MlpToken

TOKENS_ALONE = ("ti", "ti++")
METHODS = tuple(registry.methods().names())
WEIGHTS = tuple(name for name in METHODS if name not in TOKENS_ALONE)
CD = ("cd", "cd-ewc", "cd-merge", "ub")
REHEARSING = ("replay", "generative-replay")


def options_of(name: str, tier: str = "paper", **changes: Any) -> Any:
    return registry.methods().get(name).options_class.for_tier(tier, changes)


class Plain(Method[MethodOptions]):
    """A plugin that says nothing of what it looks at."""

    options_class = MethodOptions

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        return parts.new_token(model, "free", "random", 4, generator)


# --------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("name", CD)
def test_custom_diffusions_rate_is_the_authors_scaled_to_our_step(name: str) -> None:
    """Base 1e-5 x accumulation x images x processes, x 2 with class images; weight decay 1e-2 (their script)."""
    o = options_of(name)
    accumulation, processes = 1, 1
    scaled = 1e-5 * accumulation * o.batch_size * processes * (2 if o.prior_images else 1)
    assert o.learning_rate == pytest.approx(scaled, rel=1e-12)
    assert o.learning_rate == pytest.approx(1e-5 * 1 * 2 * 2 * 2, rel=1e-12)  # two images on each of two GPUs
    assert (o.token_learning_rate, o.weight_decay) == (o.learning_rate, 1e-2)
    meaning = {option.name: option.meaning for option in method_card(name, "paper").options}["learning_rate"]
    assert meaning is not None
    assert "1e-5 x 4 images x 2 with class images" in meaning


def test_textual_inversions_rate_is_the_scripts_scaled_to_our_step() -> None:
    """5e-4 x accumulation 4 x 1 image x 1 process, and ours is four images at once."""
    o = options_of("ti")
    assert o.token_learning_rate == pytest.approx(5e-4 * 4 * 1 * 1, rel=1e-12)
    assert o.token_learning_rate == pytest.approx(5e-4 * o.batch_size, rel=1e-12)


def first_step(make: Callable[[torch.Generator], nn.Module], rate: float) -> float:
    """By how much AdamW's first step moves an embedding, in spreads of ordinary ones; mean over draws, in float64."""
    moved = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        token = make(generator).double()
        before = token().detach().clone()
        (token() * torch.randn(768, generator=generator, dtype=torch.float64)).sum().backward()
        torch.optim.AdamW(token.parameters(), lr=rate, weight_decay=1e-2).step()
        moved.append(float((token().detach() - before).square().mean().sqrt()))
    return float(np.mean(moved)) / SPREAD


SPREAD = 0.0136  # of the entries of Stable Diffusion 1.x's token embeddings


def test_an_mlps_token_moves_faster_at_a_quarter_of_the_rate() -> None:
    """Its hidden units sum 768 weights, all of which move by the rate: docs/paper-tier.md has these figures."""
    start = torch.zeros(768)
    free = first_step(lambda g: FreeToken(start, SPREAD, g), options_of("ti").token_learning_rate)
    mlp = first_step(lambda g: MlpToken(start, SPREAD, 16, g), options_of("ti++").token_learning_rate)
    at_tis = first_step(lambda g: MlpToken(start, SPREAD, 16, g), options_of("ti").token_learning_rate)
    assert (free, mlp, at_tis) == pytest.approx((0.15, 0.48, 2.1), abs=0.05)
    assert options_of("ti++").token_learning_rate == options_of("stamina").token_learning_rate


# ---------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize("name", METHODS)
def test_every_method_that_trains_weights_sees_the_same_images_at_the_same_cost(name: str) -> None:
    """By count, on Stable Diffusion 1.4: images of a step for the U-Net and the VAE, and class images."""
    counts = counts_of(blueprint("sd-1.4"), "sd-1.4", "half")
    found = footprint(name, options_of(name).model_dump(mode="json"), counts)
    # hooks that need content: predictions under a step's batch, the features' rank, and the projections' own names
    needs_content = {
        "cidm": "its memory", "drift-correction": "its penalties", "inf-lora": "its memory", "hft": "its penalties",
    }  # fmt: skip
    assert [text.partition(" (")[0] for text in found.unknown] == [n for m, n in needs_content.items() if m == name]
    seen = (found.rows, found.encoded, found.prior)
    more = 4 if name in REHEARSING else 0  # as many past images as own ones
    assert seen == ((4, 0, 0) if name in TOKENS_ALONE else (8 + more, 4, 200))


def test_a_plugin_that_says_nothing_gets_them_too() -> None:
    counts = counts_of(blueprint("sd-1.4"), "sd-1.4", "half")
    found = footprint(f"{__name__}:Plain", Plain.options_class.for_tier("paper").model_dump(mode="json"), counts)
    assert (found.rows, found.encoded, found.prior) == (8, 4, 200)
    assert Plain(MethodOptions.for_tier("mini")).prior_images() == 0


@pytest.mark.parametrize("name", METHODS)
def test_at_the_mini_tier_nothing_of_it_is_on(name: str) -> None:
    o = options_of(name, "mini")
    assert (o.prior_images, o.augment, o.weight_decay) == (0, False, 0.0)


def test_all_methods_share_the_class_images_of_a_category() -> None:
    """Two categories: two steps draw class images for all methods and seeds, and are parents of all their trainings."""
    benchmark = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=2, waterfalls=1)})
    tier = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
    plan = Plan(RunContext(tier, tier.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32"))
    tasks = benchmark.tasks("mini")
    for name in METHODS:
        plugin = registry.methods().get(name)
        learner = registry.methods().get(plugin.base_method) if plugin.base_method else None
        for seed in (0, 1):
            plan.add_cell(CellRequest(benchmark, tasks, 3, name, plugin, options_of(name), seed, learner))
    drawn = {step.recipe["category"]: step for step in plan.steps.values() if step.kind == "prior"}
    assert sum(step.kind == "prior" for step in plan.steps.values()) == len(drawn) == len({t.category for t in tasks})
    assert {step.recipe["sampling"]["images"] for step in drawn.values()} == {200}
    trained = set()
    for step in plan.steps.values():
        if step.kind == "train":
            wanted = None if step.recipe["method"] in TOKENS_ALONE else drawn[step.recipe["category"]].key
            assert step.work["prior"] == wanted
            assert wanted is None or wanted in step.parents
            trained.add(step.recipe["method"])
    merging = {name for name in METHODS if registry.methods().get(name).base_method}  # another one learns for them
    assert trained == {*METHODS} - merging
    assert merging == {"cd-merge", "lora-merge", "orthogonal-adaptation"}


# ------------------------------------------------------------------------------------------------------------- batches


@pytest.fixture
def lesson(tiny_models: Path) -> Lesson:
    model = tiny_model(tiny_models)
    model.set_token("<v1>", 0.5 * torch.randn(model.token_dim, generator=torch.Generator().manual_seed(1)))
    draw = np.random.default_rng(0)
    own, prior = (draw.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8) for count in (3, 5))
    return Lesson(model, own, model.posterior(own), "<v1>", "person", False, prior=model.posterior(prior))


def drawn(method: Method[Any], lesson: Lesson, seed: int = 5) -> Batch:
    """A batch of its first task."""
    method.begin_task(lesson.model, torch.Generator().manual_seed(0))
    return method.batch(lesson, torch.Generator().manual_seed(seed))


def changed(name: str, **changes: Any) -> Method[Any]:
    return Plain(MethodOptions.for_tier("paper", changes)) if name == "plugin" else registry.methods().get(name)(
        options_of(name, **changes)
    )  # fmt: skip


@pytest.mark.parametrize("name", ["plugin", *WEIGHTS])
def test_what_a_step_looks_at(name: str, lesson: Lesson) -> None:
    """Own images under prompts and masks of their own, then as many class images under the category's."""
    batch = drawn(changed(name, batch_size=6, prior_weight=0.5), lesson)
    assert len(batch.latents) == len(batch.prompts) == 12
    assert set(batch.prompts[6:]) == {class_prompt("person")} == {"a photo of a person"}
    starts = {prompt.removesuffix("photo of a <v1>") for prompt in batch.prompts[:6]}
    assert starts <= {"a ", *FAR, *NEAR}
    assert len(starts) > 1
    assert batch.mask is not None
    assert batch.mask[6:].all()
    assert batch.share is not None
    assert batch.share.tolist() == pytest.approx([1 / 6] * 6 + [0.5 / 6] * 6)
    assert lesson.prior is not None
    for latent in batch.latents[6:]:
        assert any(torch.equal(latent, image) for image in lesson.prior.mean)


@pytest.mark.parametrize("name", ["plugin", *METHODS])
def test_with_all_of_it_off_a_step_is_the_tasks_plain_images_bit_for_bit(name: str, lesson: Lesson) -> None:
    batch = drawn(changed(name, prior_images=0, augment=False), lesson)
    plain = lesson.plain(4, torch.Generator().manual_seed(5))
    assert torch.equal(batch.latents, plain.latents)
    assert (batch.prompts, batch.mask, batch.share) == (plain.prompts, None, None)


def test_class_images_teach_a_token_nothing(lesson: Lesson) -> None:
    """The loss on them does not hold V*: with the U-Net fixed its gradient is 0."""
    token = nn.Parameter(torch.zeros(lesson.model.token_dim))
    lesson.model.set_token("<v1>", token)

    def slope(prompt: str) -> Tensor:
        loss = lesson.loss(Batch(lesson.latents.mean[:2], (prompt,)), torch.Generator().manual_seed(0))
        return torch.autograd.grad(loss, token)[0]

    assert slope("a photo of a <v1>").abs().sum() > 0
    assert not slope(class_prompt("person")).any()


# ---------------------------------------------------------------------------------------------------- shared defaults


class Own(MethodOptions):
    """A plugin's options with defaults of its own."""

    prior_images: int = 7
    weight_decay: float = 0.3


def test_a_settings_defaults_at_a_tier_leave_a_methods_own_alone() -> None:
    mini, paper = Own.for_tier("mini"), Own.for_tier("paper")
    assert (mini.prior_images, mini.weight_decay, mini.augment) == (7, 0.3, False)
    assert (paper.prior_images, paper.weight_decay, paper.augment) == (7, 0.3, True)
    assert MethodOptions.for_tier("mini", {"augment": True}).augment
    assert MethodOptions.pinned(augment=True).for_tier("mini").augment
    assert Own.for_tier("elsewhere") == Own.for_tier("paper")


def test_show_says_what_class_images_add_to_the_loss() -> None:
    for name, tier, said in (("stamina", "paper", True), ("cd", "paper", True), ("stamina", "mini", False),
                             ("ti", "paper", False)):  # fmt: skip
        loss = method_card(name, tier).loss
        assert loss is not None
        assert ("prior_weight" in loss) == said
