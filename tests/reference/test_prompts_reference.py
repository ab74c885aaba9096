"""Prompt methods against their forward passes written out in float64, and what a task must not touch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_classifier import METHODS, ClassCourse, tiny_classifier, tiny_vit
from torch import Tensor, nn
from vit_in_numpy import Prefixes, attention, class_tokens

from harness.backbones.classifier import Classifier, PrefixAttention
from harness.errors import UsageError
from methods.coda_prompt import CodaPrompt
from methods.dualprompt import DualPrompt
from methods.parts.prompting import orthogonal_start
from methods.parts.prompts import CodaPrompts, DualPrompts, PromptPool

Array = NDArray[np.float64]
DIM, HEADS, DEPTH = 32, 2, 6
# images that differ enough for their queries to choose differently
IMAGES = 3 * torch.randn(4, 3, 1, 1, generator=torch.Generator().manual_seed(6)) + torch.randn(
    4, 3, 32, 32, generator=torch.Generator().manual_seed(5)
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def double(tensor: Tensor) -> Array:
    found: Array = tensor.detach().double().numpy()
    return found


def weights(model: Classifier) -> dict[str, Array]:
    return {name: double(p) for name, p in model.vit.named_parameters()}


def expected(model: Classifier, made: Callable[[Array], Prefixes] | None) -> Array:
    return class_tokens(weights(model), double(IMAGES), DEPTH, HEADS, made)


def cosine(a: Array, b: Array) -> float:
    """By sums of squares, not by norms of vectors made unit beforehand."""
    return float(sum(a * b) / math.sqrt(sum(a * a) * sum(b * b)))


def spread(tensor: Tensor) -> Tensor:
    """Larger than its start, so that prompts matter."""
    with torch.no_grad():
        return tensor.copy_(2 * torch.randn(tensor.shape, generator=generator(8)))


# --------------------------------------------------------------------------------------------------- attention, queries


@pytest.mark.parametrize("length", [0, 1, 3])
def test_prefixes_go_before_keys_and_values_and_get_no_rows_of_their_own(length: int) -> None:
    plain: Any = tiny_vit()
    module = PrefixAttention(plain.blocks[2].attn.double())
    x = torch.randn(2, 5, DIM, dtype=torch.float64, generator=generator())
    before = torch.randn(2, 2, length, DIM, dtype=torch.float64, generator=generator(1))
    module.prefix = (before[0], before[1])
    found = module(x)
    assert found.shape == x.shape
    joined = plain.blocks[2].attn
    matrices = double(joined.qkv.weight).reshape(3, DIM, DIM), double(joined.qkv.bias).reshape(3, DIM)
    for number, own in enumerate(double(x)):
        q, k, v = (own @ matrix.T + bias for matrix, bias in zip(*matrices, strict=True))
        mixed = attention(own, q, k, v, HEADS, (double(before[0, number]), double(before[1, number])))
        wanted = mixed @ double(joined.proj.weight).T + double(joined.proj.bias)
        np.testing.assert_allclose(double(found[number]), wanted, atol=1e-12)


def test_an_empty_prefix_changes_nothing_and_a_mask_is_refused() -> None:
    module = PrefixAttention(tiny_vit().blocks[0].attn)  # type: ignore[index, union-attr]
    x = torch.randn(2, 5, DIM, generator=generator())
    bare = module(x)
    module.prefix = (torch.zeros(2, 0, DIM), torch.zeros(2, 0, DIM))
    assert torch.equal(module(x), bare)
    with pytest.raises(ValueError, match="a classifier's attention has no mask"):
        module(x, is_causal=True)
    with pytest.raises(ValueError, match="a classifier's attention has no mask"):
        module(x, torch.zeros(5, 5))


def test_the_query_is_the_class_token_of_a_pass_without_prompts() -> None:
    model, seen = tiny_classifier(), []
    bare = model.features(IMAGES)
    pool = PromptPool(6, 4, 4, DIM, 2, generator())
    spread(pool.prompts)
    pool.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.prompt = pool
    found = model.features(IMAGES)
    assert torch.equal(seen[0], bare)
    assert not seen[0].requires_grad
    assert not torch.allclose(found, bare, atol=1e-2)
    assert all(block.attn.prefix is None for block in model.vit.blocks)  # none is left for the next pass
    np.testing.assert_allclose(double(bare), expected(model, None), atol=2e-5)


# ---------------------------------------------------------------------------------------------------------- the methods


@pytest.mark.parametrize(("depth", "top", "pool"), [(1, 2, 5), (3, 3, 4), (1, 5, 3)])
def test_l2p_gives_each_image_its_own_nearest_prompts(depth: int, top: int, pool: int) -> None:
    """The last case asks for more prompts than there are: all of them."""
    model = tiny_classifier()
    made = PromptPool(depth, pool, 4, DIM, top, generator())
    for parameter in made.parameters():
        spread(parameter)
    model.prompt = made
    found = model.features(IMAGES)
    prompts, keys = double(made.prompts), double(made.keys)
    distances: list[float] = []
    choices: set[tuple[int, ...]] = set()

    def prefixes(query: Array) -> Prefixes:
        chosen: dict[int, tuple[Array, Array]] = {}
        distance = 0.0
        for block in range(depth):
            near = {number: cosine(query, keys[block, number]) for number in range(pool)}
            best = sorted(near, key=lambda number: -near[number])[: min(top, pool)]
            choices.add(tuple(sorted(best)))
            distance += sum(1 - near[number] for number in best)
            k = np.concatenate([prompts[block, number, :2] for number in best])
            v = np.concatenate([prompts[block, number, 2:] for number in best])
            chosen[block] = (k, v)
        distances.append(distance)
        return chosen

    np.testing.assert_allclose(double(found), expected(model, prefixes), atol=5e-5)
    assert made.distance.item() == pytest.approx(np.mean(distances), abs=1e-5)
    assert len(choices) > 1 or top >= pool  # else a choice by the batch would pass


def test_the_key_distance_of_l2p_pulls_the_chosen_keys_alone() -> None:
    query = torch.randn(1, DIM, generator=generator())
    made = PromptPool(1, 5, 4, DIM, 2, generator(1))
    spread(made.keys)
    made(query)
    made.distance.backward()
    assert made.keys.grad is not None
    moved = made.keys.grad[0].abs().sum(1) > 0
    near = [cosine(double(query)[0], key) for key in double(made.keys)[0]]
    assert sorted(torch.nonzero(moved)[:, 0].tolist()) == sorted(np.argsort(near)[-2:].tolist())


@pytest.mark.parametrize("training", [True, False])
def test_dualprompt_takes_its_own_task_in_training_and_the_nearest_key_in_tests(training: bool) -> None:
    model = tiny_classifier()
    memory = {
        "general": torch.randn(2, 2, DIM, generator=generator(1)),
        "expert": torch.randn(3, 4, 4, DIM, generator=generator(2)),
        "key": torch.randn(3, 4, DIM, generator=generator(3)),
    }
    made = DualPrompts((2, 2), (3, 4), DIM, memory, generator(4)).train(training)
    for parameter in (made.expert, made.key):
        spread(parameter)
    model.prompt = made
    found = model.features(IMAGES)
    distances: list[float] = []
    chosen: list[int] = []

    def prefixes(query: Array) -> Prefixes:
        general = double(memory["general"])
        kept = {block: (general[block, :1], general[block, 1:]) for block in (0, 1)}
        distance = 0.0
        for number in range(3):
            if training:
                prompt = double(made.expert)[number, 0]
                distance += 1 - cosine(query, double(made.key)[number, 0])
            else:
                keys = double(memory["key"])[number]
                best = int(np.argmax([cosine(query, key) for key in keys]))
                chosen.append(best)
                prompt = double(memory["expert"])[number, best]
            kept[2 + number] = (prompt[:2], prompt[2:])
        distances.append(distance)
        return kept

    np.testing.assert_allclose(double(found), expected(model, prefixes), atol=5e-5)
    assert made.distance.item() == pytest.approx(np.mean(distances), abs=1e-5)
    assert training or len(set(chosen)) > 1


@pytest.mark.parametrize("old", [0, 3])
def test_coda_sums_the_components_of_all_tasks_by_their_cosines(old: int) -> None:
    model = tiny_classifier()
    memory = {
        "P": torch.randn(4, old, 4, DIM, generator=generator(1)),
        "K": torch.randn(4, old, DIM, generator=generator(2)),
        "A": torch.randn(4, old, DIM, generator=generator(3)),
    }
    made = CodaPrompts(4, 2, 4, DIM, memory, generator(4))
    for parameter in made.parameters():
        spread(parameter)
    model.prompt = made
    found = model.features(IMAGES)
    p, k, a = (
        np.concatenate([double(memory[name]), double(made.get_parameter(name))], axis=1) for name in ("P", "K", "A")
    )

    def prefixes(query: Array) -> Prefixes:
        kept: dict[int, tuple[Array, Array]] = {}
        for block in range(4):
            prompt = np.zeros((4, DIM))
            for m in range(old + 2):
                prompt += cosine(query * a[block, m], k[block, m]) * p[block, m]
            kept[block] = (prompt[:2], prompt[2:])
        return kept

    wanted = expected(model, prefixes)
    np.testing.assert_allclose(double(found), wanted, atol=5e-5)
    model.prompt = CodaPrompts.of_memory(made.learnt())  # as it is tested
    np.testing.assert_allclose(double(model.features(IMAGES)), wanted, atol=5e-5)


def test_codas_penalty_is_the_mean_entry_of_each_gram_less_the_identity() -> None:
    made = CodaPrompts(2, 3, 4, DIM, {}, generator())
    assert float(made.coherence().detach()) == pytest.approx(0, abs=1e-10)  # it starts orthogonal
    for parameter in made.parameters():
        spread(parameter)
    wanted = 0.0
    for name in ("P", "K", "A"):
        for rows in double(made.get_parameter(name)).reshape(2, 3, -1):
            wanted += np.mean([(rows[i] @ rows[j] - (i == j)) ** 2 for i in range(3) for j in range(3)])
    assert float(made.coherence().detach()) == pytest.approx(wanted, rel=1e-5)


# ---------------------------------------------------------------------------------------------------- CODA's new rows


@pytest.mark.parametrize("old", [0, 5])
def test_codas_new_rows_start_orthogonal_to_all_others(old: int) -> None:
    memory = {
        name: torch.randn(2, old, *shape, generator=generator(number))  # trained ones: not orthogonal, not of unit norm
        for number, (name, shape) in enumerate({"P": (4, DIM), "K": (DIM,), "A": (DIM,)}.items())
    }
    made = CodaPrompts(2, 4, 4, DIM, memory, generator(9))
    for name in ("P", "K", "A"):
        for block in range(2):
            new = double(made.get_parameter(name))[block].reshape(4, -1)
            np.testing.assert_allclose(new @ new.T, np.eye(4), atol=1e-6)
            np.testing.assert_allclose(new @ double(memory[name])[block].reshape(old, new.shape[1]).T, 0, atol=1e-5)


def test_more_rows_than_dimensions_are_unit_vectors_all_the_same() -> None:
    made = orthogonal_start(torch.zeros(0, 3), 5, generator())
    torch.testing.assert_close(made.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(made[:3] @ made[:3].T, torch.eye(3), atol=1e-6, rtol=0)
    assert made[3:].abs().max() < 1
    full = orthogonal_start(torch.eye(3), 2, generator())  # nothing is left over
    torch.testing.assert_close(full.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize(("pool", "tasks", "each"), [(100, 20, 5), (100, 10, 10), (7, 3, 2)])
def test_codas_pool_is_shared_out_among_all_tasks(pool: int, tasks: int, each: int) -> None:
    method = CodaPrompt(CodaPrompt.options_class(pool=pool))
    method.task_index, method.num_tasks = 1, tasks
    assert method.begin_task(tiny_classifier(), generator()).K.shape == (5, each, DIM)


def test_a_pool_too_small_for_the_tasks_is_said() -> None:
    method = CodaPrompt(CodaPrompt.options_class(pool=4))
    method.task_index, method.num_tasks = 1, 5
    wanted = "coda-p: pool=4 has no component for each of 5 tasks; set a larger pool."
    with pytest.raises(UsageError) as error:
        method.begin_task(tiny_classifier(), generator())
    assert str(error.value) == wanted


def test_dualprompt_needs_a_block_for_the_tasks_prompts() -> None:
    method = DualPrompt(DualPrompt.options_class(general_blocks=6))
    with pytest.raises(UsageError, match=r"general_blocks=6 leaves none of the ViT's 6 blocks"):
        method.begin_task(tiny_classifier(), generator())


# ---------------------------------------------------------------------------------------------------- what stays put


# method -> what of its memory a later task must leave as it is: name -> axis along which it grows
GROWS = {"coda-p": {"P": 1, "K": 1, "A": 1}, "dualprompt": {"expert": 1, "key": 1}}


@pytest.mark.parametrize("name", GROWS)
def test_what_earlier_tasks_learnt_is_bit_identical_after_a_later_one(name: str) -> None:
    course = ClassCourse(name)
    first = course.teach()
    second = course.teach()
    for part, axis in GROWS[name].items():
        count = first.memory[part].shape[axis]
        assert second.memory[part].shape[axis] == 2 * count
        assert torch.equal(second.memory[part].narrow(axis, 0, count), first.memory[part])
        new = second.memory[part].narrow(axis, count, count)
        assert not torch.equal(new, first.memory[part])


@pytest.mark.parametrize("name", GROWS)
def test_only_the_tasks_own_part_has_gradients(name: str) -> None:
    course = ClassCourse(name)
    course.teach()
    method = course.plugin(course.options)
    method.memory, method.task_index, method.num_tasks = course.memory, 2, 2
    module = method.begin_task(course.model, generator()).train()
    course.model.prompt = module  # type: ignore[assignment]
    course.model.features(IMAGES).square().sum().backward()
    penalties = method.penalties()
    if penalties:
        torch.stack(list(penalties.values())).sum().backward()
    assert all(not buffer.requires_grad and buffer.grad is None for buffer in module.buffers())
    trained = dict(module.named_parameters())
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in trained.values()), name
    assert all(p.grad is None and not p.requires_grad for p in course.model.vit.parameters())
    own = {"coda-p": {"P", "K", "A"}, "dualprompt": {"general", "expert", "key"}}[name]
    assert set(trained) == own
    for part, axis in GROWS[name].items():
        assert trained[part].shape[axis] == course.memory[part].shape[axis]  # as many as the first task had


@pytest.mark.parametrize("name", ["l2p", "deep-l2p", "dualprompt", "coda-p"])
def test_a_prompt_method_leaves_the_vit_and_old_heads_as_they_are(name: str) -> None:
    course = ClassCourse(name)
    first = course.teach()
    second = course.teach()
    assert course.model.weights() == {}
    assert torch.equal(second.head[0][:2], first.head[0])
    assert torch.equal(second.head[1][:2], first.head[1])
    assert second.measures["plasticity_distance"] == second.measures["residual_norm"] == 0


@pytest.mark.parametrize("name", [name for name in METHODS if name.endswith("l2p")])
def test_l2p_goes_on_with_the_same_pool(name: str) -> None:
    course = ClassCourse(name)
    first = course.teach()
    kept = {part: tensor.clone() for part, tensor in first.memory.items()}
    second = course.teach()
    assert {part: tensor.shape for part, tensor in kept.items()} == {
        part: tensor.shape for part, tensor in second.memory.items()
    }
    assert not torch.equal(second.memory["prompts"], kept["prompts"])
    assert all(torch.equal(first.memory[part], kept[part]) for part in kept)  # what was kept is a copy
    course.model.prompt = None
    module = course.recall().prompt
    assert isinstance(module, nn.Module)
    assert torch.equal(module.prompts, second.memory["prompts"])  # type: ignore[arg-type]
