"""The paper's tables as layouts: which benchmark, which methods in which order, what stands beside the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.results import Metric
from harness.settings.shared_columns import SPREAD
from reports.tables.measured import Measured
from reports.tables.summary import join

NOT_RUN = "not run"
BELOW = "not in the paper"
FULL, BOUND = "stamina", "ub"


@dataclass(frozen=True)
class Layout:
    """One table of the paper: its lines in the paper's order. `kind` says what stands beside the scores."""

    number: str
    benchmark: str
    kind: Literal["comparison", "ablation", "bound"]
    methods: tuple[str, ...]

    def can_be_made(self, ours: Measured, metric: Metric = "a_mmd") -> bool:
        """Whether enough was measured for the table to say something of that score."""
        ran = {name for name in self.methods if ours.whole(self.benchmark, name, metric)}
        needed = {"comparison": None, "ablation": FULL, "bound": BOUND}[self.kind]
        return bool(ran) if needed is None else needed in ran and len(ran) > 1


LAYOUTS = (
    Layout("1a", "celebahq20", "comparison", ("ti++", "cd", "cd-merge", "cd-ewc", "clora", "stamina")),
    Layout("1b", "landmarks20", "comparison", ("ti++", "cd", "cd-merge", "cd-ewc", "clora", "stamina")),
    Layout("2a", "mixed50", "comparison", ("ti++", "cd", "cd-ewc", "clora", "stamina")),
    Layout(
        "2b", "mixed50", "ablation",
        (
            "stamina", "stamina-no-mask", "stamina-no-mlp-tokens", "stamina-no-mask-mlp", "stamina-no-gumbel",
            "stamina-no-sparsity",
        ),
    ),
    Layout("3", "mixed50", "bound", ("ti++", "stamina", "ub")),
)  # fmt: skip


def layouts_of(ours: Measured) -> list[Layout]:
    """The layouts under the names that their benchmarks have among the results; none of what was not run."""
    return [replace(layout, benchmark=name) for layout in LAYOUTS for name in ours.named(layout.benchmark)]


def extras(layout: Layout, ours: Measured) -> tuple[str, ...]:
    """The methods that ran on a comparison's benchmark and are in none of the paper's tables of it."""
    if layout.kind != "comparison":
        return ()
    in_paper = {name for other in layouts_of(ours) if other.benchmark == layout.benchmark for name in other.methods}
    return tuple(name for name in ours.methods(layout.benchmark) if name not in in_paper)


def seeds_note(seeds: Mapping[str, Sequence[int]], how: str = f"mean over run seeds. {SPREAD}") -> str:
    """What the mean and the spread are over, and the run seeds of each method, by label."""
    users: dict[tuple[int, ...], list[str]] = {}
    for method, found in seeds.items():
        if found:
            users.setdefault(tuple(found), []).append(method)
    if len(users) == 1:
        text = join(next(iter(users)), ", ")
    else:
        text = "; ".join(f"{join(found, ', ')} ({', '.join(methods)})" for found, methods in users.items())
    return f"Ours: {how} Run seeds: {text}."
