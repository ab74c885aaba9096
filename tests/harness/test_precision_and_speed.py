"""What a GPU run leans on, tried on a CPU: half precision, cached posteriors, batched prompts, one compiled graph."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.backbones import adapters as adaptables
from harness.backbones import text_to_image
from harness.backbones.adapters import adaptable
from harness.backbones.oom import forget_peak, peak
from harness.backbones.posterior import Posterior
from harness.backbones.random import seeded_by, uniform
from harness.backbones.text_to_image import TextToImage
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task
from harness.spec import Sampling
from harness.store.checkpoint import Checkpoint
from methods.clora import CLoRA
from methods.custom_diffusion import CustomDiffusion
from methods.custom_diffusion_ewc import CustomDiffusionEWC
from methods.stamina import Stamina
from methods.textual_inversion import TextualInversionPlusPlus

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
PLAIN: dict[str, Any] = {"prior_images": 0, "augment": False}  # batches of the concept's own images
SAMPLING = Sampling(images=3, steps=2, guidance_scale=2.0, eta=0.0, batch_size=3)


def load(tiny_models: Path, dtype: torch.dtype = torch.float32) -> TextToImage:
    return TextToImage.load(str(tiny_models / "sd"), CPU, dtype)


def teach(model: TextToImage, method: Any, token: str = "<v1>", checkpoint: Checkpoint | None = None) -> TrainedTask:
    lesson = Lesson(model, IMAGES, model.posterior(IMAGES), token, "person", method.options.category_word)
    return train_task(method, lesson, 0, token, checkpoint)


# ---------------------------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_learns_what_float32_learns(tiny_models: Path, dtype: torch.dtype) -> None:
    """Residuals of a few steps point the same way; all that is stacked over tasks is float32."""
    changes = []
    for kind in (torch.float32, dtype):
        model = load(tiny_models, kind)
        teach(model, CLoRA(CLoRA.options_class(steps=5, learning_rate=1e-2, token_learning_rate=1e-2, **PLAIN)))
        assert {p.weight.dtype for p in model.projections.values()} == {torch.float32}
        assert {p.dtype for p in model.vae.parameters()} == {kind}
        changes.append(torch.cat([model.change(name).flatten() for name in model.projections]))
    full, half = changes
    assert half.norm() == pytest.approx(float(full.norm()), rel=0.1)
    assert torch.cosine_similarity(full, half, dim=0) > 0.9


def test_float16s_loss_is_scaled_and_the_scale_resumed(tiny_models: Path, tmp_path: Path) -> None:
    """Without the scale, resumed steps would differ; with it they are the steps of a training never stopped."""
    options = Stamina.options_class(steps=4, batch_size=2, learning_rate=1e-2, **PLAIN)
    whole = teach(load(tiny_models, torch.float16), Stamina(options))

    class Stop(Exception):
        pass

    class Twice(Checkpoint):
        """Due at every step; stops the training after the second."""

        written = 0

        def due(self) -> bool:
            return True

        def write(self, *given: Any) -> None:
            super().write(*given)
            self.written += 1
            if self.written == 2:
                raise Stop

    with pytest.raises(Stop):
        teach(load(tiny_models, torch.float16), Stamina(options), checkpoint=Twice(tmp_path / "c"))
    kept = Checkpoint(tmp_path / "c").read()
    assert kept is not None
    assert kept[0]["scaler.scale"].item() > 1
    assert kept[1]["step"] == 2
    resumed = teach(load(tiny_models, torch.float16), Stamina(options), checkpoint=Checkpoint(tmp_path / "c"))
    assert torch.equal(resumed.token, whole.token)
    assert resumed.layer_distance == whole.layer_distance


def test_a_small_residual_survives_beside_a_half_precision_model(tiny_models: Path) -> None:
    """2^-12 of a weight is below bfloat16's resolution (2^-9)."""
    model = load(tiny_models, torch.bfloat16)
    name, projection = next(iter(model.projections.items()))
    before = projection(torch.ones(1, projection.in_features, dtype=torch.bfloat16))
    model.load_weights({name: projection.weight * (1 + 2**-12)})
    assert model.change(name).norm() == pytest.approx(2**-12 * float(model.initial[name].norm()), rel=1e-2)
    after = projection(torch.ones(1, projection.in_features, dtype=torch.bfloat16))
    assert before.dtype == after.dtype == torch.bfloat16


# ------------------------------------------------------------------------------------------------- latents, cached once


@pytest.fixture(scope="module")
def vae() -> nn.Module:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    made: nn.Module = AutoencoderKL(
        block_out_channels=(8, 8), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4, latent_channels=4, scaling_factor=0.18215,
    ).eval()  # fmt: skip
    return made


def test_the_posterior_is_the_encoders_and_is_drawn_anew(tiny_models: Path, vae: Any) -> None:
    model = load(tiny_models)
    model.vae, model._scaling_factor = vae, 0.18215
    found = model.posterior(IMAGES)
    assert found.spread is not None
    with torch.no_grad():
        pixels = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255 * 2 - 1
        truth = vae.encode(pixels).latent_dist
    torch.testing.assert_close(found.mean, 0.18215 * truth.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.spread, 0.18215 * truth.std, rtol=1e-4, atol=1e-5)

    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([found.draw(torch.tensor([2, 0]), generator) for _ in range(400)]).double()
    for row, image in enumerate((2, 0)):
        errors = (draws[:, row] - found.mean[image]) / found.spread[image]
        assert errors.mean().abs() < 0.02  # of 400 x 256 standard normal numbers: 6 of its standard deviations
        assert errors.var() == pytest.approx(1, abs=0.03)
    assert not torch.equal(draws[0], draws[1])


def test_every_batch_is_drawn_from_the_posterior(tiny_models: Path, vae: Any) -> None:
    """A training's latents differ at every step, also where the same image is chosen; a VAE without spread repeats."""
    model = load(tiny_models)
    lesson = Lesson(model, IMAGES[:1], model.posterior(IMAGES[:1]), "<v1>", "person", True)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(lesson.plain(2, generator).latents, lesson.latents.mean.expand(2, -1, -1, -1))
    model.vae = vae
    lesson = Lesson(
        model, IMAGES[:1], model.posterior(IMAGES[:1]), "<v1>", "person", True, prior=model.posterior(IMAGES)
    )
    method = CustomDiffusion(CustomDiffusion.options_class(batch_size=2, prior_images=4, augment=False))
    drawn = [method.batch(lesson, generator).latents for _ in range(2)]
    assert len({tuple(image.flatten().tolist()) for batch in drawn for image in batch}) == 8


def test_a_large_image_is_encoded_and_decoded_in_parts(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(tiny_models)
    whole, seen = model.posterior(IMAGES), []
    monkeypatch.setattr("harness.backbones.architecture.PIXELS_AT_ONCE", 3 * 16**2)
    model.vae.register_forward_pre_hook(lambda *given: None)
    encode, decode = model.vae.encode, model.vae.decode
    monkeypatch.setattr(model.vae, "encode", lambda x: seen.append(len(x)) or encode(x))
    monkeypatch.setattr(model.vae, "decode", lambda x: seen.append(len(x)) or decode(x))
    parts = model.posterior(IMAGES)
    torch.testing.assert_close(parts.mean, whole.mean)
    model.decode_latents(parts.mean)
    assert seen == [3, 1, 3, 1]


# ---------------------------------------------------------------------------------------------------------- randomness


def test_random_numbers_on_the_cpu_are_the_generators_own() -> None:
    one, two = (torch.Generator().manual_seed(3) for _ in range(2))
    assert torch.equal(uniform(torch.Size((2, 5)), CPU, one), torch.rand(2, 5, generator=two))
    assert torch.equal(one.get_state(), two.get_state())


def test_a_devices_generator_follows_from_the_cpus_state() -> None:
    """So a checkpoint that keeps the CPU's generator keeps the device's draws as well."""
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()
    first, second = (torch.rand(6, generator=seeded_by(generator, CPU)) for _ in range(2))
    assert not torch.equal(first, second)
    generator.set_state(state)
    again = [torch.rand(6, generator=seeded_by(generator, CPU)) for _ in range(2)]
    assert torch.equal(again[0], first)
    assert torch.equal(again[1], second)


# ------------------------------------------------------------------------------------------------------------- sampling


def test_a_text_shown_to_a_whole_batch_is_projected_once_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    projection = adaptable(nn.Linear(6, 5, bias=False).double())
    text = torch.randn(1, 3, 6, dtype=torch.float64, requires_grad=True)
    each = text.repeat(4, 1, 1)
    weights = torch.randn(4, 3, 5, dtype=torch.float64)
    rows: list[int] = []
    real = adaptables.linear

    def counting(given: torch.Tensor, *rest: Any) -> torch.Tensor:
        rows.append(len(given))
        return real(given, *rest)

    monkeypatch.setattr(adaptables, "linear", counting)
    found = [
        torch.autograd.grad((projection(shown) * weights).sum(), (text, projection.weight))
        for shown in (text.expand(4, -1, -1), each)
    ]
    assert rows == [1, 4]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_while_sampling_a_text_is_projected_once(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))
    sampling = Sampling(images=3, steps=5, guidance_scale=2.0, eta=0.0, batch_size=2)
    calls: list[int] = []
    real = adaptables.linear
    monkeypatch.setattr(adaptables, "linear", lambda *given: calls.append(1) or real(*given))  # type: ignore[func-returns-value]
    images = model.generate("a photo of a dog", [1, 2, 3], sampling)
    assert len(calls) == 2 * len(model.projections)  # two batches, of two images and of one
    assert all(projection.known is None for projection in model.projections.values())
    monkeypatch.setattr(text_to_image, "same_text", lambda projections: nullcontext())
    np.testing.assert_array_equal(images, model.generate("a photo of a dog", [1, 2, 3], sampling))
    assert len(calls) == 2 * len(model.projections) * (1 + sampling.steps)


def test_prompts_share_a_batch_and_each_image_is_its_own(tiny_models: Path) -> None:
    model = load(tiny_models)
    model.set_token("<v1>", torch.full((model.token_dim,), 2.0))
    prompts = ["a photo of a person", "a photo of a <v1>", "a photo of a person"]
    together = model.generate(prompts, [5, 6, 7], SAMPLING)
    alone = [model.generate(prompt, [seed], SAMPLING)[0] for prompt, seed in zip(prompts, (5, 6, 7), strict=True)]
    assert np.abs(together.astype(int) - np.stack(alone)).max() <= 1
    other = model.generate(["a photo of a person"] * 3, [5, 6, 7], SAMPLING)
    assert np.abs(other[[0, 2]].astype(int) - together[[0, 2]]).max() <= 1
    assert np.abs(other[1].astype(int) - together[1]).max() > 1


def test_prompts_and_seeds_are_as_many(tiny_models: Path) -> None:
    with pytest.raises(ValueError, match="2 prompts for 3 seeds; give one for all, or one for each"):
        load(tiny_models).generate(["a", "b"], [1, 2, 3], SAMPLING)


# ---------------------------------------------------------------------------------------------------------- compilation


class Counting:
    """A backend that counts the graphs it is given, and runs them as they are."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.graphs += 1
        return graph.forward


@pytest.mark.parametrize(
    "method",
    [Stamina, *(pytest.param(m, marks=pytest.mark.thorough) for m in (TextualInversionPlusPlus, CustomDiffusionEWC))],
)
def test_a_compiled_unet_is_compiled_once_for_all_tasks(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    torch._dynamo.reset()
    backend, compile_ = Counting(), torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **options: compile_(model, backend=backend, **options))
    model = TextToImage.load(str(tiny_models / "sd"), CPU, compiled=True)
    plain = load(tiny_models)
    more = {"fisher_samples": 4, "prior_images": 0, "augment": False} if method is CustomDiffusionEWC else {}
    counts = []
    for task in (1, 2, 3):
        if task == 3:
            model.reset()
            plain.reset()
        for each in (model, plain):
            teach(each, method(method.options_class(steps=2, learning_rate=1e-2, **{**PLAIN, **more})), f"<v{task}>")
        images = [each.generate(f"a photo of a <v{task}>", [1, 2, 3], SAMPLING) for each in (model, plain)]
        assert np.array_equal(*images)
        counts.append(backend.graphs)
    assert counts[0] > 0
    assert counts == counts[:1] * 3


# --------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux only")
def test_the_peak_of_memory_is_counted_from_when_it_was_forgotten() -> None:
    big = np.ones(200_000_000, np.uint8)
    high = peak("cpu")
    assert high is not None
    assert high > big.nbytes
    del big
    forget_peak("cpu")
    after = peak("cpu")
    assert after is not None
    assert after < high - 150_000_000


def test_a_posterior_without_spread_is_its_mean() -> None:
    mean = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert torch.equal(Posterior(mean).draw(torch.tensor([1, 1]), generator), mean[[1, 1]])
    assert torch.equal(generator.get_state(), before)
    assert len(Posterior(mean)) == 3
