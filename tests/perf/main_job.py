"""The floor of a run: the passes of U-Net, text encoder and VAE that it makes, and nothing else.

The passes of a run are counted by hooks, and then made again by the modules as diffusers and transformers load them.
Run as a program it does so at a word: `main_job.py COUNTS` reads a line from stdin, makes the passes, prints seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from as_loaded import as_loaded
from torch import Tensor

from harness.backbones.text_to_image import TextToImage


@dataclass(frozen=True)
class Pass:
    """One pass of a part: 'unet', 'text', 'encoder' or 'decoder'.

    shape: of its input; the U-Net's batch shares nothing. backward: to the text or the token; weights: to K and V, too.
    """

    part: str
    shape: tuple[int, ...]
    backward: bool = False
    weights: bool = False


@contextmanager
def counted(model: TextToImage) -> Iterator[Counter[Pass]]:
    """The passes that the model makes within it."""
    passes: Counter[Pass] = Counter()

    def unet(module: Any, given: tuple[Tensor, ...], kept: dict[str, Any], answer: Any) -> None:
        trained = any(p.adapted is not None and p.adapted.requires_grad for p in model.projections.values())
        backward = answer[0].requires_grad if isinstance(answer, tuple) else answer.sample.requires_grad
        passes[Pass("unet", tuple(given[0].shape), backward, trained and backward)] += 1

    def text(module: Any, given: tuple[Tensor, ...], kept: dict[str, Any], answer: Any) -> None:
        passes[Pass("text", tuple(given[0].shape), answer[0].requires_grad)] += 1

    def coder(name: str) -> Any:
        def hook(module: Any, given: tuple[Tensor, ...], answer: Any) -> None:
            passes[Pass(name, tuple(given[0].shape))] += 1

        return hook

    vae: Any = model.vae
    hooks = [
        model.denoiser.register_forward_hook(unet, with_kwargs=True),
        model.text_encoders[0].register_forward_hook(text, with_kwargs=True),
        *(getattr(vae, name).register_forward_hook(coder(name)) for name in ("encoder", "decoder")),
    ]
    try:
        yield passes
    finally:
        for each in hooks:
            each.remove()


class Bare:
    """The parts of a pipeline as they are loaded."""

    def __init__(self, source: str) -> None:
        pipeline: Any = as_loaded(source)
        self.unet, self.text, self.vae = pipeline.unet, pipeline.text_encoder, pipeline.vae
        for part in (self.unet, self.text, self.vae):
            part.eval().requires_grad_(False)
        ends = ("attn2.to_k.weight", "attn2.to_v.weight")
        self.weights = [p for name, p in self.unet.named_parameters() if name.endswith(ends)]
        self.table = self.text.get_input_embeddings().weight

    def make(self, each: Pass, count: int) -> float:
        """Seconds of CPU for `count` such passes."""
        given = torch.randn(each.shape) if each.part != "text" else torch.zeros(each.shape, dtype=torch.long)
        features = torch.randn(each.shape[0], self.text.config.max_position_embeddings, self.table.shape[1])
        times = torch.arange(each.shape[0]) * 20 % 1000
        trained = [*(self.weights if each.weights else ()), *([features] if each.part == "unet" else [self.table])]
        started = time.process_time()
        for tensor in trained if each.backward else ():
            tensor.requires_grad_(True)
        with torch.set_grad_enabled(each.backward):
            for _ in range(count):
                if each.part == "unet":
                    answer = self.unet(given, times, features).sample
                elif each.part == "text":
                    answer = self.text(given)[0]
                else:
                    answer = getattr(self.vae, each.part)(given)
                if each.backward:
                    answer.square().mean().backward()
        seconds = time.process_time() - started
        for tensor in trained:
            tensor.requires_grad_(False).grad = None
        return seconds


def as_text(passes: Counter[Pass]) -> str:
    """For `main`."""
    return json.dumps([[asdict(each), count] for each, count in passes.items()])


def main(source: str, text: str) -> None:
    """Load, warm up, say so, wait for a line; make all passes and print the seconds of CPU."""
    torch.set_num_threads(1)
    passes = [(Pass(**{**each, "shape": tuple(each["shape"])}), count) for each, count in json.loads(text)]
    bare = Bare(source)
    for each, _ in passes:
        bare.make(each, 1)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(sum(bare.make(each, count) for each, count in passes), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8"))
