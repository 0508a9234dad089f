"""nas ls: lists the studies of a database."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.storage import open_store
from nas.storage.results import result
from nas.studies.metrics import format_metric
from nas.text import duration, table


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        records = store.studies()
        results = [result(store, record.name) for record in records]
    rows = [["study", "state", "trials", "best", "time", "launched"]]
    for record, found in zip(records, results, strict=True):
        first = record.spec.objectives[0].metric
        best = f"{first} {format_metric(first, found.best[0].values[first])}" if found.best else "-"
        trained = found.trials.complete + found.trials.pruned
        launched = f"{record.created:%Y-%m-%d %H:%M}"
        rows.append([record.name, found.state, str(trained), best, duration(found.seconds), launched])
    data = {"studies": [found.to_json() for found in results]}
    show(args, data, [table(rows) if records else "no studies yet"])
    return 0
