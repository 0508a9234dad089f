"""nas logs: shows how a trial was trained: its attempts, its workers, and what each epoch gave."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.cli.studies import study_name
from nas.facts.trials import logged
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        show(args, *logged(store, study_name(store, args), args.trial))
    return 0
