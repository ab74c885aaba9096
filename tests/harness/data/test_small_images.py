"""Images that a tier's model enlarges are counted before a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from own_photos import concept, noise, picture

from harness import registry
from harness.data.folder_benchmark import photo_benchmark
from harness.front.beforehand import lines_beforehand, lines_on_folder


def test_images_that_are_enlarged_are_counted(tmp_path: Path) -> None:
    concept(tmp_path, "dog", ("a.png", "b.png"))  # 20 x 16 pixels
    picture(tmp_path / "dog" / "c.png", noise("c", 700, 512))
    benchmark = photo_benchmark(tmp_path, "paper")
    said = "2 of 3 images are smaller than 512 pixels along a side, and enlarged; use larger ones if you have them."
    assert said in list(lines_on_folder(str(tmp_path), benchmark, "paper"))
    assert said not in list(lines_on_folder(str(tmp_path), photo_benchmark(tmp_path, "mini"), "mini"))


def test_they_are_counted_by_what_the_runs_own_backbone_draws(tmp_path: Path) -> None:
    """A model of 1024 px enlarges what one of 512 px does not, and a small one enlarges nothing."""
    (tmp_path / "dog").mkdir()
    picture(tmp_path / "dog" / "b.png", noise("b", 2000, 1500))
    picture(tmp_path / "dog" / "a.png", noise("a", 700, 512))
    benchmark = photo_benchmark(tmp_path, "paper")

    def said(side: int) -> str:
        tier = registry.tiers().get("paper").model_copy(update={"resolution": side})
        spec = SimpleNamespace(benchmark=str(tmp_path), tier="paper")
        plan = SimpleNamespace(context=SimpleNamespace(tier=tier))
        prepared: Any = SimpleNamespace(spec=spec, benchmark=benchmark, plan=plan, cautions=())
        return "\n".join(lines_beforehand(prepared, quiet=True))

    assert "1 of 2 images is smaller than 1024 pixels" in said(1024)
    assert "smaller" not in said(512)
