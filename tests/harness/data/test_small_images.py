"""Images that a tier's model enlarges are counted before a run."""

from __future__ import annotations

from pathlib import Path

from own_photos import concept, noise, picture

from harness.data.folder_benchmark import photo_benchmark
from harness.front.beforehand import lines_on_folder


def test_images_that_are_enlarged_are_counted(tmp_path: Path) -> None:
    concept(tmp_path, "dog", ("a.png", "b.png"))  # 20 x 16 pixels
    picture(tmp_path / "dog" / "c.png", noise("c", 700, 512))
    benchmark = photo_benchmark(tmp_path, "paper")
    said = "2 of 3 images are smaller than 512 pixels along a side, and enlarged; use larger ones if you have them."
    assert said in list(lines_on_folder(str(tmp_path), benchmark, "paper"))
    assert said not in list(lines_on_folder(str(tmp_path), photo_benchmark(tmp_path, "mini"), "mini"))
