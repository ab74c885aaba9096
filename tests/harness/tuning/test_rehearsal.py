"""Two tasks trained again and again, from the draws that a number names."""

from __future__ import annotations

from pathlib import Path

import torch

from harness import api, registry
from harness.settings.customization.rehearsal import Rehearsal


def test_what_task_2_starts_from_is_of_the_same_draws_as_its_own_training(tiny_models: Path) -> None:
    tasks = list(api.find_benchmark("tuning6", "mini").tasks("mini"))[:2]
    plugin = registry.methods().get("clora")
    before = plugin.options_class.for_tier("mini", {"steps": 2, "learning_rate": 0.05})
    still = before.model_copy(update={"learning_rate": 1e-12, "lambda_forget": 0.0})
    rehearsal = Rehearsal(plugin, tasks, tiny_models / "sd", "sd", device="cpu", dtype="float32", seed=0)

    def changed(draw: int) -> torch.Tensor:
        """What task 1 changed, for task 2 hardly changes a thing."""
        rehearsal.teach(2, still, before, draw)
        return torch.cat([(w - rehearsal.model.initial[n]).flatten() for n, w in rehearsal.model.weights().items()])

    found, other = changed(0), changed(1)
    assert found.norm() > 1e-3
    assert (found - other).norm() > 0.1 * found.norm()
    torch.testing.assert_close(changed(0), found, rtol=0, atol=0)
    torch.testing.assert_close(changed(1), other, rtol=0, atol=0)
