"""Columns that both built-in settings have: what was trained, and what became of the weights."""

from __future__ import annotations

from harness.settings.presentation import Column

SHARE = Column("n_param", "%", "N_param Train (%)", "N_param %", (r"$N_\mathrm{param}$", r"Train (\%)"))
WEIGHTS = (
    Column("plasticity_distance", "1", "plasticity distance", "distance", ("plasticity", "distance")),
    Column("residual_norm", "1", "residual norm", "residual", ("residual", "norm"), digits=3, by_task=True),
    Column("mask_density", "fraction", "mask density", "density", ("mask", "density"), digits=3, by_task=True),
    Column("interference", "fraction", "interference", "interf.", ("interference", ""), digits=3),
    Column("overlap", "1", "overlap", "overlap", ("overlap", ""), digits=3),
    Column("change_density", "fraction", "change density", "changed", ("change", "density"), digits=3),
    Column("memory", "MB", "memory (MB)", "memory", ("memory", "(MB)"), digits=3),
    Column("memory_growth", "MB", "memory growth (MB/task)", "growth", ("memory growth", "(MB/task)"), digits=4),
)
MEMORY = {
    "memory": "What the method keeps between tasks beside the weights and tokens, after the last one.",
    "memory_growth": "By how much that grows with a task, over the second half of the tasks.",
}
SPREAD = (
    "±: sample standard deviation (n - 1) of the whole benchmark's figure over run seeds; none where there is one "
    "seed only."
)
