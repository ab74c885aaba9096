from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.engine.display import LiveDisplay, PlainDisplay, QuietDisplay, cells_table, make_display
from harness.engine.plan import CellRequest, Plan, RunContext, Step
from harness.engine.progress import Board, Tally
from harness.spec import Benchmark, Tier
from harness.store.store import MANIFEST, Store

TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
BENCHMARK = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=1, waterfalls=1)})


@pytest.fixture
def plan() -> Plan:
    """Two tasks of stamina and ti++ at seed 3."""
    made = Plan(RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32"))
    for name in ("stamina", "ti++"):
        plugin = registry.methods().get(name)
        options = plugin.options_class.for_tier("mini", {"steps": 30})
        made.add_cell(CellRequest(BENCHMARK, BENCHMARK.tasks("mini"), 2, name, plugin, options, 3))
    return made


@pytest.fixture
def store(tmp_path: Path, plan: Plan) -> Store:
    """What the first training and the score of the first cell leave."""
    store = Store(tmp_path)
    measures = {"final_loss": 0.25, "plasticity_distance": 1.5}
    scored = [{"metric": "a_mmd", "task": 1, "layer": None, "value": 9.0}]
    scored += [{"metric": m, "task": None, "layer": None, "value": v} for m, v in (("a_mmd", 40.0), ("f_mmd", 2.0))]
    cell = plan.cells[0]
    for key, name, content in (
        (cell.trains[0], "training.json", {"measures": measures}),
        (cell.trains[0], MANIFEST, {"facts": {"train_seconds": 2.0}}),
        (cell.score, "figures.json", {"figures": scored}),
    ):
        store.folder(key).mkdir(parents=True, exist_ok=True)
        (store.folder(key) / name).write_text(json.dumps(content))
    return store


def step(plan: Plan, key: str) -> Step:
    return plan.steps[key]


def test_the_board_counts_for_each_cell_and_reads_the_latest_figures(plan: Plan, store: Store) -> None:
    board, cell = Board(plan, store), plan.cells[0]
    stamina, tokens = board.tallies
    assert (stamina.tasks, stamina.pictures) == (2, 4)  # X_{1,1}, X_{2,1}, X_{2,2} and one with both
    assert not stamina.started
    board.done(step(plan, cell.trains[0]))
    assert (stamina.trained, stamina.rate, stamina.loss, stamina.distance) == (1, 15.0, 0.25, 1.5)
    board.done(step(plan, cell.images[1, 1]))
    assert stamina.drawn == 1
    board.cached([step(plan, cell.score)])
    assert (stamina.accuracy, stamina.forgetting) == (40.0, 2.0)
    assert tokens == Tally("ti++ [steps=30]", 3, 2, 3)
    board.done(step(plan, cell.real[0]))  # belongs to all cells, and is counted for none


def test_a_display_never_stops_a_run_for_want_of_figures(plan: Plan, tmp_path: Path) -> None:
    board = Board(plan, Store(tmp_path))
    board.done(step(plan, plan.cells[0].trains[0]))
    assert (board.tallies[0].trained, board.tallies[0].loss) == (1, None)


def test_plain_lines_count_steps_and_come_without_control_codes(plan: Plan, store: Store) -> None:
    stream, cell = io.StringIO(), plan.cells[0]
    display = PlainDisplay(Console(file=stream, width=200), every_s=0.0)
    display.start(plan, store, [step(plan, cell.real[0])])
    display.step_done(step(plan, cell.trains[0]), "cpu#0", 2.5, 0.5)
    display.step_done(step(plan, cell.score), "cpu#0", 0.1, 1.0 + 1e-9)
    lines = stream.getvalue().splitlines()
    total = len(plan.steps)
    said, *lines = lines
    assert said == "backbone x, cpu, float32; sampler: DDIM, 50 steps, guidance 6, eta 1"
    assert lines[0] == f"1 of {total} steps is in the store"
    assert lines[1].startswith(f"[2/{total}] stamina seed 3: train task 1")
    assert "(2.5 s, 15.0 steps/s, loss 0.250, distance 1.500); about" in lines[1]
    assert lines[2] == "stamina [steps=30] seed 3: A_mmd 40.00, F_mmd 2.00 (x10^3)"
    assert "about 0.0 min left" in lines[3]
    assert "\x1b" not in stream.getvalue()


def test_what_workers_take_to_start_says_nothing_of_what_is_left(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, cell, now = io.StringIO(), plan.cells[0], [100.0]
    monkeypatch.setattr("harness.engine.display.time.monotonic", lambda: now[0])
    display = PlainDisplay(Console(file=stream, width=200), every_s=0.0)
    display.start(plan, store, [])
    now[0] += 30 + 12  # libraries are imported, then a tenth of the work is done
    display.step_done(step(plan, cell.real[0]), "cpu#0", 12.0, 0.1)
    assert "about 1.8 min left" in stream.getvalue()  # nine times 12 s
    now[0] += 12
    display.step_done(step(plan, cell.trains[0]), "cpu#0", 20.0, 0.2)
    assert stream.getvalue().splitlines()[-1].endswith("about 1.6 min left")


def test_the_display_suits_where_stderr_goes() -> None:
    assert isinstance(make_display(Console(file=io.StringIO())), PlainDisplay)
    assert isinstance(make_display(Console(file=io.StringIO(), force_terminal=True)), LiveDisplay)
    assert isinstance(make_display(Console(file=io.StringIO()), quiet=True), QuietDisplay)


def test_the_live_table_shows_every_cell(plan: Plan, store: Store) -> None:
    stream, cell = io.StringIO(), plan.cells[0]
    display = LiveDisplay(Console(file=stream, force_terminal=True, width=120, height=30))
    display.start(plan, store, [])
    display.step_done(step(plan, cell.trains[0]), "cpu#0", 1.0, 0.5)
    display.note("a note [y]")
    display.live.refresh()
    display.stop()
    text = stream.getvalue()
    assert "a note [y]" in text
    assert "stamina [steps=30] seed 3" in text
    assert "1/2" in text
    assert "15.0" in text
    assert "ti++ [steps=30] seed 3" in text


def test_too_many_cells_are_counted_and_those_at_work_come_first() -> None:
    tallies = [Tally(f"waiting {i}", 0, 2, 3) for i in range(5)]
    tallies += [Tally("at [/work]", 0, 2, 3, trained=1), Tally("done", 0, 2, 3, trained=2, accuracy=1.0)]
    stream = io.StringIO()
    Console(file=stream, width=100).print(cells_table(tallies, 3, ("A_mmd", "F_mmd")))
    text = stream.getvalue()
    assert text.index("at [/work] seed 0") < text.index("done seed 0")
    assert "waiting" not in text
    assert "... and 5 more" in text


def test_variants_stay_apart_in_the_live_table() -> None:
    stream = io.StringIO()
    tallies = [Tally(f"ub [sampling.solver={solver}]", 0, 2, 3) for solver in ("dpmpp", "unipc")]
    Console(file=stream, width=80).print(cells_table(tallies, 3, ("A_mmd", "F_mmd")))
    assert "dpmpp] seed 0" in stream.getvalue()
    assert "unipc] seed 0" in stream.getvalue()
