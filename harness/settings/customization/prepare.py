"""What a run of the customization setting needs before its first step: a pipeline, an extractor, prompts that fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from harness import registry
from harness.backbones.checks import check_extractor, layout_of, read_index, texts_of
from harness.backbones.hashes import Fingerprints
from harness.backbones.layouts import PIECES, T5_LENGTHS, Layout
from harness.backbones.pipeline_files import cached_extractor, check_pipeline
from harness.backbones.solvers import check_sampling
from harness.engine.plan import RunContext
from harness.errors import UsageError, shortened
from harness.method import Method
from harness.prompts import FAR, class_prompt, prompt_for
from harness.settings.base import Given
from harness.spec import Sampling, Task
from harness.store.store import key_of

# what CLIP's tokenizer takes for a word: contractions, letters, single digits, other signs
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def context(given: Given) -> RunContext:
    """What all cells of a run share.

    Raises:
        UsageError: an unknown sampling option, more steps than the backbone has, options that do not go together, or
            no such extractor.
    """
    spec, setting = given.spec, registry.setting("customization")
    if spec.compile and spec.gradient_checkpointing:
        raise UsageError("--compile and --gradient-checkpointing do not go together; leave one of them out.")
    tier = given.tier.model_copy(
        update={
            "resolution": check_pipeline(given.folder, given.backbone_name),
            "extractor": spec.extractor or given.tier.extractor,
        }
    )
    sampling: Sampling = setting.changed_protocol(tier, spec)
    check_sampling(sampling, _schedule(given.folder))
    return RunContext(
        tier=tier, protocol=sampling, backbone=str(given.folder),
        backbone_name=given.backbone_name, backbone_hash=given.backbone_hash, extractor=tier.extractor,
        extractor_hash=_extractor_hash(tier.extractor, given.fingerprints, offline=spec.offline),
        device_type=given.device_type, dtype=spec.dtype or ("float32" if given.device_type == "cpu" else tier.dtype),
        offline=spec.offline, compiled=spec.compile, gradient_checkpointing=spec.gradient_checkpointing,
        cautions=given.cautions,
    )  # fmt: skip


def _schedule(folder: Path) -> dict[str, Any]:
    """What the scheduler's file says; where it names no spacing, the one that allows most steps."""
    try:
        found: dict[str, Any] = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
    except (OSError, ValueError):
        found = {}  # such a folder has been refused already
    return {"timestep_spacing": "linspace", **found}


def check_shared_text(layout: Layout, method: str, plugin: type[Method[Any]]) -> None:
    """Make sure that a method that asks for it finds the same features of a prompt in all layers.

    Args:
        layout: the backbone's family. method: what the method is called.

    Raises:
        UsageError: it does not.
    """
    if plugin.needs_shared_text and layout.unshared:
        raise UsageError(
            f"The method '{method}' solves for keys and values of a prompt's features, and in {layout.title} "
            f"{layout.unshared}; leave it out, or use another --backbone."
        )


def check_prompts(folder: Path, tasks: Sequence[Task], options: Sequence[Any]) -> None:
    """Make sure that every prompt that names a category word fits every tokenizer, before any training.

    Args:
        options: of the methods, which say whether theirs do, and whether there are class images.

    Raises:
        UsageError: a category word is too long.
    """
    named = [each for each in options if each.category_word]
    if not named and not any(each.prior_images for each in options):
        return
    start = max(FAR, key=len) if any(each.augment for each in named) else "a "
    layout, limits = layout_of(folder, str(folder)), list(_limits(folder))
    for task in tasks:
        # the custom token is one token, whatever it looks like to the tokenizer now
        prompt = prompt_for("a", task.category, True) if named else class_prompt(task.category)
        for length, count in limits:
            found = count(layout.as_read(start + prompt.removeprefix("a ")))
            if found <= length:
                continue
            raise UsageError(
                f"The category word '{shortened(task.category)}' of '{shortened(task.name)}' is too long for the "
                f"backbone ({found} of {length} tokens); put a shorter one into category.txt in its folder."
            )


def _limits(folder: Path) -> Iterator[tuple[int, Callable[[str], int]]]:
    """Of each tokenizer: how many tokens are read of a prompt, and what counts those of a text."""
    kind = read_index(folder, str(folder)).get("_class_name", "")
    for text in texts_of(folder, str(folder)):
        place = folder / text.tokenizer
        with suppress(OSError, ValueError, KeyError, TypeError):  # what cannot be told now is told in training
            if text.in_pieces:
                length = T5_LENGTHS[kind]
            else:
                settings = json.loads((place / "tokenizer_config.json").read_text(encoding="utf-8"))
                length = int(settings["model_max_length"])
            yield length, _token_counter(place)


def _token_counter(folder: Path) -> Callable[[str], int]:
    """How many tokens a text has, both ends included; without transformers, which takes seconds to import."""
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").exists():
        whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
        whole.no_truncation()  # some files ask for both, as the tokenizer was last used before it was saved
        whole.no_padding()
        return lambda text: len(whole.encode(text).ids)
    if (folder / PIECES).exists():
        pieces: Any = import_module("sentencepiece").SentencePieceProcessor(model_file=str(folder / PIECES))
        return lambda text: len(pieces.encode(text)) + 1
    from tokenizers import Regex
    from tokenizers.models import BPE
    from tokenizers.normalizers import NFC, Lowercase, Sequence
    from tokenizers.pre_tokenizers import ByteLevel, Split
    from tokenizers.pre_tokenizers import Sequence as Steps

    # vocab.json and merges.txt, as Stable Diffusion 1.x and 2.x ship them: CLIP's BPE and its way to split words
    vocabulary, merges = (str(folder / name) for name in ("vocab.json", "merges.txt"))
    plain = Tokenizer(BPE.from_file(vocabulary, merges, end_of_word_suffix="</w>"))
    plain.normalizer = Sequence([NFC(), Lowercase()])
    words = Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    plain.pre_tokenizer = Steps([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    return lambda text: len(plain.encode(text).ids) + 2


def _extractor_hash(source: str, fingerprints: Fingerprints, *, offline: bool) -> str:
    if Path(source).is_dir():
        check_extractor(Path(source), source)
        return fingerprints.folder(Path(source))
    # one file of weights may serve two architectures, as OpenAI's does with and without quick GELU
    return key_of({"model": source, "weights": fingerprints.file(cached_extractor(source, offline=offline).resolve())})
