"""Finalists: which necks are trained in full at the end, with which seeds, and what their scores say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.necks.architecture import Architecture
from nas.search import gains
from nas.search.dispatcher import Run
from nas.search.gains import Scores
from nas.search.setup import Setup
from nas.storage import Store
from nas.studies.answer import Answer, Epochs, Finalist, Gain, Split, conclude
from nas.studies.certificate import measured_objective
from nas.studies.metrics import Metrics, metric_of
from nas.studies.records import Key
from nas.studies.spec import StudySpec
from nas.tasks.outcomes import Outcomes, unpacked

FINAL_SEED = 2000
"""What the finalists' seeds are ahead of the study's. Those of certificates are 1000 ahead."""

SPLITS: tuple[Split, ...] = ("test", "val")
"""Images that may judge, the better judge first."""


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


def choose(ranked: Sequence[Candidate], spec: StudySpec, top: int) -> list[Candidate]:
    """The finalists: the best feasible trials, the best baseline and FPN, where it is a baseline.

    Args:
        ranked: all candidates, the best first.
        spec: the study.
        top: how many trials.
    """
    plain = {b.name for b in spec.baselines if b.topology == "fpn"}
    baselines = [c for c in ranked if c.name is not None]
    best = [c for c in ranked if c.name is None and c.feasible][:top]
    return best + [c for k, c in enumerate(baselines) if k == 0 or c.name in plain]


def runs(finalists: Sequence[Candidate], setup: Setup, seeds: int) -> list[FinalistRun]:
    """The full trainings, seed by seed, so that an early end leaves all necks with fewer seeds.

    Args:
        finalists: what is trained.
        setup: the study.
        seeds: trainings of each.
    """
    first, epochs = setup.spec.seed + FINAL_SEED, setup.spec.full_task.epochs
    return [
        FinalistRun(
            f"{c.label}, full training {k + 1} of {seeds}",
            setup.key(c.architecture).model_copy(update={"seed": first + k, "epochs": epochs}),
            c.architecture,
            keep_weights=k == 0,
            judge=True,
            costs=c.costs,
        )
        for k in range(seeds)
        for c in finalists
    ]


def is_recorded(store: Store, run: FinalistRun) -> bool:
    """Whether the database has all that the answer needs of a run."""
    evaluation = store.evaluation(run.key)
    return evaluation is not None and evaluation.state == "complete" and _has(store, run.key, "val")


def answer(
    store: Store, spec: StudySpec, finalists: Sequence[Candidate], runs: Sequence[FinalistRun], search: Epochs
) -> Answer | None:
    """What the finalists show; None where no training decides an objective, or no trial was trained in full.

    The best trial is the one with the best mean on the validation images; the split that judges may be another.

    Args:
        store: has the evaluations.
        spec: the study.
        finalists: what was trained.
        runs: the trainings; those that failed are left out.
        search: epochs that the trials and promotions took.
    """
    objective = measured_objective(spec)
    if objective is None:
        return None
    by_digest: dict[str, list[Key]] = {}
    for run in runs:
        if store.evaluation(run.key) is not None:
            by_digest.setdefault(run.key.digest, []).append(run.key)
    there = [c for c in finalists if by_digest.get(c.digest)]
    sign = 1.0 if objective.direction == "maximize" else -1.0
    trainings = [key for c in there for key in by_digest[c.digest]]
    split: Split = "test" if _tested(store, trainings, objective.metric) else "val"
    judging = _all_scores(store, there, by_digest, objective.metric, split)
    choosing = _all_scores(store, there, by_digest, objective.metric, "val") if split != "val" else judging
    limits = _limits(spec)
    trials = [c for c in there if c.name is None]
    baselines = [c for c in there if c.name is not None]
    if not trials:
        return None
    first = max(baselines, key=lambda c: sign * choosing[c.digest].mean, default=None)
    affordable = [c for c in trials if first is None or _no_dearer(c, first, limits)]
    best = max(affordable or trials, key=lambda c: sign * choosing[c.digest].mean)
    noise = gains.seed_noise(judging.values())
    found = {c.digest: _finalist(c, by_digest[c.digest], judging[c.digest], noise) for c in there}
    winner = found[best.digest]
    over = []
    for baseline in baselines:
        estimate = gains.gain(judging[best.digest], judging[baseline.digest], noise)
        low, high = (estimate.low, estimate.high) if sign > 0 else (_minus(estimate.high), _minus(estimate.low))
        over.append(
            Gain(
                over=str(baseline.name),
                metric=objective.metric,
                gain=sign * estimate.value,
                low=low,
                high=high,
                split=split,
            )
        )
    ordered = sorted(found.values(), key=lambda f: -sign * f.mean)
    trained = sum(key.epochs for c in there for key in by_digest[c.digest])
    verdict, sentence = conclude(winner, ordered, over, objective.metric, split, limits)
    return Answer(
        verdict=verdict,
        sentence=sentence,
        metric=objective.metric,
        direction=objective.direction,
        split=split,
        winner=winner,
        finalists=tuple(ordered),
        gains=tuple(over),
        epochs=Epochs(spent=search.spent + trained, of_full=search.of_full),
    )


def _limits(spec: StudySpec) -> list[str]:
    """Costs that the study optimizes or bounds."""
    asked = [o.metric for o in spec.objectives] + list(spec.constraints)
    return [m for m in dict.fromkeys(asked) if not metric_of(m).from_training and metric_of(m).direction == "minimize"]


def _no_dearer(one: Candidate, other: Candidate, limits: Sequence[str]) -> bool:
    return all((one.values.get(m) or 0) <= (other.values.get(m) or 0) for m in limits)


def _all_scores(
    store: Store, necks: Sequence[Candidate], keys: Mapping[str, Sequence[Key]], metric: str, split: Split
) -> dict[str, Scores]:
    """The scores of each neck, by digest, all on the same samples of the images."""
    outcomes = {k: _outcomes(store, k, split) for c in necks for k in keys[c.digest]}
    known = [o for o in outcomes.values() if o is not None]
    images = known[0].images if known else 0
    samples = gains.weights(images) if images else np.zeros((0, 0))
    return {
        c.digest: _scores(store, [(k, outcomes[k]) for k in keys[c.digest]], metric, samples, images) for c in necks
    }


def _scores(
    store: Store, found: Sequence[tuple[Key, Outcomes | None]], metric: str, samples: gains.Floats, images: int
) -> Scores:
    values, rows = [], []
    for key, outcomes in found:
        if outcomes is None or metric not in outcomes.metrics:
            evaluation = store.evaluation(key)
            assert evaluation is not None
            values.append(float(evaluation.measurement.metrics[metric] or 0.0))
            continue
        values.append(float(outcomes.scores(metric, np.ones((1, images)))[0]))
        rows.append(outcomes.scores(metric, samples))
    complete = len(rows) == len(values)
    return Scores(np.array(values), np.stack(rows) if complete else np.zeros((len(values), 0)), images)


def _outcomes(store: Store, key: Key, split: Split) -> Outcomes | None:
    data = store.get_artifact(str(key), outcomes_of(split))
    return unpacked(data) if data is not None else None


def _tested(store: Store, keys: Sequence[Key], metric: str) -> bool:
    """Whether all trainings have a score on as many images for tests; the files may have changed between them."""
    found = [_outcomes(store, key, "test") for key in keys]
    known = [o for o in found if o is not None and metric in o.metrics]
    if not known or len(known) < len(found) or len({o.images for o in known}) > 1:
        return False
    return all(bool(np.isfinite(o.scores(metric, np.ones((1, o.images)))).all()) for o in known)


def _has(store: Store, key: Key, split: Split) -> bool:
    return store.has_artifact(str(key), outcomes_of(split))


def outcomes_of(split: Split) -> str:
    """The kind of artifact that holds the outcomes on a split."""
    return f"outcomes-{split}"


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
