"""ImageNet-R 20: classes in renditions, 20 tasks (Figure 6); the protocol of CODA-Prompt."""

from __future__ import annotations

from benchmarks.mini.object_tasks import BENCHMARK as OBJECTS
from benchmarks.mini.object_tasks import ObjectClasses
from benchmarks.paper_data.imagenet_r import IMAGENET_R
from harness.data.class_manifest import PreparedClasses
from harness.spec import Benchmark

BENCHMARK = Benchmark(
    name="imagenet-r20",
    setting="classification",
    title="classes in renditions, 20 tasks",
    summary="ImageNet-R in 20 tasks (Figure 6), by the protocol of CODA-Prompt; mini tier: 40 object classes",
    sources={"mini": ObjectClasses(OBJECTS, 20), "paper": PreparedClasses("imagenet-r20", IMAGENET_R, 20)},
    licence=f"mini tier: procedural images, MIT; paper tier: {IMAGENET_R.terms}",
    citation=f"{IMAGENET_R.citation}; Smith et al., CODA-Prompt, CVPR 2023",
)
