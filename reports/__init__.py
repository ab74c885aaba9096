"""From finished cells to tables, figures, grids and one results file.

The room reads `harness.results` only and never imports torch. Its public face:

- `reports.frame`: the tidy frame and its JSON
- `reports.tables`: tables by (benchmark, tier, backbone, tasks run) and their renderers
- `reports.grids`: picture grids, real against generated
- `reports.curves`: plasticity and its companions against the tasks learned
- `reports.paper`: the paper's tables with our figures beside the published ones
- `reports.reference`: finished cells as small text files to commit, and back
- `reports.write`: all of it into one folder
"""
