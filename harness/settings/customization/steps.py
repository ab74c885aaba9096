"""What each kind of step does in the customization setting: reads its parents from the store and computes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from harness.backbones.extractor import loaded_extractor
from harness.backbones.intact import Intact
from harness.backbones.precision import DTYPES
from harness.backbones.text_to_image import TextToImage
from harness.engine.plan import RunContext, Step
from harness.errors import UsageError
from harness.method import Method
from harness.metrics.mmd import COEF, DEGREE
from harness.metrics.scores import (
    accuracy_figures,
    change_figures,
    floor_figures,
    forgetting_figures,
    learned_figures,
    matrix_figures,
    memory_figures,
    own_figures,
    training_figures,
)
from harness.metrics.variants import protocol_text, variant_figures
from harness.plugins import hooks
from harness.plugins.batches import confused_tokens
from harness.plugins.merged import merge_notes
from harness.plugins.opened_files import file_notes
from harness.prompts import class_prompt, edited_prompt, prompt_for
from harness.seeds import derive_seed
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import distances, residual_norm, train_task
from harness.settings.presentation import VARIANTS
from harness.settings.shared_steps import Facts, changes, lent_to, memory_size, method_of, unread, write_json
from harness.sources.home import is_built_in
from harness.spec import Sampling, Task
from harness.store.artifacts import FIGURES, MEMORY, TOKEN, TRAINING, WEIGHTS
from harness.store.checkpoint import Checkpoint
from harness.store.identity import extractor_label
from harness.store.image_sets import load_images, save_images
from harness.store.store import Entry, Store


@lru_cache(maxsize=1)
def _model(
    source: str, device: str, dtype: str, offline: bool, compiled: bool, checkpointing: bool
) -> tuple[TextToImage, Intact]:
    model = TextToImage.load(
        source, torch.device(device), DTYPES[dtype], offline=offline, compiled=compiled,
        gradient_checkpointing=checkpointing,
    )  # fmt: skip
    return model, model.intact()


def _loaded(context: RunContext, device: str) -> tuple[TextToImage, Intact]:
    c = context
    return _model(c.backbone, device, c.dtype, c.offline, c.compiled, c.gradient_checkpointing)


def _ready_model(context: RunContext, device: str) -> TextToImage:
    model, _ = _loaded(context, device)
    model.reset()
    return model


def _lent_to(method: Method[Any], context: RunContext, device: str) -> AbstractContextManager[None]:
    """The model in a method's hands."""
    model, intact = _loaded(context, device)
    if model.adapts != "text":
        intact = model.intact()  # it keeps more weights than the one of the model as it was loaded
    return lent_to(method, intact, _model.cache_clear, backwards=context.backwards)


def _load_weights(model: TextToImage, entry: Entry) -> None:
    if WEIGHTS in entry.manifest["files"]:
        model.load_weights(load_tensors(str(entry.file(WEIGHTS))))


def _for_prompt(
    drawn_by: str | None, state: Entry, prompt: str, model: TextToImage, context: RunContext, device: str
) -> None:
    """Let a method whose weights hang on the prompt set those of this one, of what the state holds."""
    if drawn_by is None:
        return
    method = method_of(state.manifest["recipe"], drawn_by, "customization", state)
    with _lent_to(method, context, device):
        weights = hooks.for_prompt(method, model, prompt)
    if weights is not None:
        model.load_weights(weights)


def run_real(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """Real images at the tier's resolution; and what the VAE makes of them, where figures are measured against them."""
    task: Task = step.work["task"]
    images = task.images.load(context.tier.resolution)
    if task.images.fingerprint() != step.recipe["images"]:
        raise UsageError(f"The images of '{task.name}' changed during the run; run the same command again.")
    save_images(images, folder / "images")
    if step.recipe.get("reconstructed", True):
        model = _ready_model(context, device)
        save_images(model.decode_latents(model.posterior(images).mean), folder / "reconstructed")
    return {}


def run_train(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """One task of one method: the folded weights (if any were trained), the token, the memory, and figures.

    Facts: `train_seconds`; `reach`, of how many adapters a plugin's penalties are.
    """
    task: Task = step.work["task"]
    model = _ready_model(context, device)
    earlier, prior = step.work["weights"], step.work["prior"]
    before_it = store.open(earlier) if earlier is not None else None
    method = method_of(step.recipe, step.work["method"], "customization", before_it)
    method.task_index = step.work["place"]
    model.adapt(method.adapts)
    if before_it is not None:
        _load_weights(model, before_it)
    images = load_images(store.open(step.parents[0]).folder / "images")
    lesson = Lesson(
        model, images, model.posterior(images), task.token, task.category, method.options.category_word,
        prior=model.posterior(load_images(store.open(prior).folder / "images")) if prior is not None else None,
    )  # fmt: skip
    before = model.weights()
    checkpoint = Checkpoint(store.checkpoint(step.key))
    with _lent_to(method, context, device):
        done = train_task(method, lesson, int(step.recipe["seed"]), step.recipe["concept"], checkpoint)
    after = model.weights()
    if any(not torch.equal(before[name], after[name]) for name in after) or earlier is not None:
        save_tensors(after, str(folder / WEIGHTS))
    save_tensors({"embedding": done.token}, str(folder / TOKEN))
    if done.memory:
        save_tensors(done.memory, str(folder / MEMORY))
    measures = done.measures | {"unet_parameters": sum(p.numel() for p in model.denoiser.parameters())}
    training = {"measures": measures, "layer_distance": done.layer_distance, "losses": done.losses}
    write_json(folder / TRAINING, training)
    notes = [f"no checkpoint could be written ({checkpoint.trouble})"] if checkpoint.trouble else []
    if before_it is not None and not is_built_in(type(method)):
        last = load_tensors(str(before_it.file(TOKEN)))["embedding"]
        notes += confused_tokens(method, model.tokens(), last, place=step.work["place"] - 1)
    return {"train_seconds": done.seconds, "notes": [*notes, *done.notes, *unread(method)], "reach": done.reach}


def run_prior(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """Class images, 'a photo of a X', by the pre-trained model: what prior preservation holds on to."""
    category = step.recipe["category"]
    return _draw(_ready_model(context, device), class_prompt(category), step, folder, "prior", category)


def run_merge(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """The weights that serve every concept so far, of what a learner made of each alone.

    Facts: `train_seconds`, the learner's and its own.
    """
    task: Task = step.work["task"]
    model = _ready_model(context, device)
    earlier = store.open(step.work["weights"]) if step.work["weights"] is not None else None
    method = method_of(step.recipe, step.work["method"], "customization", earlier)
    method.task_index = step.work["place"]
    model.adapt(method.adapts)
    started = time.perf_counter()
    learnt = store.open(step.parents[0])
    alone = load_tensors(str(learnt.file(WEIGHTS)))
    model.set_token(task.token, load_tensors(str(learnt.file(TOKEN)))["embedding"].to(model.device))
    with _lent_to(method, context, device):
        weights, memory = hooks.merge(method, model, alone, task.token, task.category)
    if earlier is not None:
        _load_weights(model, earlier)
    before = model.weights()
    model.load_weights(weights)
    save_tensors(model.weights(), str(folder / WEIGHTS))
    save_tensors(memory, str(folder / MEMORY))
    distance = distances(model)
    measures: dict[str, float] = learnt.json(TRAINING)["measures"]
    measures["plasticity_distance"] = sum(distance.values()) / len(distance)
    measures["residual_norm"] = residual_norm(before, model.weights())
    write_json(folder / TRAINING, {"measures": measures, "layer_distance": distance, "losses": []})
    seconds = learnt.manifest["facts"]["train_seconds"] + time.perf_counter() - started
    notes = [*merge_notes(method, weights, model.initial), *file_notes(method)]
    return {"train_seconds": seconds, "notes": notes}


def run_generate(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """X_{i,j}: image k of task j starts from the same noise whatever i is, so that F_mmd compares like with like."""
    r = step.recipe
    model, prompt = _taught(step, context, store, device)
    _for_prompt(step.work["drawn_by"], store.open(step.parents[0]), prompt, model, context, device)
    return _draw(model, prompt, step, folder, r["seed"], "generate", r["concept"])


def run_edit(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """The concept in an edited prompt, 'a photo of a V* X at night', by the model that the parent step left."""
    r = step.recipe
    model, prompt = _taught(step, context, store, device)
    prompt = edited_prompt(prompt, r["edit"])
    _for_prompt(step.work["drawn_by"], store.open(step.parents[0]), prompt, model, context, device)
    return _draw(model, prompt, step, folder, r["seed"], "edit", r["concept"], r["edit"])


def run_base(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """'A photo of a X', without a custom token, by the pre-trained model, or by the one that the parent step left.

    Image k starts from the same noise under every model, method and run seed: what differs is what fine-tuning did.
    """
    category = step.recipe["category"]
    model = _ready_model(context, device)
    for state in map(store.open, step.parents):
        _load_weights(model, state)
        _for_prompt(step.work["drawn_by"], state, class_prompt(category), model, context, device)
    return _draw(model, class_prompt(category), step, folder, "base", category)


def run_compose(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """Two concepts in one prompt, by the model after the last task; or `none.json` with the reason why not."""
    r = step.recipe
    state, *learnt = map(store.open, step.parents)
    if r["independent"] and any(WEIGHTS in entry.manifest["files"] for entry in learnt):
        write_json(folder / "none.json", {"reason": "each concept has weights of its own"})
        return {}
    model = _ready_model(context, device)
    _load_weights(model, state)
    for token, entry in zip(step.work["tokens"], learnt, strict=True):
        model.set_token(token, load_tensors(str(entry.file(TOKEN)))["embedding"].to(model.device))
    _for_prompt(step.work["drawn_by"], state, step.work["prompt"], model, context, device)
    sampling = Sampling.model_validate(r["sampling"])
    seeds = [derive_seed(r["seed"], "compose", *r["concepts"], k) for k in range(sampling.images)]
    try:
        images = model.generate(step.work["prompt"], seeds, sampling)
    except UsageError as error:  # category words that fit one by one may be too long together
        write_json(folder / "none.json", {"reason": str(error)})
        return {}
    save_images(images, folder / "images")
    return _sampled(model, sampling)


def _taught(step: Step, context: RunContext, store: Store, device: str) -> tuple[TextToImage, str]:
    """The model with the first parent's weights and the second one's token, and the task's prompt."""
    task = step.work["task"]
    model = _ready_model(context, device)
    _load_weights(model, store.open(step.parents[0]))
    token = load_tensors(str(store.open(step.parents[1]).file(TOKEN)))["embedding"]
    model.set_token(task.token, token.to(model.device))
    return model, prompt_for(task.token, task.category, step.recipe["category_word"])


def _draw(model: TextToImage, prompt: str, step: Step, folder: Path, *seeded: int | str) -> Facts:
    """Save images of a prompt; image k from noise seeded by `seeded` and k."""
    sampling = Sampling.model_validate(step.recipe["sampling"])
    seeds = [derive_seed(*seeded, k) for k in range(sampling.images)]
    save_images(model.generate(prompt, seeds, sampling), folder / "images")
    return _sampled(model, sampling)


def _sampled(model: TextToImage, sampling: Sampling) -> Facts:
    if model.batch_limit is None or model.batch_limit >= sampling.batch_size:
        return {}
    note = f"out of memory, so images were sampled {model.batch_limit} at a time instead of {sampling.batch_size}"
    return {"sampled_at_a_time": model.batch_limit, "notes": [note]}


def run_features(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """The extractor's features of every image set in the parent step."""
    parent = store.open(step.parents[0]).folder
    extractor = loaded_extractor(context.extractor, device)
    features = {p.name: extractor.features(load_images(p)) for p in sorted(parent.iterdir()) if p.is_dir()}
    save_file(features, str(folder / "features.safetensors"))
    return {}


def run_score(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """All figures of a cell.

    Facts: `train_seconds`, of each task.
    """

    def read(key: str, name: str = "images") -> np.ndarray[Any, Any]:
        features: np.ndarray[Any, Any] = load_file(str(store.open(key).file("features.safetensors")))[name]
        return features

    w = step.work
    states = [store.open(key) for key in w["trains"]]
    trainings: list[Mapping[str, Any]] = [entry.json(TRAINING) for entry in states]
    last = len(trainings)
    real = [read(key) for key in w["real"]]
    images = {place: read(key) for place, key in w["images"].items()}
    just, final = [images[j, j] for j in range(1, last + 1)], [images[last, j] for j in range(1, last + 1)]
    unet_parameters = int(trainings[-1]["measures"]["unet_parameters"])
    figures = [
        *accuracy_figures(real, final),
        *learned_figures(real, just),
        *forgetting_figures(just, final),
        *floor_figures(real, [read(key, "reconstructed") for key in w["real"]]),
        *variant_figures(real, just, final),
        *training_figures(trainings, unet_parameters),
        *own_figures(trainings, w["of"]),
        *memory_figures([memory_size(entry) for entry in states]),
    ]
    if w["full_matrix"]:
        figures += matrix_figures(real, images)
    if not w["independent"]:
        model = _ready_model(context, device)
        model.adapt(w["adapts"])
        figures += change_figures(changes(model.weights(), states))
    s: Sampling = w["sampling"]
    protocol = {
        "kernel": f"polynomial (x.y/d + {COEF:g})^{DEGREE}, float64, features not normalised",
        VARIANTS: protocol_text(),
        "estimators": "A_mmd, F_mmd: V (biased, the paper's form); unbiased, KID: U, paired for F",
        "interval": "95 %, jackknife over generated images, real images fixed" if s.images > 2 else "none of 2 images",
        "extractor": f"open_clip image tower '{extractor_label(w['extractor'])}' (dimension {real[0].shape[1]})",
        "sampler": s.said,
        "images": f"{_real_counts([len(x) for x in real], w['trained_on'])}, {s.images} generated per task",
        "prompt": f"{prompt_for('V*', 'X', True)}, X where the method's options say so",
    }
    if context.cautions:
        protocol["caution"] = " ".join(context.cautions).rstrip(".")
    write_json(folder / FIGURES, {"figures": [f.__dict__ for f in figures], "protocol": protocol})
    return {"train_seconds": [entry.manifest["facts"]["train_seconds"] for entry in states]}


def _real_counts(counts: Sequence[int], trained_on: Sequence[int] = ()) -> str:
    """How many real images the tasks have: the user's own concepts may differ.

    Args:
        counts: of the tasks, the images measured against. trained_on: where these are held out, the training images.
    """
    if trained_on:
        return f"{_range(counts)} real, held out ({_range(trained_on)} others trained on)"
    return f"{_range(counts)} real (task 1)" if len(set(counts)) == 1 else f"{_range(counts)} real"


def _range(counts: Sequence[int]) -> str:
    """'16', or '12 to 16'."""
    return f"{counts[0]}" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
