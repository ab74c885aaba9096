"""Earlier concepts beside the present one: what is remembered of a concept, and batches that rehearse it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.method import Batch

TOKEN, PROMPT = "token.", "prompt."


def remembered_concept(lesson: Any, embedding: Tensor) -> dict[str, Tensor]:
    """What a concept needs to be asked for again: its token's embedding, (dim,), and its prompt, as UTF-8 bytes.

    Args:
        lesson: a `Lesson`. embedding: its token's, as learnt.
    """
    text = torch.tensor(list(lesson.prompt.encode()), dtype=torch.uint8)
    return {f"{TOKEN}{lesson.token}": embedding.detach().clone(), f"{PROMPT}{lesson.token}": text}


def known_tokens(memory: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Token -> embedding, (dim,), of all concepts remembered, in the order in which they were learnt."""
    found = [name.removeprefix(TOKEN) for name in memory if name.startswith(TOKEN)]
    ordered = sorted(found, key=lambda token: (len(token), token))  # <v2> before <v10>
    return {token: memory[f"{TOKEN}{token}"] for token in ordered}


def remembered_concepts(memory: Mapping[str, Tensor]) -> dict[str, str]:
    """Token -> prompt of all concepts remembered, in the order in which they were learnt."""
    return {token: bytes(memory[f"{PROMPT}{token}"].tolist()).decode() for token in known_tokens(memory)}


def rehearsed(
    latents: Mapping[str, Tensor], prompts: Mapping[str, str], count: int, generator: torch.Generator
) -> tuple[Tensor, tuple[str, ...]]:
    """`count` images of past concepts, each concept as likely: (count, c, h, w) latents, and a prompt each.

    Args:
        latents: token -> (n, c, h, w). prompts: token -> its prompt.
    """
    tokens = list(latents)
    chosen = torch.randint(len(tokens), (count,), generator=generator)
    places = torch.rand(count, generator=generator)
    drawn = [
        latents[tokens[number]][int(place * len(latents[tokens[number]]))]
        for number, place in zip(chosen.tolist(), places.tolist(), strict=True)
    ]
    return torch.stack(drawn), tuple(prompts[tokens[number]] for number in chosen.tolist())


def with_rehearsal(own: Batch, latents: Tensor, prompts: tuple[str, ...], weight: float) -> Batch:
    """The loss on a batch, whatever it is, plus `weight` times the mean loss on past images, (n, c, h, w)."""
    count, more = len(own.latents), len(latents)
    share = torch.full((count,), 1 / count) if own.share is None else own.share
    mask = own.mask
    if mask is not None:
        everywhere = torch.ones(more, *mask.shape[1:])
        mask = torch.cat([mask, everywhere.to(mask)])
    every = own.prompts if len(own.prompts) == count else own.prompts * count
    return Batch(
        torch.cat([own.latents, latents.to(own.latents)]), (*every, *prompts), mask=mask,
        share=torch.cat([share, torch.full((more,), weight / more).to(share)]),
    )  # fmt: skip
