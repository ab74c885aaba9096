"""The weights at which a method's penalties equal its loss, found by short trainings of two tasks on any backbone.

Every option `lambda_NAME` whose penalty NAME a method reports is looked at, with all other options as they are: in
task 1 if the penalty acts there, as one on masks does, else in task 2, as one on changing the past does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import api, registry
from harness.backbones.hub import label, resolved
from harness.errors import BenchError, UsageError
from harness.formats.figure_text import counted
from harness.method import Method
from harness.settings.base import Rehearsal
from harness.spec import Frozen, RunSpec, Task, Tier
from harness.tuning.balance import Balance, Ended, Trial, balance

WEIGHT = "lambda_"
Told = Callable[[str], None]


class Weight(Frozen):
    """One option.

    value: what it is now. balanced: at which its penalty equals the loss at the end of `task`, None where there is no
    such value, and `reason` says why. trials: every training but the first, which presses nothing.
    """

    option: str
    value: float
    task: int
    balanced: float | None
    trials: tuple[Trial, ...]
    reason: str = ""


class Calibration(Frozen):
    """What was found, and on what."""

    method: str
    tier: str
    backbone: str
    device: str
    dtype: str
    steps: int
    own_steps: int
    weights: tuple[Weight, ...]


def calibrate(spec: RunSpec, steps: int | None = None, *, tell: Told) -> Calibration:
    """Find the weights.

    Args:
        spec: One method with changed options, and where: benchmark, tier, backbone, device, dtype, one seed.
        steps: Training steps of a task; by default as many as the method's options say.
        tell: Is told of every training, in a sentence.

    Raises:
        UsageError: a name, an option or a folder cannot be used, or the method has no penalty with such a weight.
    """
    tier: Tier = registry.tiers().get(spec.tier)
    benchmark = api.find_benchmark(spec.benchmark, tier.name)
    setting, method = registry.setting(benchmark.setting), spec.methods[0]
    plugin: type[Method[Any]] = registry.methods(setting.name).get(method.name)
    own = plugin.options_for(setting.name).for_tier(tier.name, method.changes)
    options = own if steps is None else plugin.options_for(setting.name).for_tier(
        tier.name, {**method.changes, "steps": steps}
    )  # fmt: skip
    wanted = [name for name in type(options).model_fields if name.startswith(WEIGHT) and getattr(options, name) > 0]
    if not wanted:
        raise UsageError(
            f"Method '{method.name}' has no penalty with a weight (an option {WEIGHT}NAME above 0); there is nothing "
            "to calibrate."
        )
    kind = api.device_type(spec, tier, elsewhere=False)
    device = api.device_list(tier.device if spec.device == "auto" else spec.device, kind)[0] if kind == "cuda" else kind
    dtype = spec.dtype or ("float32" if kind == "cpu" else tier.dtype)
    source = spec.backbone or setting.default_backbone(tier)
    folder = setting.find_backbone(source, offline=spec.offline)
    name = label(resolved(source, folder))
    rehearsal = setting.rehearsal(
        plugin, _two(benchmark, tier, tell), Path(folder), name, device=device, dtype=dtype, seed=spec.seeds[0]
    )
    found = _weights(rehearsal, options, wanted, tell)
    if not found:
        raise UsageError(
            f"Method '{method.name}' reports no penalty of its {' or '.join(wanted)}; nothing was weighed."
        )
    return Calibration(
        method=method.name, tier=tier.name, backbone=name, device=device, dtype=dtype, steps=options.steps,
        own_steps=own.steps, weights=tuple(found),
    )  # fmt: skip


def _two(benchmark: Any, tier: Tier, tell: Told) -> list[Task]:
    """The benchmark's first two tasks; drawn ones of another tier where it has none at this one."""
    scale = tier.name if tier.name in benchmark.sources else next(iter(benchmark.sources))
    if scale != tier.name:
        tell(f"{benchmark.name} has no images at the tier {tier.name}; those of the tier {scale} are resized.")
    tasks = list(benchmark.tasks(scale))[:2]
    if len(tasks) < 2:
        raise UsageError(f"Benchmark '{benchmark.name}' has one task, and two are needed.")
    return tasks


def _weights(rehearsal: Rehearsal, options: Any, wanted: list[str], tell: Told) -> list[Weight]:
    tell(f"Task 1, {counted(options.steps, 'step')}, as the options are.")
    alone = rehearsal.teach(1, options, options).penalties
    found = []
    for option in wanted:
        name = option.removeprefix(WEIGHT)
        task = 1 if alone.get(name, 0.0) > 0 else 2

        def train(weight: float, draw: int, option: str = option, name: str = name, task: int = task) -> Ended:
            changed = options.model_copy(update={option: weight})
            try:
                ended = rehearsal.teach(task, changed, options, draw)
            except UsageError:
                raise
            except BenchError as error:  # a loss that is not finite: the weight is too large by far
                tell(f"Task {task} with {option}={weight:.3g}: {error}")
                return Ended(1.0, float("inf"))
            result = Ended(ended.loss, ended.penalties.get(name, 0.0))
            what = f"{option}={weight:.3g}" + (", other noise" if draw else "")
            tell(f"Task {task} with {what}: {name} {result.penalty:.3g}, the loss {result.loss:.3g}.")
            return result

        result: Balance = balance(train)
        found.append(
            Weight(
                option=option, value=getattr(options, option), task=task, trials=tuple(result.trials),
                balanced=result.chosen.weight if result.chosen else None, reason=result.reason,
            )
        )  # fmt: skip
    return found
