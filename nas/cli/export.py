"""nas export: writes a trained architecture as files that can be used elsewhere."""

from __future__ import annotations

import argparse

from nas.cli.output import show, split
from nas.cli.studies import study_name
from nas.exports import export_study
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        written = export_study(store, study_name(store, args), args.output, args.trial, split(args.format))
    title = f"trial {written['trial']} of {written['study']}, written to {written['directory']}:"
    show(args, written, [title, *(f"  {file}" for file in written["files"])])
    return 0
