"""What is to be run: typed, frozen, validated. Importing this module imports neither torch nor any plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness.errors import UsageError, nearest
from harness.formats.figure_text import counted
from harness.seeds import own_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Device = str  # 'cpu', 'cuda' or 'cuda:1'
Dtype = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16", "float16")
SettingName = str  # as registered: 'customization', 'classification', or a plugin's
Adapted = Literal["text", "attention"]  # keys and values of the text, or all that attention layers compute with
Solver = Literal["ddim", "dpmpp", "unipc", "euler"]
SOLVERS: Mapping[Solver, str] = {  # as tables say it
    "ddim": "DDIM", "dpmpp": "DPM-Solver++ (2M)", "unipc": "UniPC", "euler": "Euler",
}  # fmt: skip
FIRST_SETTING: SettingName = "customization"  # what files say nothing of, and a folder of images is by default


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """The same with some fields changed.

        Raises:
            ValidationError: an unknown field, or a value out of range.
        """
        return self.model_validate({**self.model_dump(), **changes})


@runtime_checkable
class ImageSource(Protocol):
    """Where a task's real images come from; picklable, so that a worker process can load them."""

    def fingerprint(self) -> str:
        """A hash that changes whenever any image would."""
        ...

    def load(self, size: int) -> NDArray[np.uint8]:
        """The images, (n, size, size, 3) uint8 RGB, in a fixed order."""
        ...

    def __len__(self) -> int:
        """How many images there are."""
        ...


class Task(Frozen):
    """Task j of a benchmark: one concept, its category word X and its custom token V*."""

    index: int = Field(ge=1)
    name: str
    category: str
    images: ImageSource
    reference: ImageSource | None = Field(
        None, description="held-out images, never trained on, that generated ones are measured against; None: `images`"
    )

    @property
    def measured_by(self) -> ImageSource:
        """X_{D,j}: the images that generated ones are compared with."""
        return self.images if self.reference is None else self.reference

    @property
    def token(self) -> str:
        """The custom token: lower case and bracketed, so that no tokenizer splits it or confuses it with another."""
        return f"<v{self.index}>"


class Sampling(Frozen):
    """How X_{i,j} is generated. Every field is part of the protocol, and of the step's key."""

    images: int = Field(16, ge=2, description="images of each task")
    solver: Solver = Field(
        "ddim", exclude_if=lambda name: name == "ddim",  # what older results are keyed by has no such field
        description="ddim, dpmpp (DPM-Solver++, 2M) or unipc, the latter two for fewer steps; of a flow model euler",
    )  # fmt: skip
    steps: int = Field(50, ge=1, description="steps of the solver: passes of the U-Net, twice with guidance")
    guidance_scale: float = Field(6.0, ge=1.0, description="classifier-free guidance")
    eta: float = Field(1.0, ge=0.0, le=1.0, description="DDIM's stochasticity; 0 is deterministic, as others are")
    batch_size: int = Field(16, ge=1, description="images per batch; fixed, as arithmetic may differ in the last bit")

    @model_validator(mode="before")
    @classmethod
    def _no_noise(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("solver", "ddim") != "ddim":
            return {"eta": 0.0, **given}
        return given

    @field_validator("eta")
    @classmethod
    def _of_ddim(cls, eta: float, info: ValidationInfo) -> float:
        solver: Solver = info.data.get("solver", "ddim")
        if eta and solver != "ddim":
            raise PydanticCustomError(
                "own", "{solver} adds no noise; leave sampling.eta out, or draw with sampling.solver=ddim",
                {"solver": SOLVERS[solver]},
            )  # fmt: skip
        return eta

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """See `Frozen.with_changes`; with a solver that adds no noise eta is 0 unless it is named."""
        quiet = changes.get("solver", self.solver) != "ddim"
        return super().with_changes({"eta": 0.0, **changes} if quiet else changes)

    @property
    def said(self) -> str:
        """'DDIM, 8 steps, guidance 2, eta 0': what tables and plans say of it; eta only where it means something."""
        noise = f", eta {self.eta:g}" if self.solver == "ddim" else ""
        return f"{SOLVERS[self.solver]}, {self.steps} steps, guidance {self.guidance_scale:g}{noise}"


class Recognition(Frozen):
    """How a classifier sees images. Every field is part of the protocol, and of the steps' keys."""

    resolution: int = Field(224, ge=8, description="pixels along each side")
    resize: int = Field(256, ge=8, description="test images: the shorter side first, then the centre is cut out")
    min_crop: float = Field(0.08, gt=0, le=1, description="training: the least share of an image's area in a crop")
    flip: bool = Field(True, description="training: half of the images are mirrored")
    normalise: bool = Field(
        False, description="as the checkpoint expects it; else pixels stay in [0, 1], as in the published protocol"
    )
    batch_size: int = Field(64, ge=1, description="test images per batch; fixed, as arithmetic may differ in a bit")


class Tier(Frozen):
    """The scale at which a benchmark runs."""

    name: str
    summary: str
    backbone: str = Field(description="a diffusers folder or a hub id")
    extractor: str = Field(description="an open_clip folder, or 'architecture/pretrained'")
    resolution: int = Field(description="pixels along each side")
    device: str = "auto"
    dtype: Dtype = Field("float32", description="on a GPU; on a CPU it is float32 unless a run says otherwise")
    sampling: Sampling = Sampling()
    classifier: str = Field("", description="of the classification setting: a timm ViT's folder or hub id")
    recognition: Recognition = Recognition()
    knows: Mapping[SettingName, str] = Field(
        default={}, description="of each setting, the only images that its own model was trained on; none: photographs"
    )


@runtime_checkable
class Known(ImageSource, Protocol):
    """Images of a concept of which is known what it is, as of a procedural world."""

    def truth(self) -> Mapping[str, float | str]:
        """Name -> value: numbers in [0, 1], and words."""
        ...


@runtime_checkable
class TaskList(Protocol):
    """Makes a benchmark's tasks at one tier."""

    def tasks(self) -> Sequence[Task]:
        """All tasks, in order, indexed from 1."""
        ...


# those of the first two are words that the mini tier's model was taught, too
EDITS: Mapping[str, tuple[str, ...]] = {
    "person": ("with red background", "with blue background"),
    "waterfall": ("at sunset", "by day"),
    "": ("in the snow", "on a beach", "at night", "as a watercolour painting"),
}


class Benchmark(Frozen):
    """An ordered sequence of tasks, at one or more tiers."""

    name: str
    setting: SettingName = "customization"
    title: str
    summary: str
    sources: Mapping[str, TaskList] = Field(description="the tasks at each tier")
    licence: str = ""
    citation: str = ""
    tuning: bool = Field(False, description="options may be chosen on it, as no results are compared on it")
    composition: str = Field(
        "a photo of {0} next to {1}",
        description="a prompt with two concepts, drawn after the last task; empty for none",
    )
    edits: Mapping[str, tuple[str, ...]] = Field(
        EDITS,
        description="what metrics of edited prompts add to a task's prompt, by its category word; '': of all others",
    )
    order: int = Field(0, ge=0, description="0: its own order of tasks; k: the k-th shuffled one")
    base: str = Field("", description="its name without the order")

    def tasks(self, tier: str) -> Sequence[Task]:
        """The tasks at a tier.

        Raises:
            UsageError: this benchmark is not defined at that tier.
        """
        if tier not in self.sources:
            raise UsageError(
                f"Benchmark '{self.name}' has no tier '{tier}'; use --tier {' or --tier '.join(self.sources)}."
            )
        tasks = self.sources[tier].tasks()
        if not self.order:
            return tasks
        places = own_places(self.order, len(tasks))
        return [tasks[place].model_copy(update={"index": index}) for index, place in enumerate(places, 1)]

    def shows_photographs(self, tier: str) -> bool:
        """Whether the images at a tier are photographs, as their source says by an attribute `photographs`."""
        return bool(getattr(self.sources.get(tier), "photographs", False))

    def shuffled(self, order: int) -> Benchmark:
        """The same tasks in another order, under a name of its own; order 0 is the benchmark itself."""
        if order == self.order:
            return self
        name = f"{self.name}-order{order}"
        update = {"name": name, "title": f"{self.title}, order {order}", "order": order, "base": self.name}
        return self.model_copy(update=update)


class Options(Frozen):
    """What a method can be told. Defaults are the paper tier's; `tier_defaults` replaces some at another tier.

    `setting_defaults`: the same of all methods of a setting; where `tier_defaults` names an option, that counts. A
    subclass takes both over, but for the options that it gives a default of its own.
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    setting_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def for_tier(cls, tier: str, changes: Mapping[str, Any] | None = None) -> Self:
        """The tier's defaults with `changes` applied.

        Raises:
            UsageError: an unknown option (with the nearest names) or a value out of range.
        """
        changes = changes or {}
        for key in changes:
            if key not in cls.model_fields:
                close = nearest(key, cls.model_fields)
                hint = (
                    f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(cls.model_fields))}."
                )
                raise UsageError(f"Unknown option '{key}'; {hint}")
        defaults = {**cls._at_tier("setting_defaults", tier), **cls._at_tier("tier_defaults", tier)}
        try:
            return cls.model_validate({**defaults, **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"Option '{name}' cannot be {first['input']!r}: {first['msg'].lower()}.") from None

    @classmethod
    def _at_tier(cls, which: str, tier: str) -> dict[str, Any]:
        """The defaults of `setting_defaults` or `tier_defaults` at a tier, less those given since."""
        since = cls._given_since(which)
        return {name: value for name, value in getattr(cls, which).get(tier, {}).items() if name not in since}

    @classmethod
    def _given_since(cls, which: str = "tier_defaults") -> set[str]:
        """Options that a class below the one with these defaults gives a default of its own, which counts then."""
        above = next(place for place, kind in enumerate(cls.__mro__) if which in vars(kind))
        return {name for kind in cls.__mro__[:above] for name in vars(kind).get("__annotations__", {})}

    @classmethod
    def pinned(cls, **values: Any) -> type[Self]:
        """A subclass with other defaults for some options, at every tier: a method with one thing changed."""
        fields: Any = {}
        for name, value in values.items():
            field = copy(cls.model_fields[name])  # with its bounds and description
            field.default = value
            fields[name] = (field.annotation, field)
        pinned = create_model(cls.__name__, __base__=cls, __module__=cls.__module__, **fields)
        since = cls._given_since()
        pinned.tier_defaults = {
            tier: {name: value for name, value in {**options, **values}.items() if name in values or name not in since}
            for tier, options in cls.tier_defaults.items()
        }
        return pinned

    def changed(self, tier: str) -> dict[str, Any]:
        """The options that differ from the tier's defaults."""
        default = type(self).for_tier(tier)
        return {k: v for k, v in self.model_dump().items() if v != getattr(default, k)}


class MethodOptions(Options):
    """Options that every method has in the customization setting; docs/paper-tier.md has each default's source."""

    # Class images and rescaled images are a recipe for five hundred steps. The mini tier's sixty leave no room for
    # them, and learn more where the rates fall.
    setting_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {"prior_images": 0, "augment": False, "weight_decay": 0.0, "lr_schedule": "linear"}
    }

    steps: int = Field(500, ge=1, description="training steps per task")
    batch_size: int = Field(4, ge=1, description="images per training step")
    learning_rate: float = Field(1e-4, gt=0, description="AdamW rate of the weights' adapters")
    token_learning_rate: float = Field(1e-4, gt=0, description="AdamW rate of the custom token")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW weight decay on what is trained, never on old tokens")
    adam_eps: float = Field(1e-8, gt=0, description="AdamW's eps: gradients far below it train nothing")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are clipped to this norm")
    clip_by: Literal["all", "kind"] = Field(
        "all", description="the norm is that of all gradients, or of each kind (all A, all B, ..., the token) by itself"
    )
    lr_schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="learning rates over a task's steps, after the warm-up; linear and cosine fall to 0"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps in which the rates rise to their full value")
    category_word: bool = Field(True, description="name the category X in 'a photo of a V* X'")
    token_init: Literal["category", "random"] = Field(
        "random", description="start the custom token at the category word's embedding, or at a random one"
    )
    prior_images: int = Field(
        200, ge=0, description="class images by the pre-trained model, one beside each own image of a step; 0 for none"
    )
    prior_weight: float = Field(1.0, ge=0, description="weight of the loss on class images")
    augment: bool = Field(True, description="rescale images at random, with 'far away' or 'zoomed in' in the prompt")


class ClassOptions(Options):
    """Options that every method has in the classification setting; defaults are the published protocol's."""

    # the mini tier's tasks are whole batches: it would change nothing there, and own folders keep all their images
    setting_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {"mini": {"drop_last": False}}

    epochs: int = Field(50, ge=1, description="passes over a task's training images")
    batch_size: int = Field(128, ge=1, description="images per training step")
    drop_last: bool = Field(
        True, description="leave out an epoch's last batch where it is short, as the published loader does"
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam rate at first; it falls by a cosine over the epochs")
    head_learning_rate: float | None = Field(None, gt=0, description="Adam rate of the head, if it shall be another")
    adam_eps: float = Field(1e-8, gt=0, description="Adam's eps: gradients far below it train nothing")
    mask_past: bool = Field(
        True, description="leave the logits of past classes out of the training loss, and their heads as they are"
    )


class MethodSpec(Frozen):
    """A method by its registered name, and the options changed from the tier's defaults."""

    name: str
    called: str = Field("", exclude_if=lambda name: not name, description="what tables call it, if not by its name")
    changes: Mapping[str, Any] = {}

    @property
    def shown(self) -> str:
        """What tables call it, and `--set` does."""
        return self.called or self.name


class RunSpec(Frozen):
    """A whole run, as written beside the results and read back by `--config`."""

    benchmark: str = Field(description="a registered name, or a folder with one sub-folder of photographs per concept")
    setting: SettingName | None = Field(None, description="of a folder; a registered benchmark has its own")
    split_into: int | None = Field(None, ge=1, description="classification of a folder: into how many tasks")
    class_order: int | None = Field(None, ge=0, description="classification: one class order for every seed")
    min_side: int | None = Field(None, ge=1, description="of a folder: pixels that an image's shorter side needs")
    holdout: int | None = Field(
        None, ge=2, exclude_if=lambda count: count is None,
        description="of photographs: so many of each concept are never trained on, and measured against",
    )  # fmt: skip
    methods: tuple[MethodSpec, ...] = Field(min_length=1)
    plugin_folders: tuple[str, ...] = Field(
        (), exclude_if=lambda folders: not folders, description="where plugins lie that were named by their files"
    )
    tier: str = "mini"
    seeds: tuple[int, ...] = (0,)
    backbone: str | None = Field(None, description="a diffusers folder or hub id instead of the tier's")
    extractor: str | None = Field(None, description="an open_clip folder or 'architecture/pretrained'")
    device: str = "auto"
    dtype: Dtype | None = None
    compile: bool = Field(False, description="the U-Net through torch.compile")
    gradient_checkpointing: bool = Field(
        False, exclude_if=lambda on: not on, description="less memory in training, for a second forward pass"
    )
    tasks: tuple[int, ...] | None = Field(None, description="1-based tasks to run, a prefix of the benchmark")
    order: int = Field(0, ge=0, description="0: the benchmark's own order of tasks; k: the k-th shuffled one")
    full_matrix: bool = Field(False, description="X_{i,j} for every i >= j, not only for j and the last task")
    metrics: tuple[str, ...] = Field(
        (), exclude_if=lambda names: not names,
        description="measures beside the setting's own figures: registered names, or FILE.py:Class",
    )  # fmt: skip
    sampling: Mapping[str, Any] = {}
    recognition: Mapping[str, Any] = {}
    protocol: Mapping[str, Mapping[str, Any]] = Field(
        default={}, exclude_if=lambda changes: not changes, description="the same of other settings, by its name"
    )
    output: Path = Path("runs")
    jobs: int | None = Field(None, ge=1, description="worker processes; default: one per CPU core, or per GPU")
    keep_going: bool = False
    offline: bool = True

    def protocols(self) -> dict[str, Mapping[str, Any]]:
        """What is changed of protocols: name -> option -> value; no name without a change."""
        found = {"sampling": self.sampling, "recognition": self.recognition, **self.protocol}
        return {name: changes for name, changes in found.items() if changes}

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError("seeds must be distinct, non-negative integers")
        return seeds

    @field_validator("tasks")
    @classmethod
    def _prefix(cls, tasks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if tasks is not None and tasks != tuple(range(1, len(tasks) + 1)):
            raise ValueError("tasks must be 1, 2, ..., N, as each builds on all before it")
        return tasks


def protocol_fields(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of the protocol of that name as fields of a `RunSpec`."""
    return {name: changes} if name in RunSpec.model_fields else {"protocol": {name: changes}} if changes else {}


def parse_tasks(text: str, total: int) -> tuple[int, ...]:
    """'1-3' or '3' (the first three tasks) as a tuple of 1-based indices.

    Raises:
        UsageError: not a range, not starting at 1 (the tasks build on each other), or beyond the benchmark.
    """
    match = re.fullmatch(r"(?:1-)?(\d{1,9})", text.strip())
    if not match or int(match[1]) < 1:
        raise UsageError(f"--tasks '{text}' cannot be used: write 1-N, as task N builds on all tasks before it.")
    last = int(match[1])
    if last > total:
        raise UsageError(
            f"--tasks '{text}' goes beyond the benchmark's {counted(total, 'task')}; write 1-{total} or less."
        )
    return tuple(range(1, last + 1))
