"""Libraries that do not import cost one sentence: which one, its version, what it is at odds with, and the remedy."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import registry
from harness.errors import LibraryError, UsageError
from harness.executors import warm
from harness.machine import libraries
from harness.machine.libraries import as_failure, library_failure, try_imports

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package: a module of some code under `site-packages`, and what tells pip of it."""
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    libraries._packages.cache_clear()
    before = set(sys.modules)

    def add(module: str, code: str, version: str = "1.0", *requires: str) -> Path:
        (site / module).mkdir()
        (site / module / "__init__.py").write_text(code)
        about = site / f"{module}-{version}.dist-info"
        about.mkdir()
        lines = [f"Name: {module}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
        (about / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
        (about / "top_level.txt").write_text(module + "\n")
        (about / "RECORD").write_text(f"{module}/__init__.py,,\n")
        libraries._packages.cache_clear()
        importlib.invalidate_caches()
        return site

    yield add
    for name in set(sys.modules) - before:
        if name.startswith(("lib_", "user_", "mine_")):
            del sys.modules[name]
    libraries._packages.cache_clear()


def imported(name: str) -> BaseException:
    """What importing a module raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        importlib.import_module(name)
    return raised.value


def told(error: BaseException, plugin: str = "") -> str:
    failure = library_failure(error, plugin)
    assert failure is not None
    assert failure.exit_code == 2
    text = str(failure)
    assert "\n" not in text
    return text


def test_a_library_that_calls_another_in_vain_is_at_odds_with_it(install: Install) -> None:
    install("lib_torch", "def register(name):\n    raise RuntimeError(f'operator {name} does not exist')\n", "2.9.0")
    install("lib_vision", "import lib_torch\nlib_torch.register('vision::nms')\n", "0.29.1", "lib_torch==2.14.1")
    assert told(imported("lib_vision")) == (
        "lib_vision 0.29.1 does not go with lib_torch 2.9.0, as it needs lib_torch==2.14.1 (operator vision::nms does "
        "not exist); in stamina-bench's folder, `pip install -c constraints.txt lib_vision lib_torch`."
    )


def test_a_name_that_another_library_no_longer_has(install: Install) -> None:
    install("lib_former", "", "5.6.0")
    install("lib_peft", "from lib_former import HybridCache\n", "0.17.0", "lib_former")
    text = told(imported("lib_peft"))
    assert text.startswith("lib_peft 0.17.0 does not go with lib_former 5.6.0 (cannot import name 'HybridCache' from ")
    assert "site-packages" not in text
    assert text.endswith("`pip install -c constraints.txt lib_peft lib_former`.")


@pytest.mark.parametrize("chained", ["raise ImportError('look above') from error", "raise ImportError('look above')"])
def test_the_innermost_error_counts(install: Install, chained: str) -> None:
    install("lib_broken", "raise RuntimeError('it is damaged')\n", "3.1")
    install("lib_lazy", f"try:\n    import lib_broken\nexcept Exception as error:\n    {chained}\n")
    assert told(imported("lib_lazy")) == (
        "lib_broken 3.1 cannot be imported (it is damaged); in stamina-bench's folder, "
        "`pip install --force-reinstall -c constraints.txt lib_broken`."
    )


def test_a_library_that_is_not_installed(install: Install) -> None:
    install("lib_user", "import lib_absent.part\n", "2.0")
    assert told(imported("lib_user")) == (
        "lib_absent is not installed, which lib_user 2.0 needs; in stamina-bench's folder, "
        "`pip install -c constraints.txt lib_absent`."
    )


def test_too_little_memory_is_not_the_librarys_fault(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("lib_large", "raise ImportError('lib.so: failed to map segment from shared object')\n")
    monkeypatch.setattr("harness.machine.limits._limit", lambda name: {"AS": 1_536_000_000}.get(name))
    text = told(imported("lib_large"))
    assert "there is too little memory; raise the limit of 1.5 GB on the memory of a process, `ulimit -v" in text
    assert "pip install" not in text


def test_a_folder_in_the_way_of_a_library_is_named(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("lib_vision", "", "0.29.1")
    other = tmp_path / "photos" / "lib_vision"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise RuntimeError('no such operator')\n")
    monkeypatch.syspath_prepend(str(other.parent))
    assert told(imported("lib_vision")) == (
        f"{other / '__init__.py'} is imported in place of the installed lib_vision 0.29.1 (no such operator); give it "
        f"another name, or take {other.parent} off PYTHONPATH."
    )


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('a mistake')",
        "import lib_fine\nlib_fine.call()",
        "from lib_fine import nothing",
        "import nowhere_to_be_found",
    ],
)
def test_a_plugins_own_mistake_is_no_librarys(install: Install, tmp_path: Path, code: str) -> None:
    install("lib_fine", "def call():\n    raise ValueError('not like that')\n")
    (tmp_path / "site-packages" / "mine_method.py").write_text(code + "\n")
    assert library_failure(imported("mine_method")) is None
    with pytest.raises(UsageError, match="cannot be loaded") as raised:
        registry.methods().get("mine_method:Method")
    assert not isinstance(raised.value, LibraryError)


def test_a_plugin_that_imports_a_broken_library_is_not_blamed(install: Install, tmp_path: Path) -> None:
    install("lib_broken", "raise RuntimeError('it is damaged')\n", "3.1")
    (tmp_path / "site-packages" / "mine_other.py").write_text("import lib_broken\n")
    with pytest.raises(LibraryError, match=r"^lib_broken 3\.1 cannot be imported \(it is damaged\)"):
        registry.methods().get("mine_other:Method")


def test_an_error_while_another_is_handled_is_not_blamed_on_it(install: Install) -> None:
    install("lib_broken", "raise RuntimeError('it is damaged')\n")

    def fall_back() -> None:
        try:
            importlib.import_module("lib_broken")
        except RuntimeError:
            raise ValueError("the loss is no number")  # noqa: B904

    with pytest.raises(ValueError, match="no number") as raised:
        fall_back()
    assert library_failure(raised.value) is None


def test_the_sentence_goes_to_other_processes_with_the_traceback_as_a_note(install: Install) -> None:
    install("lib_broken", "raise RuntimeError('it is damaged')\n", "3.1")
    failure = pickle.loads(pickle.dumps(as_failure(imported("lib_broken"))))
    assert isinstance(failure, LibraryError)
    assert str(failure).startswith("lib_broken 3.1 cannot be imported")
    assert "Traceback" in failure.__notes__[0]
    assert str(as_failure(ValueError("what?"))).startswith("What steps need cannot be imported (what?); ")


def test_a_failed_import_is_kept_until_someone_asks(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("lib_broken", "raise RuntimeError('it is damaged')\n", "3.1")
    monkeypatch.setattr(warm, "_failed", [])
    warm.check()
    with warm.importing():
        importlib.import_module("lib_broken")
    with pytest.raises(LibraryError, match=r"lib_broken 3\.1"):
        warm.check()


def test_imports_are_tried_in_a_process_of_their_own(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install("lib_broken", "print('hello')\nraise RuntimeError('it is damaged')\n", "3.1")
    install("lib_crash", "import os\nos.kill(os.getpid(), 11)\n", "0.9")
    begin = "from harness.executors.warm import importing\nwith importing():\n    import "
    for name, module in (("good", "json"), ("bad", "lib_broken"), ("worst", "lib_crash")):
        (site / f"user_{name}.py").write_text(begin + module + "\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    found = try_imports(["user_good", "user_bad", "user_worst"])
    assert found["user_good"] == ""
    assert found["user_bad"].startswith("lib_broken 3.1 cannot be imported (it is damaged)")
    assert found["user_worst"].startswith("lib_crash 0.9 ends the process that imports it (Segmentation fault)")


def test_what_cannot_be_tried_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, 600.0)

    monkeypatch.setattr("harness.machine.libraries.subprocess.run", late)
    assert try_imports(["a"]) == {"a": "they are not imported after 10 minutes"}

    def refused(command: list[str], **options: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("harness.machine.libraries.subprocess.run", refused)
    assert "no process can be started to import them" in try_imports(["a"])["a"]
