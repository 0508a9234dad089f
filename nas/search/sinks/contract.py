"""Sink: what another tracker gets of a search."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from nas.errors import UserError
from nas.studies.metrics import Metrics


class Sink:
    """Gets the trainings of a launch. Methods that are not overridden do nothing.

    All are called in one thread, in order. What one raises is printed in a line, and the sink gets nothing more.

    Args:
        place: where it writes, as in `name:place`.
        study: name of the study.
    """

    def __init__(self, place: str, study: str) -> None:
        self.place = place
        self.study = study

    def begun(self, run: str, about: Mapping[str, str]) -> None:
        """A training begins.

        Args:
            run: its name, such as `trial 7` or `trial 0 (baseline fpn)`.
            about: facts, such as the neck in a few words.
        """

    def progressed(self, run: str, epoch: int, metrics: Metrics) -> None:
        """An epoch ended. After a lost worker, epochs come again."""

    def ended(self, run: str, state: str, metrics: Metrics) -> None:
        """A training ended: complete, pruned, infeasible or failed.

        One whose result was known has not begun before.
        """

    def close(self) -> None:
        """The launch ends. Trainings that have not ended go on with the next launch."""


def need(package: str, sink: str) -> None:
    """Check that a package is installed.

    Raises:
        UserError: it is not.
    """
    if find_spec(package) is None:
        raise UserError(f"sink {sink} needs the package {package}: pip install 'pyramid-nas[{sink}]'")
