"""What a run's owner must know before the work, in lines: what is used of a folder of images, and cautions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import UsageError, shortened

if TYPE_CHECKING:
    from harness.api import Prepared
    from harness.data.class_folder import ClassReading
    from harness.data.concept_folder import Reading
    from harness.engine.plan import Plan
    from harness.spec import Benchmark, SettingName


def reading_of(benchmark: Benchmark, tier: str) -> Reading | ClassReading | None:
    """What was read of the folder that a benchmark is; None for any other."""
    return getattr(benchmark.sources.get(tier), "reading", None)


def require_whole(benchmark: Benchmark, tier: str) -> None:
    """What `--strict` does.

    Raises:
        UsageError: the benchmark is no folder, or a photograph or a folder in it is not used, or odd.
    """
    reading = reading_of(benchmark, tier)
    if reading is None:
        raise UsageError("--strict is for a folder of your own images; leave it out.")
    reading.require_whole()


def lines_held_out(benchmark: Benchmark, tier: str) -> list[str]:
    """Which images `--holdout` keeps out of training, a line for each concept; none without it."""
    from harness.data.holdout import held_out_names, lines_on

    return lines_on(held_out_names(benchmark, tier))


def lines_beforehand(prepared: Prepared, *, quiet: bool = False) -> Iterator[str]:
    """What is used of a folder, and cautions.

    Args:
        prepared: the run.
        quiet: of a folder only what is not used, or odd.
    """
    from harness.engine.cautions import image_cautions

    tier = prepared.plan.context.tier
    yield from lines_on_folder(prepared.spec.benchmark, prepared.benchmark, tier.name, tier.resolution, quiet=quiet)
    said = image_cautions(prepared.benchmark, tier)
    yield from (caution for caution in prepared.cautions if caution not in said)


def lines_on_folder(
    name: str, benchmark: Benchmark, tier: str, resolution: int | None = None, *, quiet: bool = False
) -> Iterator[str]:
    """What of a folder is used and what is not, in a few lines.

    Args:
        name: what the user called the benchmark.
        benchmark: what was found of that name.
        tier: the tier's name.
        resolution: pixels along each side of what is drawn; None for what the tier's own model draws.
        quiet: only what is not used, or odd.
    """
    from harness.data.skipped_files import check_command

    reading = reading_of(benchmark, tier)
    if reading is None:
        if os.path.isdir(name):
            yield f"'{name}' is the benchmark of that name here; the folder beside it is ./{name}."
        return
    if not quiet:
        yield f"{shortened(reading.folder)}: {reading.summary}"
    lines = [*reading.lines(), *_small(reading, tier, resolution)]
    yield from lines
    if lines:
        yield f"All of it: {check_command(reading.folder, *options_of(reading.setting))}"


def _small(reading: Reading | ClassReading, tier: str, resolution: int | None) -> list[str]:
    """What to know of images that are smaller than what a tier whose model knows photographs draws."""
    from harness import registry

    found = registry.tiers().get(tier)
    return [] if found.knows.get(reading.setting) else reading.small(resolution or found.resolution)


def options_of(setting: SettingName | None) -> tuple[str, ...]:
    """What `data check` is told besides the folder."""
    from harness import registry

    return () if setting in (None, registry.setting_names()[0]) else ("--setting", str(setting))


def unequal_training(plan: Plan) -> str:
    """What to know of methods that train by another tier's defaults beside others; empty if there are none."""
    from harness.engine.budgets import Trained, unequal_budgets

    cells = {cell.label: cell for cell in plan.cells}
    lines = {label: Trained(c.method, c.options.model_dump(), c.inherited) for label, c in cells.items()}
    first = next(iter(cells.values()))
    return unequal_budgets(lines, first.tier, plan.setting.budget)
