"""What may stand on a page that is shown to others: text without the machine's paths, and data without markup."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

# An absolute path of two parts or more, POSIX or Windows, in the middle of a text; not what follows a URL's host.
_PATH = re.compile(
    r"(?:file://|(?<![\w.~/<:+-]))(?:/[^\s/'\"<>|;,()\[\]{}]+)+/(?P<posix>[^\s/'\"<>|;,()\[\]{}]*)"
    r"|(?<!\w)[A-Za-z]:[\\/](?:[^\s\\/'\"<>|;,]+[\\/])*(?P<windows>[^\s\\/'\"<>|;,]*)"
)
# JSON inside <script>: none of these may appear as itself. Escaped, they are the same characters to a JSON parser.
_MARKUP = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def public(text: str) -> str:
    """The text with absolute paths cut to their last part, and with a space for each character that cannot be seen."""
    return _PATH.sub(_last_part, "".join(c if c.isprintable() else " " for c in text))


def public_path(path: Path | None, folder: Path) -> str:
    """The path seen from the folder where it lies beside or below it, else its name alone; '' for none."""
    if path is None:
        return ""
    path, folder = path.absolute(), folder.absolute()
    if path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    if len(folder.parts) > 2 and path.is_relative_to(folder.parent):
        return f"../{path.relative_to(folder.parent).as_posix()}"
    return path.name


def data_block(data: Any) -> Markup:
    """JSON that may stand in a <script> element, whatever the texts in it say.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(_clean(data), allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_MARKUP))


def _clean(data: Any) -> Any:
    if isinstance(data, str):
        return public(data)
    if isinstance(data, Mapping):
        return {public(str(key)): _clean(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_clean(value) for value in data]
    return data


def _last_part(match: re.Match[str]) -> str:
    whole = match.group().rstrip("\\/")
    return "…/" + re.split(r"[\\/]", whole)[-1]
