"""Every command knows both settings: what it lists, shows, runs again or refuses, and in which words."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from in_process import bench, call, refused
from PIL import Image
from rich.console import Console
from tiny_classifier import SHAPE, save_vit, tiny_vit
from typer.testing import CliRunner

from harness import api, doctor, registry
from harness.cli import app
from harness.doctor import Finding
from harness.errors import UsageError
from harness.estimates.estimate import estimate
from harness.export.trained_model import choose_cell
from harness.method_card import as_table, method_card
from harness.records import prune
from harness.records.run_file import read_cells, read_spec
from harness.results import CellResult
from harness.settings.classification import TRIALS
from harness.settings.classification.parameters import TASKS, count_class_parameters, find_vit
from harness.spec import MethodSpec, RunSpec
from harness.store.migrations import VERSION

ONLY = sorted(set(registry.methods("classification").names()) - set(registry.methods().names()))
PLUGIN = """
from harness.method import Method, Profile
from harness.spec import ClassOptions, MethodOptions

class Options(ClassOptions):
    pass

class Either(ClassOptions):
    bare: int = 1

class Classifies(Method[Options]):
    options_class = Options

    def begin_task(self, model, generator):
        raise NotImplementedError

class Both(Classifies):
    options_class = MethodOptions
    trains, loss = "a token", "L_SD"
    profiles = {"classification": Profile(Either, trains="a prompt", loss="cross-entropy + 1")}
"""
DIM, POOL = SHAPE["embed_dim"], 30  # of `l2p` at the paper tier: 30 prompts of 20 tokens


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of methods that are not registered."""
    (tmp_path / "setting_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "setting_plugin", raising=False)
    return "setting_plugin"


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small timm model folder."""
    return save_vit(tmp_path_factory.mktemp("models") / "vit", tiny_vit())


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of five pictures."""
    folder = tmp_path_factory.mktemp("data") / "pets"
    draw = np.random.default_rng(0)
    for name in ("ant", "bee", "cat", "dog"):
        (folder / name).mkdir(parents=True)
        for k in range(5):
            Image.fromarray(draw.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / name / f"{k}.png")
    return folder


def said_to(*words: object) -> str:
    """The sentence with which a command refuses, before any work."""
    error = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(error, UsageError), error
    text = str(error)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_method_of_the_other_setting_is_said_to_be_so() -> None:
    with pytest.raises(
        UsageError, match=r"^The method 'l2p' is of the setting classification; customization has: cd, "
    ):
        registry.methods().get("l2p")
    with pytest.raises(
        UsageError, match=r"'ti\+\+' is of the setting customization; classification has: clora, coda-p"
    ):
        registry.methods("classification").get("ti++")
    with pytest.raises(UsageError, match=r"Unknown method 'staminna'; did you mean stamina"):
        registry.methods("classification").get("staminna")


def test_a_methods_settings(plugin: str) -> None:
    assert registry.settings_of("stamina") == ("customization", "classification")
    assert registry.settings_of("ub") == ("customization",)
    assert registry.settings_of("joint-qkv") == ("classification",)
    assert registry.settings_of(f"{plugin}:Classifies") == ("classification",)
    with pytest.raises(UsageError, match=r"^The method 'setting_plugin:Classifies' is of the setting classification; "):
        registry.methods().get(f"{plugin}:Classifies")
    assert registry.settings_of(f"{plugin}:Both") == ("customization", "classification")
    with pytest.raises(UsageError, match=r"'deep-l2'; did you mean .*deep-l2p"):  # nearest over both settings
        registry.settings_of("deep-l2")
    with pytest.raises(UsageError, match=r"'ti-'; did you mean .*ti"):
        registry.settings_of("ti-")
    with pytest.raises(UsageError, match="cannot be loaded"):
        registry.settings_of(f"{plugin}:Nothing")
    with pytest.raises(UsageError, match=r"cannot be used as a method: it is no class, but a function"):
        registry.settings_of("json:dumps")
    with pytest.raises(UsageError, match=r"cannot be used as a method: it is no class, but a function"):
        registry.methods("classification").get("json:dumps")


def test_list_shows_settings_and_each_method_once() -> None:
    found = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    names = [(row["kind"], row["name"]) for row in found]
    assert len(set(names)) == len(names)
    settings = {(row["kind"], row["name"]): row["settings"] for row in found}
    assert settings["method", "stamina"] == settings["tier", "mini"] == ["customization", "classification"]
    assert settings["method", "l2p"] == settings["benchmark", "imagenet-r20"] == ["classification"]
    assert settings["method", "ti++"] == settings["benchmark", "mixed50"] == ["customization"]
    assert next(row for row in found if row["name"] == "l2p")["origin"] == "stamina-bench: methods.l2p:L2P"
    said = CliRunner().invoke(app, ["list", "-v"]).stdout
    assert said.splitlines()[0].split() == ["kind", "name", "summary", "settings", "origin"]


# --- show and params --------------------------------------------------------------------------------------------------


def text_of(card: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=180, highlight=False).print(as_table(card))
    return " ".join(stream.getvalue().split())


@pytest.mark.parametrize("tier", ["mini", "paper"])
@pytest.mark.parametrize("name", ONLY)
def test_every_method_of_classification_says_what_it_is(name: str, tier: str) -> None:
    card = method_card(name, tier)
    assert (card.setting, card.settings, card.prompt) == ("classification", ("classification",), None)
    assert card.summary
    assert card.trains
    assert "cross-entropy" in str(card.loss)
    assert "arXiv" in str(card.citation)
    assert all(option.meaning for option in card.options)
    assert set(card.search_space) <= {option.name for option in card.options}
    assert card.joint == name.startswith("joint")
    shown = text_of(card)
    assert "(not stated)" not in shown
    assert "a photo of" not in shown
    assert "setting classification summary" in shown
    assert "head keeps a row for each class" in shown
    assert ("all at once, an upper bound" in shown) == card.joint


def test_a_method_of_both_settings_shows_customization_unless_asked(plugin: str) -> None:
    usual, other = method_card("clora", "paper"), method_card("clora", "paper", "classification")
    assert usual.setting == "customization"
    assert "setting customization (classification: --setting classification)" in text_of(usual)
    assert usual.prompt == "a photo of a V*"
    assert {"steps", "token_learning_rate"} <= {o.name for o in usual.options}
    assert {"epochs", "mask_past"} <= {o.name for o in other.options}
    assert "steps" not in {o.name for o in other.options}
    assert other.search_space == registry.methods("classification").get("clora").space_for("classification")
    assert set(other.search_space) <= {o.name for o in other.options}
    assert "token_learning_rate" in usual.search_space
    for name in ("clora", "stamina"):
        shown = text_of(method_card(name, "mini", "classification"))
        assert "loss cross-entropy over the new classes + " in shown
        assert "(not stated)" not in shown
    for setting, trains, loss in (
        ("customization", "a token", "L_SD"),
        ("classification", "a prompt", "cross-entropy + 1"),
    ):
        card = method_card(f"{plugin}:Both", "mini", setting)  # type: ignore[arg-type]
        assert (card.trains, card.loss) == (trains, loss)
    assert method_card(f"{plugin}:Classifies", "mini").loss == "cross-entropy"


def test_show_refuses_in_one_sentence() -> None:
    assert said_to("show", "l2p", "--setting", "customization").startswith("The method 'l2p' is of the setting")
    assert said_to("show", "ub", "--setting", "classification").startswith("The method 'ub' is of the setting")
    assert said_to("show", "stamina", "--setting", "both") == (
        "Unknown --setting 'both'; use customization or classification."
    )
    assert "did you mean coda-p" in said_to("show", "coda")
    assert said_to("show", "l2p", "--backbone", "sd-1.4") == (
        "--backbone 'sd-1.4' is no ViT; give a timm model's folder, or a name such as vit_base_patch16_224."
    )
    assert "is not a timm model folder" in said_to("show", "l2p", "--backbone", ".")
    assert "cannot be counted (" in said_to("params", "--setting", "classification", "--backbone", "vit_huge_patch99_9")


def test_parameters_are_counted_on_a_timm_folder(vit: Path) -> None:
    found = json.loads(CliRunner().invoke(app, ["show", "l2p", "--json", "--backbone", str(vit)]).stdout)
    trained = POOL * (20 * DIM + DIM)
    whole = sum(p.numel() for p in tiny_vit().parameters())
    assert found["prompt"] is None
    assert found["parameters"] == {
        "backbone": str(vit), "trained": trained, "vit": whole, "n_param": pytest.approx(100 * trained / whole),
    }  # fmt: skip
    said = CliRunner().invoke(app, ["show", "l2p", "--backbone", str(vit)], env={"COLUMNS": "200"}).stdout
    assert said.splitlines()[-1].endswith(
        f"{100 * trained / whole:.2f} % ({trained:,} of {whole:,} parameters), with the paper tier's options"
    )


def test_params_of_classification_are_of_the_papers_vit_without_its_weights() -> None:
    rows = {
        row["method"]: row for row in count_class_parameters("timm/vit_base_patch16_224.augreg_in21k_ft_in1k", "all")
    }
    assert {row["vit_parameters"] for row in rows.values()} == {85_798_656}  # ViT-B/16 without a head
    assert list(rows) == [*registry.methods("classification").names(), "(all Q/K/V matrices)"]
    assert rows["l2p"]["parameters"] == 30 * (20 * 768 + 768)
    assert rows["coda-p"]["parameters"] == 5 * (100 // TASKS) * (8 + 1 + 1) * 768
    assert rows["clora"]["parameters"] == 12 * 3 * 2 * 768 * 64
    assert rows["ft"]["n_param"] == 100
    assert rows["joint-qkv"]["parameters"] == rows["(all Q/K/V matrices)"]["parameters"] == 12 * 3 * 768**2
    assert find_vit("vit_base_patch16_224") == ("vit_base_patch16_224", {})
    said = CliRunner().invoke(app, ["params", "--setting", "classification", "-m", "l2p"]).stdout
    assert "in % of the ViT of" in " ".join(said.split())
    assert said_to("params", "--setting", "classification", "-m", "ti").startswith("The method 'ti' is of the setting")


# --- plan, verify, doctor ---------------------------------------------------------------------------------------------


def test_plan_says_that_it_is_for_diffusion_models() -> None:
    assert said_to("plan", "objects-tuning5", "--tier", "mini") == (
        "`plan` counts diffusion models only, and objects-tuning5 is of classification; use "
        "`stamina-bench run objects-tuning5 --tier mini --dry-run`."
    )


def test_accuracies_are_verified_and_higher_is_better(tmp_path: Path) -> None:
    path, output = tmp_path / "b.json", tmp_path / "runs"
    small = ("-b", "objects-tuning5", "--limit", "2", "--seeds", "0,1", "-m", "l2p", "--set", "epochs=1")
    code, said = bench("verify", "--update", "--against", path, *small, "-o", output, "-q")
    assert code == 0, said
    made = json.loads(path.read_text())
    assert made["subset"]["setting"] == "classification"
    assert {figure["metric"] for figure in made["figures"]} >= {"a_n", "forgetting_max", "n_param"}
    code, said = bench("verify", "--against", path, "-o", output, "-q", "--self-test")
    assert (code, "equal" in said) == (0, True), said
    (a_n,) = [figure for figure in made["figures"] if figure["metric"] == "a_n"]
    higher = 10 * a_n["tolerance"]
    a_n["values"], a_n["mean"] = [value + higher for value in a_n["values"]], a_n["mean"] + higher
    path.write_text(json.dumps(made))
    code, said = bench("verify", "--against", path, "-o", output, "-q")
    assert (code, "regression" in said) == (3, True), said


def lines(found: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in found}


def test_doctor_looks_at_classifiers(vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mini = registry.tiers().get("mini").model_copy(update={"classifier": str(vit)})
    paper = mini.model_copy(update={"name": "paper", "classifier": "nobody/no-vit"})
    tiers = {"mini": mini, "paper": paper}
    monkeypatch.setitem(registry.tiers().__dict__, "get", tiers.__getitem__)
    monkeypatch.setitem(registry.tiers().__dict__, "names", lambda: list(tiers))
    ready: dict[str, Any] = {}
    found = lines(doctor.models(ready))
    assert found["mini: classifier"].detail == "vit, vit_tiny_patch16_224, 32 px, a folder"
    assert (found["paper: classifier"].state, found["paper: classifier"].fatal) == ("missing", False)
    assert "'nobody/no-vit' is neither a folder nor in the local hub cache" in found["paper: classifier"].detail
    assert found["paper: classifier"].remedy == "`run --no-offline` downloads it, or name a folder with --backbone"
    assert ready == {"mini": {"customization", "classification"}, "paper": {"customization"}}
    states = {name: line.state for name, line in lines(doctor.benchmarks(ready)).items()}
    assert (states["objects-tuning5, mini"], states["mixed50, mini"]) == ("ready", "ready")
    broken = shutil.copytree(vit, tmp_path / "broken")
    (broken / "model.safetensors").write_text("version https://git-lfs")
    tiers["mini"] = mini.model_copy(update={"classifier": str(broken)})
    finding = lines(doctor.models(ready))["mini: classifier"]
    assert (finding.state, finding.fatal) == ("broken", True)
    assert "model.safetensors is damaged" in finding.detail
    assert ready["mini"] == {"customization"}
    line = lines(doctor.benchmarks(ready))["objects-tuning5, mini"]
    assert (line.state, "models are not ready" in line.detail) == ("missing", True)
    assert "coda-p" in lines(doctor.plugins())["methods"].detail


# --- run: what one setting does not have ------------------------------------------------------------------------------

CLASSES = ("run", "objects-tuning5", "-m", "l2p", "--dry-run")
CONCEPTS = ("run", "tuning6", "-m", "ti++", "--dry-run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*CLASSES, "--order", "2"), "--order is not for the classification setting: a run's seed draws the class"),
        ((*CLASSES, "--extractor", "x"), "--extractor is not for the classification setting: accuracy needs none"),
        ((*CLASSES, "--full-matrix"), "--full-matrix is not for the classification setting: every task is tested"),
        ((*CLASSES, "--compile"), "--compile is not for the classification setting: "),
        ((*CLASSES, "--set", "sampling.steps=3"), "--set sampling is not for the classification setting: nothing is"),
        ((*CLASSES, "--split-into", "2"), "--split-into is for a folder of classes with --setting classification"),
        ((*CLASSES, "--setting", "customization"), "'objects-tuning5' is of the setting classification; leave out"),
        ((*CLASSES, "--setting", "bad"), "Unknown --setting 'bad'; use customization or classification."),
        ((*CLASSES, "--backbone", ""), "--backbone is empty; name one, or leave it out"),
        ((*CLASSES, "--backbone", "sd-1.4"), "The backbone 'sd-1.4' is neither a folder nor a timm model's hub id"),
        ((*CLASSES, "--backbone", "nobody/no-vit"), "`hf download nobody/no-vit config.json model.safetensors`"),
        ((*CLASSES, "--tier", "paper"), "Benchmark 'objects-tuning5' has no tier 'paper'; use --tier mini."),
        ((*CLASSES, "--set", "steps=3"), "--set 'steps=3': unknown option 'steps'; "),
        ((*CLASSES, "--set", "recognition.siz=3"), "--set 'recognition.siz=3': unknown option 'siz'; "),
        ((*CLASSES, "--set", "recognition.min_crop=0"), "Recognition option 'min_crop' cannot be 0: "),
        ((*CLASSES, "--set", "recognition.resolution=99"), "recognition.resolution=99 does not fit the ViT, which"),
        ((*CLASSES, "--set", "recognition.resize=9"), "recognition.resize=9 is smaller than the resolution 64; raise"),
        ((*CLASSES, "--set", "epochs=0"), "Method 'l2p': Option 'epochs' cannot be 0: "),
        ((*CLASSES[:3], "ti++"), "The method 'ti++' is of the setting customization; classification has: clora, "),
        ((*CLASSES[:3], "l3p"), "did you mean l2p"),
        ((*CONCEPTS, "--set", "recognition.resize=99"), "--set recognition is for the classification setting"),
        ((*CONCEPTS, "--class-order", "1"), "--class-order is for --setting classification; here --order shuffles"),
        ((*CONCEPTS, "--split-into", "1"), "--split-into is for a folder of classes with --setting classification"),
        ((*CONCEPTS, "--setting", "classification"), "'tuning6' is of the setting customization; leave out --setting"),
        ((*CONCEPTS[:3], "l2p"), "The method 'l2p' is of the setting classification; customization has: cd, "),
        ((*CONCEPTS, "--set", "epochs=3"), "--set 'epochs=3': unknown option 'epochs'; "),
    ],
)  # fmt: skip
def test_what_a_setting_does_not_have_is_refused(
    words: Sequence[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in said_to(*words)
    assert not list(tmp_path.glob("runs/runs/*"))


def test_what_a_folder_cannot_be_split_into_is_refused(classes: Path) -> None:
    words = ("run", classes, "--setting", "classification")
    assert "--split-into 5 must be from 1 to 4, the number of classes" in said_to(*words, "--split-into", 5)
    assert "--split-into is for a folder of classes" in said_to("run", classes, "--split-into", 2)
    assert "--class-order is for --setting classification" in said_to("run", classes, "--class-order", 2)
    beyond = said_to(*words, "--split-into", 2, "--tasks", "1-3")
    assert "goes beyond the benchmark's 2 tasks" in beyond


def test_two_settings_refuse_each_others_options_in_the_python_interface_too(tmp_path: Path) -> None:
    common: dict[str, Any] = {"output": tmp_path, "methods": (MethodSpec(name="stamina"),)}
    with pytest.raises(UsageError, match="--set recognition is for the classification setting"):
        api.prepare(RunSpec(benchmark="tuning6", recognition={"flip": False}, **common))
    with pytest.raises(UsageError, match="Unknown recognition option 'flop'; did you mean flip"):
        api.prepare(RunSpec(benchmark="objects-tuning5", recognition={"flop": False}, **common))


# --- a run, and what goes on from it ----------------------------------------------------------------------------------

FAST = ("--set", "epochs=1", "--set", "batch_size=4")


@pytest.fixture(scope="module")
def ran(classes: Path, vit: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[str]]:
    """Results folder, table and words of a run."""
    output = tmp_path_factory.mktemp("results") / "runs"
    words = [
        "run", str(classes), "--setting", "classification", "--split-into", "2", "--class-order", "3", "-m",
        "l2p,clora,joint", "--backbone", str(vit), "--set", "recognition.flip=false", *FAST, "-o", str(output), "-q",
    ]  # fmt: skip
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, *words) == 0, err.getvalue()
    return output, out.getvalue(), words


@pytest.fixture
def mine(ran: tuple[Path, str, list[str]], tmp_path: Path) -> Path:
    """A copy of the results to spoil."""
    return shutil.copytree(ran[0], tmp_path / "runs")


def steps(output: Path, kind: str, method: str | None = None) -> list[Path]:
    """Folders of the steps of a kind, in the order in which they were made."""
    found = sorted(output.glob("store/steps/*/*/manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    recipes = [(path.parent, json.loads(path.read_text())["recipe"]) for path in found]
    return [p for p, r in recipes if r["kind"] == kind and method in (None, r.get("method"))]


def figures(output: Path) -> dict[Any, Any]:
    rows = [row for cell in read_cells(output) for row in cell.rows if row.metric != "train_seconds"]
    return {(r.method, r.metric, r.task, r.after, r.layer): r.value for r in rows}


def test_a_dry_run_counts(ran: tuple[Path, str, list[str]], tmp_path: Path) -> None:
    words = [*ran[2][:-2], str(tmp_path / "runs"), "--dry-run"]
    code, said = bench(*words)
    assert code == 0, said
    assert "3 cells, 13 steps" in said  # two trainings and two tests, twice; one of each of joint; three scores
    lines = [line.split() for line in said.splitlines()]
    assert [line[1:-1:2] for line in lines if "evaluate" in line] == [["evaluate", "0", "5"]]
    assert "backbone vit, cpu, float32" in said
    assert "(counted, on one core of a 2025 server)" in said
    assert not list((tmp_path / "runs").glob("runs/*"))
    assert "from finished steps in this store" in bench(*ran[2], "--dry-run")[1]


def test_the_count_grows_with_epochs_and_images(vit: Path, tmp_path: Path) -> None:
    def cost(**changes: Any) -> float:
        spec = RunSpec(
            benchmark="objects-tuning5", methods=(MethodSpec(name="ft", changes=changes),), output=tmp_path,
            backbone=str(vit), jobs=1,
        )  # fmt: skip
        found = estimate(api.prepare(spec))
        assert found is not None
        assert found.megabytes > 0
        return found.seconds

    once, twice, thrice = (cost(epochs=n) for n in (100, 200, 300))
    assert thrice - twice == pytest.approx(twice - once)
    whole = sum(p.numel() for p in tiny_vit().parameters())
    # five tasks of two classes of 32 images, three passes of 2 FLOP a weight and token, 4 patches and the class token
    assert twice - once == pytest.approx(100 * 5 * 2 * 32 * 3 * 2 * whole * 5 / 0.05e12)


def test_a_runs_own_file_is_a_configuration(ran: tuple[Path, str, list[str]], classes: Path) -> None:
    output, table, words = ran
    (run_file,) = (output / "runs").glob("*.yaml")
    spec = read_spec(run_file)
    assert (spec.setting, spec.split_into, spec.class_order) == ("classification", 2, 3)
    assert spec.recognition == {"flip": False}
    for again in (words, ["run", str(classes), "--config", str(run_file)]):
        out, err = io.StringIO(), io.StringIO()
        assert call(out, err, *again) == 0, err.getvalue()
        assert "Nothing to do: all 13 steps" in err.getvalue()
        assert out.getvalue() == table
    assert len(list((output / "runs").glob("*.yaml"))) == 1
    content = yaml.safe_load(run_file.read_text())
    assert content["schema_version"] == VERSION
    assert {cell["setting"] for cell in content["cells"]} == {"classification"}
    assert "Nothing to resume" in bench("resume", output)[1]


def test_a_run_that_was_stopped_is_gone_on_with(mine: Path) -> None:
    before = figures(mine)
    last = [*steps(mine, "train", "l2p")[-1:], *steps(mine, "evaluate")[-3:], *steps(mine, "score")]
    for folder in last:
        shutil.rmtree(folder)
    assert read_cells(mine) == []
    code, said = bench("resume", mine, "-q")
    assert (code, "7 of 13 steps to go" in said) == (0, True)
    assert figures(mine) == before


def test_figures_are_made_again_without_training(mine: Path) -> None:
    before, trained = figures(mine), [p.stat().st_mtime_ns for p in steps(mine, "train")]
    for folder in (*steps(mine, "evaluate")[:2], *steps(mine, "score")):
        shutil.rmtree(folder)
    code, _ = bench("score", mine, "-q")
    assert (code, figures(mine)) == (0, before)
    assert [p.stat().st_mtime_ns for p in steps(mine, "train")] == trained
    refused(
        bench("score", mine, "--extractor", "x"),
        f"--extractor: no run in {mine} is measured with a feature extractor",
    )
    shutil.rmtree(steps(mine, "train", "joint")[0])
    for folder in steps(mine, "score"):
        shutil.rmtree(folder)
    code, said = bench("score", mine)
    assert (code, "lacks images or weights (1 train step); `resume` makes them" in said) == (2, True)


def test_a_damaged_test_is_noticed_and_made_again(mine: Path, ran: tuple[Path, str, list[str]]) -> None:
    before = figures(mine)
    first = steps(mine, "evaluate")[0]
    path = first / "predictions.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    code, said = bench("cache", "verify", mine, "--repair")
    assert (code, "predictions.safetensors" in said) == (1, True)
    assert not first.exists()
    code, _ = bench("resume", mine, "-q")
    for folder in steps(mine, "score"):
        shutil.rmtree(folder)
    code, said = bench("score", mine, "-q")
    assert (code, path.read_bytes() == good, figures(mine)) == (0, True, before), said


def test_prune_keeps_what_a_run_needs_and_knows_the_trials_of_benchmarks(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(mine.rglob("*"))
    code, said = bench("cache", "prune", mine, "--older-than", "0s", "--tuning", "--yes")
    assert code == 0, said
    assert sorted(p for p in mine.rglob("*") if "locks" not in p.parts) == [p for p in before if "locks" not in p.parts]
    known = prune.compared_concepts()
    source: Any = registry.benchmarks().get("imagenet-r20").sources["mini"]
    for trial in (0, 1, TRIALS - 1):
        assert {task.images.fingerprint() for task in source.in_order(trial)} <= known
    tuned: Any = registry.benchmarks().get("objects-tuning5").sources["mini"]
    assert not {task.images.fingerprint() for task in tuned.in_order(1)} & known


def test_nothing_is_exported_or_drawn_from_a_classifier(mine: Path, tmp_path: Path) -> None:
    for words in (("export", mine, "-m", "l2p"), ("generate", mine, "-p", "a <v1>"), ("export", mine)):
        refused(
            bench(*words, "-o", tmp_path / "new"),
            "is of classification: it has no pipeline to export and draws no pictures; choose a run of",
        )  # fmt: skip
    assert not (tmp_path / "new").exists()


def test_classifiers_are_not_among_the_cells_to_choose_from(ran: tuple[Path, str, list[str]]) -> None:
    classifier = read_cells(ran[0])[0]
    drawn: CellResult = classifier.__class__(**{**classifier.__dict__, "setting": "customization", "benchmark": "x"})
    assert choose_cell([classifier, drawn]) is drawn
    with pytest.raises(UsageError, match=r"No finished cell is like that; there are: x, [^;]*seed 0\.$"):
        choose_cell([classifier, drawn], method="none")


def test_a_comparison_with_itself_is_without_differences(ran: tuple[Path, str, list[str]]) -> None:
    result = CliRunner().invoke(app, ["compare", str(ran[0]), str(ran[0])])
    assert result.exit_code == 0, result.exception
    assert "l2p" in result.stdout


def test_the_documented_method_runs(classes: Path, vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[3] / "docs" / "methods.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- tested -->\n```python\n(.*?)```", text, re.S)
    (tmp_path / "my_prompt.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_prompt", raising=False)
    out, err = io.StringIO(), io.StringIO()
    words = ("run", classes, "--setting", "classification", "-m", "my_prompt:MyPrompt", "--backbone", vit, *FAST)
    assert call(out, err, *words, "-o", tmp_path / "runs", "--json") == 0, err.getvalue()
    rows = {(row["metric"], row["task"]): row["value"] for row in json.loads(out.getvalue())}
    assert 0 <= rows["a_n", None] <= 100
    assert rows["n_param", None] == pytest.approx(100 * 8 * DIM / sum(p.numel() for p in tiny_vit().parameters()))
    losses = json.loads((steps(tmp_path / "runs", "train")[-1] / "training.json").read_text())["losses"]
    assert losses[0]["stay"] == 0  # it starts where the task before ended,
    assert losses[-1]["stay"] > 0  # and moves
