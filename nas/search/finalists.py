"""Finalists: which necks are trained in full at the end, with which seeds, and what their scores say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.device.runner import NARROW
from nas.errors import StoreError
from nas.necks.architecture import Architecture
from nas.search import gains
from nas.search.dispatcher import Run
from nas.search.gains import Scores
from nas.search.setup import Setup
from nas.storage import Store
from nas.storage.latencies import reference
from nas.storage.results import keep_answer
from nas.studies.answer import FINAL_SEED, Answer, Epochs, Finalist, Finalists, Gain, Split, conclude
from nas.studies.certificate import measured_objective
from nas.studies.metrics import Metrics, metric_of, trained_metrics
from nas.studies.records import Key
from nas.studies.spec import StudySpec
from nas.tasks.outcomes import Outcomes, unpacked


@dataclass(frozen=True)
class Candidate:
    """A trial that was trained to the end.

    Attributes:
        name: of a baseline, its name.
        values: its metrics; here the costs matter.
        feasible: whether it meets the constraints.
    """

    trial: int
    name: str | None
    architecture: Architecture
    values: Metrics
    feasible: bool = True

    @property
    def digest(self) -> str:
        """The digest of the whole model."""
        return self.architecture.digest

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name or f"trial {self.trial}"

    @property
    def costs(self) -> Metrics:
        """The metrics that no training changes."""
        return {m: v for m, v in self.values.items() if not metric_of(m).from_training}


@dataclass(eq=False)
class FinalistRun(Run):
    """A full training of a finalist. Its outcomes by image are recorded."""


class Final:
    """The end of one study: the full trainings that are still to be run, then the answer."""

    def __init__(self, setup: Setup, store: Store, study: str, settings: Finalists) -> None:
        self.setup = setup
        self.store = store
        self.study = study
        self.settings = settings
        self.chosen: list[Candidate] = []
        self.runs: list[FinalistRun] = []
        self._left: list[FinalistRun] = []

    def begin(self, ranked: Sequence[Candidate]) -> None:
        """Choose the finalists; `ranked` are all candidates, the best first. Only the first call counts."""
        if not self.chosen:
            self.chosen = choose(ranked, self.setup.spec, self.settings.top)
            self.runs = _runs(self.chosen, self.setup, self.settings.seeds)
            self._left = [run for run in self.runs if not self._is_recorded(run)]

    def next(self) -> FinalistRun | None:
        """The next training that the database does not have."""
        return self._left.pop(0) if self._left else None

    def answer(self, search: Epochs) -> Answer | None:
        """Compute and keep the answer. None if no trial was trained in full.

        Args:
            search: epochs that the trials and promotions took.
        """
        found = _answer(self.store, self.setup.spec, self.chosen, self.runs, search)
        if found is not None:
            keep_answer(self.store, self.study, found)
        return found

    def _is_recorded(self, run: FinalistRun) -> bool:
        """Whether the database has the run with its score, and its outcomes where the task gives some.

        A score that needs no training is measured from recorded weights, as it is for a trial.
        """
        evaluation = self.store.evaluation(run.key)
        if evaluation is None or evaluation.state != "complete":
            return False
        if self.setup.task.judges and _outcomes(self.store, run.key, "val") is None:
            return False
        objective = measured_objective(self.setup.spec)
        assert objective is not None, "a study with finalists has an objective that training decides"
        lacks = evaluation.measurement.metrics.get(objective.metric) is None
        if lacks and trained_metrics([objective.metric]) and self.store.has_sound_artifact(str(run.key), "weights"):
            run.lacking = evaluation
        return not lacks


def choose(ranked: Sequence[Candidate], spec: StudySpec, top: int) -> list[Candidate]:
    """The finalists: the best feasible trials, the best baseline and FPN, where it is a baseline.

    Args:
        ranked: all candidates, the best first.
        spec: the study.
        top: how many trials.

    Returns:
        The finalists; none without a feasible trial.
    """
    plain = {b.name for b in spec.baselines if b.topology == "fpn"}
    baselines = [c for c in ranked if c.name is not None]
    best = [c for c in ranked if c.name is None and c.feasible][:top]
    return best + [c for k, c in enumerate(baselines) if k == 0 or c.name in plain] if best else []


def _runs(finalists: Sequence[Candidate], setup: Setup, seeds: int) -> list[FinalistRun]:
    """The full trainings, seed by seed, so that an early end leaves all necks with fewer seeds."""
    first, epochs = setup.spec.seed + FINAL_SEED, setup.spec.full_task.epochs
    return [
        FinalistRun(
            f"{c.label}, full training {k + 1} of {seeds}",
            setup.key(c.architecture).model_copy(update={"seed": first + k, "epochs": epochs}),
            c.architecture,
            keep_weights=k == 0,
            judge=True,
            timed=k == 0,
            costs=c.costs,
        )
        for k in range(seeds)
        for c in finalists
    ]


def _answer(
    store: Store, spec: StudySpec, finalists: Sequence[Candidate], runs: Sequence[FinalistRun], search: Epochs
) -> Answer | None:
    """What the finalists show.

    The best trial is the one with the best mean on the validation images; the split that judges may be another.
    """
    objective = measured_objective(spec)
    assert objective is not None, "a study with finalists has an objective that training decides"
    metric, sign = objective.metric, 1.0 if objective.direction == "maximize" else -1.0
    found = _Evidence.of(store, finalists, runs, metric)
    trials = [c for c in found.necks if c.name is None]
    baselines = [c for c in found.necks if c.name is not None]
    if not trials:
        return None
    choosing, judging = found.choosing, found.judging
    limits = _limits(spec)
    first = max(baselines, key=lambda c: sign * choosing[c.digest].mean, default=None)
    affordable = [c for c in trials if first is None or _no_dearer(c, first, limits)]
    best = max(affordable or trials, key=lambda c: sign * choosing[c.digest].mean)
    noise = gains.seed_noise(judging.values())
    scored = {c.digest: _finalist(c, found.keys[c.digest], judging[c.digest], noise) for c in found.necks}
    over = []
    for baseline in baselines:
        estimate = gains.gain(judging[best.digest], judging[baseline.digest], noise)
        bounds = estimate.low, estimate.high
        low, high = bounds if sign > 0 else (_minus(bounds[1]), _minus(bounds[0]))
        name = str(baseline.name)
        over.append(Gain(over=name, metric=metric, gain=sign * estimate.value, low=low, high=high, split=found.split))
    ordered = sorted(scored.values(), key=lambda f: -sign * f.mean)
    verdict, sentence = conclude(
        scored[best.digest],
        ordered,
        over,
        metric=metric,
        direction=objective.direction,
        split=found.split,
        limits=limits,
        restricted=bool(affordable) and len(affordable) < len(trials),
        by_image=found.by_image,
    )
    trained = sum(key.epochs for keys in found.keys.values() for key in keys)
    return Answer(
        verdict=verdict,
        sentence=sentence,
        metric=metric,
        direction=objective.direction,
        split=found.split,
        winner=scored[best.digest],
        finalists=tuple(ordered),
        gains=tuple(over),
        epochs=Epochs(spent=search.spent + trained, of_full=search.of_full),
    )


@dataclass(frozen=True)
class _Evidence:
    """The finalists with a score, and their scores by digest: those that choose, on `val`, and those that judge.

    All scores come from outcomes by image, or none do: then they are those of the evaluations, and `val` judges.
    """

    necks: list[Candidate]
    keys: dict[str, list[Key]]
    choosing: dict[str, Scores]
    judging: dict[str, Scores]
    split: Split
    by_image: bool

    @classmethod
    def of(cls, store: Store, finalists: Sequence[Candidate], runs: Sequence[FinalistRun], metric: str) -> _Evidence:
        """What the database has of the runs."""
        keys: dict[str, list[Key]] = {}
        recorded: dict[Key, float] = {}
        for run in runs:
            evaluation = store.evaluation(run.key)
            value = evaluation.measurement.metrics.get(metric) if evaluation is not None else None
            if value is not None:
                keys.setdefault(run.key.digest, []).append(run.key)
                recorded[run.key] = value
        necks = _at_one_speed(store, [_timed(store, c, keys[c.digest]) for c in finalists if c.digest in keys])
        val = {key: _outcomes(store, key, "val") for key in recorded}
        if not val or not all(o is not None and metric in o.metrics for o in val.values()):
            scores = {digest: np.array([recorded[key] for key in own]) for digest, own in keys.items()}
            plain = {digest: Scores(values, np.zeros((len(values), 0)), 0) for digest, values in scores.items()}
            return cls(necks, keys, plain, plain, "val", by_image=False)
        test = {key: _outcomes(store, key, "test") for key in recorded}
        choosing = judging = _scores(keys, val, metric)
        tested = _comparable(test.values(), metric)
        if tested:
            judging = _scores(keys, test, metric)
        return cls(necks, keys, choosing, judging, "test" if tested else "val", by_image=True)


def _timed(store: Store, candidate: Candidate, keys: Sequence[Key]) -> Candidate:
    """The candidate with the latency of its full trainings, where its trial was not timed."""
    found = [e.measurement.metrics.get("latency_ms") for key in keys if (e := store.evaluation(key)) is not None]
    latency = next((ms for ms in found if ms is not None), None)
    if candidate.values.get("latency_ms") is not None or latency is None:
        return candidate
    return replace(candidate, values=candidate.values | {"latency_ms": latency})


def _at_one_speed(store: Store, necks: Sequence[Candidate]) -> list[Candidate]:
    """The necks with the latencies that they would have had in the quietest of the moments when they were timed.

    How busy the machine was shows in the reference that was timed beside each.
    """
    latency = {c.digest: ms for c in necks if (ms := c.values.get("latency_ms")) is not None}
    beside = {digest: reference(store.database, digest, ms) for digest, ms in latency.items()}
    quietest = min((ms for ms in beside.values() if ms is not None), default=None)
    if quietest is None or None in beside.values():  # measured by an earlier version, or of another study's
        return list(necks)
    scale = {digest: quietest / ms for digest, ms in beside.items() if ms is not None}
    return [
        replace(c, values=c.values | {"latency_ms": latency[c.digest] * scale[c.digest]}) if c.digest in scale else c
        for c in necks
    ]


def _comparable(outcomes: Iterable[Outcomes | None], metric: str) -> bool:
    """Whether all trainings have a score, on as many images: a folder's test part may have changed between them."""
    found = list(outcomes)
    known = [o for o in found if o is not None and metric in o.metrics]
    if len(known) < len(found) or len({o.images for o in known}) != 1:
        return False
    return all(bool(np.isfinite(o.scores(metric, np.ones((1, o.images)))).all()) for o in known)


def _scores(
    keys: Mapping[str, Sequence[Key]], outcomes: Mapping[Key, Outcomes | None], metric: str
) -> dict[str, Scores]:
    """The scores of each neck, by digest, all on the same samples of the images."""
    known = {key: found for key, found in outcomes.items() if found is not None}
    images = min(found.images for found in known.values())
    samples, once = gains.weights(images), np.ones((1, images))
    found = {}
    for digest, own in keys.items():
        values = np.array([float(known[key].scores(metric, once)[0]) for key in own])
        found[digest] = Scores(values, np.stack([known[key].scores(metric, samples) for key in own]), images)
    return found


def _limits(spec: StudySpec) -> list[str]:
    """Costs that the study optimizes or bounds."""
    asked = [o.metric for o in spec.objectives] + list(spec.constraints)
    return [m for m in dict.fromkeys(asked) if not metric_of(m).from_training and metric_of(m).direction == "minimize"]


def _no_dearer(one: Candidate, other: Candidate, limits: Sequence[str]) -> bool:
    """Whether a neck costs no more than another; latencies may differ by the noise of their measurement."""
    room = {"latency_ms": 1 + NARROW}
    return all((one.values.get(m) or 0) <= (other.values.get(m) or 0) * room.get(m, 1) for m in limits)


def _outcomes(store: Store, key: Key, split: Split) -> Outcomes | None:
    """Recorded outcomes; None where there are none, or their file is gone. Then the run has to be repeated."""
    kind = f"outcomes-{split}"
    try:
        data = store.get_artifact(str(key), kind)
    except StoreError:
        store.drop_artifact(str(key), kind)
        return None
    return unpacked(data) if data is not None else None


def _finalist(candidate: Candidate, keys: Sequence[Key], scores: Scores, noise: gains.SeedNoise) -> Finalist:
    estimate = gains.level(scores, noise)
    return Finalist(
        trial=candidate.trial,
        name=candidate.name,
        digest=candidate.digest,
        scores=tuple(float(v) for v in scores.values),
        seeds=tuple(key.seed for key in keys),
        epochs=keys[0].epochs,
        mean=scores.mean,
        low=estimate.low,
        high=estimate.high,
        values=candidate.costs,
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
