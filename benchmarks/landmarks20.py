"""Google Landmarks 20: one waterfall after another (Table 1b)."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="landmarks20",
    title="20 waterfalls",
    summary="Google Landmarks 20: one waterfall after another (Table 1b)",
    sources={"mini": MiniConcepts(waterfalls=20)},
    licence="mini tier: procedural images, MIT",
    citation="Weyand et al., Google Landmarks Dataset v2, CVPR 2020",
)
