"""Stores the runs behind the shipped studies' certificates beside the code, so that nobody has to repeat them.

    python benchmarks/certificates.py load --storage sqlite:///certificates.db
    nas proxy studies/bccd.yaml --search --necks 17 --storage sqlite:///certificates.db --set ...
    nas proxy studies/bccd.yaml --necks 17 --storage sqlite:///certificates.db --set ...
    python benchmarks/certificates.py keep --storage sqlite:///certificates.db
    python benchmarks/certificates.py ship --storage sqlite:///certificates.db
    python benchmarks/certificates.py report

`load` puts the runs in `certificates/` into a database, so that `nas proxy` trains only what is missing there.
`keep` writes the runs of a database: full runs, and short ones of the shipped proxies. Each task has a file of its own,
named by its fingerprint. Other data, weights, settings or another evaluator make another task.
`ship` writes the best certificate of each shipped study, as it is in the repository, to `studies/certificates/`.
`report` prints figures of the shipped certificates' runs that the certificates do not contain: how well one seed's full
run ranks the other's, how well the proxy ranks by the starts of the full runs, by short runs with fresh seeds and by
all of these, the mean curve, the gain at its end, the agreement of the seeds' shortest runs, and the shortest and the
full score of every neck.
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
"""Runs of at least so many epochs count as full. Of the shorter ones, those behind shipped certificates are kept."""


def keep(store: Store, tasks: list[str]) -> None:
    """Write each task's full runs and its runs of a shipped proxy, those of the file and those of the store."""
    FOLDER.mkdir(exist_ok=True)
    certificates = catalog.certificates().values()
    shipped = {(half.fingerprint, half.task.epochs) for c in certificates for half in (c.proxy, c.full)}
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
    """A run as JSON, with the validated points of its curve, in five digits."""
    validated = tuple(point for point in evaluation.curve if point.metrics.keys() - {"loss"})
    data = evaluation.model_copy(update={"curve": validated}).to_dict()
    details = data["measurement"].pop("details", {})
    data["measurement"]["details"] = {key: details[key] for key in ("processor", "precision") if key in details}
    return json.dumps(rounded(data), separators=(",", ":"))


def ship(store: Store, proxies: list[tuple[str, int]]) -> None:
    """Write the certificates of the shipped studies without the paths of their files.

    `proxies` are the tasks and epochs of all certificates, those with the newest last.
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


def load(store: Store) -> None:
    """Record the runs that the store does not have."""
    for file in sorted(FOLDER.glob("*.jsonl")):
        there = {e.key for e in store.evaluations(file.stem) if e.state == "complete"}
        missing = [e for e in read(file) if e.key not in there]
        for evaluation in missing:
            store.record(evaluation)
        print(f"{file.name}: {len(missing)} runs were missing")


def read(file: Path) -> list[Evaluation]:
    """The runs of a file; none if there is no file."""
    return [Evaluation.model_validate_json(run) for run in file.read_text().splitlines()] if file.is_file() else []


def full_runs(found: Certificate) -> list[list[Evaluation]]:
    """The full runs of a shipped certificate, one a seed, for each of its necks, cut from longer ones if need be."""
    return _runs(found, found.full)


def short_runs(found: Certificate) -> list[list[Evaluation]]:
    """The runs of its proxy that have seeds of their own, in the same order."""
    return _runs(found, found.proxy)


def _runs(found: Certificate, trained: FingerprintedTask) -> list[list[Evaluation]]:
    wanted = trained.task.epochs
    there = read(FOLDER / f"{trained.fingerprint}.jsonl")
    kept = min(run.key.epochs for run in there if run.key.epochs >= wanted)
    by_neck: dict[str, list[Evaluation]] = {}
    for run in sorted(there, key=lambda run: run.key.seed):
        if run.key.epochs == kept and (cut := run if kept == wanted else run.prefix(wanted)) is not None:
            by_neck.setdefault(run.key.digest, []).append(cut)
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
"""For each seed, a proxy's scores of the necks, and the truth that judges them."""


def by_starts_and_fresh_seeds(found: Certificate, objective: str) -> dict[str, Repeats]:
    """Scores of a shipped proxy by the study's objective, and their truths.

    The starts of the full runs are judged by the ends of the other seeds, short runs with fresh seeds by the mean of
    all ends.
    """
    law = found.forecast if objective in FORECASTS else None
    full = curves(full_runs(found), found.metric)
    short = curves(short_runs(found), found.metric)
    ends = full[1][..., -1]
    judged: dict[str, Repeats] = {}
    for name, (epochs, scores), paired in (("starts", full, True), ("fresh seeds", short, False)):
        last = scores[..., epochs.index(found.proxy.task.epochs)]
        judged[name] = repeats(last, ends, paired=paired)
        if law is not None:
            truth = np.stack([own for _, own in judged[name]], 1)
            before, limit = scores[..., epochs.index(law.epochs[0])], max_steps(law.epochs, found.full.task.epochs)
            judged[name] = list(zip(leave_one_out(before, last, truth, limit)[1].T, truth.T, strict=True))
    return judged


def report() -> None:
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
            normed = any(f'"norm":"{norm}"' in neck.model_dump_json() for norm in NORMS if norm != "none")
            way = f"{first[i].mean():.3f} to {last[i].mean():.3f}"
            print(f"  {way}: {found.compared[i].name}; {len(neck.nodes)} nodes, {'norm' if normed else 'no norm'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "keep", "ship", "report"])
    parser.add_argument("--storage", default="sqlite:///certificates.db")
    options = parser.parse_args()
    if options.what == "report":
        report()
        return
    try:
        with open_store(options.storage, create=options.what == "load") as store:
            if options.what == "load":
                load(store)
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
