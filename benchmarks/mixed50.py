"""Mixed 50: people and waterfalls in turn (Table 2); the paper does not state the split or the order."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="mixed50",
    title="25 people and 25 waterfalls",
    summary="Mixed 50: people and waterfalls in turn (Table 2); the paper does not state the split or the order",
    sources={"mini": MiniConcepts(people=25, waterfalls=25)},
    composition="a photo of {0} posing next to {1}",  # as in Figure 5
    licence="mini tier: procedural images, MIT",
    citation="Smith et al., Continual Diffusion with STAMINA, arXiv 2311.18763",
)
