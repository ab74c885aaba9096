"""What to say where a package of this program is not whole: another distribution has one of that name, perhaps."""

from __future__ import annotations

from pathlib import Path

from harness.errors import reason
from harness.sources.home import HOME, PACKAGES, is_ours


def spoilt(name: str, error: BaseException) -> str:
    """The sentence for a package or module of this program that is missing, or that fails as it is imported.

    Args:
        name: its dotted name.
        error: what importing it ended with.
    """
    top = name.partition(".")[0]
    folder, others = HOME / top, others_with(top)
    where = f"{HOME.joinpath(*name.split('.'))} cannot be imported ({reason(error)})"
    if others:
        listed = " and ".join(others)
        return (
            f"{where}: {listed} has installed a package of the name '{top}', too, into {folder}; uninstall {listed}, "
            "and install stamina-bench again."
        )
    return f"stamina-bench is not wholly installed: {where}; install it again."


def missing_part(error: BaseException) -> str | None:
    """The sentence, if the error is that a module of this program is not there; else None."""
    name = getattr(error, "name", None) or ""
    if not isinstance(error, ModuleNotFoundError) or name.partition(".")[0] not in PACKAGES or _asked_elsewhere(error):
        return None
    return spoilt(name, error)


def _asked_elsewhere(error: BaseException) -> bool:
    """Whether the import is in a file that is not this program's: a plugin's, of a name that there is no more."""
    from traceback import walk_tb  # which needs a part of the standard library that a user's file may hide

    asked = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    files = [Path(file) for file in asked if not file.startswith("<")]
    return bool(files) and not is_ours(files[-1])


def others_with(top: str) -> list[str]:
    """Other distributions with files in a package of this program, where that lies: 'name version'."""
    from importlib.metadata import distributions

    from harness.sources.distributions import OURSELVES, normal

    found = {
        f"{each.name} {each.version}"
        for each in distributions(path=[str(HOME)])
        if normal(each.name) != OURSELVES and any(file.parts[0] == top for file in each.files or ())
    }
    return sorted(found)
