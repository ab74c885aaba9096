"""`stamina-bench ...`: parse, call, print. stdout carries data, stderr progress. It alone knows all other rooms."""

# in the order of --help
from harness.cli import run, plan, resume, cluster, report, compare, export, generate, verify  # noqa: F401  isort: skip
from harness.cli import list, new, check, tune, calibrate, data, cache, doctor  # noqa: F401  isort: skip
from harness.cli.app import app, main

__all__ = ["app", "main"]
