"""The command line in processes of its own that need not import the libraries, which takes most of a small run.

They are forked, and so are their workers, from the one process that the tests' own workers are forked from, too. What a
user's first process does, tests/harness/cli/test_cli.py tries from its start.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path
from tempfile import mkdtemp

from harness import registry
from harness.sources.import_path import starting_processes

PATIENCE_S = 300.0


class Command:
    """`stamina-bench ARGUMENTS`, started in a folder, with one worker. Its workers have the tests' own environment."""

    def __init__(self, *arguments: object, cwd: Path, **environment: str) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self._said = Path(mkdtemp(dir=cwd.parent, prefix="said-"))
        context = multiprocessing.get_context("spawn")
        address = None
        if sys.platform == "linux":
            context = multiprocessing.get_context("forkserver")  # type: ignore[assignment]
            context.set_forkserver_preload(["stamina_bench", registry.setting("customization").preload])
            forkserver.ensure_running()
            address = forkserver._forkserver._forkserver_address
        variables = {**os.environ, "COLUMNS": "200", "STAMINA_BENCH_JOBS": "1", **environment}
        given = (self.arguments, str(cwd), str(self._said), variables, address)
        self.process = context.Process(target=_run, args=given)
        with starting_processes():
            self.process.start()

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it lives."""
        return self.process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """To this process alone."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Its end, and what it said."""
        self.process.join(PATIENCE_S)
        code = self.process.exitcode
        out, err = ((self._said / name).read_text(encoding="utf-8") for name in ("out", "err"))
        if code is None:
            self.process.kill()
            raise AssertionError(f"{self.arguments} did not end:\n{out}{err}")
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def bench(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, from its start to its end."""
    return Command(*arguments, cwd=cwd, **environment).wait()


def _run(arguments: list[str], cwd: str, said: str, variables: Mapping[str, str], address: str | None) -> None:
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(said) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    if address is not None:  # its workers come from where it came from
        forkserver._forkserver._forkserver_address = address
        forkserver._forkserver.ensure_running = lambda: None
    os.environ.clear()
    os.environ |= variables
    os.chdir(cwd)
    sys.path.insert(0, cwd)  # as `python -c` and `python -m` do
    sys.argv = ["stamina-bench", *arguments]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from harness.cli import main

    code = 1
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
