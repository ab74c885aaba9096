"""The current folder is on nobody's import path unless it was named; this program's packages come from its home."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.executors.job import Work
from harness.executors.slurm import _executor
from harness.sources.home import HOME, PACKAGES
from harness.sources.import_path import leave_current_folder, named_folders, without_current_folder

MINE = "raise SystemExit('code of the current folder was run')\n"
STANDARD = ("queue", "types", "random", "socket", "pathlib", "signal", "selectors", "contextlib", "token")
LIBRARIES = ("torch", "numpy", "typer", "rich", "pydantic", "diffusers", "stack")
PLUGIN = """
from harness.method import Method
from harness.spec import MethodOptions
import reports, benchmarks, methods


class Mine(Method[MethodOptions]):
    options_class = MethodOptions
    summary = "of the current folder"

    def begin_task(self, model, generator):
        raise NotImplementedError
"""


def hostile(folder: Path, *names: str, package: bool = False) -> Path:
    """A folder with modules of those names, or packages, that end the program when they are imported."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).mkdir(exist_ok=True) if package else None
        (folder / name / "__init__.py" if package else folder / f"{name}.py").write_text(MINE)
    return folder


def python(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STAMINA"))}
    kept |= {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, env=kept, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def bench(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as its script starts it."""
    return python(folder, "-P", "-c", "from stamina_bench import main; main()", *arguments, **environment)


def in_project(name: str) -> Path:
    return HOME / name / "__init__.py"


# --------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("module", ["stamina_bench", "harness"])
def test_commands_run_nothing_of_the_current_folder(tmp_path: Path, module: str) -> None:
    folder = hostile(tmp_path / "d", *STANDARD, *LIBRARIES, "reports", "methods", "benchmarks")
    done = python(folder, "-m", module, "list", "--json")
    assert done.returncode == 0, done.stderr
    assert {"stamina", "mixed50"} <= {row["name"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize("package", [True, False, None], ids=["packages", "modules", "plain folders"])
def test_folders_of_this_programs_names_beside_a_plugin_are_not_in_the_way(
    tmp_path: Path, package: bool | None
) -> None:
    folder = tmp_path / "d"
    if package is None:
        for name in PACKAGES:
            (folder / name).mkdir(parents=True)
    else:
        hostile(folder, *PACKAGES, package=package)
    (folder / "my_method.py").write_text(PLUGIN)
    done = bench(folder, "show", "my_method:Mine", "--no-params", PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    assert "of the current folder" in done.stdout


def test_a_plugin_of_the_current_folder_wants_it_named(tmp_path: Path) -> None:
    (tmp_path / "my_method.py").write_text(PLUGIN)
    done = bench(tmp_path, "show", "my_method:Mine", "--no-params", PYTHONPATH=f"{os.pathsep}/nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        "stamina-bench: The method 'my_method:Mine' cannot be loaded (No module named 'my_method'); it lies in the "
        "current folder, which is not on the import path; name its file, ./my_method.py:NAME.\n"
    )
    done = bench(tmp_path, "show", "./my_method.py:Mine", "--no-params")
    assert done.returncode == 0, done.stderr
    (tmp_path / "elsewhere").mkdir()
    done = bench(tmp_path / "elsewhere", "show", "my_method:Mine", "--no-params", PYTHONPATH="..")
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------------------------------- names that collide


def test_packages_come_from_home_whatever_is_imported_of_them_first(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "d", "reports", "methods", "benchmarks", package=True)
    code = (
        "import harness; from harness.registry import benchmarks as b; print(b().get('mixed50').name, harness.compare)"
    )
    done = python(folder, "-c", code, PYTHONPATH=str(HOME))
    assert done.stdout.startswith("mixed50 <function compare at "), done.stderr


@pytest.mark.parametrize("name", ["reports", "harness"])
@pytest.mark.parametrize("kind", ["module", "package", "plain folder"])
def test_another_ones_package_that_was_imported_already_is_told_by_its_place(
    tmp_path: Path, name: str, kind: str
) -> None:
    place = tmp_path / name if kind != "module" else tmp_path / f"{name}.py"
    if kind == "module":
        place.write_text("")
    else:
        place.mkdir()
        (place / "__init__.py").write_text("") if kind == "package" else None
    done = python(tmp_path, "-c", f"import sys; sys.path.insert(0, ''); import {name}, stamina_bench")
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: {place}"), said
    assert f"is imported as '{name}', which is the name of a package of stamina-bench ({HOME / name}), too" in said


@pytest.mark.parametrize("spoilt", ["", "from none import such\n"], ids=["missing", "another one's"])
def test_a_distribution_that_lies_over_a_package_of_ours_is_named(tmp_path: Path, spoilt: str) -> None:
    for name in ("stamina_bench.py", *(f"harness/{part}.py" for part in (
        "__init__", "errors", "sources/__init__", "sources/import_path", "sources/collisions", "sources/home",
        "sources/distributions",
    ))):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((HOME / name).read_text())
    (tmp_path / "benchmarks").mkdir()
    if spoilt:
        (tmp_path / "benchmarks" / "__init__.py").write_text(spoilt)
    command = ["-c", "import sys; sys.path.insert(0, ''); import stamina_bench"]
    said = python(tmp_path, *command).stderr.splitlines()[-1]
    assert said.startswith(f"ImportError: stamina-bench is not wholly installed: {tmp_path / 'benchmarks'} cannot be")
    other = tmp_path / "fast_things-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: fast-things\nVersion: 1.0\n")
    (other / "RECORD").write_text("benchmarks/__init__.py,,\n")
    said = python(tmp_path, *command).stderr.splitlines()[-1]
    assert "fast-things 1.0 has installed a package of the name 'benchmarks', too, into" in said
    assert said.endswith("uninstall fast-things 1.0, and install stamina-bench again.")


def test_a_missing_part_of_ours_is_one_sentence() -> None:
    from harness.machine.libraries import library_failure

    told = library_failure(ModuleNotFoundError("No module named 'benchmarks.mini'", name="benchmarks.mini"))
    assert str(told).startswith(f"stamina-bench is not wholly installed: {HOME / 'benchmarks' / 'mini'} cannot be")
    assert library_failure(ModuleNotFoundError("No module named 'my'", name="my")) is None


def test_a_part_of_ours_that_a_plugin_alone_asks_for_is_the_plugins_fault(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from harness.backbones.adaptable import attach\n")
    said = bench(tmp_path, "show", "mine:Mine", PYTHONPATH=str(tmp_path)).stderr
    assert f"in {tmp_path / 'mine.py'}, line 1" in said
    assert "No module named 'harness.backbones.adaptable'" in said
    assert "install it again" not in said


def test_a_folder_that_was_deleted_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.rmdir({str(gone)!r}); from stamina_bench import main; main()"
    done = python(gone, "-P", "-c", code, "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("stamina-bench: The current folder cannot be used")
    assert len(done.stderr.splitlines()) == 1


def test_a_module_of_pythons_name_on_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "token.py").write_text("")
    done = bench(tmp_path, "list", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: Python imports {tmp_path / 'token.py'} for 'token', the name of a module of its own, because "
        "PYTHONPATH names that folder; rename the file, or name another folder.\n"
    )


# ---------------------------------------------------------------------------------------------------------- workers

PROBE = """
import sys
from pathlib import Path
from types import SimpleNamespace

import stamina_bench


def look(step, setting, root, device):
    import benchmarks, harness, methods, queue, random, reports

    return sys.path, [module.__file__ for module in (harness, methods, benchmarks, reports, queue, random)] + [
        str(hash("a"))
    ]


def start(threads, ready):
    ready.release()


if __name__ == "__main__":
    import json

    from harness.sources.import_path import leave_current_folder

    if sys.argv[2] == "command":
        leave_current_folder()
    from harness.executors import local
    from harness.engine.devices import Slot

    import probe

    from harness import registry

    type(registry.setting("customization")).preload = "harness.engine.devices"
    local._start_worker = probe.start  # without torch
    local._work = probe.look
    slot = Slot(sys.argv[1], sys.argv[1])
    executor = local.LocalExecutor(SimpleNamespace(setting="customization"), Path(), [slot])
    path, files = executor.submit(None, slot).result()
    executor.close()
    print(json.dumps([sys.path, path, files]))
"""


def look(folder: Path, home: Path, device: str, way: str, path: str) -> tuple[list[str], list[str], list[str]]:
    home.mkdir(exist_ok=True)
    (home / "probe.py").write_text(PROBE)
    done = python(folder, "-P", home / "probe.py", device, way, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    mine, theirs, files = json.loads(done.stdout)
    return mine, theirs, files


@pytest.mark.parametrize("way", ["command", "library"])
@pytest.mark.parametrize("device", ["cpu", "cuda:0"], ids=["forked", "spawned"])
def test_workers_run_nothing_of_the_current_folder(tmp_path: Path, device: str, way: str) -> None:
    folder = hostile(tmp_path / "d", *STANDARD, *LIBRARIES, *PACKAGES)
    mine, theirs, files = look(folder, tmp_path / "told", device, way, str(tmp_path / "told"))
    assert theirs == mine
    assert str(tmp_path / "told") in theirs
    assert not {"", ".", str(folder)} & set(theirs)
    assert files[:4] == [str(in_project(name)) for name in ("harness", "methods", "benchmarks", "reports")]
    assert not [file for file in files if file.startswith(str(folder))]
    # the order of a set of texts, in which a plugin's code may draw, is the same in every worker of every run
    assert files[-1] == python(folder, "-P", "-c", "print(hash('a'))", PYTHONHASHSEED="0").stdout.strip()


@pytest.mark.parametrize("device", ["cpu", "cuda:0"], ids=["forked", "spawned"])
def test_workers_do_not_run_an_unguarded_script_again(tmp_path: Path, device: str) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    unguarded = PROBE.replace('if __name__ == "__main__":', "if True:")
    (tmp_path / "script.py").write_text(unguarded + "\n    open('ran', 'a').write('once')\n")
    done = python(tmp_path, "script.py", device, "library")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran").read_text() == "once"


@pytest.mark.parametrize("device", ["cpu", "cuda:0"], ids=["forked", "spawned"])
def test_workers_find_what_was_named_but_this_programs_packages_at_home(tmp_path: Path, device: str) -> None:
    folder = hostile(tmp_path / "d", *PACKAGES, package=True)
    told = tmp_path / "told"
    mine, theirs, files = look(folder, told, device, "command", f".{os.pathsep}{os.pathsep}{told}")
    assert theirs == mine
    assert str(folder) in theirs
    assert files[:4] == [str(in_project(name)) for name in ("harness", "methods", "benchmarks", "reports")]


def test_a_job_of_a_cluster_runs_nothing_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submitit.SlurmExecutor.affinity", lambda *_: 1)
    command = _executor(tmp_path / "logs")._submitit_command_str
    assert command.startswith(f"{sys.executable} -P -u -m submitit.core._submit ")
    folder = hostile(tmp_path / "d", *PACKAGES, package=True)
    work = Work(str(folder), str(tmp_path / "run.yaml"), ("a", "b"))
    (tmp_path / "work.pkl").write_bytes(pickle.dumps(work))
    code = "import pickle, sys; w = pickle.load(open(sys.argv[1], 'rb')); print(w.folder, w.run_file, *w.keys)"
    done = python(folder, "-P", "-c", code, tmp_path / "work.pkl", PYTHONPATH=".")
    assert done.stdout.split() == [str(folder), work.run_file, "a", "b"], done.stderr


def test_jobs_that_an_earlier_version_queued_are_read() -> None:
    """They name the class itself, and hold what it holds."""
    text = "ccopyreg\n__newobj__\n(charness.executors.job\nWork\ntR(dVfolder\nV/f\nsVrun_file\nV/r\nsVkeys\n(Vk\ntsb."
    found: Work = pickle.loads(text.encode())
    assert (found.folder, found.run_file, found.keys) == ("/f", "/r", ("k",))


# ------------------------------------------------------------------------------------------------------- import path


STANDARD_LIBRARY = os.path.dirname(os.__file__)


@given(st.lists(st.sampled_from(["", ".", "HERE", "/a", "/b/..", "LINK"]), max_size=6), st.booleans())
def test_only_the_current_folder_is_taken_away(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str], named: bool
) -> None:
    here = tmp_path_factory.mktemp("here")
    link = here.with_name(f"{here.name}-link")
    link.symlink_to(here)
    path = [{"HERE": str(here), "LINK": str(link)}.get(entry, entry) for entry in entries]
    after = [STANDARD_LIBRARY, "/site", str(here)]  # where an installed distribution puts it
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        found = without_current_folder([*path, *after], {"PYTHONPATH": str(link) if named else f"{os.pathsep}/a"})
    assert found == [*(path if named else [entry for entry in path if entry.startswith(("/a", "/b"))]), *after]


def test_a_distribution_installed_in_place_is_found_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, checkout = tmp_path / "site-packages", tmp_path / "checkout"
    site.mkdir()
    checkout.mkdir()
    monkeypatch.chdir(checkout)
    stray = {"PYTHONPATH": os.pathsep}
    path = [str(checkout), STANDARD_LIBRARY, str(site)]
    (site / "other.pth").write_text(f"import os\n\n{tmp_path}\n")
    assert without_current_folder(path, stray) == path[1:]
    (site / "my.pth").write_text(f"{checkout}\n")
    assert without_current_folder(path, stray) == [*path[1:], str(checkout)]


def test_where_this_program_lies_stays_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    assert without_current_folder([str(HOME), "/a"], {}) == [str(HOME), "/a"]


def test_processes_that_are_started_hear_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}/a{os.pathsep}")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/a", *sys.path])
    leave_current_folder()
    assert os.environ["PYTHONPATH"] == "/a"
    assert named_folders({}) == []
    assert str(tmp_path) not in sys.path
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.path[0])"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "/a"
