"""Sinks: other people's trackers, which get what a search reports while it runs. None is on unless it is asked for.

`contract` says what a sink gets, `background` keeps a slow or broken one from holding up the search, and each tracker
has a file. Others are added by the table `sinks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from nas.errors import UserError
from nas.plugins import Table
from nas.search.sinks.background import Background, Sinks
from nas.search.sinks.contract import Sink
from nas.search.sinks.mlflow import MLflow
from nas.search.sinks.tensorboard import TensorBoard
from nas.text import Say

SINKS = Table[Callable[[str, str], Sink]]("sinks") | {"mlflow": MLflow, "tensorboard": TensorBoard}
"""Name -> function of a place and a study's name that returns a sink. It raises UserError if a package is missing."""


def built(asked: Iterable[str], study: str) -> dict[str, Sink]:
    """The sinks that are asked for, each as `name:place`. Nothing is written yet.

    Raises:
        UserError: there is no such sink, its place is missing, or a package that it needs.
    """
    return {text: _built(text, study) for text in asked}


@contextmanager
def opened(found: Mapping[str, Sink], say: Say) -> Iterator[Sinks]:
    """Sinks at work, each in a thread; they are finished at the end."""
    sinks = Sinks([Background(text, sink) for text, sink in found.items()], say)
    try:
        yield sinks
    finally:
        sinks.close()


def _built(text: str, study: str) -> Sink:
    name, _, place = text.partition(":")
    if name not in SINKS:
        raise UserError(f"unknown sink {name!r}; one of {', '.join(SINKS)}")
    if not place:
        raise UserError(f"sink {text!r} has no place: write {name}:PLACE, as in tensorboard:runs or mlflow:URI")
    return SINKS[name](place, study)


__all__ = ["SINKS", "Sink", "Sinks", "built", "opened"]
