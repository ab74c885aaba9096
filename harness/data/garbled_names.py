"""Names whose letters were read in another encoding than they were written in: what they seem to be meant as."""

from __future__ import annotations

import unicodedata

# How names were read, and how they were written. What was written as UTF-8 can hardly be anything else; of the others
# only odd letters tell.
_UTF_8 = (("cp1252", "utf-8"), ("latin-1", "utf-8"), ("cp437", "utf-8"), ("cp850", "utf-8"), ("mac_roman", "utf-8"))
_OTHERS = (("cp437", "cp1252"), ("cp850", "cp1252"), ("cp1252", "mac_roman"), ("mac_roman", "cp1252"))
_OLD = ("cp1252", "cp850", "cp437", "mac_roman")  # what names were written in before UTF-8
LOST = "\ufffd"  # stands for a letter that could not be read


def meant_as(name: str) -> str | None:
    """What a name of which bytes are no UTF-8, as old archives leave them, seems to be meant as; None if it has none.

    The name itself if no encoding fits.

    >>> meant_as("th\\udce9i\\udce8re"), meant_as("th\\udc82i\\udc8are"), meant_as("caf\\udc8e"), meant_as("caf\u00e9")
    ('théière', 'théière', 'café', None)
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        found = (_decoded(name.encode("utf-8", "surrogateescape"), written) for written in _OLD)
        return next((text for text in found if text is not None), name)
    return None


def repaired(name: str) -> str | None:
    """What a garbled name seems to be meant as; None if it seems not garbled, the name itself if letters are lost.

    >>> repaired("stra\u00c3\u0178e"), repaired("caf\u017d cup"), repaired("M\u207fnze"), repaired("M\u00fcnze")
    ('straße', 'café cup', 'Münze', None)
    """
    if LOST in name:
        return name
    if name.isascii():
        return None
    found = (_read_again(name, read, written) for read, written in (*_UTF_8, *(_OTHERS if _is_odd(name) else ())))
    return next((text for text in found if text is not None), None)


def _read_again(name: str, read: str, written: str) -> str | None:
    try:
        return _decoded(name.encode(read), written)
    except UnicodeEncodeError:
        return None


def _decoded(data: bytes, written: str) -> str | None:
    try:
        text = data.decode(written)
    except UnicodeDecodeError:
        return None
    letters = all(char.isascii() or unicodedata.category(char)[0] in "LM" for char in text)
    return text if letters and not _is_odd(text) else None


def _is_odd(name: str) -> bool:
    """Whether a sign or modifier that is not ASCII stands behind a letter, or such a capital behind a small one."""
    return any(
        before.isalpha()
        and not char.isascii()
        and (kind[0] == "S" or kind == "Lm" or (kind == "Lu" and before.islower()))
        for before, char, kind in zip(name, name[1:], map(unicodedata.category, name[1:]), strict=False)
    )
