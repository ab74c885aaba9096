"""A benchmark's YAML file: which photographs, in which order, under which words; and one sentence for each mistake."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from in_process import bench
from own_photos import concept, noise, picture
from tests_support import raises_sentence

from harness import api, registry
from harness.data.benchmark_file import file_benchmark
from harness.data.folder_benchmark import PhotoTasks
from harness.schemas import texts
from harness.spec import Tier

WHOLE = {"name": "pets", "photos": "photos"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("max", "tabby", "0001"):
        concept(tmp_path / "photos", name)
    return tmp_path


def write(home: Path, **said: object) -> Path:
    file = home / "pets.yaml"
    file.write_text(yaml.safe_dump({**WHOLE, "categories": {"0001": "mug"}, **said}))
    return file


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ("concepts: [010]", "concepts.0", "8 is no text as YAML reads it; write it in quotes."),
        ("categories: {010: dog}", "categories.8", "8 is no text as YAML reads it; write it in quotes."),
        ("categories: {max: no}", "categories.max", "False is no text as YAML reads it; write it in quotes."),
        ("categories: {max: [dog]}", "categories.max", "input should be a valid string; correct it."),
        ("edits: {dog: in the snow}", "edits.dog", "must be a list; write [...] around it."),
    ],
)
def test_what_yaml_reads_otherwise_has_its_remedy(home: Path, line: str, name: str, said: str) -> None:
    file = home / "pets.yaml"
    file.write_text(f"name: pets\nphotos: photos\n{line}\n")
    raises_sentence(lambda: file_benchmark(file, "mini"), f"pets.yaml, '{name}': {said}")


def test_all_concepts_by_their_names_under_the_words_of_file_or_folder(home: Path) -> None:
    found = file_benchmark(write(home, categories={"0001": "mug", "max": "dog"}), "mini")
    tasks = found.tasks("mini")
    assert [(task.index, task.name, task.category) for task in tasks] == [
        (1, "0001", "mug"), (2, "max", "dog"), (3, "tabby", "tabby")
    ]  # fmt: skip
    assert (found.name, found.title, found.tuning) == ("pets", "pets", True)
    assert found.shows_photographs("mini")


def test_some_of_them_in_an_order_of_their_own(home: Path) -> None:
    said = {
        "concepts": ["tabby", "max"], "categories": {"max": "dog"}, "title": "Two pets", "licence": "mine",
        "composition": "{0} and {1}", "edits": {"dog": ["at sea"], "": ["at night"]},
    }  # fmt: skip
    found = file_benchmark(write(home, **said), "mini")
    assert [task.name for task in found.tasks("mini")] == ["tabby", "max"]
    assert (found.title, found.licence, found.composition) == ("Two pets", "mine", "{0} and {1}")
    assert found.edits == {"dog": ("at sea",), "": ("at night",)}


def remarks(file: Path) -> tuple[str, ...]:
    tasks = file_benchmark(file, "mini").sources["mini"]
    assert isinstance(tasks, PhotoTasks)
    return tasks.reading.remarks


@pytest.mark.parametrize("composition", ["a {0} mug next to a {1} tabby", "{0} and the Mug {1}"])
def test_a_category_word_beside_one_in_the_prompt_of_two_is_named(home: Path, composition: str) -> None:
    (line,) = remarks(write(home, composition=composition))
    assert line.partition("pets.yaml, ")[2].casefold() == (
        "composition: {0} and {1} stand for a token and a category word each, and 'mug' beside one of them may be "
        "there twice then ('v* mug mug'); leave it out if so."
    )


@pytest.mark.parametrize(
    ("key", "edit"), [("mug", "mug in the snow"), ("", "a Mug at sea"), ("tabby", "tabby, asleep")]
)
def test_a_category_word_at_the_beginning_of_an_edit_is_named(home: Path, key: str, edit: str) -> None:
    (line,) = remarks(write(home, edits={key: ["at night", edit]}))
    assert f"pets.yaml, edits: '{edit}' is added behind a category word, so that '" in line
    assert line.endswith("' at its beginning is one too many; leave it out.")


def test_words_that_only_begin_alike_and_other_places_are_not_named(home: Path) -> None:
    edits = {"mug": ["on a mug tree", "muggy weather"], "tabby": ["mug shot"]}
    assert remarks(write(home, composition="{0} by {1}, mugs", edits=edits)) == ()


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ({"concepts": ["tabbi"]}, ["names 'tabbi', which is no concept in photos", "did you mean tabby?"]),
        ({"categories": {"0001": "mug", "mox": "dog"}}, ["names 'mox'", "did you mean max?"]),
        ({"concepts": ["max"], "categories": {"mox": "dog"}}, ["names 'mox'", "did you mean max?"]),
        ({"edits": {"hound": ["at sea"]}}, ["has edits for 'hound'", "no concept's category word", "or '' for all"]),
        ({"composition": "{0} alone"}, ["composition", "must hold {0} and {1}"]),
        ({"concepts": ["max", "max"]}, ["names a concept twice"]),
        ({"categories": {"0001": "a mug"}}, ["categories.0001", "leave out 'a'"]),
        ({"photo": "x"}, ["says 'photo', which is unknown", "did you mean photos?"]),
        ({"name": "mixed50"}, ["is called 'mixed50', as a benchmark that is there"]),
        ({"name": "my pets"}, ["'name'"]),
        ({"concepts": []}, ["'concepts'"]),
        ({"photos": "nowhere"}, ["nowhere"]),
    ],
)
def test_a_mistake_is_one_sentence(home: Path, said: dict[str, object], parts: list[str]) -> None:
    raises_sentence(lambda: file_benchmark(write(home, **said), "mini"), *parts)


@pytest.mark.parametrize(
    ("text", "words"),
    [("- a\n- b\n", "must hold name: value lines"), ("a: [", "is no YAML text"), ("photos: photos\n", "lacks 'name'")],
)
def test_a_file_that_says_nothing_of_use(home: Path, text: str, words: str) -> None:
    (home / "pets.yaml").write_text(text)
    raises_sentence(lambda: api.find_benchmark(str(home / "pets.yaml"), "mini"), "pets.yaml", words)
    raises_sentence(lambda: api.find_benchmark(str(home / "none.yml"), "mini"), "none.yml cannot be read")


def test_it_runs_and_its_schema_holds_what_new_writes(
    home: Path, tiny_tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(home)
    code, said = bench("new", "benchmark", "pets")
    assert (code, "stamina-bench run ./pets.yaml --dry-run" in said) == (0, True)
    schema = json.loads(texts()["benchmark.schema.json"])
    content = yaml.safe_load((home / "pets.yaml").read_text())
    jsonschema.validate(json.loads(json.dumps(content)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "photo": "x"}, schema)
    (home / "pets.yaml").write_text((home / "pets.yaml").read_text() + "concepts: [tabby, max]\n")
    few = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "-q")
    code, said = bench("run", "./pets.yaml", "-m", "ti", *few)
    assert code == 0, said
    assert "Pets" in said
    code, said = bench("run", "./pets.yaml", "-m", "ti", *few)
    assert "Nothing to do" in said


# What is held out


def test_images_are_held_out_by_the_file_and_an_option_comes_first(home: Path) -> None:
    for name in ("max", "tabby"):
        for image in ("c.png", "d.png", "e.png"):
            picture(home / "photos" / name / image)
    file = write(home, concepts=["max", "tabby"], holdout=2)
    for found, count in (
        (api.find_benchmark(str(file), "mini"), 2),
        (api.find_benchmark(str(file), "mini", holdout=3), 3),
    ):
        sizes = [(len(task.images), len(task.reference or ())) for task in found.tasks("mini")]
        assert sizes == [(5 - count, count)] * 2
    file = write(home, concepts=["max", "tabby"], holdout=9)
    raises_sentence(lambda: file_benchmark(file, "mini"), "pets.yaml, holdout: 9: 'max' has 5 images", "hold out fewer")
    raises_sentence(lambda: file_benchmark(write(home, holdout=1), "mini"), "'holdout'", "greater than or equal to 2")


# A data set by `datasets`


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Parquet files with three images of each of two concepts, and one of a third."""
    datasets = pytest.importorskip("datasets")
    place = tmp_path / "table"
    place.mkdir()
    who = ["max", "tabby"] * 3 + ["rex"]
    images = []
    for number in range(len(who)):
        stream = io.BytesIO()
        noise(f"table {number}").save(stream, "PNG")
        images.append({"bytes": stream.getvalue(), "path": None})
    rows = {"who": who, "photo": images, "kind": ["dog", "cat"] * 3 + ["dog"]}
    features = datasets.Features(
        {"who": datasets.Value("string"), "photo": datasets.Image(), "kind": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(rows, features=features).to_parquet(place / "train-00000-of-00001.parquet")
    (place / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    return place


def of_table(table: Path, hf: dict[str, object] | None = None, **said: object) -> Path:
    columns = {"data": table.name, "concept_column": "who", "image_column": "photo", "category_column": "kind"}
    file = table.parent / "pets.yaml"
    file.write_text(yaml.safe_dump({"name": "pets", "hf": {**columns, **(hf or {})}, **said}))
    return file


def test_concepts_of_a_table_under_the_words_of_a_column_or_the_file(table: Path) -> None:
    found = file_benchmark(of_table(table), "mini")
    assert [(task.name, task.category, len(task.images)) for task in found.tasks("mini")] == [
        ("max", "dog", 3), ("tabby", "cat", 3)
    ]  # fmt: skip
    assert found.tasks("mini")[0].images.load(8).shape == (3, 8, 8, 3)
    assert (found.licence, found.shows_photographs("mini")) == ("cc0-1.0", True)
    assert found.sources["mini"].cautions == ("1 concept with too few images left out: rex.",)  # type: ignore[attr-defined]
    said = {"concepts": ["tabby", "max"], "categories": {"max": "hound"}, "licence": "mine", "holdout": 2}
    found = file_benchmark(of_table(table, **said), "mini")
    tasks = [(task.name, task.category, len(task.images), len(task.reference or ())) for task in found.tasks("mini")]
    assert tasks == [("tabby", "cat", 1, 2), ("max", "hound", 1, 2)]
    assert found.licence == "mine"
    content = yaml.safe_load((table.parent / "pets.yaml").read_text())
    jsonschema.validate(content, json.loads(texts()["benchmark.schema.json"]))


def test_a_folder_of_images_is_a_data_set_too(table: Path) -> None:
    for name in ("max", "blue_mug"):
        concept(table.parent / "sorted", name)
    file = of_table(table)
    file.write_text(yaml.safe_dump({"name": "pets", "hf": {"data": "sorted"}, "concepts": ["max", "blue_mug"]}))
    tasks = file_benchmark(file, "mini").tasks("mini")
    assert [(task.name, task.category, len(task.images)) for task in tasks] == [
        ("max", "max", 2),
        ("blue_mug", "blue mug", 2),
    ]


@pytest.mark.parametrize(
    ("hf", "said", "parts"),
    [
        ({}, {"photos": "photos"}, ["pets.yaml has both 'photos' and 'hf'; keep one"]),
        ({}, {"concepts": ["max", "tabbi"]}, ["pets.yaml, hf: ", "has no concept 'tabbi'", "did you mean tabby?"]),
        ({}, {"concepts": ["rex"]}, ["has 1 image of 'rex'", "needs at least 2"]),
        ({}, {"concepts": ["max", "max"]}, ["names a concept twice"]),
        ({}, {"categories": {"mox": "dog"}}, ["names 'mox'", "did you mean max?"]),
        ({"concept_column": "whom"}, {}, ["has no column 'whom' for hf.concept_column", "did you mean who?"]),
        ({"split": "test"}, {}, ["has no split 'test'", "use hf.split train"]),
        ({"revision": "v1"}, {}, ["hf.revision v1 is for a hub id", "leave it out"]),
        ({"data": "some/pets"}, {}, ["local hub cache", "`hf download some/pets --repo-type dataset`"]),
        ({"coloumn": "x"}, {}, ["says 'hf.coloumn', which is unknown", "did you mean"]),
        ({"concept_column": "photo"}, {}, ["pets.yaml"]),
        ({"category_column": None}, {"concepts": ["max"]}, None),
    ],
)  # fmt: skip
def test_a_mistake_about_a_data_set_names_the_file(
    table: Path, hf: dict[str, object], said: dict[str, object], parts: list[str] | None
) -> None:
    if parts is None:
        assert file_benchmark(of_table(table, hf, **said), "mini").tasks("mini")[0].category == "max"
    else:
        raises_sentence(lambda: file_benchmark(of_table(table, hf, **said), "mini"), *parts)


def test_without_photos_and_data_set_there_is_nothing(home: Path) -> None:
    (home / "pets.yaml").write_text("name: pets\n")
    raises_sentence(lambda: file_benchmark(home / "pets.yaml", "mini"), "lacks 'photos', a folder, or 'hf', a data set")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "pets"}, json.loads(texts()["benchmark.schema.json"]))


# `data check`


def test_data_check_takes_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for image in ("c.png", "d.png"):
        picture(home / "photos" / "max" / image)
    (home / "photos" / "max" / "notes.pdf").write_text("x")
    write(home, concepts=["max"], categories={"max": "dog"}, holdout=2, licence="mine", citation="Me, 2026")
    code, said = bench("data", "check", "pets.yaml")
    assert code == 0, said
    assert "dog" in said
    assert "pets.yaml" in said
    assert "tabby" not in said
    assert "held out of training and measured against: max: " in said
    assert said.splitlines()[-2:] == ["Licence: mine", "To cite: Me, 2026"]
    code, said = bench("data", "check", "pets.yaml", "--json", "--holdout", "3")
    found = json.loads(said)
    assert [row["concept"] for row in found["used"]] == ["max"]
    assert len(found["held_out"]["max"]) == 3
    write(home, concepts=["mox"])
    code, said = bench("data", "check", "pets.yaml")
    assert (code, "did you mean max?" in said) == (2, True)
    code, said = bench("data", "check", "pets.yaml", "--setting", "customization")
    assert (code, "--setting is for a folder of your own images; leave it out." in said) == (2, True)


def test_data_check_of_a_data_set(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.parent)
    of_table(table, holdout=2)
    code, said = bench("data", "check", "pets.yaml")
    assert code == 0, said
    assert "1 concept with too few images left out: rex." in said
    assert "Licence: cc0-1.0" in said
    code, said = bench("data", "check", "pets.yaml", "--json")
    found = json.loads(said)
    assert found["used"][0] == {"concept": "max", "category": "dog", "images": 3}
    assert len(found["held_out"]["max"]) == 2
    code, said = bench("data", "check", "pets.yaml", "--strict")
    assert (code, "--strict is for a folder of images, and pets.yaml names a data set" in said) == (2, True)
    code, said = bench("data", "check", "pets.yaml", "--min-side", "9")
    assert (code, "--min-side is for a folder of your own images" in said) == (2, True)


def test_a_run_of_a_data_set_is_resumed_and_changes_are_noticed(
    table: Path, tiny_tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(table.parent)
    of_table(table, holdout=2)
    few = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "-q")
    code, said = bench("run", "pets.yaml", "-m", "ti", *few)
    assert code == 0, said
    assert (table.parent / "runs" / "attribution" / "pets.csv").read_text().count("cc0-1.0") == 6
    assert "Nothing to resume" in bench("resume", "runs")[1]
    of_table(table, holdout=2, categories={"max": "hound"})
    code, said = bench("score", "runs")
    assert (code, "the images of 'pets.yaml', or their category words, are no longer those" in said) == (2, True)


# Whose images they are


def test_licence_and_citation_stand_below_the_tables(
    home: Path, tiny_tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(home)
    write(home, concepts=["max", "tabby"], licence="Jo Doe,\n  CC BY 4.0.", citation="Me, 2026")
    few = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "-q")
    code, said = bench("run", "pets.yaml", "-m", "ti", *few)
    assert code == 0, said
    kept = home / "runs" / "attribution" / "pets.txt"
    assert kept.read_text() == "Licence: Jo Doe, CC BY 4.0.\nCitation: Me, 2026\n"
    code, said = bench("report", "runs", "-o", "report", "--format", "markdown,html")
    assert code == 0, said
    assert (home / "report" / "attribution" / "pets.txt").read_text() == kept.read_text()
    sentences = ("Images: Jo Doe, CC BY 4.0.", "To cite for the images: Me, 2026.")
    for name in ("tables.md", "index.html"):
        text = (home / "report" / name).read_text()
        assert all(sentence in text for sentence in sentences), name
    kept.write_bytes(b"\xff")  # what is damaged keeps no report from being written
    assert bench("report", "runs", "-o", "again", "--format", "markdown")[0] == 0
    assert "Images: " not in (home / "again").read_text()


def test_a_line_that_is_there_twice_is_refused(home: Path) -> None:
    file = home / "pets.yaml"
    file.write_text("name: pets\nphotos: photos\nconcepts: [max]\ncategories: {max: dog}\nconcepts: [tabby]\n")
    raises_sentence(
        lambda: file_benchmark(file, "mini"), "Line 5 of", "'concepts' is there a second time", "remove one"
    )
    file.write_text("name: pets\nphotos: photos\ncategories:\n  max: dog\n  max: cat\n")
    raises_sentence(lambda: file_benchmark(file, "mini"), "Line 5 of", "'max' is there a second time")


def test_a_table_of_words_beside_the_file_is_named(home: Path) -> None:
    file = write(home)
    (home / "Categories.csv").write_text("folder,category\nmax,dog\n")
    code, said = bench("data", "check", file)[:2]
    assert code == 0
    assert "Categories.csv is not read, as it is not in" in said
    assert "move it there, or write its words under 'categories' in pets.yaml" in said
    assert bench("data", "check", file, "--strict")[0] == 2
    (home / "Categories.csv").rename(home / "photos" / "categories.csv")
    assert "not read" not in bench("data", "check", file)[1]
