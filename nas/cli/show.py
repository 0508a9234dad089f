"""nas show: shows what a study has found, or one of its trials."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.cli.studies import study_name
from nas.facts import studies, trials
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        found = studies.shown(store, name) if args.trial is None else trials.shown(store, name, args.trial)
    show(args, *found)
    return 0
