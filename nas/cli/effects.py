"""nas effects: shows what mattered in a study, choice by choice."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.output import say, show
from nas.cli.studies import study_name
from nas.errors import UserError
from nas.files import write_whole
from nas.search.effects import Effects, Necks, default_metrics, effect_lines, effects, effects_figure, necks_of
from nas.storage import open_store
from nas.storage.results import study_record


def run(args: argparse.Namespace) -> int:
    if args.plot is not None and not args.plot.parent.is_dir():
        raise UserError(f"--plot {args.plot}: there is no folder {args.plot.parent}")
    with open_store(args.storage, create=False) as store:
        name = study_name(store, args)
        spec, necks = study_record(store, name).spec, necks_of(store, name, say=say)
    found = effects(necks, _asked(args.metrics, necks) or default_metrics(spec, necks))
    if args.plot is not None:
        _plot(found, args.plot)
    show(args, found.to_json(), effect_lines(found))
    return 0


def _asked(metrics: list[str], necks: Necks) -> list[str]:
    known = necks.metrics
    for name in metrics:
        if name not in known:
            raise UserError(f"--metric {name}: no trained neck has it; they have {', '.join(known) or 'no metrics'}")
    return list(dict.fromkeys(metrics))


def _plot(found: Effects, path: Path) -> None:
    """The page holds all that it needs, and loads nothing."""
    page = effects_figure(found).to_html(include_plotlyjs=True).encode()
    try:
        write_whole(path, lambda file: file.write(page))
    except OSError as error:
        raise UserError(f"--plot {path}: the file cannot be written: {error.strerror}") from None
    say(f"wrote {path}")
