"""What a method is: the public face that a plugin implements.

A method says what is trained (adapters on the cross-attention's key and value projections, a custom token), which
penalties join the denoising loss, and what it remembers at the end of a task. Loops, devices, caching, seeds and
saving are the harness's. Importing this module imports no torch, so that plans are made at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from harness.spec import Adapted, Options, SettingName

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable
    from harness.backbones.classifier import Classifier, Prompt
    from harness.backbones.text_to_image import TextToImage
    from harness.settings.customization.task_data import Lesson

O = TypeVar("O", bound=Options)  # noqa: E741  (O for options)


@dataclass(frozen=True)
class Batch:
    """What one training step looks at.

    latents: (b, c, h, w). prompts: one for all b, or one each. mask: (b, 1, h, w) in {0, 1}, where the loss counts;
    None for everywhere. share: (b,), each example's part in the loss; None for 1 / b.
    """

    latents: Tensor
    prompts: tuple[str, ...]
    mask: Tensor | None = None
    share: Tensor | None = None


@dataclass(frozen=True)
class Profile:
    """What a method offers in a setting beside the one that its class attributes speak of.

    Attributes:
        options: Its options there, a class derived from the setting's base options.
        trains: What a task trains there. loss: on what loss; both as the class attributes of `Method`.
        search_space: Option -> values that `stamina-bench tune` may choose from there, in order.

    Example:
        >>> profiles = {"classification": Profile(MyClassOptions, trains="A and B of every projection")}
    """

    options: type[Options]
    trains: str = ""
    loss: str = ""
    search_space: Mapping[str, Sequence[Any]] = field(default_factory=dict)


class Method(ABC, Generic[O]):
    """A method that learns one task after another. One instance lives for one task.

    In the classification setting the same class adapts a ViT's Q, K and V (`stamina`, `clora`), or trains prompts, or
    all weights; what is said of tokens, latents and prompts in words is of the customization setting alone.

    Class attributes:
        options_class: its options. profiles: setting -> what it offers there beside its own, where it fits several.
        summary: one line. citation: the paper.
        trains, loss: what a task trains, and on what loss, with equation numbers; for `stamina-bench show`.
        independent: every task is learnt from the pre-trained weights alone, so that X_{i,j} = X_{j,j} for all i, and
            F_mmd is 0 by construction. Such tasks may be trained in any order, or at once.
        base_method: the registered name of an independent method that learns each concept for this one, which only
            has to `merge` what it learnt. Trainings with the same options are then shared by both.
        joint: classification: all tasks' images are learnt at once, after the last task has come: an upper bound.
        search_space: option -> values that `stamina-bench tune` may choose from, in order.
        keeps_data: what it keeps of earlier tasks' data, against the rule that none is; told under every table. Empty
            for nothing.
        adapts: what `model.projections` are for it: 'text', the keys and values of the text in cross-attention, or
            'attention', the queries, keys, values and outputs of all attention layers. In customization alone.
        data_files: files that it reads, by their paths from its own file's folder, or patterns ('tables/*.csv'): an
            edit of one makes results new.

    Attributes:
        memory: what `end_task` or `merge` left after the task before; empty at the first.
        needs_shared_text: whether it can only be where all projections are given the same features of a prompt, so not
            in Stable Diffusion 3: see `TextToImage.text_inputs`.
        task_index: i, the number of this task, counted from 1; for `independent` methods, and with a `base_method` in
            the learning of a concept, always 1, as such trainings are shared between runs.
        num_tasks: N, how many there are; in the classification setting alone.
    """

    options_class: ClassVar[type[Any]]
    profiles: ClassVar[Mapping[SettingName, Profile]] = {}
    summary: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    trains: ClassVar[str] = ""
    loss: ClassVar[str] = ""
    independent: ClassVar[bool] = False
    base_method: ClassVar[str | None] = None
    joint: ClassVar[bool] = False
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {}
    keeps_data: ClassVar[str] = ""
    needs_shared_text: ClassVar[bool] = False
    adapts: ClassVar[Adapted] = "text"
    data_files: ClassVar[Sequence[str]] = ()

    def __init__(self, options: O) -> None:
        self.options = options
        self.memory: Mapping[str, Tensor] = {}
        self.task_index = 1
        self._num_tasks: int | None = None

    @property
    def num_tasks(self) -> int:
        """N, how many tasks there are.

        Raises:
            RuntimeError: nobody said, as in the customization setting.
        """
        if self._num_tasks is None:
            raise RuntimeError(
                "self.num_tasks is told in the classification setting only: a concept's training is shared by runs of "
                "any number of tasks; self.task_index is its place"
            )
        return self._num_tasks

    @num_tasks.setter
    def num_tasks(self, count: int) -> None:
        self._num_tasks = count

    @classmethod
    def options_for(cls, setting: SettingName) -> type[Any]:
        """The class of its options in a setting."""
        return cls.profiles[setting].options if setting in cls.profiles else cls.options_class

    @classmethod
    def said_for(cls, setting: SettingName, what: str) -> str:
        """What the class states for a setting of `trains` or `loss`."""
        return str(getattr(cls.profiles.get(setting, cls), what))

    @classmethod
    def space_for(cls, setting: SettingName) -> Mapping[str, Sequence[Any]]:
        """What `stamina-bench tune` may choose from in a setting."""
        return cls.profiles.get(setting, cls).search_space

    def prepare(self, lesson: Any, generator: torch.Generator) -> None:
        """A look at the task's material before anything is attached: called once, before `begin_task`.

        For what must be known to begin: the inputs that a task's projections see (InfLoRA). Keep what `begin_task`
        needs on the instance. `lesson` is a `Lesson`, or a `ClassLesson` in the classification setting; its model
        holds W_{t-1}, and has no embedding of the task's token yet.
        """

    @abstractmethod
    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        """Attach what this task trains, and return the custom token, or what else is trained beside the adapters.

        Args:
            model: gives the projections (names, W_{t-1}, W_{t-1} - W_init) and takes their adapters.
            generator: the only source of randomness for initial values and, later, of noise in training.

        Returns:
            A module whose forward, called without arguments, gives the token's embedding, (dim,) float32. In the
            classification setting: a `Prompt`, or a module with whatever else shall be trained, or an empty one.
        """

    def recall(self, model: Classifier) -> Prompt | None:
        """Classification: the prompt to test with, made of `memory` as `end_task` left it; None for none."""
        return None

    def for_prompt(self, model: TextToImage, prompt: str) -> Mapping[str, Tensor] | None:
        """Customization: the weights that draw this prompt, made of `memory` as `end_task` or `merge` left it.

        name -> (D1, D2), of each of the projections; None, the default, for W_t, whatever the prompt. Where there are
        any, no one model holds what was learnt: it is drawn with, and not exported.

        Args:
            model: with W_t, and with the embeddings of the prompt's custom tokens.
            prompt: 'a photo of a <v3> person', a longer one, or one without any custom token.
        """
        return None

    def head(self, model: Classifier) -> nn.Module | None:
        """Classification: what scores features in a test, made of `memory` as `end_task` left it.

        A module from (B, dim) features to (B, classes seen) scores; None, the default, for the linear head that was
        trained.
        """
        return None

    def batch(self, lesson: Lesson, generator: torch.Generator) -> Batch:
        """What a training step looks at: by default what the options say.

        `batch_size` of the task's images under the task's prompt, with `augment` each rescaled anew, and with
        `prior_images` as many class images beside them, whose loss counts `prior_weight` times.
        """
        options: Any = self.options
        return lesson.batch(options, generator)

    def prior_images(self) -> int:
        """How many images of the task's category the pre-trained model shall generate for `lesson.prior`.

        By default the option of that name. They are the same for all methods, seeds and tasks of a category.
        """
        count: int = getattr(self.options, "prior_images", 0)
        return count

    def penalties(self) -> Mapping[str, Tensor]:
        """Named scalar terms, already weighted, that join the denoising loss at each step."""
        return {}

    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        """Which entries of a trained parameter the optimizer may move in this step; None, the default, for all.

        Called at each step for each trained parameter, once gradients are clipped. Where the mask is False the entry
        stays as it was, weight decay included; the optimizer's moments are those of all entries in any case. A method
        that defines it has its adapters computed one by one.

        Args:
            name: the projection's name and the parameter's, 'down_blocks.0...to_k.delta'; 'token.embedding' and the
                like for what `begin_task` returned.
            parameter: as it is before the step.
            momentum: Adam's first moment with this step's gradient in it, of the parameter's shape, without the
                correction of its bias.

        Returns:
            A boolean tensor of the parameter's shape, or None.
        """
        return None

    def measures(self) -> Mapping[str, float]:
        """Figures of the finished task worth keeping, such as 'mask_density'. Called after training, before folding."""
        return {}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """What the next task gets as `memory`, on the CPU. Called when the task is folded into `lesson.model`.

        `lesson` is a `Lesson`, or a `ClassLesson` in the classification setting.

        Keep it to a fixed number of tensors per weight: the cost of a task must not grow with the number of tasks.
        """
        return {}

    def merge(
        self, model: TextToImage, alone: Mapping[str, Tensor], token: str, category: str
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Only with a `base_method`: the weights that serve all concepts so far, and the next `memory`.

        Args:
            model: at its pre-trained weights, with the new concept's token set.
            alone: name -> (D1, D2), what the base method made of the projections for the new concept alone.
            token: V* of the new concept.
            category: X, its category word.
        """
        raise NotImplementedError

    @classmethod
    def source_hash(cls) -> str:
        """SHA-256 of the source that this method is written in: an edited method never reuses a stale result.

        Counted are the files of the class and of its bases, everything that they import, anywhere in their text and in
        turn, and `data_files`; of installed distributions (not those installed in place) the name and version, but for
        what stamina-bench itself requires; and the shared parts of the built-in methods, where they are imported. It
        stands for the source as it was when the class was loaded, and does not depend on where the files lie.

        Raises:
            UsageError: a class has no source that can be read, or one of its `data_files` is missing.
        """
        from harness.sources.method_source import method_source

        return method_source(cls, Method).digest

    @classmethod
    def source_files(cls) -> tuple[Path, ...]:
        """The files that this source is of, this program's own among them."""
        from harness.sources.method_source import method_source

        return method_source(cls, Method).files

    @classmethod
    def source_notes(cls) -> tuple[str, ...]:
        """Sentences on its source, for before a run: what cannot be counted of it (`exec`), and likely mistakes."""
        from harness.sources.method_source import method_source

        return method_source(cls, Method).notes
