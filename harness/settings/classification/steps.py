"""What each kind of step does in the classification setting."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from harness.backbones.classifier import Classifier
from harness.backbones.classifier_files import statistics
from harness.backbones.intact import Intact
from harness.backbones.precision import DTYPES
from harness.data.class_tasks import ClassTask
from harness.engine.plan import RunContext, Step
from harness.errors import UsageError
from harness.method import Method
from harness.metrics.accuracy import class_figures, joint_figures
from harness.metrics.scores import change_figures, memory_figures, own_figures, training_figures
from harness.plugins import hooks
from harness.plugins.answers import (
    head_company_notes,
    last_alone_notes,
    order_notes,
    reversed_notes,
    turned,
)
from harness.plugins.batches import company_notes
from harness.plugins.method_checks import made
from harness.plugins.settled import memory_of
from harness.settings.classification.task_data import ClassLesson
from harness.settings.classification.training import train_classes
from harness.settings.classification.transforms import Pixels
from harness.settings.shared_steps import (
    Facts,
    Memory,
    changes,
    lent_to,
    memory_size,
    method_of,
    missed,
    unread,
    write_json,
)
from harness.sources.home import is_built_in
from harness.spec import Recognition
from harness.store.artifacts import FIGURES, HEAD, MEMORY, TRAINING, WEIGHTS
from harness.store.checkpoint import Checkpoint
from harness.store.store import Entry, Store

PREDICTIONS = "predictions.safetensors"
EACH = 4  # test images of a class by which it is seen whether earlier tasks' prompts have a part in answers
LOOKED_AT = 8  # images that are scored once alone and once together


@lru_cache(maxsize=1)
def _model(folder: str, device: str, dtype: str) -> tuple[Classifier, Intact]:
    model = Classifier.load(folder, torch.device(device), DTYPES[dtype])
    return model, model.intact()


def _lent_to(method: Method[Any], context: RunContext, device: str) -> AbstractContextManager[None]:
    """The model in a method's hands."""
    _, intact = _model(context.backbone, device, context.dtype)
    return lent_to(method, intact, _model.cache_clear, backwards=context.backwards)


def _ready_model(context: RunContext, device: str, state: Entry | None = None) -> Classifier:
    """The model as pre-trained, or as a training's step left it."""
    model, _ = _model(context.backbone, device, context.dtype)
    model.reset()
    if state is not None:
        head = load_file(str(state.file(HEAD)))
        model.load_head(head["weight"], head["bias"])
        if WEIGHTS in state.manifest["files"]:
            model.load_weights(load_file(str(state.file(WEIGHTS))))
    return model


def _pixels(tasks: Sequence[ClassTask], context: RunContext, device: str, first: int = 0) -> Pixels:
    """The tasks' images, their classes counted from `first` on."""
    offsets = np.cumsum([first, *(len(task.classes) for task in tasks)])[:-1].tolist()
    mean, std = statistics(Path(context.backbone))
    threads = 1 if device == "cpu" else os.cpu_count() or 1
    return Pixels([task.images for task in tasks], offsets, context.protocol_as(Recognition), mean, std, threads)


def _check_images(tasks: Sequence[ClassTask], fingerprints: Sequence[str]) -> None:
    for task, known in zip(tasks, fingerprints, strict=True):
        if task.images.fingerprint() != known:
            raise UsageError(f"The images of '{task.name}' changed during the run; run the same command again.")


def run_train(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """One task of one method: the weights that differ from the pre-trained ones, the head, the memory, and figures.

    Facts: `train_seconds`; `reach`, of how many adapters a plugin's penalties are.
    """
    r, tasks = step.recipe, step.work["tasks"]
    earlier = store.open(step.work["weights"]) if step.work["weights"] is not None else None
    model = _ready_model(context, device, earlier)
    method = method_of(r, step.work["method"], "classification", earlier)
    method.task_index, method.num_tasks = tuple(r["place"])
    pixels = _pixels(tasks, context, device, len(model.head_bias))  # new classes are counted after those seen
    _check_images(tasks, r["concepts"])
    lesson = ClassLesson(model, pixels, sum(r["classes"]))
    checkpoint = Checkpoint(store.checkpoint(step.key))
    with _lent_to(method, context, device):
        done = train_classes(method, lesson, int(r["seed"]), "+".join(r["concepts"]), checkpoint)
    weights = model.weights()
    if weights:
        save_file(weights, str(folder / WEIGHTS))
    save_file({"weight": done.head[0], "bias": done.head[1]}, str(folder / HEAD))
    if done.memory:
        save_file(done.memory, str(folder / MEMORY))
    measures = done.measures | {"backbone_parameters": model.parameters}
    training = {"measures": measures, "layer_distance": done.layer_distance, "losses": done.losses}
    write_json(folder / TRAINING, training)
    notes = [f"no checkpoint could be written ({checkpoint.trouble})"] if checkpoint.trouble else []
    return {"train_seconds": done.seconds, "notes": [*notes, *done.notes, *unread(method)], "reach": done.reach}


@torch.no_grad()
def run_evaluate(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """The class that the model takes each test image for, among all classes seen: by task, with the true one."""
    state, tasks = store.open(step.parents[0]), step.work["tasks"]
    model = _ready_model(context, device, state)
    method = method_of(state.manifest["recipe"], step.work["method"], "classification", state)
    method.task_index, method.num_tasks = tuple(state.manifest["recipe"]["place"])
    with _lent_to(method, context, device):
        model.prompt, model.scorer = hooks.recall(method, model), hooks.head(method, model)
    if model.prompt is not None:
        model.prompt.to(model.device).eval()
    pixels = _pixels(tasks, context, device)
    _check_images(tasks, step.recipe["tests"])
    labels = pixels.labels("test")
    batches = torch.arange(len(labels)).split(pixels.recognition.batch_size)
    scores = [model.logits(pixels.testing(rows.tolist())) for rows in batches]
    predicted = [each.argmax(1).cpu() for each in scores]
    notes = missed(method)
    alone = []
    if model.scorer is not None:
        taken, lowest = torch.cat(predicted), torch.cat([each.argmin(1).cpu() for each in scores])
        classes = scores[0].shape[1]
        notes += reversed_notes(method, taken, lowest, labels, classes) or order_notes(method, taken, labels, classes)
        some = model.features(pixels.testing(list(range(min(LOOKED_AT, len(labels))))))
        alone = head_company_notes(method, model.scorer, some)
    if model.prompt is not None and not alone:
        alone = company_notes(method, scores[0][0], model.logits(pixels.testing([0]))[0])
    notes += alone
    if model.prompt is not None and not is_built_in(type(method)):
        with _lent_to(method, context, device):
            notes += _past_unused(method, model, pixels, labels)
    model.prompt = model.scorer = None
    sizes = [len(task.images.labels("test")) for task in tasks]
    parts = zip(torch.cat(predicted).split(sizes), labels.split(sizes), strict=True)
    kept: dict[str, NDArray[np.int32]] = {}
    for j, (found, true) in enumerate(parts, 1):
        kept |= {f"predicted.{j}": found.numpy().astype(np.int32), f"true.{j}": true.numpy().astype(np.int32)}
    save_arrays(kept, str(folder / PREDICTIONS))
    return {"notes": notes}


def _past_unused(method: Method[Any], model: Classifier, pixels: Pixels, labels: torch.Tensor) -> list[str]:
    """Whether a plugin's prompt answers a few images of each class by the last task's part of the memory alone."""
    kept, asked = memory_of(method), sorted(getattr(method.memory, "asked", ()))
    rows = [row for each in labels.unique() for row in (labels == each).nonzero().flatten()[:EACH].tolist()]
    images, was = pixels.testing(rows), model.prompt
    logits = [model.logits(images)]
    for last in (False, True):
        changed = turned(kept, asked, method.task_index, last=last)
        other = made(type(method), method.options)
        other.memory, other.task_index, other.num_tasks = Memory(changed), method.task_index, method.num_tasks
        model.prompt = hooks.recall(other, model) if changed else None
        if model.prompt is not None:
            model.prompt.to(model.device).eval()
            logits.append(model.logits(images))
    model.prompt = was
    return last_alone_notes(method, *logits) if len(logits) == 3 else []


def read_hits(entry: Entry) -> list[NDArray[np.bool_]]:
    """Of an evaluation: for each task, which of its test images were recognised."""
    arrays = load_arrays(str(entry.file(PREDICTIONS)))
    return [arrays[f"predicted.{j}"] == arrays[f"true.{j}"] for j in range(1, len(arrays) // 2 + 1)]


def run_score(step: Step, context: RunContext, store: Store, device: str, folder: Path) -> Facts:
    """All figures of a cell.

    Facts: `train_seconds`, of each training; `told`, what its tests told, which tables repeat.
    """
    w = step.work
    states = [store.open(key) for key in w["trains"]]
    trainings: list[Mapping[str, Any]] = [entry.json(TRAINING) for entry in states]
    hits = [read_hits(store.open(key)) for _, key in sorted(w["evaluations"].items())]
    whole = int(trainings[-1]["measures"]["backbone_parameters"])
    figures = [
        *(joint_figures(hits[0]) if w["joint"] else class_figures(hits)),
        *training_figures(trainings, whole),
        *own_figures(trainings, w["of"]),
        *memory_figures([memory_size(entry) for entry in states]),
    ]
    if not w["joint"] and any(WEIGHTS in entry.manifest["files"] for entry in states):
        model = _ready_model(context, device)
        initial = {f"{name}.weight": p.weight.detach().cpu() for name, p in model.projections.items()}
        figures += change_figures(changes(initial, states))
    recognition: Recognition = w["recognition"]
    options = w["options"]
    protocol = {
        "accuracy": "arg-max over all classes seen, no task identity; mean over tasks of each task's test images",
        "interval": "95 %, over test images (Wilson for one task, normal for means), models as they are",
        "class order": "seed 0: natural; seed s: Python's random.shuffle seeded by s",
        "training images": f"random crops of {recognition.min_crop:g} to 1 of the area"
        + (", flipped at random" if recognition.flip else ""),
        "test images": f"shorter side {recognition.resize} px, centre {recognition.resolution} px",
        "pixels": "as the checkpoint expects them" if recognition.normalise else "in [0, 1]",
        "training": f"Adam, {options.epochs} epochs of batch {options.batch_size}, rates falling by a cosine",
        "N_param": "adapters, prompts or weights trained in a task, in % of the ViT; the head apart",
    }
    if w["note"]:
        protocol["split"] = w["note"]
    if context.cautions:
        protocol["caution"] = " ".join(context.cautions).rstrip(".")
    write_json(folder / FIGURES, {"figures": [f.__dict__ for f in figures], "protocol": protocol})
    told = dict.fromkeys(note for _, key in sorted(w["evaluations"].items()) for note in store.notes(key))
    return {"train_seconds": [entry.manifest["facts"]["train_seconds"] for entry in states], "told": list(told)}
