"""What a method asks for in one task, found by asking it: its hooks are called on tensors without content.

The method attaches its adapters, draws a batch, computes its penalties and remembers the task on a stand-in for the
model, which notes how many images the U-Net and the VAE would see. So a plugin is counted like a built-in method.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness import registry
from harness.backbones.adapters import adaptable, attached, count_trained
from harness.backbones.flops import Tracker
from harness.backbones.on_meta import META
from harness.backbones.posterior import Posterior
from harness.backbones.text import Text
from harness.backbones.work_counts import Counts
from harness.errors import UsageError, first_line
from harness.method import Method
from harness.settings.customization.task_data import Lesson
from harness.spec import Frozen, MethodOptions, Sampling, Solver

FLOAT: Final = 4  # bytes of what is trained
IMAGES: Final = 4  # of the stand-in's task: how many there are changes no count
_MAKERS: Final = {
    torch.arange, torch.empty, torch.eye, torch.full, torch.linspace, torch.normal, torch.ones, torch.rand,
    torch.randint, torch.randn, torch.randperm, torch.tensor, torch.zeros,
}  # fmt: skip


class Footprint(Frozen):
    """One task of one method. Bytes are on the device unless they say otherwise; all but `step` hold for whole tasks.

    trained: parameters. adapted: whether the projections change. entries: of all that could be. rows, prompts, encoded:
    images that the U-Net learns from, prompts that the text encoder reads, images that the VAE encodes, in a training
    step. flop: of the method's own matrix products in a step. standing: parameters and what the method keeps. held:
    what it keeps during the U-Net's pass. step: at most, while it computes its penalties and their gradients. prior:
    class images of a task. remembered: images that `end_task` shows the U-Net, with gradients; with them go prompts and
    FLOP of its own. memory, memory_growth: bytes on disk of what the next task gets, after the first task, and more
    with each further one. unknown: what could not be counted, in words.
    """

    trained: int
    adapted: bool
    entries: int
    rows: int
    prompts: int
    encoded: int
    flop: float
    standing: int
    held: int
    step: int
    prior: int
    remembered: int = 0
    remembered_prompts: int = 0
    remembered_flop: float = 0.0
    memory: int = 0
    memory_growth: int = 0
    unknown: tuple[str, ...] = ()


class _OnMeta(TorchFunctionMode):
    """What is made with a generator or without a device has no content."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in _MAKERS:
            kwargs.pop("generator", None)
            kwargs["device"] = META
        return func(*args, **kwargs)


class StandIn:
    """Takes the place of a `TextToImage`: the same projections, and nothing behind them."""

    device, dtype = META, torch.float32
    batch_limit = None
    own_solver: Solver = "ddim"

    def __init__(self, counts: Counts, shapes: Mapping[str, tuple[int, int]] | None = None) -> None:
        """`shapes`: of the projections, where they are not the backbone's own."""
        self.counts = counts
        self.shapes = dict(counts.projections if shapes is None else shapes)
        self.projections = {
            name: adaptable(nn.Linear(columns, rows, bias=False, device=META))
            for name, (rows, columns) in self.shapes.items()
        }
        for projection in self.projections.values():
            projection.requires_grad_(False)
        self.initial = {name: projection.weight for name, projection in self.projections.items()}
        self.token_dim = counts.token_dim
        self.noise = self
        self.shares_text = counts.shares_text
        self.rows = self.prompts = self.encoded = 0

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """As `TextToImage` has it."""
        return self.counts.latent

    @property
    def resolution(self) -> int:
        """As `TextToImage` has it."""
        return self.counts.resolution

    def change(self, name: str) -> Tensor:
        """As `TextToImage` has it, without content."""
        return torch.empty(self.shapes[name], device=META)

    def token_start(self, kind: str) -> Tensor:
        """As `TextToImage` has it, without content."""
        return torch.empty(self.token_dim, device=META)

    @property
    def token_widths(self) -> tuple[int, ...]:
        """As `TextToImage` has it."""
        return self.counts.token_widths or (self.token_dim,)

    def token_scale(self, part: int = 0) -> float:
        """A number; it changes no count."""
        return 1.0

    def encode_prompts(self, prompts: Any) -> Text:
        """As `TextToImage` has it, without content."""
        self.prompts += len(prompts)
        return Text(torch.empty(len(prompts), self.counts.length, self.counts.text_dim, device=META))

    def text_inputs(self, prompts: Any, *, words_only: bool = False) -> list[Tensor]:
        """As `TextToImage` has it, without content."""
        return list(self.encode_prompts(prompts).features)

    def posterior(self, images: Any) -> Posterior:
        """As `TextToImage` has it, without content."""
        self.encoded += len(images)
        return self.encoded_images(len(images))

    def encoded_images(self, count: int) -> Posterior:
        """A posterior of so many images that nobody encoded."""
        shape = (count, *self.counts.latent)
        return Posterior(torch.empty(shape, device=META), torch.empty(shape, device=META))

    def set_token(self, token: str, embedding: Tensor) -> None:
        """As `TextToImage` has it; no text is read."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], sampling: Sampling) -> NDArray[np.uint8]:
        """As `TextToImage` has it: black images."""
        return np.zeros((len(seeds), self.resolution, self.resolution, 3), dtype=np.uint8)

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        """As a `NoiseSchedule` has it."""
        return torch.zeros(count, dtype=torch.int64)

    def denoising_errors(self, latents: Tensor, noise: Tensor, times: Tensor, text: Text) -> Tensor:
        """As `TextToImage` has it: of the denoiser only the projections are there."""
        self.rows += len(latents)
        answers = [
            projection(text.features.to(META)).float().mean(dim=(1, 2))
            for projection in self.projections.values()
            if projection.in_features == text.features.shape[-1]
        ]
        return torch.stack(answers).sum(dim=0)[:, None, None, None].expand(latents.shape)


_found: dict[tuple[str, str, int], Footprint] = {}


def footprint(name: str, options: Mapping[str, Any], counts: Counts) -> Footprint:
    """What one task of a registered method takes on a backbone; found once a process.

    Args:
        options: all of the method's.
    """
    key = (name, json.dumps(options, sort_keys=True, default=str), id(counts))
    if key not in _found:
        plugin: type[Method[Any]] = registry.methods().get(name)
        _found[key] = _look(plugin, plugin.options_class.model_validate(options), counts)
    return _found[key]


def _look(plugin: type[Method[Any]], options: MethodOptions, counts: Counts) -> Footprint:
    unknown: list[str] = []
    counts = counts.adapted(plugin.adapts)

    def ask(what: str, question: Callable[[], Any]) -> Any:
        """Its answer; or None, and a note, where a hook needs more than tensors without content."""
        try:
            return question()
        except Exception as error:
            unknown.append(f"{what} ({first_line(error)})")
            return None

    shapes = Counter(counts.projections.values())
    few = StandIn(counts, {f"projection {number}": shape for number, shape in enumerate(shapes)})
    sizes = {f"projection {number}": count for number, count in enumerate(shapes.values())}
    task = ask("its penalties", lambda: _whole_task(plugin, options, counts, {})) or _bare(plugin(options), counts)
    own = {"rows": options.batch_size, "prompts": 1, "encoded": 0}
    own = ask("its batches", lambda: _batch(plugin, options, counts, few.shapes, {})) or own
    found = ask("its memory", lambda: _remembered(plugin, options, counts, few.shapes, {})) or {}
    memory: Mapping[str, Tensor] = found.get("memory", {})
    disk = (_bytes(memory, sizes), 0)
    if memory:  # from the second task on there is something to hold on to
        task = ask("its penalties", lambda: _whole_task(plugin, options, counts, memory)) or task
        own = ask("its batches", lambda: _batch(plugin, options, counts, few.shapes, memory)) or own
        later = ask("its memory", lambda: _remembered(plugin, options, counts, few.shapes, memory, "<v2>")) or {}
        disk = (disk[0], max(0, _bytes(later.get("memory", {}), sizes) - disk[0]))
    if plugin.base_method is not None:
        disk = ask("its merge", lambda: _merged(plugin, options, counts, few.shapes, sizes)) or disk
    return Footprint(
        **task, **own, entries=counts.entries, prior=plugin(options).prior_images(), remembered=found.get("rows", 0),
        remembered_prompts=found.get("prompts", 0), remembered_flop=found.get("flop", 0.0), memory=disk[0],
        memory_growth=disk[1], unknown=tuple(unknown),
    )  # fmt: skip


def _bytes(memory: Mapping[str, Tensor], sizes: Mapping[str, int]) -> int:
    """Of a memory with all projections: what is called after one counts as often as there are projections like it."""
    return sum(
        tensor.numel() * tensor.element_size() * next((n for name, n in sizes.items() if name in key), 1)
        for key, tensor in memory.items()
    )


def _whole_task(
    plugin: type[Method[Any]], options: MethodOptions, counts: Counts, memory: Mapping[str, Tensor]
) -> dict[str, Any]:
    """`_task` on all projections, from what one and two of each shape take: a method treats them alike."""
    total: dict[str, Any] = {}
    for number, (shape, count) in enumerate(Counter(counts.projections.values()).items()):
        kept = {key: value for key, value in memory.items() if f"projection {number}" in key}
        found: list[dict[str, Any]] = []
        for names in ([f"projection {number}"], [f"projection {number}", f"projection {number} again"]):
            method = plugin(options)
            again = {key.replace(names[0], name): value for name in names for key, value in kept.items()}
            method.memory = {**{k: v for k, v in memory.items() if "projection " not in k}, **again}
            found.append(_task(method, StandIn(counts, dict.fromkeys(names, shape))))
        one, two = found
        for key in one:
            each = two[key] - one[key]
            apart, before = one[key] - each, total.get(key, (0, 0))
            total[key] = (max(before[0], apart), before[1] + count * each)
    return {key: apart + several for key, (apart, several) in total.items()} | {"adapted": total["adapted"][1] > 0}


def _task(method: Method[Any], model: StandIn) -> dict[str, Any]:
    """Attach, and one step without the U-Net."""
    tracker = Tracker([projection.weight for projection in model.projections.values()])
    with _OnMeta(), tracker:
        token = method.begin_task(model, torch.Generator())
        adapters = attached(model.projections.values())
        standing, tracker.peak, tracker.flop = tracker.live, tracker.live, 0.0
        for adapter in adapters:
            adapter.train().refresh()
        embedding: Tensor = token()
        penalties = method.penalties()
        held = tracker.live - standing
        answers = [p.adapted for p in model.projections.values() if p.adapted is not None and p.adapted.requires_grad]
        ends = [end for end in (*answers, embedding, *penalties.values()) if end.requires_grad]
        torch.autograd.backward(ends, [torch.empty_like(end) for end in ends])
    return {
        "trained": count_trained(model, token), "adapted": len(adapters), "flop": tracker.flop, "standing": standing,
        "held": held, "step": tracker.peak - standing,
    }  # fmt: skip


def _bare(method: Method[Any], counts: Counts) -> dict[str, Any]:
    """The same of a method whose hooks need numbers: its parameters alone."""
    model = StandIn(counts)
    try:
        token = method.begin_task(model, torch.Generator().manual_seed(0))
    except Exception as error:
        first = first_line(error)
        raise UsageError(
            f"What {type(method).__name__} trains cannot be counted ({first}); its begin_task() must do with an "
            "Adaptable."
        ) from error
    trained, adapted = count_trained(model, token), bool(attached(model.projections.values()))
    weights = FLOAT * counts.entries if adapted else 0
    return {
        "trained": trained, "adapted": adapted, "flop": 0.0, "standing": FLOAT * trained, "held": weights,
        "step": weights,
    }  # fmt: skip


def _lesson(method: Method[Any], model: StandIn) -> Lesson:
    size = model.resolution
    images = np.zeros((IMAGES, size, size, 3), dtype=np.uint8)
    prior = model.encoded_images(IMAGES) if method.prior_images() else None
    word = bool(method.options.category_word)
    return Lesson(model, images, model.encoded_images(IMAGES), "<v1>", "person", word, prior=prior)  # type: ignore[arg-type]


def _begun(
    plugin: type[Method[Any]], options: MethodOptions, counts: Counts, shapes: Mapping[str, tuple[int, int]],
    memory: Mapping[str, Tensor],
) -> tuple[Method[Any], StandIn]:  # fmt: skip
    """A method that has attached what it trains to a stand-in of its own, as far as it can."""
    method, model = plugin(options), StandIn(counts, shapes)
    method.memory = memory
    with suppress(Exception), _OnMeta():  # many a hook does without what it lacks then
        method.begin_task(model, torch.Generator())
    model.encoded = model.rows = model.prompts = 0
    return method, model


def _batch(
    plugin: type[Method[Any]], options: MethodOptions, counts: Counts, shapes: Mapping[str, tuple[int, int]],
    memory: Mapping[str, Tensor],
) -> dict[str, int]:  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    method, model = _begun(plugin, options, counts, shapes, memory)
    lesson = _lesson(method, model)
    lesson.loss(method.batch(lesson, generator), generator)
    return {"rows": model.rows, "prompts": model.prompts, "encoded": model.encoded}


def _remembered(
    plugin: type[Method[Any]], options: MethodOptions, counts: Counts, shapes: Mapping[str, tuple[int, int]],
    before: Mapping[str, Tensor], token: str = "<v1>",
) -> dict[str, Any]:  # fmt: skip
    if plugin.end_task is Method.end_task:
        return {}
    method, model = _begun(plugin, options, counts, shapes, before)
    lesson = replace(_lesson(method, model), token=token)
    tracker = Tracker()
    with tracker:
        memory = method.end_task(lesson, torch.Generator().manual_seed(0))
    flop = tracker.flop * model.counts.entries / sum(rows * columns for rows, columns in model.shapes.values())
    # on the CPU, where the next task finds it; of what has no content no page is touched
    kept = {n: torch.empty(t.shape, dtype=t.dtype) if t.is_meta else t.cpu() for n, t in memory.items()}
    return {"rows": model.rows, "prompts": model.prompts, "flop": flop, "memory": kept}


class _Features(StandIn):
    """A stand-in on the CPU with random text features, causal as CLIP's: what a merge computes with."""

    device = torch.device("cpu")

    def __init__(self, counts: Counts, shapes: Mapping[str, tuple[int, int]]) -> None:
        super().__init__(counts, shapes)
        self.generator = torch.Generator().manual_seed(0)
        self.beginnings: dict[str, Tensor] = {}
        self.initial = {name: nn.Parameter(torch.zeros(shape), False) for name, shape in shapes.items()}

    def text_inputs(self, prompts: Any, *, words_only: bool = False) -> list[Tensor]:
        return [
            torch.stack([self._of(beginning) for beginning in accumulate([*prompt.split(), " "])]) for prompt in prompts
        ]

    def _of(self, beginning: str) -> Tensor:
        if beginning not in self.beginnings:
            self.beginnings[beginning] = torch.randn(self.counts.text_dim, generator=self.generator)
        return self.beginnings[beginning]


def _merged(
    plugin: type[Method[Any]], options: MethodOptions, counts: Counts, shapes: Mapping[str, tuple[int, int]],
    sizes: Mapping[str, int],
) -> tuple[int, int]:  # fmt: skip
    """Bytes of memory after merging the first concept, and how many more the second adds."""
    found: list[int] = []
    memory: Mapping[str, Tensor] = {}
    model: Any = _Features(counts, shapes)
    alone = dict(model.initial)
    with torch.no_grad():
        for token in ("<v1>", "<v2>"):
            method = plugin(options)
            method.memory = memory
            _, memory = method.merge(model, alone, token, "person")
            found.append(_bytes(memory, sizes))
    return found[0], max(0, found[1] - found[0])
