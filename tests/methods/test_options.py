"""Options: tier defaults, refusals in one sentence, and what each ablation of STAMINA trains."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from harness import registry
from harness.backbones.adapters import count_trained
from harness.errors import UsageError
from harness.spec import MethodOptions
from methods.clora import CLoRA, CLoRAOptions
from methods.stamina import Stamina, StaminaOptions
from methods.textual_inversion import TextualInversionPlusPlusOptions

SHAPES = {"a.to_k": (6, 5), "a.to_v": (4, 5), "b.to_k": (7, 5)}
DIM = 5


class Toy:
    """Three projections and a token of width five."""

    def __init__(self) -> None:
        self.projections = {name: nn.Linear(d2, d1, bias=False) for name, (d1, d2) in SHAPES.items()}
        self.token_dim = DIM

    def change(self, name: str) -> Tensor:
        return torch.zeros(SHAPES[name])

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return torch.zeros(DIM)

    def token_scale(self, part: int = 0) -> float:
        return 1.0


def trained(method_class: Any, changes: dict[str, Any]) -> int:
    """How many parameters a method trains on the toy."""
    model = Toy()
    method = method_class(method_class.options_class.for_tier("paper", changes))
    token = method.begin_task(model, torch.Generator().manual_seed(0))
    return count_trained(model, token)


def one_sentence(error: pytest.ExceptionInfo[UsageError]) -> str:
    """The message, which must be a single line ending in one full stop or question mark."""
    text = str(error.value)
    assert "\n" not in text
    assert text[-1] in ".?"
    assert text[-2] not in ".?"
    return text


# ------------------------------------------------------------------------------------------------------------- options


def test_the_papers_options() -> None:
    stamina, clora, tokens = (
        c.for_tier("paper") for c in (StaminaOptions, CLoRAOptions, TextualInversionPlusPlusOptions)
    )
    assert (stamina.steps, stamina.rank, stamina.tau, stamina.category_word) == (500, 16, 0.5, False)
    assert (clora.steps, clora.rank, clora.category_word, clora.token) == (2000, 16, False, "free")
    assert (tokens.steps, tokens.rank, tokens.category_word, tokens.token) == (500, 16, True, "mlp")
    assert (stamina.mask, stamina.mask_kind, stamina.mask_input, stamina.token) == ("mlp", "gumbel", "identity", "mlp")


def test_what_goes_with_size_is_set_at_both_tiers_and_rates_fall_at_the_mini_tier() -> None:
    names = ("forget_form", "mask_settle", "adam_eps", "clip_by", "lr_schedule", "warmup")
    tiers = {tier: StaminaOptions.for_tier(tier) for tier in ("paper", "mini")}
    found = {tier: tuple(getattr(options, name) for name in names) for tier, options in tiers.items()}
    assert found["paper"] == ("sum", 0.25, 1e-15, "kind", "constant", 0.0)
    assert found["mini"] == ("sum", 0.25, 1e-15, "kind", "linear", 0.0)
    assert tiers["paper"].lambda_forget == CLoRAOptions.for_tier("paper").lambda_forget == 1e8
    assert CLoRAOptions.for_tier("paper").clip_by == CLoRAOptions.for_tier("mini").clip_by == "kind"
    told = StaminaOptions.model_fields["forget_form"].description
    assert told is not None
    assert "the default, as" in told


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("lamda_forget", "lambda_forget"), ("Rank", "rank"), ("step", "steps"), ("mask_kin", "mask_kind")],
)
def test_unknown_option_suggests_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UsageError) as error:
        StaminaOptions.for_tier("mini", {wrong: 1})
    text = one_sentence(error)
    assert f"'{wrong}'" in text
    assert f"did you mean {right}" in text


def test_unknown_option_like_no_other_lists_all() -> None:
    with pytest.raises(UsageError) as error:
        StaminaOptions.for_tier("mini", {"qqqqqqqq": 1})
    text = one_sentence(error)
    assert all(name in text for name in StaminaOptions.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0), ("steps", 0), ("batch_size", -1), ("tau", 0), ("tau", -0.5), ("lambda_forget", -1.0),
        ("lambda_sparse", -1e-9), ("learning_rate", 0), ("token_learning_rate", 0.0), ("weight_decay", -1),
        ("mask", "round"), ("mask_kind", "hard"), ("mask_input", "zeros"), ("token", "word"),
        ("sparse_reduction", "max"), ("rank", "many"), ("steps", 1.5), ("lambda_forget", float("nan")),
    ],
)  # fmt: skip
def test_value_out_of_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as error:
        StaminaOptions.for_tier("paper", {name: value})
    text = one_sentence(error)
    assert f"'{name}'" in text
    assert repr(value) in text


def test_text_from_a_command_line_is_read_as_the_options_type() -> None:
    options = StaminaOptions.for_tier("paper", {"rank": "8", "lambda_forget": "1e3", "category_word": "true"})
    assert (options.rank, options.lambda_forget, options.category_word) == (8, 1000.0, True)


def test_options_cannot_be_changed_afterwards() -> None:
    options = StaminaOptions.for_tier("paper")
    with pytest.raises(ValidationError):
        options.rank = 3  # type: ignore[misc]


class TwoTiers(MethodOptions):
    """Options whose defaults differ between tiers."""

    tier_defaults = {"mini": {"steps": 7, "weight_decay": 0.5}}  # noqa: RUF012


def test_tier_defaults_replace_some_and_changes_replace_those() -> None:
    assert (TwoTiers.for_tier("paper").steps, TwoTiers.for_tier("mini").steps) == (500, 7)
    assert TwoTiers.for_tier("mini", {"steps": 9}).steps == 9
    assert TwoTiers.for_tier("mini", {"steps": 9}).weight_decay == 0.5
    assert TwoTiers.for_tier("elsewhere") == TwoTiers.for_tier("paper")


def test_changed_is_relative_to_the_tier() -> None:
    assert TwoTiers.for_tier("mini").changed("mini") == {}
    off = {"prior_images": 0, "augment": False, "lr_schedule": "linear"}  # of every method at that tier
    assert TwoTiers.for_tier("mini").changed("paper") == {"steps": 7, "weight_decay": 0.5, **off}
    assert TwoTiers.for_tier("mini", {"steps": 500}).changed("mini") == {"steps": 500}
    assert TwoTiers.for_tier("mini", {"steps": 7}).changed("mini") == {}


@given(
    tier=st.sampled_from(["mini", "paper"]),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "rank": st.integers(1, 64),
            "lambda_sparse": st.floats(0, 10),
            "mask": st.sampled_from(["mlp", "free", "none"]),
            "category_word": st.booleans(),
        },
    ),
)
def test_changed_options_bring_the_same_options_back(tier: str, changes: dict[str, Any]) -> None:
    options = StaminaOptions.for_tier(tier, changes)
    changed = options.changed(tier)
    assert set(changed) <= set(changes)
    assert StaminaOptions.for_tier(tier, changed) == options
    assert StaminaOptions.for_tier(tier, json.loads(json.dumps(changed))) == options


@pytest.mark.parametrize("tier", ["mini", "paper"])
@pytest.mark.parametrize("name", registry.methods().names())
def test_every_registered_method_is_buildable(name: str, tier: str) -> None:
    plugin = registry.methods().get(name)
    options = plugin.options_class.for_tier(tier)
    assert set(plugin.options_class.tier_defaults) <= {"mini", "paper"}
    assert set(plugin.options_class.tier_defaults.get(tier, {})) <= set(plugin.options_class.model_fields)
    assert options.changed(tier) == {}
    assert plugin.options_class.for_tier(tier, json.loads(options.model_dump_json())) == options
    method = plugin(options)
    assert method.options is options
    assert plugin.summary
    assert plugin.citation
    for field, information in plugin.options_class.model_fields.items():
        assert information.description, f"{name}: option '{field}' has no description"


# ----------------------------------------------------------------------------------------------------------- ablations

R = 3
LORA = sum(d1 * R + R * d2 for d1, d2 in SHAPES.values())
MASK_MLPS = sum(R * d2 + R + d1 * R + d1 for d1, d2 in SHAPES.values())
ENTRIES = sum(d1 * d2 for d1, d2 in SHAPES.values())
TOKEN_MLP = DIM * R + R + R * DIM + DIM


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, LORA + MASK_MLPS + TOKEN_MLP),
        ({"mask": "none"}, LORA + TOKEN_MLP),
        ({"mask": "free"}, LORA + ENTRIES + TOKEN_MLP),
        ({"mask_kind": "sigmoid"}, LORA + MASK_MLPS + TOKEN_MLP),
        ({"mask_input": "ones"}, LORA + MASK_MLPS + TOKEN_MLP),
        ({"token": "free"}, LORA + MASK_MLPS + DIM),
        ({"lambda_sparse": 0.0}, LORA + MASK_MLPS + TOKEN_MLP),
    ],
    ids=["stamina", "no mask", "no mask MLP", "no Gumbel", "ones", "no token MLP", "no sparsity"],
)
def test_what_each_ablation_trains(changes: dict[str, Any], expected: int) -> None:
    assert trained(Stamina, {"rank": R, **changes}) == expected


def test_clora_is_stamina_without_mask_and_token_mlp() -> None:
    assert trained(CLoRA, {"rank": R}) == LORA + DIM
    assert trained(CLoRA, {"rank": R}) == trained(Stamina, {"rank": R, "mask": "none", "token": "free"})
    assert trained(CLoRA, {"rank": R, "token": "mlp"}) == LORA + TOKEN_MLP


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"forget", "sparse"}),
        ({"mask": "free"}, {"forget", "sparse"}),
        ({"mask_kind": "sigmoid"}, {"forget", "sparse"}),
        ({"mask": "none"}, {"forget"}),
        ({"lambda_sparse": 0.0}, {"forget"}),
    ],
)
def test_which_penalties_each_ablation_has(changes: dict[str, Any], terms: set[str]) -> None:
    method = Stamina(StaminaOptions.for_tier("paper", changes))
    method.begin_task(Toy(), torch.Generator().manual_seed(0))
    assert set(method.penalties()) == terms
    assert set(method.measures()) == (set() if changes == {"mask": "none"} else {"mask_density"})
