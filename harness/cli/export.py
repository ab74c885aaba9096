"""`stamina-bench export`: what a run learnt, for anyone's diffusers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.app import EPILOG, Device, app, note
from harness.cli.trained import AfterTask, Benchmark, Json, MethodName, Runs, Seed, Source, chosen_state, one_device
from harness.errors import UsageError

PIPELINE = """import torch
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained({folder}, use_safetensors=True)
pipeline({prompt}).images[0]
"""
ADAPTER = """from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained({backbone}, revision={revision}, use_safetensors=True)
pipeline.load_lora_weights({folder}, weight_name="pytorch_lora_weights.safetensors")
for token in {tokens}:
    pipeline.load_textual_inversion({tokens_folder}, weight_name=f"{{token}}.safetensors", token=f"<{{token}}>")
pipeline({prompt}).images[0]
"""


class Form(StrEnum):
    """What an export is."""

    PIPELINE = "pipeline"
    LORA = "lora"


@app.command("export", epilog=EPILOG)
def export_command(
    runs: Runs = Path("runs"),
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder to write.")] = Path("export"),
    benchmark: Benchmark = None,
    method: MethodName = None,
    seed: Seed = None,
    task: AfterTask = None,
    form: Annotated[
        Form, typer.Option("--as", help="pipeline: a whole diffusers folder; lora: a LoRA file and a file per token.")
    ] = Form.PIPELINE,
    rank: Annotated[
        int | None,
        typer.Option(min=1, help="Rank of the LoRA file; default as many as lose nothing.", show_default=False),
    ] = None,
    backbone: Source = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Write what a method learnt as files that diffusers loads without anything of this project."""
    from harness.export.model_card import model_card
    from harness.export.trained_model import load
    from harness.store.atomic import check_new, new_folder

    if rank is not None and form is Form.PIPELINE:
        raise UsageError("--rank is for --as lora; a pipeline has its weights whole.")
    check_new(folder)
    state = chosen_state(runs, benchmark, method, seed, task)
    model = load(state, one_device(device), backbone)
    embeddings = {token: model.token(token) for token in state.names()}
    prompt = state.prompt(state.tasks[-1])
    if form is Form.PIPELINE:
        from harness.export.diffusers_folder import export_pipeline

        card = model_card(state, _filled(PIPELINE, folder=folder.name, prompt=prompt), {})
        export_pipeline(model, embeddings, folder, {"README.md": card})
        note(f"{folder}: a diffusers pipeline with {len(embeddings)} custom tokens.")
        _as_json(as_json, folder, form, state, embeddings)
        return
    from harness.export.lora_file import write_lora, write_tokens

    with new_folder(folder) as part:
        done = write_lora(model, rank, part)
        write_tokens(embeddings, part / "tokens")
        loading = _filled(
            ADAPTER, folder=folder.name, prompt=prompt, tokens=[token.strip("<>") for token in embeddings],
            tokens_folder=f"{folder.name}/tokens", **_base(state),
        )  # fmt: skip
        told = {"rank": str(done.rank), "relative error of the change of the weights": f"{done.error:.2g}"}
        (part / "README.md").write_text(model_card(state, loading, told), encoding="utf-8")
    note(f"{folder}: a LoRA file of rank {done.rank} (it leaves out {done.error:.2g} of the change of the weights) and "
         f"{len(embeddings)} token files.")  # fmt: skip
    _as_json(as_json, folder, form, state, embeddings, rank=done.rank, error=done.error)


def _as_json(wanted: bool, folder: Path, form: Form, state: Any, tokens: Iterable[str], **more: Any) -> None:
    told = {
        "folder": str(folder), "as": form.value, "benchmark": state.cell.benchmark, "method": state.cell.label,
        "run_seed": state.cell.seed, "after_task": state.after, "tokens": list(tokens), **more,
    }  # fmt: skip
    if wanted:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))


def _filled(template: str, **values: Any) -> str:
    """Python with these values as literals: no name can end its quotes."""
    return template.format(**{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})


def _base(state: Any) -> dict[str, str]:
    """Where plain diffusers has the run's backbone from: a hub id and its commit, or a folder's name."""
    from harness.backbones.hub import hub_place, is_folder
    from harness.records.run_file import read_spec

    source = read_spec(state.cell.run_file).backbone or state.cell.backbone
    repository, revision = (None if is_folder(source) else hub_place(source)) or (state.cell.backbone, None)
    return {"backbone": repository, "revision": revision or "main"}
