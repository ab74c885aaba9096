"""One run that cannot be read or prepared does not keep a command from the others of its results folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_process import bench

from harness.errors import LibraryError, UsageError
from harness.records.run_file import described_cells, finished, read_cells
from harness.spec import RunSpec
from harness.store.migrations import VERSION
from harness.store.store import MANIFEST, Store

FIXTURE = Path(__file__).parents[1] / "fixtures" / "results" / f"v{VERSION}"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURE, tmp_path / "runs")


def run_file(folder: Path) -> Path:
    (path,) = (folder / "runs").glob("mixed50*.yaml")
    return path


@pytest.fixture
def damaged(runs: Path) -> Path:
    """Another run's file, which is not what its name says."""
    return shutil.copy(run_file(runs), runs / "runs" / "other-mini-0123456789.yaml")


@pytest.fixture
def moved(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of photographs that have moved since, beside one that is as it was and has nothing left to do."""
    path = runs / "runs" / "photos.yaml"
    path.write_text(run_file(runs).read_text().replace("benchmark: mixed50", "benchmark: photos", 1))
    store = Store(runs / "store")
    for cell in described_cells(path):
        for composition in cell.compositions:  # pictures, which the fixture leaves out
            store.folder(composition.images).mkdir(parents=True, exist_ok=True)
            (store.folder(composition.images) / MANIFEST).touch()

    def prepare(spec: RunSpec, **options: object) -> Any:
        if spec.benchmark == "photos":
            raise UsageError("'photos' is no folder; name another one.")
        plan = SimpleNamespace(cells=described_cells(run_file(runs)))
        return SimpleNamespace(spec=spec, progress=SimpleNamespace(pending=[]), plan=plan)

    monkeypatch.setattr("harness.api.prepare", prepare)
    return path


@pytest.mark.parametrize("command", [("report", "--format", "md"), ("status",), ("compare", str(FIXTURE))])
def test_a_damaged_file_among_good_ones_is_named_and_the_others_read(
    runs: Path, damaged: Path, command: tuple[str, ...]
) -> None:
    code, said = bench(command[0], runs, *command[1:])
    assert code == 1, said
    assert said.count(f"Left out: {damaged} is damaged; delete it and run its command again.\n") == 1
    assert "ti++" in said


def test_an_export_that_needs_no_other_run_is_done(runs: Path, damaged: Path, tmp_path: Path) -> None:
    code, said = bench("export", runs, "--method", "nothing like it", "-o", tmp_path / "model")
    assert code == 2
    first, last = said.splitlines()
    assert first.startswith(f"Left out: {damaged} is damaged")
    assert last.startswith("stamina-bench: No finished cell is like that; there are: mixed50, ")


def test_nothing_but_damaged_files_is_an_error_that_names_each(runs: Path, damaged: Path) -> None:
    good = run_file(runs)
    good.write_text("")
    for command in ("report", "status", "resume", "score"):
        code, said = bench(command, runs)
        assert code == 2
        assert len(said.splitlines()) == 2
        assert f"{good} is damaged" in said
        assert f"{damaged} is damaged" in said


def test_without_anyone_to_tell_the_first_damaged_file_ends_the_reading(runs: Path, damaged: Path) -> None:
    with pytest.raises(UsageError, match=r"other-mini-0123456789\.yaml is damaged"):
        read_cells(runs)
    told: list[UsageError] = []
    assert len(read_cells(runs, left_out=told.append)) == 2
    assert len(told) == 1


def test_a_finished_run_whose_photographs_moved_has_nothing_to_resume(runs: Path, moved: Path) -> None:
    assert finished(moved)
    code, said = bench("resume", runs)
    assert code == 0
    assert f"Left out: {moved}, which is finished: 'photos' is no folder; name another one." in said
    assert f"Nothing to resume: every run in {runs} is finished." in said


def test_an_unfinished_run_whose_photographs_moved_is_named_and_the_others_go_on(runs: Path, moved: Path) -> None:
    shutil.rmtree(runs / "store" / "steps")
    assert not finished(moved)
    code, said = bench("resume", runs)
    assert code == 1
    assert f"Left out: {moved}: 'photos' is no folder; name another one." in said
    run_file(runs).unlink()
    assert bench("resume", runs) == (2, f"stamina-bench: {moved}: 'photos' is no folder; name another one.\n")


def test_a_damaged_file_does_not_keep_resume_from_the_others(runs: Path, moved: Path, damaged: Path) -> None:
    code, said = bench("resume", runs)
    assert code == 1
    assert f"Left out: {damaged} is damaged" in said


def test_what_ails_every_run_is_said_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs / "runs" / "mine.yaml").write_text(
        run_file(runs).read_text().replace("keep_going: false", "keep_going: true")
    )

    def broken(spec: RunSpec, **options: object) -> Any:
        raise LibraryError("torchvision does not go with torch.")

    monkeypatch.setattr("harness.api.prepare", broken)
    assert bench("resume", runs) == (2, "stamina-bench: torchvision does not go with torch.\n")


# ------------------------------------------------------------------------------------------------------------ --debug


@pytest.mark.parametrize(
    ("words", "environment", "shown"),
    [
        (("report", "nowhere"), {}, False),
        (("--debug", "report", "nowhere"), {}, True),
        (("report", "--debug", "nowhere"), {}, True),
        (("report", "nowhere", "--debug"), {}, True),
        (("cache", "info", "nowhere", "--debug"), {}, True),
        (("cache", "--debug", "info", "nowhere"), {}, True),
        (("run", "mixed50", "--config", "nowhere.yaml", "--debug"), {}, True),
        (("report", "nowhere", "--benchmark", "--debug"), {}, False),  # a value
        (("report", "--", "--debug"), {}, False),  # a folder of that name
        (("report", "nowhere"), {"STAMINA_BENCH_DEBUG": "1"}, True),
        (("report", "nowhere"), {"STAMINA_BENCH_DEBUG": "0"}, False),
    ],
)
def test_debug_anywhere_shows_the_traceback_too(
    words: tuple[str, ...], environment: dict[str, str], shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = bench(*words, **environment)
    assert code == 2
    assert ("Traceback" in said) == shown
    assert "stamina-bench: " in said.splitlines()[-1]


def test_an_end_of_input_is_no_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*arguments: object, **options: object) -> None:
        raise EOFError

    monkeypatch.setattr("harness.records.run_file.run_files", ends)
    code, said = bench("resume", "nowhere")
    assert code == 1
    assert "unexpected EOFError (--debug shows where)." in said
