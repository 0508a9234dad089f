"""What a study has found, as values: counts, baselines, the best, and every trained architecture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol, TypeVar, cast

from nas.errors import UserError
from nas.storage.records import StudyState
from nas.studies.answer import Answer
from nas.studies.certificate import Certificate
from nas.studies.metrics import Metrics, format_metric
from nas.studies.spec import Objective
from nas.text import table
from nas.value import Value


class Counts(Value):
    """Trials by state; `infeasible` broke a constraint before training, `duplicate` has an earlier one's values."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    infeasible: int = 0
    duplicate: int = 0
    running: int = 0
    waiting: int = 0


class Found(Value):
    """A trained architecture: every metric measured, the parameters that were suggested, and a baseline's name."""

    trial: int
    name: str | None
    values: Metrics
    params: dict[str, Any]
    digest: str
    architecture: dict[str, Any]
    feasible: bool

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"name", "feasible"})


class Measured(Protocol):
    """Whatever has metrics by name."""

    @property
    def values(self) -> Metrics: ...


M = TypeVar("M", bound=Measured)


class Overview(Value):
    """What a study has found so far, without the trials that are neither best nor baselines.

    Attributes:
        best: the best feasible trial; with several `objectives` the Pareto front.
        baselines: the published necks that were trained, the infeasible ones too.
        proxy: the certificate of the study's proxy, if there is one.
        answer: what its finalists show, once they are trained.
    """

    study: str
    state: StudyState
    objectives: tuple[Objective, ...]
    seconds: float
    trials: Counts
    best: tuple[Found, ...]
    baselines: tuple[Found, ...]
    proxy: Certificate | None = None
    answer: Answer | None = None

    def __str__(self) -> str:
        counts = ", ".join(f"{n} {state}" for state, n in self.trials.model_dump().items() if n) or "no trials"
        metrics = [objective.metric for objective in self.objectives]
        rows = [["", *metrics]]
        for found in (*self.best, *self.baselines):
            label = f"baseline {found.name}" if found.name is not None else f"best: trial {found.trial}"
            rows.append([label, *(format_metric(name, found.values.get(name)) for name in metrics)])
        answer = f"\n{self.answer.sentence}" if self.answer is not None else ""
        return f"study {self.study}: {self.state}, {counts}\n{table(rows)}{answer}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return f"<pre>{escape(str(self))}</pre>"

    def to_json(self) -> dict[str, Any]:
        """What `nas launch --json` prints; only a baseline has a name, and may be infeasible."""
        return {
            "study": self.study,
            "state": self.state,
            "seconds": self.seconds,
            "trials": self.trials.model_dump(),
            "best": [found.to_json() for found in self.best],
            "baselines": [{"name": b.name, "feasible": b.feasible} | b.to_json() for b in self.baselines],
            "answer": self.answer.model_dump(mode="json") if self.answer is not None else None,
        }


class Result(Overview):
    """What a study has found so far.

    Attributes:
        trained: every architecture that was trained to the end, in the order of the trials.
    """

    trained: tuple[Found, ...] = ()

    def to_rows(self) -> list[dict[str, Any]]:
        """Rows of a table of all architectures trained to the end: the best first, the infeasible last.

        The keys are `trial`, `name` (a baseline's), `best`, `feasible`, then the metrics, then the parameters.
        """
        objective = self.objectives[0]
        sign = 1 if objective.direction == "minimize" else -1
        best = {found.trial for found in self.best}
        ranked = sorted(self.trained, key=lambda f: (not f.feasible, sign * (f.values.get(objective.metric) or 0.0)))
        return [
            {"trial": f.trial, "name": f.name, "best": f.trial in best, "feasible": f.feasible} | f.values | f.params
            for f in ranked
        ]

    def to_pandas(self) -> Any:
        """`to_rows` as a DataFrame.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_pandas needs pandas: `pip install pandas`, or take to_rows()") from None
        return pandas.DataFrame(self.to_rows())


def best_of(candidates: Iterable[M], objectives: Sequence[Objective]) -> list[M]:
    """The best by one objective, the oldest of equals; or the Pareto front, ordered by the first objective."""
    signs = {"minimize": 1.0, "maximize": -1.0}  # less is better
    costs = [(tuple(signs[o.direction] * cast(float, c.values[o.metric]) for o in objectives), c) for c in candidates]
    costs.sort(key=lambda pair: pair[0])
    if len(objectives) == 1:
        return [found for _, found in costs[:1]]
    front: list[tuple[tuple[float, ...], M]] = []  # what dominates a point stands before it
    for cost, candidate in costs:
        if not any(_dominates(other, cost) for other, _ in front):
            front.append((cost, candidate))
    return [candidate for _, candidate in front]


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
