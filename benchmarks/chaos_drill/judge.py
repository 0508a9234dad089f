"""Judge: what must hold of a study after any fault, and at its end."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing

from chaos_drill.world import STUDY, Driver, World

from nas.models.measurement_lock import MeasurementLock
from nas.storage.results import result, study_record
from nas.studies.task import TaskSpec
from nas.tasks import prepare
from nas.tasks.weights import load_state, unpacked


def look(world: World) -> None:
    """No finished trial is lost or has other values than before."""
    found = {trial.number: trial.values for trial in world.trials() if trial.state.name == "COMPLETE"}
    for number, values in world.finished.items():
        if found.get(number) != values:
            world.violations.append(f"trial {number} had {values}, and has {found.get(number)} now")
    world.finished = found


def look_at_end(world: World, driver: Driver, fault: str, endings: tuple[int, ...]) -> None:
    """A launch ended by a fault as it may, in one sentence; if it could still write, no trial is RUNNING."""
    if driver.status not in endings:
        world.violations.append(f"{fault}: the launch ended with {driver.status}: {driver.stderr[-600:]}")
    traceback(world, driver, fault)
    if driver.status == 130 and "stopped at once" not in driver.stderr:
        if running := world.states("RUNNING"):
            world.violations.append(f"{fault}: {running} trials are RUNNING after the launch was interrupted")
        if "the same `nas launch` resumes here" not in driver.stderr:
            world.violations.append(f"{fault}: the launch does not say how to go on: {driver.stderr[-600:]}")


def traceback(world: World, driver: Driver, fault: str) -> None:
    if "Traceback" in driver.stderr or "a bug of this program" in driver.stderr:
        world.violations.append(f"{fault}: a traceback: {driver.stderr[-1500:]}")


def judge(world: World, trials: int) -> None:
    """The whole study, after its last launch came to its end."""
    say, last = world.violations.append, world.drivers[-1]
    if last.status != 0:
        say(f"the last launch ended with {last.status}: {last.stderr[-600:]}")
        return
    look(world)
    with world.store() as store:
        bound, frozen = store.trials(STUDY), world.trials()
        counts, printed = result(store, STUDY).trials.model_dump(), world.result(last)["trials"]
        states = Counter(trial.state.name for trial in frozen)
        if counts != printed or sum(counts.values()) != len(frozen):
            say(f"a wrong count: {printed} was printed, {counts} is stored, Optuna has {dict(states)}")
        if counts["complete"] != trials or counts["failed"]:
            say(f"a wrong count: {trials} trials were asked for: {counts}")
        if left := {state: states[state] for state in ("RUNNING", "WAITING") if states[state]}:
            say(f"trials are left over: {left}")
        if [trial.number for trial in frozen] != list(range(len(frozen))):
            say(f"numbers are missing: {[trial.number for trial in frozen]}")
        if missing := {t.number for t in frozen if t.state.name == "COMPLETE"} - {t.number for t in bound}:
            say(f"trials {missing} are complete in Optuna and unknown to us")
        task = prepare(_task(world), lambda line: None).filled(lambda line: None)
        for key in {trial.key for trial in bound}:
            evaluation = store.evaluation(key)
            ended = [attempt.state for attempt in store.attempts(key)]
            if ended.count("complete") > 1:
                say(f"{key} was trained {ended.count('complete')} times")
            if evaluation is None:
                continue
            if ended.count("complete") != 1 and evaluation.state == "complete":
                say(f"{key} has a result and the attempts {ended}")
            weights = store.get_artifact(str(key), "weights")
            if weights is None:
                say(f"{key} has no weights")
                continue
            model = task.build(evaluation.architecture)
            load_state(model, model.state_dict() | unpacked(weights), str(key))
            with closing(MeasurementLock()) as lock:
                measured = task.session(model).measure(lock)
            recorded = evaluation.measurement.metrics
            if any(recorded[name] != value for name, value in measured.items() if name in recorded):
                say(f"{key}: its weights give {measured}, {recorded} was recorded")
    for file in world.artifacts.iterdir():
        if not file.name.startswith(".") and hashlib.sha256(file.read_bytes()).hexdigest() != file.name:
            say(f"{file} is not what was written")


def _task(world: World) -> TaskSpec:
    with world.store() as store:
        return study_record(store, STUDY).spec.task
