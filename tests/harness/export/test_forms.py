"""LoRA files, kohya's files, embeddings and half precision: what other programs read, and that cards run as printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from diffusers.utils import convert_state_dict_to_kohya
from exported import by_diffusers, difference, drawn, load
from in_process import bench, refused
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from harness.backbones.layouts import PIPELINES
from harness.backbones.solvers import scheduler_of
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.export.diffusers_folder import export_pipeline
from harness.export.loading_code import Base, adapter_code, pipeline_code
from harness.export.lora_file import Factors, factors_of, write_kohya, write_lora
from harness.export.precision import rounded
from harness.spec import Sampling, Solver

FORMS = ("pipeline", "lora", "kohya", "embedding")


def exported(runs: Path, folder: Path, method: str, form: str, *more: object) -> dict[str, Any]:
    code, said = bench("export", runs, "-m", method, "--as", form, "-o", folder, "--json", *more)
    assert code == 0, said
    found: dict[str, Any] = json.loads(said[said.index("{\n") :])
    return found


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def run_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """What the code of a card draws, run beside its folder."""
    (code,) = re.findall(r"```python\n(.*?)```", card_of(folder), re.DOTALL)
    monkeypatch.chdir(folder.parent)
    exec(compile(code, "card", "exec"), {})
    return np.asarray(Image.open("image.png"))[None]


@pytest.fixture
def like_sd() -> Any:
    """A model of four projections, two of them small, as Stable Diffusion's are of 320 to 1280."""

    class Model:
        projections = dict.fromkeys(f"{place}.attn2.to_{kind}" for place in ("down.0", "up.1") for kind in "kv")

        def change(self, name: str) -> Tensor:
            rows = 6 if name.startswith("down") else 20
            return torch.randn(rows, 8, generator=torch.Generator().manual_seed(len(name) + rows))

    return Model()


# one rank for all


def test_all_factors_of_a_file_have_one_rank_and_are_the_change(like_sd: Any, tmp_path: Path) -> None:
    found = factors_of(like_sd, None)
    assert found.rank == 8
    assert found.error < 1e-6
    for name, up, down in found:
        assert up.shape[1] == down.shape[0] == 8
        torch.testing.assert_close(up @ down, like_sd.change(name), rtol=0, atol=1e-5)
    write_lora(found, tmp_path)
    ranks = {t.shape[0] for n, t in load_file(tmp_path / "pytorch_lora_weights.safetensors").items() if "lora_A" in n}
    assert ranks == {8}


def test_half_precision_states_what_it_rounds_away(like_sd: Any) -> None:
    found = factors_of(like_sd, None, torch.float16)
    assert 1e-5 < found.error < 1e-3
    assert {up.dtype for _, up, _ in found} == {torch.float16}
    with pytest.raises(UsageError, match=r"'x' has values that are not finite in float16; use --dtype float32\."):
        rounded(torch.tensor([1e6]), torch.float16, "x")


# kohya's


def test_kohyas_keys_are_what_diffusers_own_converter_makes(like_sd: Any, tmp_path: Path) -> None:
    found = factors_of(like_sd, None)
    write_lora(found, tmp_path)
    write_kohya(found, tmp_path / "k.safetensors")
    ours = load_file(tmp_path / "k.safetensors")
    theirs = convert_state_dict_to_kohya(load_file(tmp_path / "pytorch_lora_weights.safetensors"))
    assert ours.keys() == theirs.keys()
    assert "lora_unet_down_0_attn2_to_k.lora_down.weight" in ours
    assert all(torch.equal(ours[name], theirs[name].to(ours[name])) for name in ours)
    assert all(tensor.item() == found.rank for name, tensor in ours.items() if name.endswith(".alpha"))


@pytest.mark.parametrize(("width", "second"), [(768, "False"), (1024, "True")])
def test_kohyas_file_says_for_which_stable_diffusion_it_is(width: int, second: str, tmp_path: Path) -> None:
    factors = Factors({"a": torch.zeros(3, 1)}, {"a": torch.zeros(1, width)}, 1, 0.0)
    write_kohya(factors, tmp_path / "k.safetensors")
    with safe_open(tmp_path / "k.safetensors", "pt") as file:
        told = file.metadata()
    assert (told["ss_v2"], told["ss_network_dim"], told["ss_network_alpha"]) == (second, "1", "1.0")


@pytest.mark.parametrize("method", ["stamina", "cd"])
def test_kohyas_file_draws_the_same_on_the_base_model(
    method: str, runs: Path, tiny_models: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    told = exported(runs, tmp_path / "out", method, "kohya", "--name", "mine")
    assert told["tokens"] == ["<mine-v1>", "<mine-v2>"]
    assert sorted(path.name for path in (tmp_path / "out" / "embeddings").iterdir()) == [
        "mine-v1.safetensors", "mine-v2.safetensors",
    ]  # fmt: skip
    ours = drawn(runs, tmp_path / "images", "-m", method, "-p", "a photo of <v1> next to <v2>")
    pipeline = load(tiny_models / "sd")
    for name in ("mine-v1", "mine-v2"):
        pipeline.load_textual_inversion(tmp_path / "out" / "embeddings", weight_name=f"{name}.safetensors")
    prompt = "a photo of <mine-v1> next to <mine-v2>"
    assert difference(by_diffusers(pipeline, prompt, [0, 1, 2]), ours) > 1
    pipeline.load_lora_weights(tmp_path / "out", weight_name="mine.safetensors")
    assert difference(by_diffusers(pipeline, prompt, [0, 1, 2]), ours) <= 1
    said = card_of(tmp_path / "out")
    assert "<lora:mine:1> a photo of a mine-v2" in said
    assert "`a photo of a embedding:mine-v2" in said


# embeddings


def test_an_embedding_has_the_users_name(runs: Path, tmp_path: Path) -> None:
    assert exported(runs, tmp_path / "all", "ti++", "embedding")["tokens"] == ["<v1>", "<v2>"]
    assert exported(runs, tmp_path / "one", "ti++", "embedding", "--task", 1, "--name", "my-cat")["tokens"] == [
        "<my-cat>"
    ]
    (saved,) = load_file(tmp_path / "one" / "my-cat.safetensors").items()
    (first,) = load_file(tmp_path / "all" / "v1.safetensors").items()
    assert (saved[0], first[0]) == ("<my-cat>", "<v1>")
    assert saved[1].shape == (1, 128)
    assert torch.equal(saved[1], first[1])
    card = card_of(tmp_path / "one")
    assert r"# ti\+\+: 1 concept" in card
    assert "| `<my-cat>` |" in card
    assert "<v1>" not in card


# precision and cards


def test_half_a_pipeline_is_half_as_large_and_draws_the_same_picture(runs: Path, tmp_path: Path) -> None:
    sizes = []
    for dtype in ("float32", "float16"):
        exported(runs, tmp_path / dtype, "stamina", "pipeline", "--dtype", dtype)
        files = list((tmp_path / dtype).rglob("*.safetensors"))
        assert {t.dtype for file in files for t in load_file(file).values() if t.is_floating_point()} == {
            getattr(torch, dtype)
        }
        sizes.append(sum(file.stat().st_size for file in files))
    assert sizes[1] < 0.6 * sizes[0]
    half, whole = (
        by_diffusers(load(tmp_path / d), "a photo of a <v1>", [0]).astype(float) for d in ("float16", "float32")
    )
    assert np.abs(half - whole).mean() < 2.0


@pytest.mark.parametrize(("form", "method"), [(f, "ti++" if f == "embedding" else "stamina") for f in FORMS])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_cards_code_runs_as_printed_and_draws_what_generate_draws(
    form: str, method: str, dtype: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    exported(runs, tmp_path / "my export", method, form, "--dtype", dtype)
    image = run_card(tmp_path / "my export", monkeypatch)
    code, said = bench(
        "generate", runs, "-m", method, "-p", "a photo of a <v2>" + " person" * (method == "ti++"), "--seeds", 0, "-o",
        tmp_path / "images", "--device", "cpu",
    )  # fmt: skip
    assert code == 0, said
    ours = np.asarray(Image.open(next((tmp_path / "images").glob("*.png"))))[None]
    most, mean = difference(image, ours), float(np.abs(image.astype(float) - ours).mean())
    assert most <= 1 if dtype == "float32" else mean < 2.0


@pytest.mark.parametrize("solver", ["dpmpp", "unipc"])
def test_exports_and_cards_sample_as_the_run_did(solver: Solver, tiny_models: Path, tmp_path: Path) -> None:
    model, prompt = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu")), "a photo of a person"
    sampling = Sampling(solver=solver, steps=3, guidance_scale=2.0)
    ours = model.generate(prompt, [0], sampling)
    kind = "StableDiffusionPipeline"
    code = adapter_code(
        kind, model.texts, Base(str(tiny_models / "sd")), "none", scheduler_of(solver, model.pipeline.scheduler),
        prompt, sampling, lora=None, embeddings="", names=[],
    )  # fmt: skip
    assert " eta=" not in code
    export_pipeline(model, {}, tmp_path / "whole", solver=solver)
    for text in (code, pipeline_code(kind, model.texts, str(tmp_path / "whole"), prompt, sampling)):
        known: dict[str, Any] = {}
        exec(compile(text.replace('image.save("image.png")', ""), "card", "exec"), known)
        assert difference(np.asarray(known["image"])[None], ours) <= 1


def test_cards_ask_a_pipeline_for_the_image_alone() -> None:
    """Where further packages are installed, cleaning drops a custom token as a tag, and a watermark is added."""
    sampling = Sampling(steps=3)
    cards = {}
    for kind in ("StableDiffusionXLPipeline", "PixArtAlphaPipeline", "StableDiffusion3Pipeline"):
        texts = PIPELINES[kind].texts
        scheduler = DDIMScheduler()
        adapter = adapter_code(kind, texts, Base("base"), "out", scheduler, "a <v1>", sampling, lora="l", embeddings="",
                               names=["v1"])  # fmt: skip
        cards[kind] = (pipeline_code(kind, texts, "out", "a <v1>", sampling), adapter)
    assert all("add_watermarker=False" in card for card in cards["StableDiffusionXLPipeline"])
    assert all("clean_caption=False" in card for card in cards["PixArtAlphaPipeline"])
    # an export's tokenizers are whole; the base model's may need a package to be read
    assert "sentencepiece protobuf" in cards["PixArtAlphaPipeline"][1]
    assert "sentencepiece protobuf peft" in cards["StableDiffusion3Pipeline"][1]
    assert "sentencepiece" not in cards["StableDiffusionXLPipeline"][1] + cards["PixArtAlphaPipeline"][0]


def test_generate_draws_with_another_solver_than_the_runs(runs: Path, tmp_path: Path) -> None:
    other = drawn(runs, tmp_path / "other", "-m", "stamina", "-p", "a <v1>", "--solver", "unipc", "--steps", 4)
    same = drawn(runs, tmp_path / "same", "-m", "stamina", "-p", "a <v1>", "--solver", "ddim", "--steps", 4)
    assert difference(other, same) > 1
    told = json.loads((tmp_path / "other" / "prompt.json").read_text())["sampling"]
    assert (told["solver"], told["steps"], told["eta"]) == ("unipc", 4, 0.0)


# what cannot be


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stamina", "--as", "embedding"], ["'stamina", "not what it learnt", "--as lora, --as kohya or"]),
        (["ub", "--as", "embedding"], ["changed weights"]),
        (["ti++", "--as", "kohya"], ["changed no weights", "--as embedding"]),
        (["ti++", "--as", "embedding", "--rank", "2"], ["--rank", "--as kohya"]),
        (["stamina", "--as", "lora", "--name", "mine"], ["--name", "leave it out with --as lora"]),
        (["stamina", "--name", "mine"], ["--name", "--as pipeline"]),
        (["stamina", "--as", "kohya", "--name", "My Cat"], ["'My Cat'", "lower-case", "my-cat"]),
        (["ti++", "--as", "embedding", "--name", "person"], ["'person' is a word", "my-person"]),
        (["stamina", "--dtype", "int8"], ["'int8'"]),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], words: list[str], runs: Path, tmp_path: Path) -> None:
    method, *rest = arguments
    refused(bench("export", runs, "-m", method, *rest, "-o", tmp_path / "out"), *words)
    assert not list(tmp_path.iterdir())
