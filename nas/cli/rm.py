"""nas rm: deletes a study, once its name was typed again."""

from __future__ import annotations

import argparse

from nas.cli.output import say, show
from nas.cli.studies import study_name
from nas.errors import UserError
from nas.storage import open_store
from nas.storage.results import overview


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        store.check_free(name)
        if args.confirm is None:
            trials = sum(overview(store, name).trials.model_dump().values())
            say(f"this deletes the study {name} with {trials} trials and their weights; type its name to go on:")
        if (args.confirm if args.confirm is not None else _line()) != name:
            raise UserError(f"nothing was deleted: that is not {name!r}")
    with open_store(args.storage, create=True) as store:
        store.remove(name)
    show(args, {"deleted": name}, [f"study {name} is deleted; what was measured stays, for other studies of its task"])
    return 0


def _line() -> str:
    try:
        return input().strip()
    except EOFError:
        return ""
