"""The paper's classification comparison (Figure 6) as a table: our figures with published ones beside them."""

from __future__ import annotations

from harness.formats.figure_text import counted, number
from harness.settings.presentation import MISSING
from reports.paper.layouts import NOT_RUN, seeds_note
from reports.statistics.intervals import agreement, over_seeds
from reports.statistics.wording import mean_and_spread, signed
from reports.tables.columns import UP, Column, accuracies
from reports.tables.measured import Measured, Protocols
from reports.tables.published import Published, published_for
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.summary import join, merge_protocols

WITHOUT = "without a published figure"


def accuracy_sheets(ours: Measured, protocols: Protocols) -> list[Sheet]:
    """A sheet for each classification benchmark that was measured and has published figures."""
    benchmarks = dict.fromkeys(name for name, _, metric in ours.values if metric == "a_n")
    found = [(name, published_for(ours.registered[name], ())) for name in benchmarks]
    return [_sheet(ours, name, block, protocols) for name, block in found if block and _ran(ours, name)]


def _ran(ours: Measured, benchmark: str) -> list[str]:
    return [method for method in ours.methods(benchmark) if ours.whole(benchmark, method, "a_n")]


def _sheet(ours: Measured, benchmark: str, block: Published, protocols: Protocols) -> Sheet:
    columns = [column for column in accuracies().columns if column.metric != "train_seconds"]
    theirs = {column.metric for column in columns if any(column.metric in row for row in block.rows.values())}
    ran = _ran(ours, benchmark)

    def measured(method: str, column: Column) -> str:
        mean = over_seeds(ours.whole(benchmark, method, column.metric).values())
        if column.metric == "n_param" and mean is not None:
            return number(mean.mean, column.digits)
        return mean_and_spread(mean, MISSING if method in ran else NOT_RUN, column.digits)

    def line(method: str) -> tuple[str, ...]:
        cells = [method]
        for column in columns:
            cells.append(measured(method, column))
            if column.metric in theirs:
                cells.append(block.text(method, column.metric, column.digits) or MISSING)
        return tuple(cells)

    head = ["method"]
    for column in columns:
        head += [column.heading, *([f"published {column.arrow}"] if column.metric in theirs else [])]
    below = tuple(line(method) for method in ran if method not in block.rows)
    grid = Grid(tuple(head), tuple(map(line, block.rows)), WITHOUT if below else "", below)
    seeds = {method: tuple(ours.whole(benchmark, method, "a_n")) for method in ran}
    how = accuracies().spread
    notes = [
        f"{seeds_note(seeds, how[0].lower() + how[1:])} Higher is better in columns with {UP}; bold marks the best, "
        "underlined the next number of a column as printed, ours and the published ones each by themselves, and claims "
        "no significance.",
        accuracies().legend,
        _order_note(ours, benchmark, block, ran),
    ]
    sets = protocols.get((benchmark, ours.tier, ours.backbone), {})
    if shown := {label: sets[label] for label in (*block.rows, *ran) if label in sets}:
        notes.append(f"Protocol of ours: {join((f'{k}: {v}' for k, v in merge_protocols(shown)), '; ')}.")
    return Sheet(
        title=f"Figure 6 of the paper, as a table: {benchmark}, {ours.tier} tier, {ours.backbone}",
        caption=f"Ours beside published figures ({block.setting}). {block.caution(ours.tier)}",
        grids=(ranked(grid, *range(1, len(head))),),
        notes=tuple(notes),
    )


def _order_note(ours: Measured, benchmark: str, block: Published, ran: list[str]) -> str:
    """Kendall's tau between our order of A_N and the published one, and the pairs on which they disagree."""
    means = {name: over_seeds(ours.whole(benchmark, name, "a_n").values()) for name in block.rows if name in ran}
    mine = {name: mean.mean for name, mean in means.items() if mean is not None}
    theirs = {name: row["a_n"] for name, row in block.rows.items() if "a_n" in row}
    found = agreement(mine, theirs)
    if found is None:
        return "A_N: fewer than two methods that both have, so there is no order to compare."
    tau = "not defined, since one side ties all methods" if found.tau is None else number(found.tau, 2)
    p = "no exact p-value because of ties" if found.p is None else f"exact two-sided p = {found.p:.3g}"
    text = (
        f"A_N: Kendall's tau-b between our order of mean A_N and the published one is {tau} ({len(found.methods)} "
        f"methods: {join(found.methods, ', ')}; {p})."
    )
    if not found.reversed:
        return f"{text} The orders disagree on none of {counted(found.pairs, 'pair')}."
    pairs = (f"{a} and {b} ({signed(mine[a] - mine[b])}; {signed(theirs[a] - theirs[b])})" for a, b in found.reversed)
    return (
        f"{text} They disagree on {len(found.reversed)} of {counted(found.pairs, 'pair')}, where "
        "the first is more accurate than "
        f"the second here and less so as published (differences here; published): {join(pairs, '; ')}."
    )
