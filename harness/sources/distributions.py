"""Which installed distribution a module belongs to, if any: its code changes only with the version of that.

None of a checkout that is installed in place (`pip install -e`), of a folder on PYTHONPATH, or of a file that was
copied into `site-packages` by hand: their code changes under the same version, or has none.
"""

from __future__ import annotations

import json
import re
import site
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

OURSELVES = "stamina-bench"


def is_standard(file: str) -> bool:
    """Whether a file is part of the standard library."""
    path = Path(file)
    elsewhere = {"site-packages", "dist-packages"}
    return any(path.is_relative_to(root) for root in _standard()) and elsewhere.isdisjoint(path.parts)


@cache
def _standard() -> tuple[str, ...]:
    return tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})


@cache
def site_folders() -> frozenset[str]:
    """Where this Python's distributions are installed."""
    own = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    users = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    return frozenset({*own, *getattr(site, "getsitepackages", list)(), *([users] if users else [])})


@cache
def distribution_of(name: str, file: str) -> tuple[str, str] | None:
    """(name, version) of the distribution that installed a module's file; None where none did.

    Args:
        name: the module's whole name. file: its file, as the import system gives it.
    """
    depth = name.count(".") + (1 if Path(file).stem == "__init__" else 0)
    parents = Path(file).parents
    if depth >= len(parents):
        return None
    root = parents[depth]
    relative = Path(file).relative_to(root).as_posix()
    for found in _candidates(name.partition(".")[0], root):
        if _owns(found, relative, name, root):
            return found.name, found.version
    return None


def _candidates(top: str, root: Path) -> Iterator[Distribution]:
    """First the distribution of the same name, as nearly all are called after what they install."""
    yield from distributions(name=top, path=[str(root)])
    yield from distributions(path=[str(root)])


def _owns(found: Distribution, relative: str, name: str, root: Path) -> bool:
    top = name.partition(".")[0]
    named = found.read_text("top_level.txt")  # not all have it; small where the record is large
    if (named is not None and top not in named.split()) or _in_place(found):
        return False
    record = found.read_text("RECORD")
    if record is not None:
        return record.startswith(f"{relative},") or f"\n{relative}," in record or f'\n"{relative}",' in record
    # systems' own packages list no files; a checkout's egg-info is no installation
    return str(root) in site_folders() and (named is not None or normal(found.name) == normal(top))


def _in_place(found: Distribution) -> bool:
    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return False
    return bool(told.get("dir_info", {}).get("editable"))


def normal(name: str) -> str:
    """A distribution's name as all its spellings share it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def ours() -> frozenset[str]:
    """Normal names of this program's distribution and of what it requires: no step's key has their versions."""
    try:
        required = distribution(OURSELVES).requires or []
    except PackageNotFoundError:
        required = []
    names = {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required if "extra ==" not in line}
    return frozenset(map(normal, {OURSELVES, *names}))
