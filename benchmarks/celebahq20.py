"""CelebA-HQ 20: one person after another (Table 1a)."""

from __future__ import annotations

from benchmarks.mini.concepts import MiniConcepts
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="celebahq20",
    title="20 people",
    summary="CelebA-HQ 20: one person after another (Table 1a)",
    sources={"mini": MiniConcepts(people=20)},
    licence="mini tier: procedural images, MIT",
    citation="Karras et al., Progressive Growing of GANs, 2017; Liu et al., Deep Learning Face Attributes, 2015",
)
