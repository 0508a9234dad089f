"""Optuna's trials as plain values: its tables read by SQL, only what is asked for, in a few queries.

Optuna's own reading builds every trial in full, which takes seconds for thousands of them, and imports Optuna. Nothing
is written here. The form of the tables is Optuna's own affair: `tests/storage/test_optuna_trials.py` compares with what
Optuna reads, and fails when the form changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import DateTime, Enum, Select, and_, column, func, inspect, select, table
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import TableClause

from nas.storage.attributes import BASELINE, DUPLICATE_OF, FEASIBLE, INFEASIBLE, KEYS, TrialAttributes, parse_attributes
from nas.storage.database import Database
from nas.studies.spec import Objective

TrialState = Literal["complete", "pruned", "failed", "infeasible", "duplicate", "running", "waiting"]

_STATES = Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate")
STUDIES = table("studies", column("study_id"), column("study_name"))
TRIALS = table(
    "trials",
    column("trial_id"),
    column("number"),
    column("study_id"),
    column("state", _STATES),
    column("datetime_start", DateTime),
    column("datetime_complete", DateTime),
)
VALUES = table("trial_values", column("trial_id"), column("objective"), column("value"))
PARAMS = table("trial_params", *map(column, ("param_id", "trial_id", "param_name", "param_value", "distribution_json")))
ATTRIBUTES = table("trial_user_attributes", column("trial_id"), column("key"), column("value_json"))


@dataclass(frozen=True)
class StoredTrial:
    """One trial as Optuna's tables have it.

    Attributes:
        number: of the trial in its study, from 0.
        optuna_state: `COMPLETE`, `PRUNED`, `FAIL`, `RUNNING` or `WAITING`.
        marks: what the search wrote beside it.
        params: the suggested parameters; empty unless they were asked for.
    """

    number: int
    optuna_state: str
    marks: TrialAttributes = field(default_factory=TrialAttributes)
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> TrialState:
        """The state in Optuna, refined by the marks."""
        return state_of(self.optuna_state, self.marks.duplicate_of is not None, self.marks.infeasible is not None)


def state_of(optuna_state: str, is_duplicate: bool, is_infeasible: bool) -> TrialState:
    """A trial's state in Optuna (`COMPLETE`, ...), refined by what the search wrote beside it."""
    if is_duplicate and optuna_state in ("COMPLETE", "PRUNED"):
        return "duplicate"
    if is_infeasible and optuna_state == "PRUNED":
        return "infeasible"
    return cast(TrialState, {"FAIL": "failed"}.get(optuna_state, optuna_state.lower()))


def find_trials(
    database: Database, study: str, numbers: Collection[int] | None = None, *, with_params: bool = True
) -> dict[int, StoredTrial]:
    """Trials of a study by number, in order; those with the given numbers, or all.

    Empty where a launch was killed before it made Optuna's study.
    """
    if not has_tables(database) or (numbers is not None and not numbers):
        return {}
    chosen = STUDIES.c.study_name == study
    if numbers is not None:
        chosen = and_(chosen, TRIALS.c.number.in_(sorted(numbers)))
    # The states first: what belongs to a state is written before it.
    states = database.read(_of(TRIALS.c.number, TRIALS.c.state).where(chosen).order_by(TRIALS.c.number))
    marks: dict[int, dict[str, Any]] = {}
    keyed = _of(TRIALS.c.number, ATTRIBUTES.c.key, ATTRIBUTES.c.value_json, beside=ATTRIBUTES)
    for number, key, value in database.read(keyed.where(chosen, ATTRIBUTES.c.key.in_(KEYS))):
        marks.setdefault(number, {})[key] = json.loads(value)
    params = _params(database, chosen) if with_params else {}
    return {
        number: StoredTrial(number, state, parse_attributes(marks.get(number, {})), params.get(number, {}))
        for number, state in states
    }


def find_times(database: Database, study: str) -> dict[int, tuple[datetime, datetime]]:
    """When the trials of a study began and ended, by number, by the clock of the driver's host; of those that ended."""
    if not has_tables(database):
        return {}
    start, end = TRIALS.c.datetime_start, TRIALS.c.datetime_complete
    query = _of(TRIALS.c.number, start, end).where(*_named(study), start.is_not(None), end.is_not(None))
    return {number: (began, ended) for number, began, ended in database.read(query)}


def trial_range(database: Database, study: str) -> tuple[int, int] | None:
    """The least and the greatest number of a study's trials; None if it has none."""
    if not has_tables(database):
        return None
    bounds = _of(func.min(TRIALS.c.number), func.max(TRIALS.c.number)).where(STUDIES.c.study_name == study)
    first, last = database.read(bounds)[0]
    return None if first is None else (first, last)


def count_trials(database: Database, study: str | None = None) -> dict[str, dict[TrialState, int]]:
    """How many trials are in each state, by study; of one study, or of all. A study without trials is left out."""
    if not has_tables(database):
        return {}
    twin, refused = _marked(DUPLICATE_OF), _marked(INFEASIBLE)
    kinds = (STUDIES.c.study_name, TRIALS.c.state, twin, refused)
    # Grouped outside: PostgreSQL does not group by an expression with parameters.
    each = _of(*(kind.label(f"k{k}") for k, kind in enumerate(kinds))).where(*_named(study)).subquery()
    query = select(*each.c, func.count()).group_by(*each.c)
    counts: dict[str, dict[TrialState, int]] = {}
    for name, state, is_twin, is_refused, number in database.read(query):
        of_study, key = counts.setdefault(name, {}), state_of(state, bool(is_twin), bool(is_refused))
        of_study[key] = of_study.get(key, 0) + number
    return counts


def find_baselines(database: Database, study: str) -> list[int]:
    """The numbers of the trials with values that train a baseline, in order."""
    if not has_tables(database):
        return []
    query = _of(TRIALS.c.number).where(*_named(study), TRIALS.c.state == "COMPLETE", _marked(BASELINE))
    return [number for (number,) in database.read(query.order_by(TRIALS.c.number))]


def find_candidates(
    database: Database, study: str, objectives: Sequence[Objective]
) -> list[tuple[int, tuple[float, ...]]]:
    """The feasible trials that were trained to the end, each with the objectives' values, in the order of the trials.

    Of a single objective only the best is read, the oldest of equals.
    """
    if not has_tables(database):
        return []
    feasible = and_(_marked(FEASIBLE, "true"), ~_marked(DUPLICATE_OF), TRIALS.c.state == "COMPLETE")
    query = _of(TRIALS.c.number, VALUES.c.objective, VALUES.c.value, beside=VALUES)
    query = query.where(*_named(study), feasible, VALUES.c.value.is_not(None))
    if len(objectives) == 1:
        value = VALUES.c.value
        ranked = value.desc() if objectives[0].direction == "maximize" else value.asc()
        query = query.order_by(ranked, TRIALS.c.number).limit(1)
    found: dict[int, dict[int, float]] = {}
    for number, objective, value in database.read(query):
        found.setdefault(number, {})[objective] = value
    wanted = range(len(objectives))
    whole = {number: values for number, values in sorted(found.items()) if len(values) == len(objectives)}
    return [(number, tuple(values[k] for k in wanted)) for number, values in whole.items()]


def has_tables(database: Database) -> bool:
    """Whether Optuna's tables are there."""
    with database.reported():
        return database.has_tables and database.patience.run(lambda: inspect(database.engine).has_table(TRIALS.name))


def _of(*columns: Any, beside: TableClause | None = None) -> Select[Any]:
    """A SELECT over the trials with their study, and a table that has rows of a trial."""
    trials: Any = TRIALS.join(STUDIES, TRIALS.c.study_id == STUDIES.c.study_id)
    if beside is not None:
        trials = trials.join(beside, beside.c.trial_id == TRIALS.c.trial_id)
    return select(*columns).select_from(trials)


def _named(study: str | None) -> list[ColumnElement[bool]]:
    return [] if study is None else [STUDIES.c.study_name == study]


def _marked(key: str, value: str | None = None) -> ColumnElement[bool]:
    """Whether a trial has an attribute, with that value in JSON if it is given."""
    own = and_(ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, ATTRIBUTES.c.key == key)
    is_value = ATTRIBUTES.c.value_json != "null" if value is None else ATTRIBUTES.c.value_json == value
    return select(ATTRIBUTES.c.key).where(own, is_value).correlate(TRIALS).exists()


def _params(database: Database, chosen: ColumnElement[bool]) -> dict[int, dict[str, Any]]:
    # Optuna gives a name one kind of distribution and, where it has choices, one list of them.
    name, value, distribution = PARAMS.c.param_name, PARAMS.c.param_value, PARAMS.c.distribution_json
    kinds = database.read(_of(name, distribution, beside=PARAMS).where(chosen).distinct())
    decode = {kind: _decoder(text) for kind, text in kinds}
    params: dict[int, dict[str, Any]] = {}
    query = _of(TRIALS.c.number, name, value, beside=PARAMS).where(chosen).order_by(PARAMS.c.param_id)
    for number, kind, stored in database.read(query):
        if kind in decode:  # else it was suggested a moment ago
            params.setdefault(number, {})[kind] = decode[kind](stored)
    return params


def _decoder(distribution: str) -> Callable[[float], Any]:
    """From a stored number to the suggested value: `to_external_repr` of Optuna's distribution."""
    data = json.loads(distribution)
    if data["name"] == "CategoricalDistribution":
        choices = data["attributes"]["choices"]
        return lambda value: choices[int(value)]
    return int if data["name"].startswith("Int") else float
