"""What tells results apart beside their names: the content of a benchmark's tasks, the models, and the code.

Two folders of photographs may share a name, and a plugin keeps its own when it is edited. Only what is equal in all
that this module knows may be averaged as seeds of one line. Hashes are cut to `DIGITS` hexadecimal digits: nothing here
is a key of the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from harness.spec import Frozen

DIGITS = 16
SHOWN = 6  # digits that a reader is shown


class MadeBy(Frozen):
    """By what a cell was made, beside its method's options; empty where a file of before version 7 does not tell.

    The method's source, the metrics' and the models are hashes, `steps` names the version of each kind of step.
    """

    source: str = Field("", description="of the method's source, and of its learner's")
    metrics: str = Field("", description="of the metrics' source")
    steps: str = Field("", description="kinds of steps with the versions of their code")
    backbone: str = Field("", description="of the backbone's files")
    extractor: str = Field("", description="of the metrics' feature extractor; empty in classification, which has none")
    extractor_name: str = Field("", description="its folder's name, or architecture/pretrained")
    device: str = ""
    dtype: str = ""


def short(*parts: str) -> str:
    """One short hash of some texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]


def task_content(fingerprint: str, category: str, reference: str = "") -> str:
    """What a task is, whatever it is called: its images and its category word.

    Args:
        fingerprint: of the training images. category: the word.
        reference: the fingerprint of the held-out images that figures are measured against; '' where there are none.
    """
    return short(fingerprint, category, reference) if reference else short(fingerprint, category)


def content_of(tasks: Sequence[str]) -> str:
    """What some tasks are together, in their order; empty where one of them is not known."""
    return short(*tasks) if tasks and all(tasks) else ""


def step_versions(versions: Iterable[tuple[str, int]]) -> str:
    """'features 1, real 2, train 5': each kind once, in alphabetical order."""
    return ", ".join(f"{kind} {version}" for kind, version in sorted(set(versions)))


def extractor_label(source: str) -> str:
    """What tables call an extractor: a folder's own name, or architecture/pretrained as it is."""
    path = Path(source)
    return (path.name or path.resolve().name) if path.is_dir() else source
