"""`stamina-bench export`: what a run learnt, as files for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import EPILOG, Device, app, note
from harness.cli.trained import AfterTask, Benchmark, Json, MethodName, Runs, Seed, Source, chosen_state, one_device
from harness.export.forms import FileDtype, Form

FORMS = (
    "pipeline: a whole diffusers folder; lora: a LoRA file for diffusers and a file per token; kohya: the same for "
    "ComfyUI and AUTOMATIC1111; embedding: tokens alone, of a method that changes no weights."
)
NAME = "Of a kohya file and its embeddings; of the one embedding of --task's concept, without it all are written."


@app.command("export", epilog=EPILOG)
def export_command(
    runs: Runs = Path("runs"),
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder to write.")] = Path("export"),
    benchmark: Benchmark = None,
    method: MethodName = None,
    seed: Seed = None,
    task: AfterTask = None,
    form: Annotated[Form, typer.Option("--as", help=FORMS)] = Form.PIPELINE,
    rank: Annotated[
        int | None,
        typer.Option(min=1, help="Rank of a LoRA file; default as many as lose nothing.", show_default=False),
    ] = None,
    dtype: Annotated[FileDtype, typer.Option(help="Precision of the files.")] = "float32",
    name: Annotated[str | None, typer.Option(help=NAME, show_default=False)] = None,
    backbone: Source = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Write what a method learnt as files that other programs load without anything of this project."""
    from harness.export.forms import Wanted, write
    from harness.export.trained_model import base_of, load, require_one_model
    from harness.store.atomic import check_new

    wanted = Wanted(form, rank, dtype, name)
    wanted.check()
    check_new(folder)
    state = chosen_state(runs, benchmark, method, seed, task)
    require_one_model(state)
    model = load(state, one_device(device), backbone)
    written = write(state, model, base_of(state, backbone), wanted, folder)
    note(f"{folder}: {written.said}")
    if as_json:
        told = {
            "folder": str(folder), "as": form.value, "dtype": dtype, "benchmark": state.cell.benchmark,
            "method": state.cell.label, "run_seed": state.cell.seed, "after_task": state.after,
            "tokens": list(written.tokens),
            **({} if written.rank is None else {"rank": written.rank, "error": written.error}),
        }  # fmt: skip
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
