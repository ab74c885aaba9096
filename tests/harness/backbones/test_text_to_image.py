from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.backbones.adapters import attach
from harness.backbones.text_to_image import TextToImage
from harness.errors import UsageError
from harness.method import Method
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task
from harness.spec import Sampling
from methods.clora import CLoRA
from methods.parts.adapters import LowRank
from methods.stamina import Stamina
from methods.textual_inversion import TextualInversionPlusPlus

SAMPLING = Sampling(images=3, steps=3, guidance_scale=2.0, eta=0.0, batch_size=3)


@pytest.fixture
def model(tiny_models: Path) -> TextToImage:
    return TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"))


# batches of the concept's own images
PLAIN: Mapping[str, Any] = {"prior_images": 0, "augment": False}

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)


def teach(model: TextToImage, method: Method[Any]) -> TrainedTask:
    """One task of random images, seed 0."""
    lesson = Lesson(
        model, IMAGES, model.posterior(IMAGES), "<v1>", "person", method.options.category_word
    )  # fmt: skip
    return train_task(method, lesson, 0, "concept")


def test_the_adaptable_projections_are_the_cross_attention_keys_and_values(model: TextToImage) -> None:
    assert model.projections
    assert all(name.endswith(("attn2.to_k", "attn2.to_v")) for name in model.projections)
    assert {p.weight.shape[1] for p in model.projections.values()} == {model.token_dim}
    assert model.resolution == 16


def test_nothing_is_trainable_by_itself(model: TextToImage) -> None:
    parts = (model.denoiser, model.vae, model.text_encoders[0])
    assert not any(p.requires_grad for part in parts for p in part.parameters())


@pytest.mark.parametrize("method", [Stamina, CLoRA, TextualInversionPlusPlus])
def test_training_changes_what_it_may_and_nothing_else(model: TextToImage, method: type) -> None:
    before = {k: v.clone() for k, v in model.denoiser.state_dict().items()}
    words = {k: v.clone() for k, v in model.text_encoders[0].state_dict().items()}
    options = method.options_class(
        steps=4, batch_size=2, weight_decay=0.1, learning_rate=1e-2, token_learning_rate=1e-2, **PLAIN
    )
    teach(model, method(options))
    changed = {k for k, v in model.denoiser.state_dict().items() if not torch.equal(v, before[k])}
    adapted = {f"{name}.weight" for name in model.projections}
    assert changed == (set() if method is TextualInversionPlusPlus else adapted)
    assert all(torch.equal(v, words[k]) for k, v in model.text_encoders[0].state_dict().items())


def test_training_does_not_depend_on_the_global_random_state(model: TextToImage) -> None:
    tokens = []
    for state in (1, 2):
        model.reset()
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        done = teach(model, Stamina(Stamina.options_class(steps=3, **PLAIN)))
        tokens.append((done.token, model.weights()))
    assert torch.equal(tokens[0][0], tokens[1][0])
    assert all(torch.equal(tokens[0][1][k], tokens[1][1][k]) for k in tokens[0][1])


def test_half_precision_trains_and_draws_with_float32_projections(tiny_models: Path) -> None:
    model = TextToImage.load(str(tiny_models / "sd"), torch.device("cpu"), torch.bfloat16)
    assert model.posterior(IMAGES).mean.dtype is torch.float32
    done = teach(model, Stamina(Stamina.options_class(steps=3, **PLAIN)))
    assert {w.dtype for w in model.weights().values()} == {torch.float32}
    assert 0 < done.measures["residual_norm"] < float("inf")
    images = model.generate("a photo of a <v1>", [1, 2], SAMPLING)
    assert images.shape == (2, 16, 16, 3)
    assert images.std() > 0


def test_the_loss_falls_on_a_concept_that_is_learnt(model: TextToImage) -> None:
    rates = {"learning_rate": 1e-2, "token_learning_rate": 1e-2}
    options = CLoRA.options_class(steps=60, batch_size=4, lambda_forget=0, **rates, **PLAIN)
    losses = teach(model, CLoRA(options)).losses
    assert np.mean([entry["sd"] for entry in losses[-5:]]) < np.mean([entry["sd"] for entry in losses[:5]])


def test_change_is_what_has_been_folded_so_far(model: TextToImage) -> None:
    name, projection = next(iter(model.projections.items()))
    assert torch.equal(model.change(name), torch.zeros_like(projection.weight))
    generator = torch.Generator().manual_seed(0)
    adapters = attach(model, lambda _, p: LowRank(p, 2, generator))
    with torch.no_grad():
        adapters[name].A.normal_(generator=generator)  # type: ignore[union-attr]
    assert torch.equal(model.change(name), torch.zeros_like(projection.weight))  # not folded yet
    residual = adapters[name].A @ adapters[name].B  # type: ignore[union-attr]
    model.fold()
    assert torch.allclose(model.change(name), residual, atol=1e-6)
    model.reset()
    assert torch.equal(model.change(name), torch.zeros_like(projection.weight))


def test_a_folded_model_saved_and_loaded_by_plain_diffusers_draws_the_same(model: TextToImage, tmp_path: Path) -> None:
    teach(model, Stamina(Stamina.options_class(steps=3, lambda_sparse=0.0, **PLAIN)))
    ours = model.generate("a photo of a person", [5, 6, 7], SAMPLING)
    model.pipeline.save_pretrained(tmp_path, safe_serialization=True)
    plain = TextToImage.load(str(tmp_path), torch.device("cpu"))
    assert all(torch.equal(plain.projections[n].weight, p.weight) for n, p in model.projections.items())
    assert np.array_equal(plain.generate("a photo of a person", [5, 6, 7], SAMPLING), ours)


def test_an_image_depends_on_its_seed_not_on_its_neighbours(model: TextToImage) -> None:
    together = model.generate("a photo", [1, 2, 3], SAMPLING)
    alone = np.concatenate([model.generate("a photo", [s], SAMPLING) for s in (1, 2, 3)])
    # the noise is the same; arithmetic in batches may round differently by a grey level
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert not np.array_equal(together[0], together[1])


def test_custom_tokens_change_only_prompts_that_hold_them(model: TextToImage) -> None:
    plain = model.encode_prompts(["a photo of a person"]).features
    model.set_token("<v1>", torch.ones(model.token_dim))
    model.set_token("<v12>", -torch.ones(model.token_dim))
    assert torch.equal(model.encode_prompts(["a photo of a person"]).features, plain)
    one, twelve = model.encode_prompts(["a <v1> person", "a <v12> person"]).features
    assert not torch.allclose(one, twelve)
    model.set_token("<v12>", torch.ones(model.token_dim))
    assert torch.allclose(model.encode_prompts(["a <v12> person"]).features[0], one)


def test_gradients_reach_a_custom_token(model: TextToImage) -> None:
    embedding = torch.zeros(model.token_dim, requires_grad=True)
    model.set_token("<v1>", embedding)
    model.encode_prompts(["a photo of a <v1>"]).features.square().sum().backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0


def test_a_word_of_the_vocabulary_cannot_be_a_custom_token(model: TextToImage) -> None:
    for token in ("photo", "<V1>", "v1", "<v 1>"):
        with pytest.raises(UsageError, match=r"write it in lower case and brackets, as <v1>"):
            model.set_token(token, torch.zeros(model.token_dim))


def test_a_prompt_that_is_too_long_is_an_error(model: TextToImage) -> None:
    with pytest.raises(UsageError, match="longer than the 48 tokens"):
        model.encode_prompts(["a photo " * 40])


def test_a_category_start_is_the_words_mean_embedding(model: TextToImage) -> None:
    model.set_category("person")
    ids = model.readers[0].tokenizer("person", add_special_tokens=False).input_ids
    table = model.text_encoders[0].get_input_embeddings().weight  # type: ignore[operator]
    assert torch.allclose(model.token_start("category"), table[ids].mean(0))
    assert torch.equal(model.token_start("random"), torch.zeros(model.token_dim))


@pytest.mark.parametrize("source", ["no/such/folder", "."])
def test_a_backbone_that_cannot_be_loaded_is_one_sentence(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"give a whole one|give a folder") as caught:
        TextToImage.load(source, torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_the_text_tower_is_the_clips_own(tiny_models: Path, model: TextToImage) -> None:
    import open_clip

    clip = open_clip.create_model_from_pretrained(f"local-dir:{tiny_models / 'clip'}", return_transform=False)
    ids = torch.tensor(
        model.readers[0].tokenizer(["a photo of a person with red hair"], padding="max_length").input_ids
    )
    hidden = clip.token_embedding(ids) + clip.positional_embedding[: ids.shape[1]]
    hidden = clip.ln_final(clip.transformer(hidden, attn_mask=clip.attn_mask[: ids.shape[1], : ids.shape[1]]))
    assert torch.allclose(model.text_encoders[0](ids)[0], hidden, atol=1e-5)
