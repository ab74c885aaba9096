"""`stamina-bench ...`: parse, call, print. stdout carries data, stderr progress. It alone knows all other rooms."""

# in the order of --help
from harness.cli import run, plan, again, cluster, report, compare, export, verify, catalogue, tune, data, cache, doctor  # noqa: F401  isort: skip
from harness.cli.app import app, main

__all__ = ["app", "main"]
