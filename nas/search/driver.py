"""launch: a study from its spec to its result. Runs the loop under the study's lease, on a new or a resumed study."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from nas import __version__
from nas.errors import MissingDatabase, SpecError, UserError
from nas.executors import EXECUTORS, Executor
from nas.search import pruners, samplers
from nas.search.certification import adopt, as_begun, with_certificate
from nas.search.figures import learning_curves, save_figure, trade_off
from nas.search.loop import Loop
from nas.search.notes import save_study_note, study_note
from nas.search.setup import Setup, differences, set_up
from nas.storage import Lease, Store, StudyRecord, open_store
from nas.storage.results import Result, result, trained
from nas.studies import catalog
from nas.studies.metrics import FORECASTS, METRICS, Metrics
from nas.studies.spec import StudySpec
from nas.studies.verdict import standing

if TYPE_CHECKING:
    import optuna

Say = Callable[[str], None]

STORAGE = "sqlite:///nas.db"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def launch(
    spec: StudySpec | Mapping[str, Any] | str | Path,
    *,
    text: str | None = None,
    storage: str = STORAGE,
    artifacts: Path | None = None,
    say: Say = _to_stderr,
) -> Result:
    """Run a study to the end of its budget, or go on with it: the same name in the same database is the same study.

    Args:
        spec: the study, as a value, a mapping, a shipped study's name or a YAML file.
        text: the YAML it came from, kept verbatim.
        storage: URL of the study database.
        artifacts: folder for weights; by default beside a SQLite file.
        say: told of the progress, a line at a time.

    Raises:
        UserError: the study, its data or its database cannot be used as asked; nothing was written.
        KeyboardInterrupt: before the search began; later an interrupt ends it with state `interrupted`.
    """
    if isinstance(spec, str | Path):
        spec, text = catalog.read_study(str(spec))
    elif not isinstance(spec, StudySpec):
        spec = StudySpec.parse(spec, "study")
    name = spec.name or "study"
    spec = spec.model_copy(update={"name": name})
    known, setup = _checked(spec, storage, say)
    if setup.points:
        say(f"baselines in the search space, which the sampler learns from: {', '.join(setup.points)}")
    with (
        # Before anything is written: a cluster that cannot be joined leaves no study behind.
        EXECUTORS[spec.executor](_evaluate(), setup.task.filled(say), spec.workers, spec.address) as executor,
        terminated_as_interrupted(),  # after Ray, which takes the signal for itself
        open_store(storage, create=True, artifacts=artifacts) as store,
    ):
        if known is None:
            _create(store, setup, text or catalog.dump_yaml(spec.to_dict()))
        adopt(store, setup)
        say(standing(setup.certificate, setup.proxy))
        with store.lease(name) as lease:
            store.update_spec(name, setup.spec)
            return _drive(store, setup, executor, lease, say)


def plan(spec: StudySpec, storage: str = STORAGE, say: Say = _to_stderr) -> Setup:
    """What a launch would do: everything checked and prepared, nothing written."""
    return _checked(spec, storage, say)[1]


def _checked(spec: StudySpec, storage: str, say: Say) -> tuple[StudyRecord | None, Setup]:
    """The study as the database has it, if it does, and all that a launch of it needs."""
    known, backbone = known_study(storage, spec.name)
    if known is not None:
        with open_store(storage, create=False) as store:
            store.check_free(known.name)
        spec = as_begun(known, spec, say)
        _check_resumed(known, spec)
    setup = set_up(spec, say, backbone)
    if known is not None:
        _check_unchanged(known, setup)
    return known, with_certificate(known, setup, storage, say)


def known_study(storage: str, name: str | None) -> tuple[StudyRecord | None, bytes | None]:
    """The study of that name, if the database is there and has it, and the backbone that its trials share."""
    try:
        with open_store(storage, create=False) as store:
            known = store.study(name) if name is not None else None
            if known is None:
                return None, None
            return known, store.get_artifact(f"task/{known.task}", "backbone")
    except MissingDatabase:
        return None, None


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


def _create(store: Store, setup: Setup, text: str) -> None:
    """Write the new study, and what its workers share."""
    name = setup.spec.name
    assert name is not None
    if name in {study.study_name for study in store.optuna.get_all_studies()}:
        raise UserError(f"the database has a study {name!r} that another tool made; give this one another --name")
    for kind, data in setup.task.shared().items():
        store.put_artifact(f"task/{setup.task.fingerprint}", kind, data)
    store.create_study(name, setup.spec, text, setup.task.fingerprint, provenance(setup))


def _drive(store: Store, setup: Setup, executor: Executor, lease: Lease, say: Say) -> Result:
    """The loop, from a study in the database to its end state."""
    import optuna

    spec = setup.spec
    assert spec.name is not None
    with quiet(optuna):
        study = optuna.create_study(
            storage=store.optuna,
            study_name=spec.name,
            directions=[o.direction for o in spec.objectives],
            load_if_exists=True,
            pruner=pruners.build(spec),
        )
        study.set_metric_names([o.metric for o in spec.objectives])
        trials = study.get_trials(deepcopy=False)
        study.sampler = samplers.build(spec, len(trials), _baselines(setup, trials))
        state = Loop(setup, store, study, executor, lease, say).run()
        lease.close(state)
        sum_up(store, study)
    return result(store, spec.name)


def _baselines(setup: Setup, trials: Sequence[optuna.trial.FrozenTrial]) -> samplers.Baselines:
    """As they were asked, or will be: a study of before asked them without their parameters."""
    told = {t.user_attrs["baseline"]: bool(t.user_attrs.get("in_space")) for t in trials if "baseline" in t.user_attrs}
    inside = sum(told.get(name, name in setup.points) for name in setup.baselines)
    return samplers.Baselines(inside, len(setup.baselines) - inside)


def sum_up(store: Store, study: optuna.Study) -> None:
    """Tell the dashboard of the study as a whole: a note and two figures."""
    record, found = store.study(study.study_name), result(store, study.study_name)
    assert record is not None
    spec = record.spec
    facts = [standing(found.proxy, record.proxy)]
    save_study_note(study, study_note(spec, _rows(found), facts))
    quality = next((o.metric for o in spec.objectives if METRICS[o.metric].from_training), spec.objectives[0].metric)
    cost = next((o.metric for o in spec.objectives if not METRICS[o.metric].from_training), "params")
    save_figure(study, trade_off(trained(store, study.study_name), quality, cost), "nas-trade-off")
    named = {f.trial: f.name or f"trial {f.trial}" for f in (*found.baselines, *found.best)}
    evaluations = {t.number: store.evaluation(t.key) for t in store.trials(study.study_name) if t.number in named}
    curves = {named[number]: e.curve for number, e in evaluations.items() if e is not None}
    save_figure(study, learning_curves(curves, FORECASTS.get(quality, quality)), "nas-learning-curves")


def _rows(found: Result) -> dict[str, Metrics]:
    """The baselines and the best, by a name for the row."""
    rows = {str(b.name): b.values for b in found.baselines}
    return rows | {f"best: trial {b.trial}": b.values for b in found.best}


def _evaluate() -> Any:
    from nas.executors.evaluate import evaluate

    return evaluate


def provenance(setup: Setup) -> dict[str, Any]:
    """Where a study comes from: versions, machine, and what its spec was read as."""
    packages = ("torch", "torchvision", "timm", "optuna", "ray", "faster-coco-eval", "numpy")
    own = {"python": platform.python_version(), "pyramid-nas": __version__}
    return {
        "versions": own | {name: version(name) for name in packages},
        "machine": platform.node(),
        "platform": platform.platform(),
        "space": setup.space.to_dict(),
        "frame": setup.task.frame.model_dump(mode="json"),
    } | ({"forecast": setup.forecast.to_dict()} if setup.forecast is not None else {})


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Optuna's own log lines off: progress is told once, by us."""
    import warnings

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a search as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: its owner decides about signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
