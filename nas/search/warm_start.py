"""Warm start: the best necks of earlier studies are a study's first proposals, behind its baselines."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from nas.errors import MissingDatabase, UserError
from nas.necks.architecture import Frame
from nas.search.baselines import enqueue_baselines
from nas.search.gaussian import Answering, plain_name
from nas.search.ladder import Costs, ranking
from nas.search.setup import Earlier, Setup
from nas.search_space import SearchSpace
from nas.search_space.trials import Choice, ReplayTrial
from nas.storage import Store, open_store
from nas.storage.attributes import TrialAttributes, attributes

TOP = 6
"""Necks of all earlier studies together (see decisions: warm-start)."""


def earlier_necks(setup: Setup, storage: str) -> list[Earlier]:
    """The necks that a study begins with: the best of each study that it names, the second of each, and so on.

    The order within a study is by rank, so that its data, its proxy and its objectives may be others. Necks that are
    baselines here are left out.

    Raises:
        UserError: there is no such study, or none of its necks lies in the space.
    """
    names = setup.spec.warm_start
    if not names:
        return []
    try:
        with open_store(storage, create=False) as store:
            studies = [list(_necks(setup, store, name)) for name in names]
    except MissingDatabase:
        raise UserError(f"warm_start: {storage} has no study {names[0]!r}, because there is no such database") from None
    digests = {setup.task.architecture(neck).digest for neck in setup.baselines.values()}
    found: list[Earlier] = []
    for earlier in (neck for turn in zip_longest(*studies) for neck in turn if neck is not None):
        neck = setup.space.suggest(Answering(random.Random(0), _chosen(earlier.params)), setup.task.frame)
        digest = setup.task.architecture(neck).digest
        if digest not in digests:
            digests.add(digest)
            found.append(earlier)
    return found[:TOP]


def enqueue_first(study: optuna.Study, setup: Setup) -> None:
    """Let Optuna ask for what comes before its own proposals: the baselines, then the necks of earlier studies."""
    enqueue_baselines(study, setup.baselines, setup.points)
    enqueue_earlier(study, setup.earlier)


def enqueue_earlier(study: optuna.Study, earlier: Sequence[Earlier]) -> None:
    """Propose the necks of earlier studies, those that no earlier launch has proposed."""
    asked = {attributes(trial).warm_start for trial in study.get_trials(deepcopy=False)} - {None}
    for neck in [neck for neck in earlier if neck.origin not in asked][: TOP - len(asked)]:
        study.enqueue_trial(neck.params, user_attrs=TrialAttributes(warm_start=neck.origin).to_user_attrs())


def _chosen(params: Mapping[str, Choice]) -> dict[str, Choice]:
    return {plain_name(name): value for name, value in params.items()}


def _necks(setup: Setup, store: Store, name: str) -> Iterator[Earlier]:
    """The necks of a study that lie in the space, the best first."""
    if name == setup.spec.name:
        raise UserError(f"warm_start: {name!r} is this study itself; name earlier ones")
    record = store.study(name)
    if record is None:
        raise UserError(f"warm_start: there is no study {name!r} in the database; take it out, or give its database")
    study = optuna.load_study(study_name=name, storage=store.optuna)
    signs = [1.0 if direction == StudyDirection.MINIMIZE else -1.0 for direction in study.directions]
    costs: dict[str, Costs] = {}
    trials = {str(trial.number): trial for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    for number, trial in trials.items():
        marks = attributes(trial)
        if trial.params and marks.duplicate_of is None and marks.feasible is not False:
            costs[number] = tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
    space, frame = SearchSpace.parse(record.provenance["space"]), Frame.parse(record.provenance["frame"])
    there = False
    for number in ranking(costs):
        wanted = space.ask(ReplayTrial(_chosen(trials[number].params)), frame)
        answering = Answering(random.Random(0), wanted)
        if setup.space.ask(answering, setup.task.frame) == wanted:
            there = True
            yield Earlier(f"{name}/{number}", answering.params)
    if not there:
        raise UserError(f"warm_start: no trained neck of study {name!r} lies in the search space {setup.space.name!r}")
