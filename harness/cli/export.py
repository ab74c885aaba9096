"""`stamina-bench export` and `generate`: what a run learnt, for anyone's diffusers, and pictures of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.app import EPILOG, Device, LeftOut, app, note
from harness.errors import UsageError

Runs = Annotated[Path, typer.Argument(help="Results folder of `run`.", envvar="STAMINA_BENCH_OUTPUT_DIR")]
Benchmark = Annotated[str | None, typer.Option(help="Which benchmark's, where there are several.")]
MethodName = Annotated[str | None, typer.Option("--method", "-m", help="Which method's, or which label's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Which run seed's.")]
AfterTask = Annotated[
    int | None, typer.Option("--task", min=1, help="The model after this task; default the last.", show_default=False)
]
Source = Annotated[
    str | None, typer.Option("--backbone", help="Where the backbone lies now, if not where the run found it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: what was written.")]
IMAGES = 8  # of each prompt, where no number is given
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
    state = _state(runs, benchmark, method, seed, task)
    model = load(state, _device(device), backbone)
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


@app.command("generate", epilog=EPILOG)
def generate_command(
    runs: Runs = Path("runs"),
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt",
            "-p",
            show_default=False,
            help="With custom tokens, <v3> for the concept of task 3, or without; may be repeated.",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder to write.")] = Path("images"),
    benchmark: Benchmark = None,
    method: MethodName = None,
    seed: Seed = None,
    task: Annotated[
        int | None,
        typer.Option(min=0, help="The model after this task, 0 the base model; default the last.", show_default=False),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds of the images' noise, 0-7 or 0,3,5; default 0-7.", show_default=False)
    ] = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="So many images of each prompt: --seeds 0 to N - 1.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="DDIM steps; default the run's.", show_default=False)] = None,
    guidance: Annotated[
        float | None, typer.Option(min=1.0, help="Guidance scale; default the run's.", show_default=False)
    ] = None,
    backbone: Source = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw with what a method learnt: any prompts, several concepts in one, after any task or before all."""
    from harness.export.trained_model import check_tokens, image_seeds, load
    from harness.store.atomic import check_new, new_folder
    from harness.store.image_sets import save_images

    if number is not None and seeds is not None:
        raise UsageError("Give -n or --seeds, not both.")
    numbers = image_seeds(seeds or f"0-{(number or IMAGES) - 1}")
    check_new(folder)
    state = _state(runs, benchmark, method, seed, task, least=0)
    wanted = prompts or [""]
    for prompt in wanted:
        check_tokens(prompt, state)
    changes = {"steps": steps, "guidance_scale": guidance}
    sampling = state.sampling.model_copy(update={k: v for k, v in changes.items() if v is not None})
    each = [prompt for prompt in wanted for _ in numbers]  # batches run across prompts
    images = load(state, _device(device), backbone).generate(each, numbers * len(wanted), sampling)
    told = {
        "prompts": wanted, "seeds": numbers, "benchmark": state.cell.benchmark, "method": state.cell.label,
        "run_seed": state.cell.seed, "after_task": state.after,
        "sampling": sampling.model_dump(exclude={"images", "batch_size"}),
    }  # fmt: skip
    with new_folder(folder) as part:
        for place in range(len(wanted)):
            own = images[place * len(numbers) : (place + 1) * len(numbers)]
            save_images(own, part if len(wanted) == 1 else part / f"prompt-{place + 1}")
        (part / "prompt.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    note(f"{folder}: {len(images)} images of {' and of '.join(repr(prompt) for prompt in wanted)}.")
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "images": len(images), **told}, indent=1, ensure_ascii=False))


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


def _state(
    runs: Path, benchmark: str | None, method: str | None, seed: int | None, task: int | None, *, least: int = 1
) -> Any:
    from harness.export.trained_model import choose_cell, learnt
    from harness.records.run_file import read_cells
    from reports.cells.apart import told_apart

    cells = read_cells(runs, left_out=LeftOut())
    chosen = choose_cell(told_apart(cells), benchmark, method, seed)  # by the names that a report has
    # the last of these: what comes twice has the same steps
    same = [cell for cell in cells if (cell.key, cell.run_file) == (chosen.key, chosen.run_file)]
    return learnt(same[-1], task, least=least)


def _device(device: str) -> str:
    from harness.api import detect_device, device_list

    return device_list(device, detect_device(device))[0]
