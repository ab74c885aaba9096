"""Category words that say nothing of what is shown: "concept" of `concept1`, "img" of `IMG_0001`, "new folder".

Prompts with them are nonsense ("a photo of a V* concept"), so their owner is told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from harness.data.category_words import FROM_NAME, Category
from harness.data.skipped_files import NAMED, few
from harness.errors import shortened

# What programs, cameras, data sets and hurried people call folders; words that name a thing as well are left out.
_NOTHING = frozenset(
    re.findall(
        r"\w+",
        """
        background backup backups bild bilder class classes cropped category categories concept concepts data dataset
        datasets dcim default download downloads edited dsc dscf dscn example examples export exports favorites
        favourites foto fotos gopr icloud image images img imgs input inputs instance jpeg jpegs jpg jpgs misc
        miscellaneous ohwx original originals other others output outputs photo photograph photographs photos pic pics
        picture pictures png pngs pxl raw recents rejected resized sample samples screenshot screenshots sks stuff
        subset task tasks temp test testing tmp todo training uncategorized unknown unlabeled unlabelled unnamed
        unsorted untitled upload uploads val valid validation various whatsapp zwx
        """,
    )
)
_FILLING = frozenset(
    re.findall(r"\w+", "a all and copy drive final folder from google my new of old set sets the their user your")
)
_PHRASES = frozenset(
    {"all", "camera roll", "carpeta sin título", "dossier sans titre", "final", "my folder", "neuer ordner",
     "new folder", "nouveau dossier", "nova pasta", "nueva carpeta", "nuova cartella", "sans titre",
     "unbenannter ordner"}
)  # fmt: skip
# Of classes, which need no word for prompts: what is left over, and no class.
_LEFT_OVER = re.compile(
    r"all|background google|backups?|rejected|trash|uncategorized|unlabell?ed|unnamed|unsorted|untitled"
)
# What stands beside the word for what is shown: of copies, formats and other trainers.
_BESIDE = re.compile(
    r"(?:sks|ohwx|zwx) .+|(?:copy|photos?|pictures?|images?) of .+|.+ (?:copy|kopie|copie|copia|jpe?g|png|webp)",
    re.IGNORECASE,
)
_CAMERA = "camera"  # a thing, but not beside other folders of a telephone
# A vehicle, unless what lies beside it is another part of a data set.
_TRAIN, _SETS = "train", frozenset({"dev", "images", "labels", "test", "testing", "val", "valid", "validation"})


def says_nothing(words: str, names: Iterable[str] = ()) -> bool:
    """Whether category words say nothing of what is shown.

    Args:
        names: of all concepts, beside which they stand.

    >>> [says_nothing(words) for words in ("concept", "new folder", "IMG", "train", "dog", "photo frame")]
    [True, True, True, False, False, False]
    """
    found = words.casefold().split()
    if found == [_TRAIN]:
        return any(name.casefold() in _SETS for name in names)
    if found == [_CAMERA]:
        return any(says_nothing(name.replace("_", " ")) for name in names if name.casefold() != _CAMERA)
    return " ".join(found) in _PHRASES or (
        any(word in _NOTHING for word in found) and all(word in _NOTHING | _FILLING for word in found)
    )


def odd_parts(words: str) -> bool:
    """Whether category words have a part that is not of what is shown, or a word with letters of two scripts.

    >>> [odd_parts(words) for words in ("dog copy", "photo of dog", "sks dog", "\u0441at", "photo frame", "dog")]
    [True, True, True, True, False, False]
    """
    return _BESIDE.fullmatch(words) is not None or any(len(_scripts(word)) > 1 for word in words.split())


def empty_words(
    categories: Iterable[tuple[str, Category]],
    of: str = "folder",
    remedy: str = "category.txt in the folder",
    most: int = NAMED,
) -> list[str]:
    """Sentences on category words from names that say nothing, or more than what is shown; none if there are none.

    Args:
        categories: a concept's name, and its category. of: what has the names. remedy: what gives another word.
        most: so many are named.
    """
    given = [(name, one) for name, one in categories if one.origin == FROM_NAME]
    names = [name for name, _ in given]
    nothing = [(name, one) for name, one in given if says_nothing(one.words, names)]
    more = [(name, one) for name, one in given if (name, one) not in nothing and odd_parts(one.words)]
    said: list[str] = []
    if nothing:
        which = "A category word says" if len(nothing) == 1 else f"{len(nothing)} category words say"
        named = _named(nothing, most)
        said.append(f"{which} nothing of what the {of} shows: {named}; give one that does by {remedy}.")
    if more:
        which = "A category word has" if len(more) == 1 else f"{len(more)} category words have"
        said.append(
            f"{which} a part that is not of what the {of} shows, or letters of two scripts: {_named(more, most)}; give "
            f"another by {remedy}."
        )
    return said


def left_over(classes: Iterable[str]) -> list[str]:
    """A sentence on classes that are called as what is no class; none if there are none."""
    found = [name for name in classes if _LEFT_OVER.fullmatch(" ".join(re.findall(r"[^\W_]+", name)).casefold())]
    if not found:
        return []
    which = "A class seems" if len(found) == 1 else f"{len(found)} classes seem"
    return [f"{which} to be none by the folder's name: {few(found, most=len(found))}; if so, move the folder away."]


def _named(found: Sequence[tuple[str, Category]], most: int) -> str:
    return few([f"{shortened(one.words)} (of '{shortened(name)}')" for name, one in found], most)


def _scripts(word: str) -> set[str]:
    """Of Latin, Cyrillic and Greek, those that a word has letters of."""
    return {unicodedata.name(char, "").split(" ")[0] for char in word} & {"LATIN", "CYRILLIC", "GREEK"}
