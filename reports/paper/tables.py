"""The paper's Tables 1a, 1b, 2a, 2b, 3 and Figure 6 with our figures beside published ones, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.formats.figure_text import counted, number
from harness.results import Metric, Row
from harness.settings.presentation import MISSING, NO_SPREAD
from reports.paper.accuracies import accuracy_sheets
from reports.paper.checks import three_checks
from reports.paper.kid import kid_sheets
from reports.paper.layouts import BELOW, BOUND, FULL, NOT_RUN, Layout, extras, layouts_of, seeds_note
from reports.paper.training_times import time_sheets
from reports.statistics.intervals import Interval, agreement, over_seeds, paired, paired_over_tasks
from reports.statistics.wording import bounds, mean_and_spread, signed, yes_no
from reports.tables.columns import DOWN
from reports.tables.measured import Measured, Protocols, measured
from reports.tables.published import Published, published_benchmarks, published_table
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.sheets import to_latex as sheets_to_latex
from reports.tables.sheets import to_markdown as sheets_to_markdown
from reports.tables.summary import join, merge_protocols

# What the paper says of a method that it ran, instead of a figure.
INSTEAD = {("2a", "cd-merge"): "out of memory"}
SCORES: tuple[Metric, ...] = ("a_mmd", "f_mmd")
NAMES: Mapping[Metric, str] = {"a_mmd": "A_mmd", "f_mmd": "F_mmd"}


def paper_sheets(
    rows: Iterable[Row], protocols: Protocols | None = None, registered: Mapping[str, str] | None = None
) -> list[Sheet]:
    """Those of the five tables that the rows allow, and of classification one; none if no table can be made.

    After the five come the three checks, the same tables by KID, and the times of training, where the rows have them.

    Args:
        rows: tidy rows. Partial ones never enter; several tiers and backbones get tables of their own.
        protocols: what the figures were measured under, printed below each table.
        registered: as of `reports.tables.measured.measured`: only a registered benchmark is the paper's.
    """
    sheets: list[Sheet] = []
    for ours in measured(rows, registered):
        layouts = layouts_of(ours)
        tables = [_sheet(layout, ours, protocols or {}) for layout in layouts if layout.can_be_made(ours)]
        if tables:
            benchmarks = list(dict.fromkeys(layout.benchmark for layout in layouts))
            sheets += [*tables, three_checks(ours, benchmarks), *kid_sheets(ours), *time_sheets(ours, benchmarks)]
        sheets += accuracy_sheets(ours, protocols or {})
    return sheets


def to_markdown(sheets: Sequence[Sheet]) -> str:
    """The page `paper.md`; ends with a newline.

    Raises:
        UsageError: there are no sheets.
    """
    _refuse_none(sheets)
    return sheets_to_markdown(sheets, "The paper's tables, measured")


def to_latex(sheets: Sequence[Sheet]) -> str:
    """The document `paper.tex`; needs article and booktabs only.

    Raises:
        UsageError: there are no sheets.
    """
    _refuse_none(sheets)
    return sheets_to_latex(sheets)


def _refuse_none(sheets: Sequence[Sheet]) -> None:
    if not sheets:
        names = join(published_benchmarks(), ", ")
        raise UsageError(f"None of the paper's tables can be made: they need full cells of {names}, without --limit.")


def _sheet(layout: Layout, ours: Measured, protocols: Protocols) -> Sheet:
    published = published_table(layout.number, layout.methods)
    table = _Table(layout, ours, published)
    notes = [_seeds_note(table)]
    if layout.kind == "ablation":
        grids, more = _ablation(table)
    elif layout.kind == "bound":
        grids, more = _bound(table)
    else:
        grids, more = (_comparison(table),), []
    for metric in SCORES[:1] if layout.kind == "bound" else SCORES:
        more += _order_notes(table, metric)
    key = (layout.benchmark, ours.tier, ours.backbone)
    ran = {label: sets for label, sets in protocols.get(key, {}).items() if label in table.shown}
    if ran:
        notes_of = "; ".join(f"{name}: {text}" for name, text in merge_protocols(ran))
        more.append(f"Protocol of ours: {notes_of}.")
    return Sheet(
        title=f"Table {layout.number} of the paper: {layout.benchmark}, {ours.tier} tier, {ours.backbone}",
        caption=f"Ours beside the paper's ({published.setting}). {published.caution(ours.tier)}",
        grids=grids,
        notes=(*notes, *more),
    )


class _Table:
    """One layout with what fills it."""

    def __init__(self, layout: Layout, ours: Measured, published: Published) -> None:
        self.layout = layout
        self.published = published
        self._ours = ours
        self.extras = extras(layout, ours)
        self.shown = (*layout.methods, *self.extras)

    def seeds(self, method: str, metric: Metric) -> dict[int, float]:
        """Seed -> the figure of the whole cell."""
        return self._ours.whole(self.layout.benchmark, method, metric)

    def mean(self, method: str, metric: Metric) -> Interval | None:
        """Our mean over seeds, or None if the method did not run."""
        return over_seeds(self.seeds(method, metric).values())

    def means(self, metric: Metric) -> dict[str, float]:
        """Our means of the layout's methods that ran."""
        found = {name: self.mean(name, metric) for name in self.layout.methods}
        return {name: interval.mean for name, interval in found.items() if interval is not None}

    def theirs(self, metric: Metric) -> dict[str, float]:
        """The paper's figures of the layout's methods."""
        return {name: row[metric] for name, row in self.published.rows.items() if metric in row}

    def difference(self, method: str, other: str, metric: Metric) -> Interval | None:
        """The paired difference method - other over the seeds that both have."""
        return paired(self.seeds(method, metric), self.seeds(other, metric))

    def over_tasks(self, method: str, other: str, metric: Metric) -> Interval | None:
        """The paired difference method - other over tasks."""
        one, two = (self._ours.curve(self.layout.benchmark, name, metric) for name in (method, other))
        return paired_over_tasks(one, two)

    def score(self, method: str, metric: Metric) -> str:
        """'360.80 ± 13.50', or that the method did not run."""
        return mean_and_spread(self.mean(method, metric), NOT_RUN)

    def paper(self, method: str, metric: Metric) -> str:
        """The paper's figure, or what stands for it."""
        value = self.theirs(metric).get(method)
        return INSTEAD.get((self.layout.number, method), MISSING) if value is None else number(value, 2)


def _comparison(table: _Table) -> Grid:
    def line(method: str) -> tuple[str, ...]:
        share = table.mean(method, "n_param")
        scores = [text for m in SCORES for text in (table.score(method, m), table.paper(method, m))]
        return (method, NOT_RUN if share is None else number(share.mean, 2), table.paper(method, "n_param"), *scores)

    head = ["method", f"N_param (%) {DOWN}", f"paper {DOWN}"]
    head += [text for metric in SCORES for text in (f"{NAMES[metric]} (x10^3) {DOWN}", f"paper {DOWN}")]
    grid = Grid(tuple(head), tuple(map(line, table.layout.methods)), BELOW, tuple(map(line, table.extras)))
    return ranked(grid, *range(1, len(head)))


def _ablation(table: _Table) -> tuple[tuple[Grid, ...], list[str]]:
    """Scores, paired differences to the full method, and in words whether they have the paper's sign."""
    scores = _comparison(table)
    kept = (0, 1, 3, 4, 5, 6)  # the paper's Table 2b has no N_param
    head, rows = (tuple(scores.head[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in scores.rows))
    ablations = table.layout.methods[1:]
    verdicts: dict[Metric, list[tuple[bool, bool | None]]] = {metric: [] for metric in SCORES}

    def line(method: str, metric: Metric) -> tuple[str, ...]:
        found, theirs = table.difference(method, FULL, metric), table.theirs(metric)
        paper = theirs[method] - theirs[FULL]
        if found is None:
            return (method, NOT_RUN, MISSING, MISSING, signed(paper), MISSING)
        tasks = table.over_tasks(method, FULL, metric)
        same = found.mean * paper > 0
        verdicts[metric].append((same, None if tasks is None else tasks.holds_zero))
        over_tasks = MISSING if tasks is None else bounds(tasks)
        return (method, signed(found.mean), over_tasks, bounds(found), signed(paper), yes_no(same))

    differences = [
        Grid(
            ("ablation", f"{NAMES[metric]} (x10^3)", "95 % over tasks", "95 % over seeds", "paper", "same sign"),
            tuple(line(method, metric) for method in ablations),
            title=f"{NAMES[metric]} of each ablation less {FULL}'s: mean paired difference",
        )
        for metric in SCORES
    ]
    notes = [
        "Brackets: 95 % t intervals of the paired difference, over tasks (each averaged over the seeds first; how far "
        f"it would hold for other concepts) and over seeds ({NO_SPREAD} where there is one only)."
    ]
    for metric, found in verdicts.items():
        if not found:
            continue
        agreed = sum(same for same, _ in found)
        firm = [same for same, holds_zero in found if holds_zero is False]
        words = f"{NAMES[metric]}: {agreed} of {len(found)} ablations change it in the paper's direction; "
        if all(holds_zero is None for _, holds_zero in found):
            words += "no interval says whether that is more than chance."
        else:
            words += f"{len(firm)} of the differences have an interval over tasks without zero, "
            words += f"{sum(firm)} of these agree with the paper."
        notes.append(words)
    return (ranked(Grid(head, rows), 2, 3, 4, 5), *differences), notes


def _bound(table: _Table) -> tuple[tuple[Grid, ...], list[str]]:
    """Distances from the upper bound, and whether its interval lies apart from that of tokens alone."""
    theirs, best = table.theirs("a_mmd"), table.mean(BOUND, "a_mmd")
    assert best is not None  # see Layout.can_be_made

    def line(method: str) -> tuple[str, ...]:
        mean, paper = table.mean(method, "a_mmd"), theirs[method] - theirs[BOUND]
        cells = [method, table.score(method, "a_mmd")]
        if mean is None:
            cells += [NOT_RUN] * 3
        else:
            found = table.difference(method, BOUND, "a_mmd")
            delta = mean.mean - best.mean
            percent = number(100 * delta / best.mean, 2) if best.mean > 0 else MISSING
            own = method == BOUND
            cells += [
                bounds(mean),
                "0" if own else MISSING if found is None else f"{signed(found.mean)} {bounds(found)}",
            ]
            cells += ["0" if own else percent]
        return (*cells, number(theirs[method], 2), number(paper, 2), number(100 * paper / theirs[BOUND], 2))

    ours = (f"A_mmd (x10^3) {DOWN}", "95 %", "less ub, paired [95 %]", "% above ub")
    head = ("method", *ours, f"paper {DOWN}", "paper, less ub", "paper, % above ub")
    notes = [
        f"95 %: t intervals over seeds; {NO_SPREAD} where there is one only. Paired: over the seeds that both have."
    ]
    tokens = table.mean("ti++", "a_mmd")
    if tokens is not None:
        apart = best.below(tokens)
        gap = table.over_tasks("ti++", BOUND, "a_mmd")
        words = f"{BOUND} {number(best.mean, 2)} {bounds(best)}, ti++ {number(tokens.mean, 2)} {bounds(tokens)}. "
        if apart is None:
            words += "One seed gives no interval, so whether they lie apart is open."
        else:
            words += f"Intervals apart, {BOUND} below: {yes_no(apart)}."
        if gap is not None and gap.holds_zero is not None:
            words += f" Paired difference ti++ less {BOUND}, interval over tasks: {signed(gap.mean)} {bounds(gap)}, "
            words += "zero within the interval." if gap.holds_zero else "zero outside the interval."
        notes.append(words)
    return (ranked(Grid(head, tuple(map(line, table.layout.methods))), 1, 5),), notes


def _order_notes(table: _Table, metric: Metric) -> list[str]:
    """Kendall's tau between our order and the paper's, and the pairs on which they disagree, in words."""
    ours, theirs = table.means(metric), table.theirs(metric)
    found = agreement(ours, theirs)
    name = NAMES[metric]
    if found is None:
        return [f"{name}: fewer than two methods that both have, so there is no order to compare."]
    tau = "not defined, since one side ties all methods" if found.tau is None else f"{number(found.tau, 2)}"
    p = "no exact p-value because of ties" if found.p is None else f"exact two-sided p = {found.p:.3g}"
    size = f"{len(found.methods)} methods: {join(found.methods, ', ')}"
    notes = [f"{name}: Kendall's tau-b between our order of mean scores and the paper's is {tau} ({size}; {p})."]
    if not found.reversed:
        notes[0] += f" The orders disagree on none of {counted(found.pairs, 'pair')}."
        if not found.tied:
            return notes
    else:
        notes[0] += (
            f" They disagree on {len(found.reversed)} of {counted(found.pairs, 'pair')}, where the "
            "first is higher (worse) than "
            "the second here and lower in the paper: "
        )
        pairs: list[str] = []
        for worse, better in found.reversed:
            gap = signed(ours[worse] - ours[better])
            difference = table.difference(worse, better, metric)
            same_seeds = table.seeds(worse, metric).keys() == table.seeds(better, metric).keys()
            if difference is not None and difference.low is not None and same_seeds:
                gap += f" {bounds(difference)}"
            paper = signed(theirs[worse] - theirs[better])
            pairs.append(f"{worse} and {better} ({gap}; paper {paper})")
        notes[0] += "; ".join(pairs) + "."
        if any("[" in pair for pair in pairs):
            notes[0] += " Brackets: 95 % t interval of the paired difference over seeds."
    if found.tied:
        notes[0] += f" Tied on one side only: {join((f'{a} and {b}' for a, b in found.tied), '; ')}."
    return notes


def _seeds_note(table: _Table) -> str:
    seeds = {method: tuple(table.seeds(method, "a_mmd")) for method in table.shown}
    return (
        f"{seeds_note(seeds)} The paper gives no spread. Lower is better in every column; bold marks the lowest, "
        "underlined the next number of a column as printed, ours and the paper's each by themselves, and claims no "
        "significance."
    )
