"""JSON Schemas (draft 2020-12) of the files that hold results: `python -m harness.schemas docs/schema` writes them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from harness.data.benchmark_file import BenchmarkFile
from harness.records.run_file import RunRecord
from harness.regression.baseline import Baseline
from harness.results import Figures, MeasureFigures, Results
from harness.store.store import write_atomically

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, type[BaseModel]] = {
    "benchmark": BenchmarkFile, "run": RunRecord, "figures": Figures, "measure": MeasureFigures, "results": Results,
    "baseline": Baseline,
}  # fmt: skip


def texts() -> dict[str, str]:
    """Name -> text of every schema's file."""
    found: dict[str, str] = {}
    for name, model in FILES.items():
        schema = {"$schema": DRAFT, "$id": f"urn:stamina-bench:{name}", **model.model_json_schema(mode="serialization")}
        found[f"{name}.schema.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m harness.schemas FOLDER")
    for name, text in texts().items():
        write_atomically(Path(sys.argv[1]) / name, text)
