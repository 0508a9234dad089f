"""nas watch: shows a running study, from any terminal or host that reaches its database."""

from __future__ import annotations

import argparse
import time

from nas.cli.live import shown, summary
from nas.cli.output import show
from nas.cli.studies import study_name
from nas.facts.studies import ended
from nas.storage import Store, open_store
from nas.storage.results import overview, study_record

EVERY_SECONDS = 1.0


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        _watch(store, name, args.log)
        found = overview(store, name)
    show(args, *ended(found))
    return 0


def _watch(store: Store, name: str, log: str) -> None:
    """Show the progress until the launch ends. Where there is no live view, a line for each that says something new."""
    printed = ""
    with shown(name, log) as (say, update):
        while study_record(store, name).state == "running":
            progress = store.progress(name)
            if progress is not None and update is not None:
                update(progress)
            elif progress is not None and summary(name, progress) != printed:
                printed = summary(name, progress)
                say(printed)
            time.sleep(EVERY_SECONDS)
