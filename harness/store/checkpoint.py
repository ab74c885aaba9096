"""Checkpoints inside a task: at most a minute of training is lost, and what resumes equals what never stopped.

All that a step of training depends on is kept: what is trained, the optimizer's moments, both generators' states. The
rest (W_{t-1}, latents, prompts) is made again from the store. Bit for bit on a CPU. The file carries a checksum of its
own: a damaged one is as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from harness.store.store import write_atomically

EVERY_S = float(os.environ.get("STAMINA_BENCH_CHECKPOINT_SECONDS", "60"))


@dataclass
class Checkpoint:
    """The file of one task's training, written every `every_s` seconds of it."""

    path: Path
    every_s: float = EVERY_S
    trouble: str = ""  # why the last one could not be written
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._last >= self.every_s

    def write(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Replace the file in one step. A full disk is no reason to stop a training: it is kept in `trouble`."""
        # copies, as some share their memory, which the format refuses
        kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        told = json.dumps(facts)
        try:
            write_atomically(self.path, save(kept, metadata={"facts": told, "sha256": _checksum(kept, told)}))
            self.trouble = ""
        except OSError as error:
            self.trouble = (error.strerror or str(error)).lower()
        self._last = time.monotonic()

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was written last; None if there is nothing, or nothing whole."""
        try:
            with safe_open(str(self.path), framework="pt") as file:
                told = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
                if _checksum(tensors, told["facts"]) != told["sha256"]:
                    return None
                return tensors, json.loads(told["facts"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def clear(self) -> None:
        """Remove the file: the task is in the store."""
        self.path.unlink(missing_ok=True)


def _checksum(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class TrainingState:
    """What changes from step to step of one task's training, as tensors by name."""

    def __init__(
        self, modules: Sequence[nn.Module], optimizer: torch.optim.Optimizer, generators: Sequence[torch.Generator],
        scaler: torch.amp.GradScaler,
    ) -> None:  # fmt: skip
        self.modules, self.optimizer, self.generators, self.scaler = modules, optimizer, generators, scaler

    def tensors(self) -> dict[str, Tensor]:
        """Everything, by names that are the same in every process."""
        found = {f"module.{i}.{k}": v for i, m in enumerate(self.modules) for k, v in m.state_dict().items()}
        for i, parameter in enumerate(self._parameters()):
            found |= {f"optimizer.{i}.{k}": v for k, v in self.optimizer.state[parameter].items()}
        found |= {f"scaler.{k}": torch.tensor(v, dtype=torch.float64) for k, v in self.scaler.state_dict().items()}
        return {**found, **{f"generator.{i}": g.get_state() for i, g in enumerate(self.generators)}}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put everything back.

        Raises:
            KeyError, RuntimeError: the tensors are of another training; nothing is to be trusted then.
        """
        for i, module in enumerate(self.modules):
            kept = _under(tensors, f"module.{i}.")
            # buffers that a step fills are made anew by the next one
            module.load_state_dict({name: kept[name] for name in module.state_dict()})
        fused = any(group["fused"] for group in self.optimizer.param_groups)
        for i, parameter in enumerate(self._parameters()):
            moments = _under(tensors, f"optimizer.{i}.")
            self.optimizer.state[parameter] = {
                # AdamW keeps its moments beside the parameter, but counts steps on the CPU unless it is fused
                k: v.to(parameter.device) if v.dim() or fused else v
                for k, v in moments.items()
            }
        for i, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator.{i}"])
        if self.scaler.is_enabled():
            kept = _under(tensors, "scaler.")
            self.scaler.load_state_dict({k: type(v)(kept[k].item()) for k, v in self.scaler.state_dict().items()})

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
