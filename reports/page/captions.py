"""What the report's files show, in words."""

from __future__ import annotations

from collections.abc import Mapping

# the first word of a figure's file name -> its title, and what to look for in it
FIGURES: Mapping[str, tuple[str, str]] = {
    "plasticity": (
        "How far the weights moved",
        "The distance of the weights from where they began, task after task. A line that keeps rising belongs to a "
        "method that goes on changing the model; a flat one to a method that holds it still.",
    ),
    "accuracy": (
        "All tasks so far, after each task",
        "The mean score on tasks 1 to n by the model after task n. Where a line falls behind, earlier tasks are being "
        "lost. In customization lower is better, in classification higher.",
    ),
    "matrix": (
        "Every task after every later one",
        "Row i, column j: the score of task j by the model after task i. Read downwards, a column says how one task "
        "fares while others are learned.",
    ),
    "stability": (
        "What is learned against what is forgotten",
        "One point a method. Across: what tasks are like just after they were learned. Upwards: how much of that is "
        "then lost. Best is low, and on the left; in classification, where accuracy lies across, on the right.",
    ),
    "interference": (
        "How tasks get into each other's way",
        "Which share of a task's change falls on entries that earlier tasks had changed, and how alike both changes "
        "are. Lower means that tasks leave each other alone.",
    ),
    "density": (
        "Which layers a task changes",
        "The share of entries that each task changes, layer by layer, of methods that leave some alone. Dark is "
        "untouched.",
    ),
    "losses": (
        "What was minimised",
        "The terms of the training loss: a thin line for each task, and their median in black.",
    ),
}
# the first word of a grid's file name -> what it shows
GRIDS: Mapping[str, str] = {
    "comparison": "real images and all methods side by side, after the last task",
    "timeline": "one concept through the training, by every method",
    "composition": "several concepts in one prompt",
    "drift": "prompts without a token, by the base model and after the last task",
    "grid": "the tasks of one method and seed",
}
# the first part of a file's name -> what is in it
TEXTS: Mapping[str, str] = {
    "tables": "the results tables",
    "kernels": "the scores by other kernels",
    "measures": "the other metrics that runs were asked for",
    "leaderboard": "every method's place by every score",
    "paper": "the paper's tables with our figures beside them",
    "statistics": "paired differences between methods",
    "pairs": "every pair of methods, not rounded",
    "results": "every row, one figure a line",
    "macros": "a macro for each figure, for prose that cannot go stale",
}
KINDS: Mapping[str, str] = {
    "csv": "CSV, for spreadsheets and programs",
    "tex": "LaTeX",
    "md": "Markdown",
    "json": "JSON",
}


def figure_words(stem: str) -> tuple[str, str]:
    """Title and sentences of the figure with that file name; what it is of follows the kind's name in it."""
    plain = stem.replace("_", "-")
    kind, _, rest = plain.partition("-")
    if kind in FIGURES:
        title, words = FIGURES[kind]
        return (f"{title}: {_of(rest)}" if rest else title), words
    name = plain.replace("-", " ").strip() or stem
    return name[:1].upper() + name[1:], ""


def grid_words(stem: str) -> str:
    """What the grid with that file name shows."""
    kind, _, rest = stem.partition("-")
    return f"{_of(rest)}: {GRIDS[kind]}" if kind in GRIDS else stem


def _of(rest: str) -> str:
    """'tuning6-stamina-partial' as words."""
    whole = rest.removesuffix("-partial")
    return whole.replace("-", " ") + (" (partial)" if whole != rest else "")
