"""Results tables: one for each (benchmark, tier, backbone, tasks run), and how to print them."""

from reports.latex import to_latex, to_latex_document
from reports.markdown import to_markdown
from reports.plain import stack_csv, to_csv, to_text
from reports.summary import Figure, Line, Table, build_tables

__all__ = [
    "Figure", "Line", "Table", "build_tables", "stack_csv", "to_csv", "to_latex", "to_latex_document", "to_markdown",
    "to_text",
]  # fmt: skip
