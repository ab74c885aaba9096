"""Prompts, as a denoiser is told of them, and custom tokens, which live beside an encoder's table of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from harness.errors import UsageError

FORMER_END = 2  # what older configurations of CLIP give as the id of a prompt's end, and no tokenizer has


@dataclass(frozen=True)
class Text:
    """What the denoiser is shown of n prompts, differentiable in the custom tokens' embeddings.

    Attributes:
        features: (n, length, dim), of every place of every prompt.
        pooled: (n, width), of each prompt as a whole; None in families that have no such thing.
        mask: (n, length), 1 where a prompt has a token; None where the padding counts as text, too.
    """

    features: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Tensor | slice) -> Text:
        """Those of some prompts."""
        return self._each(lambda part: part[rows])

    def expand(self, count: int) -> Text:
        """One prompt's shown to a batch of `count`, without a copy: see `harness.backbones.adapters.Projection`."""
        return self._each(lambda part: part.expand(count, *part.shape[1:]))

    def zeros(self) -> Text:
        """Nothing in the place of every feature; the mask stays."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return Text(torch.zeros_like(self.features), pooled, self.mask)

    @staticmethod
    def joined(texts: Sequence[Text]) -> Text:
        """All prompts of several in one."""

        def cat(parts: Sequence[Tensor | None]) -> Tensor | None:
            return None if parts[0] is None else torch.cat(cast(list[Tensor], list(parts)))

        features = torch.cat([text.features for text in texts])
        return Text(features, cat([text.pooled for text in texts]), cat([text.mask for text in texts]))

    def _each(self, change: Any) -> Text:
        pooled, mask = (None if part is None else change(part) for part in (self.pooled, self.mask))
        return Text(change(self.features), pooled, mask)


def tables_of(encoder: nn.Module) -> list[nn.Embedding]:
    """The modules by which a text encoder looks up embeddings; T5 has two of one table, and asks the inner one."""
    first = cast(nn.Embedding, encoder.get_input_embeddings())  # type: ignore[operator]
    table = first.weight
    return [each for each in encoder.modules() if isinstance(each, nn.Embedding) and each.weight is table]


def keep_in_range(encoders: Sequence[nn.Module]) -> None:
    """Those layers of text encoders in float32 that overflow in float16, by transformers' own word: T5's."""
    for encoder in encoders:
        kept = set(getattr(encoder, "_keep_in_fp32_modules", None) or ())
        for name, module in encoder.named_modules():
            if name.rpartition(".")[2] in kept:
                module.float()


class Reader:
    """A tokenizer with its text encoder. A custom token's id lies beyond the table, whose rows are never touched.

    Attributes:
        tokenizer: transformers' own. encoder: likewise, frozen.
        length: of every prompt, in tokens: as many as are asked for, or as the encoder has places, if that is less.
        vocabulary: Rows of the table of embeddings; custom tokens have the ids from there on, whatever the tokenizer's
            own are: T5's table has more rows than its tokenizer has words.
        words: How many the tokenizer knew at first.
    """

    def __init__(self, tokenizer: Any, encoder: nn.Module, length: int) -> None:
        self.tokenizer, self.encoder = tokenizer, encoder
        settings: Any = encoder.config
        self.length = min(length, int(getattr(settings, "max_position_embeddings", length)))  # T5 has no such bound
        self._table = cast(nn.Embedding, encoder.get_input_embeddings())  # type: ignore[operator]
        self.vocabulary = self._table.num_embeddings
        self.words = len(tokenizer)
        self._embeddings: dict[int, Tensor] = {}
        self._ids: dict[str, int] = {}  # custom token -> its id, from `vocabulary` on
        self._own: dict[int, int] = {}  # the tokenizer's id of a custom token -> ours
        self._known: dict[str, tuple[Tensor, Tensor]] = {}  # a training asks for the same prompts at every step
        self._asked: Tensor | None = None
        for table in tables_of(encoder):
            table.register_forward_hook(self._show)

    @property
    def table(self) -> Tensor:
        """The embeddings of the ordinary tokens, (vocabulary, width)."""
        return self._table.weight

    @property
    def width(self) -> int:
        """Of a token's embedding."""
        return self._table.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where ids and features are."""
        return self._table.weight.device

    def scale(self) -> float:
        """Standard deviation of the table's entries."""
        return float(self._table.weight.float().std())

    def mean_embedding(self, words: str) -> Tensor:
        """(width,) float32: the mean of the embeddings of a word's tokens."""
        ids = self.tokenizer(words, add_special_tokens=False).input_ids
        return self._table.weight[torch.tensor(ids, device=self.device)].float().mean(dim=0)

    def token_id(self, token: str) -> int:
        """The id of a custom token, which the tokenizer learns if need be.

        Raises:
            UsageError: the tokenizer does not keep it in one piece, or knows it already.
        """
        if token not in self._ids:
            known = len(self.tokenizer)
            self.tokenizer.add_tokens([token])
            self._known.clear()  # prompts that hold it are other ids now
            found = self.tokenizer(token, add_special_tokens=False).input_ids
            if len(found) != 1 or found[0] < known:
                raise UsageError(
                    f"The tokenizer splits the custom token '{token}' or knows it already; use another name."
                )
            self._ids[token] = self._own[int(found[0])] = self.vocabulary + len(self._ids)
        return self._ids[token]

    def set_token(self, token: str, embedding: Tensor) -> None:
        """Give a custom token its embedding, (width,); gradients flow through it."""
        self._embeddings[self.token_id(token)] = embedding

    def forget_tokens(self) -> None:
        """No custom token has an embedding any more."""
        self._embeddings.clear()

    def ids(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(n, length) ids and (n, length) masks, on the encoder's device; 1 in a mask where there is a token.

        Raises:
            UsageError: a prompt is too long, so that words would be lost without a word.
        """
        found = [self._ids_of(prompt) for prompt in prompts]
        return torch.cat([ids for ids, _ in found]), torch.cat([mask for _, mask in found])

    def places_of_words(self, prompt: str) -> slice:
        """The places of a prompt's words and of its end; not those of its beginning, if it has one, and padding."""
        ids = self.tokenizer(prompt).input_ids
        return slice(int(ids[0] == self.tokenizer.bos_token_id), len(ids))

    def encode(self, ids: Tensor, **arguments: Any) -> Any:
        """What the encoder gives for (n, length) ids, custom tokens among them."""
        self._asked = ids
        try:
            # an ordinary id in their place: by the largest or the last one some encoders find a prompt's end
            return self.encoder(ids.where(ids < self.vocabulary, 0), **arguments)
        finally:
            self._asked = None

    def _ids_of(self, prompt: str) -> tuple[Tensor, Tensor]:
        if prompt not in self._known:
            found = self.tokenizer(prompt, padding="max_length", max_length=self.length, return_tensors="pt")
            ids = found.input_ids
            if ids.shape[1] > self.length:
                raise UsageError(
                    f"A prompt is longer than the {self.length} tokens that the backbone reads: {prompt!r}."
                )
            ids = ids.clone().apply_(lambda number: self._own.get(number, number))
            self._known[prompt] = ids.to(self.device), found.attention_mask.to(self.device)
        return self._known[prompt]

    def _show(self, module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if self._asked is not None:
            for number, embedding in self._embeddings.items():
                output = torch.where((self._asked == number)[..., None], embedding.to(output), output)
        return output


def side_by_side(readers: Sequence[Reader], prompts: Sequence[str]) -> tuple[Tensor, list[Tensor]]:
    """What several CLIP encoders say of prompts, without the last layer of each.

    Returns:
        (n, length, dim) features, the encoders' one behind the other; and of each encoder (n, width) of whole prompts.
    """
    found = [reader.encode(reader.ids(prompts)[0], output_hidden_states=True) for reader in readers]
    return torch.cat([each.hidden_states[-2] for each in found], dim=-1), [each[0] for each in found]
