"""The training loop of the classification setting: rate, loss, batches, heads, resumption, seeds, parameter counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from tiny_classifier import METHODS, ClassCourse, RandomImages, pixels, tiny_classifier, tiny_vit
from torch import Tensor, nn
from torch.utils.data import DataLoader

from harness import registry
from harness.backbones.adapters import count_trained
from harness.backbones.classifier import Classifier
from harness.errors import BenchError, PluginError
from harness.method import Method
from harness.seeds import derive_seed
from harness.settings.classification.epochs import planned
from harness.settings.classification.task_data import ClassLesson, Head
from harness.settings.classification.training import TrainedClasses, rate_at, train_classes
from harness.settings.classification.transforms import Pixels
from harness.spec import ClassOptions
from harness.store.checkpoint import Checkpoint

PROMPTED = ("l2p", "deep-l2p", "dualprompt", "coda-p")
ONE_BY_ONE = tuple(name for name in METHODS if not registry.methods("classification").get(name).joint)


class Sliding(Method[ClassOptions]):
    """Trains one number under a constant gradient: each of Adam's steps is then as long as the rate."""

    options_class = ClassOptions
    slope = 1.0

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.number = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.path: list[float] = []
        module = nn.Module()
        module.register_parameter("number", self.number)
        return module

    def penalties(self) -> Mapping[str, Tensor]:
        self.path.append(self.number.item())
        return {"pull": self.slope * self.number.sum()}


def slide(slope: float = 1.0, model: Classifier | None = None, **options: Any) -> tuple[Sliding, TrainedClasses]:
    method = Sliding(ClassOptions(**{"batch_size": 3, **options}))
    method.slope = slope
    lesson = ClassLesson(model or tiny_classifier(), pixels(RandomImages()), 2)
    return method, train_classes(method, lesson, 0, "task")


class Rooted(Sliding):
    """Asks for the square root of 0, whose slope is not finite."""

    def penalties(self) -> Mapping[str, Tensor]:
        return {"root": self.number.square().sum().sqrt()}


def test_what_is_not_trained_or_has_no_finite_gradient_is_said() -> None:
    with pytest.raises(PluginError, match=r"^Sliding trains nothing of what Sliding.begin_task\(\) returned: no"):
        slide(0.0, epochs=1)
    lesson = ClassLesson(tiny_classifier(), pixels(RandomImages()), 2)
    with pytest.raises(PluginError, match=r"^The gradient of the penalty 'root' of Rooted is not finite at"):
        train_classes(Rooted(ClassOptions(batch_size=3)), lesson, 0, "task")


# ----------------------------------------------------------------------------------------------------------------- rate


def test_the_rate_falls_by_the_published_cosine() -> None:
    for epochs in (2, 5, 50):
        for e in range(epochs):
            assert rate_at(e, epochs) == pytest.approx(math.cos(99 * math.pi * e / (200 * (epochs - 1))))
        assert rate_at(0, epochs) == 1
        assert rate_at(epochs - 1, epochs) == pytest.approx(math.cos(0.99 * math.pi / 2))
    assert rate_at(0, 1) == 1  # a single epoch has no last one to fall to


def test_the_rate_is_really_stepped() -> None:
    epochs, rate = 5, 0.01
    method, done = slide(epochs=epochs, learning_rate=rate)
    wanted = [rate * math.cos(99 * math.pi * e / (200 * (epochs - 1))) for e in range(epochs) for _ in range(2)]
    assert [loss["rate"] for loss in done.losses] == pytest.approx(wanted)
    assert [loss["step"] for loss in done.losses] == list(range(10))
    steps = -np.diff([*method.path, method.number.item()])
    assert steps.tolist() == pytest.approx(wanted, rel=1e-5)  # what was moved, not only what was recorded


@pytest.mark.parametrize(("head", "wanted"), [(None, 0.01), (0.5, 0.5)])
def test_the_head_has_a_rate_of_its_own(head: float | None, wanted: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[list[float]] = []
    step = torch.optim.Adam.step

    def recorded(self: torch.optim.Adam, *given: Any) -> Any:
        rates.append([group["lr"] for group in self.param_groups])
        for group in self.param_groups:
            assert (group["betas"], group["weight_decay"]) == ((0.9, 0.999), 0)
        return step(self, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", recorded)
    slide(epochs=2, learning_rate=0.01, head_learning_rate=head)
    last = math.cos(0.99 * math.pi / 2)
    expected = [[0.01, wanted]] * 2 + [[0.01 * last, wanted * last]] * 2
    assert [rate for pair in rates for rate in pair] == pytest.approx([rate for pair in expected for rate in pair])


# -------------------------------------------------------------------------------------------------------- loss and head


def entropy(logits: Sequence[Sequence[float]], labels: Sequence[int]) -> float:
    """Mean of log sum exp less the true logit, float64."""
    terms = []
    for row, label in zip(logits, labels, strict=True):
        terms.append(math.log(sum(math.exp(x) for x in row)) - row[label])
    return sum(terms) / len(terms)


@pytest.mark.parametrize("masked", [True, False])
def test_past_logits_are_minus_infinity_in_the_loss_or_take_part(masked: bool) -> None:
    model = tiny_classifier()
    generator = torch.Generator().manual_seed(3)
    model.load_head(torch.randn(3, 32, generator=generator), torch.randn(3, generator=generator))
    head = Head(model, 2, masked, torch.Generator().manual_seed(4))
    features, labels = torch.randn(4, 32, generator=generator), [3, 4, 4, 3]
    weight, bias = (tensor.double().numpy() for tensor in head.whole())
    assert weight.shape == (5, 32)
    logits = features.double().numpy() @ weight.T + bias
    if masked:
        logits[:, :3] = -math.inf
    found = head(features, torch.tensor(labels))
    assert found.item() == pytest.approx(entropy(logits.tolist(), labels), rel=1e-6)
    assert {tuple(p.shape) for p in head.parameters()} == {(2 if masked else 5, 32), (2 if masked else 5,)}
    assert np.array_equal(weight[:3], model.head_weight.double().numpy())
    assert abs(weight[3:]).max() <= 32**-0.5  # as nn.Linear starts


@pytest.mark.parametrize("name", ["ft", "ft++"])
def test_the_loss_of_a_trainings_first_step_is_that_of_its_images_and_head(name: str) -> None:
    course = ClassCourse(name, epochs=1)
    course.teach()
    model, lesson = course.model, course.lesson()

    def drawn(*parts: int | str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(0, *parts))

    rows = next(lesson.batches(5, drawn("epoch", "task 1", 0)))
    labels = lesson.pixels.labels("train")[rows].tolist()
    assert set(labels) == {2, 3}
    features = model.features(lesson.pixels.training(rows, drawn("train", "task 1")))
    weight, bias = Head(model, 2, False, drawn("initial", "task 1")).whole()
    logits = (features.double() @ weight.double().T + bias.double()).detach()
    if name == "ft++":
        logits[:, :2] = -math.inf
    assert course.teach(lesson=lesson).losses[0]["ce"] == pytest.approx(entropy(logits.tolist(), labels), rel=1e-5)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_heads_of_old_classes_stay_bit_for_bit_where_their_logits_are_masked(name: str) -> None:
    course = ClassCourse(name, epochs=1)
    first, second = course.teach(), course.teach()
    assert first.head[0].shape == (2, 32)
    assert second.head[0].shape == (4, 32)
    assert torch.equal(course.model.head_weight, second.head[0])
    same = torch.equal(second.head[0][:2], first.head[0]) and torch.equal(second.head[1][:2], first.head[1])
    assert same == course.options.mask_past == (name != "ft")
    if name == "ft":
        assert all((second.head[part][:2] != first.head[part]).all() for part in (0, 1))


def test_tests_are_taken_among_all_classes_seen() -> None:
    """No mask: an image of a new class may be taken for an old one."""
    course = ClassCourse("coda-p", epochs=1)
    course.teach()
    course.teach()
    model = course.recall()
    images = pixels(course.images[1], first=2).testing(range(4))
    with torch.no_grad():
        assert model.logits(images).shape == (4, 4)
        model.head_bias[1] += 1000
        assert model.logits(images).argmax(1).tolist() == [1] * 4


# -------------------------------------------------------------------------------------------------------------- batches


def test_every_epoch_sees_each_image_once_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[int]] = []
    training = Pixels.training

    def recorded(self: Pixels, rows: Sequence[int], generator: torch.Generator) -> Tensor:
        batches.append(list(rows))
        return training(self, rows, generator)

    monkeypatch.setattr(Pixels, "training", recorded)
    ClassCourse("joint-qkv", epochs=3, batch_size=5).teach()  # two tasks of six images
    assert [len(rows) for rows in batches] == [5, 5, 2] * 3
    orders = [[row for rows in batches[3 * e : 3 * e + 3] for row in rows] for e in range(3)]
    assert [sorted(order) for order in orders] == [list(range(12))] * 3
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize(
    ("size", "drop_last", "wanted"), [(4, True, [4]), (4, False, [4, 2]), (3, True, [3, 3]), (7, True, [6])]
)
def test_a_short_last_batch_is_left_out_as_the_published_loader_does(
    size: int, drop_last: bool, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six images; the loader is torch's with drop_last=True, but a task that fills no batch keeps its short one."""
    batches: list[list[int]] = []
    training = Pixels.training

    def recorded(self: Pixels, rows: Sequence[int], generator: torch.Generator) -> Tensor:
        batches.append(list(rows))
        return training(self, rows, generator)

    monkeypatch.setattr(Pixels, "training", recorded)
    _, done = slide(epochs=20, batch_size=size, drop_last=drop_last)
    assert [len(rows) for rows in batches] == wanted * 20
    loader = DataLoader(range(6), batch_size=size, drop_last=drop_last)  # type: ignore[arg-type]
    assert len(wanted) == max(1, len(loader))
    if size == 4:  # other images are left out in other epochs
        assert {row for rows in batches for row in rows} == set(range(6))
    recipe = {"options": ClassOptions(epochs=20, batch_size=size, drop_last=drop_last).model_dump(), "images": 6}
    assert planned(recipe) == (sum(map(len, batches)), len(batches))
    assert registry.setting("classification").steps_of_training(recipe) == done.losses[-1]["step"] + 1 == len(batches)


def test_short_batches_are_left_out_at_the_paper_tier_alone() -> None:
    for name in METHODS:
        kind = registry.methods("classification").get(name).options_for("classification")
        assert (kind.for_tier("paper").drop_last, kind.for_tier("mini").drop_last) == (True, False)
    old = {"options": {"epochs": 3, "batch_size": 4}, "images": 6}  # of a program that knew no such option
    assert planned(old) == (18, 6)


def test_stamina_and_clora_start_from_the_same() -> None:
    """Neither paper says from what: what differs is to be the method."""
    stamina, clora = (
        registry.methods("classification").get(name).options_for("classification").for_tier("paper").model_dump()
        for name in ("stamina", "clora")
    )
    assert {key: stamina[key] for key in clora} == clora | {"adam_eps": 1e-15}  # for the masks' small gradients


def test_about_twenty_losses_of_a_long_training_are_kept_and_the_last() -> None:
    _, done = slide(epochs=45, batch_size=6, learning_rate=1e-3)
    assert [loss["step"] for loss in done.losses] == [*range(0, 45, 2)]
    _, done = slide(epochs=46, batch_size=6, learning_rate=1e-3)
    assert [loss["step"] for loss in done.losses] == [*range(0, 46, 2), 45]


def test_images_are_learnt() -> None:
    """Colours tell the classes: twenty epochs are enough."""
    course = ClassCourse("clora", tasks=1, epochs=20, learning_rate=1e-2)
    done = course.teach()
    assert done.losses[-1]["ce"] < 0.5 * done.losses[0]["ce"]
    seen = pixels(*course.images)
    with torch.no_grad():
        found = course.recall().logits(seen.testing(range(4))).argmax(1)
    assert torch.equal(found, seen.labels("test"))


# --------------------------------------------------------------------------------------------------- killed and resumed


class Stopped(Exception):
    """Stands for a kill."""


class Twice(Checkpoint):
    """Stops the training after the second time that it is written."""

    written = 0

    def write(self, *given: Any) -> None:
        super().write(*given)
        self.written += 1
        if self.written == 2:
            raise Stopped


def same(a: TrainedClasses, b: TrainedClasses) -> bool:
    """All but the seconds."""
    return (
        all(torch.equal(x, y) for x, y in zip(a.head, b.head, strict=True))
        and a.memory.keys() == b.memory.keys()
        and all(torch.equal(a.memory[name], b.memory[name]) for name in a.memory)
        and (a.losses, a.measures, a.layer_distance) == (b.losses, b.measures, b.layer_distance)
    )


@pytest.mark.parametrize("name", ["stamina", "coda-p", "dualprompt", "ft"])
def test_a_training_killed_and_resumed_equals_one_never_killed(name: str, tmp_path: Path) -> None:
    """In its second task: of three steps, one in the first epoch is left to do, then those of the second."""
    course = ClassCourse(name, batch_size=2)
    course.teach()
    model, memory = course.model, {k: v.clone() for k, v in course.memory.items()}
    state, head = model.weights(), (model.head_weight.clone(), model.head_bias.clone())
    whole, weights = course.teach(), model.weights()

    def again(checkpoint: Checkpoint) -> TrainedClasses:
        model.reset()
        model.load_head(*head)
        model.load_weights(state)
        course.memory, course.taught = memory, 1
        return course.teach(checkpoint)

    path = tmp_path / "checkpoint"
    with pytest.raises(Stopped):
        again(Twice(path, every_s=0))
    kept = Checkpoint(path).read()
    assert kept is not None
    assert kept[1]["step"] == 2
    resumed = again(Checkpoint(path, every_s=1e9))
    assert same(resumed, whole)
    assert resumed.seconds >= kept[1]["seconds"]
    found = model.weights()
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[each], weights[each]) for each in weights)
    last = Checkpoint(tmp_path / "last", every_s=0)
    again(last)
    assert same(again(last), whole)  # which trains nothing more


@pytest.mark.parametrize("name", ["stamina", "l2p", "coda-p", "ft++"])
def test_one_seed_one_result(name: str) -> None:
    runs = [(ClassCourse(name, epochs=1, seed=seed)) for seed in (4, 4, 5)]
    torch.manual_seed(1)
    one = runs[0].teach()
    torch.manual_seed(2)  # global state shall not matter
    two, other = runs[1].teach(), runs[2].teach()
    assert same(one, two)
    weights = [run.model.weights() for run in runs]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert not torch.equal(one.head[0], other.head[0])
    if name in PROMPTED:
        assert not any(torch.equal(one.memory[part], other.memory[part]) for part in one.memory)
    else:
        assert not any(torch.equal(weights[0][k], weights[2][k]) for k in weights[0])


def test_tasks_of_one_seed_draw_differently() -> None:
    """The same images under another name: another head, another order."""
    lessons = [ClassLesson(tiny_classifier(), pixels(RandomImages()), 2) for _ in range(2)]
    heads = [
        train_classes(Sliding(ClassOptions(epochs=1)), lesson, 0, name).head[0]
        for lesson, name in zip(lessons, ("one", "two"), strict=True)
    ]
    assert not torch.equal(*heads)


# -------------------------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize("slope", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_training(slope: float) -> None:
    class Away(Sliding):
        def penalties(self) -> Mapping[str, Tensor]:
            return {"pull": torch.tensor(slope)}

    lesson = ClassLesson(tiny_classifier(), pixels(RandomImages()), 2)
    with pytest.raises(BenchError) as error:
        train_classes(Away(ClassOptions(epochs=1)), lesson, 0, "task")
    wanted = f"The loss 'pull' is {slope} at step 0; mend what Away.penalties() computes (a division by 0, perhaps)."
    assert str(error.value) == wanted


def test_distances_are_norms_of_what_the_weights_moved() -> None:
    course = ClassCourse("clora")
    course.teach()
    before = {name: p.weight.double().clone() for name, p in course.model.projections.items()}
    done = course.teach()
    initial = course.model.initial
    for name, projection in course.model.projections.items():
        gone = float(np.sqrt(((projection.weight.double() - initial[f"{name}.weight"].double()) ** 2).sum()))
        assert done.layer_distance[name] == pytest.approx(gone, rel=1e-5)
        assert gone > 0
    assert done.measures["plasticity_distance"] == pytest.approx(np.mean([*done.layer_distance.values()]))
    moved = [float((p.weight.double() - before[name]).norm()) for name, p in course.model.projections.items()]
    assert done.measures["residual_norm"] == pytest.approx(np.mean(moved), rel=1e-5)
    assert done.measures["final_loss"] == done.losses[-1]["ce"]
    assert done.measures["trained_parameters"] == 18 * 2 * 32 * 3


def test_staminas_density_is_the_share_of_entries_that_its_masks_keep() -> None:
    course = ClassCourse("stamina", lambda_sparse=0.0)
    done = course.teach()
    method: Any = course.method
    kept = [mask.detach() for mask in method._masks(method.adapters.values())]
    assert len(kept) == 18
    assert {float(entry) for mask in kept for entry in mask.unique()} <= {0.0, 1.0}
    assert done.measures["mask_density"] == pytest.approx(np.mean([float(mask.mean()) for mask in kept]))
    assert "sparse" not in done.losses[0]


BLOCKS, WIDTH = 12, 768
LORA_64 = 3 * BLOCKS * 2 * WIDTH * 64
VIT_B = (
    16 * 16 * 3 * WIDTH + WIDTH  # patches
    + WIDTH + 197 * WIDTH  # class token, positions
    + BLOCKS * (2 * 2 * WIDTH + 4 * WIDTH**2 + 4 * WIDTH + 8 * WIDTH**2 + 4 * WIDTH + WIDTH)  # norms, attention, MLP
    + 2 * WIDTH  # final norm
)  # fmt: skip
COUNTS = {
    "coda-p": 5 * (100 // 20) * (8 + 1 + 1) * WIDTH,  # blocks, components of one of 20 tasks, P, K and A
    "l2p": 30 * (20 + 1) * WIDTH,
    "deep-l2p": 5 * 30 * (20 + 1) * WIDTH,
    "dualprompt": 2 * 6 * WIDTH + 3 * (20 + 1) * WIDTH,
    "clora": LORA_64,
    "stamina": LORA_64 + 3 * BLOCKS * (WIDTH * 64 + 64 + 64 * WIDTH + WIDTH),  # with the mask's MLP
    "joint-qkv": 3 * BLOCKS * WIDTH**2,
    "seqlora": LORA_64, "o-lora": LORA_64,
    "inf-lora": 2 * BLOCKS * WIDTH * 10,  # A alone, of keys and values, at the authors' rank
    "ranpac": LORA_64 // 4,  # in the first task, at rank 16
    "slca": VIT_B, "ft": VIT_B, "ft++": VIT_B, "joint": VIT_B,
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_parameters_trained_of_a_vit_b_by_hand(name: str) -> None:
    """Of `vit_base_patch16_224`, without memory for its weights."""
    assert VIT_B == 85_798_656
    with torch.device("meta"):
        vit = timm.create_model("vit_base_patch16_224", num_classes=0)
    model = Classifier(vit, torch.device("meta"))
    assert model.parameters == VIT_B
    plugin = registry.methods("classification").get(name)
    method = plugin(plugin.options_for("classification")())
    method.task_index, method.num_tasks = 1, 20
    assert count_trained(model, method.begin_task(model, torch.Generator())) == COUNTS[name]


@pytest.mark.parametrize("name", ["stamina", "coda-p", "ft"])
def test_half_precision_keeps_weights_in_full_precision(name: str) -> None:
    """In bfloat16 passes the loss is near that in float32, and what is learnt is not rounded to eight bits."""
    losses = {}
    for dtype in (torch.float32, torch.bfloat16):
        course = ClassCourse(name, Classifier(tiny_vit(), torch.device("cpu"), dtype), epochs=2)
        losses[dtype] = course.teach().losses[-1]["ce"]
        weights = course.model.weights()
        assert all(weight.dtype is torch.float32 for weight in weights.values())
        assert all(not torch.equal(weight, weight.bfloat16().float()) for weight in weights.values())
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], rel=0.05)
    assert losses[torch.bfloat16] != losses[torch.float32]
