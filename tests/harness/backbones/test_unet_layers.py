"""The U-Net's layers that the harness computes its own way, against those they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn.functional import conv2d

from harness.backbones import packed_convolutions
from harness.backbones.adapters import adaptable, cross_attention
from harness.backbones.attention import LeanAttention, make_lean
from harness.backbones.packed_convolutions import FrozenConv2d, freeze

CPU = torch.device("cpu")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture
def pair(tiny_models: Path) -> tuple[nn.Module, nn.Module]:
    """The tiny U-Net as diffusers has it, and with lean attention; float64."""
    both = []
    for _ in range(2):
        unet = UNet2DConditionModel.from_pretrained(tiny_models / "sd" / "unet", torch_dtype=torch.float64)
        for projection in cross_attention(unet.eval().requires_grad_(False)).values():
            adaptable(projection).weight.requires_grad_(True)
        both.append(unet)
    make_lean(both[1])
    return both[0], both[1]


@pytest.mark.parametrize("shared", [True, False])
def test_lean_attention_gives_the_same_answers_and_gradients(pair: tuple[nn.Module, nn.Module], shared: bool) -> None:
    kinds = [{type(module) for module in unet.modules() if isinstance(module, Attention)} for unet in pair]
    assert kinds == [{Attention}, {LeanAttention}]
    config = pair[0].config
    latents, times = normal(3, config.in_channels, 8, 8), torch.tensor([1, 500, 900])  # type: ignore[union-attr,arg-type]
    found: list[list[Tensor]] = []
    for unet in pair:
        text = normal(1 if shared else 3, 7, config.cross_attention_dim, seed=1).requires_grad_()  # type: ignore[union-attr,arg-type]
        predicted = unet(latents, times, text.expand(3, -1, -1)).sample
        (predicted * normal(*predicted.shape, seed=2)).sum().backward()
        assert text.grad is not None
        weights = [p.weight.grad for p in cross_attention(unet).values()]
        found.append([predicted.detach(), text.grad, *(w for w in weights if w is not None)])
    assert len(found[0]) == 2 + len(cross_attention(pair[0]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_what_lean_attention_does_not_know_it_leaves_to_diffusers(pair: tuple[nn.Module, nn.Module]) -> None:
    plain, lean = (next(m for m in unet.modules() if isinstance(m, Attention)) for unet in pair)
    images = normal(2, 9, plain.to_q.in_features)
    mask = torch.zeros(2, 1, 9, dtype=torch.float64)
    mask[0, 0, 4:] = -1e4
    torch.testing.assert_close(lean(images, attention_mask=mask), plain(images, attention_mask=mask))
    assert not torch.allclose(lean(images, attention_mask=mask), lean(images))


@pytest.mark.parametrize(
    "special",
    [{"rescale_output_factor": 2.0}, {"residual_connection": True}, {"dropout": 0.5}, {"qk_norm": "layer_norm"}],
)
def test_attention_of_another_kind_stays_what_it_is(special: dict[str, object]) -> None:
    layers = nn.ModuleList([Attention(16, heads=2, dim_head=8, **special), Attention(16, heads=2, dim_head=8)])
    make_lean(layers)
    assert [type(layer) for layer in layers] == [Attention, LeanAttention]


# -------------------------------------------------------------------------------------------------- frozen convolutions


def frozen_conv(inside: int = 8, outside: int = 12) -> nn.Conv2d:
    torch.manual_seed(0)
    layer = nn.Conv2d(inside, outside, 3, padding=1).requires_grad_(False).to(memory_format=torch.channels_last)
    freeze(layer)
    return layer


@pytest.mark.parametrize("shape", [(2, 8, 6, 6), (1, 8, 5, 9), (5, 8, 2, 2)])
@pytest.mark.parametrize("before", [1, 4, 32])
def test_a_frozen_convolution_gives_the_same_bits(shape: tuple[int, ...], before: int) -> None:
    """Whatever it was asked before. On processors without AVX2, where nothing is promised, to rounding."""
    layer = frozen_conv()
    layer(normal(before, *shape[1:], dtype=torch.float32).requires_grad_()).sum().backward()
    assert type(layer) is FrozenConv2d
    grad = normal(shape[0], 12, *shape[2:], seed=1, dtype=torch.float32)
    found = []
    for compute in (layer, lambda x: conv2d(x, layer.weight, layer.bias, padding=1)):
        images = normal(*shape, dtype=torch.float32).to(memory_format=torch.channels_last).requires_grad_()
        answer = compute(images)
        answer.backward(grad)
        assert images.grad is not None
        found.append((answer.detach(), images.grad))
    (answer, back), (expected, expected_back) = found
    exact = (
        {"rtol": 0.0, "atol": 0.0} if "AVX" in torch.backends.cpu.get_cpu_capability() else {"rtol": 1e-5, "atol": 1e-6}
    )
    torch.testing.assert_close(answer, expected, **exact)
    torch.testing.assert_close(back, expected_back, **exact)
    with torch.no_grad():
        assert torch.equal(layer(images), answer)


def test_the_way_back_is_by_the_turned_kernel() -> None:
    """d/dx of <conv(x), g>, entry by entry, in float64 from the definition."""
    layer = frozen_conv(2, 3)
    images = normal(1, 2, 4, 4, dtype=torch.float32).requires_grad_()
    grad = normal(1, 3, 4, 4, seed=1, dtype=torch.float32)
    layer(images).backward(grad)
    expected = torch.zeros(2, 4, 4, dtype=torch.float64)
    for o in range(3):
        for c in range(2):
            for y in range(4):
                for x in range(4):
                    for dy in range(3):
                        for dx in range(3):
                            if 0 <= y + dy - 1 < 4 and 0 <= x + dx - 1 < 4:
                                weight = layer.weight[o, c, dy, dx].double()
                                expected[c, y + dy - 1, x + dx - 1] += weight * grad[0, o, y, x].double()
    assert images.grad is not None
    torch.testing.assert_close(images.grad[0].double(), expected, rtol=1e-5, atol=1e-6)


def test_a_weight_that_changes_is_packed_anew() -> None:
    layer, images = frozen_conv(), normal(2, 8, 4, 4, dtype=torch.float32)
    before = layer(images)
    with torch.no_grad():
        layer.weight.mul_(2)
        layer.bias.zero_()  # type: ignore[union-attr]
    torch.testing.assert_close(layer(images), conv2d(images, layer.weight, padding=1), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(layer(images), before)


def test_a_weight_that_is_trained_gets_its_gradient() -> None:
    layer = frozen_conv()
    layer.weight.requires_grad_(True)
    layer(normal(2, 8, 4, 4, dtype=torch.float32)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.any()


def test_other_convolutions_and_larger_models_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2d(4, 4, 3, padding=1).double(),
    ]  # fmt: skip
    layers = nn.ModuleList([*others, nn.Conv2d(4, 4, 3, padding=1)])
    freeze(layers)
    assert [type(layer) for layer in layers] == [nn.Conv2d] * len(others) + [FrozenConv2d]
    monkeypatch.setattr(packed_convolutions, "LARGEST", 100)
    large = nn.Conv2d(4, 4, 3, padding=1)
    freeze(large)
    assert type(large) is nn.Conv2d


def test_without_onednn_nothing_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer = nn.Conv2d(4, 4, 3, padding=1)
    freeze(layer)
    assert type(layer) is nn.Conv2d
