"""A benchmark's YAML file: which photographs, in which order, under which words; and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from in_process import bench
from own_photos import concept
from tests_support import raises_sentence

from harness import api, registry
from harness.data.benchmark_file import file_benchmark
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
