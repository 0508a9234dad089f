"""Studies for the tests of reports: invented numbers in real tables."""

from __future__ import annotations

from pathlib import Path

from nas.storage import Store, open_store
from nas.storage.results import keep_answer
from nas.studies.answer import Answer, Epochs, Finalist, Gain, conclude
from nas.studies.metrics import Metrics
from nas.studies.progress import LaunchProgress, Leader, RunProgress
from nas.studies.records import Evaluation, Key, Measurement, Progress
from tests.fabricated import EPOCHS, TASK, Fabric, architecture


def costs(width: int) -> dict[str, float]:
    return {"params": 1e3 * width, "latency_ms": 4.0 + 0.1 * width}


def searched(store: Store, name: str = "cells", trials: int = 12, objectives: tuple[str, ...] = ("ap",)) -> Fabric:
    """A study with a baseline and proposals whose AP grows with their width; trial 1 breaks a constraint."""
    study = Fabric(store, name, objectives=objectives)
    study.complete(200, ap=0.361, ap_small=0.1, ap_medium=0.3, ap_large=0.4, baseline="fpn", **costs(200))
    for k in range(trials):
        width = 8 * (k % 12 + 1)
        ap = 0.3 + 0.001 * width
        study.complete(width, feasible=k != 0, ap=ap, ap_small=0.1, ap_medium=0.3, ap_large=0.5, **costs(width))
    return study


def promoted(store: Store, width: int, epochs: int, seed: int = 0) -> None:
    """A longer training of a neck of `searched`, with a score each second epoch."""
    built = architecture(width)
    curve = tuple(
        Progress(epoch=e, epochs=epochs, seconds=e, metrics={"ap": 0.1 * e, "loss": 1.0})
        for e in range(EPOCHS, epochs + 1, 2)
    )
    key = Key(digest=built.digest, task=TASK, seed=seed, epochs=epochs)
    measurement = Measurement(metrics={"ap": 0.1 * epochs}, seconds=1.0)
    store.record(Evaluation(key=key, architecture=built, state="complete", measurement=measurement, curve=curve))


def finalist(trial: int, name: str | None, scores: tuple[float, ...]) -> Finalist:
    mean = sum(scores) / len(scores)
    values: Metrics = dict(costs(8))
    seeds = tuple(2000 + k for k in range(len(scores)))
    return Finalist(
        trial=trial,
        name=name,
        digest=architecture(8).digest,
        scores=scores,
        seeds=seeds,
        epochs=8,
        mean=mean,
        low=mean - 0.02,
        high=mean + 0.02,
        values=values,
    )


def answered(store: Store, name: str = "cells") -> Answer:
    """Keeps an answer of `searched`: trial 12 beats fpn."""
    winner, rival = finalist(12, None, (0.5, 0.51)), finalist(0, "fpn", (0.40, 0.42))
    gain = Gain(over="fpn", metric="ap", gain=0.095, low=0.05, high=0.14, split="test")
    verdict, sentence = conclude(
        winner, [winner, rival], [gain], metric="ap", direction="maximize", split="test", limits=()
    )
    found = Answer(
        verdict=verdict,
        sentence=sentence,
        metric="ap",
        direction="maximize",
        split="test",
        winner=winner,
        finalists=(winner, rival),
        gains=(gain,),
        epochs=Epochs(spent=100, of_full=400),
    )
    keep_answer(store, name, found)
    return found


def running(*runs: RunProgress) -> LaunchProgress:
    return LaunchProgress(
        metric="ap",
        shown="ap",
        trained=3,
        trials=12,
        failed=0,
        workers=2,
        runs=runs,
        best=Leader(name="trial 2", value=0.3),
        seconds_left=125.0,
    )


def every_kind(folder: Path) -> str:
    """A database with a study of every kind; returns its URL."""
    url = f"sqlite:///{folder}/nas.db"
    with open_store(url, create=True) as store:
        searched(store).close()
        answered(store)
        Fabric(store, "empty")
        failed = Fabric(store, "failed")
        failed.failed(8, "the loss is <b>not</b> finite")
        failed.failed(16, "the loss is <b>not</b> finite")
        failed.close("failed")
        searched(store, "front", objectives=("ap", "latency_ms")).close()
        Fabric(store, "broken").complete(8, feasible=False, ap=0.9, **costs(8))
        only = Fabric(store, "baselines")
        only.complete(8, ap=0.3, baseline="fpn", **costs(8))
        only.close()
    return url
