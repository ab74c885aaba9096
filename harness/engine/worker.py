"""Runs one step in a worker process and commits it to the store.

The files of a step are the same bytes whenever and wherever it is made (on a CPU). Machine-dependent values, such as
its seconds, are returned as facts, which the manifest keeps beside the files' hashes; `notes` among them are for the
user.
"""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from harness import registry
from harness.backbones.oom import forget_peak, out_of_memory, peak
from harness.engine.plan import RunContext, Step
from harness.errors import OutOfMemoryError, UsageError
from harness.machine.limits import beside_memory_limit
from harness.plugins.errors import explained
from harness.plugins.metric_weights import split
from harness.plugins.process_state import left_alone
from harness.store.checkpoint import Checkpoint
from harness.store.store import Store

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "timm")  # whose versions a manifest names
ENOUGH_MEMORY = (
    "use a smaller --set batch_size, fewer --jobs, --dtype bfloat16 on a GPU, or end what else uses it, and run the "
    "same command again"
)


def _in_surroundings(step: Step, context: RunContext) -> AbstractContextManager[None]:
    """What a plugin's code must leave as it was, where a step runs any that is not ours."""
    for kind, plugins in (("method", registry.methods(context.setting)), ("metric", registry.metrics())):
        name = step.work.get(kind)
        if isinstance(name, str) and not plugins.is_ours(split(name)[0]):
            return left_alone(f"{kind.capitalize()} '{name}'")
    return nullcontext()


def _plugin_of(step: Step, context: RunContext) -> str:
    """The module of the method or metric whose step it is; empty if of none, or if that cannot be imported."""
    with suppress(UsageError):
        if "method" in step.work:
            return registry.methods(context.setting).get(step.work["method"]).__module__
        if "metric" in step.work:
            return registry.metrics().get(split(step.work["metric"])[0]).__module__
    return ""


def execute(step: Step, context: RunContext, root: Path, device: str) -> float:
    """Run one step and commit it; gives its seconds, 0 if another process made it meanwhile.

    On a CPU by one thread: sums then have one order.

    Raises:
        OutOfMemoryError: it may pass when less is beside it. BenchError: what the user can mend.
        StoreError: the results folder cannot be written.
    """
    if context.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if device == "cpu":
        torch.set_num_threads(1)
    store = Store(root)
    with store.lock(step.key):
        store.wait_for([step.key], 0.0)  # a network file system may remember that it was not there
        if store.get(step.key) is not None:  # another process was faster
            return 0.0
        started = time.perf_counter()
        forget_peak(device)
        facts: dict[str, Any] = {
            "device": device,
            "versions": {name: version(name) for name in LIBRARIES},
        }
        make = registry.setting(context.setting).step_kinds[step.kind].function()
        with store.commit(step.key, step.recipe, facts) as folder:
            try:
                with _in_surroundings(step, context):
                    facts.update(make(step, context, store, device, folder))
            except Exception as error:
                if out_of_memory(error):
                    on_card = isinstance(error, torch.OutOfMemoryError)  # which limits of the process do not touch
                    remedy = ENOUGH_MEMORY if on_card else beside_memory_limit(ENOUGH_MEMORY)
                    raise OutOfMemoryError(f"out of memory on {device}; {remedy}") from error
                raise explained(error, _plugin_of(step, context)) from error
            facts |= {"seconds": round(time.perf_counter() - started, 3), "peak_memory_bytes": peak(device)}
    Checkpoint(store.checkpoint(step.key)).clear()
    return float(facts["seconds"])
