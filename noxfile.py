"""Development sessions: `nox` runs tests, lint and types; `nox -s perf` measures speed.

`nox -s mutants` asks whether the tests notice mistakes, `nox -s torture` whether a results folder survives faults,
`nox -s slurm` whether a real cluster gives what this machine does.
"""

from __future__ import annotations

import os

import nox

nox.options.sessions = ["tests", "lint", "types"]
INSTALL = ("-c", "constraints.txt", "-e")


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite."""
    session.install(*INSTALL, ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: format and lint."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


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
def torture(session: nox.Session) -> None:
    """Kills, damage, full disks and two runs at once, at random: every store must equal the undisturbed one."""
    session.install(*INSTALL, ".[test]")
    session.run("python", "tests/support/torture.py", *session.posargs)


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
