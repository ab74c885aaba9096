"""`stamina-bench generate`: pictures by what a run learnt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import EPILOG, Device, app, note
from harness.cli.trained import Benchmark, Json, MethodName, Runs, Seed, Source, chosen_state, one_device
from harness.errors import UsageError, unknown
from harness.formats.figure_text import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.backbones.text_to_image import TextToImage
    from harness.export.trained_model import Learnt
    from harness.spec import Sampling

IMAGES = 8  # of each prompt, where no number is given


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
    solver: Annotated[
        str | None, typer.Option(help="ddim, dpmpp or unipc; default the run's.", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the solver; default the run's.", show_default=False)
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(min=1.0, help="Guidance scale; default the run's.", show_default=False)
    ] = None,
    backbone: Source = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw with what a method learnt: any prompts, several concepts in one, after any task or before all."""
    from harness.export.trained_model import check_tokens, image_seeds, load
    from harness.spec import SOLVERS
    from harness.store.atomic import check_new, new_folder
    from harness.store.image_sets import save_images

    if number is not None and seeds is not None:
        raise UsageError("Give -n or --seeds, not both.")
    numbers = image_seeds(seeds or f"0-{(number or IMAGES) - 1}")
    check_new(folder)
    if solver is not None and solver not in SOLVERS:
        raise unknown("solver", solver, SOLVERS)
    state = chosen_state(runs, benchmark, method, seed, task, least=0)
    wanted = prompts or [""]
    for prompt in wanted:
        check_tokens(prompt, state)
    changes = {"solver": solver, "steps": steps, "guidance_scale": guidance}
    sampling = state.sampling.with_changes({k: v for k, v in changes.items() if v is not None})
    images = _drawn(state, load(state, one_device(device), backbone), wanted, numbers, sampling)
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
    note(
        f"{folder}: {counted(len(images), 'image')} of "
        f"{' and of '.join(repr(prompt) for prompt in wanted)}; {sampling.said}."
    )
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "images": len(images), **told}, indent=1, ensure_ascii=False))


def _drawn(
    state: Learnt, model: TextToImage, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling
) -> NDArray[np.uint8]:
    """Images of each prompt in turn, one a seed, (prompts x seeds, size, size, 3) uint8."""
    import numpy as np

    from harness.plugins import hooks
    from harness.settings.shared_steps import method_of

    if not state.recipe.get("for_prompt") or state.weights is None:
        each = [prompt for prompt in prompts for _ in seeds]  # batches run across prompts
        return model.generate(each, [*seeds] * len(prompts), sampling)
    recipe = state.weights.manifest["recipe"]
    method = method_of(recipe, recipe["method"], state.cell.setting, state.weights)
    found, learnt = [], model.weights()
    for prompt in prompts:
        model.load_weights(learnt)  # not those of the prompt before
        if (weights := hooks.for_prompt(method, model, prompt)) is not None:
            model.load_weights(weights)
        found.append(model.generate(prompt, seeds, sampling))
    return np.concatenate(found)
