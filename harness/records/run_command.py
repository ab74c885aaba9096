"""The command of a run, from its file: what to type to ask for the same again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.spec import MethodSpec, RunSpec


def run_command(spec: RunSpec) -> str:
    """`stamina-bench run ...` with all that decides what comes out; of absolute paths the last part alone.

    Where results go, on which device and with how many workers is left to whoever runs it.
    """
    words = ["stamina-bench", "run", _public(spec.benchmark)]
    words += ["--methods", ",".join(_method(one) for one in spec.methods)]
    words += ["--seeds", ",".join(map(str, spec.seeds)), "--tier", spec.tier]
    given: dict[str, object] = {
        "--setting": spec.setting, "--split-into": spec.split_into, "--class-order": spec.class_order,
        "--min-side": spec.min_side, "--holdout": spec.holdout, "--backbone": spec.backbone,
        "--extractor": spec.extractor, "--dtype": spec.dtype, "--tasks": f"1-{len(spec.tasks)}" if spec.tasks else None,
        "--order": spec.order or None, "--metrics": ",".join(map(_public, spec.metrics)) or None,
    }  # fmt: skip
    for option, value in given.items():
        words += [option, _public(str(value))] if value is not None else []
    words += ["--full-matrix"] * spec.full_matrix + ["--compile"] * spec.compile
    for key, value in _changes(spec).items():
        words += ["--set", f"{key}={_text(value)}"]
    return shlex.join(words)


def _changes(spec: RunSpec) -> Mapping[str, Any]:
    """The changed options as `--set` takes them: those that all methods have in common without the method's name."""
    own = [dict(one.changes) for one in spec.methods]
    names = [_public(one.shown) for one in spec.methods]
    alike = {key: value for key, value in own[0].items() if all(key in o and o[key] == value for o in own)}
    found = dict(alike)
    for name, changes in zip(names, own, strict=True):
        found |= {f"{name}.{key}": value for key, value in changes.items() if key not in alike}
    return found | {
        f"{name}.{key}": value for name, options in spec.protocols().items() for key, value in options.items()
    }


def _method(one: MethodSpec) -> str:
    return f"{one.called}={_public(one.name)}" if one.called else _public(one.name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _public(word: str) -> str:
    return Path(word).name if Path(word).is_absolute() else word
