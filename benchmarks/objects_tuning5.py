"""ten object classes that only pre-training shows, in renditions; disjoint from every benchmark."""

from __future__ import annotations

from benchmarks.mini.object_tasks import TUNING, ObjectClasses
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="objects-tuning5",
    setting="classification",
    title="10 object classes in 5 tasks",
    summary="ten object classes that only pre-training shows, in renditions; disjoint from every benchmark",
    sources={"mini": ObjectClasses(TUNING, 5)},
    licence="mini tier: procedural images, MIT",
    tuning=True,
)
