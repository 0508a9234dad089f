"""launch: a study from its spec to its result, new or resumed, under the study's lease."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from nas.errors import UserError
from nas.executors import Executor
from nas.search import pruners, samplers
from nas.search.certification import import_shipped_certificate, with_certificate, with_first_objectives
from nas.search.driver_storage import DriverStorage
from nas.search.fresh import FreshSampler, KnownNecks
from nas.search.loop import Loop
from nas.search.objects import Callback, Objects
from nas.search.optuna_adapter import quiet
from nas.search.provenance import check_setup, check_spec, provenance, with_first_device
from nas.search.reporter import OnProgress, Reporter
from nas.search.request import Asked, OwnSpace, Request, Study, requested
from nas.search.setup import Setup, set_up
from nas.search.sinks import Sinks, built, opened
from nas.search.summary import summarize
from nas.search.warm_start import earlier_necks
from nas.search.workers import workers
from nas.storage import Lease, Store, StudyRecord, check_writable, known_study, open_store
from nas.storage.attributes import attributes
from nas.storage.results import Result, overview, result
from nas.studies.metrics import model_metrics
from nas.studies.spec import StudySpec
from nas.studies.verdict import proxy_line
from nas.text import Say

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
    artifacts: str | Path | None = None,
    sinks: Iterable[str] = (),
    say: Say = _to_stderr,
    on_progress: OnProgress | None = None,
) -> Result:
    """Run a study to the end of its budget, or resume it: the same name in the same database is the same study.

    Args:
        study: a value (`nas.Study`), a mapping, a shipped study's name, a YAML file, or one that `open_study` opened.
        space: a class derived from `nas.Space`, a search-space file as a mapping, or a name, in place of the study's.
        sampler: an Optuna sampler in place of the study's. The study records its class and settings; to resume the
            study, give it again.
        pruner: an Optuna pruner, likewise.
        objective: a metric's name, `{"metric": ..., "direction": ...}`, or several, in place of the study's.
        callbacks: each is called with every `nas.FinishedTrial`. An exception ends the launch; what was recorded stays.
        plugins: plugin files, loaded first. Their text is kept with the study and sent to the workers.
        storage: URL of the study database.
        artifacts: folder or URL for weights; by default a folder beside a SQLite file.
        sinks: trackers that get the trainings as they run: `tensorboard:FOLDER`, `mlflow:URI`, or another name of the
            table `sinks`. One that fails is dropped with a line.
        say: called with each line of progress.
        on_progress: called with what the workers do, every few seconds.

    Returns:
        The study's results.

    Raises:
        UserError: the study, its data or its database cannot be used as asked; nothing was written.
        NASError: a callback failed.
        KeyboardInterrupt: before the search began; later an interrupt ends it with state `interrupted`.

    Example:
        >>> import nas
        >>> task = {"kind": "detection", "data": {"kind": "digits"}}
        >>> result = nas.launch({"task": task, "budget": {"trials": 8}}, space="pyramid")  # doctest: +SKIP
    """
    objects = Objects(sampler, pruner, tuple(callbacks))
    request = requested(study, space=space, objective=objective, objects=objects, files=plugins)
    with request.file.locating():
        return _launched(request, storage, artifacts, tuple(sinks), say, on_progress)


def confirm(
    study: Study,
    *,
    top: int = 3,
    seeds: int = 3,
    storage: str = STORAGE,
    artifacts: str | Path | None = None,
    sinks: Iterable[str] = (),
    say: Say = _to_stderr,
    on_progress: OnProgress | None = None,
) -> Result:
    """Train the best of a study that is done in full, with several seeds, and compare them; or go on with that.

    Args:
        study: as for `launch`.
        top: how many of the best trials; the best baseline and FPN, if it is one, are trained as well.
        seeds: trainings of each.
        storage: URL of the study database.
        artifacts: folder or URL for weights; by default a folder beside a SQLite file.
        sinks: as for `launch`.
        say: called with each line of progress.
        on_progress: called with what the workers do, every few seconds.

    Returns:
        What the study found; its `answer` says what the finalists show.

    Raises:
        UserError: there is no such study, or its search has not ended.
    """
    request = requested(study)
    known, _ = known_study(storage, request.spec.name, say)
    if known is None:
        raise UserError(f"there is no study {request.spec.name!r} in the database to confirm: launch it first")
    trials = request.spec.budget.trials
    with open_store(storage, create=False) as store:
        counts = overview(store, known.name).trials
    used = trials is not None and counts.complete + counts.pruned >= trials
    if known.state not in ("done", "exhausted") and not used:
        raise UserError(f"study {known.name!r} is {known.state}: launch it to its end first, then confirm it")
    settings = {"finalists": {"top": top, "seeds": seeds}, "budget": known.spec.budget}
    spec = StudySpec.parse(request.spec.model_dump() | settings, request.file.where)
    return launch(
        replace(request.file, study=spec),
        storage=storage,
        artifacts=artifacts,
        sinks=sinks,
        say=say,
        on_progress=on_progress,
    )


def plan(study: Study, storage: str = STORAGE, say: Say = _to_stderr, sinks: Iterable[str] = ()) -> Setup:
    """What a launch would do: everything checked and prepared, nothing written."""
    request = requested(study)
    built(sinks, str(request.spec.name))
    with request.file.locating():
        known, setup = _checked(request, storage, say)
        return setup.with_pace(_recorded_pace(setup, storage) if known is not None else None)


def _recorded_pace(setup: Setup, storage: str) -> float | None:
    with open_store(storage, create=False) as store:
        return store.epoch_seconds(setup.fingerprint)


def _launched(
    request: Request,
    storage: str,
    artifacts: str | Path | None,
    asked: Sequence[str],
    say: Say,
    on_progress: OnProgress | None,
) -> Result:
    name = str(request.spec.name)
    check_writable(storage, artifacts)
    found = built(asked, name)
    known, setup = _checked(request, storage, say)
    validates = bool(model_metrics(setup.spec.metrics_needed))
    with (
        opened(found, say) as sinks,
        # Before anything is written: a cluster that cannot be joined leaves no study behind.
        workers(setup.spec, setup.task, say, validates) as executor,
        open_store(storage, create=True, artifacts=artifacts, say=say) as store,
        store.reported(),
        _lease(store, name, setup, known, request.file.text) as lease,
    ):
        # Workers start meanwhile.
        store.sweep_artifacts()
        if setup.points:
            say(f"baselines in the search space, which the sampler learns from: {', '.join(setup.points)}")
        if setup.earlier:
            earlier = ", ".join(neck.origin for neck in setup.earlier)
            say(f"warm start, trials of earlier studies that are tried first: {earlier}")
        store.update_spec(name, setup.spec)
        _share(store, setup)
        import_shipped_certificate(store, setup)
        say(proxy_line(setup.certificate, setup.proxy))
        setup = setup.with_pace(store.epoch_seconds(setup.fingerprint))
        for line in setup.outlay_lines():
            say(line)
        return _drive(store, name, setup, executor, lease, say, on_progress, sinks)


def _checked(request: Request, storage: str, say: Say) -> tuple[StudyRecord | None, Setup]:
    """The study's record in the database, if it has one, and all that a launch of it needs."""
    spec = request.spec
    known, backbone = known_study(storage, spec.name, say)
    if known is not None:
        with open_store(storage, create=False, say=say) as store:
            store.check_free(known.name)
        spec = with_first_device(known, with_first_objectives(known, spec, say))
        check_spec(known, spec)
    setup = set_up(spec, say, backbone, request.objects)
    if spec.finalists != "none":
        setup = replace(setup, task=setup.task.with_test(say))
    if known is not None:
        check_setup(known, setup)
    setup = replace(setup, earlier=tuple(earlier_necks(setup, storage)))
    return known, with_certificate(known, setup, storage, say)


def _lease(store: Store, name: str, setup: Setup, known: StudyRecord | None, text: str) -> Lease:
    """The lease of the study. A new study is written together with its lease: another launch may be at the same point.

    Raises:
        UserError: the study is running, was begun meanwhile, or is another tool's.
    """
    # Our study is written before Optuna's: if only Optuna's is there, another tool made it.
    theirs = {study.study_name for study in store.optuna.get_all_studies()}
    if known is not None:
        return store.lease(name)
    if name in theirs and store.study(name) is None:
        raise UserError(f"the database has a study {name!r} that another tool made; give this one another --name")
    return store.begin(name, setup.spec, text, setup.task.fingerprint, provenance(setup))


def _share(store: Store, setup: Setup) -> None:
    """Keep what the study's workers share, unless an earlier launch did."""
    # The next launch asks for those of the task, an export for those of an evaluation.
    for owner in {setup.task.fingerprint, setup.fingerprint}:
        for kind, data in setup.task.shared().items():
            if not store.has_sound_artifact(f"task/{owner}", kind):
                store.put_artifact(f"task/{owner}", kind, data)


def _drive(
    store: Store,
    name: str,
    setup: Setup,
    executor: Executor,
    lease: Lease,
    say: Say,
    on_progress: OnProgress | None,
    sinks: Sinks,
) -> Result:
    """Run the loop for a study in the database."""
    spec, objects = setup.spec, setup.objects
    with quiet():
        study = optuna.create_study(
            storage=store.optuna,
            study_name=name,
            directions=[o.direction for o in spec.objectives],
            load_if_exists=True,
        )
        storage = DriverStorage(store, study._study_id)
        study = optuna.load_study(
            study_name=name,
            storage=storage,
            pruner=objects.pruner or pruners.build(spec),
        )
        study.set_metric_names([o.metric for o in spec.objectives])
        trials = study.get_trials(deepcopy=False)
        facts = spec, len(trials), _baselines(setup, trials), lambda trial: setup.space.ask(trial, setup.task.frame)
        study.sampler = objects.sampler or samplers.build(*facts)
        reporter = Reporter(spec, executor, say, sinks, watched=on_progress is not None)
        loop = Loop(setup, store, study, executor, lease, reporter, on_progress)
        if objects.sampler is None:
            known = KnownNecks(setup, loop.is_known)
            study.sampler = FreshSampler(study.sampler, samplers.looser(*facts), known, spec.seed + len(trials))
        state = loop.run()
        lease.close(state)
        summarize(store, study)
        storage.close()
    return result(store, name)


def _baselines(setup: Setup, trials: Sequence[optuna.trial.FrozenTrial]) -> samplers.Baselines:
    """How many baselines are asked as points of the space. Older studies enqueued them all without parameters."""
    asked = {marks.baseline: marks.in_space for marks in map(attributes, trials) if marks.baseline is not None}
    inside = sum(asked.get(name, name in setup.points) for name in setup.baselines)
    return samplers.Baselines(inside, len(setup.baselines) - inside)
