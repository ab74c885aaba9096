"""Development sessions: `nox` runs tests, lint and types; `nox -s perf` measures speed.

`nox -s mutants` asks whether the tests notice mistakes, `nox -s torture` whether a results folder survives faults,
`nox -s slurm` whether a real cluster gives what this machine does. `nox -s docs` builds the documentation site.
`nox -s diffusers` loads exports by older versions of that library, as those who are given them have.
`nox -s lowest` and `nox -s newest` try the ends of the ranges that pyproject.toml allows: constraints.txt, which all
others install, lies between them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint", "types", "walls"]
INSTALL = ("-c", "constraints.txt", "-e")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite."""
    session.install(*INSTALL, ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, into build/site/: strict, so that a broken link or anchor fails. `-- serve` shows it."""
    session.install(*INSTALL, ".[docs]")
    session.run("mkdocs", *(session.posargs or ("build",)))


@nox.session
def lowest(session: nox.Session) -> None:
    """The lowest version of each direct dependency that pyproject.toml allows. To be run when a floor is changed.

    A floor that fails here is raised to the first version that passes; none is a guess. `-- -k store` tests less.
    """
    session.install("uv")
    python = str(Path(session.virtualenv.location) / "bin" / "python")
    session.run_install("uv", "pip", "install", "--python", python, "--resolution", "lowest-direct", "-e", ".[test]")
    _try(session)


@nox.session
@nox.parametrize("version", ["0.36.0", "0.39.0"])
def diffusers(session: nox.Session, version: str) -> None:
    """Exports and solvers on other versions of diffusers than the pinned one: files load at strength 1 on each.

    Up to 0.39 it takes one rank for all matrices of a LoRA file that names no alphas.
    """
    session.install(*INSTALL, ".[test]")
    session.install("--no-deps", f"diffusers=={version}")  # its bounds on other libraries are narrower than it needs
    session.install("httpx")  # which newer versions no longer import
    session.run(
        "pytest", "tests/harness/export", "tests/harness/test_families.py", "tests/harness/backbones/test_solvers.py",
        "tests/harness/backbones/test_schedulers.py", "tests/reference/test_solvers_reference.py", *session.posargs,
    )  # fmt: skip


@nox.session
def newest(session: nox.Session) -> None:
    """The newest version of everything that pyproject.toml allows. To be run before constraints.txt is renewed."""
    session.install("--upgrade", "-e", ".[test]")
    _try(session)


def _try(session: nox.Session) -> None:
    """What a user does first, in real processes, and the tests."""
    place = session.create_tmp()
    small = ("--set", "steps=4", "--set", "sampling.images=2", "--set", "sampling.steps=2")
    runs, model, lora = (str(Path(place) / name) for name in ("runs", "model", "lora"))
    shutil.rmtree(place)
    for words in (
        ("--help",), ("export", "--help"), ("doctor",),
        ("run", "tuning6", "--methods", "ti++,cd", "--limit", "2", *small, "-q", "-o", runs),
        ("run", "imagenet-r20", "--methods", "stamina,coda-p", "--limit", "2", "--set", "epochs=1", "-q", "-o", runs),
        ("report", runs),
        ("export", runs, "--method", "cd", "-o", model),
        ("export", runs, "--method", "cd", "--as", "lora", "-o", lora),
    ):  # fmt: skip
        session.run("stamina-bench", *words)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: format and lint."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def walls(session: nox.Session) -> None:
    """Which room may import which: the contracts in pyproject.toml."""
    session.install(*INSTALL, ".[dev]")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict on harness/."""
    session.install(*INSTALL, ".[dev]")
    session.run("mypy")


@nox.session
def perf(session: nox.Session) -> None:
    """Ratios within one run, most of an hour: against bare passes, diffusers' example scripts, timm, and task 1.

    Warns of a ratio that is a fifth worse than in tests/perf/record.json; what it measures is written there with
    STAMINA_BENCH_PERF_RECORD=tests/perf/record.json. `-- -k "main_job"` measures less.
    """
    session.install(*INSTALL, ".[test]")
    baseline = os.environ.get("STAMINA_BENCH_PERF_BASELINE", "tests/perf/record.json")
    session.run(
        "pytest", "-o", "addopts=--import-mode=importlib", "tests/perf", "-s", *session.posargs,
        env={"STAMINA_BENCH_PERF_BASELINE": baseline},
    )  # fmt: skip


@nox.session
def browser(session: nox.Session) -> None:
    """A report's page in the machine's Chromium."""
    session.install(*INSTALL, ".[test,browser]")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session
def notebook(session: nox.Session) -> None:
    """The notebooks of examples/ from first cell to last; says where the pages with their outputs lie."""
    session.install(*INSTALL, ".[notebook]")
    place = Path(session.create_tmp())
    for book in sorted(Path("examples").glob("*.ipynb")):
        folder = place / book.stem  # what it writes lies beside it
        folder.mkdir(exist_ok=True)
        shutil.copy(book, folder)
        session.run("jupyter", "nbconvert", "--to", "html", "--execute", str(folder / book.name))
        session.log(f"The page: {folder / book.stem}.html")


@nox.session
def torture(session: nox.Session) -> None:
    """Kills, damage, full disks and two runs at once, at random: every store must equal the undisturbed one.

    Then the tests that the suite leaves out for their time, marked `thorough`: `pytest -m thorough`; and those of
    properties on ten times as many examples. What the suite does of the faults is
    `-- --kills 1 --damage 2 --fills 1 --twins 1 --steps 8 --methods stamina`.
    """
    session.install(*INSTALL, ".[test]")
    session.run("python", "tests/support/torture.py", *session.posargs)
    session.run("pytest", "-m", "thorough")
    session.run("pytest", "-m", "hypothesis", "--hypothesis-profile", "deep")


@nox.session
def verify(session: nox.Session) -> None:
    """The regression check with all seeds of the baseline; CI's own checks the first two."""
    session.install(*INSTALL, ".")
    session.run("stamina-bench", "verify", "--self-test", "-o", session.create_tmp(), *session.posargs)


@nox.session
def slurm(session: nox.Session) -> None:
    """Runs on a real Slurm of one node that the tests start: needs root, and Debian's slurm-wlm and munge."""
    session.install(*INSTALL, ".[test]")
    session.run("pytest", "-o", "addopts=--import-mode=importlib", "tests/cluster", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Breaks one line at a time in a copy of the repository: the named tests must fail."""
    session.install(*INSTALL, ".[test]")
    session.run("python", "tests/mutants.py", *session.posargs)
