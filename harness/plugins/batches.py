"""What a method's own batches may get wrong without any error: the latents' scale, and images that hang together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from harness.method import Batch, Method
from harness.plugins.class_images import other_class_notes
from harness.plugins.settled import memory_of

if TYPE_CHECKING:
    from harness.backbones.text_to_image import TextToImage
    from harness.settings.customization.task_data import Lesson

ENOUGH = 5  # draws of each image on average, after which one that was never drawn is odd
FAR = 10.0  # times as long as the text encoder's own tokens
CHANCE = 1e-4  # that an image is never drawn: below it, it is worth a word
APART = 0.5  # of a channel's standard deviation: a mean that is so far off is hardly that of the task's images
MOVED = 0.05  # of what is trained, by `batch` at the last step: more than what keeps values in bounds
_TOKEN = re.compile(r"<[^<>\s]+>")
_PLACE = re.compile(r"\{[^{}]*\}")  # of a text that lacks its f, or its format()
SCALES = (0.5, 2.0)  # of a batch's spread to that of all the task's latents: beyond, they are hardly the same scale


class BatchWatch:
    """What a plugin's own batches look at, over a whole training; those of `Method` and built-in methods are known."""

    def __init__(self, method: Method[Any], lesson: Lesson) -> None:
        """Begin before the first step."""
        self.hook, self.lesson, self.options = f"{type(method).__name__}.batch()", lesson, method.options
        self._seen, self._own, self._odd = 0, 0, list[str]()  # examples so far, and those under the task's prompt
        self._steps = 0
        self._strange: list[str] = []
        self._counted: torch.Tensor | None = None  # latent cells that some loss counted
        self._channels = torch.zeros(lesson.latents.mean.shape[1])  # sums over examples of each channel's mean
        shape = lesson.latents.mean.shape[1:]
        memory = dict.items(method.memory) if isinstance(method.memory, dict) else ()  # not as the method's own reading
        self._kept = [(name, kept) for name, kept in memory if kept.dim() == 4 and kept.shape[1:] == shape]
        self._replayed: list[str] = []
        self._tail = lesson.prompt.removeprefix("a ")  # before which an augmentation says how it is seen

    def look(self, batch: Batch) -> None:
        """At each step."""
        if not self._seen:
            self._odd = latent_notes(self.hook, batch, self.lesson)
            if len(batch.latents) < self.options.batch_size:
                self._odd.append(
                    f"{self.hook} gives {len(batch.latents)} of the {self.options.batch_size} examples of batch_size"
                )
            self._odd += [*self._left_out(batch), *self._swapped(batch), *self._weighed(batch)]
            self._odd += other_class_notes(self.hook, batch, self.lesson)
        if not self._replayed:
            self._replayed = self._replays(batch)
        if not self._strange:
            self._strange = self._unknown_tokens(batch)
        self._seen += len(batch.latents)
        self._steps += 1
        if batch.mask is not None:
            counted = batch.mask.detach().bool().any(dim=0).cpu()
            self._counted = counted if self._counted is None else self._counted | counted
        elif self._counted is not None:
            self._counted = torch.ones_like(self._counted)
        mine = self._mine(batch)
        self._own += len(mine)
        if mine and batch.latents.shape[1] == len(self._channels):
            self._channels += batch.latents.detach()[mine].float().mean((2, 3)).sum(0).cpu()

    def _mine(self, batch: Batch) -> list[int]:
        """The places of the examples under the task's prompt."""
        count = len(batch.latents)
        prompts = batch.prompts if len(batch.prompts) == count else batch.prompts * count
        return [place for place, prompt in enumerate(prompts) if prompt.endswith(self._tail)]

    def _unknown_tokens(self, batch: Batch) -> list[str]:
        """A sentence if a prompt holds what looks like a custom token and is none here, or a name's place."""
        known = self.lesson.model.tokens()
        for prompt in dict.fromkeys(batch.prompts):
            if place := _PLACE.search(prompt):
                return [
                    f"{self.hook} gives the prompt '{prompt}', and {place.group()} is read letter by letter as it "
                    "stands: put an f before the text's first quote, or call its format()"
                ]
            for token in _TOKEN.findall(prompt):
                if token not in known:
                    return [
                        f"{self.hook} gives the prompt '{prompt}', and {token} has no embedding in this training, so "
                        "that it is read letter by letter: end_task() must leave it (that of lesson.token), and "
                        "model.set_token() set it again"
                    ]
        return []

    def _left_out(self, batch: Batch) -> list[str]:
        """A sentence if a batch lacks what the options ask for, and `lesson.batch` gives beside the latents."""
        options: Any = self.options
        lacking = []
        if options.augment and batch.mask is None:
            lacking.append(("mask", "augment", "without it the loss counts the grey around rescaled images"))
        if options.prior_images and batch.share is None:
            lacking.append(("share", "prior_images", "without it prior_weight does nothing"))
        return [
            f"{self.hook} gives no {what}, though {option} is on ({effect}); to change some of what super().batch() "
            "gives, use dataclasses.replace(given, latents=...)"
            for what, option, effect in lacking[:1]
        ]

    def _swapped(self, batch: Batch) -> list[str]:
        """A sentence if class images are under the task's prompt: their latents were drawn from what is known."""
        if self.lesson.prior is None:
            return []
        taken, mine = self._nearer(batch, self.lesson.prior.mean)
        if not taken or 2 * taken < mine:
            return []
        return [
            f"{self.hook} gives {taken} class images of lesson.prior under the task's prompt: the concept would be "
            "learnt from images of others; are latents and prompts in one order?"
        ]

    def _nearer(self, batch: Batch, others: torch.Tensor) -> tuple[int, int]:
        """How many examples under the task's prompt are far nearer to one of `others`, (n, c, h, w), than to the
        lesson's; and how many there are."""
        mine = self._mine(batch)
        if batch.latents.shape[1:] != others.shape[1:] or not mine:
            return 0, len(mine)
        drawn = batch.latents.detach().float()[mine].flatten(1)
        far = [torch.cdist(drawn, each.to(drawn).flatten(1)).amin(1) for each in (others, self.lesson.latents.mean)]
        return int((far[0] < 0.5 * far[1]).sum()), len(mine)

    def _replays(self, batch: Batch) -> list[str]:
        """A sentence if latents that were kept of earlier tasks are under the task's prompt."""
        for name, tensor in self._kept:
            if self._nearer(batch, tensor)[0]:
                return [
                    f"{self.hook} gives latents of self.memory['{name}'] under the task's prompt: other concepts would "
                    "be learnt as this one; keep the prompt that they were learnt with, too"
                ]
        return []

    def _weighed(self, batch: Batch) -> list[str]:
        """A sentence if shares are weights of 1 each."""
        count = len(batch.latents)
        if batch.share is None or count < 2 or abs(float(batch.share.sum()) - count) > 1e-3:
            return []
        return [
            f"{self.hook} gives shares that add up to {count}, and L_SD is their sum over examples, not a mean: it "
            f"counts {count} times against penalties; 1 / {count} for each is what share=None means"
        ]

    def last(self, share: float) -> None:
        """At the last step: by how much the hook changed what is trained, as a share of its norm."""
        if share > MOVED:
            self._odd.append(
                f"{self.hook} changes what is trained by {100 * share:.0f} % at the last step, too, and that is "
                "folded; noise for steps alone belongs into compute(), while self.training"
            )

    def notes(self) -> list[str]:
        """After the last step."""
        found = [*self._odd, *self._replayed, *self._strange]
        images, drawn = len(self.lesson.latents), len(self.lesson.latents.drawn)
        if self._seen and not self._own:
            found.append(
                f"{self.hook} never gave the prompt that images are drawn with, '{self.lesson.prompt}' (lesson.prompt)"
            )
        if self._counted is not None and self._steps > ENOUGH and not self._counted.all():
            share = 100 * float((~self._counted).float().mean())
            found.append(
                f"the masks of {self.hook} left the same {share:.0f} % of all latents out of the loss in every step; "
                "draw places anew in each, from the generator that the hook is given"
            )
        found += self._shifted()
        if 0 < drawn <= images // 2 and self._seen > ENOUGH * images:
            found.append(f"{self.hook} drew {drawn} of the task's {images} images in all its steps")
        elif 0 < drawn < images and images * (1 - 1 / images) ** self._own < CHANCE:
            found.append(
                f"{self.hook} drew {drawn} of the task's {images} images in {self._own} draws, which is hardly chance; "
                f"torch.randint(n, ...) gives 0 to n - 1"
            )
        return found + self._unseen_prior()

    def _unseen_prior(self) -> list[str]:
        """A sentence if class images are left out, as those beyond the number of the task's own may be."""
        prior = self.lesson.prior
        others = self._seen - self._own
        if prior is None or self._kept or not 0 < len(prior.drawn) < len(prior):
            return []
        if len(prior) * (1 - 1 / len(prior)) ** others >= CHANCE:
            return []
        return [
            f"{self.hook} drew {len(prior.drawn)} of the {len(prior)} class images in {others} draws, which is hardly "
            "chance; torch.randint(len(lesson.prior), ...) has all of them"
        ]

    def _shifted(self) -> list[str]:
        """A sentence if channels are on average elsewhere than the images'; rescaled ones have grey around them."""
        options: Any = self.options
        known = self.lesson.latents.mean.detach().float().cpu()
        if options.augment or options.prior_images or self._own < ENOUGH or len(known) < 2:
            return []
        far = (self._channels / self._own - known.mean((0, 2, 3))).abs() / known.std((0, 2, 3)).clamp_min(1e-6)
        channel = int(far.argmax())
        if float(far[channel]) < APART:
            return []
        return [
            f"{self.hook} gives latents whose channel {channel} is on average {float(far[channel]):.2g} standard "
            "deviations off the lesson's; latents are (examples, channels, height, width): is the dimension right?"
        ]


def latent_notes(hook: str, batch: Batch, lesson: Lesson) -> list[str]:
    """A sentence if a batch's latents are hardly the lesson's, which the U-Net was trained on."""
    given, known = batch.latents.detach().float(), lesson.latents.mean.float()
    if given.shape[1:] != known.shape[1:] or len(known) < 2:
        return []
    spread, usual = float(given.std()), float(known.std())
    remedy = "give what lesson.latents.draw() gives, or what is made of it at the same scale"
    if not SCALES[0] * usual <= spread <= SCALES[1] * usual:
        return [
            f"{hook} gives latents with a standard deviation of {spread:.3g}, the lesson's have {usual:.3g}: {remedy}"
        ]
    centred = [len(given) > 1 and _zero(given.mean(0), spread), _zero(given.mean((2, 3)), spread)]
    usually = [_zero(known.mean(0), usual), _zero(known.mean((2, 3)), usual)]
    for what, now, before in zip(("over the batch", "of each example's channels"), centred, usually, strict=True):
        if now and not before:
            return [f"{hook} gives latents whose mean {what} is 0, which the lesson's is not: {remedy}"]
    return []


def token_notes(method: Method[Any], token: torch.Tensor, model: TextToImage) -> list[str]:
    """A sentence if the custom token, (dim,), begins far longer than those that a text encoder was trained on."""
    for number, part in enumerate(token.detach().float().split(model.token_widths)):
        length, usual = float(part.norm()), model.token_scale(number) * len(part) ** 0.5
        if length > FAR * usual:
            return [
                f"the token of {type(method).__name__} begins with a norm of {length:.3g}, and the text encoder's own "
                f"have about {usual:.3g}; see model.token_start() and model.token_scale()"
            ]
    return []


def other_token_notes(method: Method[Any], tokens: Mapping[str, torch.Tensor], own: str) -> list[str]:
    """A sentence if a hook set another concept's token to what the memory does not hold: that of a replay is in it.

    Args:
        tokens: The embeddings, (dim,) each, that were set during the task. own: the task's own token.
    """
    kept = [tensor.flatten() for tensor in memory_of(method).values()]
    for name, embedding in tokens.items():
        now = embedding.detach().cpu()
        if name != own and not any(len(now) <= len(t) and _holds(t, now) for t in kept):
            return [
                f"{type(method).__name__} sets {name}, another concept's token: nothing keeps that, as images of a "
                "concept are drawn with the token that its own task left"
            ]
    return []


def confused_tokens(
    method: Method[Any], tokens: Mapping[str, torch.Tensor], last: torch.Tensor, *, place: int
) -> list[str]:
    """A sentence if an earlier concept's token was given the embedding of the task before.

    Args:
        tokens: The embeddings, (dim,) each, that are set. last: what the task before left. place: that task's.
    """
    for name, embedding in tokens.items():
        if name in {f"<v{number}>" for number in range(1, place)} and torch.equal(embedding.detach().cpu(), last):
            return [
                f"{type(method).__name__} gives {name} the embedding that <v{place}> was left with, so that another "
                "concept is rehearsed in its name; end_task() must keep each token under its own (lesson.token)"
            ]
    return []


def _holds(kept: torch.Tensor, row: torch.Tensor) -> bool:
    """Whether one of several embeddings laid end to end is this one."""
    return not len(kept) % len(row) and bool((kept.reshape(-1, len(row)).to(row) == row).all(dim=1).any())


def company_notes(method: Method[Any], among: torch.Tensor, alone: torch.Tensor) -> list[str]:
    """A sentence if an image's logits, (classes,), hang on which other images are looked at with it."""
    if torch.allclose(among.float(), alone.float(), rtol=0, atol=0.02 * float(alone.float().std()) + 1e-6):
        return []
    return [
        f"the prompt that {type(method).__name__}.recall() gives answers otherwise for an image alone than for "
        "the same image among others, so that accuracies hang on the batch; let each answer be a function of one image"
    ]


def recall_notes(method: Method[Any], trained: torch.Tensor, recalled: torch.Tensor) -> list[str]:
    """A sentence if the logits, (images, classes), of the prompt to test with are not those of the one trained."""
    usual = float(trained.float().std())
    far = float((trained.float() - recalled.float()).abs().max())
    if far <= 0.02 * usual + 1e-6:
        return []
    return [
        f"the prompt that {type(method).__name__}.recall() gives is not the one that was trained: logits of training "
        f"images differ by up to {far:.2g}, where they spread by {usual:.2g}; make it of self.memory, as end_task() "
        "left it, without drawing anything anew"
    ]


def _zero(means: torch.Tensor, spread: float) -> bool:
    return float(means.abs().max()) < 1e-3 * spread
