"""`stamina-bench ...`: parse, call, print. stdout carries data, stderr progress. It alone knows all other rooms."""

from harness.cli import run, again, report, compare, catalogue, tune  # noqa: F401, I001  (in the order of --help)
from harness.cli.app import app, main

__all__ = ["app", "main"]
