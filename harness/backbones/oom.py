"""How much memory a step takes, and what to do when it runs out."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import torch


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory, or the machine's, is used up."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # on a CPU torch has no error of its own for it
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release(device: torch.device) -> None:
    """Give back what the allocator keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def forget_peak(device: str) -> None:
    """Let `peak` count from now on."""
    if device != "cpu":
        torch.cuda.init()  # there are no statistics to reset before
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak(device: str) -> int | None:
    """Bytes in use at most: tensors on a GPU, the whole process on a CPU; None where the system does not tell."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None
