"""A report on 12 methods x 50 tasks x 3 seeds: its time, its memory, and the size of the page."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from harness.results import CellResult, Row, TaskResult
from reports.write import KINDS, write_report

METHODS, TASKS, SEEDS, IMAGES, SIZE = 12, 50, 3, 16, 64
UNITS = {
    "plasticity_distance": "1", "residual_norm": "1", "overlap": "1",
    "interference": "fraction", "change_density": "fraction",
}  # fmt: skip
POOL = 40  # different image sets; the others are further names of the same files


def test_the_report_of_a_large_comparison(tmp_path: Path) -> None:
    """Below 2 GB and 30 MB for the page; the times are printed, for a person to read."""
    done = subprocess.run([sys.executable, __file__, tmp_path], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    print("\n" + done.stdout)
    assert float(done.stdout.split()[-2]) < 2.0
    page = [path for path in (tmp_path / "html").rglob("*") if path.suffix in (".html", ".webp")]
    assert sum(path.stat().st_size for path in page) < 30e6


def main(folder: Path) -> None:
    """In a process of its own, so that the memory is the report's."""
    cells = made(folder / "store")
    for kinds in [*((kind,) for kind in KINDS), KINDS]:
        name, begun, work = "all" if len(kinds) > 1 else kinds[0], time.perf_counter(), time.process_time()
        written = write_report(cells, folder / name, kinds)
        size = sum(path.stat().st_size for path in written) / 1e6
        seconds, cpu = time.perf_counter() - begun, time.process_time() - work
        print(f"{name:>6}: {seconds:5.1f} s ({cpu:.1f} s of CPU), {len(written)} files, {size:.1f} MB")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def made(store: Path) -> list[CellResult]:
    """Cells with random pictures, features, losses and figures."""
    draw = np.random.default_rng(0)
    pool = [images(store / "pool" / f"{number}", draw) for number in range(POOL)]
    real = {j: linked(pool[j % POOL], store / f"real-{j}") for j in range(1, TASKS + 1)}
    features = store / "features.safetensors"
    save_file({"images": draw.normal(size=(IMAGES, 256)).astype(np.float32)}, features)
    training = store / "training.json"
    losses = [{"step": s, "sd": float(draw.random()), "forget": float(draw.random())} for s in range(0, 60, 3)]
    training.write_text(json.dumps({"losses": losses}))
    cells: list[CellResult] = []
    for number in range(METHODS):
        for seed in range(SEEDS):
            common = {"benchmark": "mixed50", "tier": "mini", "backbone": "tiny", "method": f"method-{number}"}
            tasks: list[TaskResult] = []
            for j in range(1, TASKS + 1):
                after = {
                    i: linked(pool[(number + i + j) % POOL], store / f"{number}-{seed}-{i}-{j}")
                    for i in sorted({j, TASKS})
                }
                tasks.append(
                    TaskResult(
                        index=j,
                        name=f"concept {j}",
                        category="person",
                        real=real[j],
                        generated=after[TASKS],
                        after=after,
                        training=training,
                        real_features=features,
                        features=dict.fromkeys(after, features),
                    )
                )
            cells.append(
                CellResult(
                    **common,
                    title="Mixed",
                    label=common["method"],
                    seed=seed,
                    options={},
                    partial=False,
                    tasks_total=TASKS,
                    tasks=tuple(tasks),
                    protocol={"kernel": "polynomial"},
                    rows=tuple(rows(common, seed, draw)),
                )
            )
    return cells


def images(folder: Path, draw: np.random.Generator) -> Path:
    """Smooth noise: it compresses about as well as photographs do."""
    folder.mkdir(parents=True)
    for number in range(IMAGES):
        small = Image.fromarray(draw.integers(0, 255, (8, 8, 3), np.uint8))
        small.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")
    return folder


def linked(source: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for path in source.iterdir():
        os.link(path, folder / path.name)
    return folder


def rows(common: dict[str, str], seed: int, draw: np.random.Generator) -> list[Row]:
    found: list[Row] = []

    def add(metric: str, task: int | None, layer: str | None = None) -> None:
        value = float(draw.random())
        found.append(
            Row(
                **common,
                seed=seed,
                task=task,
                metric=metric,
                value=value,
                low=value - 0.1,
                high=value + 0.1,
                n=16,
                unit=UNITS.get(metric, "1e-3"),
                partial=False,
                layer=layer,
            )
        )

    for metric in ("a_mmd", "f_mmd", "learned_mmd", "a_mmd_unbiased", "f_mmd_unbiased"):
        for task in (*range(1, TASKS + 1), None):
            add(metric, task)
    for metric in ("plasticity_distance", "residual_norm", "interference", "overlap", "change_density"):
        for task in range(1, TASKS + 1):
            for layer in (None, *(f"layer.{k}.to_k" for k in range(14))):
                add(metric, task, layer)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
