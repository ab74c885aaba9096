"""The command line in the process of the tests."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO

import pytest
from tests_support import InlineExecutor

from harness.cli import main


def bench(*arguments: object, **environment: str) -> tuple[int, str]:
    """The command in this process, its steps run at once: the exit code, and all that it prints."""
    said = io.StringIO()
    return call(said, said, *arguments, **environment), said.getvalue()


def call(out: TextIO, err: TextIO, *arguments: object, **environment: str) -> int:
    """The same with the two streams apart: the exit code."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["stamina-bench", *map(str, arguments)])
        patch.setattr(signal, "signal", lambda *_: None)
        patch.setattr("harness.executors.local.LocalExecutor", lambda setting, root, _: InlineExecutor(setting, root))
        for name, value in {"COLUMNS": "200", **environment}.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0)


def refused(said: tuple[int, str], *parts: str) -> None:
    """One sentence with these parts, and exit code 2."""
    assert said[0] == 2, said
    assert len(said[1].splitlines()) == 1, said
    assert all(part in said[1] for part in parts), said
