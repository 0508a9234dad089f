"""nas ls: lists the studies of a database."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.facts.studies import listed
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        show(args, *listed(store))
    return 0
