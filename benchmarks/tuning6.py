"""the first six tasks of tuning18, for quick trials; disjoint from every benchmark."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="tuning6",
    title="3 people and 3 waterfalls",
    summary="the first six tasks of tuning18, for quick trials; disjoint from every benchmark",
    sources={"mini": MiniConcepts(people=3, waterfalls=3, split="tuning")},
    licence="mini tier: procedural images, MIT",
    citation="Smith et al., Continual Diffusion with STAMINA, arXiv 2311.18763",
    tuning=True,
)
