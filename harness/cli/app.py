"""The application: what all commands share, and `main`. `--help` imports no torch."""

from __future__ import annotations

import io
import os
import shlex
import signal
import sys
import traceback
import warnings
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.main import get_command

from harness.cli import completion
from harness.errors import BenchError, ExitCode, UncountedSourceWarning, UsageError, presentable

DEBUG = "STAMINA_BENCH_DEBUG"
_asked_for = False  # by `--debug` of the command that runs
EPILOG = "Exit codes: 0 done, 1 cells failed, 2 usage, 3 regression, 130 interrupted."

app = typer.Typer(
    name="stamina-bench", no_args_is_help=True, epilog=EPILOG, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Benchmark of continual customization of text-to-image diffusion models: STAMINA and its baselines.",
)  # fmt: skip
err = Console(stderr=True, highlight=False, emoji=False)
out = Console(highlight=False, emoji=False)

# options that several commands have
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="A,B",
        help="Measures beside the tables' own, comma-separated: names of `stamina-bench list`, or FILE.py:Class.",
        autocompletion=completion.metrics,
    ),
]
MethodArgument = Annotated[
    str,
    typer.Argument(help="A method's name, FILE.py:CLASS, or package.module:CLASS.", autocompletion=completion.methods),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        help="A name such as sd-1.4 or sdxl, a pipeline's folder or a hub id (ID@REVISION), instead of the tier's.",
        envvar="STAMINA_BENCH_BACKBONE",
    ),
]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.", envvar="STAMINA_BENCH_DTYPE")]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda or cuda:N; auto is the tier's choice.", envvar="STAMINA_BENCH_DEVICE")
]
Devices = Annotated[
    str,
    typer.Option(
        "--device",
        "--devices",
        help="auto (the tier's choice), cpu, cuda (every GPU), or a list such as cuda:0,cuda:1,cpu: a worker each.",
        envvar="STAMINA_BENCH_DEVICE",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help="Worker processes; default one per core, or per device listed.",
        envvar="STAMINA_BENCH_JOBS",
    ),
]
Executor = Annotated[str, typer.Option("--executor", help="local, or slurm: jobs on the cluster of this login node.")]
Slurm = Annotated[
    str,
    typer.Option(
        "--slurm",
        metavar="NAME=VALUE,...",
        help="What each Slurm job asks for, by sbatch's long names: partition=gpu,time=4:00:00,gpus_per_node=1.",
        envvar="STAMINA_BENCH_SLURM",
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="With --executor slurm: stay, show the jobs' progress, and print.")]
Output = Annotated[Path, typer.Option("--output-dir", "-o", help="Results folder.", envvar="STAMINA_BENCH_OUTPUT_DIR")]
Seeds = Annotated[str, typer.Option(help="Comma-separated run seeds.", envvar="STAMINA_BENCH_SEEDS")]
Offline = Annotated[
    bool, typer.Option("--offline/--no-offline", help="Never download (default), or fetch a named hub id.")
]


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"stamina-bench {version('stamina-bench')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, too.", envvar=DEBUG)] = False,
) -> None:
    """Options before the command."""
    from harness.machine.limits import check_current_folder

    check_current_folder()


def print_tables(cells: Any) -> None:
    from reports.tables.measures import tables_as_text
    from reports.tables.text import WIDTH

    if text := tables_as_text(cells, min(WIDTH, out.width) if out.is_terminal else WIDTH):
        typer.echo(text)


def note(text: str) -> None:
    err.print(presentable(text), markup=False, soft_wrap=True)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """A warning that is for the user as one line; any other, of a library, as Python shows it."""
    if issubclass(category, UncountedSourceWarning):
        note(str(message))
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


class LeftOut:
    """Tells of runs that cannot be read or prepared, each once, while the others go on."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def __call__(self, error: UsageError) -> None:
        if str(error) not in self._said:
            self._said.append(str(error))
            note(f"Left out: {error}")

    @property
    def code(self) -> ExitCode:
        """What a command that would have read them ends with."""
        return ExitCode.CELLS_FAILED if self._said else ExitCode.DONE


def main() -> None:
    """The console script: one line on stderr for what the user can mend, the documented exit code."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a sign shows another, and nothing fails for it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the hub's client asks its server even for cached files
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # schedulers end a job with it: the same as Ctrl-C
    global _asked_for
    try:
        command = _with_debug_everywhere(get_command(app))
        _asked_for = _debug_asked_for(command, sys.argv[1:])
        code: Any = command(standalone_mode=False)
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.DONE
    except (Exception, KeyboardInterrupt) as error:
        if debugging() and not isinstance(error, KeyboardInterrupt):
            traceback.print_exc()
        code = _tell(error)
    if code == ExitCode.INTERRUPTED:
        again = shlex.join(["stamina-bench", *sys.argv[1:]])
        err.print(f"Interrupted; everything finished is kept. To go on: {again}", markup=False, soft_wrap=True)
    sys.exit(int(code or 0))


def _tell(error: BaseException) -> ExitCode:
    """One sentence on an error, unless the user interrupted; gives the exit code."""
    from harness.machine.libraries import library_failure
    from harness.machine.limits import of_system

    if isinstance(error, typer.Abort) and isinstance(error.__cause__, EOFError):  # the parser's word for both
        error = error.__cause__
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return ExitCode.INTERRUPTED
    if not isinstance(error, BenchError):
        error = library_failure(error) or error
    if isinstance(error, BenchError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError):
        why, remedy = of_system(error)
        remedy = remedy or "free space, or check the path and who may use it"
        _complain(f"{error.filename or 'A file'} cannot be read or written ({why}); {remedy}.")
        return ExitCode.USAGE
    said = getattr(error, "format_message", None)  # the parser's own errors, whichever click typer brings along
    if said is not None:
        _complain_of_usage(error, " ".join(said().split()))
        return ExitCode.USAGE
    text = " ".join(str(error).split())
    _complain(f"unexpected {type(error).__name__}{f': {text}' if text else ''} (--debug shows where).")
    return ExitCode.CELLS_FAILED


def _with_debug_everywhere(command: Any) -> Any:
    """The command, and those in it, each with the option `--debug`, which stands anywhere among the others then."""
    (option,) = (parameter for parameter in command.params if parameter.name == "debug")
    below = copy(option)
    below.expose_value, below.envvar = False, None

    def add(group: Any) -> None:
        for child in getattr(group, "commands", {}).values():
            child.params.append(below)
            add(child)

    add(command)
    return command


def _debug_asked_for(command: Any, arguments: list[str]) -> bool:
    """Whether `--debug` is among the options; the parser knows it from a value, and is asked before anything runs."""
    while command is not None:
        context = command.context_class(command, info_name="stamina-bench")
        try:
            given, rest, _ = command.make_parser(context).parse_args(list(arguments))
        except Exception:  # said when the command line is parsed in earnest
            return "--debug" in arguments
        if given.get("debug"):
            return True
        command = getattr(command, "commands", {}).get(rest[0]) if rest else None
        arguments = rest[1:]
    return False


def debugging() -> bool:
    """Whether tracebacks are asked for, by this command or in the environment."""
    return _asked_for or os.environ.get(DEBUG, "").strip().lower() not in ("", "0", "false", "f", "no", "n", "off")


def _complain_of_usage(error: BaseException, message: str) -> None:
    if not message:  # no command was named: the help, which was printed, says all
        return
    command = getattr(getattr(error, "ctx", None), "command_path", "stamina-bench")
    _complain(message if message.endswith("?") else f"{message.rstrip('.')}; see `{command} --help`.")


def _complain(message: str) -> None:
    err.print(presentable(f"stamina-bench: {message}"), markup=False, soft_wrap=True)
