"""The resumable training loop shared by the stages.

A stage's state (weights, Adam moments, moving average, step) is one safetensors file, replaced atomically. Step s
draws everything from a generator seeded by (stage, s), so a stage killed and resumed sees the data it would have seen.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SAVE_EVERY_S = 60.0
console = Console(stderr=True, highlight=False)


def step_generator(stage: str, step: int) -> torch.Generator:
    """The generator of one step of one stage (CPU), independent of every other step's."""
    digest = hashlib.sha256(f"mini-pretrain/{stage}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def write_safetensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write beside the target, then rename: a killed run never leaves half a file."""
    temporary = path.with_name(path.name + ".tmp")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(temporary), metadata)
    os.replace(temporary, path)


def finished(folder: Path, name: str) -> bool:
    """Whether the state of stage `name` in `folder` says that all its steps were made."""
    path = folder / f"{name}.safetensors"
    if not path.exists():
        return False
    with safe_open(str(path), "pt") as file:
        metadata = file.metadata() or {}
    return metadata.get("finished") == "yes"


class Stage:
    """One model's training: AdamW, linear warm-up and cosine decay, an exponential moving average of the weights."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        folder: Path,
        *,
        steps: int,
        rate: float,
        decay: float = 0.0,
        ema: float = 0.999,
    ) -> None:
        self.name, self.model, self.path, self.steps, self.rate, self.ema_rate = (
            name,
            model,
            folder / f"{name}.safetensors",
            steps,
            rate,
            ema,
        )
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=rate, weight_decay=decay, betas=(0.9, 0.99))
        self.averaged = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.step = 0
        if self.path.exists():
            self._load()

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.averaged.items()}
        for key, parameter in self.parameters.items():
            for moment, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{moment}.{key}"] = value
        return tensors | {"step": torch.tensor(self.step)}

    def _load(self) -> None:
        tensors = load_file(str(self.path))
        self.step = int(tensors["step"])
        self.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        self.averaged = {name: tensors[f"ema.{name}"] for name in self.parameters}  # in the parameters' order
        for key, parameter in self.parameters.items():
            if f"exp_avg.{key}" in tensors:
                moments = ("step", "exp_avg", "exp_avg_sq")
                self.optimizer.state[parameter] = {m: tensors[f"{m}.{key}"] for m in moments}

    def _set_rate(self) -> None:
        warm = min(1.0, (self.step + 1) / 100)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * self.step / self.steps)).item())
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * warm * max(cosine, 0.01)

    def train(self, loss_of: Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]) -> None:
        """Run the remaining steps; `loss_of(generator)` gives the loss and the figures to print."""
        started, saved, printed, first = time.monotonic(), time.monotonic(), 0.0, self.step
        self.model.train()
        while self.step < self.steps:
            self._set_rate()
            loss, figures = loss_of(step_generator(self.name, self.step))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
            self.optimizer.step()
            self.step += 1
            rate = min(self.ema_rate, self.step / (self.step + 10))
            with torch.no_grad():
                averaged, current = list(self.averaged.values()), [p.detach() for p in self.parameters.values()]
                torch._foreach_lerp_(averaged, current, 1 - rate)
            now = time.monotonic()
            if now - printed > 15 or self.step == self.steps:
                left = (now - started) / (self.step - first) * (self.steps - self.step)
                shown = "  ".join(f"{k} {v:.4g}" for k, v in figures.items())
                console.print(f"{self.name}: step {self.step}/{self.steps}  {shown}  {left / 60:.1f} min left")
                printed = now
            if now - saved > SAVE_EVERY_S or self.step == self.steps:
                done = "yes" if self.step == self.steps else "no"
                write_safetensors(self._tensors(), self.path, {"finished": done})
                saved = now

    def use_average(self) -> None:
        """Put the moving average into the model, and the model into eval mode."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.averaged[name])
        self.model.eval()
