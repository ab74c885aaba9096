"""Results tables: one for each (benchmark, tier, backbone, tasks run), and how to print them."""

from reports.tables.latex import to_latex, to_latex_document
from reports.tables.markdown import to_markdown
from reports.tables.summary import Figure, Line, Table, build_tables
from reports.tables.text import stack_csv, to_csv, to_text

__all__ = [
    "Figure", "Line", "Table", "build_tables", "stack_csv", "to_csv", "to_latex", "to_latex_document", "to_markdown",
    "to_text",
]  # fmt: skip
