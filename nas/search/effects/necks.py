"""necks_of: the trained necks of a study that lie in its search space, from the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from nas.errors import SpecError, UserError
from nas.necks.architecture import Frame
from nas.necks.spec import NeckSpec
from nas.search_space import Choice, SearchSpace
from nas.storage import Store, StudyRecord
from nas.storage.results import Found, result, study_record
from nas.studies.metrics import FORECASTS, Metrics, in_order, metric_of
from nas.studies.records import Evaluation
from nas.studies.spec import StudySpec

OBJECTS = ("small", "medium", "large")
"""Sizes of objects, as the names of metrics end."""

_COSTS = ("params", "macs", "latency_ms")

_OF_A_MACHINE = ("latency_ms", "seconds")


MOST_NECKS = 1000
"""Necks whose effects are estimated beside other work: of more it takes some ten seconds."""


@dataclass(frozen=True)
class Necks:
    """Trained necks, each once.

    Attributes:
        study: name of the study.
        parameters: the parameters of its space, with their choices.
        rows: the parameters of each neck, by Optuna's names.
        values: the metrics of each neck.
        trials: how many of them the study trained, the first ones; the others are the certificate's.
        left_out: names of trained necks that are not in the space.
    """

    study: str
    parameters: Mapping[str, tuple[Choice, ...]]
    rows: tuple[Mapping[str, Choice], ...]
    values: tuple[Metrics, ...]
    trials: int
    left_out: tuple[str, ...] = field(default=())

    @property
    def too_many(self) -> str | None:
        """Why their effects are not estimated beside other work; None if they are few enough."""
        if len(self.rows) <= MOST_NECKS:
            return None
        return f"more than {MOST_NECKS} necks: `nas effects {self.study}` estimates it"

    @property
    def metrics(self) -> list[str]:
        """The metrics that any of them has."""
        return in_order(*({name for name, value in values.items() if value is not None} for values in self.values))


def necks_of(store: Store, name: str, *, search: bool = True, say: Callable[[str], None] = lambda line: None) -> Necks:
    """The necks that a study trained, and those that its proxy's certificate trained in the same way.

    Args:
        store: the database.
        name: the study.
        search: whether necks without parameters, the certificate's and some baselines, are looked up in the space. That
            takes up to a second or two for each; else they are left out.
        say: called with what takes time.

    Raises:
        UserError: there is no such study, or it does not state its search space.
    """
    record, found = study_record(store, name), result(store, name)
    parameters = record.provenance.get("space", {}).get("parameters")
    if not parameters:
        raise UserError(f"study {name!r} does not state its search space: it was launched by an older version")
    place = _Finder(record) if search else lambda neck: None
    rows: dict[str, tuple[Mapping[str, Choice], Metrics]] = {}
    left_out = []
    for trial in found.trained:
        params = trial.params if trial.name is None or trial.params else place(_neck(trial))
        if params is None:
            left_out.append(trial.name or f"trial {trial.trial}")
        else:
            rows.setdefault(trial.digest, (params, trial.values))
    trials = len(rows)
    compared = {c.digest: c.name for c in found.proxy.compared} if search and found.proxy is not None else {}
    known = {*rows, *(trial.digest for trial in found.trained)}
    more = _certificates_runs(store, record, compared.keys() - known)
    if more:
        say(f"looking up {len(more)} necks of the certificate in the search space")
    for digest, runs in more.items():
        params = place(runs[0].architecture.neck)
        if params is None:
            left_out.append(compared[digest])
        else:
            rows[digest] = params, _mean([_here(run, record) for run in runs])
    return Necks(
        study=name,
        parameters={key: tuple(choices) for key, choices in parameters.items()},
        rows=tuple(params for params, _ in rows.values()),
        values=tuple(values for _, values in rows.values()),
        trials=trials,
        left_out=tuple(left_out),
    )


def default_metrics(spec: StudySpec, necks: Necks) -> list[str]:
    """The objectives, those that training decides first, their values by size of objects, and the costs."""
    objectives = sorted((o.metric for o in spec.objectives), key=lambda name: not metric_of(name).from_training)
    sizes = [f"{FORECASTS.get(name, name)}_{objects}" for name in objectives for objects in OBJECTS]
    known = necks.metrics
    return [name for name in dict.fromkeys([*objectives, *sizes, *_COSTS]) if name in known]


class _Finder:
    """Finds the parameters of a neck in the study's space; nothing in a space of a plug-in that is not loaded."""

    def __init__(self, record: StudyRecord) -> None:
        begun = record.provenance
        self.frame = Frame.parse(begun["frame"]) if "frame" in begun else None
        try:
            self.space: SearchSpace | None = SearchSpace.parse(begun["space"])
        except SpecError:
            self.space = None

    def __call__(self, neck: NeckSpec) -> Mapping[str, Choice] | None:
        return self.space.find(neck, self.frame) if self.space is not None and self.frame is not None else None


def _neck(trial: Found) -> NeckSpec:
    return NeckSpec.parse(trial.architecture["neck"])


def _certificates_runs(store: Store, record: StudyRecord, digests: Collection[str]) -> dict[str, list[Evaluation]]:
    """The short runs of a certificate's necks that were made in this database."""
    runs: dict[str, list[Evaluation]] = {}
    for evaluation in store.evaluations(record.task) if digests else ():
        key = evaluation.key
        if key.digest in digests and key.epochs == record.spec.task.epochs and evaluation.state == "complete":
            runs.setdefault(key.digest, []).append(evaluation)
    return runs


def _here(run: Evaluation, record: StudyRecord) -> Metrics:
    """The metrics of a run, without times that were measured on another machine than the study's."""
    same = run.measurement.details.get("machine") == record.provenance.get("machine")
    return {name: v for name, v in run.measurement.metrics.items() if same or name not in _OF_A_MACHINE}


def _mean(runs: list[Metrics]) -> Metrics:
    """The mean over seeds of the metrics that all of them have."""
    found: Metrics = {}
    for name in runs[0]:
        values = [value for run in runs if (value := run.get(name)) is not None]
        found[name] = fmean(values) if len(values) == len(runs) else None
    return found
