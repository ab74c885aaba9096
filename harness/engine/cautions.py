"""What a run's owner must know before its work begins, and a reader of its tables after it."""

from __future__ import annotations

from harness import registry
from harness.spec import Benchmark, RunSpec, Tier


def cautions(spec: RunSpec, tier: Tier, benchmark: Benchmark) -> tuple[str, ...]:
    """Whole sentences; none for what tier and images were made for each other.

    Where a benchmark's images are photographs, a tier whose own model knows other images only is no help: neither to
    draw them nor, by its feature extractor, to measure what was drawn.
    """
    knows = tier.knows.get(benchmark.setting, "")
    if not knows or not benchmark.shows_photographs(tier.name):
        return ()
    others = _others(benchmark)
    setting = registry.setting(benchmark.setting)
    own = setting.default_backbone(tier)
    if spec.backbone is None or spec.backbone == own:
        return (
            f"The {tier.name} tier's model knows {knows} only, and these are photographs; for photographs{others}.",
        )
    if setting.extracts and (spec.extractor is None or spec.extractor == tier.extractor):
        extractor = _extractor(benchmark)
        return (
            f"The {tier.name} tier's feature extractor, which all figures are made with, knows {knows} only, and these "
            f"are photographs; for photographs{others}{extractor}.",
        )
    return ()


def image_cautions(benchmark: Benchmark, tier: Tier) -> tuple[str, ...]:
    """Whole sentences on a benchmark's images that readers of its figures must know: test images in training, say.

    A run's owner is told them with the files' names (`harness.front.beforehand.lines_on_folder`).
    """
    return tuple(getattr(benchmark.sources.get(tier.name), "cautions", ()))


def _others(benchmark: Benchmark) -> str:
    """': --tier paper', of the tiers whose model knows photographs."""
    tiers = registry.tiers()
    return ": " + " or ".join(f"--tier {n}" for n in tiers.names() if not tiers.get(n).knows.get(benchmark.setting))


def _extractor(benchmark: Benchmark) -> str:
    """', or --extractor NAME', of those tiers."""
    tiers = [registry.tiers().get(name) for name in registry.tiers().names()]
    names = dict.fromkeys(one.extractor for one in tiers if not one.knows.get(benchmark.setting))
    return "".join(f", or --extractor {name}" for name in names)
