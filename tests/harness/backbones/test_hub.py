"""How a backbone is named, found, hashed, fetched and refused: names, folders, hub ids, and what is wrong with each."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from in_process import bench, refused
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file
from tiny_classifier import save_vit, tiny_vit
from tiny_models import LATER, make_tiny_families, put

from harness import api, doctor, registry
from harness.backbones.architecture import blueprint
from harness.backbones.checks import LOADED, hub_weights, is_loaded
from harness.backbones.hashes import FETCHED, FETCHED_OF_LATER, Fingerprints, model_folder
from harness.backbones.hub import KNOWN, hub_place, label, resolved
from harness.backbones.pipeline_files import cached_extractor, check_pipeline
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.records.run_file import read_spec, record
from harness.settings.customization import prepare
from harness.settings.customization.prepare import check_prompts
from harness.spec import MethodSpec, RunSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIRST = KNOWN["sd-1.4"]
OPENAI = "timm/vit_base_patch32_clip_224.openai"
WEIGHTS = {"text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
           "vae/diffusion_pytorch_model.safetensors"}  # fmt: skip
SETTINGS = {"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "unet/config.json",
            "vae/config.json", "tokenizer/merges.txt", "tokenizer/special_tokens_map.json",
            "tokenizer/tokenizer_config.json", "tokenizer/vocab.json"}  # fmt: skip
# what else lies in the hub's repository of Stable Diffusion 1.5
UNUSED = (
    ".gitattributes", "README.md", "feature_extractor/preprocessor_config.json", "safety_checker/config.json",
    "safety_checker/model.fp16.safetensors", "safety_checker/model.safetensors", "safety_checker/pytorch_model.bin",
    "text_encoder/model.fp16.safetensors", "text_encoder/pytorch_model.bin", "text_encoder/pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.bin", "unet/diffusion_pytorch_model.non_ema.safetensors",
    "v1-5-pruned-emaonly.ckpt", "v1-5-pruned-emaonly.safetensors", "v1-5-pruned.safetensors", "v1-inference.yaml",
    "vae/diffusion_pytorch_model.fp16.safetensors", "unet/model.fp16-00001-of-00002.safetensors",
)  # fmt: skip


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small checkpoints as the hub has them, and two concepts of two photographs."""
    home = make_tiny_families(tmp_path_factory.mktemp("named"))
    for concept in ("person", "waterfall"):
        (home / "photos" / concept).mkdir(parents=True)
        for index in range(2):
            Image.fromarray(np.full((32, 32, 3), 90 * index, np.uint8)).save(home / "photos" / concept / f"{index}.png")
    return home


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def snapshot(cache: Path, repository: str, commit: str, main: bool = True) -> Path:
    """Where a cache has one commit of a repository; by default the one that main is at."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "snapshots").mkdir(parents=True)
    if main:
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(commit)
    return folder / "snapshots" / commit


def prepared(families: Path, tiny_models: Path, output: Path, backbone: str | None, tier: str = "paper") -> Any:
    spec = RunSpec(
        benchmark=str(families / "photos"), tier=tier, backbone=backbone, extractor=str(tiny_models / "clip"),
        methods=(MethodSpec(name="ti++"),), device="cpu", output=output,
    )  # fmt: skip
    return api.prepare(spec)


# ------------------------------------------------------------------------------------------------------------- names


def test_the_known_backbones_are_pinned_to_commits() -> None:
    assert {"sd-1.4", "sd-1.5", "sd-2.1"} <= set(KNOWN)
    for name, known in KNOWN.items():
        assert known.name == name
        assert re.fullmatch(r"[0-9a-f]{40}", known.revision), name
        assert hub_place(known.pinned) == hub_place(name) == (known.repository, known.revision)
        assert known.resolution == blueprint(name).resolution, name
        assert known.licence


def test_the_documentation_has_the_same_pins_and_protocol() -> None:
    text = (Path(__file__).parents[3] / "docs" / "paper-tier.md").read_text(encoding="utf-8")
    rows = {row[0]: row for line in text.splitlines() if len(row := [c.strip() for c in line.split("|")[1:-1]]) > 1}
    for name, known in KNOWN.items():
        row = next(rows[key] for key in rows if key.startswith(f"`{name}`"))
        assert row[1:3] == [known.repository, known.revision]
        predicted = {"epsilon": "the noise", "v_prediction": "v", "flow": "the velocity"}[known.prediction]
        assert row[4:] == [str(known.resolution), predicted, f"{known.gigabytes} GB"]
    paper = registry.tiers().get("paper")
    assert rows["resolution"][1] == f"{KNOWN[paper.backbone].resolution} px" == f"{paper.resolution} px"
    assert rows["arithmetic"][1] == f"{paper.dtype} on a GPU, float32 on a CPU; `--dtype`"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("someone/model", ("someone/model", None)),
        ("someone/model@v1.0", ("someone/model", "v1.0")),
        (f"some-one/a.model_2@{COMMIT}", ("some-one/a.model_2", COMMIT)),
        ("sd-9", None),
        ("./someone/model", None),
        ("../model", None),
        ("/someone/model", None),
        ("a/b/c", None),
        ("a/b@", None),
        ("a/b@../../x", None),
    ],
)
def test_a_hub_id_may_have_a_revision(source: str, place: tuple[str, str | None] | None) -> None:
    assert hub_place(source) == place


def test_a_table_names_a_backbone_the_same_before_and_after_it_was_resolved(tmp_path: Path) -> None:
    found = Path("hub") / "snapshots" / COMMIT
    assert label(resolved("someone/model", found)) == f"someone/model@{COMMIT[:7]}"
    assert label(resolved(resolved("someone/model@main", found), found)) == f"someone/model@{COMMIT[:7]}"
    assert resolved("sd-1.4", Path(FIRST.revision)) == FIRST.pinned
    assert label(FIRST.pinned) == label("sd-1.4") == "sd-1.4"
    (tmp_path / "my-sd").mkdir()
    assert resolved(str(tmp_path / "my-sd"), tmp_path / "my-sd") == str(tmp_path / "my-sd")
    assert label(f"{tmp_path}/my-sd/") == "my-sd"


# ------------------------------------------------------------------------------------------------------- a hub cache


def test_a_name_is_found_in_the_hub_cache_and_its_commit_is_recorded(
    families: Path, tiny_models: Path, cache: Path, tmp_path: Path
) -> None:
    there = snapshot(cache, FIRST.repository, FIRST.revision, main=False)
    shutil.copytree(families / "sd1", there)
    one = prepared(families, tiny_models, tmp_path / "runs", None)  # the paper tier's own
    assert one.plan.context.backbone == str(there)
    assert one.spec.backbone == FIRST.pinned
    assert [cell.backbone for cell in one.plan.cells] == ["sd-1.4"]
    file = record(one.spec, one.plan)
    assert read_spec(file).backbone == FIRST.pinned
    again = prepared(families, tiny_models, tmp_path / "runs", read_spec(file).backbone)
    assert again.plan.cells == one.plan.cells
    assert record(again.spec, again.plan) == file
    folder = prepared(families, tiny_models, tmp_path / "runs", str(families / "sd1"))
    assert folder.plan.cells[0].score == one.plan.cells[0].score  # content counts, not its place
    assert folder.spec.backbone == str(families / "sd1")


def test_any_other_hub_id_is_pinned_to_what_main_was(
    families: Path, tiny_models: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(families / "sd2", snapshot(cache, "someone/model", COMMIT))
    found = prepared(families, tiny_models, tmp_path / "runs", "someone/model")
    assert found.spec.backbone == f"someone/model@{COMMIT}"
    assert found.plan.cells[0].backbone == f"someone/model@{COMMIT[:7]}"
    assert found.plan.context.tier.resolution == 32
    with pytest.raises(UsageError, match=r"'someone/model@v2'.*--revision v2 "):
        model_folder("someone/model@v2", offline=True)


def test_a_timm_model_of_the_hub_is_pinned_to_what_main_was(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(save_vit(tmp_path / "vit", tiny_vit()), snapshot(cache, "timm/vit_small", COMMIT))
    spec = RunSpec(
        benchmark="imagenet-r20", methods=(MethodSpec(name="l2p"),), backbone="timm/vit_small", output=tmp_path / "runs"
    )
    found = api.prepare(spec)
    assert found.spec.backbone == f"timm/vit_small@{COMMIT}"
    assert found.plan.cells[0].backbone == f"timm/vit_small@{COMMIT[:7]}"
    again = api.prepare(found.spec)  # as its run's file says
    assert again.plan.cells[0].score == found.plan.cells[0].score


def test_missing_weights_are_one_sentence_with_the_command(
    families: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("run", families / "photos", "--tier", "paper", "-m", "ti++", "-o", tmp_path / "runs", "--device", "cpu")
    command = f"`hf download {FIRST.repository} --revision {FIRST.revision} --include '*.json'"
    refused(bench(*run), "'sd-1.4'", command, "--no-offline", "give a folder", "creativeml-openrail-m", "mini tier")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd-1.4").mkdir()
    refused(bench(*run), "./sd-1.4")  # a known name is no folder
    refused(bench(*run, "--backbone", "sd-9"), "'sd-9'", "use sd-1.4, sd-1.5")
    refused(
        bench(*run, "--backbone", families / "sd1"), "'ViT-B-32-quickgelu/openai'",
        f"`hf download {OPENAI} open_clip_model.safetensors`", "--no-offline", "give a folder", "mini tier",
    )  # fmt: skip
    assert not cache.exists()


def test_half_a_snapshot_is_refused(families: Path, tiny_models: Path, cache: Path, tmp_path: Path) -> None:
    there = snapshot(cache, FIRST.repository, FIRST.revision)
    shutil.copytree(families / "sd1", there)
    shutil.rmtree(there / "unet")
    with pytest.raises(UsageError, match=r"'sd-1\.4'.*no unet"):
        prepared(families, tiny_models, tmp_path / "runs", "sd-1.4")


def test_a_download_takes_what_is_loaded_and_no_more(
    families: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        return str(families / "sd1")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    model_folder("sd-1.5", offline=False)
    assert (asked["repository"], asked["revision"]) == (KNOWN["sd-1.5"].repository, KNOWN["sd-1.5"].revision)
    assert asked["local_files_only"] is False
    files = [*WEIGHTS, *SETTINGS, *UNUSED]
    assert set(filter_repo_objects(files, allow_patterns=asked["allow_patterns"])) == WEIGHTS | SETTINGS
    assert {name for name in files if is_loaded(name)} == WEIGHTS | SETTINGS
    by_hand = set(filter_repo_objects(files, allow_patterns=list(FETCHED)))
    assert by_hand >= WEIGHTS | SETTINGS
    assert {name for name in by_hand if not name.endswith((".json", ".txt"))} == WEIGHTS
    shards = ["unet/diffusion_pytorch_model-00001-of-00002.safetensors", "text_encoder/model.safetensors.index.json"]
    assert list(filter_repo_objects(shards, allow_patterns=list(LOADED))) == shards


def test_a_download_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def fail(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(UsageError, match=r"'sd-1\.5' cannot be downloaded \(no route to host\); check its name"):
        model_folder("sd-1.5", offline=False)
    with pytest.raises(UsageError, match=r"in safetensors from timm/.* \(no route to host\); check the network"):
        cached_extractor("ViT-B-32-quickgelu/openai", offline=False)


def test_an_extractor_of_the_hub_is_hashed_by_content_and_architecture(cache: Path) -> None:
    def hashed(source: str) -> str:
        return prepare._extractor_hash(source, Fingerprints(), offline=True)

    there = snapshot(cache, OPENAI, COMMIT)
    there.mkdir()
    (there / "open_clip_pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(UsageError, match=r"open_clip_model\.safetensors"):
        hashed("ViT-B-32-quickgelu/openai")
    weights = there / "open_clip_model.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, str(weights))
    one = hashed("ViT-B-32-quickgelu/openai")
    assert re.fullmatch(r"[0-9a-f]{64}", one)
    assert hashed("ViT-B-32-quickgelu/openai") == one
    assert hashed("ViT-B-32/openai") != one  # the same file, without quick GELU
    save_file({"weight": np.ones(3, np.float32)}, str(weights))
    assert hashed("ViT-B-32-quickgelu/openai") != one


def test_open_clip_is_asked_for_the_file_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hub_weights` names the file that open_clip tries first for every checkpoint that it knows."""
    from open_clip import list_pretrained, pretrained

    for name, tag in list_pretrained():
        tried: list[tuple[str, str]] = []
        monkeypatch.setattr(
            pretrained, "hf_hub_download",
            lambda repo_id, filename, tried=tried, **_: tried.append((repo_id, filename)) or filename,
        )  # fmt: skip
        pretrained.download_pretrained(pretrained.get_pretrained_cfg(name, tag))
        assert hub_weights(f"{name}/{tag}") == tried[0], (name, tag)


# ----------------------------------------------------------------------------------------------------- content hashes


def test_a_hash_does_not_depend_on_what_is_not_loaded(families: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(families / "sd1", tmp_path / "sd")
    before = Fingerprints().folder(folder)
    for name in UNUSED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"something")
    assert Fingerprints().folder(folder) == before
    assert check_pipeline(folder, "sd") == 32  # nor are they looked into
    one, other = (TextToImage.load(str(place), torch.device("cpu")) for place in (families / "sd1", folder))
    for part in one.parts:
        state, same = (getattr(model.pipeline, part).state_dict() for model in (other, one))
        assert all(torch.equal(tensor, state[name]) for name, tensor in same.items()), part


@pytest.mark.parametrize("name", sorted(WEIGHTS | SETTINGS))
def test_a_hash_depends_on_every_file_that_is_loaded(families: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(families / "sd1", tmp_path / "sd")
    before = Fingerprints().folder(folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert Fingerprints().folder(folder) != before


# --------------------------------------------------------------------------------------------------- what is refused


def edited(name: str, **values: Any) -> Callable[[Path], object]:
    return lambda folder: put(folder / name, {**json.loads((folder / name).read_text()), **values})


def only_variants(folder: Path) -> None:
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    unet.rename(unet.with_suffix(".fp16.safetensors"))


REFUSED: list[tuple[str, Callable[[Path], object], tuple[str, ...]]] = [
    ("Stable Diffusion 3 by its name alone", edited("model_index.json", _class_name="StableDiffusion3Pipeline"),
     ("not a Stable Diffusion 3 folder", "no text_encoder_2")),
    ("Flux, without a U-Net", lambda f: (edited("model_index.json", _class_name="FluxPipeline")(f),
                                         shutil.rmtree(f / "unet")), ("of the class FluxPipeline", "use sd-1.4")),
    ("inpainting", edited("model_index.json", _class_name="StableDiffusionInpaintPipeline"),
     ("of the class StableDiffusionInpaintPipeline", "known are StableDiffusionPipeline")),
    ("unCLIP", edited("model_index.json", _class_name="StableUnCLIPImg2ImgPipeline"), ("StableUnCLIPImg2ImgPipeline",)),
    ("a class from a file", edited("model_index.json", _class_name=["pipeline", "Mine"]), ("of the class",)),
    ("inpainting by its U-Net", edited("unet/config.json", in_channels=9), ("takes 9 channels", "inpainting")),
    ("predicting the sample", edited("scheduler/scheduler_config.json", prediction_type="sample"),
     ("predicts 'sample'", "epsilon and v_prediction")),
    ("flow matching", lambda f: FlowMatchEulerDiscreteScheduler().save_pretrained(f / "scheduler"),
     ("(FlowMatchEulerDiscreteScheduler) has no betas", "use sd-1.4")),
    ("sigmas of a flow", edited("scheduler/scheduler_config.json", use_flow_sigmas=True), ("has no betas",)),
    ("only a variant", only_variants, ("only a variant", "diffusion_pytorch_model.fp16.safetensors",
                                       "add unet/diffusion_pytorch_model.safetensors")),
    ("a vocabulary without merges", lambda f: (f / "tokenizer" / "merges.txt").unlink(), ("merges.txt is missing",)),
    ("settings that are a list", lambda f: (f / "vae" / "config.json").write_text("[]"), ("vae/config.json",)),
    ("a single file in a folder", lambda f: [*map(shutil.rmtree, [p for p in f.iterdir() if p.is_dir()]),
                                             (f / "model_index.json").rename(f / "v1-5-pruned.safetensors")],
     ("a checkpoint in a single file", "from_single_file")),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_stable_diffusion_is_refused_by_name(
    families: Path, tmp_path: Path, change: Callable[[Path], object], words: tuple[str, ...]
) -> None:
    folder = shutil.copytree(families / "sd1", tmp_path / "other")
    change(folder)
    said = bench(
        "run", families / "photos", "--tier", "paper", "-m", "ti++", "--backbone", folder, "-o", tmp_path / "runs",
    )  # fmt: skip
    refused(said, "other", *words)


def test_a_solver_that_does_not_suit_the_models_noise_is_refused(families: Path, tmp_path: Path) -> None:
    run = ("run", families / "photos", "--tier", "paper", "-m", "ti++", "-o", tmp_path / "runs")
    flow = bench(*run, "--backbone", families / "sd3")
    refused(flow, "sampling.solver=ddim", "the backbone is a rectified flow", "--set sampling.solver=euler")
    diffusion = bench(*run, "--backbone", families / "sdxl", "--set", "sampling.solver=euler")
    refused(diffusion, "sampling.solver=euler is for rectified flows", "use ddim")


def test_a_method_that_asks_for_one_text_in_all_layers_is_refused_where_there_is_none(
    families: Path, tiny_models: Path, tmp_path: Path
) -> None:
    run = ("run", families / "photos", "--tier", "paper", "-m", "cd-merge,ti++", "-o", tmp_path / "runs")
    more = ("--extractor", tiny_models / "clip", "--set", "sampling.solver=euler")
    said = bench(*run, "--backbone", families / "sd3", *more)
    refused(said, "'cd-merge'", "every layer sees other features of a prompt", "another --backbone")


def shard_lost(folder: Path) -> None:
    """A text encoder in two files, of which a download left one."""
    place = folder / "text_encoder"
    weights = load_file(place / "model.safetensors")
    (place / "model.safetensors").unlink()
    files = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    first = {name: weights[name].numpy() for name in sorted(weights)[:5]}
    save_file(first, place / files[0], metadata={"format": "pt"})
    named = {name: files[number >= 5] for number, name in enumerate(sorted(weights))}
    put(place / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": named})


LATER_CHANGES: list[tuple[str, str, Callable[[Path], object], tuple[str, ...]]] = [
    ("sdxl", "a second encoder of another class", edited("model_index.json", text_encoder_2=["transformers", "Evil"]),
     ("text_encoder_2 as 'transformers.Evil'", "no Stable Diffusion XL has")),
    ("sdxl", "without its second encoder", lambda f: shutil.rmtree(f / "text_encoder_2"), ("no text_encoder_2",)),
    ("sdxl", "a second encoder without weights", lambda f: (f / "text_encoder_2" / "model.safetensors").unlink(),
     ("no weights (*.safetensors) in text_encoder_2",)),
    ("sdxl", "latents of other means", edited("vae/config.json", latents_mean=[0.0] * 4), ("a mean of its own",)),
    ("sdxl", "of a size that cannot be drawn", edited("unet/config.json", sample_size=15), ("30 px", "8 must divide")),
    ("pixart", "of a size that no patches fill", edited("transformer/config.json", sample_size=15),
     ("sample_size 15", "patches of 2")),
    ("pixart", "without a vocabulary", lambda f: (f / "tokenizer" / "tokenizer.json").unlink(),
     ("tokenizer/tokenizer.json is missing", "spiece.model")),
    ("sd3", "a solver of a diffusion", edited("scheduler/scheduler_config.json", _class_name="EulerDiscreteScheduler"),
     ("adds noise by FlowMatchEulerDiscreteScheduler",)),
    *(("sd3", name, edited("scheduler/scheduler_config.json", **{name: True}),
       ("scheduler_config.json has", name, "set it to false"))
      for name in ("use_dynamic_shifting", "invert_sigmas", "stochastic_sampling")),
    ("sdxl", "told the guidance", edited("unet/config.json", time_cond_proj_dim=32), ("time_cond_proj_dim",)),
    ("sdxl", "told no size", edited("unet/config.json", addition_embed_type=None), ("addition_embed_type", "is None")),
    ("pixart", "without a shard", shard_lost, ("text_encoder/model-00002-of-00002.safetensors is missing",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "change", "words"), [(row[0], *row[2:]) for row in LATER_CHANGES], ids=[row[1] for row in LATER_CHANGES]
)
def test_a_later_family_that_is_not_whole_is_refused(
    families: Path, tmp_path: Path, family: str, change: Callable[[Path], object], words: tuple[str, ...]
) -> None:
    folder = shutil.copytree(families / family, tmp_path / "other")
    change(folder)
    solver = ("--set", "sampling.solver=euler") if family == "sd3" else ()
    said = bench("run", families / "photos", "--tier", "paper", "-m", "ti++", "--backbone", folder, *solver, "-o",
                 tmp_path / "runs")  # fmt: skip
    refused(said, "other", *words)


def test_shards_that_transformers_does_not_load_may_be_missing(families: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(families / "pixart", tmp_path / "pixart")
    whole = (folder / "text_encoder" / "model.safetensors").read_bytes()
    shard_lost(folder)
    (folder / "text_encoder" / "model.safetensors").write_bytes(whole)
    check_pipeline(folder, "pixart")
    TextToImage.load(str(folder), torch.device("cpu"))


@pytest.mark.parametrize(("lacking", "package"), [("sentencepiece", "sentencepiece"), ("google.protobuf", "protobuf")])
def test_pieces_without_their_packages_are_one_sentence(
    families: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, package: str
) -> None:
    """Before anything is loaded: `doctor` and `plan` say it, too."""
    folder = shutil.copytree(families / "pixart", tmp_path / "pixart")
    (folder / "tokenizer" / "tokenizer.json").rename(folder / "tokenizer" / "spiece.model")
    monkeypatch.setattr("harness.backbones.checks.find_spec", lambda name: None if name == lacking else object())
    with pytest.raises(UsageError, match=rf"only be read with the package {package},.*stamina-bench\[t5\]"):
        check_pipeline(folder, "pixart")


def tasks_of(category: str) -> list[Any]:
    return [SimpleNamespace(category=category, name="photos")]


NAMING = [SimpleNamespace(category_word=True, augment=False, prior_images=0)]


@pytest.mark.parametrize(
    ("family", "category", "words"),
    [
        ("pixart", "person " * 120, r"12\d of 120 tokens"),
        ("sdxl", "person " * 80, r"\d+ of 77 tokens"),
        ("sd3", "person " * 80, r"\d+ of 77 tokens"),
    ],
)
def test_a_category_too_long_for_a_later_familys_tokenizers_is_said_before_training(
    families: Path, family: str, category: str, words: str
) -> None:
    """T5's tokenizers name no length, or another than what a pipeline reads."""
    check_prompts(families / family, tasks_of("Person"), NAMING)
    with pytest.raises(UsageError, match=words):
        check_prompts(families / family, tasks_of(category), NAMING)


def test_prompts_are_counted_by_pieces_where_there_is_no_other_tokenizer(
    families: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PixArt's on the hub: spiece.model alone, which SentencePiece's own package reads."""
    folder = shutil.copytree(families / "pixart", tmp_path / "pixart")
    for path in (folder / "tokenizer").iterdir():
        path.unlink()
    (folder / "tokenizer" / "spiece.model").write_bytes(b"pieces")
    read: list[str] = []

    class Processor:
        def __init__(self, model_file: str) -> None:
            read.append(model_file)

        def encode(self, text: str) -> list[int]:
            assert text == text.lower()  # as the pipelines clean prompts
            return [3] * len(text.split())

    monkeypatch.setitem(sys.modules, "sentencepiece", SimpleNamespace(SentencePieceProcessor=Processor))
    check_prompts(folder, tasks_of("Person " * 114), NAMING)  # with the token, 'a photo of a', and the end
    with pytest.raises(UsageError, match="121 of 120 tokens"):
        check_prompts(folder, tasks_of("Person " * 115), NAMING)
    assert read == [str(folder / "tokenizer" / "spiece.model")] * 2


@pytest.mark.parametrize("family", LATER)
def test_what_is_loaded_of_a_later_family_is_hashed_and_fetched(families: Path, family: str) -> None:
    names = {path.relative_to(families / family).as_posix() for path in (families / family).glob("**/*.*")}
    assert {name for name in names if is_loaded(name)} == names
    assert set(filter_repo_objects(sorted(names), allow_patterns=list(FETCHED_OF_LATER))) == names


def test_a_single_file_is_refused_with_what_to_do(families: Path, tmp_path: Path) -> None:
    path = tmp_path / "v1-5-pruned.safetensors"
    path.write_bytes(b"")
    run = ("run", families / "photos", "-m", "ti++", "-o", tmp_path / "runs")
    refused(bench(*run, "--backbone", path), "v1-5-pruned.safetensors", "from_single_file", "save_pretrained")


def test_a_category_too_long_for_a_tokenizer_of_two_files_is_said(families: Path, tmp_path: Path) -> None:
    long = "supercalifragilisticexpialidocious hexakosioihexekontahexaphobia pneumonoultramicroscopicsilicovolcano"
    photos = shutil.copytree(families / "photos", tmp_path / "photos")
    (photos / "person" / "category.txt").write_text(long)
    run = ("run", photos, "-m", "ti++", "-o", tmp_path / "runs", "--backbone", families / "sd1")
    refused(bench(*run), "too long for the backbone", "of 77 tokens", "category.txt")


@pytest.mark.parametrize("text", ["a photo of a person", "a photo of an Ünïcode  grandmother-in-law", "a"])
def test_tokens_are_counted_as_transformers_does(families: Path, tiny_models: Path, text: str) -> None:
    from transformers import CLIPTokenizer

    for folder in (families / "sd1" / "tokenizer", families / "sd2" / "tokenizer", tiny_models / "sd" / "tokenizer"):
        assert prepare._token_counter(folder)(text) == len(CLIPTokenizer.from_pretrained(folder)(text).input_ids)


def test_tokens_are_counted_in_full_whatever_the_tokenizer_was_last_used_for(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(Path(registry.tiers().get("mini").backbone) / "tokenizer")
    tokenizer("a", padding="max_length", truncation=True, max_length=5)
    tokenizer.save_pretrained(tmp_path)
    count = prepare._token_counter(tmp_path)
    assert (count("a"), count("a " * 60)) == (3, 62)


# ------------------------------------------------------------------------------------------------ counting, examining


def test_parameters_are_counted_by_name_folder_and_hub_id(families: Path, cache: Path) -> None:
    """Stable Diffusion 2.1: 865,910,724 parameters; the same 32 matrices, from 1024 features instead of 768."""

    def counted(backbone: object) -> dict[str, Any]:
        code, said = bench("params", "--backbone", backbone, "-m", "lora", "--json")
        assert code == 0, said
        return {row["method"]: row for row in json.loads(said)}

    whole = counted("sd-2.1")
    assert whole["lora"]["unet_parameters"] == 865_910_724
    assert whole["(all K/V matrices)"]["parameters"] == 19_169_280 // 768 * 1024
    shutil.copytree(families / "sd2", snapshot(cache, "someone/model", COMMIT))
    assert counted("someone/model") == counted(families / "sd2") != whole


def test_doctor_says_which_known_backbones_are_there(families: Path, cache: Path) -> None:
    def examined() -> dict[str, doctor.Finding]:
        return {finding.name: finding for finding in doctor.models({})}

    found = examined()
    assert found["known backbones"].state == "note"
    assert "none of sd-1.4, sd-1.5, sd-2.1" in found["known backbones"].detail
    assert found["paper: backbone"].state == "missing"
    assert "'sd-1.4'" in found["paper: backbone"].detail
    shutil.copytree(families / "sd1", snapshot(cache, FIRST.repository, FIRST.revision))
    found = examined()
    assert found["known backbones"].state == "ready"
    assert found["known backbones"].detail.startswith("in the local hub cache: sd-1.4; not: sd-1.5")
    assert found["paper: backbone"].state == "ready"
    assert found["paper: backbone"].detail == "sd-1.4, 32 px, commit 133a221 in the local hub cache"
    assert not any(finding.fatal for finding in found.values())


# ------------------------------------------------------------------------------------------------- what was loaded


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_old_files_are_loaded_whole(families: Path, family: str) -> None:
    """Weights under the names of 2022, PNDM for DDIM: nothing is left at random, as a loader only warns of."""
    model = TextToImage.load(str(families / family), torch.device("cpu"))
    text = load_file(families / family / "text_encoder" / "model.safetensors")
    for name, tensor in model.text_encoders[0].state_dict().items():
        if not name.endswith("position_ids"):
            assert torch.equal(text[f"text_model.{name.removeprefix('text_model.')}"], tensor), name
    vae = load_file(families / family / "vae" / "diffusion_pytorch_model.safetensors")
    assert sorted(t.double().sum().item() for t in vae.values()) == sorted(
        t.double().sum().item() for t in model.vae.state_dict().values()
    )
    assert type(model.pipeline.scheduler).__name__ == "DDIMScheduler"
    assert model.readers[0].tokenizer.pad_token == ("!" if family == "sd2" else "<|endoftext|>")


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_the_loss_is_on_what_the_u_net_predicts(families: Path, family: str) -> None:
    """The noise, or v = sqrt(a) noise - sqrt(1 - a) x0 (Salimans and Ho, 2022, appendix D)."""
    model = TextToImage.load(str(families / family), torch.device("cpu"))
    draw = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 4, 16, 16, generator=draw) for _ in range(2))
    times = torch.tensor([10, 900])
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = (1 - betas).cumprod(0)[times].float().view(2, 1, 1, 1)
    with torch.no_grad():
        shown = model.encode_prompts(["a photo of a person"]).expand(2)
        found = model.denoising_errors(latents, noise, times, shown)
        predicted = model.denoiser(kept.sqrt() * latents + (1 - kept).sqrt() * noise, times, shown.features).sample
    target = noise if family == "sd1" else kept.sqrt() * noise - (1 - kept).sqrt() * latents
    torch.testing.assert_close(found, (predicted - target).square(), rtol=1e-3, atol=1e-4)
