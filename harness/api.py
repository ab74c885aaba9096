"""The run as a function: what the command line calls, and what a notebook may call, too."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness import registry
from harness.backbones.known import label, resolved
from harness.cautions import cautions, image_cautions
from harness.errors import UsageError, reason, shortened, unknown
from harness.fingerprint import MEMO, Fingerprints, model_folder
from harness.method import Method
from harness.method_source import warn_of_uncounted
from harness.plan import Plan, Setting
from harness.prompts import prompt_for
from harness.runner import Progress, check
from harness.slots import Slot, make_slots
from harness.spec import Benchmark, MethodOptions, RunSpec, Sampling, SettingName, Task, Tier
from harness.store import Store, key_of
from harness.weights import check_extractor, check_family, check_parts, hub_weights

if TYPE_CHECKING:
    from harness.photo_sets import Watch

# what CLIP's tokenizer takes for a word: contractions, letters, single digits, other signs
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# one of these exists where the kernel offers an NVIDIA GPU (the last one under WSL)
GPU_FILES = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/dxg")


@dataclass(frozen=True)
class Prepared:
    """A spec turned into a plan, with what the store has of it."""

    spec: RunSpec
    plan: Plan
    store: Store
    progress: Progress
    benchmark: Benchmark

    @property
    def cautions(self) -> tuple[str, ...]:
        """What its owner must know before the work, in whole sentences."""
        return self.plan.setting.cautions


def find_benchmark(
    name: str, tier: str, setting: SettingName | None = None, split_into: int | None = None,
    class_order: int | None = None, watch: Watch | None = None, min_side: int | None = None,
) -> Benchmark:  # fmt: skip
    """A registered benchmark, one that the user prepared, or a folder of the user's own photographs.

    Args:
        setting: of a folder; a registered benchmark has its own. split_into, class_order: of a folder of classes.
        watch: shows how far the reading of a folder's images is. min_side: pixels that an image's shorter side needs in
            a folder; None for the decoder's default.

    Raises:
        UsageError: none of them, or not of that setting.
    """
    from harness.photo_sets import unwatched

    found = _find(name, tier, setting, split_into, class_order, watch or unwatched, min_side)
    if setting is not None and found.setting != setting:
        raise UsageError(f"Benchmark '{name}' is of the setting {found.setting}; leave out --setting {setting}.")
    if found.setting == "customization" and class_order is not None:
        raise UsageError("--class-order is for --setting classification; here --order shuffles the tasks.")
    return found


def is_own_folder(name: str) -> bool:
    """Whether it is a path, or the name of a folder that there is ("shoot 12:30"), and not MODULE:OBJECT."""
    return "/" in name or "\\" in name or name in (".", "..") or bool(name and os.path.exists(name))


def _find(
    name: str, tier: str, setting: SettingName | None, split_into: int | None, class_order: int | None, watch: Watch,
    min_side: int | None,
) -> Benchmark:  # fmt: skip
    folder = is_own_folder(name)
    if setting == "classification" and folder and name not in registry.benchmarks().names():
        from harness.class_folder import folder_benchmark

        return folder_benchmark(Path(name), tier, split_into, class_order, watch, min_side)
    registered = name in registry.benchmarks().names()
    if min_side is not None and (registered or not folder):
        raise UsageError("--min-side is for a folder of your own images; leave it out.")
    if split_into is not None:
        raise UsageError("--split-into is for a folder of classes with --setting classification; leave it out.")
    if registered or (":" in name and not folder):
        return registry.benchmarks().get(name)
    from harness.prepared import prepared_benchmark, prepared_names

    if (prepared := prepared_benchmark(name, tier)) is not None:
        return prepared
    if folder:
        from harness.photo_benchmark import photo_benchmark

        return photo_benchmark(Path(name), tier, watch, min_side)
    plain = str(unknown("benchmark", name, [*registry.benchmarks().names(), *prepared_names()]))
    raise UsageError(plain.rstrip("?.") + ", or a folder with one sub-folder of photographs per concept.")


def detect_device(device: str) -> str:
    """'cpu' or 'cuda', of 'auto', 'cpu', 'cuda', 'cuda:N' or a list of these, without importing torch for 'cpu'.

    A list with any GPU is 'cuda': a CPU beside GPUs makes only what is the same everywhere.

    Raises:
        UsageError: something else, or a GPU where there is none.
    """
    named = device.split(",")
    for part in named:
        if not re.fullmatch(r"cpu|cuda:\d{1,4}" + ("|auto|cuda" if len(named) == 1 else ""), part):
            known = "auto, cpu, cuda, cuda:N, or several such as cuda:0,cuda:1,cpu"
            raise UsageError(f"Unknown device '{part}'; use {known}.")
    if set(named) == {"cpu"} or (device == "auto" and not any(Path(p).exists() for p in GPU_FILES)):
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    lacking = [part for part in named if part != "cpu" and int(part.partition(":")[2] or 0) >= count]
    if not lacking:
        return "cuda"
    if device == "auto":
        return "cpu"
    seen = f"it sees cuda:0 to cuda:{count - 1}" if count else "there is none"
    raise UsageError(f"--device {lacking[0]} needs a CUDA GPU that torch can see, and {seen}; use --device cpu.")


def device_type(spec: RunSpec, tier: Tier, *, elsewhere: bool) -> str:
    """'cpu' or 'cuda', by the spec or else the tier; what is for other machines is not looked for here."""
    device = tier.device if spec.device == "auto" else spec.device
    return device if elsewhere else detect_device(device)


def device_list(device: str, kind: str) -> list[str]:
    """The devices that workers share: ['cpu'], ['cuda:1'], those listed, or every GPU."""
    if "," in device or ":" in device:
        return device.split(",")
    if kind == "cpu":
        return ["cpu"]
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


def slots_of(prepared: Prepared) -> tuple[Slot, ...]:
    """The slots that a run has on this machine."""
    spec = prepared.spec
    return make_slots(device_list(spec.device, prepared.plan.setting.device_type), spec.jobs)


def prepare(spec: RunSpec, benchmark: Benchmark | None = None, *, elsewhere: bool = False) -> Prepared:
    """Turn a spec into a plan; everything that can be wrong with it is said here, before any work.

    Args:
        benchmark: what `find_benchmark` found of the spec's, where that is known already.
        elsewhere: the run is for other machines: its device, 'cpu' or 'cuda', is not looked for here.

    Raises:
        BenchError: unknown names, unusable options, folders or models.
    """
    for option in ("backbone", "extractor"):
        if getattr(spec, option) == "":
            raise UsageError(f"--{option} is empty; name one, or leave it out for the tier's.")
    tier: Tier = registry.tiers().get(spec.tier)
    benchmark = benchmark or find_benchmark(
        spec.benchmark, tier.name, spec.setting, spec.split_into, spec.class_order, min_side=spec.min_side
    )
    if benchmark.setting == "classification":
        from harness.class_api import prepare_classes

        return prepare_classes(spec, benchmark, tier, elsewhere=elsewhere)
    if spec.recognition:
        raise UsageError("--set recognition is for the classification setting, where images are seen; leave it out.")
    benchmark = benchmark.shuffled(spec.order)
    tasks: Sequence[Task] = benchmark.tasks(tier.name)
    total = len(tasks)
    chosen = [t for t in tasks if spec.tasks is None or t.index in spec.tasks]
    store = Store(spec.output / "store")
    store.prepare()
    fingerprints = Fingerprints(store.root / MEMO)
    kind = device_type(spec, tier, elsewhere=elsewhere)
    source = spec.backbone or tier.backbone
    folder = model_folder(source, offline=spec.offline)
    resolution = check_pipeline(folder, source)
    backbone = resolved(source, folder)
    if backbone != source:  # of the hub: the run's file says which commit
        spec = spec.model_copy(update={"backbone": backbone})
    said = cautions(spec, tier, benchmark)
    tier = tier.model_copy(update={"resolution": resolution, "extractor": spec.extractor or tier.extractor})
    setting = Setting(
        tier=tier, sampling=sampling_of(tier, spec), backbone=str(folder),
        backbone_name=label(backbone), backbone_hash=fingerprints.folder(folder),
        extractor=tier.extractor, extractor_hash=_extractor_hash(tier.extractor, fingerprints, offline=spec.offline),
        device_type=kind, dtype=spec.dtype or ("float32" if kind == "cpu" else tier.dtype), offline=spec.offline,
        compiled=spec.compile, cautions=(*said, *image_cautions(benchmark, tier)),
    )  # fmt: skip
    plan = Plan(setting)
    wanted: list[tuple[str, type[Method[Any]], MethodOptions, tuple[str, ...]]] = []
    for method_spec in spec.methods:
        plugin: type[Method[Any]] = registry.methods().get(method_spec.name)
        warn_of_uncounted(method_spec.name, plugin)
        try:
            options = plugin.options_class.for_tier(tier.name, method_spec.changes)
            wanted.append((method_spec.name, plugin, options, tuple(method_spec.changes)))
        except UsageError as error:
            raise UsageError(f"Method '{method_spec.name}': {error}") from None
    if any(options.category_word for _, _, options, _ in wanted):
        check_prompts(folder, chosen)
    for seed in spec.seeds:
        for name, plugin, options, given in wanted:
            learner = registry.methods().get(plugin.learner) if plugin.learner else None
            plan.add_cell(benchmark, chosen, total, name, plugin, options, seed, learner, spec.full_matrix, given)
    fingerprints.save()
    return Prepared(spec, plan, store, check(plan, store), benchmark)


def sampling_of(tier: Tier, spec: RunSpec) -> Sampling:
    """The tier's sampling with the spec's changes.

    Raises:
        UsageError: an unknown option, or a value out of range.
    """
    for option in spec.sampling:
        if option not in Sampling.model_fields:
            raise unknown("sampling option", option, Sampling.model_fields)
    try:
        return Sampling.model_validate({**tier.sampling.model_dump(), **spec.sampling})
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].lower()
        raise UsageError(f"Sampling option '{first['loc'][0]}' cannot be {first['input']!r}: {reason}.") from None


def check_pipeline(folder: Path, source: str) -> int:
    """Pixels along each side that a pipeline folder was made for; only headers of its weights are read.

    Raises:
        UsageError: the folder is not a whole Stable Diffusion pipeline in safetensors, or needs code of its own.
    """
    check_family(folder, source)
    needed = ["scheduler", "text_encoder", "tokenizer", "unet", "vae"]
    missing = [name for name in needed if not (folder / name).exists()]
    if missing:
        parts = ", no ".join(missing)
        raise UsageError(f"Backbone '{source}' is not a Stable Diffusion folder: it has no {parts}; give a whole one.")
    check_parts(folder, source)
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
        vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
        widths = vae.get("block_out_channels") or vae["encoder_block_out_channels"]
        scale, sizes = 2 ** (len(widths) - 1), unet["sample_size"]
        if not isinstance(sizes, list):
            return int(sizes * scale)
        height, width = (int(size * scale) for size in sizes)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"Backbone '{source}': unet/config.json or vae/config.json does not say its size; give another folder."
        ) from None
    raise UsageError(
        f"Backbone '{source}' is made for images of {width} x {height} px (sample_size in unet/config.json); give one "
        "for square images, whose sample_size is one number."
    )


def check_prompts(folder: Path, tasks: Sequence[Task]) -> None:
    """Make sure that every task's prompt, category word included, fits the tokenizer, before any training.

    Raises:
        UsageError: a category word is too long.
    """
    try:
        settings = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text(encoding="utf-8"))
        length = int(settings["model_max_length"])
        count = _token_counter(folder / "tokenizer")
    except (OSError, ValueError, KeyError, TypeError):
        return
    for task in tasks:
        # the custom token is one token, whatever it looks like to the tokenizer now
        found = count(prompt_for("a", task.category, True))
        if found > length:
            raise UsageError(
                f"The category word '{shortened(task.category)}' of '{shortened(task.name)}' is too long for the "
                f"backbone ({found} of {length} tokens); put a shorter one into category.txt in its folder."
            )


def _token_counter(folder: Path) -> Callable[[str], int]:
    """How many tokens a text has, both ends included; without transformers, which takes seconds to import."""
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").exists():
        whole = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return lambda text: len(whole.encode(text).ids)
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


def cached_extractor(source: str, *, offline: bool = True) -> Path:
    """The weights of an open_clip 'architecture/pretrained' in the local hub cache (fetched first if not `offline`).

    Raises:
        UsageError: they are not there, cannot be downloaded, or are no safetensors.
    """
    from huggingface_hub import hf_hub_download

    repository, file = hub_weights(source)
    if not file:
        raise UsageError(
            f"The extractor '{source}' is neither a folder nor 'architecture/pretrained' with weights in safetensors "
            "that open_clip knows; give a folder, or ViT-B-32-quickgelu/openai."
        )
    try:
        return Path(hf_hub_download(repository, file, local_files_only=offline))
    except Exception as error:
        if not offline:
            raise UsageError(
                f"The extractor '{source}' cannot be downloaded in safetensors from {repository} ({reason(error)}); "
                "check the network, or give a folder."
            ) from error
        raise UsageError(
            f"The extractor '{source}' is not in the local hub cache; give a folder or allow downloads with "
            f"--no-offline, or fetch it with `hf download {repository} {file}`; the mini tier needs none of this."
        ) from error
