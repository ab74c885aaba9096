"""File names from the user's words, and files that are never half written."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from pathlib import Path

from harness.store.identity import SHOWN, short

MAX_PART = 80  # characters of one word in a file name: three of them stay below the 255 bytes of common file systems


def slug(text: str) -> str:
    """A harmless part of a file name: ASCII letters, digits, '.', '_', '-'; no separators, no leading or trailing dot.

    A '+' is spelled out, as 'ti' and 'ti++' are two methods. What has none of these characters is told by digits of
    its hash. Different texts may give the same slug; `Names` keeps them apart.
    """
    ascii_text = unicodedata.normalize("NFKD", text.replace("+", "-plus")).encode("ascii", "ignore").decode()
    clean = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_text))
    return re.sub(r"-{2,}", "-", clean)[:MAX_PART].strip("-.") or (
        f"unnamed-{short(text)[:SHOWN]}" if text else "unnamed"
    )


class Names:
    """Hands out stems of file names, each once, also where the file system ignores case."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, ...]] = {}

    def unique(self, *parts: str) -> str:
        """The slugs of the parts joined by '-'.

        Other parts with the same slugs get digits of their hash at the end (that of all parts but the first, which says
        the kind of file); the same parts again '-2', '-3', ...
        """
        stem = "-".join(slug(part) for part in parts)
        if self._taken.get(stem.lower(), parts) != parts:
            stem = f"{stem}-{short(*(parts[1:] or parts))[:SHOWN]}"
        name, count = stem, 1
        while name.lower() in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken[name.lower()] = parts
        return name


def write_atomically(path: Path, data: bytes) -> Path:
    """Replace a file in one step: write and sync a temporary file beside it, then rename.

    Unlike a file made by `tempfile`, it gets the permissions of an ordinary new file, since reports are there to be
    shared.

    Raises:
        OSError: the folder cannot be written; no temporary file stays behind.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")  # not the target's name, which may be near the limit
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
