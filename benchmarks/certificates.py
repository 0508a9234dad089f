"""The runs behind the shipped studies' certificates, kept beside the code: hours of training that nobody repeats.

    python benchmarks/certificates.py give --storage sqlite:///certificates.db
    nas proxy studies/bccd.yaml --search --necks 17 --storage sqlite:///certificates.db --set ...
    nas proxy studies/bccd.yaml --necks 17 --storage sqlite:///certificates.db --set ...
    python benchmarks/certificates.py keep --storage sqlite:///certificates.db
    python benchmarks/certificates.py ship --storage sqlite:///certificates.db
    python benchmarks/certificates.py tell

`give` puts what `certificates/` holds into a database, and `nas proxy` trains only what is missing there; `keep` writes
what it has trained: full runs, and short ones of the shipped proxies. One file a task, by its fingerprint: other data,
weights, settings or evaluator make another one.
`ship` writes the certificate of each shipped study that counts for it, as it stands in the repository, to
`studies/certificates/`.
`tell` prints of each shipped certificate's runs what the certificate does not hold: how well one seed's full run ranks
for the other's, how well the proxy ranks by the starts of the full runs, by short runs with fresh seeds, and by all of
these, the mean curve, what its end gained, how well the seeds' shortest runs agree, and every neck's way from the
shortest to the full score.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy
from numpy.typing import NDArray

from nas.errors import UserError
from nas.files import write_whole
from nas.necks.operators import NORMS
from nas.proxy import ranking
from nas.proxy.compare import compare, repeats
from nas.proxy.evidence import curve_points, late_score
from nas.proxy.forecasting import leave_one_out, max_steps
from nas.storage import Store, open_store
from nas.studies import catalog
from nas.studies.certificate import Certificate, FingerprintedTask, Proxy, best_certificate, trained_objective
from nas.studies.metrics import FORECASTS
from nas.studies.records import Evaluation

FOLDER = Path(__file__).parent / "certificates"

SHORTEST = 40
"""Epochs from which a run counts as full; of shorter ones those of the shipped proxies are kept."""


def keep(store: Store, tasks: list[str]) -> None:
    """Write each task's full runs, and those of a shipped proxy: those of before and those of the store."""
    FOLDER.mkdir(exist_ok=True)
    shipped = {(c.proxy.fingerprint, c.proxy.task.epochs) for c in catalog.certificates().values()}
    for task in tasks:
        file = FOLDER / f"{task}.jsonl"
        complete = [e for e in store.evaluations(task) if e.state == "complete"]
        new = [e for e in complete if e.key.epochs >= SHORTEST or (task, e.key.epochs) in shipped]
        runs = {str(e.key): e for e in [*read(file), *new]}
        if runs:
            lines = "".join(f"{line(e)}\n" for e in runs.values())
            write_whole(file, lambda out, lines=lines: out.write(lines.encode()))
            print(f"{file.name}: {len(runs)} runs")


def line(evaluation: Evaluation) -> str:
    """A run as JSON, its curve where it was validated, in five digits."""
    validated = tuple(point for point in evaluation.curve if point.metrics.keys() - {"loss"})
    data = evaluation.model_copy(update={"curve": validated}).to_dict()
    details = data["measurement"].pop("details", {})
    data["measurement"]["details"] = {key: details[key] for key in ("processor", "precision") if key in details}
    return json.dumps(rounded(data), separators=(",", ":"))


def ship(store: Store, proxies: list[tuple[str, int]]) -> None:
    """Write the newest certificates of the shipped studies, without the places where files lay; `proxies` are the tasks
    and epochs of all, those with the newest last.
    """
    folder = catalog.folder("studies") / "certificates"
    folder.mkdir(exist_ok=True)
    for name in catalog.names("studies"):
        spec, _ = catalog.read_study(name)
        space = catalog.read_space(spec.search_space).narrowed(spec.space).to_dict()
        for task, epochs in proxies:
            found = best_certificate(store.certificates(task, epochs), Proxy(spec=spec, space=space, task=task))
            if found is None or epochs != spec.task.epochs or found.space != space:
                continue
            data = rounded(found.model_dump(mode="json"))  # with the defaults, which may be others one day
            for training in (data["proxy"], data["full"]):
                training["task"]["data"]["root"] = training["task"]["backbone"]["checkpoint"] = None
            text = json.dumps(data, indent=1) + "\n"
            write_whole(folder / f"{name}.json", lambda out, text=text: out.write(text.encode()))
            print(f"{name}.json: {found.verdict}")


def rounded(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [rounded(value) for value in data]
    return round(data, 5) if isinstance(data, float) else data


def give(store: Store) -> None:
    """Record what the files hold and the store does not."""
    for file in sorted(FOLDER.glob("*.jsonl")):
        there = {e.key for e in store.evaluations(file.stem) if e.state == "complete"}
        missing = [e for e in read(file) if e.key not in there]
        for evaluation in missing:
            store.record(evaluation)
        print(f"{file.name}: {len(missing)} runs were missing")


def read(file: Path) -> list[Evaluation]:
    """The runs of a file, none where there is none."""
    return [Evaluation.model_validate_json(run) for run in file.read_text().splitlines()] if file.is_file() else []


def full_runs(found: Certificate) -> list[list[Evaluation]]:
    """The full runs of a shipped certificate: of each neck, in its order, one a seed."""
    return _runs(found, found.full)


def short_runs(found: Certificate) -> list[list[Evaluation]]:
    """Those of its proxy with seeds of their own, likewise."""
    return _runs(found, found.proxy)


def _runs(found: Certificate, trained: FingerprintedTask) -> list[list[Evaluation]]:
    by_neck: dict[str, list[Evaluation]] = {}
    for run in sorted(read(FOLDER / f"{trained.fingerprint}.jsonl"), key=lambda run: run.key.seed):
        if run.key.epochs == trained.task.epochs:
            by_neck.setdefault(run.key.digest, []).append(run)
    return [by_neck[neck.digest] for neck in found.compared]


def finest(rows: Sequence[Sequence[Evaluation]]) -> list[int]:
    """The finest level of each neck."""
    return [min(row[0].architecture.neck.output_levels) for row in rows]


def curves(rows: Sequence[Sequence[Evaluation]], metric: str) -> tuple[list[int], NDArray[np.float64]]:
    """The epochs at which runs were measured, and their scores [necks, seeds, epochs]."""
    found = [[curve_points(run, metric) for run in row] for row in rows]
    epochs = [epoch for epoch, _, _ in found[0][0]]
    return epochs, np.array([[[score for _, score, _ in curve] for curve in row] for row in found])


Repeats = list[tuple[NDArray[np.float64], NDArray[np.float64]]]
"""A proxy's scores of the necks, and the truth that they are judged by."""


def by_starts_and_fresh_seeds(found: Certificate, objective: str) -> dict[str, Repeats]:
    """What a shipped proxy, by the study's objective, says in the starts of the full runs, each judged by the end of
    the other seeds, and in short runs with fresh seeds, each judged by the mean of all ends.
    """
    law = found.forecast if objective in FORECASTS else None
    full = curves(full_runs(found), found.metric)
    short = curves(short_runs(found), found.metric)
    ends = full[1][..., -1]
    told: dict[str, Repeats] = {}
    for name, (epochs, scores), paired in (("starts", full, True), ("fresh seeds", short, False)):
        last = scores[..., epochs.index(found.proxy.task.epochs)]
        told[name] = repeats(last, ends, paired=paired)
        if law is not None:
            truth = np.stack([own for _, own in told[name]], 1)
            before, limit = scores[..., epochs.index(law.epochs[0])], max_steps(law.epochs, found.full.task.epochs)
            told[name] = list(zip(leave_one_out(before, last, truth, limit)[1].T, truth.T, strict=True))
    return told


def tell() -> None:
    for name, found in catalog.certificates().items():
        rows = full_runs(found)
        epochs, scores = curves(rows, found.metric)
        first, last = scores[..., 0], scores[..., -1]
        another = compare(last, last, paired=True, finest=finest(rows))
        print(f"{name}: another seed's full run has tau {another.tau:.2f}, within {another.tau_within:.2f}")
        levels = np.array(finest(rows))
        asked = trained_objective(catalog.read_study(name)[0])
        ways = by_starts_and_fresh_seeds(found, asked.metric if asked is not None else found.metric)
        for way, pairs in {**ways, "all of these": [pair for part in ways.values() for pair in part]}.items():
            tau, inside, regret = (
                np.mean([judge(*pair) for pair in pairs])
                for judge in (ranking.tau, partial(ranking.within, groups=levels), ranking.regret)
            )
            low, high = ranking.interval(pairs)
            figures = f"tau {tau:.2f} ({low:.2f} to {high:.2f}), within {inside:.2f}, regret {regret:.4f}"
            print(f"{name}: the proxy by {way} ({len(pairs)} runs a neck): {figures}")
        means = ", ".join(f"{mean:.4f} after {epoch}" for epoch, mean in zip(epochs, scores.mean((0, 1)), strict=True))
        print(f"{name}: mean {found.metric} {means} epochs")
        late = np.array([[late_score(run, found.metric) for run in row] for row in rows], np.float64)
        gained, order = (last - late).mean(1), np.argsort(-last.mean(1))
        best, others = np.split(gained[order], [round(len(order) / 4)])
        print(f"{name}: the last 29 % gained {best.mean():.4f} in the best quarter, {others.mean():.4f} in the others")
        print(f"{name}: seeds agree after {epochs[0]} epochs with tau {ranking.tau(first[:, 0], first[:, 1]):.2f}")
        for i in np.argsort(first.mean(1)):
            neck = rows[i][0].architecture.neck
            dressed = any(f'"norm":"{norm}"' in neck.model_dump_json() for norm in NORMS if norm != "none")
            way = f"{first[i].mean():.3f} to {last[i].mean():.3f}"
            print(f"  {way}: {found.compared[i].name}; {len(neck.nodes)} nodes, {'norm' if dressed else 'no norm'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["give", "keep", "ship", "tell"])
    parser.add_argument("--storage", default="sqlite:///certificates.db")
    options = parser.parse_args()
    if options.what == "tell":
        tell()
        return
    try:
        with open_store(options.storage, create=options.what == "give") as store:
            if options.what == "give":
                give(store)
                return
            engine = sqlalchemy.create_engine(options.storage)
            with engine.connect() as connection:
                if options.what == "keep":
                    tasks = connection.scalars(sqlalchemy.text("SELECT DISTINCT task FROM nas_evaluation")).all()
                    keep(store, sorted(tasks))
                else:
                    asked = "SELECT task, epochs FROM nas_certificate GROUP BY task, epochs ORDER BY max(id)"
                    ship(store, [(row.task, row.epochs) for row in connection.execute(sqlalchemy.text(asked))])
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
