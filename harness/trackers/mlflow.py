"""MLflow: a run for each cell, in an experiment of the run's name. Where it is kept, MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import os

from harness.tracker import CellScored, RunBegan, TaskTrained, Tracker


class MLflow(Tracker):
    """Measures and last losses by task, figures as metrics of the run."""

    summary = "MLflow: a run for each cell (MLFLOW_TRACKING_URI, else the results folder)"
    packages = {"mlflow": "mlflow"}  # noqa: RUF012

    def began(self, event: RunBegan) -> None:
        from mlflow.tracking import MlflowClient

        event.folder.mkdir(parents=True, exist_ok=True)
        own = f"sqlite:///{(event.folder / 'mlflow.db').absolute()}"
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", own))
        known = self._client.get_experiment_by_name(event.name)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(event.name)
        self._runs = {
            (label, seed): self._client.create_run(experiment, run_name=f"{label} seed {seed}").info.run_id
            for label, seed in event.cells
        }

    def trained(self, event: TaskTrained) -> None:
        run = self._runs[event.cell, event.seed]
        last = {f"loss/{name}": value for name, value in event.last.items()}
        for name, value in {**last, **{f"task/{n}": v for n, v in event.measures.items()}}.items():
            self._client.log_metric(run, name, value, step=event.task)

    def scored(self, event: CellScored) -> None:
        run = self._runs[event.cell, event.seed]
        for name, value in event.figures.items():
            self._client.log_metric(run, name, value)
        self._client.set_terminated(run)
