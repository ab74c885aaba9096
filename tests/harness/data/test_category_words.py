"""A concept's category word: of its own file, of the common one, or of the folder's name; no word is invented."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_photos import concept, lines
from tests_support import raises_sentence

from harness.data.category_words import checked_category, words_of_name
from harness.data.concept_folder import read_photos


def category(folder: Path, name: str) -> str:
    """The category of the concept in that folder."""
    return {one.name: one.category for one in read_photos(folder).concepts}[name]


# Names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("duck_toy", "duck toy"), ("dog", "dog"), ("dog-02", "dog"), ("mug10", "mug"), ("dog 1 2", "dog"),
        ("Teekännchen", "Teekännchen"), ("T-shirt", "T shirt"), ("dog's toy", "dog's toy"), ("-rf", "rf"), ("犬", "犬"),
        ("Hund äß", "Hund äß"), ("हिन्दी", "हिन्दी"), ("two  spaces", "two spaces"),
    ],
)  # fmt: skip
def test_names_that_are_read_plainly(tmp_path: Path, name: str, words: str) -> None:
    concept(tmp_path, name)
    assert words_of_name(name) == (words, True)
    assert category(tmp_path, name) == words
    foreign = [line for line in read_photos(tmp_path).lines() if "letters that are not Latin" in line]
    assert read_photos(tmp_path).lines() == foreign
    assert bool(foreign) == (not name[0].isascii())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("k5f2_dog", "k5f2 dog"), ("10_sks dog", "dog"), ("01_teddy bear", "teddy bear"),
        ("1_dog", "dog"), ("01_red__Cup3", "red Cup"),
        ("dog (1)", "dog"), ("dog.v2", "dog"), ("dog_v2", "dog"), ("<v1> dog", "dog"), ("1950s dog", "1950s dog"),
        ("#1 dog", "dog"), ("dog, cat", "dog cat"), ("the_cat", "cat"), ("~dog^2", "dog"), ('"dog"', "dog"),
        ("mp3-player", "mp3 player"), ("dog \U0001f436", "dog"), ("dog\ufe0f", "dog"), ("back\\slash", "back slash"),
        ("duck%20toy", "duck toy"), ("caf%C3%A9", "caf\u00e9"), ("dog%af", "dog af"), ("10_sks%20dog", "dog"),
    ],
)  # fmt: skip
def test_names_of_which_it_is_said_what_becomes_of_them(tmp_path: Path, name: str, words: str) -> None:
    concept(tmp_path, name)
    assert words_of_name(name) == (words, False)
    assert category(tmp_path, name) == words
    (line,) = read_photos(tmp_path).lines()
    assert line == (
        f"A category word is not plainly the folder's name: {words} (of '{name}'); another goes into category.txt in "
        "the folder."
    )


def test_many_odd_names_take_one_line(tmp_path: Path) -> None:
    for number in range(6):
        concept(tmp_path, f"{number}_dog")
    (line,) = read_photos(tmp_path).lines()
    assert line.startswith("6 category words are not plainly the folder's name: dog (of '0_dog'), dog (of '1_dog'), ")
    assert " and 3 more; another goes" in line


def test_a_category_of_a_name_has_four_words_at_most(tmp_path: Path) -> None:
    concept(tmp_path, "red_cup_with_a_blue_handle")
    assert category(tmp_path, "red_cup_with_a_blue_handle") == "red cup with a"
    (line,) = read_photos(tmp_path).lines()
    assert "red cup with a (of 'red_cup_with_a_blue_handle'); another goes into category.txt" in line


@pytest.mark.parametrize("name", ["0001", "_-_", "(1)", "\U0001f436", "<v1>", "50%", "...x"[:2] + " 2"])
def test_a_name_without_a_word_is_refused(tmp_path: Path, name: str) -> None:
    concept(tmp_path, "x").rename(tmp_path / ("_" + name))
    name = "_" + name
    where = tmp_path / "categories.csv"
    raises_sentence(
        lambda: read_photos(tmp_path), f"'{name}' has no word in it", "category.txt", f"'{name},WORD' into {where}"
    )
    where.write_text(f'"{name}",dog\n', encoding="utf-8")
    assert category(tmp_path, name) == "dog"
    (tmp_path / name / "category.txt").write_text("cat")
    assert category(tmp_path, name) == "cat"


@given(st.text(min_size=1, max_size=60))
def test_words_of_any_name_are_words(name: str) -> None:
    words, plain = words_of_name(name)
    assert words == " ".join(words.split())
    assert words == unicodedata.normalize("NFC", words)
    assert not words or any(c.isalpha() for c in words)
    assert not (plain and (not words or any(c.isdigit() for c in words)))
    if words:
        assert words_of_name(words)[0] in words  # what was read is read again as it is, or shorter


@given(st.lists(st.text(st.characters(categories=("Lu", "Ll")), min_size=1, max_size=9), min_size=1, max_size=4))
def test_words_of_letters_are_kept(words: list[str]) -> None:
    text = unicodedata.normalize("NFC", " ".join(words))
    if words[0].lower() in ("a", "an", "the"):
        return
    assert words_of_name("_".join(words)) == (text, True)
    assert checked_category(f"  {text} ", "x") == text


# category.txt


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"dog", "dog"),
        (b"  old   teddy bear \nignored 123\n", "old teddy bear"),
        ("\ufeffhigh-heeled boot\r\n".encode(), "high-heeled boot"),
        ("golden retriever\r\n".encode("utf-16"), "golden retriever"),
        (b"dog\rignored", "dog"),
        (b"a", "a"),
        ("cafe\u0301".encode(), "caf\u00e9"),
        ("dog\u2019s toy".encode(), "dog\u2019s toy"),
        ("हिन्दी".encode(), "हिन्दी"),
    ],
)
@pytest.mark.parametrize("file", ["category.txt", "Category.TXT"])
def test_category_file(tmp_path: Path, data: bytes, words: str, file: str) -> None:
    (concept(tmp_path, "max") / file).write_bytes(data)
    (only,) = read_photos(tmp_path).concepts
    assert (only.category, only.origin, only.plain) == (words, file, True)


@pytest.mark.parametrize(
    "text", ["", "\n dog", "one b c d e", "dog2", "dog.", "a - b", "<token>", "dog_toy", "-", "'s", "x" * 300 + "1"]
)
def test_bad_category_file(tmp_path: Path, text: str) -> None:
    concept(tmp_path, "max", category=text)
    message = raises_sentence(lambda: read_photos(tmp_path), tmp_path / "max" / "category.txt", "one to four words")
    assert len(message) < len(str(tmp_path)) + 200


@pytest.mark.parametrize("text", ["", " \n\t", "\ufeff"])
def test_an_empty_category_file(tmp_path: Path, text: str) -> None:
    concept(tmp_path, "max", category=text)
    raises_sentence(lambda: read_photos(tmp_path), "category.txt is empty; write one to four words", "or remove it")


@pytest.mark.parametrize("text", ["a dog", "The dog", "an old dog"])
def test_an_article_is_refused(tmp_path: Path, text: str) -> None:
    concept(tmp_path, "max", category=text)
    raises_sentence(lambda: read_photos(tmp_path), "category.txt", f"leave out '{text.split()[0]}'")


def test_category_file_in_another_encoding(tmp_path: Path) -> None:
    (concept(tmp_path, "max") / "category.txt").write_bytes("Kännchen".encode("latin-1"))
    raises_sentence(lambda: read_photos(tmp_path), tmp_path / "max" / "category.txt", "UTF-8")


def test_two_category_files_are_refused(tmp_path: Path) -> None:
    home = concept(tmp_path, "max", category="dog")
    (home / "CATEGORY.txt").write_text("cat")
    if len(list(home.glob("*.txt"))) < 2:
        pytest.skip("this file system ignores case")
    raises_sentence(lambda: read_photos(tmp_path), home, "differ in case only", "remove all but one")


# categories.csv


@pytest.mark.parametrize("file", ["categories.csv", "Categories.CSV"])
def test_categories_of_the_common_file_yield_to_the_own_file(tmp_path: Path, file: str) -> None:
    for name in ("a", "b, c", "duck_toy"):
        concept(tmp_path, name)
    concept(tmp_path, "max", category="dog")
    (tmp_path / file).write_text('folder,category\n\na , teddy bear\n"b, c",cup\nmax,cat\n', encoding="utf-8")
    found = read_photos(tmp_path).concepts
    assert {one.name: (one.category, one.origin) for one in found} == {
        "a": ("teddy bear", file), "b, c": ("cup", file), "duck_toy": ("duck toy", "the folder's name"),
        "max": ("dog", "category.txt"),
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_as_spreadsheet_programs_save_them(tmp_path: Path, separator: str, end: str, encoding: str) -> None:
    concept(tmp_path, unicodedata.normalize("NFD", "café"))
    concept(tmp_path, "max")
    rows = [("Folder", "Category"), ("café", "coffee cup"), ('"max"', "golden retriever")]
    text = "".join(separator.join((*row, "", "")[: 2 + place]) + end for place, row in enumerate(rows))
    (tmp_path / "categories.csv").write_bytes(text.encode(encoding))
    assert [one.category for one in read_photos(tmp_path).concepts] == ["coffee cup", "golden retriever"]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nfolder;category\nmax;dog",
        '"sep=;"\r\nmax;dog\r\n',
        "SEP=\t\nmax\tdog",
        "sep=|\nmax|dog",
        "sep=,\nmax,dog",
    ],
)
def test_the_line_by_which_excel_knows_the_separator(tmp_path: Path, text: str) -> None:
    concept(tmp_path, "max")
    (tmp_path / "categories.csv").write_text(text, encoding="utf-8", newline="")
    assert category(tmp_path, "max") == "dog"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_composed_letters(tmp_path: Path, form: str) -> None:
    concept(tmp_path, unicodedata.normalize("NFD" if form == "NFC" else "NFC", "café"))
    (tmp_path / "categories.csv").write_text(unicodedata.normalize(form, "café,cup\n"), encoding="utf-8")
    assert category(tmp_path, "caf\u00e9") == "cup"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("max dog", "Line 1 of"),
        ("max,dog,cat", "Line 1 of"),
        ("max,dog,cat", "has 3 columns, and two are read: folder,category"),
        ("folder;category;remark\nmax;dog;mine", "has 3 columns, and two are read: folder,category"),
        ("sep=;\nmax;dog\nmax", "Line 3 of"),
        ("max,dog\nmax,cat", "a second time"),
        ("folder,category\nmxa,dog", "did you mean max?"),
        ("zzzz,dog", "remove the line"),
        ("Max,dog", "did you mean max?"),
        ("max,dog 2", "one to four words"),
        ("max,", "one to four words"),
    ],
)
def test_bad_common_file(tmp_path: Path, text: str, part: str) -> None:
    concept(tmp_path, "max")
    (tmp_path / "categories.csv").write_text(text, encoding="utf-8")
    raises_sentence(lambda: read_photos(tmp_path), tmp_path / "categories.csv", part)


@pytest.mark.parametrize(
    ("name", "words"),
    [("FancyBoot", "fancy boot"), ("redBackpack", "red backpack"), ("big_FancyBoot", "big fancy boot")],
)
def test_words_that_are_written_together_are_taken_apart_and_said(tmp_path: Path, name: str, words: str) -> None:
    concept(tmp_path, name)
    assert lines(tmp_path) == [
        f"A category word is not plainly the folder's name: {words} (of '{name}'); another goes into category.txt in "
        "the folder."
    ]


@pytest.mark.parametrize("name", ["iPhone", "McDonald", "WhatsApp", "LEGO", "Duck", "LeBron"])
def test_names_with_capitals_inside_are_left_whole(name: str) -> None:
    assert words_of_name(name) == (name, True)


def test_two_files_that_say_different_words_are_said(tmp_path: Path) -> None:
    concept(tmp_path, "duck_toy", category="toy\n")
    concept(tmp_path, "cat", category="cat\n")
    (tmp_path / "categories.csv").write_text("duck_toy,duck\ncat,Cat\n", encoding="utf-8")
    said = "category.txt says 'toy', categories.csv 'duck'; 'toy' is used, so correct one of them."
    assert lines(tmp_path) == [f"HERE/duck_toy: {said}"]


# Categories of other folders


def test_a_category_that_is_another_folders_name_is_said(tmp_path: Path) -> None:
    concept(tmp_path, "cat")
    concept(tmp_path, "red_vase")
    concept(tmp_path, "teapot", category="Red Vase")
    concept(tmp_path, "clock")
    said = "as the folder {} is called"
    first = f"HERE/teapot: category.txt says 'Red Vase', {said.format('red_vase')}"
    assert lines(tmp_path) == [f"{first}; if a copied folder left it, correct it."]
    (tmp_path / "categories.csv").write_text("clock,cat\n")
    second = f"HERE/clock: categories.csv says 'cat', {said.format('cat')}"
    assert lines(tmp_path) == [f"{second}; {first}; if a copied folder left it, correct it."]


def test_categories_that_two_concepts_may_share(tmp_path: Path) -> None:
    for name in ("dog", "rex", "max"):
        concept(tmp_path, name, category=None if name == "dog" else "cat")
    for name in ("dog2", "big_dog", "dog_7f"):  # a kind of it, or one more
        concept(tmp_path, name, category="dog")
    assert not [line for line in lines(tmp_path) if " says " in line]


@pytest.mark.parametrize("header", ["name,category", "folder,label", "Concept,Class"])
def test_another_header_than_ours_is_called_one(tmp_path: Path, header: str) -> None:
    concept(tmp_path, "vase")
    (tmp_path / "categories.csv").write_text(f"{header}\nvase,vase\n")
    raises_sentence(lambda: read_photos(tmp_path), "Line 1 of", "seems to be a header; write 'folder,category', or")


def test_a_folder_that_is_called_like_a_header_is_one(tmp_path: Path) -> None:
    concept(tmp_path, "name")
    (tmp_path / "categories.csv").write_text("name,object\n")
    assert read_photos(tmp_path).concepts[0].category == "object"
