"""MoFO against AdamW written out in NumPy, and the hook that it is made of: what is masked stays, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_tasks import Course, same, tiny_model
from torch import Tensor, nn

from harness import registry
from harness.backbones.adapters import Adapter
from harness.errors import PluginError
from harness.method import Method
from harness.settings.masked_updates import MaskedUpdates
from harness.spec import MethodOptions
from methods import parts
from methods.mofo import MoFO, MoFOOptions

Array = NDArray[np.float64]


def test_mofo_is_adamw_that_moves_the_largest_momenta() -> None:
    """Four steps of given gradients on one matrix, in float64."""
    rate, decay, eps, share = 0.1, 0.05, 1e-8, 0.3
    projection = nn.Linear(4, 5, bias=False)
    adapter = parts.FullResidual(projection).double()
    method = MoFO(MoFOOptions(share=share))
    optimizer = torch.optim.AdamW(adapter.parameters(), lr=rate, eps=eps, weight_decay=decay)
    masked = MaskedUpdates(method, {"k": adapter}, nn.Module())
    assert masked.used
    w: Array = np.zeros((5, 4))
    m, v = np.zeros_like(w), np.zeros_like(w)
    moved = []
    for step in range(1, 5):
        g = np.random.default_rng(step).normal(size=w.shape)
        adapter.delta.grad = torch.from_numpy(g.copy())
        with masked.step(optimizer):
            optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        count = int(share * w.size)
        chosen = np.zeros(w.size, dtype=bool)
        chosen[np.argsort(-np.abs(m).ravel())[:count]] = True
        new = w * (1 - rate * decay) - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + eps)
        w = np.where(chosen.reshape(w.shape), new, w)
        moved.append(chosen)
        assert np.allclose(adapter.delta.detach().numpy(), w, rtol=1e-9)
    assert any((moved[0] != other).any() for other in moved[1:])


def test_the_smallest_share_still_moves_one_entry() -> None:
    mask = MoFO(MoFOOptions(share=1e-9)).update_mask("k.delta", torch.zeros(3, 3), torch.arange(9.0).view(3, 3))
    assert mask is not None
    assert mask.nonzero().tolist() == [[2, 2]]
    assert MoFO(MoFOOptions()).update_mask("token.embedding", torch.zeros(4), torch.ones(4)) is None


class Frozen(Method[MethodOptions]):
    """Trains the first column of every matrix, by a mask; the token whole."""

    options_class = MethodOptions
    seen: list[str]

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        self.seen = []
        attach(model, lambda name, projection: parts.FullResidual(projection))
        return parts.new_token(model, "free", "random", 4, generator)

    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        self.seen.append(name)
        if name.startswith("token."):
            return None
        mask = torch.zeros_like(parameter, dtype=torch.bool)
        mask[..., 0] = True
        return mask


def test_what_is_masked_stays_whatever_the_weight_decay(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = Course("cd", tiny_model(tiny_models))
    course.plugin = Frozen
    course.options = MethodOptions(steps=3, batch_size=2, learning_rate=0.05, weight_decay=0.1, prior_images=0)
    taught = course.teach()
    for name, before in taught.before.items():
        assert not torch.equal(taught.weights[name][:, 0], before[:, 0])
        assert torch.equal(taught.weights[name][:, 1:], before[:, 1:])


def test_without_the_hook_nothing_is_masked(tiny_models: Path) -> None:
    method = registry.methods().get("cd")(registry.methods().get("cd").options_class())
    assert not MaskedUpdates(method, {}, nn.Module()).used
    one, all_of_it = (Course(name, tiny_model(tiny_models), **changes) for name, changes in (
        ("cd", {}), ("mofo", {"share": 1.0})
    ))  # fmt: skip
    assert same(one.teach().weights, all_of_it.teach().weights)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.ones(2, 2), "a tensor of shape (2, 2) and float32"),
        (torch.ones(2, dtype=torch.bool), "a tensor of shape (2,) and bool"),
        (True, "a bool"),
    ],
)
def test_a_mask_must_be_booleans_of_the_parameters_shape(given: object, words: str) -> None:
    class Wrong(Frozen):
        def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Any:
            return given

    adapter: Adapter = parts.FullResidual(nn.Linear(2, 2, bias=False))
    optimizer = torch.optim.AdamW(adapter.parameters())
    for parameter in adapter.parameters():
        parameter.grad = torch.ones_like(parameter)
    masked = MaskedUpdates(Wrong(MethodOptions()), {"k": adapter}, nn.Module())
    with pytest.raises(PluginError) as error, masked.step(optimizer):
        pass
    assert str(error.value) == (
        f"Wrong.update_mask() must give None, or booleans of shape (2, 2) for 'k.delta'; it gave {words}."
    )
