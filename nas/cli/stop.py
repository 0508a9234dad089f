"""nas stop: ends a running study in order, from any terminal or host that reaches its database."""

from __future__ import annotations

import argparse
import time

from nas.cli.output import say, show
from nas.cli.studies import study_name
from nas.storage import open_store
from nas.storage.results import study_record
from nas.text import duration

PATIENCE_SECONDS = 120.0
"""How long the launch may take: it looks every two seconds, unless its database or its cluster does not answer."""


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        store.ask_to_stop(name)
        asked = time.monotonic()
        while (state := study_record(store, name).state) == "running":
            if time.monotonic() - asked > PATIENCE_SECONDS:
                say(f"study {name!r} was asked to stop, and still runs after {duration(PATIENCE_SECONDS)}")
                return 1
            time.sleep(0.5)
    show(args, {"study": name, "state": state}, [f"study {name}: {state}; `nas launch` goes on with it"])
    return 0
