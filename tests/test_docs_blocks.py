"""Every fenced block of the documentation holds what its language allows, and what this program knows.

Python compiles, is imported, and its plugins pass what is looked at before a run; command lines go through the real
parser, with names and options that exist; YAML fits its schema. Nothing is trained or written here.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from plugin_files import imported, write
from typer.main import get_command

import stamina_bench as sb
from harness import registry
from harness.cli import app
from harness.cli.cluster import slurm_options
from harness.cli.report import parse_formats
from harness.estimates.estimate import device_named, devices_named
from harness.front.option_values import parse_seeds
from harness.overrides import assigned, named_methods, protocol_changes
from harness.schemas import texts

HOME = Path(__file__).parent.parent
FILES = [
    *(HOME / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
    *sorted((HOME / "docs").rglob("*.md")),
]
PAGES = {path.relative_to(HOME).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
# which of docs/schema/ a page's YAML is of
SCHEMAS = {"docs/data.md": "benchmark"}
# blocks that nothing here can look into, by page and language, and why
NOT_READ = {
    ("docs/architecture.md", ""): "a list of folders, and a drawing of a run's steps",
    ("docs/data.md", ""): "folders of images, with remarks beside them",
    ("docs/metrics.md", ""): "what `check` prints of a metric",
}
# Python that is more than this file wants to do
RUN_ELSEWHERE = {"README.md": ("results.frame", "tests/harness/front/test_front_door.py runs it on tiny models")}
# programs in command lines that are not this one
OTHER_PROGRAMS = {
    "hf": "the hub's own client, which would download",
    "python3": "makes an environment; CI runs that line as it stands",
    "pip": "installs; which extras there are is looked up",
    "pytest": "runs this very test", "ruff": "CI runs it", "python": "CI runs mypy; tests/test_examples.py draws",
    "lint-imports": "CI runs it",
}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """A fenced block: its page from the repository's root, the line that it begins in, its language."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One program's words in a block of command lines."""

    block: Block
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.block}: {shlex.join(self.words)}"


def _blocks() -> Iterator[Block]:
    for page, text in PAGES.items():
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(page, line, found[1], found[2])


BLOCKS = tuple(_blocks())


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def _commands() -> Iterator[Command]:
    for block in of("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words: list[str] = []
            for word in (*shlex.split(line, comments=True), "&&"):
                if word != "&&":
                    words.append(word)
                elif words:
                    yield Command(block, (Path(words[0]).name, *words[1:]))
                    words = []


COMMANDS = tuple(_commands())


def test_no_fence_is_missed_and_all_languages_are_looked_into() -> None:
    fences = sum(len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) for text in PAGES.values())
    assert fences == 2 * len(BLOCKS)
    read = {"python", "sh", "yaml", "json", "toml"}
    left = {(block.page, block.language) for block in BLOCKS if block.language not in read}
    assert left == set(NOT_READ)


# -------------------------------------------------------------------------------------------------------------- Python


@pytest.mark.parametrize("page", sorted({block.page for block in of("python")}))
def test_a_pages_python_can_be_imported_and_its_plugins_used(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's blocks are one module, in their order. What they would run is only planned."""
    pieces = [block for block in of("python") if block.page == page]
    for block in pieces:
        compile(block.text, str(block), "exec")
    left_out, _ = RUN_ELSEWHERE.get(page, ("", ""))
    text = "\n\n".join(block.text for block in pieces if not left_out or left_out not in block.text)
    write(tmp_path, {"of_a_page.py": text})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sb, "run", sb.plan)
    with imported(tmp_path, module="of_a_page") as module:
        plugins = [each for each in vars(module).values() if getattr(each, "__module__", "") == "of_a_page"]
        for plugin in plugins:
            if issubclass(plugin, sb.Method):
                used = registry.methods(registry.settings_of(f"of_a_page:{plugin.__name__}")[0])
                assert used.get(f"of_a_page:{plugin.__name__}").source_notes() == ()
            elif issubclass(plugin, sb.Metric):
                assert registry.metric(f"of_a_page:{plugin.__name__}").source_notes() == ()
                assert plugin().of_task(_plain_task()) == pytest.approx(5)
        assert any(issubclass(plugin, sb.Method | sb.Metric) for plugin in plugins)


def _plain_task() -> sb.TaskImages:
    from harness.metric import ImageSet

    def plain(*colour: int) -> ImageSet:
        images = np.full((2, 4, 4, 3), colour, np.uint8)
        return ImageSet(lambda: images, lambda: np.zeros((2, 1), np.float32))

    return sb.TaskImages(1, "a", "mug", "a photo of a V* mug", plain(10, 10, 10), plain(13, 14, 10))


# ------------------------------------------------------------------------------------------------------- command lines


@cache
def parser() -> Any:
    return get_command(app)


def _command_of(words: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """The command that the words begin with, and those behind its name."""
    command = parser()
    while hasattr(command, "commands"):
        assert words, "a group of commands is named without one of them"
        name, *rest = words
        assert name in command.commands, f"there is no command '{name}'"
        command, words = command.commands[name], tuple(rest)
    return command, words


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.words[0] == "stamina-bench"], ids=str)
def test_a_command_line_can_be_parsed_and_names_what_there_is(command: Command) -> None:
    found, words = _command_of(command.words[1:])
    given: Mapping[str, Any] = found.make_context(found.name, list(words)).params
    parse_seeds(given.get("seeds") or "0")
    if tier := given.get("tier"):
        registry.tiers().get(tier)
    for metric in (given.get("metrics") or "all").split(","):
        assert metric == "all" or ":" in metric or metric.partition("=")[0] in registry.metrics().names(), metric
    setting = given.get("setting") or _setting_of(given.get("benchmark"))
    listed = (given.get("methods") or given.get("method") or "all").split(",")
    if named := [name for name in listed if name != "all" and ":" not in name]:  # else a file of the reader's
        assigned(named_methods(",".join(named), setting), given.get("changes") or (), setting)
    protocol_changes(given.get("changes") or ())
    if "executor" in given:
        slurm_options(given["executor"], given["slurm"], wait=given.get("wait", False))
    if found.name == "report":
        parse_formats(given["form"])
    if found.name == "plan":
        devices_named(given["devices"]) if given["devices"] else device_named(given["gpu"] or "a100")


def _setting_of(benchmark: str | None) -> str:
    """The setting of a benchmark that is named; a path is the reader's own, of photographs."""
    if benchmark is None or "/" in benchmark or benchmark.endswith(".yaml"):
        return registry.setting_names()[0]
    return registry.benchmarks().get(benchmark).setting


@pytest.mark.parametrize("page", PAGES)
def test_a_command_within_a_sentence_has_the_options_that_it_is_given(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"`stamina-bench ([^`]+)`", " ".join(text.split())):
        words = tuple(shlex.split(line))
        options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        command = parser() if words[0].startswith("-") else _command_of(words)[0]
        context = command.context_class(command)
        known = {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}
        assert set(options) <= known, line


def test_other_programs_are_those_that_are_known_and_extras_exist() -> None:
    others = {command.words[0] for command in COMMANDS} - {"stamina-bench"}
    assert others == set(OTHER_PROGRAMS)
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = re.findall(r"(?:\.|stamina-bench)\[([\w,]+)\]", "\n".join(PAGES.values()))
    assert asked
    assert {extra for names in asked for extra in names.split(",")} <= set(project["optional-dependencies"])


# -------------------------------------------------------------------------------------------------- YAML, JSON and TOML


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_fits_the_schema_of_its_page(block: Block) -> None:
    schema = json.loads(texts()[f"{SCHEMAS[block.page]}.schema.json"])
    jsonschema.validate(yaml.safe_load(block.text), schema)


def test_json_can_be_read() -> None:
    for block in of("json"):
        json.loads(block.text)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_registers_what_the_tests_own_distribution_does(block: Block) -> None:
    points = configparser.ConfigParser()
    points.read(HOME / "tests" / "support" / "toy_distribution" / "toy-1.0.dist-info" / "entry_points.txt")
    registered = {
        group: {name: value.replace(" ", "") for name, value in points[group].items()} for group in points.sections()
    }
    assert tomllib.loads(block.text)["project"]["entry-points"] == registered


def test_nothing_is_excused_that_is_not_there() -> None:
    assert {page for page, _ in NOT_READ} | set(SCHEMAS) | set(RUN_ELSEWHERE) <= {block.page for block in BLOCKS}
    for page, (part, _) in RUN_ELSEWHERE.items():
        assert any(block.page == page and part in block.text for block in of("python"))
