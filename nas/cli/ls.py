"""nas ls: lists the studies of a database."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.storage import open_store
from nas.storage.results import overviews
from nas.studies.metrics import format_metric
from nas.text import duration, table


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        studies = overviews(store)
    rows = [["study", "state", "trials", "best", "time", "launched"]]
    for record, found in studies:
        first = record.spec.objectives[0].metric
        best = f"{first} {format_metric(first, found.best[0].values[first])}" if found.best else "-"
        trained = found.trials.complete + found.trials.pruned
        launched = f"{record.created:%Y-%m-%d %H:%M}"
        rows.append([record.name, found.state, str(trained), best, duration(found.seconds), launched])
    data = {"studies": [found.to_json() for _, found in studies]}
    show(args, data, [table(rows) if studies else "no studies yet"])
    return 0
