"""Category words that say nothing of what is shown: "concept" of `concept1`, "img" of `IMG_0001`, "new folder".

Prompts with them are nonsense ("a photo of a V* concept"), so their owner is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.data.category_words import FROM_NAME, Category
from harness.data.skipped_files import few
from harness.errors import shortened

# What programs, cameras, data sets and hurried people call folders; words that name a thing as well are left out.
_NOTHING = frozenset(
    re.findall(
        r"\w+",
        """
        bild bilder class classes category categories concept concepts data dataset datasets dcim default download
        downloads dsc dscf dscn example examples export exports foto fotos gopr image images img imgs input inputs
        instance jpeg jpegs jpg jpgs misc miscellaneous ohwx other others output outputs photo photograph photographs
        photos pic pics picture pictures png pngs pxl raw sample samples sks stuff subset task tasks temp test testing
        tmp todo training uncategorized unknown unlabeled unlabelled unnamed unsorted untitled upload uploads val valid
        validation various zwx
        """,
    )
)
_FILLING = frozenset(re.findall(r"\w+", "a all and copy final folder my new of old set sets the their your"))
_PHRASES = frozenset(
    {"camera roll", "carpeta sin título", "dossier sans titre", "my folder", "neuer ordner", "new folder",
     "nouveau dossier", "nova pasta", "nueva carpeta", "nuova cartella", "sans titre", "unbenannter ordner"}
)  # fmt: skip
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
    return " ".join(found) in _PHRASES or (
        any(word in _NOTHING for word in found) and all(word in _NOTHING | _FILLING for word in found)
    )


def empty_words(
    categories: Iterable[tuple[str, Category]], of: str = "folder", remedy: str = "category.txt in the folder"
) -> list[str]:
    """A sentence on category words from names that say nothing; none if all say something.

    Args:
        categories: a concept's name, and its category. of: what has the names. remedy: what gives another word.
    """
    given = list(categories)
    names = [name for name, _ in given]
    odd = [
        f"{shortened(one.words)} (of '{shortened(name)}')"
        for name, one in given
        if one.origin == FROM_NAME and says_nothing(one.words, names)
    ]
    if not odd:
        return []
    which = "A category word says" if len(odd) == 1 else f"{len(odd)} category words say"
    return [f"{which} nothing of what the {of} shows: {few(odd)}; give one that does by {remedy}."]
