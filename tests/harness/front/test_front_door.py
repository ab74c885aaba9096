"""`import stamina_bench as sb`: what it offers, that it does what the command line does, and that it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import json
import linecache
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from in_process import bench
from rich.console import Console
from tests_support import InlineExecutor, raises_sentence

import stamina_bench as sb
from harness.engine.display import LiveDisplay, PlainDisplay, make_display
from harness.executors.in_process import InProcessExecutor
from harness.front.method_names import reference
from harness.results import TidyRow
from harness.sources.home import HOME
from harness.spec import Tier
from methods.clora import CLoRA

FAST = {"steps": 2, "batch_size": 2, "sampling.steps": 2, "sampling.images": 3}
SET = [word for key, value in FAST.items() for word in ("--set", f"{key}={value}")]
MINE = """
import stamina_bench as sb


class MyOptions(sb.MethodOptions):
    rank: int = 2


class MyMethod(sb.Method[MyOptions]):
    options_class = MyOptions
    summary = "LoRA, naively"

    def begin_task(self, model, generator):
        sb.attach(model, lambda name, projection: sb.parts.LowRank(projection, self.options.rank, generator))
        return sb.parts.new_token(model, "free", "category", self.options.rank, generator)
"""
BROKEN = MINE.replace("sb.attach", "raise ValueError('made to fail')\n        sb.attach")


@pytest.fixture(autouse=True)
def _inline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.executors.local.LocalExecutor", lambda setting, root, _: InlineExecutor(setting, root))


@pytest.fixture
def small(tiny_models: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of a run that takes a second."""
    return {
        "benchmark": "tuning6", "limit": 1, "options": FAST, "backbone": tiny_models / "sd",
        "extractor": str(tiny_models / "clip"), "output": tmp_path / "runs", "quiet": True,
    }  # fmt: skip


def words(small: Mapping[str, Any]) -> list[object]:
    """The same for the command line."""
    names = {"backbone": "--backbone", "extractor": "--extractor", "output": "-o", "limit": "--limit"}
    return [small["benchmark"], *SET, *(word for name, option in names.items() for word in (option, small[name]))]


@pytest.fixture
def my_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's with a method."""
    (tmp_path / "my_front_door_method.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("my_front_door_method")
    del sys.modules["my_front_door_method"]


def in_main(monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    """Run a cell as a notebook does, in `__main__`, which has no file there."""
    main = sys.modules["__main__"]
    monkeypatch.delattr(main, "__file__", raising=False)
    name = f"<cell {hash(text)}>"
    monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
    cell = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), cell)
    for each in ("MyOptions", "MyMethod", "sb"):
        monkeypatch.setattr(main, each, cell[each], raising=False)
    return cell["MyMethod"]


# ----------------------------------------------------------------------------------------------------- what is there


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = ["torch", "numpy", "pandas", "matplotlib", "typer", "rich", "pydantic", "jinja2", "yaml"]
    code = f"import sys, stamina_bench, harness; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_is_described_and_the_functions_have_an_example() -> None:
    page = (HOME / "docs" / "python.md").read_text()
    assert set(sb.__all__) <= set(dir(sb))
    assert set(importlib.import_module("harness").__all__) == set(sb.__all__) - {"plan", "parts"}
    for name in sb.__all__:
        found = getattr(sb, name)
        assert f"`{name}`" in page or f"`sb.{name}" in page, name
        assert inspect.getdoc(found), name
        if inspect.isfunction(found) and found.__module__.split(".")[0] in ("harness", "reports"):
            assert "Example:" in (inspect.getdoc(found) or ""), name
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        sb.rnu  # noqa: B018


# ------------------------------------------------------------------------------------------------------------- runs


def test_a_run_is_the_command_lines(small: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    results = sb.run(methods=["ti++", ("clora", {"rank": 2}), CLoRA], **small)
    assert [cell.method for cell in results.cells] == ["ti++", "clora", "clora"]
    assert capsys.readouterr().out == ""
    code, said = bench("run", *words(small), "--methods", "ti++,clora", "--set", "clora.rank=2", "-q")
    assert code == 0
    assert "Nothing to do: all" in said
    own = [cell for cell in results.cells if cell.method == "ti++" or cell.options["rank"] == 2]
    same = sb.Results(results.folder, own)
    assert same.table() in said
    rows = json.loads(bench("report", small["output"], "--format", "json")[1])
    assert len(rows) == len(results.frame) == len(sb.load_results(small["output"]).frame)
    assert list(results.frame.columns) == list(TidyRow.model_fields)
    assert repr(results).startswith(f"<Results of {small['output']}: tuning6; ti++ [")
    assert {"losses", "stability"} <= {name.partition("-")[0] for name in results.figures()}
    assert results.figures()._repr_html_().count("data:image/png;base64,") == len(results.figures())
    assert [path.name for path in results.report(formats=["json"])] == ["results.json"]
    raises_sentence(lambda: results.report(formats=["jsn"]), "Unknown format 'jsn'; did you mean json")


def test_a_plan_takes_the_same_arguments_and_makes_nothing(small: dict[str, Any], tmp_path: Path) -> None:
    planned = sb.plan(methods="ti++", seeds=[0, 1], **small)
    assert [cell.rpartition(" ")[2] for cell in planned.cells] == ["0", "1"]
    assert (planned.cached, planned.pending) == (0, planned.steps)
    assert planned.seconds > 0
    assert repr(planned).startswith(f"<Plan of tuning6: 2 cells, {planned.steps} steps: 0 cached, ")
    assert planned.frame.pending.sum() == planned.steps
    assert "<table" in planned._repr_html_()
    assert not list((small["output"] / "store" / "steps").glob("*/*"))
    with pytest.raises(TypeError, match="sed"):
        sb.plan("tuning6", sed=1)
    assert "mixed50" in set(sb.list_benchmarks().name)
    assert sb.list_methods().set_index("name").settings["stamina"] == "customization, classification"


def test_a_configuration_stands_below_what_is_given(small: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"methods": ["ti++"], "seeds": [7, 8], "set": ["steps=5"], "limit": 2}))
    spec = sb.plan("tuning6", config=file, seeds=3, output=small["output"]).prepared.spec
    assert [(method.name, dict(method.changes)) for method in spec.methods] == [("ti++", {"steps": 5})]
    assert (spec.seeds, spec.tasks) == ((3,), (1, 2))
    results = sb.run(methods="ti++", **small)
    again = sb.plan(config=results.run_file)
    assert (again.pending, again.prepared.spec) == (0, sb.plan(methods="ti++", **small).prepared.spec)
    file.write_text("methds: [ti++]\n")
    raises_sentence(lambda: sb.run("tuning6", config=file), "c.yaml: unknown key 'methds'; did you mean methods")


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "benchmark": ({"benchmark": "mixed5"}, ["mixed5"]),
    "method": ({"methods": ["stamna"]}, ["tuning6", "--methods", "stamna"]),
    "option": ({"options": {"rnk": 4}}, ["tuning6", "--set", "rnk=4"]),
    "option's value": ({"options": {"rank": "x"}}, ["tuning6", "--set", "rank=x"]),
    "sampling": ({"options": {"sampling.image": 4}}, ["tuning6", "--set", "sampling.image=4"]),
    "seeds": ({"seeds": [1, 1]}, ["tuning6", "--seeds", "1,1"]),
    "tier": ({"tier": "min"}, ["tuning6", "--tier", "min"]),
    "dtype": ({"dtype": "f32"}, ["tuning6", "--dtype", "f32"]),
    "tasks": ({"tasks": "2-3"}, ["tuning6", "--tasks", "2-3"]),
    "both": ({"tasks": 2, "limit": 2}, ["tuning6", "--tasks", "2", "--limit", "2"]),
    "device": ({"device": "gpu"}, ["tuning6", "--device", "gpu"]),
    "strict": ({"strict": True}, ["tuning6", "--strict"]),
}


@pytest.mark.parametrize(("given", "command"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_the_command_lines_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    told = raises_sentence(lambda: sb.run(**{"benchmark": "tuning6", **given}))
    assert bench("run", *command) == (2, f"stamina-bench: {told}\n")


def test_mistakes_that_only_python_can_make(small: dict[str, Any], tmp_path: Path) -> None:
    raises_sentence(lambda: sb.run(), "No benchmark is named")
    raises_sentence(lambda: sb.run("tuning6", limit=0), "--limit 0 cannot be used")
    raises_sentence(lambda: sb.run("tuning6", [3]), "3 cannot be used as a method")
    raises_sentence(lambda: sb.run("tuning6", ["clora", CLoRA]), "'clora' is there twice with the same options")
    raises_sentence(lambda: sb.run("tuning6", jobs="two", output=tmp_path), "--jobs cannot be 'two'")
    raises_sentence(lambda: sb.load_results(tmp_path / "none"), "is not a results folder")
    raises_sentence(lambda: sb.compare(HOME / "reference" / "mini", tmp_path / "none"), "is not a results folder")


# -------------------------------------------------------------------------------------------------- classes as methods


def test_a_class_of_a_module_is_its_reference(small: dict[str, Any], my_module: Any) -> None:
    assert reference(my_module.MyMethod) == "my_front_door_method:MyMethod"
    assert reference(CLoRA) == reference(CLoRA, "classification") == "clora"
    one, two = (
        sb.plan(methods=[each], **small).prepared.plan for each in (my_module.MyMethod, "my_front_door_method:MyMethod")
    )
    assert one.steps.keys() == two.steps.keys()
    local = type("Local", (my_module.MyMethod,), {"__qualname__": "made.<locals>.Local"})
    raises_sentence(lambda: reference(local), "was made inside a function or class; define it at the top level")
    gone = my_module.MyMethod
    my_module.MyMethod = CLoRA
    raises_sentence(lambda: reference(gone), "is no longer what it names")


def test_parts_taken_through_the_front_door_count_as_source(my_module: Any) -> None:
    from harness.method import Method
    from harness.sources.method_source import _Reading

    reading = _Reading(my_module.MyMethod, Method)
    reading.whole()
    assert {path.name for path in reading.own} == {path.name for path in (HOME / "methods" / "parts").glob("*.py")}
    assert {path.name for path in reading.files} == {"my_front_door_method.py"}


def test_a_class_of_a_notebook_runs_in_this_process(
    small: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = in_main(monkeypatch, MINE)
    monkeypatch.setattr("harness.executors.local.LocalExecutor", None)  # no worker is started
    results = sb.run(methods=[mine], **small)
    assert (
        "'__main__:MyMethod' is of this process alone: steps are made in it, one at a time." in capsys.readouterr().err
    )
    assert results.cells[0].label.startswith("__main__:MyMethod")
    again = sb.plan(methods=[mine], **small)
    assert again.pending == 0
    assert again.cautions == ()
    edited = in_main(monkeypatch, MINE.replace('"category"', '"random"'))
    assert sb.plan(methods=[edited], **small).pending > 0
    for asked in ({"jobs": 2}, {"device": ["cpu", "cpu"]}):
        told = raises_sentence(lambda asked=asked: sb.run(methods=[edited], **{**small, **asked}))  # type: ignore[misc]
        assert "write it into a file (in a notebook with %%writefile my_method.py), and import it from there" in told


def test_a_step_in_this_process_leaves_it_as_it_was(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("harness.executors.local.LocalExecutor", lambda s, root, _: InProcessExecutor(s, root, "cpu"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    torch.set_num_threads(2)
    before = sb.run(methods="ti++", **small).frame.drop(columns="backbone")
    assert torch.get_num_threads() == 2
    assert "HF_HUB_OFFLINE" not in importlib.import_module("os").environ
    assert not before.empty


def test_a_cell_that_fails(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = in_main(monkeypatch, BROKEN)
    with pytest.raises(sb.CellsFailedError) as caught:
        sb.run(methods=["ti++", broken], **small)
    assert re.fullmatch(
        r"__main__:MyMethod seed 0 did not finish: ValueError: made to fail .*; 1 more did not\.", str(caught.value)
    )
    assert "Traceback" in caught.value.trace
    assert isinstance(caught.value.results, sb.Results)
    results = sb.run(methods=["ti++", broken], keep_going=True, **small)
    assert ([cell.method for cell in results.cells], len(results.unfinished)) == (["ti++"], 1)
    assert "made to fail" in results.unfinished[0].reason
    assert "Not finished: tuning6, __main__:MyMethod" in results._repr_html_()


# ------------------------------------------------------------------------------------------------------- what is shown


def test_html_is_escaped(small: dict[str, Any]) -> None:
    results = sb.run(methods="ti++", **small)
    html = results._repr_html_()
    assert html.count("<table>") == 1
    assert html.count("<tr>") == 2
    bad = "<script>alert(1)</script>&"
    cells = [cell.model_copy(update={"label": bad, "title": bad, "benchmark": bad}) for cell in results.cells]
    spoilt = sb.Results(results.folder, cells)
    shown = spoilt._repr_html_() + sb.compare(spoilt, spoilt)._repr_html_()
    assert "<script>" not in shown
    assert shown.count("&lt;script&gt;") > 4
    found = sb.compare(results, small["output"])
    assert set(found.frame.verdict) == {"equal"}
    assert found.to_text() == str(found)
    raises_sentence(lambda: sb.compare(results, results, benchmark="x"), "holds nothing of benchmark 'x'")
    raises_sentence(lambda: sb.compare(results, results, rename={"x": "y"}), "Unknown label of")


@pytest.mark.parametrize(("widgets", "kind"), [(True, LiveDisplay), (False, PlainDisplay)])
def test_a_notebook_has_a_live_display_with_ipywidgets_else_lines(
    monkeypatch: pytest.MonkeyPatch, widgets: bool, kind: type
) -> None:
    monkeypatch.setattr(
        "harness.engine.display.find_spec", lambda name: object() if widgets and name == "ipywidgets" else None
    )
    assert type(make_display(Console(force_jupyter=True))) is kind


# -------------------------------------------------------------------------------------------------------------- README


def test_the_readmes_example_gives_a_frame(tmp_path: Path, tiny_tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the tests' tiny models."""
    text = (HOME / "README.md").read_text()
    example = re.search(r"\n## From Python\n.*?```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    tiers = SimpleNamespace(get=lambda name: tiny_tier, names=lambda: ["mini"])
    monkeypatch.setattr("harness.registry.tiers", lambda: tiers)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    *lines, last = example[1].strip().splitlines()
    exec("\n".join(lines), names)
    frame = eval(last, names)
    assert frame.shape[0] == 2  # a line for each method
    assert len(lines) + 1 == 5
