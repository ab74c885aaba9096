"""the sequence on which options are chosen; disjoint from every benchmark."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="tuning18",
    title="9 people and 9 waterfalls",
    summary="the sequence on which options are chosen; disjoint from every benchmark",
    sources={"mini": MiniConcepts(people=9, waterfalls=9, split="tuning")},
    licence="mini tier: procedural images, MIT",
    citation="Smith et al., Continual Diffusion with STAMINA, arXiv 2311.18763",
    tuning=True,
)
