"""The full runs behind the shipped studies' certificates, kept beside the code: hours of training that nobody repeats.

    python benchmarks/certificates.py give --storage sqlite:///certificates.db
    nas proxy studies/bccd.yaml --search --necks 17 --storage sqlite:///certificates.db --set ...
    python benchmarks/certificates.py keep --storage sqlite:///certificates.db
    python benchmarks/certificates.py ship --storage sqlite:///certificates.db
    python benchmarks/certificates.py tell

`give` puts what `certificates/` holds into a database, and `nas proxy` trains only what is missing there; `keep` writes
what it has trained. One file a task, by its fingerprint: other data, weights, settings or evaluator make another one.
`ship` writes the certificate of each shipped study that counts for it, as it stands in the repository, to
`studies/certificates/`.
`tell` prints of each shipped certificate's runs what the certificate does not hold: how well one seed's full run ranks
for the other's, how well the seeds' shortest runs agree, and every neck's way from the shortest to the full score.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy
from numpy.typing import NDArray

from nas import catalog
from nas.certificate import Certificate, Proxy, fitting
from nas.errors import UserError
from nas.files import write_whole
from nas.measurement import Evaluation
from nas.proxy import ranking
from nas.proxy.compare import compare
from nas.proxy.evidence import points
from nas.storage import Store, open_store
from nas.vocabulary import NORMS

FOLDER = Path(__file__).parent / "certificates"

SHORTEST = 40
"""Epochs from which a run counts as full; shorter ones take minutes."""


def keep(store: Store, tasks: list[str]) -> None:
    """Write each task's full runs, those of before and those of the store."""
    FOLDER.mkdir(exist_ok=True)
    for task in tasks:
        file = FOLDER / f"{task}.jsonl"
        new = [e for e in store.evaluations(task) if e.state == "complete" and e.key.epochs >= SHORTEST]
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
            found = fitting(store.certificates(task, epochs), Proxy(spec=spec, space=space, task=task))
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
    by_neck: dict[str, list[Evaluation]] = {}
    for run in sorted(read(FOLDER / f"{found.full.fingerprint}.jsonl"), key=lambda run: run.key.seed):
        if run.key.epochs == found.full.task.epochs:
            by_neck.setdefault(run.key.digest, []).append(run)
    return [by_neck[neck.digest] for neck in found.compared]


def finest(rows: Sequence[Sequence[Evaluation]]) -> list[int]:
    """The finest level of each neck."""
    return [min(row[0].architecture.neck.output_levels) for row in rows]


def curves(rows: Sequence[Sequence[Evaluation]], metric: str) -> tuple[list[int], NDArray[np.float64]]:
    """The epochs at which runs were measured, and their scores [necks, seeds, epochs]."""
    found = [[points(run, metric) for run in row] for row in rows]
    epochs = [epoch for epoch, _, _ in found[0][0]]
    return epochs, np.array([[[score for _, score, _ in curve] for curve in row] for row in found])


def tell() -> None:
    for name, found in catalog.certificates().items():
        rows = full_runs(found)
        epochs, scores = curves(rows, found.metric)
        first, last = scores[..., 0], scores[..., -1]
        another = compare(last, last, paired=True, finest=finest(rows))
        print(f"{name}: another seed's full run has tau {another.tau:.2f}, within {another.tau_within:.2f}")
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
