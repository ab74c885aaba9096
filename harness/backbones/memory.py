"""What to do when memory runs out."""

from __future__ import annotations

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
