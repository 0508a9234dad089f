"""launch: a study from its spec to its result, new or resumed, under the study's lease."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from nas.errors import SpecError, UserError
from nas.executors import Executor
from nas.search import pruners, samplers
from nas.search.certification import adopt, as_begun, with_certificate
from nas.search.loop import Loop
from nas.search.objects import Callback
from nas.search.optuna_adapter import quiet
from nas.search.provenance import check_code, provenance
from nas.search.request import Asked, OwnSpace, Request, Study, requested
from nas.search.setup import Setup, differences, set_up
from nas.search.summary import summarize
from nas.search.workers import workers
from nas.storage import Lease, Store, StudyRecord, check_writable, known_study, open_store
from nas.storage.attributes import attributes
from nas.storage.results import Result, result
from nas.studies.spec import StudySpec
from nas.studies.verdict import proxy_line

Say = Callable[[str], None]

STORAGE = "sqlite:///nas.db"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def launch(
    study: Study,
    *,
    space: OwnSpace | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    objective: Asked | Sequence[Asked] | None = None,
    callbacks: Iterable[Callback] = (),
    plugins: Iterable[str | Path] = (),
    storage: str = STORAGE,
    artifacts: Path | None = None,
    say: Say = _to_stderr,
) -> Result:
    """Run a study to the end of its budget, or go on with it: the same name in the same database is the same study.

    Args:
        study: a value (`nas.Study`), a mapping, a shipped study's name, a YAML file, or one that `open_study` opened.
        space: a class derived from `nas.Space`, a search-space file as a mapping, or a name, in place of the study's.
        sampler: an Optuna sampler in place of the study's. The study keeps its class and settings; to go on with the
            study, give it again.
        pruner: an Optuna pruner, likewise.
        objective: a metric's name, `{"metric": ..., "direction": ...}`, or several, in place of the study's.
        callbacks: each is called with every `nas.FinishedTrial`. An exception ends the launch; what was recorded stays.
        plugins: plugin files, loaded first. Their text is kept with the study and sent to the workers.
        storage: URL of the study database.
        artifacts: folder for weights; by default beside a SQLite file.
        say: called with the progress, a line at a time.

    Returns:
        What the study found.

    Raises:
        UserError: the study, its data or its database cannot be used as asked; nothing was written.
        NASError: a callback failed.
        KeyboardInterrupt: before the search began; later an interrupt ends it with state `interrupted`.

    Example:
        >>> import nas
        >>> task = {"kind": "detection", "data": {"kind": "digits"}}
        >>> result = nas.launch({"task": task, "budget": {"trials": 8}}, space="pyramid")  # doctest: +SKIP
    """
    request = requested(
        study, space=space, sampler=sampler, pruner=pruner, objective=objective, callbacks=callbacks, files=plugins
    )
    with request.file.locating():
        return _launched(request, storage, artifacts, say)


def _launched(request: Request, storage: str, artifacts: Path | None, say: Say) -> Result:
    name = str(request.spec.name)
    check_writable(storage, artifacts)
    known, setup = _checked(request, storage, say)
    if setup.points:
        say(f"baselines in the search space, which the sampler learns from: {', '.join(setup.points)}")
    with (
        # Before anything is written: a cluster that cannot be joined leaves no study behind.
        workers(setup.spec, setup.task, say, setup.validates) as executor,
        open_store(storage, create=True, artifacts=artifacts) as store,
        store.reported(),
        _lease(store, setup, known, request.file.text) as lease,
    ):
        store.update_spec(name, setup.spec)
        _share(store, setup)
        adopt(store, setup)
        say(proxy_line(setup.certificate, setup.proxy))
        return _drive(store, setup, executor, lease, say)


def plan(study: Study, storage: str = STORAGE, say: Say = _to_stderr) -> Setup:
    """What a launch would do: everything checked and prepared, nothing written."""
    request = requested(study)
    with request.file.locating():
        return _checked(request, storage, say)[1]


def _checked(request: Request, storage: str, say: Say) -> tuple[StudyRecord | None, Setup]:
    """The study as the database has it, if it does, and all that a launch of it needs."""
    spec = request.spec
    known, backbone = known_study(storage, spec.name)
    if known is not None:
        with open_store(storage, create=False) as store:
            store.check_free(known.name)
        spec = as_begun(known, spec, say)
        check_code(known, spec)
        _check_resumed(known, spec)
    setup = set_up(spec, say, backbone, request.objects)
    if known is not None:
        _check_unchanged(known, setup)
    return known, with_certificate(known, setup, storage, say)


def _check_resumed(known: StudyRecord, spec: StudySpec) -> None:
    faults = differences(known.spec, spec)
    if faults:
        where = f"study {known.name!r} cannot go on with other settings (give it another --name)"
        raise SpecError(where, faults)


def _check_unchanged(known: StudyRecord, setup: Setup) -> None:
    if known.provenance["space"] != setup.space.to_dict():
        raise UserError(
            f"search space {setup.space.name!r} has changed since study {known.name!r} began; launch it under another "
            "--name"
        )
    if known.task != setup.task.fingerprint:
        raise UserError(
            f"data, weights or evaluator have changed since study {known.name!r} began (task {known.task}, now "
            f"{setup.task.fingerprint}), so that its trials could not be compared; launch it under another --name"
        )


def _lease(store: Store, setup: Setup, known: StudyRecord | None, text: str) -> Lease:
    """The lease of the study, which is written if nobody knew it; the lease comes with it, for another launch may be at
    the same point.

    Raises:
        UserError: the study is running, was begun meanwhile, or is another tool's.
    """
    name = setup.spec.name
    assert name is not None
    # Ours is written before Optuna's, so whoever sees ours missing after he saw Optuna's knows it to be another tool's.
    theirs = {study.study_name for study in store.optuna.get_all_studies()}
    if known is not None:
        return store.lease(name)
    if name in theirs and store.study(name) is None:
        raise UserError(f"the database has a study {name!r} that another tool made; give this one another --name")
    return store.begin(name, setup.spec, text, setup.task.fingerprint, provenance(setup))


def _share(store: Store, setup: Setup) -> None:
    """Keep what the study's workers share, unless it is kept: a launch may have been killed before."""
    # The next launch asks for those of the task, an export for those of an evaluation.
    for owner in {setup.task.fingerprint, setup.fingerprint}:
        for kind, data in setup.task.shared().items():
            if not store.has_artifact(f"task/{owner}", kind):
                store.put_artifact(f"task/{owner}", kind, data)


def _drive(store: Store, setup: Setup, executor: Executor, lease: Lease, say: Say) -> Result:
    """The loop, from a study in the database to its end state."""
    spec = setup.spec
    assert spec.name is not None
    with quiet():
        study = optuna.create_study(
            storage=store.optuna,
            study_name=spec.name,
            directions=[o.direction for o in spec.objectives],
            load_if_exists=True,
            pruner=setup.objects.pruner or pruners.build(spec),
        )
        study.set_metric_names([o.metric for o in spec.objectives])
        trials = study.get_trials(deepcopy=False)
        own = setup.objects.sampler
        study.sampler = own or samplers.build(spec, len(trials), _baselines(setup, trials))
        state = Loop(setup, store, study, executor, lease, say).run()
        lease.close(state)
        summarize(store, study)
    return result(store, spec.name)


def _baselines(setup: Setup, trials: Sequence[optuna.trial.FrozenTrial]) -> samplers.Baselines:
    """How many baselines are asked as points of the space. Older studies enqueued them all without parameters."""
    asked = {marks.baseline: marks.in_space for marks in map(attributes, trials) if marks.baseline is not None}
    inside = sum(asked.get(name, name in setup.points) for name in setup.baselines)
    return samplers.Baselines(inside, len(setup.baselines) - inside)
