"""What folders and files of a data set's splits are called: a folder of such alone holds no classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from harness.data.image_folders import SubFolder, composed
from harness.data.skipped_files import few
from harness.errors import UsageError, shortened
from harness.formats.figure_text import counted

_SPLIT = re.compile(
    r"(train(ing)?|test(ing)?|val(id(ation)?)?|dev|eval(uation)?|holdout)([\s_.-]*(set|split|data|images|\d+))*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<word>[^\W\d_](?:[\w\s-]*[^\W\d_])?)[\s_.-]*\(?\d+\)?")  # "cat.0", "sea lion_12"
# What exports, edits and augmentations of a picture have behind its name: "x_jpg.rf.1f2e3d", "x_aug3", "x-Edited",
# "x_flip", "x-removebg-preview", "x-150x150", "x.PORTRAIT-01.COVER". Not "x (1)" and "x copy": programs number
# different pictures of one second so, and a mere copy is found by its content.
_EXPORT = re.compile(
    r"(?P<stem>.+?)(_(jpe?g|png|bmp|webp)\.rf\.[0-9a-z]{6,}|\.[a-z]+-\d\d\.(cover|original)|-\d{2,4}x\d{2,4}|"
    r"[\s_-]+(aug(mented)?|bw|bg[\s_-]?removed|crop(ped)?|edited|flip(ped)?|mirror(ed)?|no[\s_-]?bg|"
    r"removebg([\s_-]preview)?|rot(ated)?|scaled|thumb(nail)?)[\s_-]?\d*)",
    re.IGNORECASE,
)
_EDITED = re.compile(r"(?P<start>IMG_)E(?P<number>\d{4,})")  # what an iPhone's import calls the edited IMG_0001
# What telephones, editors and Google Takeout put behind the name of a picture that they keep beside it; the words for
# "edited" may be cut off where a name is long.
_BESIDE_IT = re.compile(
    r"(?P<stem>.+?)(~\d{1,2}|[\s_-]+(?:effects|enhanced(?:[\s_-](?:nr|sr))?|filtered|hdr|pop_out|zugeschnitten|"
    r"(?P<word>[^\s\d_-]+)))",
    re.IGNORECASE,
)
_EDITED_WORDS = (
    "edited", "bearbeitet", "bewerkt", "düzenlendi", "editado", "editada", "editat", "edytowane", "modificato",
    "modificada", "modifié", "muokattu", "redigerad", "redigeret", "redigert", "szerkesztve", "upraveno",
    "изменено", "отредактировано", "відредаговано", "επεξεργασμένο", "編集済み", "已修改", "已编辑", "已編輯", "수정됨",
)  # fmt: skip
CUT = 4  # letters at least that are left of such a word
PREFIXES, LOOKED_AT = 50, 2000  # so many classes at most are told by files' names, of so many of them


def is_split_name(name: str) -> bool:
    """Whether a folder's name is that of a split.

    >>> [is_split_name(name) for name in ("Training", "test1", "val_images", "trains", "testudo")]
    [True, True, True, False, False]
    """
    return _SPLIT.fullmatch(name) is not None


def exported(stems: Collection[str]) -> dict[str, str]:
    """Of each file, by its name without suffix, the name of the picture that it seems to be exported from.

    >>> exported(["a_jpg.rf.0123456789", "b", "b (1)", "b_flip"])
    {'a_jpg.rf.0123456789': 'a', 'b': 'b', 'b (1)': 'b (1)', 'b_flip': 'b'}
    >>> exported(["a", "a~2", "a-bearbeite", "b~2"])
    {'a': 'a', 'a~2': 'a', 'a-bearbeite': 'a', 'b~2': 'b~2'}
    """
    there = frozenset(stems)
    return {stem: _source(stem, there) for stem in stems}


def _source(stem: str, there: frozenset[str]) -> str:
    if edited := _EDITED.fullmatch(stem):
        return edited["start"] + edited["number"]
    if match := _EXPORT.fullmatch(stem):
        return match["stem"]
    beside = _BESIDE_IT.fullmatch(stem)
    if beside is None or beside["stem"] not in there or not _says_edited(beside["word"]):
        return stem
    return beside["stem"]


def _says_edited(word: str | None) -> bool:
    """Whether a word is one for "edited", or such a one cut off; of none, true."""
    if word is None:
        return True
    word = composed(word).casefold()
    return any(one == word or (len(word) >= CUT and one.startswith(word)) for one in _EDITED_WORDS)


def numbered(stem: str) -> re.Match[str] | None:
    """The match of a file's name of a `word` and a number: "cat.0", "sea lion_12"; None of any other."""
    return _NUMBERED.fullmatch(stem)


def said_to_test(folders: Iterable[Sequence[Path]], *, drawn: bool = False) -> list[str]:
    """A sentence on images that their names say are to test, as "test_01" and "cat-val-3"; none if there are none.

    Only of folders most of whose names say a set, and more than one.

    Args:
        folders: the images of each. drawn: whether a test set is drawn of them; else all are trained on.
    """
    train: list[Path] = []
    test: list[Path] = []
    for images in folders:
        sides = {path: _side(path.stem) for path in images}
        some = [[path for path, side in sides.items() if side == which] for which in ("train", "test")]
        if all(some) and 2 * sum(map(len, some)) > len(images):
            train += some[0]
            test += some[1]
    if not test:
        return []
    names = f"{shortened(min(test).name)} beside {shortened(min(train).name)}"
    count = counted(len(test), "image is", "images are")
    if drawn:
        return [f"{count} to test by the names (as {names}), and the test set is drawn all the same; to keep that "
                "split, sort the images into train/ and test/."]  # fmt: skip
    return [f"{count} to test by the names (as {names}), and trained on all the same; move them away, or leave the "
            "choice to --holdout."]  # fmt: skip


def _side(stem: str) -> str:
    """The set that the first or the last word of a name is; "" if it is none."""
    words = re.findall(r"[^\W\d_]+", stem.casefold())
    for word in (words[0], words[-1]) if words else ():
        if is_split_name(word):
            return "train" if word.startswith("train") else "test"
    return ""


def refuse_splits(place: str, classes: Mapping[str, SubFolder]) -> None:
    """Refuse classes of which each is called as a split is, so that `train` and `test` are not told apart as classes.

    Args:
        place: what errors call the folder.

    Raises:
        UsageError: names the folders, and the classes that the names of their files seem to give.
    """
    if not classes or not all(map(is_split_name, classes)):
        return
    largest = max(classes.values(), key=lambda one: len(one.images))
    train = next((one for one in classes.values() if one.name.casefold().startswith("train")), largest)
    found, example = _prefixes(train)
    folders = few([f"{train.name}/{name}/" for name in found or ("CLASS",)])
    hint = f", as names like {shortened(example)} say" if found else ""
    names = few([f"{name}/" for name in classes])
    raise UsageError(
        f"{place} holds {names}, which are names of splits, with images but no class folders inside; sort the images "
        f"into one folder per class ({folders}){hint}."
    )


def _prefixes(folder: SubFolder) -> tuple[Sequence[str], str]:
    """The words before the numbers in files' names, if two or more of them are there often; and such a name."""
    words: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for path in islice(folder.images, 0, None, max(1, len(folder.images) // LOOKED_AT)):
        if match := numbered(path.stem):
            words[match["word"]] += 1
            examples.setdefault(match["word"], path.name)
    found = sorted(word for word, count in words.items() if count > 1)
    return (found, examples[found[0]]) if 2 <= len(found) <= PREFIXES else ((), "")
