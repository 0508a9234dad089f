"""nas report: writes what a study found as one HTML page for a design review."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.output import say, show
from nas.cli.studies import study_name
from nas.errors import UserError
from nas.files import write_whole
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    path: Path = args.output
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else f"cannot be written: there is no folder {path.parent}"
        raise UserError(f"-o {path} {problem}; give a file such as report.html")
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        # Imported only now, so that a wrong name is reported at once.
        from nas.report import StudyFacts, report_facts, report_html, sample_predictions

        facts = StudyFacts(store, name)
        say(f"reading study {name}")
        shown = sample_predictions(store, name)
        page = report_html(facts, shown).encode()
        data = report_facts(facts, shown)
    try:
        write_whole(path, lambda file: file.write(page))
    except OSError as error:
        raise UserError(f"-o {path}: the file cannot be written: {error.strerror}") from None
    lines = [data["sentence"], f"wrote {path} ({len(page) / 1e6:.1f} MB)"]
    show(args, data | {"file": str(path), "bytes": len(page)}, lines)
    return 0
