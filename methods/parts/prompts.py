"""The trained parts of L2P, DualPrompt and CODA-Prompt: from each image's query to prefixes of attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from harness.backbones.classifier import Prefix, Prompt
from methods.parts.prompting import joined, orthogonal_start, prefixes, similarity, uniform_start


class PromptPool(Prompt):
    """L2P: for each image, and in each of `depth` blocks, the `top` of a pool's prompts by key.

    `distance`, after a forward pass: sum over chosen keys and blocks of 1 - cos(query, key), mean over images.
    """

    def __init__(self, depth: int, pool: int, length: int, dim: int, top: int, generator: torch.Generator) -> None:
        super().__init__()
        self.top = min(top, pool)
        self.prompts = nn.Parameter(uniform_start(depth, pool, length, dim, generator=generator))
        self.keys = nn.Parameter(uniform_start(depth, pool, dim, generator=generator))
        self.distance = torch.zeros(())

    def forward(self, query: Tensor) -> Mapping[int, Prefix]:
        found: dict[int, Prefix] = {}
        distance = query.new_zeros(())
        for block, (prompts, keys) in enumerate(zip(self.prompts, self.keys, strict=True)):
            near = similarity(query, keys).topk(self.top, dim=1)  # of each image for itself
            found[block] = prefixes(prompts[near.indices])
            distance = distance + (1 - near.values).sum(1).mean()
        self.distance = distance
        return found


class DualPrompts(Prompt):
    """DualPrompt: a general prompt in the first blocks; in the next the task's in training, the nearest by key in test.

    What earlier tasks trained is no parameter. `distance`, after a forward pass in training: sum over blocks of
    1 - cos(query, the task's key), mean over images.

    Args:
        general, expert: (blocks, length). memory: what `learnt` gave after the task before.
    """

    def __init__(
        self, general: tuple[int, int], expert: tuple[int, int], dim: int, memory: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> None:  # fmt: skip
        super().__init__()
        start = uniform_start(*general, dim, generator=generator)
        self.general = nn.Parameter(memory.get("general", start).clone())
        self.expert = nn.Parameter(uniform_start(expert[0], 1, expert[1], dim, generator=generator))
        self.key = nn.Parameter(uniform_start(expert[0], 1, dim, generator=generator))
        self.register_buffer("old_expert", joined(memory, "expert", self.expert.detach()), persistent=False)
        self.register_buffer("old_key", joined(memory, "key", self.key.detach()), persistent=False)
        self.old_expert: Tensor
        self.old_key: Tensor
        self.distance = torch.zeros(())

    def forward(self, query: Tensor) -> Mapping[int, Prefix]:
        count, first = len(query), len(self.general)
        found = {block: prefixes(prompt.expand(count, 1, -1, -1)) for block, prompt in enumerate(self.general)}
        distance = query.new_zeros(())
        for number in range(len(self.expert)):
            if self.training:
                chosen = self.expert[number].expand(count, -1, -1)
                distance = distance + (1 - similarity(query, self.key[number])).mean()
            else:  # among the tasks seen: `learnt` put the newest beside the old
                chosen = self.old_expert[number][similarity(query, self.old_key[number]).argmax(1)]
            found[first + number] = prefixes(chosen[:, None])
        self.distance = distance
        return found

    def learnt(self) -> dict[str, Tensor]:
        """What the next task and the tests go on from: `general`, and `expert` and `key` of every task so far."""
        return {
            "general": self.general.detach(),
            "expert": torch.cat([self.old_expert, self.expert.detach()], dim=1),
            "key": torch.cat([self.old_key, self.key.detach()], dim=1),
        }


class CodaPrompts(Prompt):
    """CODA-P: the prompt of an image in a block is sum_m cos(q * A_m, K_m) P_m, over all components so far.

    `count` new components are parameters, those of `memory` are not; new rows start orthogonal to all others.
    """

    NAMES = ("P", "K", "A")

    def __init__(
        self, depth: int, count: int, length: int, dim: int, memory: Mapping[str, Tensor], generator: torch.Generator
    ) -> None:
        super().__init__()
        shapes = {"P": (length, dim), "K": (dim,), "A": (dim,)}
        for name in self.NAMES:
            old = memory.get(name, torch.zeros(depth, 0, *shapes[name]))
            new = [orthogonal_start(rows.flatten(1), count, generator) for rows in old.cpu()]
            fresh = torch.stack(new).reshape(depth, count, *shapes[name])
            self.register_parameter(name, nn.Parameter(fresh))
            self.register_buffer(f"old_{name}", old, persistent=False)

    @classmethod
    def of_memory(cls, memory: Mapping[str, Tensor]) -> CodaPrompts:
        """With nothing to train, for tests."""
        depth, _, length, dim = memory["P"].shape
        made = cls(depth, 1, length, dim, {}, torch.Generator())
        for name in cls.NAMES:
            setattr(made, f"old_{name}", memory[name])
            setattr(made, name, nn.Parameter(memory[name][:, :0]))
        return made

    def _all(self, name: str) -> Tensor:
        """(depth, components so far, ...)."""
        return torch.cat([self.get_buffer(f"old_{name}"), self.get_parameter(name)], dim=1)

    def forward(self, query: Tensor) -> Mapping[int, Prefix]:
        found: dict[int, Prefix] = {}
        for block, (p, k, a) in enumerate(zip(*map(self._all, self.NAMES), strict=True)):
            attended = normalize(query[:, None] * a, dim=2)  # (B, M, dim)
            weights = torch.einsum("bmd,md->bm", attended, normalize(k, dim=1))
            found[block] = prefixes(torch.einsum("bm,mld->bld", weights, p)[:, None])
        return found

    def coherence(self) -> Tensor:
        """Sum over P, K, A and blocks of the mean squared entry of B B^T - I, rows of B being components."""
        terms = []
        for name in self.NAMES:
            for rows in self._all(name).flatten(2):
                gram = rows @ rows.T
                terms.append((gram - torch.eye(len(gram)).to(gram)).square().mean())
        return torch.stack(terms).sum()

    def learnt(self) -> dict[str, Tensor]:
        """P, K and A of all components so far."""
        return {name: self._all(name).detach() for name in self.NAMES}
