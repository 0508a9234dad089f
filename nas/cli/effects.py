"""nas effects: what mattered in a study, choice by choice."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli import options
from nas.errors import UserError

if TYPE_CHECKING:
    from nas.search.effects import Effects, Necks

HELP = "show the effect of each choice of the search space on each metric, with intervals"
EXAMPLE = "nas effects bccd --metric ap --metric latency_ms --plot effects.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_study(parser)
    parser.add_argument(
        "--metric",
        dest="metrics",
        metavar="NAME",
        action="append",
        default=[],
        help="a metric to explain, the first in sentences; may be repeated "
        "(default: the objectives, their values by size of objects, and the costs)",
    )
    parser.add_argument("--plot", metavar="FILE.html", type=Path, help="write a figure of the effects")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    from nas.search.effects import default_metrics, effect_lines, effects, necks_of
    from nas.storage import open_store
    from nas.storage.results import study_record

    if args.plot is not None and not args.plot.parent.is_dir():
        raise UserError(f"--plot {args.plot}: there is no folder {args.plot.parent}")
    with open_store(args.storage, create=False) as store:
        name = options.study_name(store, args)
        spec, necks = study_record(store, name).spec, necks_of(store, name, say=options.say)
    found = effects(necks, _asked(args.metrics, necks) or default_metrics(spec, necks))
    if args.plot is not None:
        _plot(found, args.plot)
    if args.json:
        options.print_json(found.to_json())
    else:
        print(*effect_lines(found), sep="\n")
    return 0


def _asked(metrics: list[str], necks: Necks) -> list[str]:
    known = necks.metrics
    for name in metrics:
        if name not in known:
            raise UserError(f"--metric {name}: no trained neck has it; they have {', '.join(known) or 'no metrics'}")
    return list(dict.fromkeys(metrics))


def _plot(found: Effects, path: Path) -> None:
    """The page holds all that it needs, and loads nothing."""
    from nas.files import write_whole
    from nas.search.effects import effects_figure

    page = effects_figure(found).to_html(include_plotlyjs=True).encode()
    try:
        write_whole(path, lambda file: file.write(page))
    except OSError as error:
        raise UserError(f"--plot {path}: the file cannot be written: {error.strerror}") from None
    options.say(f"wrote {path}")
