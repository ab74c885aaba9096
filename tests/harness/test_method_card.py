"""`stamina-bench show`: built-in methods say what they are, ablations differ in one option, mistakes are one line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import in_process
import pytest
from rich.console import Console
from typer.testing import CliRunner

import methods.stamina
from harness import method_card as show
from harness import registry
from harness.cli import app
from harness.errors import UsageError
from harness.method_card import MethodCard, as_table, counted, method_card
from harness.tuning.tune import Trial, TuningRecord

NAMES = registry.methods().names()
ABLATIONS = {
    "stamina-no-mask": {"mask": "none"},
    "stamina-no-mlp-tokens": {"token": "free"},
    "stamina-no-mask-mlp": {"mask": "free"},
    "stamina-no-gumbel": {"mask_kind": "sigmoid"},
    "stamina-no-sparsity": {"lambda_sparse": 0.0},
}
STRANGER = """
from typing import ClassVar
from pydantic import Field
from harness.method import Method
from harness.spec import MethodOptions

class Options(MethodOptions):
    bare: int | None = None
    width: int = Field(3, ge=1, lt=9, description="how [red]wide[/red]")

class Stranger(Method[Options]):
    options_class = Options

    def begin_task(self, model, generator):
        raise NotImplementedError

class Penalised(Stranger):
    def penalties(self):
        return {"made up": 0.0}
"""


def text_of(card: MethodCard, width: int = 160) -> str:
    """The card as a terminal would show it."""
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(as_table(card))
    return stream.getvalue()


def options(name: str, tier: str) -> dict[str, Any]:
    return {option.name: option.default for option in method_card(name, tier).options}


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a method that says nothing of itself."""
    (tmp_path / "stranger_method.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stranger_method", raising=False)
    return "stranger_method:Stranger"


@pytest.mark.parametrize("tier", ["mini", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_method_says_what_it_is(name: str, tier: str) -> None:
    card = method_card(name, tier)
    assert card.name == name
    assert card.tier == tier
    assert card.summary
    assert card.trains
    assert card.loss
    assert "L_SD (eq. 1)" in card.loss
    assert card.citation
    assert "arXiv" in card.citation
    assert card.origin.startswith("stamina-bench: methods.")
    assert all(option.meaning for option in card.options)
    assert set(card.search_space) <= {option.name for option in card.options}
    assert json.loads(json.dumps(card.model_dump(mode="json")))["name"] == name
    shown = text_of(card)
    assert "(not stated)" not in shown
    for option in card.options:
        assert option.name in shown
    for part in (card.summary, card.prompt, card.origin):
        assert part in shown


@pytest.mark.parametrize("tier", ["mini", "paper"])
@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_differs_from_stamina_in_exactly_one_option(name: str, tier: str) -> None:
    reference, changed = options("stamina", tier), options(name, tier)
    assert reference.keys() == changed.keys()
    assert {key: value for key, value in changed.items() if value != reference[key]} == ABLATIONS[name]


def test_what_the_paper_says_is_said() -> None:
    stamina = method_card("stamina", "paper")
    assert stamina.loss is not None
    assert all(part in stamina.loss for part in ("L_sparse (eq. 7)", "L_forget (eq. 3)", "eq. 8"))
    assert stamina.trains is not None
    assert "eq. 2" in stamina.trains
    assert "eqs. 4-6" in stamina.trains
    assert stamina.prompt == "a photo of a V*"
    assert method_card("cd", "paper").prompt == "a photo of a V* X"
    shown = {option.name: option for option in stamina.options}
    assert (shown["steps"].default, shown["rank"].default, shown["tau"].default) == (500, 16, 0.5)
    assert (shown["rank"].type, shown["rank"].bounds) == ("integer", ">= 1")
    assert (shown["tau"].type, shown["tau"].bounds) == ("number", "> 0")
    assert shown["mask"].choices == ("mlp", "free", "none")
    assert {option.name: option.bounds for option in method_card("cd-merge", "paper").options}["captions"] == (
        ">= 1, <= 4000"
    )


def test_what_happens_at_the_end_of_a_task() -> None:
    stamina, merge, ewc, tokens = (method_card(name, "mini") for name in ("stamina", "cd-merge", "cd-ewc", "ti++"))
    assert "folded" in stamina.end_of_task
    assert not stamina.memory
    assert "merged" in merge.end_of_task
    assert merge.base_method == "ub"
    assert merge.memory
    assert "memory" in ewc.end_of_task
    assert ewc.memory
    assert tokens.independent
    assert "F_mmd is 0" in text_of(tokens)


def test_what_a_strangers_method_does_not_say_is_not_stated(stranger: str) -> None:
    card = method_card(stranger, "mini")
    assert (card.summary, card.citation, card.trains) == (None, None, None)
    assert card.loss == "L_SD"  # it adds nothing to it
    assert method_card("stranger_method:Penalised", "mini").loss is None
    shown = text_of(card)
    assert shown.count("(not stated)") == 4  # summary, trains, citation, the bare option's meaning
    assert "how [red]wide[/red]" in shown
    assert "integer >= 1, < 9" in shown
    assert "integer or nothing" in shown
    assert card.origin == f"not registered: {stranger}"
    json.dumps(card.model_dump(mode="json"))


# ----------------------------------------------------------------------------------- where the tier's defaults are from


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record beside `stamina`'s source, of a tuning that chose what its class has."""
    monkeypatch.setattr(methods.stamina, "__file__", str(tmp_path / "stamina.py"))
    plugin = registry.methods().get("stamina")
    defaults = plugin.options_class.for_tier("mini").model_dump()
    chosen = {key: defaults[key] for key in plugin.search_space}
    first = next(iter(chosen))
    trials = (
        Trial(setting={**chosen, first: -1}, figures={"a_mmd": 400.0, "f_mmd": 1.0}),
        Trial(setting=chosen, figures={"a_mmd": 321.5, "f_mmd": 2}),
    )
    written = TuningRecord(
        note="", method="stamina", tier="mini", benchmark="tuning18", backbone="b", seeds=(0,), tasks=18, short_tasks=6,
        space=plugin.search_space, space_size=36, budget=9, fixed={}, sampling={}, trials=trials, chosen=chosen,
        finals=(Trial(setting=chosen, figures={"a_mmd": 333.5, "f_mmd": 2}),),
    )  # fmt: skip
    path = tmp_path / "tuned" / "mini" / "stamina.json"
    path.parent.mkdir(parents=True)
    path.write_text(written.json_text())
    return path


def test_a_record_is_shown_with_its_figure(record: Path) -> None:
    tuned = method_card("stamina", "mini").tuned
    assert tuned is not None
    assert (tuned.method, tuned.figures["a_mmd"], tuned.trials, tuned.space_size) == ("stamina", 333.5, 2, 36)
    assert tuned.record == "tuned/mini/stamina.json"
    shown = " ".join(text_of(method_card("stamina", "mini")).split())
    assert "chosen by stamina-bench tune on tuning18, the best (A_mmd 333.50 after 18 tasks) of 2 trials" in shown
    assert "and 1 final among 36 settings" in shown
    assert method_card("stamina", "paper").tuned is None


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablations_defaults_come_from_staminas_record(name: str, record: Path) -> None:
    card = method_card(name, "mini")
    assert card.tuned is not None
    assert card.tuned.method == "stamina"
    assert "chosen for stamina by stamina-bench tune" in " ".join(text_of(card).split())


def test_a_record_that_the_defaults_do_not_follow_is_not_named(record: Path) -> None:
    content = json.loads(record.read_text())
    content["chosen"]["learning_rate"] = 0.77
    record.write_text(json.dumps(content))
    assert method_card("stamina", "mini").tuned is None
    assert "no record of a tuning" in text_of(method_card("stamina", "mini"))


def test_a_damaged_record_is_one_sentence(record: Path) -> None:
    for content in ("{", '{"chosen": {}}'):
        record.write_text(content)
        with pytest.raises(UsageError, match="damaged; delete it"):
            method_card("stamina", "mini")


# --------------------------------------------------------------------------------------------------------- the command


def test_the_command_prints_the_card_and_then_the_parameters() -> None:
    out, err = io.StringIO(), io.StringIO()
    assert in_process.call(out, err, "show", "stamina", "--tier", "paper") == 0
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["method", "stamina"]
    assert lines[-1] == (
        "N_param on sd-1.4: 0.19 % (1,635,984 of 859,520,964 parameters), with the paper tier's options"
    )
    first = err.getvalue().partition("\n")[0]  # an older torch warns below it where there is no GPU
    assert first in ("", "Counting parameters on sd-1.4; --no-params leaves it out.")


def test_json_parses_and_counts(tiny_models: Path) -> None:
    result = CliRunner().invoke(app, ["show", "clora", "--json", "--backbone", str(tiny_models / "sd")])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["name"] == "clora"
    assert content["parameters"]["trained"] > 0
    assert content["parameters"]["n_param"] == pytest.approx(
        100 * content["parameters"]["trained"] / content["parameters"]["unet"]
    )
    bare = json.loads(CliRunner().invoke(app, ["show", "clora", "--json", "--no-params"]).stdout)
    assert bare == {**content, "parameters": None}


def test_a_count_that_takes_long_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import harness.settings.customization.parameters

    def slow(backbone: str, names: str) -> list[dict[str, Any]]:
        time.sleep(0.3)
        return [{"method": names, "parameters": 1, "unet_parameters": 200, "n_param": 0.5}]

    monkeypatch.setattr(harness.settings.customization.parameters, "count_parameters", slow)
    said: list[str] = []
    assert counted("stamina", "sd-1.4", said.append, patience_s=0.01)["n_param"] == 0.5
    assert said == ["Counting parameters on sd-1.4; --no-params leaves it out."]
    said.clear()
    counted("stamina", "sd-1.4", said.append, patience_s=30)
    assert said == []


def test_an_unknown_backbone_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="sd-9"):
        show.counted("stamina", "sd-9", lambda _: None)


@pytest.mark.parametrize("arguments", [["--help"], ["stamina", "--no-params"], ["cd-merge", "--no-params", "--json"]])
def test_help_and_cards_need_no_torch(arguments: list[str]) -> None:
    code = (
        f"import sys; from harness.cli import app\ntry: app({['show', *arguments]!r})\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout
