"""Stable Diffusion XL, PixArt and Stable Diffusion 3: what is read, added, predicted and trained, held against others.

Whole runs, exports and files are in `tests/harness/test_families.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_process import bench
from safetensors.torch import load_file, save_file
from scipy import stats
from tiny_models import LATER, make_tiny_families, put
from torch import Tensor

from harness.backbones.architecture import blueprint
from harness.backbones.flops import count
from harness.backbones.noise import RectifiedFlow
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.settings.customization.parameters import count_parameters
from harness.spec import Sampling
from methods import parts

PROMPTS = ["a photo of a person", "a photo of a waterfall at night"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module", params=LATER)
def model(request: pytest.FixtureRequest, home: Path) -> TextToImage:
    return TextToImage.load(str(home / request.param), torch.device("cpu"))


@pytest.fixture(autouse=True)
def as_loaded(request: pytest.FixtureRequest) -> None:
    if "model" in request.fixturenames:
        request.getfixturevalue("model").reset()


def named(home: Path, name: str) -> TextToImage:
    return TextToImage.load(str(home / name), torch.device("cpu"))


def test_prompts_are_read_as_the_pipeline_reads_them(model: TextToImage) -> None:
    with torch.no_grad():
        ours, nothing = model.encode_prompts(PROMPTS), model.family.without_prompt(model.readers)
        if model.layout.name == "pixart":
            theirs = model.pipeline.encode_prompt(PROMPTS, negative_prompt="")
            features, mask, empty, empty_mask = theirs
            assert ours.mask is not None
            assert nothing.mask is not None
            assert torch.equal(ours.mask, mask)
            assert torch.equal(nothing.mask, empty_mask[:1])
        elif model.layout.name == "sdxl":
            features, empty, pooled, empty_pooled = model.pipeline.encode_prompt(PROMPTS)
            assert float(empty.abs().sum()) == 0.0  # by the pipeline's word
        else:
            features, empty, pooled, empty_pooled = model.pipeline.encode_prompt(PROMPTS, None, None)
    torch.testing.assert_close(ours.features, features)
    torch.testing.assert_close(nothing.features, empty[:1])
    if model.layout.name != "pixart":
        torch.testing.assert_close(ours.pooled, pooled)
        torch.testing.assert_close(nothing.pooled, empty_pooled[:1])


def test_a_token_has_a_part_in_every_text_encoder(model: TextToImage) -> None:
    plain = model.encode_prompts(PROMPTS)
    start = torch.randn(model.token_dim, generator=torch.Generator().manual_seed(0))
    assert len(model.token_widths) == len(model.text_encoders)
    for number, width in enumerate(model.token_widths):
        embedding = start.clone().requires_grad_(True)
        model.set_token("<v1>", embedding)
        found = model.encode_prompts(["a photo of a <v1> person"])
        outputs = [found.features] if found.pooled is None else [found.features, found.pooled]
        sum(each.square().sum() for each in outputs).backward()
        assert embedding.grad is not None
        (place,) = [slice(s, s + width) for n, s in enumerate(starts(model.token_widths)) if n == number]
        assert float(embedding.grad[place].norm()) > 0, number
    again = model.encode_prompts(PROMPTS)
    assert torch.equal(again.features, plain.features)
    table = model.readers[0].table
    model.set_category("person")
    category = model.token_start("category")
    ids = model.readers[0].tokenizer("person", add_special_tokens=False).input_ids
    assert torch.allclose(category[: table.shape[1]], table[torch.tensor(ids)].mean(0))
    assert model.token_start("random").shape == (model.token_dim,)


def starts(widths: tuple[int, ...]) -> list[int]:
    return [sum(widths[:number]) for number in range(len(widths))]


@pytest.mark.parametrize("kind", ["free", "mlp"])
def test_every_part_of_a_token_begins_at_its_own_encoders_scale(model: TextToImage, kind: Any) -> None:
    token = parts.new_token(model, kind, "random", 16, torch.Generator().manual_seed(0))
    started = token().detach().split(model.token_widths)
    for number, part in enumerate(started):
        assert 0.4 < float(part.std()) / model.token_scale(number) < 2.5, number
    trained = {name for name, p in token.named_parameters() if p.requires_grad}
    assert len(trained) == {"free": 1, "mlp": 4}[kind] * len(model.token_widths)


def test_an_embedding_of_another_width_is_an_error(model: TextToImage) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        model.set_token("<v1>", torch.zeros(model.token_dim + 1))


@pytest.mark.parametrize("name", ["sdxl", "sd3"])
def test_a_custom_token_is_not_taken_for_the_end_of_a_prompt(home: Path, name: str) -> None:
    """Configurations of the hub say that a prompt's end is its largest id, and a new token's is larger."""
    model = named(home, name)
    reader = model.readers[1]
    assert reader.encoder.config.eos_token_id == 2  # type: ignore[union-attr]
    model.set_token("<v1>", torch.cat([r.mean_embedding("person") for r in model.readers]))
    with torch.no_grad():
        word, token = (model.encode_prompts([f"a photo of a {w}"]).pooled for w in ("person", "<v1>"))
    assert len(reader.tokenizer("person", add_special_tokens=False).input_ids) == 1
    torch.testing.assert_close(token, word)  # the same embedding, so the same whole


def test_t5s_custom_tokens_have_ids_beyond_its_table(home: Path) -> None:
    model = named(home, "pixart")
    (reader,) = model.readers
    assert reader.vocabulary == len(reader.tokenizer) + 8
    assert reader.token_id("<v1>") == reader.vocabulary
    assert reader.token_id("<v2>") == reader.vocabulary + 1
    assert len(reader.tokenizer) < reader.vocabulary  # the tokenizer's own ids lie within the table
    model.set_token("<v1>", torch.ones(model.token_dim))
    ids, mask = reader.ids(["a photo of a <v1>", "a photo of a <v2>"])
    assert ids.shape == mask.shape == (2, 120)
    assert int((ids == reader.vocabulary).sum()) == int((ids == reader.vocabulary + 1).sum()) == 1
    assert int(mask.sum(dim=1)[0]) == int((ids[0] != 0).sum())


def test_pixart_reads_category_words_in_lower_case_wherever_they_are_read(home: Path) -> None:
    model = named(home, "pixart")
    starts_, words = [], []
    for category in ("person", "Person"):
        model.set_category(category)
        starts_.append(model.token_start("category"))
        with torch.no_grad():
            words.append(model.text_inputs([f"a photo of a {category}"], words_only=True)[0])
    assert torch.equal(*starts_)
    assert torch.equal(*words)


def test_what_is_adapted_are_the_keys_and_values_of_the_text(home: Path) -> None:
    for name, ends in {"sdxl": ("attn2.to_k", "attn2.to_v"), "pixart": ("attn2.to_k", "attn2.to_v"),
                       "sd3": ("attn.add_k_proj", "attn.add_v_proj")}.items():  # fmt: skip
        model = named(home, name)
        assert len(model.projections) > 1
        assert all(projection.endswith(ends) for projection in model.projections), name
    blocks = [m for m in named(home, "sd3").denoiser.modules() if getattr(m, "attn2", None) is not None]
    assert len(blocks) == 1  # whose second attention is the image's alone, and left as it is


@pytest.mark.parametrize(
    ("kind", "told", "length"),
    [("PixArtAlphaPipeline", True, 120), ("PixArtSigmaPipeline", False, 300)],
)
def test_pixarts_larger_models_draw_what_their_pipelines_draw(
    home: Path, tmp_path: Path, kind: str, told: bool, length: int
) -> None:
    """Alpha's model of 1024 px is told an image's size and shape; Sigma is not, and reads longer prompts."""
    from diffusers import PixArtTransformer2DModel

    folder = shutil.copytree(home / "pixart", tmp_path / "pixart")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformer = PixArtTransformer2DModel(
            num_attention_heads=2, attention_head_dim=24, in_channels=4, out_channels=8, num_layers=1,
            sample_size=128, cross_attention_dim=48, caption_channels=32, patch_size=16,
            use_additional_conditions=told,
        )  # fmt: skip
    shutil.rmtree(folder / "transformer")
    transformer.save_pretrained(folder / "transformer")
    index = json.loads((folder / "model_index.json").read_text())
    put(folder / "model_index.json", {**index, "_class_name": kind})
    model = TextToImage.load(str(folder), torch.device("cpu"))
    assert model.readers[0].length == length
    ours = model.generate(PROMPTS[0], [3], Sampling(steps=2, guidance_scale=5.0, eta=0.0))
    theirs = model.pipeline(
        PROMPTS[0], num_inference_steps=2, guidance_scale=5.0, generator=torch.Generator().manual_seed(3),
        output_type="np", use_resolution_binning=False, clean_caption=False,
    ).images  # fmt: skip
    assert np.abs(ours.astype(int) - (theirs * 255).round().astype(int)).max() <= 1
    seen: list[Any] = []
    model.denoiser.register_forward_pre_hook(
        lambda module, args, given: seen.append(given["added_cond_kwargs"]), with_kwargs=True
    )
    latents, noise, times = material(model)
    with torch.no_grad():
        model.predict(latents, noise, times, model.encode_prompts(PROMPTS))
    (conditions,) = seen
    assert (conditions["resolution"] is not None) == told
    if told:
        assert conditions["resolution"].tolist() == [[256.0, 256.0]] * 2
        assert conditions["aspect_ratio"].tolist() == [[1.0]] * 2


# --- the loss --------------------------------------------------------------------------------------------------------


def material(model: TextToImage) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (2, *model.latent_shape)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator), torch.tensor([30, 700])


def test_xls_loss_is_of_the_noise_under_the_images_own_size(home: Path) -> None:
    model = named(home, "sdxl")
    latents, noise, times = material(model)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=np.float64) ** 2
    kept = torch.from_numpy(np.cumprod(1 - betas)[times.numpy()]).float().view(2, 1, 1, 1)
    with torch.no_grad():
        text = model.encode_prompts(PROMPTS)
        size = torch.tensor([[32.0, 32.0, 0.0, 0.0, 32.0, 32.0]]).expand(2, -1)
        told = {"text_embeds": text.pooled, "time_ids": size}
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        predicted = model.pipeline.unet(noisy, times, text.features, added_cond_kwargs=told).sample
        found = model.denoising_errors(latents, noise, times, text)
    torch.testing.assert_close(found, (predicted - noise).square(), rtol=1e-3, atol=1e-4)


def test_pixarts_loss_leaves_the_variance_out(home: Path) -> None:
    model = named(home, "pixart")
    latents, noise, times = material(model)
    betas = np.linspace(0.0001, 0.02, 1000, dtype=np.float64)
    kept = torch.from_numpy(np.cumprod(1 - betas)[times.numpy()]).float().view(2, 1, 1, 1)
    with torch.no_grad():
        text = model.encode_prompts(PROMPTS)
        both = model.pipeline.transformer(
            kept.sqrt() * latents + (1 - kept).sqrt() * noise, encoder_hidden_states=text.features,
            encoder_attention_mask=text.mask, timestep=times,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample  # fmt: skip
        found = model.denoising_errors(latents, noise, times, text)
    assert both.shape[1] == 2 * latents.shape[1]
    torch.testing.assert_close(found, (both.chunk(2, dim=1)[0] - noise).square(), rtol=1e-3, atol=1e-4)


def test_a_flows_loss_is_of_the_velocity_on_a_straight_line(home: Path) -> None:
    model = named(home, "sd3")
    latents, noise, times = material(model)
    places = (1000 - times.numpy()).astype(np.float64) / 1000  # the schedule begins at the noise
    sigma = torch.from_numpy(3.0 * places / (1 + 2.0 * places)).float().view(2, 1, 1, 1)  # shifted by 3
    with torch.no_grad():
        text = model.encode_prompts(PROMPTS)
        predicted = model.pipeline.transformer(
            hidden_states=(1 - sigma) * latents + sigma * noise, timestep=1000 * sigma.flatten(),
            encoder_hidden_states=text.features, pooled_projections=text.pooled,
        ).sample  # fmt: skip
        found = model.denoising_errors(latents, noise, times, text)
    torch.testing.assert_close(found, (predicted - (noise - latents)).square(), rtol=1e-3, atol=1e-4)


def test_a_flows_times_are_logit_normal() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    flow = RectifiedFlow(scheduler)
    scheduler.set_timesteps(4)  # sampling leaves the training's schedule alone
    times = flow.draw_times(20_000, torch.Generator().manual_seed(0))
    assert times.dtype == torch.int64
    assert 0 <= int(times.min()) <= int(times.max()) <= 999
    logits = torch.logit((times.double() + 0.5) / 1000).numpy()
    assert stats.kstest(logits, "norm").pvalue > 1e-3
    told = flow.told(torch.tensor([0, 999]))
    assert float(told[0]) == 1000.0
    assert 0 < float(told[1]) < 4


def test_sampling_leaves_the_trainings_noise_as_it_was(home: Path) -> None:
    model = named(home, "sd3")
    latents, noise, times = material(model)
    before = model.noise.noisy(latents, noise, times)
    model.generate(PROMPTS[0], [1], Sampling(solver="euler", steps=2))
    assert torch.equal(model.noise.noisy(latents, noise, times), before)


@pytest.mark.parametrize("name", ["sd1", "sdxl", "pixart", "sd3"])
def test_gradient_checkpointing_gives_the_same_gradients_by_a_second_pass(home: Path, name: str) -> None:
    found: dict[bool, list[Tensor]] = {}
    passes: dict[bool, int] = {}
    for again in (False, True):
        model = TextToImage.load(str(home / name), torch.device("cpu"), gradient_checkpointing=again)
        latents, noise, times = material(model)
        embedding = torch.full((model.token_dim,), 0.1, requires_grad=True)
        model.set_token("<v1>", embedding)
        first = next(iter(model.projections.values()))
        seen: list[int] = []
        first.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(1))
        adapted = [p.weight.clone().requires_grad_(True) for p in model.projections.values()]
        for projection, weight in zip(model.projections.values(), adapted, strict=True):
            projection.adapted = weight
        text = model.encode_prompts(["a photo of a <v1> person"]).expand(2)
        model.denoising_errors(latents, noise, times, text).mean().backward()
        found[again] = [weight.grad for weight in (*adapted, embedding) if weight.grad is not None]
        passes[again] = len(seen)
    assert passes == {False: 1, True: 2}
    assert len(found[True]) == len(found[False]) == len(adapted) + 1
    assert all(torch.equal(one, other) for one, other in zip(found[False], found[True], strict=True))


# --- precision and lengths -------------------------------------------------------------------------------------------


def test_xls_vae_does_not_overflow_in_float16(home: Path, tmp_path: Path) -> None:
    """As diffusers has it, where the configuration says force_upcast; its images would be black without a word."""
    folder = shutil.copytree(home / "sdxl", tmp_path / "sdxl")
    weights = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    for name in ("decoder.conv_in.weight", "encoder.conv_in.weight"):
        weights[name] *= 3e4  # norms divide it out again
    save_file(weights, folder / "vae" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    latents = 9 * torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    exact, half = (TextToImage.load(str(folder), torch.device("cpu"), d) for d in (torch.float32, torch.float16))
    drawn, same = exact.decode_latents(latents).astype(int), half.decode_latents(latents).astype(int)
    assert drawn.std() > 1
    assert np.abs(drawn - same).max() <= 4
    torch.testing.assert_close(half.posterior(images).mean, exact.posterior(images).mean, rtol=0.05, atol=0.05)
    assert next(half.denoiser.parameters()).dtype is torch.float16


def test_t5_keeps_in_float32_what_overflows_in_float16(home: Path) -> None:
    for name in ("pixart", "sd3"):
        model = TextToImage.load(str(home / name), torch.device("cpu"), torch.float16)
        kinds = {key.endswith(".wo.weight"): p.dtype for key, p in model.text_encoders[-1].named_parameters()}
        assert kinds == {True: torch.float32, False: torch.float16}
        assert model.encode_prompts(PROMPTS).features.dtype is torch.float16


def test_a_tokenizer_that_names_no_length_gives_as_many_tokens_as_its_encoder_reads(home: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(home / "sdxl", tmp_path / "sdxl")
    path = folder / "tokenizer_2" / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["model_max_length"]
    path.write_text(json.dumps(settings))
    model = TextToImage.load(str(folder), torch.device("cpu"))
    assert [reader.length for reader in model.readers] == [77, 77]
    with torch.no_grad():
        found, plain = model.encode_prompts(PROMPTS), named(home, "sdxl").encode_prompts(PROMPTS)
    assert torch.equal(found.features, plain.features)


# --- methods' own needs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sdxl", "pixart"])
def test_projections_are_given_the_features_that_are_said(home: Path, name: str) -> None:
    model = named(home, name)
    seen: list[Tensor] = []
    hooks = [p.register_forward_pre_hook(lambda m, given: seen.append(given[0])) for p in model.projections.values()]
    latents, noise, times = material(model)
    with torch.no_grad():
        text = model.encode_prompts(PROMPTS)
        model.predict(latents, noise, times, text)
        said, words = model.text_inputs(PROMPTS), model.text_inputs(PROMPTS, words_only=True)
    for hook in hooks:
        hook.remove()
    assert model.shares_text
    assert len(seen) == len(model.projections)
    for given in seen:
        for row, mine, places in zip(given, said, words, strict=True):
            torch.testing.assert_close(row[: len(mine)], mine)
            assert len(places) < len(mine) or text.mask is not None


def test_in_stable_diffusion_3_layers_see_different_features(home: Path) -> None:
    model = named(home, "sd3")
    assert not model.shares_text
    with pytest.raises(UsageError, match="every layer sees other features of a prompt"):
        model.text_inputs(PROMPTS)


def test_inputs_that_change_from_layer_to_layer_are_found_by_a_pass(home: Path) -> None:
    """`inf-lora` of Stable Diffusion 3: moments of what each block's keys and values were given."""
    from harness.settings.customization.task_data import Lesson

    model = named(home, "sd3")
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    lesson = Lesson(model, images, model.posterior(images), "<v1>", "person", category_word=True)
    model.set_token("<v1>", torch.zeros(model.token_dim))
    seen: dict[str, list[np.ndarray[Any, Any]]] = {}

    def watch(name: str) -> Any:
        return lambda module, given: seen.setdefault(name, []).append(given[0].flatten(0, 1).double().numpy())

    hooks = [p.register_forward_pre_hook(watch(name)) for name, p in model.projections.items()]
    found = parts.input_moments(lesson, torch.Generator().manual_seed(0))
    for hook in hooks:
        hook.remove()
    assert sorted(found) == ["transformer_blocks.0.attn", "transformer_blocks.1.attn"]
    for place, moment in found.items():
        (rows,) = seen[f"{place}.add_k_proj"]
        np.testing.assert_allclose(moment.numpy(), rows.T @ rows / len(rows), rtol=1e-10)


# --- counts ----------------------------------------------------------------------------------------------------------

# U-Net or transformer; text encoders; VAE: of the published checkpoints
SIZES = {
    "sdxl": (2_567_463_684, (123_060_480, 694_659_840), 83_653_863),
    "pixart-alpha": (610_856_096, (4_762_310_656,), 83_653_863),
    "sd-3.5-medium": (2_243_171_520, (123_650_304, 694_659_840, 4_762_310_656), 83_819_683),
}


@pytest.mark.parametrize("name", SIZES)
def test_named_backbones_are_counted_by_their_true_architecture(name: str) -> None:
    denoiser, encoders, vae = SIZES[name]
    found = count(blueprint(name), ["half"])
    names = ["text_encoder", "text_encoder_2", "text_encoder_3"][: len(encoders)]
    assert found.parameters == {"unet": denoiser, **dict(zip(names, encoders, strict=True)), "vae": vae}
    assert set(found.flop) == {"unet", "unet_train", "unet_again", "text", "text_train", "encode", "decode"}
    assert found.flop["unet_train"] < found.flop["unet_again"] < found.flop["unet_train"] + found.flop["unet"]
    assert found.memory["half"]["unet_again"] < found.memory["half"]["unet_train"] / 2
    assert found.token_dim == sum(found.token_widths)


def test_parameters_are_a_share_of_what_the_backbone_has(home: Path) -> None:
    """By its name: a U-Net, or a transformer."""
    for name, noun in (("sdxl", "U-Net"), ("pixart", "transformer"), ("sd3", "transformer")):
        code, said = bench("params", "--backbone", home / name, "-m", "ti++")
        assert code == 0, said
        assert f"in % of the {noun} of" in " ".join(said.split())


def test_pixart_as_the_hub_has_it_is_counted(home: Path, tmp_path: Path) -> None:
    """Its configuration is one of diffusers' general transformer, which has settings that PixArt's own lacks."""
    folder = shutil.copytree(home / "pixart", tmp_path / "pixart")
    path = folder / "transformer" / "config.json"
    settings = json.loads(path.read_text())
    for name in ("use_additional_conditions", "interpolation_scale"):
        del settings[name]
    settings |= {
        "_class_name": "Transformer2DModel", "double_self_attention": False, "num_vector_embeds": None,
        "only_cross_attention": False, "use_linear_projection": False,
    }  # fmt: skip
    path.write_text(json.dumps(settings))
    index = json.loads((folder / "model_index.json").read_text())
    put(folder / "model_index.json", {**index, "transformer": ["diffusers", "Transformer2DModel"]})
    general, own = blueprint(str(folder)), blueprint(str(home / "pixart"))
    assert general.digest == own.digest
    assert count(general, ["half"]) == count(own, ["half"])
    assert count_parameters(str(folder), "ti++") == count_parameters(str(home / "pixart"), "ti++")
    with torch.no_grad():
        loaded = TextToImage.load(str(folder), torch.device("cpu"))
    assert type(loaded.denoiser).__name__ == "PixArtTransformer2DModel"


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


# matrices (rows, columns) and how many; widths of a token's parts
MATRICES = {
    "sdxl": ([(640, 2048, 20), (1280, 2048, 120)], (768, 1280)),
    "pixart-alpha": ([(1152, 1152, 56)], (4096,)),
    "sd-3.5-medium": ([(1536, 1536, 48)], (768, 1280, 4096)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_what_a_task_trains_on_each_by_hand(name: str) -> None:
    matrices, widths = MATRICES[name]
    rank = 16
    lora = sum(n * (rows * rank + rank * columns) for rows, columns, n in matrices)
    masks = sum(n * (linear(columns, rank) + linear(rank, rows)) for rows, columns, n in matrices)
    token = sum(linear(width, rank) + linear(rank, width) for width in widths)
    found = {row["method"]: row["parameters"] for row in count_parameters(name, "stamina,clora,ti++,cd")}
    assert found["stamina"] == lora + masks + token
    assert found["clora"] == lora + sum(widths)
    assert found["ti++"] == token
    assert found["cd"] == sum(n * rows * columns for rows, columns, n in matrices) + sum(widths)
