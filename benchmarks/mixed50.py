"""Mixed 50: people and waterfalls in turn (Table 2); the paper does not state the split or the order."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from benchmarks.paper_data.celeba_hq import CELEBA_HQ
from benchmarks.paper_data.gldv2 import GLDV2
from harness.data.manifest import Part, PreparedTasks
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="mixed50",
    title="25 people and 25 waterfalls",
    summary="Mixed 50: people and waterfalls in turn (Table 2); the paper does not state the split or the order",
    sources={
        "mini": MiniConcepts(people=25, waterfalls=25),
        "paper": PreparedTasks("mixed50", (Part(CELEBA_HQ, 25), Part(GLDV2, 25))),
    },
    composition="a photo of {0} posing next to {1}",  # as in Figure 5
    licence=f"mini tier: procedural images, MIT; paper tier: people: {CELEBA_HQ.terms}; waterfalls: {GLDV2.terms}",
    citation="Smith et al., Continual Diffusion with STAMINA, arXiv 2311.18763",
)
