"""Git LFS pointers: the few lines of text that a clone without git-lfs has in the place of large files."""

from __future__ import annotations

from pathlib import Path

_SPEC = b"version https://git-lfs.github.com/spec/v1"
POINTER_REMEDY = "run `git lfs pull` in its repository"


def is_pointer(head: bytes) -> bool:
    """Whether a file that begins so is a pointer."""
    return head.startswith(_SPEC)


def is_pointer_file(path: Path) -> bool:
    """Whether the file at `path` is a pointer; False where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return is_pointer(stream.read(len(_SPEC)))
    except OSError:
        return False
