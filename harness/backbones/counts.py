"""What was counted of backbones and extractors (`harness.backbones.flops`), and what ships of it. Imports no torch.

`counts.json` holds the counts of the architectures that have a name, so that a plan need not count them again;
`python -m harness.backbones.counts FOLDER...` writes it anew, with the architectures of some folders.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from harness.backbones.architecture import Blueprint, blueprint
from harness.backbones.hub import KNOWN
from harness.backbones.work_counts import Counts, ExtractorCounts
from harness.errors import UsageError, first_line

FILE: Final = Path(__file__).parent / "counts.json"
SHIPPED_EXTRACTOR: Final = "ViT-B-32-quickgelu"


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def shipped(plan: Blueprint) -> Counts | None:
    """The counts that ship for an architecture, or None."""
    found = _shipped()["backbones"].get(plan.digest)
    return Counts.model_validate(found) if found else None


def is_nominal(plan: Blueprint) -> bool:
    """Whether nominal seconds of steps (`StepKind.seconds`) were measured on a backbone of this architecture."""
    return bool(plan.digest == _shipped()["nominal"])


_made: dict[tuple[str, str], Counts] = {}


def counts_of(plan: Blueprint, source: str, width: str) -> Counts:
    """The counts of a pipeline: those that ship, or made now, once a process.

    Args:
        width: 'float32' or 'half', in which memory is wanted.

    Raises:
        UsageError: its configuration cannot be built. `source` is what the user calls it.
    """
    key = (plan.digest, width)
    if key not in _made:
        found = shipped(plan)
        if found is None:
            from harness.backbones.flops import count

            try:
                found = count(plan, [width])
            except Exception as error:  # a configuration may ask for anything
                first = first_line(error)
                raise UsageError(
                    f"Backbone '{source}' cannot be counted ({first}); check its config.json files."
                ) from error
        _made[key] = found
    return _made[key]


def extractor_counts(source: str) -> ExtractorCounts:
    """The counts of an open_clip folder, or of an 'architecture/pretrained'.

    Raises:
        UsageError: no such folder or architecture.
    """
    return _extractor(source)


@lru_cache(maxsize=8)
def _extractor(source: str) -> ExtractorCounts:
    architecture = source.partition("/")[0]
    if not Path(source).is_dir() and architecture == SHIPPED_EXTRACTOR:
        return ExtractorCounts.model_validate(_shipped()["extractors"][architecture])
    config = _extractor_config(source)
    from harness.backbones.flops import count_extractor

    try:
        return count_extractor(config)
    except Exception as error:  # a configuration may ask for anything
        first = first_line(error)
        raise UsageError(f"The extractor '{source}' cannot be counted ({first}); check --extractor.") from error


def _extractor_config(source: str) -> Mapping[str, Any]:
    if Path(source).is_dir():
        path = Path(source) / "open_clip_config.json"
        try:
            config: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"Extractor '{source}': open_clip_config.json does not say its size; give an open_clip folder."
            ) from None
        return config
    from open_clip import get_model_config

    found: Mapping[str, Any] | None = get_model_config(source.partition("/")[0])
    if found is None:
        raise UsageError(
            f"open_clip knows no architecture '{source}'; give --extractor a folder, or ViT-B-32-quickgelu/openai."
        )
    return found


def write_shipped(folders: Sequence[str]) -> None:
    """Count anew what ships: the backbones that have a name, and those in folders.

    Nominal seconds of steps were measured on the first of the folders.
    """
    from harness.backbones.flops import count, count_extractor

    plans = {plan.digest: plan for plan in map(blueprint, [*KNOWN, *folders])}
    content = {
        "backbones": {digest: count(plan).model_dump(mode="json") for digest, plan in plans.items()},
        "nominal": blueprint(folders[0]).digest if folders else "",
        "extractors": {
            SHIPPED_EXTRACTOR: count_extractor(_extractor_config(SHIPPED_EXTRACTOR)).model_dump(mode="json")
        },
    }
    FILE.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_shipped(sys.argv[1:])
