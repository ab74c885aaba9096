"""N_param on the true architecture: the paper's percentages, and counts worked out from the architecture's shapes."""

from __future__ import annotations

from typing import Any

import pytest

from harness import registry
from harness.backbones.on_meta import Architecture, sd14
from harness.errors import UsageError
from harness.settings.customization.parameters import count_parameters

UNET = 859_520_964
TEXT, RANK = 768, 16
# widths of the cross-attention blocks: two at each of three levels down, one in the middle, three at each level up
WIDTHS = [320] * 2 + [640] * 2 + [1280] * 2 + [1280] + [1280] * 3 + [640] * 3 + [320] * 3
MATRICES = [(width, TEXT) for width in WIDTHS for _ in ("key", "value")]


def linear(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer with bias."""
    return inputs * outputs + outputs


LORA = sum(rows * RANK + RANK * columns for rows, columns in MATRICES)
MASKS = sum(linear(columns, RANK) + linear(RANK, rows) for rows, columns in MATRICES)
TOKEN = linear(TEXT, RANK) + linear(RANK, TEXT)
ENTRIES = sum(rows * columns for rows, columns in MATRICES)
# rank 4: Q, K, V and output of self-attention, Q and output of cross-attention, and its K and V; no token
DREAMBOOTH = sum(6 * 4 * (width + width) + 2 * 4 * (width + TEXT) for width in WIDTHS)


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    return sd14()


@pytest.fixture(scope="module")
def records() -> dict[str, dict[str, Any]]:
    return {row["method"]: row for row in count_parameters("sd-1.4", "all")}


def test_sums_worked_out_by_hand() -> None:
    assert len(MATRICES) == 32
    assert (ENTRIES, LORA, MASKS, TOKEN) == (19_169_280, 792_576, 818_048, 25_360)
    assert LORA + MASKS + TOKEN == 1_635_984
    assert DREAMBOOTH == 797_184  # of diffusers' script


def test_architecture_is_that_of_stable_diffusion_1_4(architecture: Architecture) -> None:
    assert sum(p.numel() for p in architecture.denoiser.parameters()) == UNET
    assert sorted(p.weight.shape for p in architecture.projections.values()) == sorted(MATRICES)
    assert all(p.bias is None for p in architecture.projections.values())
    assert all(p.weight.device.type == "meta" for p in architecture.projections.values())
    keys = [name for name in architecture.projections if name.endswith("attn2.to_k")]
    values = [name for name in architecture.projections if name.endswith("attn2.to_v")]
    assert len(keys) == len(values) == 16
    assert architecture.token_dim == TEXT


# the paper's Table 1, column N_param; lora, ti and ub, which it leaves out, train as much as clora, ti++ and cd do
TABLE_1 = {
    "cd": "2.23", "cd-ewc": "2.23", "cd-merge": "2.23", "ub": "2.23", "clora": "0.09", "lora": "0.09",
    "stamina": "0.19", "ti": "0.00", "ti++": "0.00",
}  # fmt: skip
COUNTS = {
    "cd": ENTRIES + TEXT,
    "cd-ewc": ENTRIES + TEXT,
    "cd-merge": ENTRIES + TEXT,
    "ub": ENTRIES + TEXT,
    "clora": LORA + TEXT,
    "lora": LORA + TEXT,
    "ti": TEXT,
    "ti++": TOKEN,
    "stamina": LORA + MASKS + TOKEN,
    "stamina-no-mask": LORA + TOKEN,
    "stamina-no-mlp-tokens": LORA + MASKS + TEXT,
    "stamina-no-mask-mlp": LORA + ENTRIES + TOKEN,
    "stamina-no-gumbel": LORA + MASKS + TOKEN,
    "stamina-no-sparsity": LORA + MASKS + TOKEN,
    **dict.fromkeys(("lora-alone", "lora-magnitude", "lora-merge", "lora-ortho-init", "o-lora"), LORA + TEXT),
    **dict.fromkeys(("drift-correction", "ewc-dc", "generative-replay", "l2", "mofo", "replay"), ENTRIES + TEXT),
    "cidm": LORA // 4 + TEXT,  # at rank 4
    "dreambooth-lora": DREAMBOOTH,
    "hft": ENTRIES // 2 + TEXT,
    "inf-lora": sum(rows * RANK for rows, _ in MATRICES) + TEXT,  # A alone
    "orthogonal-adaptation": sum(rows * 20 for rows, _ in MATRICES) + TEXT,  # the same, at its paper's rank
}


def test_every_method_of_the_paper_is_counted(records: dict[str, dict[str, Any]]) -> None:
    assert set(records) == {*COUNTS, "(all K/V matrices)"} == {*registry.methods().names(), "(all K/V matrices)"}
    assert set(TABLE_1) < set(COUNTS)


@pytest.mark.parametrize("method", TABLE_1)
def test_table_1(records: dict[str, dict[str, Any]], method: str) -> None:
    assert f"{records[method]['n_param']:.2f}" == TABLE_1[method]


@pytest.mark.parametrize("method", ["cd-merge", "stamina", "ti"])
def test_a_method_alone_and_counted_again_is_the_same(records: dict[str, dict[str, Any]], method: str) -> None:
    (once, _), (again, matrices) = (count_parameters("sd-1.4", method) for _ in range(2))
    assert once == again == records[method]
    assert matrices["parameters"] == ENTRIES


@pytest.mark.parametrize(
    ("method", "parameters", "printed"),
    [
        *((method, count, f"{100 * count / UNET:.2f}") for method, count in COUNTS.items()),
        ("(all K/V matrices)", ENTRIES, "2.23"),
    ],
)
def test_count_and_percentage(records: dict[str, dict[str, Any]], method: str, parameters: int, printed: str) -> None:
    record = records[method]
    assert record["unet_parameters"] == UNET
    assert record["parameters"] == parameters
    assert record["n_param"] == pytest.approx(100 * parameters / UNET, rel=1e-12)
    assert f"{record['n_param']:.2f}" == printed


def test_two_logits_an_entry_would_not_give_the_papers_figure() -> None:
    doubled = sum(linear(columns, RANK) + linear(RANK, 2 * rows) for rows, columns in MATRICES)
    assert f"{100 * (LORA + MASKS + TOKEN) / UNET:.2f}" == "0.19"
    assert f"{100 * (LORA + doubled + TOKEN) / UNET:.2f}" == "0.24"


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"'sd-9'"):
        count_parameters("sd-9", "all")
    with pytest.raises(UsageError, match=r"'stamin'; did you mean stamina"):
        count_parameters("sd-1.4", "stamin")
