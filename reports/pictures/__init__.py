"""Picture grids: a function for each, from cells to an image, and one that writes them all."""

from reports.pictures.comparison import comparison_grid
from reports.pictures.composition import composition_grid
from reports.pictures.drift import drift_grid
from reports.pictures.method import method_grid
from reports.pictures.save import save_pictures
from reports.pictures.timeline import timeline

__all__ = ["comparison_grid", "composition_grid", "drift_grid", "method_grid", "save_pictures", "timeline"]
