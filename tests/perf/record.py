"""What was measured, as ratios within one run: printed, kept in a file, and held against an earlier one's.

STAMINA_BENCH_PERF_RECORD names the file that ratios are added to, STAMINA_BENCH_PERF_BASELINE the one that is read.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

WORSE = 0.2  # a ratio that fell by more than this share is worth a warning
RECORD, BASELINE = "STAMINA_BENCH_PERF_RECORD", "STAMINA_BENCH_PERF_BASELINE"
LIBRARIES = ("torch", "diffusers", "transformers")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Ratio:
    """Of two contenders' times, turn by turn: median, smallest and largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> Ratio:
        """above / below: how many times as fast `below` is."""
        each = [a / b for a, b in zip(above, below, strict=True)]
        return cls(median(each), min(each), max(each))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def tell(setting: str, what: str, seconds: Sequence[float], against: str, others: Sequence[float]) -> Ratio:
    """Print how long `what` takes in units of `against`, turn by turn; the record has it the other way, as a speed."""
    print(
        f"{setting}: {what} {median(seconds):.4g} s, {Ratio.of(seconds, others)} times {against} "
        f"({median(others):.4g} s), {len(seconds)} turns"
    )
    speed = Ratio.of(others, seconds)
    keep(
        [{"setting": setting, "what": what, "against": against, "seconds": median(seconds), "speed": asdict(speed)}],
        CPU,
    )
    return Ratio.of(seconds, others)


def machine(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides this code."""
    found: dict[str, Any] = {"system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in LIBRARIES}
    found |= {"threads": torch.get_num_threads(), "device": _processor()}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def keep(rows: Sequence[Mapping[str, Any]], device: torch.device) -> None:
    """Add rows to the record that the environment names, and warn of what is worse than in its baseline."""
    made = [{**row, "machine": machine(device)} for row in rows]
    warned: list[str] = []
    if path := os.environ.get(BASELINE):  # before the record, which may be the same file
        warned = worse(json.loads(Path(path).read_text(encoding="utf-8"))["rows"], made)
    if path := os.environ.get(RECORD):
        file = Path(path)
        found = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
        new = {_name(row) for row in made}
        kept = [row for row in found if _name(row) not in new]
        rows_in_order = sorted([*kept, *made], key=_name)
        text = json.dumps({"format": 1, "rows": rows_in_order}, indent=1, allow_nan=False)
        temporary = file.with_name(file.name + ".part")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(file)
    for sentence in warned:
        warnings.warn(sentence, stacklevel=2)


def _name(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["setting"], row["what"]


def worse(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each ratio that fell by more than a fifth, of rows that are in both records."""
    old = {_name(row): row["speed"]["median"] for row in before}
    found: list[str] = []
    for row in after:
        was, now = old.get(_name(row)), row["speed"]["median"]
        if was is not None and now < (1 - WORSE) * was:
            found.append(
                f"{row['setting']}, {row['what']}: {now:.2f} times as fast as {row['against']}, was {was:.2f}."
            )
    return found
