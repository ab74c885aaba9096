"""The forms that an export can have, and what is written of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.backbones.layouts import STABLE_DIFFUSION
from harness.errors import UsageError
from harness.export.loading_code import Base, adapter_code, pipeline_code
from harness.export.trained_model import Learnt, token_of

if TYPE_CHECKING:
    from torch import Tensor

    from harness.backbones.text_to_image import TextToImage

FileDtype = Literal["float32", "float16"]


class Form(StrEnum):
    """What an export is."""

    PIPELINE = "pipeline"
    LORA = "lora"
    KOHYA = "kohya"
    EMBEDDING = "embedding"


NAMED = (Form.KOHYA, Form.EMBEDDING)
IN_WINDOWS = ("sd", "sdxl")  # families whose files in kohya's form other programs read
WITH_RANK = (Form.LORA, Form.KOHYA)


@dataclass(frozen=True)
class Wanted:
    """An export as it is asked for.

    Attributes:
        rank: of a LoRA file, None for no loss. dtype: of all files.
        name: of a kohya file and the beginning of its embeddings' names; or of the one embedding.
    """

    form: Form
    rank: int | None = None
    dtype: FileDtype = "float32"
    name: str | None = None

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: an option that is not for this form, or a name that cannot be one.
        """
        from harness.export.embedding_files import check_name

        if self.rank is not None and self.form not in WITH_RANK:
            raise UsageError(f"--rank is for --as lora and --as kohya; leave it out with --as {self.form}.")
        if self.name is not None and self.form not in NAMED:
            raise UsageError(f"--name is for --as kohya and --as embedding; leave it out with --as {self.form}.")
        if self.name is not None:
            check_name(self.name)


@dataclass(frozen=True)
class Written:
    """What was written: in a sentence; its custom tokens; and the rank and error of a LoRA file."""

    said: str
    tokens: tuple[str, ...]
    rank: int | None = None
    error: float | None = None


def write(state: Learnt, model: TextToImage, base: Base, wanted: Wanted, folder: Path) -> Written:
    """Write a model as it is after a task, with its card.

    Args:
        state: what was learnt. model: with its weights and tokens. base: what a card loads it onto.
        folder: new, or empty.

    Raises:
        UsageError: this form cannot hold what was learnt, or the folder cannot be written.
    """
    if wanted.form is Form.PIPELINE:
        return _pipeline(state, model, wanted, folder)
    changed = any(bool(model.change(name).any()) for name in model.projections)
    if wanted.form is Form.EMBEDDING and changed:
        raise UsageError(
            f"'{state.cell.label}' changed weights of the model, too, and an embedding alone is not what it learnt; "
            "use --as lora, --as kohya or --as pipeline."
        )
    if wanted.form is Form.KOHYA and model.layout.name not in IN_WINDOWS:
        raise UsageError(
            f"--as kohya is for Stable Diffusion 1.x, 2.x and XL; of a {model.layout.title} use --as lora."
        )
    if wanted.form is Form.KOHYA and not changed:
        raise UsageError(
            f"'{state.cell.label}' changed no weights, so that there is no LoRA to write; use --as embedding."
        )
    return _adapters(state, model, base, wanted, folder)


def _pipeline(state: Learnt, model: TextToImage, wanted: Wanted, folder: Path) -> Written:
    from harness.backbones.precision import DTYPES
    from harness.export.diffusers_folder import export_pipeline
    from harness.export.model_card import model_card

    tokens, sampling = {token: model.token(token) for token in state.names()}, state.sampling
    code = pipeline_code(
        type(model.pipeline).__name__, model.texts, folder.name, state.prompt(state.tasks[-1]), sampling
    )
    card = model_card(state, model.layout, code, {"precision": wanted.dtype, "sampler": sampling.said})
    export_pipeline(model, tokens, folder, {"README.md": card}, dtype=DTYPES[wanted.dtype], solver=sampling.solver)
    return Written(f"a diffusers pipeline in {wanted.dtype} with {len(tokens)} custom tokens.", tuple(tokens))


def _adapters(state: Learnt, model: TextToImage, base: Base, wanted: Wanted, folder: Path) -> Written:
    from harness.backbones.precision import DTYPES
    from harness.backbones.solvers import scheduler_of
    from harness.export.embedding_files import write_embeddings
    from harness.export.lora_file import LORA, factors_of, write_kohya, write_lora
    from harness.export.model_card import model_card
    from harness.store.atomic import new_folder

    dtype, names = DTYPES[wanted.dtype], _names(state, model, wanted)
    embeddings: dict[str, Tensor] = {name: model.token(token) for token, name in names.items()}
    factors = factors_of(model, wanted.rank, dtype) if wanted.form in WITH_RANK else None
    lora = {Form.LORA: LORA, Form.KOHYA: f"{_stem(state, wanted)}.safetensors"}.get(wanted.form)
    within = {Form.LORA: "tokens", Form.KOHYA: "embeddings"}.get(wanted.form, "")
    last = state.tasks[-1]
    prompt = state.prompt(last).replace(token_of(last), f"<{names[token_of(last)]}>")
    code = adapter_code(
        type(model.pipeline).__name__, model.texts, base, folder.name,
        scheduler_of(state.sampling.solver, model.pipeline.scheduler), prompt, state.sampling,
        lora=lora, embeddings=within, names=list(names.values()),
    )  # fmt: skip
    told = {"precision": wanted.dtype, "sampler": state.sampling.said}
    if factors is not None:
        told |= {"rank": str(factors.rank), "relative error of the change of the weights": f"{factors.error:.2g}"}
    name = names[token_of(last)]
    usage = _usage(wanted.form, lora, state.prompt(last).replace(token_of(last), name), name)
    with new_folder(folder) as part:
        if factors is not None and lora is not None:
            write_lora(factors, part, model.layout.denoiser) if wanted.form is Form.LORA else write_kohya(
                factors, part / lora
            )
        write_embeddings(embeddings, part / within, dtype, _parts(model))
        card = model_card(state, model.layout, code, told, names, usage)
        (part / "README.md").write_text(card, encoding="utf-8")
    tokens = tuple(f"<{name}>" for name in names.values())
    files = f"{len(names)} embedding file{'s' * (len(names) > 1)} in {wanted.dtype}"
    if factors is None:
        return Written(f"{files}.", tokens)
    kind = "kohya's LoRA file" if wanted.form is Form.KOHYA else "a LoRA file"
    left = f"it leaves out {factors.error:.2g} of the change of the weights"
    return Written(f"{kind} of rank {factors.rank} ({left}) and {files}.", tokens, factors.rank, factors.error)


def _parts(model: TextToImage) -> dict[str, int] | None:
    """What files of embeddings call each text encoder -> its width; None where there is one kind only."""
    if model.layout is STABLE_DIFFUSION:
        return None
    return {text.short: width for text, width in zip(model.texts, model.token_widths, strict=True)}


def _stem(state: Learnt, wanted: Wanted) -> str:
    """What a kohya file is called."""
    return wanted.name or "".join(c if c.isalnum() else "-" for c in state.cell.method.lower()).strip("-")


def _names(state: Learnt, model: TextToImage, wanted: Wanted) -> dict[str, str]:
    """'<v3>' -> what its embedding is called."""
    from harness.export.embedding_files import check_name

    tokens = {token: token.strip("<>") for token in state.names()}
    if wanted.form is Form.KOHYA:
        return {token: f"{_stem(state, wanted)}-{name}" for token, name in tokens.items()}
    if wanted.form is Form.EMBEDDING and wanted.name is not None:
        check_name(wanted.name, model.readers[0].tokenizer)
        return {token_of(state.tasks[-1]): wanted.name}
    return tokens


def _usage(form: Form, lora: str | None, prompt: str, name: str) -> str:
    """How programs with a window use the files; empty of those that only diffusers reads."""
    if form not in NAMED:
        return ""
    stem = Path(lora).stem if lora else ""
    other = prompt.replace(name, f"embedding:{name}")
    placed = f"`{lora}` into its folder for LoRA files, the embeddings" if lora else "The files"
    said = f"`<lora:{stem}:1> {prompt}`" if lora else f"`{prompt}`"
    return (
        f"In AUTOMATIC1111 and ComfyUI: {placed} into `embeddings/`, and choose the base model named above. A prompt "
        f"in AUTOMATIC1111: {said}; in ComfyUI: `{other}`{', behind a LoRA loader of strength 1' if lora else ''}. An "
        "embedding is called by its file's name there."
    )
