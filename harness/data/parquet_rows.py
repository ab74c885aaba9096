"""Images that are rows of Parquet files, read by Hugging Face `datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, reason

if TYPE_CHECKING:
    from harness.data.manifest import Origin, Table

INSTALL = "Hugging Face datasets is not installed; run `pip install 'stamina-bench[hf]'`."


def read_row(origin: Origin, table: Table, row: int) -> bytes:
    """The encoded image of one row.

    Raises:
        UsageError: the table cannot be read, or has no such row.
    """
    loaded = table_of(origin.root, table)
    if row >= len(loaded):
        raise UsageError(f"{origin.title} has no row {row} any more; restore it, or prepare it again.")
    data = loaded[row][table.column]["bytes"]
    if not data:
        raise UsageError(f"Row {row} of {origin.title} holds no image any more; restore it, or prepare it again.")
    return bytes(data)


@lru_cache(maxsize=2)
def table_of(root: str, table: Table) -> Any:
    """A split's images, undecoded."""
    files = {table.split: [str(Path(root) / file.path) for file in table.files]}
    try:
        with offline_datasets() as datasets:
            loaded = datasets.load_dataset("parquet", data_files=files, split=table.split)
            return loaded.select_columns([table.column]).cast_column(table.column, datasets.Image(decode=False))
    except UsageError:
        raise
    except Exception as error:  # what the library raises is not limited
        raise UsageError(f"The Parquet files in {root} cannot be read ({reason(error)}); restore them.") from error


@contextmanager
def offline_datasets() -> Iterator[Any]:
    """The library, kept from asking any server; it counts loads on one otherwise.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(INSTALL) from error
    before = datasets.config.HF_HUB_OFFLINE
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.config.HF_HUB_OFFLINE = True
    datasets.disable_progress_bars()
    try:
        yield datasets
    finally:
        datasets.config.HF_HUB_OFFLINE = before
        if shown:
            datasets.enable_progress_bars()
