"""Google Landmarks 20: one waterfall after another (Table 1b)."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from benchmarks.paper_data.gldv2 import GLDV2
from harness.data.manifest import Part, PreparedTasks
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="landmarks20",
    title="20 waterfalls",
    summary="Google Landmarks 20: one waterfall after another (Table 1b)",
    sources={"mini": MiniConcepts(waterfalls=20), "paper": PreparedTasks("landmarks20", (Part(GLDV2, 20),))},
    licence=f"mini tier: procedural images, MIT; paper tier: {GLDV2.terms}",
    citation="Weyand et al., Google Landmarks Dataset v2, CVPR 2020",
)
