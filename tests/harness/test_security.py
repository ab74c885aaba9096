"""Nothing that is read can run code, no name gets out of its place, and no token is told."""

from __future__ import annotations

import ast
import shlex
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import yaml
from in_process import bench, refused
from PIL import Image

from harness import registry
from harness.errors import UsageError
from harness.records.run_file import YAML_LOADER, read_cells
from harness.store.store import MANIFEST, hash_file
from reports.tables import build_tables, to_text
from reports.write import write_report

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "S3cr3t" * 6

# what the sources may not do

MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "xmlrpc"}
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.jit.load", "torch.hub.load",
    "pandas.read_pickle", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.load_all",
}  # fmt: skip


def dangers(source: str) -> list[str]:
    """What could run code that a file, a folder or a user brings along; 'line: what'."""
    nodes = list(ast.walk(ast.parse(source)))
    names: dict[str, str] = {}  # as used here -> in full
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found = [f"import {full}" for full in names.values() if full.split(".")[0] in MODULES]
    for node in nodes:
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            name = names.get(first, first) + dot + rest
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            loader = given.get("Loader", ast.unparse(node.args[1]) if len(node.args) > 1 else "")
            weights = name.endswith(".from_pretrained") and "okenizer" not in name and "ImageProcessor" not in name
            if (
                name in CALLS
                or (name == "numpy.load" and given.get("allow_pickle") != "False")
                or (name == "yaml.load" and not loader.endswith(("SafeLoader", "YAML_LOADER")))
                or (weights and given.get("use_safetensors") != "True")
                or given.get("use_safetensors", "True") != "True"
                or given.get("shell", "False") != "False"
                or given.get("trust_remote_code", "False") != "False"
                or given.get("weights_only", "True") != "True"
            ):
                found.append(f"{node.lineno}: {name}")
    return found


@pytest.mark.parametrize("room", ["harness", "methods", "benchmarks", "reports"])
def test_no_source_reads_a_pickle_or_runs_code_that_it_is_given(room: str) -> None:
    paths = list((ROOT / room).rglob("*.py"))
    assert len(paths) > 5
    assert {str(p): d for p in paths if (d := dangers(p.read_text(encoding="utf-8")))} == {}
    assert issubclass(YAML_LOADER, (yaml.SafeLoader, yaml.CSafeLoader))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import joblib as j", "import shelve", "import dill.source",
        "import torch as t\nt.load('x')", "from torch import load\nload('x')", "torch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x')", "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import pandas as pd\npd.read_pickle('x')", "import yaml\nyaml.load('x')", "from yaml import load\nload(x, L)",
        "import yaml\nyaml.load(x, Loader=yaml.Loader)", "import yaml\nyaml.unsafe_load(x)", "eval('1')", "exec(x)",
        "from os import system\nsystem('ls')", "import os\nos.system('ls')", "subprocess.run('ls', shell=True)",
        "A.from_pretrained('x')", "A.from_pretrained('x', use_safetensors=None)", "load('x', use_safetensors=False)",
        "A.from_pretrained('x', use_safetensors=True, trust_remote_code=True)", "f(weights_only=False)",
    ],
)  # fmt: skip
def test_each_danger_is_noticed(source: str) -> None:
    assert dangers(source)
    assert not dangers("import json, yaml\nyaml.safe_load(x)\nre.compile('a')\nmodel.eval()\nmodel.load('x')")


# a run whose names are all hostile

CONCEPTS = (
    r"<script>alert(1)<\script>", '"><img src=x onerror=alert(1)>',
    r"; touch owned; $(touch owned) `touch owned` \input{owned} %n ^^5cinput [red]" + "x" * 100,
)  # fmt: skip
OPTIONS = ("--methods", "clora", "--set", "steps=1", "--set", "batch_size=1", "--set", "sampling.steps=1", "--set",
           "sampling.images=2", "--seeds", "0,1")  # fmt: skip
TOKENS = {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN, "STAMINA_BENCH_API_TOKEN": TOKEN}


def photos(folder: Path, *names: str) -> Path:
    draw = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "category.txt").write_text("dog")
        for index in range(2):
            Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / name / f"{index}.png")
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {str(p): hash_file(p) if p.is_file() else "" for p in folder.rglob("*")}


@pytest.fixture(scope="module")
def made(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run, its report and its check, with tokens in the environment; and all that they printed."""
    home = tmp_path_factory.mktemp("home")
    source, output = photos(home / "photos <b>$(touch owned)", *CONCEPTS), home / "out" / "a; touch owned [/red] <i>"
    (home / "here").mkdir()
    before = tree(home)
    models = ("--backbone", tiny_models / "sd", "--extractor", tiny_models / "clip")
    baseline = ("--against", output / "baseline.json", "-o", output, *models)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home / "here")
        commands = [
            ("run", source, "-o", output, *models, *OPTIONS), ("run", source, "-o", output, *models, *OPTIONS, "-q"),
            ("report", output, "--format", "latex,md,csv,json,html"), ("cache", "verify", output),
            ("verify", "--update", "--benchmark", source, *OPTIONS, *baseline),
            ("verify", *baseline, "--junit", output / "junit.xml"), ("doctor", "-o", output),
        ]  # fmt: skip
        said = [bench(*command, **TOKENS) for command in commands]
    assert [code for code, _ in said] == [0] * len(commands), said
    after = tree(home)
    assert {path: after[path] for path in before} == before  # photographs are only read
    assert not [path for path in after.keys() - before.keys() if not Path(path).is_relative_to(home / "out")]
    return output, "\n".join(text for _, text in said)


def test_hostile_names_stay_in_their_place(made: tuple[Path, str]) -> None:
    output, said = made
    command = said.partition("grids: ")[2].splitlines()[0]
    assert shlex.split(command) == ["stamina-bench", "report", str(output)]
    page = (output / "report" / "index.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert not any(text in page for text in ("<script>alert", "<img src=x", "<b>$("))
    for path in (output / "report").glob("*.tex"):
        assert r"\input{owned" not in path.read_text(encoding="utf-8")


def test_no_token_is_told(made: tuple[Path, str]) -> None:
    output, said = made
    assert TOKEN not in said
    assert not [path for path in output.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


WORDS = ("../../evil", "/etc/x", r"\input{/etc/passwd}", r"}\write18{id}\end{document}", "<script>alert(1)</script>",
         '"><img onerror=alert(1)>', "$(id)", "%n\n\\input x", "a\x1b[31mb\x07\u202e\u009b2J", "x" * 300)  # fmt: skip


def test_reports_of_hostile_cells_are_inert(made: tuple[Path, str], tmp_path: Path) -> None:
    (cell, *_) = read_cells(made[0])
    cells = []
    for word in WORDS:
        names = {"benchmark": word, "tier": word, "backbone": word, "method": word}
        rows = tuple(row.model_copy(update=names) for row in cell.rows)
        tasks = tuple(task.model_copy(update={"name": word, "category": word}) for task in cell.tasks)
        update = {**names, "title": word, "label": word, "protocol": {word: word}, "tasks": tasks, "rows": rows}
        cells.append(cell.model_copy(update=update))
    before = tree(tmp_path)
    paths = write_report(cells, tmp_path / "deep" / "report", ("latex", "md", "csv", "json"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    assert {p for p in tree(tmp_path).keys() - before.keys() if Path(p).is_file()} == set(map(str, paths))
    for path, text in texts.items():
        if path.suffix == ".tex":
            code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
            assert not any(command in code for command in (r"\input", r"\write", "^^"))
            assert "\x1b" not in text
            assert text.count(r"\end{document}") == text.count(r"\begin{document}")
        if path.suffix == ".md":
            assert not any(markup in text.replace(r"\<", "") for markup in ("<script", "<img", "\x1b", "\u202e"))
    shown = "".join(map(to_text, build_tables(cells)))
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_run_file_cannot_lead_out_of_the_store(made: tuple[Path, str], tmp_path: Path) -> None:
    runs = shutil.copytree(made[0], tmp_path / "runs")
    for path in (runs / "runs").glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        path.unlink()
    for cell in content["cells"]:
        cell["score"] = "../victim"  # in store/steps/..
    (runs / "runs" / "other.yaml").write_text(yaml.safe_dump(content))
    (runs / "victim").mkdir()
    (runs / "victim" / MANIFEST).write_text("{}")
    before = tree(runs)
    assert bench("report", runs, "--format", "json")[0] == 2
    assert tree(runs) == before


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "a\u202eb", "a\x9b2Jb", "b\x07"])
def test_what_a_terminal_would_act_on_is_not_printed(name: str, tmp_path: Path) -> None:
    refused(bench("run", photos(tmp_path / "folder", name), "-o", tmp_path / "runs"), "unprintable")
    damaged = photos(tmp_path / "images", "dog") / "dog" / f"{name}.png"
    damaged.write_bytes(b"no image")
    for argument in (damaged.parents[1], tmp_path / "missing" / name):
        code, said = bench("run", argument, "-o", tmp_path / "runs")
        assert code == 2
        assert said.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", ["../../evil", "/etc/x", "$(id)", "<b>", "a b", "-rf", "x" * 81, "", "a\x1b", "é"])
def test_a_plug_in_has_a_harmless_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint(name, "evil:Evil", group)])
    with pytest.raises(UsageError, match="rename or uninstall"):
        registry.Registry("method", "group", lambda plugin: True).names()


# tokens


@pytest.mark.parametrize("source", [f"https://me:{TOKEN}@host/a", f"https://me:pw-{TOKEN[3:]}@host/a", TOKEN])
def test_a_token_in_a_name_is_not_repeated(source: str, tmp_path: Path) -> None:
    said = [
        bench("run", "mixed50", "--limit", 1, "-o", tmp_path / "runs", option, source)
        for option in ("--backbone", "--extractor")
    ]
    said += [bench("doctor", "-o", tmp_path, *form, STAMINA_BENCH_BACKBONE=source) for form in ((), ("--json",))]
    assert [code for code, _ in said] == [2, 2, 0, 0], said
    assert not any(TOKEN[3:] in text for _, text in said)
