"""Measuring: the worker time that a study's trials lost to the measurement of latencies."""

from __future__ import annotations

from sqlalchemy import and_, func, select

from nas.storage.database import Database
from nas.storage.tables import EVALUATION, TRIAL
from nas.studies.records import Key
from nas.value import Value


class Measuring(Value):
    """Seconds of workers, over the recorded evaluations of a study's trials.

    Attributes:
        timing: spent on measuring latencies, the wait for a quiet machine included.
        waiting: in which trainings waited for the measurements of others.
        seconds: of the whole evaluations.
        timed: evaluations that measured a latency.
    """

    timing: float = 0
    waiting: float = 0
    seconds: float = 0
    timed: int = 0

    @property
    def share(self) -> float:
        """What measuring took, as a part of the whole."""
        return (self.timing + self.waiting) / self.seconds if self.seconds else 0.0

    @property
    def line(self) -> str:
        """The figures in a sentence."""
        if not self.timed and not self.waiting:
            return "measuring latencies took no worker time: no trial was timed"
        return (
            f"measuring latencies took {100 * self.share:.1f} % of the workers' time: {self.timing:.1f} s in "
            f"{self.timed} evaluations, and {self.waiting:.1f} s in which trainings waited"
        )

    def to_json(self) -> dict[str, float]:
        return {**self.model_dump(), "share": self.share}


def measuring(database: Database, study: str) -> Measuring | None:
    """What measuring took in a study; None where no evaluation has it on record."""
    same = and_(*(TRIAL.c[name] == EVALUATION.c[name] for name in Key.model_fields))
    numbers = select(EVALUATION.c.id).join(TRIAL, same).where(TRIAL.c.study == study).distinct()
    lost = EVALUATION.c.details["lost"]
    timing = lost["timing"].as_float()
    query = select(
        func.count(timing).label("known"),
        func.sum(timing).label("timing"),
        func.sum(lost["waiting"].as_float()).label("waiting"),
        func.sum(EVALUATION.c.seconds).label("seconds"),
        func.count(func.nullif(timing, 0.0)).label("timed"),
    ).where(EVALUATION.c.id.in_(numbers), timing.is_not(None))
    row = database.read(query)[0]
    if not row.known:
        return None
    return Measuring(timing=row.timing, waiting=row.waiting or 0, seconds=row.seconds, timed=row.timed)
