"""`stamina-bench calibrate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, Backbone, Device, Dtype, MethodArgument, Offline, app, note, out
from harness.errors import UsageError
from harness.formats.figure_text import counted
from harness.front.option_values import known_dtype, known_tier, parse_seeds

if TYPE_CHECKING:
    from harness.tuning.calibrate import Calibration, Weight

LITTLE = 1e-3  # what is left of a penalised change, below which nothing of it is learnt


@app.command("calibrate", epilog=EPILOG)
def calibrate_command(
    method: MethodArgument,
    tier: Annotated[
        str, typer.Option(help="Scale whose options and backbone to take.", envvar="STAMINA_BENCH_TIER")
    ] = "mini",
    benchmark: Annotated[
        str, typer.Option("--benchmark", "-b", help="Its first two tasks are learnt; or a folder of photographs.")
    ] = "tuning6",
    backbone: Backbone = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Training steps of a task, if fewer than the options say.", show_default=False),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change an option; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    device: Device = "auto",
    dtype: Dtype = None,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find for each lambda_X of a method at which weight its penalty X equals the loss, on any backbone."""
    from harness.overrides import method_names, method_specs
    from harness.spec import RunSpec
    from harness.tuning.calibrate import calibrate

    if len(names := method_names(method)) > 1:
        raise UsageError(f"calibrate takes one method, not {' and '.join(names)}.")
    spec = RunSpec(
        benchmark=benchmark, methods=method_specs(method, list(changes or [])), tier=known_tier(tier),
        seeds=parse_seeds(str(seed)), backbone=backbone, device=device, dtype=known_dtype(dtype), offline=offline,
    )  # fmt: skip
    found = calibrate(spec, steps, tell=(lambda text: None) if quiet else note)
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=1))
    else:
        _print(found)
    for weight in found.weights:
        tell_of(weight)
    if found.steps < found.own_steps:
        note(
            f"These weights are for trainings of {counted(found.steps, 'step')}; those of the "
            f"options have {found.own_steps}, "
            "which change more: a penalty that is no share of the change then needs a smaller weight."
        )


def tell_of(weight: Weight) -> None:
    """What is to be known of a weight that was found, or not."""
    if weight.balanced is None:
        note(f"No {weight.option} makes its penalty equal the loss: {weight.reason}.")
        return
    left = next(trial.left for trial in weight.trials if trial.weight == weight.balanced)
    if left < LITTLE:
        best = max((t for t in weight.trials if t.weight < weight.balanced), key=lambda t: t.share, default=None)
        more = f"; before, it weighed most at {best.weight:.3g}, {best.share:.2g} of the loss" if best else ""
        note(
            f"{weight.option}={weight.balanced:.3g} leaves {left:.1g} of what it penalises, little more than the "
            f"optimizer's jitter{more}."
        )


def _print(found: Calibration) -> None:
    title = (
        f"{found.method}, tier {found.tier}: {found.backbone} on {found.device} in {found.dtype}, "
        f"{counted(found.steps, 'step')} "
        "a task"
    )
    caption = "* equal, within a factor 2 whatever the noise; left: of what is penalised, 1 being without a penalty"
    table = RichTable(title=Text(title), title_justify="left", caption=Text(caption), caption_justify="left")
    for column in ("option", "value", "penalty / loss", "left", "in task", ""):
        table.add_column(column, justify="left" if column == "option" else "right")
    for w in found.weights:
        table.add_row(*map(Text, (w.option, f"{w.value:g}", "", "", str(w.task), "now")))
        for t in sorted(w.trials, key=lambda t: t.weight):
            mark = "*" if t.weight == w.balanced else ""
            table.add_row(*map(Text, ("", f"{t.weight:.3g}", f"{t.share:.2g}", f"{t.left:.2g}", "", mark)))
    out.print(table)
