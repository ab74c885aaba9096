"""Category words that say nothing of what is shown: "concept" of `concept1`, "img" of `IMG_0001`, "new folder".

Prompts with them are nonsense ("a photo of a V* concept"), so their owner is told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from harness.data.category_words import FROM_NAME, Category, is_of_camera
from harness.data.folder_names import is_of_deleted
from harness.data.garbled_names import repaired
from harness.data.skipped_files import NAMED, few, few_of
from harness.errors import shortened

# What programs, cameras, data sets and hurried people call folders; words that name a thing as well are left out.
_NOTHING = frozenset(
    re.findall(
        r"\w+",
        """
        augmented background backup backups bad best bild bilder bluetooth categories category class classes cluster
        clutter concept concepts cropped data dataset datasets dcim default delete deleted distractor distractors
        download downloads dsc dscf dscn duplicate duplicates edited example examples export exports favorites
        favourites foto fotos good gopr icloud image imagenes images img imgs imágenes inconnu input inputs instagram
        instance jpeg jpegimages jpegs jpg jpgs keep masks messenger misc miscellaneous movies negative negatives object
        ohwx original originals other others output outputs photo photograph photographs photos pic pics picture
        pictures png pngs positive private pxl raw recents recordings reg regularisation regularization rejected resized
        sample samples screenshot screenshots selected sent sks snapchat sonstiges stuff style subject subset task tasks
        tbd telegram temp test testing thumbnails thumbs tmp todo training unbekannt uncategorized unidentified unknown
        unlabeled unlabelled unnamed unsorted untitled upload uploads val valid validation various whatsapp zwx
        """,
    )
)
_FILLING = frozenset(
    re.findall(
        r"\w+",
        "a album all and camera copy drive final folder from google my new of old person saved set sets shared the "
        "their user your",
    )
)
_PHRASES = frozenset(
    {"album", "all", "batch", "camera roll", "camera uploads", "carpeta sin título", "day", "dossier sans titre",
     "fill in", "final", "my folder", "neuer ordner", "new", "new folder", "nouveau dossier", "nova pasta",
     "nueva carpeta", "nuova cartella", "old", "photo library", "sans titre", "screen recordings",
     "segmentation class", "segmentation object", "session",
     "shared album", "unbenannter ordner"}
)  # fmt: skip
_THINGS = frozenset({"photo album", "picture album"})
# When a thing was photographed, as albums are called: "July 2023", "12 July 2023", "July 12, 2023".
_MONTH = (
    "jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|"
    "sep(?:t|tember)?|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?"
)
_DATE = re.compile(rf"(?:\d{{1,2}}\W*)?(?:{_MONTH})\W*(?:\d{{1,2}}\W+)?(?:19|20)\d\d", re.IGNORECASE)
_SYNSET = re.compile(r"n\d{8}")  # ImageNet's number of a class
_FACE = re.compile(r"faces?[\s_-]*\d+", re.IGNORECASE)  # what programs that sort photographs by faces call a person
# Of classes, which need no word for prompts: what is left over, and no class.
_LEFT_OVER = re.compile(
    r"(?:\d+ )?(?:all|background(?: google)?|backups?|clutter|distractors?|duplicates|misc|miscellaneous|rejected|"
    r"uncategorized|unlabell?ed|unnamed|unsorted|untitled)"
)
# What stands beside the word for what is shown: of copies, edits, formats and other trainers; of tutorials and data
# sets that sort their concepts ("dog example", "things cup"), samplers ("person ddim") and searches ("dog isolated").
_BESIDE = re.compile(
    r"(?:sks|ohwx|zwx|generated|reg|regulari[sz]ation|synthetic) .+|my \w+|"
    r"n\d{8} .+|"  # ImageNet's number before its word
    r"(?:animals|decoritems?|items|objects?|scene|things|vehicles|wearables?) .+|"
    r".+ \d{1,2} (?:" + _MONTH + r")|"
    r"(?:best|copy|photos?|pictures?|images?) of .+|"
    r".+ (?:augmented|backups?|bak|copie|copia|copy|cropped|dataset|edited|files|final|generated|hd|hq|"
    r"ddim|demo|examples?|high (?:quality|res|resolution)|isolated|plms|stock (?:image|photo|picture)s?|uhd|4k|8k|"
    r"(?:4k|hd|uhd) wallpapers?|(?:black|plain|transparent|white) background|flickr|pexels|pinterest|pixabay|unsplash|"
    r"images|imgs?|jpe?g|kopie|masked|new|no ?bg|old|originals|photos|pics?|pictures|png|reg|resized|selected|"
    r"synthetic|thumbs|thumbnails|webp|\d+x\d+|"
    r"for (?:test|train)(?:ing)?)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"(?P<word>.+) (?:train|test|val)", re.IGNORECASE)  # "dog train", but a toy train is a thing
# of class images beside the concept's own, as trainers with prior preservation keep them
_PRIOR = re.compile(r"(?:class|prior) (?P<after>.+)|(?P<before>.+) (?:class|prior)", re.IGNORECASE)
_CAMERA = "camera"  # a thing, but not beside other folders of a telephone
# A vehicle, unless what lies beside it is another part of a data set.
_LABELS, _TRAIN = "labels", "train"
_END = re.compile(r"[\W_\d]+$")  # "train2017"
_SETS = frozenset({"dev", "images", "labels", "test", "testing", "val", "valid", "validation"})


# What pets and people are called, and no thing is: as a folder's name it says who, and not what.
_NAMES = frozenset(
    re.findall(
        r"\w+",
        """
        alex anna bailey bella bruno charlie chloe emma felix fido fritz hannah jake jonas julia kiki lena leo lilly
        lisa lola loki louie lucy lulu luna maria marie max maya mia mike milo molly nala nina oliver otto paul peter
        rex rufus sadie sally sarah simba sophie sophia susi thomas tim toby tom tommy zoe
        """,
    )
)


def says_nothing(words: str, names: Iterable[str] = ()) -> bool:
    """Whether category words say nothing of what is shown.

    Args:
        names: of all concepts, beside which they stand.

    >>> [says_nothing(words) for words in ("concept", "new folder", "IMG", "train", "dog", "photo frame")]
    [True, True, True, False, False, False]
    """
    found = words.casefold().split()
    if found in ([_TRAIN], [_LABELS]):
        return any(_END.sub("", name.casefold()) in _SETS - set(found) for name in names)
    if found == [_CAMERA]:
        return any(says_nothing(name.replace("_", " ")) for name in names if name.casefold() != _CAMERA)
    if " ".join(found) in _THINGS:
        return False
    return " ".join(found) in _PHRASES or (
        any(word in _NOTHING for word in found) and all(word in _NOTHING | _FILLING for word in found)
    )


def odd_parts(words: str, others: Collection[str] = ()) -> bool:
    """Whether category words have a part that is not of what is shown, or a word with letters of two scripts.

    Args:
        others: the words of all concepts, in small letters: beside `dog` or `dog test`, `dog train` is a part of a set.

    >>> [odd_parts(words) for words in ("dog copy", "photo of dog", "sks dog", "\u0441at", "photo frame", "dog")]
    [True, True, True, True, False, False]
    """
    if split := _SPLIT.fullmatch(words.casefold()):
        word = split["word"]
        parts = {word, *(f"{word} {part}" for part in ("train", "test", "val"))} - {words.casefold()}
        return not parts.isdisjoint(others)
    if (prior := _PRIOR.fullmatch(words.casefold())) and (prior["after"] or prior["before"]) in others:
        return True
    return _BESIDE.fullmatch(words) is not None or any(len(_scripts(word)) > 1 for word in words.split())


def empty_words(
    categories: Iterable[tuple[str, Category]],
    of: str = "folder",
    remedy: str = "category.txt in the folder",
    most: int = NAMED,
) -> list[str]:
    """Sentences on category words that say nothing, or more than what is shown, and on garbled names.

    Args:
        categories: a concept's name, and its category. of: what has the names. remedy: what gives another word.
        most: so many are named.
    """
    given = list(categories)
    names = [name for name, _ in given]
    others = {one.words.casefold() for _, one in given}
    nothing = [(name, one) for name, one in given if _is_empty(name, one, names)]
    more = [(name, one) for name, one in given if (name, one) not in nothing and odd_parts(one.words, others)]
    garbled = [
        f"{shortened(name)} ({shortened(meant)}?)" if meant != name else shortened(name)
        for name, one in given
        if one.origin == FROM_NAME and (meant := repaired(name)) is not None
    ]
    called = [(name, one) for name, one in given if one.origin == FROM_NAME and one.words.casefold() in _NAMES]
    foreign = [(name, one) for name, one in given if one.origin == FROM_NAME and _is_foreign(one.words)]
    said: list[str] = []
    if called:
        which = "A category word seems" if len(called) == 1 else f"{len(called)} category words seem"
        said.append(
            f"{which} to be who it is, and not what: {_named(called, most)}; give the kind (dog, person) by {remedy}."
        )
    if foreign:
        which = "A category word has" if len(foreign) == 1 else f"{len(foreign)} category words have"
        said.append(
            f"{which} letters that are not Latin, and the text encoder was trained on English: "
            f"{_named(foreign, most)}; give an English word by {remedy}."
        )
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
    if garbled:
        which = "A name has" if len(garbled) == 1 else f"{len(garbled)} names have"
        said.append(
            f"{which} letters that seem garbled: {few_of(garbled, most)}; rename the {of}, or give a word by {remedy}."
        )
    return said


def _is_empty(name: str, category: Category, names: Sequence[str]) -> bool:
    """Whether a concept's category says nothing; what stands in a file is not taken for a folder's name."""
    if category.origin != FROM_NAME:
        return says_nothing(category.words)
    return (
        says_nothing(category.words, names)
        or is_of_camera(name)
        or any(each.fullmatch(name.replace("_", " ")) for each in (_DATE, _FACE, _SYNSET))
    )


def left_over(classes: Iterable[str]) -> list[str]:
    """A sentence on classes that are called as what is no class; none if there are none."""
    words = {name: " ".join(re.findall(r"[^\W_]+", name)).casefold() for name in classes}
    found = [name for name, each in words.items() if _LEFT_OVER.fullmatch(each) or is_of_deleted(each)]
    if not found:
        return []
    which = "A class seems" if len(found) == 1 else f"{len(found)} classes seem"
    return [f"{which} to be none by the folder's name: {few(found, most=len(found))}; if so, move the folder away."]


def _named(found: Sequence[tuple[str, Category]], most: int) -> str:
    return few_of([f"{shortened(one.words)} (of '{shortened(name)}')" for name, one in found], most)


def _is_foreign(words: str) -> bool:
    """Whether all letters of some word are of another script than Latin."""
    names = [[unicodedata.name(char, "") for char in word if char.isalpha()] for word in words.split()]
    return any(letters and not any(name.startswith("LATIN") for name in letters) for letters in names)


def _scripts(word: str) -> set[str]:
    """Of Latin, Cyrillic and Greek, those that a word has letters of."""
    return {unicodedata.name(char, "").split(" ")[0] for char in word} & {"LATIN", "CYRILLIC", "GREEK"}
