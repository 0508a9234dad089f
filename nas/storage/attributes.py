"""TrialAttributes: what a search writes beside an Optuna trial, as one typed value. Only this module knows the keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas.studies.metrics import Metrics
from nas.value import Value

if TYPE_CHECKING:
    import optuna


class TrialAttributes(Value):
    """The user attributes of a trial. Optuna's dashboard shows them; each write is a transaction of its own.

    Attributes:
        baseline: name of the published neck, for a trial that trains one.
        in_space: whether that baseline is a point of the search space, so that the trial has parameters.
        warm_start: the earlier study and trial that the proposal comes from, as `study/trial`.
        digest: of the architecture, once it is known.
        metrics: everything measured or forecast; None until the trial ends.
        feasible: whether all constraints hold; None until the trial ends.
        duplicate_of: the earlier trial with the same architecture, whose values this one has.
        infeasible: which constraints the proposal broke before it was trained, and by how much.
        error: why the trial failed.
    """

    baseline: str | None = None
    in_space: bool = False
    warm_start: str | None = None
    digest: str | None = None
    metrics: Metrics | None = None
    feasible: bool | None = None
    duplicate_of: int | None = None
    infeasible: str | None = None
    error: str | None = None

    def to_user_attrs(self) -> dict[str, Any]:
        """Those that are set, as Optuna stores them."""
        return self.model_dump(mode="json", exclude_unset=True)

    def write(self, trial: optuna.Trial) -> None:
        """Set those that are set here on a running trial."""
        for key, value in self.to_user_attrs().items():
            trial.set_user_attr(key, value)


KEYS = tuple(TrialAttributes.model_fields)
BASELINE, DUPLICATE_OF, FEASIBLE, INFEASIBLE = "baseline", "duplicate_of", "feasible", "infeasible"
"""Those that queries ask for by name."""


def attributes(trial: optuna.Trial | optuna.trial.FrozenTrial) -> TrialAttributes:
    """The attributes of a trial, running or finished. What other tools wrote beside them is ignored."""
    return parse_attributes(trial.user_attrs)


def parse_attributes(given: Mapping[str, Any]) -> TrialAttributes:
    """The attributes among a trial's user attributes."""
    return TrialAttributes.model_construct(**{key: given[key] for key in KEYS if key in given})
