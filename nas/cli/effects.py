"""nas effects: shows what mattered in a study, choice by choice."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.output import say, show
from nas.cli.studies import study_name
from nas.errors import UserError
from nas.facts.effects import found
from nas.files import write_whole
from nas.search.effects import Effects, effect_lines, effects_figure
from nas.storage import open_store


def run(args: argparse.Namespace) -> int:
    if args.plot is not None and not args.plot.parent.is_dir():
        raise UserError(f"--plot {args.plot}: there is no folder {args.plot.parent}")
    with open_store(args.storage, create=False) as store:
        estimated = found(store, study_name(store, args), args.metrics, say)
    if args.plot is not None:
        _plot(estimated, args.plot)
    show(args, estimated.to_json(), effect_lines(estimated))
    return 0


def _plot(estimated: Effects, path: Path) -> None:
    """The page holds all that it needs, and loads nothing."""
    page = effects_figure(estimated).to_html(include_plotlyjs=True).encode()
    try:
        write_whole(path, lambda file: file.write(page))
    except OSError as error:
        raise UserError(f"--plot {path}: the file cannot be written: {error.strerror}") from None
    say(f"wrote {path}")
