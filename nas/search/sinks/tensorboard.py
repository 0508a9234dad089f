"""TensorBoard: a folder of event files, a run a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.files import stem_of
from nas.search.sinks.contract import Sink, need
from nas.studies.metrics import Metrics


class TensorBoard(Sink):
    """Writes PLACE/STUDY/TRAINING: each metric by epoch, and at the end all metrics as `final/NAME`."""

    def __init__(self, place: str, study: str) -> None:
        super().__init__(place, study)
        need("tensorboard", "tensorboard")
        self._writers: dict[str, Any] = {}

    def begun(self, run: str, about: Mapping[str, str]) -> None:
        table = "\n".join(f"| {name} | {text} |" for name, text in about.items())
        self._writer(run).add_text("about", f"| | |\n| --- | --- |\n{table}")

    def progressed(self, run: str, epoch: int, metrics: Metrics) -> None:
        for name, value in metrics.items():
            if value is not None:
                self._writer(run).add_scalar(name, value, epoch)

    def ended(self, run: str, state: str, metrics: Metrics) -> None:
        writer = self._writer(run)
        writer.add_text("state", state)
        for name, value in metrics.items():
            if value is not None:
                writer.add_scalar(f"final/{name}", value)
        self._writers.pop(run).close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, run: str) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        if run not in self._writers:
            folder = Path(self.place) / stem_of(self.study) / stem_of(run)
            self._writers[run] = SummaryWriter(str(folder))
        return self._writers[run]
