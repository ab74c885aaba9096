"""`stamina-bench plan`: what a run would take, on a machine that has nothing of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli import completion
from harness.cli.app import EPILOG, Backbone, Dtype, Seeds, app, out
from harness.cli.whole_tables import FOLDED, print_whole
from harness.errors import UsageError
from harness.formats.figure_text import counted
from harness.front.option_values import known_dtype, known_tier, parse_seeds

if TYPE_CHECKING:
    from harness.settings.customization.forecast import Forecast


@app.command("plan", epilog=EPILOG)
def plan_command(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="A benchmark's name, or a folder of photographs: one sub-folder per concept.",
            autocompletion=completion.benchmarks,
        ),
    ],
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            "-m",
            help="Comma-separated names, or 'all'.",
            envvar="STAMINA_BENCH_METHODS",
            autocompletion=completion.methods,
        ),
    ] = "all",
    tier: Annotated[str, typer.Option(help="Scale whose options to count.", envvar="STAMINA_BENCH_TIER")] = "paper",
    seeds: Seeds = "0",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N tasks.")] = None,
    full_matrix: Annotated[
        bool, typer.Option("--full-matrix", help="Images of every task after every later one: N(N+1)/2 sets.")
    ] = False,
    backbone: Backbone = None,
    extractor: Annotated[
        str | None, typer.Option(help="An open_clip folder or 'architecture/pretrained', instead of the tier's.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(help="Device to count for: a100 (default), h100, h200, l40s, rtx-4090, rtx-3090, v100 or t4."),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Simulate the schedule on so many devices: 64xH100, or 2xcpu for two cores; instead of --gpu."
        ),
    ] = None,
    utilisation: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of the device's peak that is reached.")
    ] = 0.4,
    dtype: Dtype = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Count with what `run` has under that name.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="[METHOD.]KEY=VALUE", help="Change a method's option, or sampling.KEY; may be repeated."
        ),
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(help="Results folder whose finished steps on such a device correct the count; only read."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimate GPU hours, disk and memory of a run; needs no weights, no images, no GPU, and writes nothing."""
    from harness import api, registry
    from harness.estimates.estimate import device_named, devices_named
    from harness.estimates.history import attempts
    from harness.overrides import assigned, named_methods, protocol_changes
    from harness.settings.customization.forecast import tasks_of
    from harness.spec import RunSpec

    precision = known_dtype(dtype)
    if measured is not None and not (measured / "store").is_dir():
        raise UsageError(f"--measured {measured} holds no store; name the folder given to `run` with --output-dir.")
    listed = list(changes or [])
    if devices is not None and gpu is not None:
        raise UsageError("Give --gpu or --devices, not both.")
    number, device = devices_named(devices) if devices is not None else (1, device_named(gpu or "a100"))
    seed_values = parse_seeds(seeds)
    found = api.find_benchmark(benchmark, known_tier(tier))
    forecast = registry.setting(found.setting).forecast(shlex.quote(benchmark), tier)
    total = len(tasks_of(found, tier)[0])
    spec = RunSpec(
        benchmark=benchmark, methods=assigned(named_methods(methods), listed), tier=tier, seeds=seed_values,
        backbone=backbone,
        extractor=extractor, dtype=precision, tasks=tuple(range(1, min(limit, total) + 1)) if limit else None,
        full_matrix=full_matrix, gradient_checkpointing=gradient_checkpointing, **protocol_changes(listed),
    )  # fmt: skip
    made = forecast(
        spec, found, device, utilisation=utilisation, store=measured / "store" if measured else None, devices=number
    )
    if as_json:
        taken = {"taken": attempts(measured)} if measured is not None else {}
        typer.echo(json.dumps({**made.model_dump(mode="json"), **taken}, indent=1, ensure_ascii=False))
    else:
        _print(made)


def _print(made: Forecast) -> None:
    # Numbers keep their columns whatever the terminal's width: headings have two lines, and a method's name is folded.
    table = RichTable(
        title=Text(
            f"{made.benchmark}, tier {made.tier}: {made.backbone} at {made.resolution} px in {made.dtype}, on one "
            f"{made.device}"
        ),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("method", overflow="fold", min_width=FOLDED)
    for column in ("N_param\n%", "train\nh", "sample\nh", "GPU\nh", "disk\nGB", "memory\nGB", "card"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in made.methods:
        t, card = row.total, next((size for size, fits in row.fits.items() if fits), None)
        table.add_row(
            Text(row.method), f"{row.n_param:.2f}", hours(t.train_hours), hours(t.sampling_hours), hours(t.gpu_hours),
            f"{t.disk_bytes / 1e9:.1f}", f"{row.memory_bytes / 2**30:.1f}",
            f"{card} GB" if card else f"over {max(row.fits)} GB",
        )  # fmt: skip
    t = made.total
    if len(made.methods) > 1:
        table.add_section()
        table.add_row(
            "all", "", hours(t.train_hours), hours(t.sampling_hours), hours(t.gpu_hours),
            f"{t.disk_bytes / 1e9:.1f}", "", "",
        )  # fmt: skip
    print_whole(table, out)
    least, most = made.images_per_task
    images = counted(least, "image") if least == most else f"{least} to {most} images"
    lines = [
        f"{counted(made.cells, 'cell')} of {counted(made.tasks, 'task')} ({images} each), "
        f"{counted(t.steps, 'step')}, those that methods share "
        f"counted once: {hours(t.gpu_hours)} GPU hours; {hours(made.longest_chain_hours)} h at least, whatever the "
        "number of GPUs (the longest chain of steps).",
        f"Hours: {made.basis}, at {100 * made.utilisation:.0f} % of the {made.device}'s peak. Memory: by count; the "
        "card is the smallest of 8, 12, 16, 24, 40 and 80 GB with 1.5 GB to spare. What is counted: docs/planning.md.",
        *made.notes,
    ]
    if made.scaling:
        _print_scaling(made)
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def _print_scaling(made: Forecast) -> None:
    from harness.estimates.history import duration

    table = RichTable(title="Simulated schedule", title_justify="left")
    for column in ("devices", "wall time", "speed-up", "idle %"):
        table.add_column(column, justify="right")
    for row in made.scaling:
        wall = duration(3600 * row.wall_hours)
        table.add_row(str(row.devices), wall, f"{row.speed_up:.1f}", f"{100 * row.idle_share:.0f}")
    print_whole(table, out)


def hours(value: float) -> str:
    """Two digits after the point where they say something."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
