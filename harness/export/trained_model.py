"""What a finished cell learnt, out of the store: the model after a task, to export it or to draw with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.errors import UsageError, unknown
from harness.export.loading_code import Base
from harness.results import CellResult, TaskResult
from harness.spec import RunSpec, Sampling
from harness.store.artifacts import TOKEN, WEIGHTS
from harness.store.store import Entry, Store

if TYPE_CHECKING:
    from harness.backbones.text_to_image import TextToImage


@dataclass(frozen=True)
class Learnt:
    """The state of a cell after task `after`; 0: the pre-trained model.

    `tasks`: whose tokens it knows, in order. `weights`: the step with W, which may hold none; None of the pre-trained
    model. `tokens`: of each task the step with its token. `recipe`: of the images X_{after,after}: sampling, dtype,
    backbone and all.
    """

    cell: CellResult
    after: int
    tasks: tuple[TaskResult, ...]
    weights: Entry | None
    tokens: tuple[Entry, ...]
    recipe: Mapping[str, Any]

    @property
    def sampling(self) -> Sampling:
        """How the run sampled."""
        return Sampling.model_validate(self.recipe["sampling"])

    def names(self) -> dict[str, TaskResult]:
        """'<v1>' -> task, in order."""
        return {token_of(task): task for task in self.tasks}

    def prompt(self, task: TaskResult) -> str:
        """The prompt that the method was taught task j with, and is asked for it."""
        from harness.prompts import prompt_for

        return prompt_for(token_of(task), task.category, self.recipe["category_word"])


def token_of(task: TaskResult) -> str:
    """'<v3>' of task 3."""
    return f"<v{task.index}>"


def choose_cell(
    cells: Sequence[CellResult], benchmark: str | None = None, method: str | None = None, seed: int | None = None
) -> CellResult:
    """The one cell meant, of those that draw images.

    Args:
        method: its name, or its label where changed options tell two apart.

    Raises:
        UsageError: none, or more than one; the message lists what there is.
    """
    found = [c for c in cells if benchmark in (None, c.benchmark, c.called) and seed in (None, c.seed)]
    if method is not None:
        found = [c for c in found if c.label == method] or [c for c in found if c.method == method]
    drawing = [c for c in found if registry.setting(c.setting).draws]
    if found and not drawing:
        c = found[0]
        raise UsageError(
            f"'{c.label}' on {c.benchmark} is of {c.setting}: it has no pipeline to export and draws no pictures; "
            f"choose a run of the setting {registry.setting_names()[0]}."
        )
    cells, found = [c for c in cells if registry.setting(c.setting).draws], drawing
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"{c.benchmark}, {c.label}, seed {c.seed}" for c in (found or cells)[:8])
    more = "; ..." if len(found or cells) > 8 else ""
    if not found:
        raise UsageError(f"No finished cell is like that; there are: {listed or 'none'}{more}.")
    raise UsageError(f"Say which cell with --benchmark, --method and --seed; there are: {listed}{more}.")


def learnt(cell: CellResult, after: int | None = None, *, least: int = 1) -> Learnt:
    """The cell's state after a task, by default its last.

    A method that learns each concept alone, weights and all, has one concept in each of its states.

    Args:
        least: 0 where the pre-trained model will do, too.

    Raises:
        UsageError: it has no such task. StoreError: a step is missing.
    """
    last = cell.tasks[-1].index
    after = last if after is None else after
    if not least <= after <= last:
        raise UsageError(f"--task {after} must be from {least} to {last}, the last that '{cell.label}' learnt.")
    if cell.store is None:
        raise UsageError(f"The cell '{cell.label}' was not read from a results folder; name one that `run` made.")
    tasks = cell.tasks[: max(after, 1)]
    if any(task.index not in task.after for task in tasks):
        raise UsageError(f"{cell.run_file} is of an early version, which named no trainings; run its command again.")
    store = Store(cell.store)
    drawn = [store.open(task.after[task.index].parent.name).manifest["recipe"] for task in tasks]
    if after == 0:
        return Learnt(cell, 0, (), None, (), drawn[0])
    states = [store.open(recipe["parents"][0]) for recipe in drawn]
    tokens = [store.open(recipe["parents"][1]) for recipe in drawn]
    alone = store.open(cell.key).manifest["recipe"]["independent"] and WEIGHTS in states[-1].manifest["files"]
    first = after - 1 if alone else 0
    return Learnt(cell, after, tuple(cell.tasks[first:after]), states[-1], tuple(tokens[first:]), drawn[-1])


def check_tokens(prompt: str, state: Learnt) -> None:
    """Make sure that a prompt says something, and that its custom tokens, if it has any, are known.

    Raises:
        UsageError: it is empty, or a token is not known.
    """
    found = re.findall(r"<[^<>\s]+>", prompt)
    known = state.names()
    for token in found:
        if token not in known:
            if not known:
                raise UsageError(f"The base model knows no {token}; with --task 0 write prompts without custom tokens.")
            raise unknown("token", token, known)
    if not prompt.strip():
        tokens = f"; custom tokens are {', '.join(known)}" if known else ""
        raise UsageError(
            f"There is nothing to draw; say it, as in -p 'a photo of a {next(iter(known), 'cat')}'{tokens}."
        )


def source_of(state: Learnt, backbone: str | None = None) -> str:
    """Where a run's backbone is from: a folder, a known name or a hub id.

    Args:
        backbone: where it lies now, if not where the run found it.
    """
    from harness.records.run_file import read_spec

    spec: RunSpec | None = read_spec(state.cell.run_file) if state.cell.run_file is not None else None
    return backbone or (spec.backbone if spec else None) or registry.tiers().get(state.cell.tier).backbone


def base_of(state: Learnt, backbone: str | None = None) -> Base:
    """Where plain diffusers has a run's backbone from."""
    from harness.backbones.hub import hub_place, is_folder

    source = source_of(state, backbone)
    if not is_folder(source) and (found := hub_place(source)) is not None:
        return Base(found[0], found[1] or "main")
    return Base(str(Path(source).expanduser().resolve()))


def load(state: Learnt, device: str, backbone: str | None = None) -> TextToImage:
    """The model with the state's weights and tokens.

    Args:
        backbone: where it lies now, if not where the run found it.

    Raises:
        UsageError: it cannot be loaded, or is not the run's.
    """
    import torch
    from safetensors.torch import load_file

    from harness.backbones.hashes import MEMO, Fingerprints, model_folder
    from harness.backbones.precision import DTYPES
    from harness.backbones.text_to_image import TextToImage

    source = source_of(state, backbone)
    folder = model_folder(source, offline=True)
    memo = state.cell.store / MEMO if state.cell.store is not None else None
    if Fingerprints(memo).folder(folder) != state.recipe["backbone"]:
        raise UsageError(f"The backbone '{source}' is not the one that the run adapted; name that with --backbone.")
    model = TextToImage.load(str(folder), torch.device(device), DTYPES[state.recipe["dtype"]])
    if state.weights is not None and WEIGHTS in state.weights.manifest["files"]:
        model.load_weights(load_file(str(state.weights.file(WEIGHTS))))
    for task, entry in zip(state.tasks, state.tokens, strict=True):
        model.set_token(token_of(task), load_file(str(entry.file(TOKEN)))["embedding"].to(model.device))
    return model


def require_one_model(state: Learnt) -> None:
    """Make sure that one model holds what was learnt.

    Raises:
        UsageError: the method draws each prompt with weights of its own.
    """
    if state.recipe.get("for_prompt"):
        raise UsageError(
            f"'{state.cell.label}' draws each prompt with weights of its own, so that there is no one model to write; "
            "draw with it by `stamina-bench generate`."
        )


def image_seeds(text: str) -> tuple[int, ...]:
    """'0-7' or '0,3,5' as numbers.

    Raises:
        UsageError: it is neither.
    """
    span = re.fullmatch(r"(\d+)-(\d+)", text)
    if span and int(span[1]) <= int(span[2]) < int(span[1]) + 10_000:
        return tuple(range(int(span[1]), int(span[2]) + 1))
    if re.fullmatch(r"\d+(,\d+)*", text):
        return tuple(map(int, text.split(",")))
    raise UsageError(f"--seeds '{text}' is neither a range such as 0-7 nor a list such as 0,3,5.")
