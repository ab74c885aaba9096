from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.mini.captions import all_caption_words, all_phrases
from benchmarks.mini.factors import split_of
from benchmarks.mini.pretrain.clip import tokenize
from benchmarks.mini.pretrain.loop import Stage
from benchmarks.mini.pretrain.pool import load_pools
from benchmarks.mini.pretrain.quality import draw, embed, fit_probe, scores
from benchmarks.mini.pretrain.text import PAD, label
from benchmarks.mini.pretrain.tokenizer import build_tokenizer
from benchmarks.mini.pretrain.vae import build_vae, start_from
from benchmarks.mini.world import render


def build() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))


def loss_on(
    model: nn.Module, stop_at: int | None = None
) -> Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]:
    calls = 0

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        nonlocal calls
        if calls == stop_at:
            raise KeyboardInterrupt
        calls += 1
        loss = model(torch.randn(4, 3, 8, 8, generator=generator)).square().mean()
        return loss, {"loss": loss.item()}

    return loss_of


def test_a_stage_killed_and_resumed_ends_where_one_never_killed_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.mini.pretrain.loop.SAVE_EVERY_S", 0.0)
    results = []
    for name, stops in (("whole", [None]), ("broken", [3, 4, None])):
        (tmp_path / name).mkdir()
        for stop in stops:
            model = build()
            stage = Stage("toy", model, tmp_path / name, steps=12, rate=1e-2, decay=0.1)
            try:
                stage.train(loss_on(model, stop))
            except KeyboardInterrupt:
                continue
            stage.use_average()
            results.append(model.state_dict())
    assert len(results) == 2
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


def test_the_tokenizer_knows_every_caption_word_and_any_text(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(tmp_path)
    for word in all_caption_words():
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1, word
    for text in ("a teapot", "Ærøskøbing 東京 🙂", "duck toy"):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.eos_token_id not in ids
        assert tokenizer.decode(ids).replace(" ", "") == text.lower().replace(" ", "")


def test_probes_read_factors_that_features_hold_linearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the factors themselves as features the probe is perfect; with noise it is not."""
    monkeypatch.setattr("benchmarks.mini.pretrain.quality.FIT", 300)

    class Oracle(nn.Module):
        def encode_image(self, images: Tensor) -> Tensor:
            return images.flatten(1)

    def factors(kind: str, split: str, count: int, seed: int) -> tuple[object, Tensor, Tensor]:
        identities, nuisance, _ = draw(kind, split, count, seed)  # type: ignore[arg-type]
        hot = [nn.functional.one_hot(column, 6).float() for column in identities.discrete.T]
        rows = torch.cat([identities.continuous, *hot], dim=1)
        return identities, nuisance, rows[:, None, None, :].expand(-1, 3, 1, -1)

    monkeypatch.setattr("benchmarks.mini.pretrain.quality.draw", factors)
    monkeypatch.setattr(
        "benchmarks.mini.pretrain.quality.embed", lambda clip, images: images[:, 0].flatten(1).double().numpy()
    )
    probe = fit_probe(Oracle(), "person", ridge=1e-6)  # type: ignore[arg-type]
    identities, _, rows = factors("person", "probe", 100, 3)
    found = scores(probe, rows[:, 0].flatten(1).double().numpy(), identities)  # type: ignore[arg-type]
    assert min(found.values()) > 0.99
    noise = torch.randn(rows[:, 0].flatten(1).shape, generator=torch.Generator().manual_seed(0)).double().numpy()
    assert max(v for k, v in scores(probe, noise, identities).items() if k == "jaw") < 0.2  # type: ignore[arg-type]
    assert callable(embed)


def test_labels_name_the_phrase_that_ends_at_each_word(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(tmp_path)
    phrases = all_phrases()
    ends, held = label(tokenize(tokenizer, ["a photo of a person with wide nose beard no glasses"]), tokenizer)
    found = [phrases[i] for i in ends[0].tolist() if i != PAD]
    assert found == ["wide nose", "beard", "no glasses"]
    assert [phrases[i] for i in held[0].nonzero()[:, 0].tolist()] == sorted(found)


def test_a_pool_is_rendered_once_and_belongs_to_the_pretrain_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.mini.pretrain.pool.CHUNK", 4)
    first = load_pools(tmp_path, 2)
    monkeypatch.setattr("benchmarks.mini.pretrain.pool.render", None)  # nothing is rendered again
    again = load_pools(tmp_path, 2)
    for kind, pool in first.items():
        assert pool.pixels.shape == (8, 3, 64, 64)
        assert set(split_of(pool.identities)) == {"pretrain"}
        assert torch.equal(pool.pixels, again[kind].pixels)
        drawn = render(pool.identities, pool.nuisance)
        assert (drawn - pool.images(torch.arange(8))).abs().max() <= 0.51 / 255


def test_an_autoencoder_starts_from_one_with_fewer_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.mini.pretrain.vae.CHANNELS", 8)
    small = build_vae().state_dict()
    save_file(small, str(tmp_path / "small.safetensors"))
    monkeypatch.setattr("benchmarks.mini.pretrain.vae.CHANNELS", 16)
    large = build_vae()
    start_from(large, tmp_path / "small.safetensors")
    for name, value in large.state_dict().items():
        assert torch.equal(value[tuple(slice(n) for n in small[name].shape)], small[name]), name
