"""What a plan will take: by finished steps where there are any, else by a count of FLOP and a device's rate.

A finished step of the same kind and method, on the same backbone, device and precision, tells the seconds for a unit of
work (an image in a training step, an image in a sampler's step). Of a kind that was measured with other methods only,
the count is corrected by what their count was out by. Where nothing was measured the count stands as it is; at the mini
tier's backbone, on a CPU, nominal seconds stand for it, so that a dry run need not import torch.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from harness.api import Prepared, slots_of
from harness.engine.devices import Slot
from harness.engine.plan import Step
from harness.engine.simulate import simulate
from harness.errors import UsageError, unknown
from harness.settings.base import StepCounts, StepKind
from harness.spec import Frozen
from harness.store.store import MANIFEST


class Device(Frozen):
    """A device's published peak, dense, in TFLOP/s: of half precision with float32 sums, and of float32 without TF32.

    bfloat16: whether its matrix units have that, and not float16 alone.
    """

    title: str
    half: float
    float32: float
    bfloat16: bool = True

    def rate(self, dtype: str) -> float:
        """FLOP/s at most."""
        return 1e12 * (self.float32 if dtype == "float32" else self.half)


# sources: docs/planning.md
DEVICES: Final[Mapping[str, Device]] = {
    "a100": Device(title="A100", half=312, float32=19.5),
    "h100": Device(title="H100 SXM", half=989, float32=67),
    "h200": Device(title="H200", half=989, float32=67),
    "l40s": Device(title="L40S", half=362, float32=91.6),
    "rtx-4090": Device(title="GeForce RTX 4090", half=165, float32=82.6),
    "rtx-3090": Device(title="GeForce RTX 3090", half=71, float32=35.6),
    "v100": Device(title="V100", half=125, float32=15.7, bfloat16=False),
    "t4": Device(title="T4", half=65, float32=8.1, bfloat16=False),
}
CORE: Final = Device(title="one core of a 2025 server", half=0.05, float32=0.05)  # what it reaches, not its peak
START_S: Final = 6.0  # until a worker has imported its libraries; it loads the model within its first step
UTILISATION: Final = 0.4  # of the peak: an A100 sampling Stable Diffusion 1.5, compiled


def devices_named(text: str) -> tuple[int, Device]:
    """'64xH100', 'h100' or '2xcpu' as a number of devices and what they are; of a CPU each is a core.

    Raises:
        UsageError: it is nothing like that, or there is no such device.
    """
    match = re.fullmatch(r"(?:([1-9]\d{0,4})\s*x\s*)?([a-z][a-z0-9-]*)", text.strip().lower())
    if not match:
        raise UsageError(f"--devices '{text}' is not a number of devices; write 64xH100 or 2xcpu.")
    return int(match[1] or 1), CORE if match[2] == "cpu" else device_named(match[2], "--devices")


def device_named(name: str, option: str = "--gpu") -> Device:
    """A device of the table.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in DEVICES:
        raise unknown(option, name, DEVICES)
    return DEVICES[name]


@dataclass(frozen=True)
class Finished:
    """A step of a store: seconds, megabytes, its recipe, and what it was made on: 'cpu' or 'cuda'."""

    kind: str
    recipe: Mapping[str, Any]
    seconds: float
    megabytes: float
    device: str = ""


def finished(store: Path, match: Mapping[str, str]) -> Iterator[Finished]:
    """The steps of a store whose seconds are known, and whose recipes say nothing else than `match`."""
    for path in (store / "steps").glob(f"*/*/{MANIFEST}"):
        if path.parent.name.startswith("."):
            continue
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            recipe, seconds = manifest["recipe"], manifest["facts"].get("seconds")
            size = sum(f["bytes"] for f in manifest["files"].values()) / 1e6
            if seconds is not None and all(recipe.get(name, value) == value for name, value in match.items()):
                device = str(manifest["facts"].get("device", "")).partition(":")[0]
                yield Finished(recipe["kind"], recipe, float(seconds), size, device)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


@dataclass
class Measured:
    """Seconds a unit and megabytes, by kind and method, and by how much a kind's count was out."""

    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    megabytes: dict[tuple[str, str], float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: Iterable[Finished], kinds: Mapping[str, StepKind]) -> Measured:
        """Medians, of steps of these kinds."""
        seen: dict[tuple[str, str], list[Finished]] = defaultdict(list)
        for step in steps:
            if step.kind in kinds:
                seen[step.kind, step.recipe.get("method", "")].append(step)
        return cls(
            {key: median(s.seconds / kinds[s.kind].units(s.recipe) for s in found) for key, found in seen.items()},
            {key: median(s.megabytes for s in found) for key, found in seen.items()},
        )

    def compare(
        self, steps: Iterable[Finished], flop_of: Callable[[str, Mapping[str, Any]], float], rate: float
    ) -> None:
        """Find how far off the count is, by kind."""
        found: dict[str, list[float]] = defaultdict(list)
        for step in steps:
            flop = flop_of(step.kind, step.recipe)
            if flop > 0:
                found[step.kind].append(step.seconds * rate / flop)
        self.ratios = {kind: median(values) for kind, values in found.items()}


@dataclass(frozen=True)
class Cost:
    """Wall seconds on `jobs` workers, disk space, what the estimate rests on, and seconds of each pending step."""

    seconds: float
    megabytes: float
    jobs: int
    basis: str
    steps: Mapping[str, float]  # key -> seconds


def estimate(prepared: Prepared, *, cheaply: bool = False, slots: Sequence[Slot] | None = None) -> Cost | None:
    """The pending steps' cost, on the slots that the run would have: their schedule is simulated.

    Args:
        cheaply: give None where it would take counting on a CPU, which imports torch and diffusers for it.
        slots: where it would run; by default what this machine has.
    """
    plan, pending, context = prepared.plan, prepared.progress.pending, prepared.plan.context
    match = {
        "backbone": context.backbone_hash, "device": context.device_type, "dtype": context.dtype,
        "extractor": context.extractor_hash,
    }  # fmt: skip
    setting = plan.setting
    found = list(finished(prepared.store.root, match))
    measured = Measured.of(found, setting.step_kinds)
    counted = [step for step in pending if (step.kind, step.recipe.get("method", "")) not in measured.seconds]
    counts: StepCounts | None = None
    device, utilisation = CORE, 1.0
    if counted and not setting.is_nominal(context):
        if cheaply and setting.counting_imports_torch(context):
            return None
        counts = setting.counts(plan)
        if context.device_type == "cuda":
            device, utilisation = _this_gpu(), UTILISATION
        measured.compare(found, counts.flop_of, device.rate(context.dtype) * utilisation)
    seconds: dict[str, float] = {}
    megabytes = 0.0
    for step in pending:
        key, kind = (step.kind, step.recipe.get("method", "")), setting.step_kinds[step.kind]
        if key in measured.seconds:
            cost = (measured.seconds[key] * kind.units(step.recipe), measured.megabytes[key])
        elif counts is None:
            cost = (step.nominal_seconds, kind.megabytes)
        else:
            flop = counts.flop(step)
            taken = in_seconds(step, flop, device, context.dtype, utilisation, measured) if flop else kind.seconds
            cost = (taken, counts.megabytes(step))
        seconds[step.key] = cost[0]
        megabytes += cost[1]
    return _cost(prepared, seconds, megabytes, _basis(measured, bool(counted), counts, device), slots)


def _cost(
    prepared: Prepared, seconds: Mapping[str, float], megabytes: float, basis: str, slots: Sequence[Slot] | None
) -> Cost:
    slots, kind = slots or slots_of(prepared), prepared.plan.context.device_type
    made = simulate(prepared.progress.pending, seconds, slots, device_type=kind, start_s=START_S)
    return Cost(made.makespan, megabytes, len(slots), basis, seconds)


def in_seconds(step: Step, flop: float, device: Device, dtype: str, utilisation: float, measured: Measured) -> float:
    """Seconds of a counted step; `measured` corrects the count of its kind."""
    return flop / (device.rate(dtype) * utilisation) * measured.ratios.get(step.kind, 1.0)


def _basis(measured: Measured, counted: bool, counts: StepCounts | None, device: Device) -> str:
    parts = ["from finished steps in this store"] if measured.seconds else []
    if counted:
        parts.append("nominal, for the mini tier on a CPU" if counts is None else f"counted, on {device.title}")
    return "; ".join(parts) or "nothing to do"


def _this_gpu() -> Device:
    import torch

    name = torch.cuda.get_device_name(0).lower().replace(" ", "-") if torch.cuda.is_available() else ""
    return next((device for key, device in DEVICES.items() if key in name), DEVICES["a100"])
