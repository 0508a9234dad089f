"""MLflow: an experiment a study, a run a training."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from nas.search.sinks.contract import Sink, need
from nas.studies.metrics import Metrics

_ENDS = {"complete": "FINISHED", "pruned": "KILLED", "infeasible": "KILLED", "failed": "FAILED"}


class MLflow(Sink):
    """Logs to the tracking server or database PLACE: metrics by epoch, and at the end all metrics and the state."""

    def __init__(self, place: str, study: str) -> None:
        super().__init__(place, study)
        need("mlflow", "mlflow")
        self._runs: dict[str, str] = {}
        self._steps: dict[str, int] = {}

    def begun(self, run: str, about: Mapping[str, str]) -> None:
        made = self._client.create_run(self._experiment, run_name=run, tags=dict(about))
        self._runs[run] = made.info.run_id

    def progressed(self, run: str, epoch: int, metrics: Metrics) -> None:
        self._steps[run] = epoch
        self._log(run, metrics)

    def ended(self, run: str, state: str, metrics: Metrics) -> None:
        if run not in self._runs:
            self.begun(run, {})
        self._log(run, metrics)
        self._client.set_tag(self._runs[run], "state", state)
        self._client.set_terminated(self._runs.pop(run), _ENDS.get(state, "FINISHED"))

    def close(self) -> None:
        for run in self._runs.values():
            self._client.set_terminated(run, "KILLED")

    def _log(self, run: str, metrics: Metrics) -> None:
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), self._steps.get(run, 0)
        values = [Metric(name, value, now, step) for name, value in metrics.items() if value is not None]
        self._client.log_batch(self._runs[run], metrics=values)

    @cached_property
    def _client(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing goes anywhere but to the place
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)  # its tables' migrations are no news of the search
        return MlflowClient(tracking_uri=self.place)

    @cached_property
    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.study)
        experiment: str = found.experiment_id if found is not None else self._client.create_experiment(self.study)
        return experiment
