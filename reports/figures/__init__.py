"""Figures: a function for each, from comparable cells to a matplotlib figure, and one that writes them all."""

from reports.figures.accuracy import accuracy_figure
from reports.figures.density import density_figure
from reports.figures.interference import interference_figure
from reports.figures.losses import losses_figure
from reports.figures.matrix import matrix_figure
from reports.figures.plasticity import plasticity_figure
from reports.figures.save import save_figures
from reports.figures.stability import stability_figure

__all__ = [
    "accuracy_figure",
    "density_figure",
    "interference_figure",
    "losses_figure",
    "matrix_figure",
    "plasticity_figure",
    "save_figures",
    "stability_figure",
]
