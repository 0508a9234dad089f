"""Effects: what mattered in a study, choice by choice."""

from __future__ import annotations

from collections.abc import Sequence

from nas.errors import UserError
from nas.search.effects import Effects, default_metrics, effects, necks_of
from nas.storage import Store
from nas.storage.results import study_record
from nas.text import Say


def found(
    store: Store, name: str, metrics: Sequence[str] = (), say: Say = lambda line: None, *, quick: bool = False
) -> Effects:
    """The effects of each choice of a study's search space.

    Args:
        store: the study database.
        name: of the study.
        metrics: what to explain; none: the study's objectives, and the costs.
        say: called with a line about what is computed.
        quick: refuse what would take minutes, and leave out necks that would have to be looked up in the space.

    Raises:
        UserError: there is no such study, it has too few necks, or none of them has a metric.
    """
    spec, necks = study_record(store, name).spec, necks_of(store, name, search=not quick, say=say)
    if quick and necks.too_many is not None:
        raise UserError(necks.too_many)
    for metric in metrics:
        if metric not in necks.metrics:
            known = ", ".join(necks.metrics) or "no metrics"
            raise UserError(f"metric {metric}: no trained neck has it; they have {known}")
    return effects(necks, list(dict.fromkeys(metrics)) or default_metrics(spec, necks))
