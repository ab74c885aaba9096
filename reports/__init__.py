"""From finished cells to tables, figures, grids, a page and one results file.

The room reads `harness.results`, and the files of the store that it names; it never imports torch. Its public face:

- `reports.cells.apart`: what shares a name and is not the same, told apart; every output begins with it
- `reports.tables`: tables by (benchmark, setting, tier, backbone, tasks run) and their renderers
- `reports.tables.macros`: a LaTeX macro for each of their figures; `reports.frame`: the tidy frame, its JSON and CSV
- `reports.paper.tables`: the paper's tables with our figures beside the published ones, by KID, and training times; in
  `reports.paper.accuracies` its classification comparison
- `reports.statistics.paired_images`, `reports.statistics.paired_orders`, `reports.statistics.orders`: paired
  differences between methods, over images or over class orders; spread over orders of the tasks
- `reports.figures`, `reports.pictures`: figures, and picture grids
- `reports.page`: the page to explore
- `reports.write`: all of it into one folder
- `reports.compare.runs`: two runs beside each other
- `reports.reference`: finished cells as small text files to commit, and back
"""
