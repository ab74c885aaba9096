"""What a method's own code may do wrong: each mistake ends the training with the sentence that says so."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from faulty_methods import (
    MISTAKES,
    Elsewhere,
    Everything,
    Orthogonal,
    OwnParameters,
    Plain,
    RankOptions,
    TooLate,
    Zeroed,
)
from pydantic import BaseModel, Field, ValidationError
from tiny_tasks import Course, tiny_model
from torch import Tensor
from torch.nn import functional

from harness import registry
from harness.backbones import batched_adapters as stacks
from harness.backbones.adapters import attach
from harness.backbones.intact import left_intact
from harness.backbones.text_to_image import TextToImage
from harness.errors import BenchError, PluginError, UsageError
from harness.method import Method
from harness.plugins import hooks
from harness.plugins.errors import explained
from harness.plugins.method_checks import flaw as flaw_of
from harness.plugins.method_checks import made, prior_images
from harness.plugins.process_state import left_alone
from harness.settings.shared_steps import Memory, unread
from harness.sources.replaced_hooks import replaced_notes
from harness.store.failures import read_failures, read_traces, write_failures
from methods import parts
from methods.clora import CLoRA

Make = Callable[..., Course]


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


@pytest.fixture
def course(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Starts a method's tasks, on the pre-trained weights again."""

    def make(plugin: type[Plain], **changes: float) -> Course:
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
        made = Course("faulty_methods:chosen", model)
        made.options = made.options.model_copy(update={"learning_rate": 0.01, **changes})
        return made

    return make


class RawOptions(BaseModel):
    rank: int = 4


def derived(**members: Any) -> type[Plain]:
    return type("Derived", (Plain,), {"__module__": __name__, **members})


FLAWS = {
    "no class": (Plain.begin_task, "it is no class, but a function"),
    "no method": (RawOptions, "it is a class that is not derived from harness.method.Method"),
    "no begin": (type("NoBegin", (Method,), {"options_class": RankOptions}), "it does not define begin_task()"),
    "no options": (type("NoOptions", (Method,), {"begin_task": Plain.begin_task}), "it has no options_class"),
    "a dict of options": (derived(options_class=dict), "its options_class is dict, which is not derived from harness."),
    "other options": (derived(options_class=RawOptions), "its options_class is RawOptions, which is not derived from"),
    "begin_task without generator": (
        derived(begin_task=lambda self, model: None),
        "its begin_task(self, model) cannot be called with (self, model, generator)",
    ),
    "a hook by its former name": (
        derived(remember=lambda self, lesson, generator: {}),
        "it has remember, which is called end_task now",
    ),
    "end_task without anything": (
        derived(end_task=lambda self: {}),
        "its end_task(self) cannot be called with (self, lesson, generator)",
    ),
    "a property": (
        derived(penalties=property(lambda self: {})),
        "its penalties is a property; write it as a plain method",
    ),
    "a hook misspelt": (
        derived(penalty=lambda self: {}),
        "it defines penalty(), which nothing uses; is penalties() meant? (else begin it",
    ),
    "a hook by another's name": (
        derived(on_task_end=lambda self: {}, penalties=lambda self: {}),
        "it defines on_task_end(), which nothing uses; is end_task() meant? (else begin it",
    ),
    "a fact misspelt": (derived(independant=True), "it defines independant, which nothing uses; is independent meant?"),
    "other layers than there are": (derived(adapts="all"), "its adapts is 'all', which must be 'text' or 'attention'"),
    "merge without a learner": (
        derived(merge=lambda self, model, alone, token, category: ({}, {})),
        "it defines merge(), which nothing calls, as it names no learner",
    ),
    "independent and with a memory": (
        derived(independent=True, end_task=lambda self, lesson, generator: {}),
        "it is independent, so that no task gets what its end_task() returns",
    ),
    "a default out of range": (
        derived(
            options_class=type("Narrow", (RankOptions,), {"__annotations__": {"rank": int}, "rank": Field(0, ge=1)})
        ),
        "the defaults of its Narrow do not fit: Option 'rank' cannot be 0",
    ),
    "a tier's default out of range": (
        derived(options_class=type("Narrow", (RankOptions,), {"tier_defaults": {"mini": {"rank": 0}}})),
        "the defaults of its Narrow at tier mini (tier_defaults) do not fit: Option 'rank' cannot be 0: ",
    ),
    "a tier's default of no option": (
        derived(options_class=type("Narrow", (RankOptions,), {"tier_defaults": {"mini": {"rnk": 1}}})),
        "the defaults of its Narrow at tier mini (tier_defaults) do not fit: Unknown option 'rnk'; did you mean rank",
    ),
    "a tier misspelt": (
        derived(options_class=type("Narrow", (RankOptions,), {"tier_defaults": {"minni": {"rank": 1}}})),
        "the tier_defaults of its Narrow are for a tier 'minni'; is 'mini' meant?",
    ),
    "an unknown option": (
        derived(search_space={"rnk": (1, 2)}),
        "its search_space does not fit its options: Unknown option 'rnk'; did you mean rank; see the README",
    ),
    "a value out of range": (
        derived(search_space={"rank": (0, 2)}),
        "its search_space does not fit its options: Option 'rank' cannot be 0: ",
    ),
    "a search over a word": (derived(search_space={"token_init": "random"}), "its search_space['token_init'] is a str"),
    "no search space": (derived(search_space=[1]), "its search_space is a list; write a dict of options to lists"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_class_that_is_no_method_is_refused_before_any_work(flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, sentence = FLAWS[flaw]
    monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
    with pytest.raises(UsageError) as said:
        registry.methods().get("faulty_methods:chosen")
    assert str(said.value).startswith(f"'faulty_methods:chosen' cannot be used as a method: {sentence}")
    assert str(said.value).endswith("see the README on writing one.")


@pytest.mark.parametrize("count", [-1, 2.0, None, True])
def test_a_number_of_class_images_is_one(count: object) -> None:
    method = derived(prior_images=lambda self: count)(RankOptions())
    with pytest.raises(
        UsageError, match=rf"^Derived.prior_images\(\) must give a whole number of 0 or more; it gave {count}\.$"
    ):
        prior_images(method)
    assert prior_images(derived(prior_images=lambda self: 3)(RankOptions())) == 3


def more_rank(self: Plain, options: RankOptions) -> None:
    Plain.__init__(self, options.model_copy(update={"rank": 9}))


@pytest.mark.parametrize(
    ("init", "sentence"),
    [
        (lambda self, options: None, "leaves out the base class's; begin it with super().__init__(options)."),
        (lambda self: None, "must take the options and nothing else: def __init__(self, options)."),
        (more_rank, "changes the options, though results are keyed and reported with those that it was given; give"),
    ],
)
def test_an_init_that_makes_no_method_is_refused(init: Callable[..., None], sentence: str) -> None:
    with pytest.raises(UsageError) as said:
        made(derived(__init__=init), RankOptions())
    assert str(said.value).startswith(f"Derived.__init__() {sentence}")
    assert made(Plain, RankOptions(rank=3)).options.rank == 3


@pytest.mark.parametrize(
    ("learner", "why"),
    [
        ("clora", "which is not independent: what is merged must be learnt of each concept alone"),
        ("cd-merge", "which itself names one: what is merged"),
        ("uub", "which cannot be used: Unknown method 'uub'; did you mean ub"),
    ],
)
def test_a_learner_learns_each_concept_alone(learner: str, why: str) -> None:
    with pytest.raises(UsageError) as said:
        registry.base_method_of(derived(base_method=learner), registry.setting("customization"))
    assert str(said.value).startswith(f"Derived names '{learner}' as its base method, {why}")
    with pytest.raises(UsageError, match="'ub' as its base method, which adapts 'text', and it 'attention'; give both"):
        registry.base_method_of(derived(base_method="ub", adapts="attention"), registry.setting("customization"))
    assert registry.base_method_of(
        derived(base_method="ub"), registry.setting("customization")
    ) is registry.methods().get("ub")
    assert registry.base_method_of(Plain, registry.setting("customization")) is None


@pytest.mark.parametrize(
    ("give", "sentence"),
    [
        (lambda initial, alone: initial, "gives the pre-trained weights of every projection, so that nothing is left"),
        (lambda initial, alone: 0 * alone, "gives zeros for every projection, so that nothing is left of what was"),
        (lambda initial, alone: alone / 0, "gives a weight for down_blocks.0.attentions.0."),
        (lambda initial, alone: 0.6 * (alone - initial), "gives what seem to be changes, and must give weights; add"),
        (lambda initial, alone: initial + 0.5 * (alone - initial), ""),
    ],
)
def test_a_merge_leaves_something_of_what_was_learnt(
    model: TextToImage, give: Callable[[Tensor, Tensor], Tensor], sentence: str
) -> None:
    model.reset()
    merging = derived(
        merge=lambda self, model, alone, *_: ({n: give(model.initial[n], w) for n, w in alone.items()}, {})
    )
    alone = {name: weight + 0.3 * weight.roll(1) for name, weight in model.initial.items()}
    if not sentence:
        assert hooks.merge(merging(RankOptions()), model, alone, "<v1>", "person")[0].keys() == alone.keys()
        return
    with pytest.raises(PluginError) as said:
        hooks.merge(merging(RankOptions()), model, alone, "<v1>", "person")
    assert str(said.value).startswith(f"Derived.merge() {sentence}")


def test_a_merge_of_a_later_concept_is_not_that_concept_alone(model: TextToImage) -> None:
    model.reset()
    merging = derived(merge=lambda self, model, alone, *_: (dict(alone), {}))(RankOptions())
    alone = {name: weight + 0.3 * weight.roll(1) for name, weight in model.initial.items()}
    assert hooks.merge(merging, model, alone, "<v1>", "person")[0].keys() == alone.keys()
    merging.task_index = 2
    with pytest.raises(PluginError, match=r"Derived\.merge\(\) gives the weights learnt for the new concept alone"):
        hooks.merge(merging, model, alone, "<v2>", "person")


class NeverBegun(CLoRA):
    def begin_task(self, model: Any, generator: torch.Generator) -> torch.nn.Module:
        self.adapters = attach(model, lambda name, projection: parts.LowRank(projection, 2, generator))
        return parts.new_token(model, "free", "category", 2, generator)


class PenaltyReplaced(CLoRA):
    def penalties(self) -> dict[str, Tensor]:
        return {}


class PenaltyAdded(CLoRA):
    def penalties(self) -> dict[str, Tensor]:
        return {**super().penalties()}


def test_hooks_that_a_base_needs_are_called(course: Make) -> None:
    with pytest.raises(AttributeError) as raised:
        course(NeverBegun).teach()  # type: ignore[arg-type]
    assert str(explained(raised.value, __name__)).startswith(
        "CLoRA.begin_task() sets self.changes, which its other hooks need, and NeverBegun.begin_task() replaces that "
        "and never "
        "calls it; begin with super().begin_task(model, generator)"
    )
    assert list(replaced_notes(PenaltyReplaced, Method)) == [
        "PenaltyReplaced.penalties() replaces CLoRA.penalties() and never calls it, so that the terms of that are left "
        "out; see super()."
    ]
    for other in (PenaltyAdded, NeverBegun, CLoRA, Plain):
        assert list(replaced_notes(other, Method)) == []


def test_helpers_that_are_named_like_hooks_and_used_are_no_mistake() -> None:
    helped = derived(
        penalty=lambda self: {}, penalties=lambda self: self.penalty(), losses=(1, 2), _batches=Plain.begin_task
    )
    apart = derived(measure=lambda self: 1.0, penalties=lambda self: [self.measure() for _ in range(2)])
    of = registry.setting("customization")
    assert [flaw_of(each, of) for each in (helped, apart, Everything)] == ["", "", ""]
    for setting in map(registry.setting, registry.setting_names()):
        methods = registry.methods(setting.name)
        assert {flaw_of(methods.get(name), setting) for name in methods.names()} == {""}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said(course: Make, mistake: str) -> None:
    plugin = MISTAKES[mistake]
    with pytest.raises(BenchError) as said:
        course(plugin).teach()
    assert str(said.value).startswith(plugin.sentence)  # type: ignore[attr-defined]


def test_a_penalty_without_a_slope_is_told(course: Make) -> None:
    counted = lambda self: {"l0": torch.sign(self.size()), "l2": self.size(), "nothing": 0.0 * self.size()}  # noqa: E731
    assert course(derived(penalties=counted)).teach().done.notes == [
        "the penalty 'l0' never had a gradient other than 0 at the logged steps, so it changes no weight"
    ]


def test_a_memory_that_is_not_finite_is_told(course: Make) -> None:
    spoilt = derived(end_task=lambda *_: {"count": torch.ones(2, dtype=torch.int), "a": torch.tensor([1e5, 1]).half()})
    assert course(spoilt).teach().done.notes == [
        "Derived.end_task() leaves entries of 'a' (float16) that are not finite; float16 ends at 65504"
    ]


def test_what_hooks_may_give(course: Make) -> None:
    done = course(Everything).teach().done
    assert {name: done.measures[name] for name in ("one", "half", "yes")} == {"one": 1.0, "half": 0.5, "yes": 1.0}
    assert all(tensor.is_contiguous() for tensor in done.memory.values())
    assert len({tensor.untyped_storage().data_ptr() for tensor in done.memory.values()}) == 4
    assert [set(row) for row in done.losses] == [{"step", "sd", "zero", "size", "nothing"}] * 4


@pytest.mark.parametrize("plugin", [Orthogonal, OwnParameters, Elsewhere])
def test_what_is_asked_of_own_parameters_is_trained(
    course: Make, plugin: type[Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights after two tasks differ for every weight of the penalty, and are those of adapters trained one by one."""

    def learnt(weight: float) -> Tensor:
        taught = course(plugin, weight=weight, max_grad_norm=1e9)
        return torch.cat([w.flatten() for _ in range(2) for w in taught.teach().folded.values()]).double()

    weights = (0.0, 100.0, 1e8) if plugin is not Elsewhere else (1.0,)
    together = [learnt(weight) for weight in weights]
    monkeypatch.setattr(stacks, "LARGEST", {})
    for one, other in zip(together, [learnt(weight) for weight in weights], strict=True):
        # of the mean: where gradients are nearly 0, AdamW makes whole steps of rounding
        assert (one - other).abs().mean() < 1e-5
    assert len({tuple(found.tolist()) for found in together}) == len(weights)
    if len(weights) > 1:
        assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("largest", [stacks.LARGEST, {}])
def test_what_batch_does_to_parameters_counts_from_that_step_on(
    course: Make, largest: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "LARGEST", largest)
    done = course(Zeroed).teach().done
    assert [row["size"] for row in done.losses] == [0.0] * 4
    if not largest:  # a stack's residual was computed from other memory
        with pytest.raises(PluginError, match=r"^A hook of TooLate changes in place what the loss was"):
            course(TooLate).teach()


def test_an_error_of_a_plugin_keeps_its_place_and_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "faulty_plugin.py").write_text("def hook():\n    return {}['lambda_missing']\n", encoding="utf-8")
    found: dict[str, object] = {"__name__": "faulty_plugin"}
    path = tmp_path / "faulty_plugin.py"
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), found)
    with pytest.raises(KeyError) as raised:
        found["hook"]()  # type: ignore[operator]
    told = explained(raised.value, "faulty_plugin.methods")
    assert isinstance(told, PluginError)
    assert str(told) == f"KeyError: 'lambda_missing' ({path}, line 2)"
    assert "return {}['lambda_missing']" in told.trace
    again = pickle.loads(pickle.dumps(told))  # as it comes from a worker
    assert (str(again), again.trace) == (str(told), told.trace)
    write_failures(tmp_path / "f.json", {"k": str(told)}, {"k": told.trace})
    assert read_failures(tmp_path / "f.json") == {"k": str(told)}
    assert read_traces(tmp_path / "f.json") == {"k": told.trace}
    write_failures(tmp_path / "f.json", {"k": "plain"})
    assert read_traces(tmp_path / "f.json") == {}


def test_an_option_that_is_set_is_named() -> None:
    with pytest.raises(ValidationError) as raised:
        Plain(RankOptions()).options.rank = 3
    told = explained(raised.value, "test_plugin_mistakes")
    assert str(told).startswith("the option 'rank' is changed, though results are keyed and reported with the options")
    with pytest.raises(ValidationError) as raised:
        RankOptions(rank=0)
    said = r"^RankOptions: 'rank': input should be greater than or equal to 1 \(.*test_plugin_mistakes.py, line \d+\)$"
    assert re.match(said, str(explained(raised.value, "test_plugin_mistakes")))


def test_other_errors_say_where_they_are_and_what_the_system_says_stays() -> None:
    full = OSError(28, "No space left on device")
    assert explained(full, "faulty_plugin") is full
    with pytest.raises(ZeroDivisionError) as raised:
        print(1 / 0)
    told = explained(raised.value, "")
    assert isinstance(told, BenchError)
    assert not isinstance(told, PluginError)
    assert str(told).startswith("unexpected ZeroDivisionError: division by zero (")
    assert "test_plugin_mistakes.py, line" in str(told)


def scaled(model: TextToImage) -> None:
    model.denoiser.conv_in.weight.data *= 1.01  # type: ignore[union-attr,operator]


def hooked(model: TextToImage) -> None:
    model.text_encoders[0].register_forward_hook(lambda module, given, found: None)


def centred(model: TextToImage) -> None:
    next(iter(model.initial.values())).sub_(0.1)


def replaced(model: TextToImage) -> None:
    model.denoiser.conv_out = torch.nn.Conv2d(1, 1, 1)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (scaled, "the weights of unet.conv_in.weight"),
        (hooked, "a hook on text_encoder"),
        (centred, "other values of model.initial['"),
        (replaced, "another module or attention processor at unet.conv_out"),
    ],
)
def test_what_a_method_leaves_behind_in_the_model_is_noticed(
    tiny_models: Path, spoil: Callable[[TextToImage], None], what: str
) -> None:
    model = tiny_model(tiny_models)
    intact = model.intact()
    with left_intact(intact, "Mine"):  # what is kept of a task
        for projection in model.projections.values():
            projection.weight.data += 1
    with pytest.raises(PluginError) as said, left_intact(intact, "Mine"):
        spoil(model)
    assert str(said.value).startswith(f"Mine leaves {what}")
    assert " behind in the model: of a task only what the adapters" in str(said.value)


def fails_without_gradients() -> None:
    torch.set_grad_enabled(False)
    print(1 / 0)


def patched(method: object = None) -> None:
    parts.LowRank.compute = lambda self: self.A @ self.B  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda: torch.set_grad_enabled(False), "changes gradients on or off and leaves it so"),
        (lambda: torch.set_default_dtype(torch.float64), "changes torch's default dtype and leaves it so"),
        (patched, "replaces methods.parts.adapters.LowRank.compute"),
        (lambda: setattr(functional, "layer_norm", functional.group_norm), "replaces torch.nn.functional.layer_norm"),
    ],
)
def test_what_all_methods_share_is_left_alone(spoil: Callable[[], object], what: str) -> None:
    before = parts.LowRank.compute, functional.layer_norm
    with pytest.raises(PluginError) as said, left_alone("Method 'mine:Mine'"):
        spoil()
    assert str(said.value).startswith(
        f"Method 'mine:Mine' {what}, which the steps of other methods would run with, too;"
    )
    assert (parts.LowRank.compute, functional.layer_norm) == before
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
    with pytest.raises(ZeroDivisionError), left_alone("Method 'mine:Mine'"):
        fails_without_gradients()  # and that comes first
    assert torch.is_grad_enabled()
    with left_alone("Method 'mine:Mine'"):
        pass


def test_a_projection_may_be_left_out_and_a_parameter_be_shared(course: Make) -> None:
    def begin_task(self: Plain, model: Any, generator: torch.Generator) -> torch.nn.Module:
        shared = torch.nn.Parameter(torch.rand(2, 128, generator=generator))

        def make(name: str, projection: torch.nn.Linear) -> parts.LowRank | None:
            adapter = parts.LowRank(projection, 2, generator)
            adapter.B = shared
            return adapter if name.endswith("to_k") else None

        self.adapters = attach(model, make)
        return parts.new_token(model, "free", "category", 2, generator)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's, of a parameter that an optimizer has twice
        taught = course(derived(begin_task=begin_task)).teach()
    moved = {name for name, weight in taught.folded.items() if not torch.equal(weight, taught.before[name])}
    assert moved == {name for name in taught.folded if name.endswith("to_k")}
    rows = sum(len(taught.folded[name]) for name in moved)
    assert taught.done.measures["trained_parameters"] == 2 * rows + 2 * 128 + 128


def test_a_memory_knows_whether_it_was_read() -> None:
    method = Plain(RankOptions())
    assert unread(method) == []
    method.memory = Memory({"a": torch.zeros(1)})
    assert "b" not in method.memory
    assert method.memory.get("b") is None
    assert unread(method) == ["nothing read what end_task() left (1 tensors, 'a' first)"]
    for read in (lambda m: m["a"], lambda m: m.get("a"), lambda m: list(m), lambda m: m.items(), lambda m: {**m}):
        method.memory = Memory({"a": torch.zeros(1)})
        read(method.memory)
        assert unread(method) == []
