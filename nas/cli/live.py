"""The live view of a search in a terminal: what each worker trains, with its curve, and the best so far."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas.cli.output import say
from nas.studies.metrics import format_metric
from nas.studies.progress import LaunchProgress, Leader
from nas.text import Say, duration

BLOCKS = "▁▂▃▄▅▆▇█"

WIDE = 110
"""Columns from which on a line has room for a description of the neck."""

Watcher = Callable[[LaunchProgress], None]


@contextmanager
def shown(name: str, log: str) -> Iterator[tuple[Say, Watcher | None]]:
    """Where a launch of the study `name` prints its lines and its progress.

    Args:
        name: of the study.
        log: `auto` is the live view in a terminal, and lines elsewhere; `lines`; `json` is an object a line.
    """
    console = Console(stderr=True, highlight=False)
    if log == "json":
        yield (lambda line: _print_json(message=line), lambda p: _print_json(progress=p.model_dump(mode="json")))
    elif log == "lines" or not console.is_terminal:
        yield say, None
    else:
        with Live(console=console, auto_refresh=False, transient=True) as live:

            def update(progress: LaunchProgress) -> None:
                live.update(view(name, progress, console.width), refresh=True)

            yield (lambda line: live.console.print(Text(line))), update


def view(name: str, progress: LaunchProgress, width: int) -> Group:
    """The progress of a launch, for a terminal of `width` columns."""
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=32)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    for run in progress.runs:
        value = f"{progress.shown} {format_metric(progress.shown, run.curve[-1])}" if run.curve else ""
        neck = run.neck if width >= WIDE else ""
        grid.add_row(run.name, f"{run.epoch} of {run.epochs}", value, Text(spark(run.curve), style="cyan"), neck)
    return Group(Text("─" * min(width, 100), style="dim"), Text(summary(name, progress)), grid)


def summary(name: str, progress: LaunchProgress) -> str:
    """The progress of a launch in a line."""
    of = f" of {progress.trials}" if progress.trials is not None else ""
    parts = [f"{name}: {progress.trained}{of} necks trained"]
    parts += [f"{progress.failed} failed"] if progress.failed else []
    parts += ["finalists" if progress.stage == "finalists" else ""]
    parts += [_leader("best", progress.metric, progress.best)]
    parts += [_leader("best baseline", progress.metric, progress.best_baseline)]
    parts += [f"about {duration(progress.seconds_left)} left"] if progress.seconds_left else []
    return " | ".join(part for part in parts if part)


def spark(values: Sequence[float], width: int = 16) -> str:
    """The last `width` values as blocks, from the lowest to the highest of all."""
    if not values:
        return ""
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in values[-width:])


def _leader(what: str, metric: str, leader: Leader | None) -> str:
    return f"{what} {metric} {format_metric(metric, leader.value)} ({leader.name})" if leader is not None else ""


def _print_json(**data: object) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now} | data, allow_nan=False), file=sys.stderr, flush=True)
