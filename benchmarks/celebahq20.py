"""CelebA-HQ 20: one person after another (Table 1a)."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from benchmarks.paper_data.celeba_hq import CELEBA_HQ
from harness.data.manifest import Part, PreparedTasks
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="celebahq20",
    title="20 people",
    summary="CelebA-HQ 20: one person after another (Table 1a)",
    sources={"mini": MiniConcepts(people=20), "paper": PreparedTasks("celebahq20", (Part(CELEBA_HQ, 20),))},
    licence=f"mini tier: procedural images, MIT; paper tier: {CELEBA_HQ.terms}",
    citation="Karras et al., Progressive Growing of GANs, 2017; Liu et al., Deep Learning Face Attributes, 2015",
)
