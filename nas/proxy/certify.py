"""certify: train spread necks under a study's proxy and in full, and tell how well the one ranks for the other."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.certificate import THRESHOLD, Certificate, Compared
from nas.errors import NASError
from nas.executors import EXECUTORS
from nas.measurement import METRICS, Evaluation, Key
from nas.proxy import ranking
from nas.proxy.plan import Half, Plan, make_plan
from nas.proxy.runs import Runs
from nas.proxy.verdict import verdict
from nas.search.driver import quiet, sum_up
from nas.storage import Store, open_store
from nas.study import StudySpec

Say = Callable[[str], None]

NECKS = 24
SEEDS = 2

MINIMUM = 8
"""Necks below which nothing can be said."""

LATE = 2**-0.5
"""The part of a training after which its gain tells whether it is converged: its last half octave, nearly a third."""


def certify(
    spec: StudySpec,
    *,
    storage: str,
    artifacts: Path | None = None,
    necks: int = NECKS,
    seeds: int = SEEDS,
    threshold: float = THRESHOLD,
    say: Say = lambda line: None,
) -> Certificate:
    """Prove or refute a study's proxy, and keep the certificate in the database.

    Trains the study's baselines and `necks` spread necks of its space, each with `seeds` seeds, under the proxy and in
    full. What the database has is not trained again, and what an interrupt leaves is gone on with.

    Raises:
        UserError: the study cannot be set up as asked, or no objective depends on the training.
        NASError: fewer than MINIMUM necks could be compared.
    """
    with open_store(storage, create=True, artifacts=artifacts) as store:
        plan = make_plan(spec, store, necks, seeds, say)
        found, failed = _carried_out(plan, store, say)
        certificate = summed_up(plan, found, failed, threshold)
        store.keep_certificate(certificate, plan.proxy.task.fingerprint, spec.task.epochs)
        _tell_the_dashboard(store, spec.name)
        return certificate


def _carried_out(plan: Plan, store: Store, say: Say) -> tuple[dict[Key, Evaluation], dict[Key, str]]:
    """All evaluations of the plan, and why some gave none. The proxy's come first: they serve the study too."""
    from nas.trial import evaluate

    spec = plan.setup.spec
    machine = platform.node() if spec.address is None else None
    halves = [(plan.proxy, "proxy"), (plan.full, "full training")]
    found: dict[Key, Evaluation] = {}
    failed: dict[Key, str] = {}
    for task in dict.fromkeys(half.task for half, _ in halves):
        for kind, data in task.shared().items():
            store.put_artifact(f"task/{task.fingerprint}", kind, data)
        with EXECUTORS[spec.executor](evaluate, task, spec.workers, spec.address) as executor:
            runs = Runs(store, executor, machine, say)
            for half, what in halves:
                if half.task is task:
                    runs.carry_out(half.runs, what)
        found |= runs.found
        failed |= runs.failed
    return found, failed


def summed_up(
    plan: Plan, found: Mapping[Key, Evaluation], failed: Mapping[Key, str], threshold: float = THRESHOLD
) -> Certificate:
    """The certificate that these evaluations give.

    Raises:
        NASError: fewer than MINIMUM necks have all of theirs.
    """
    metric = plan.metric
    sign = 1.0 if METRICS[metric].direction == "maximize" else -1.0
    short, long = _evaluations(plan.proxy, found), _evaluations(plan.full, found)
    names = [name for name in short if name in long]
    if len(names) < MINIMUM:
        reason = next(iter(failed.values()), "there are no more in the space; take a wider one")
        raise NASError(f"only {len(names)} necks could be compared, and it takes {MINIMUM}: {reason}")
    proxy, full = (_scores([half[name] for name in names], metric) for half in (short, long))
    truth, repeats = sign * full.mean(axis=1), list(sign * proxy.T)
    tops = [top for top in (ranking.top(r, truth) for r in repeats) if top is not None]
    bounds, noise = ranking.interval(repeats, truth), ranking.noise(full)
    gain = sign * float(np.mean([_late_gain(e, metric) for name in names for e in long[name]]))
    certificate = Certificate(
        metric=metric,
        score=metric,
        tau=float(np.mean([ranking.tau(r, truth) for r in repeats])),
        low=bounds.low,
        high=bounds.high,
        tau_top=float(np.mean(tops)) if tops else None,
        regret=float(np.mean([ranking.regret(r, truth) for r in repeats])),
        noise=noise,
        spread=float(truth.std(ddof=1)),
        cost_ratio=_seconds(short) / _seconds(long),
        necks=len(names),
        seeds=full.shape[1],
        gain=gain,
        converged=gain < noise if noise is not None else None,
        failed=tuple(name for name in plan.proxy.rows if name not in names),
        threshold=threshold,
        proxy=_told(plan.proxy) | {"space": plan.setup.space.to_dict()},
        full=_told(plan.full),
        compared=tuple(
            Compared(digest=short[name][0].key.digest, name=name, proxy=tuple(p), full=tuple(f))
            for name, p, f in zip(names, proxy.tolist(), full.tolist(), strict=True)
        ),
    )
    return certificate.model_copy(update={"verdict": verdict(certificate)})


def _tell_the_dashboard(store: Store, name: str | None) -> None:
    """Renew the note of the study that the proxy belongs to, if it was launched already."""
    import optuna

    if name is not None and store.study(name) is not None:
        with quiet(optuna), suppress(KeyError):  # killed before it had trials
            sum_up(store, optuna.load_study(study_name=name, storage=store.optuna))


Rows = dict[str, list[Evaluation]]


def _evaluations(half: Half, found: Mapping[Key, Evaluation]) -> Rows:
    """The necks that have an evaluation for every seed."""
    rows = {name: [found[run.key] for run in runs if run.key in found] for name, runs in half.rows.items()}
    return {name: row for name, row in rows.items() if len(row) == len(half.rows[name])}


def _scores(rows: Sequence[Sequence[Evaluation]], metric: str) -> NDArray[np.float64]:
    """[necks, seeds]."""
    return np.array([[evaluation.measurement.metrics[metric] for evaluation in row] for row in rows], np.float64)


def _late_gain(evaluation: Evaluation, metric: str) -> float:
    """What the last part of a training gained; zero where its curve has no earlier point."""
    points = [(p.epoch, v) for p in evaluation.curve if (v := p.metrics.get(metric)) is not None]
    last, end = points[-1]
    earlier = [value for epoch, value in points if epoch <= LATE * last]
    return end - earlier[-1] if earlier else 0.0


def _seconds(rows: Rows) -> float:
    """Seconds that the evaluations took, a latency that had to be measured included: what a trial costs."""
    return sum(e.measurement.seconds for row in rows.values() for e in row)


def _told(half: Half) -> dict[str, Any]:
    return {"task": half.task.fingerprint, "spec": half.spec.to_dict()}
