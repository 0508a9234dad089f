"""Sentences of a report: the question that a study asks, and its answer so far."""

from __future__ import annotations

from nas.report.facts import StudyFacts
from nas.report.figures.look import LABELS
from nas.storage.results import Found, Overview, best_of
from nas.studies.metrics import FORECASTS, format_metric
from nas.studies.spec import Objective, StudySpec
from nas.text import duration

HEADS = {"fcos": "an FCOS head", "retinanet": "a RetinaNet head", "faster_rcnn": "a Faster R-CNN head"}

ONCE = "Each was trained once, so that the difference may be the noise of the seed; `nas confirm` measures it."


def question(spec: StudySpec) -> str:
    """What a study asks."""
    task = spec.task
    head = HEADS.get(
        task.head_kind, "a segmentation head" if task.kind == "segmentation" else f"a {task.head_kind} head"
    )
    goals = " and ".join(f"the {_extreme(o)} {_label(o.metric)}" for o in spec.objectives)
    bounds = " and ".join(f"at most {format_metric(m, b)} {_label(m)}" for m, b in spec.constraints.items())
    place = f"between {task.backbone.name} ({task.backbone.tune}) and {head}"
    limit = f", with {bounds}" if bounds else ""
    return f"Which feature pyramid {place} has {goals} on {data_name(spec)} at {task.image_size} px{limit}?"


def data_name(spec: StudySpec) -> str:
    """The data in a few words."""
    data = spec.task.data
    if data.kind == "digits":
        return "scenes of handwritten digits"
    name = data.root.rstrip("/").rpartition("/")[2] if data.root is not None else ""
    return f"{name} ({data.kind})" if name else f"{data.kind} data"


def answer(facts: StudyFacts) -> str:
    """What a study has found, in a sentence or two."""
    return answer_of(facts.result)


def answer_of(found: Overview) -> str:
    """`answer` of a result alone."""
    if found.answer is not None:
        return found.answer.sentence
    if not found.best:
        return _nothing(found)
    until = "" if found.state in ("done", "exhausted") else " so far"
    if len(found.objectives) > 1:
        return f"{_front(found)}{until}. {ONCE}"
    objective = found.objectives[0]
    best, name = found.best[0], objective.metric
    start = f"{_name(best, first=True)} has the {_extreme(objective)} {_label(name)}{until}: {_value(best, name)}"
    rivals = [b for b in found.baselines if b.feasible and b.values.get(name) is not None]
    if best.name is not None:
        return f"No proposal beats the baselines{until}. {start}. {ONCE}" if found.trials.complete > 1 else f"{start}."
    if not rivals:
        return f"{start}; no baseline was trained. {ONCE}"
    rival = best_of(rivals, [objective])[0]
    gain = abs((best.values[name] or 0.0) - (rival.values[name] or 0.0))
    better = "more" if objective.direction == "maximize" else "less"
    beside = f"{format_metric(name, gain)} {better} than the best baseline, {rival.name} ({_value(rival, name)})"
    return f"{start}, {beside}. {ONCE}"


def progress_line(facts: StudyFacts) -> str:
    """How far a running study is; empty for others."""
    now = facts.progress
    if facts.record.state != "running" or now is None:
        return ""
    total = f" of {now.trials}" if now.trials else ""
    left = f", about {duration(now.seconds_left)} left for the trials" if now.seconds_left else ""
    stage = "; the finalists are trained in full" if now.stage == "finalists" else ""
    return f"{now.trained}{total} necks trained, {len(now.runs)} training now{left}{stage}."


def _nothing(found: Overview) -> str:
    counts = found.trials
    if counts.failed and not counts.complete:
        return (
            f"There is no answer: all {counts.failed} trials that ended failed."
            if counts.failed > 1
            else ("There is no answer: the one trial that ended failed.")
        )
    if counts.complete:
        return f"There is no answer: none of the {counts.complete} trained necks meets the constraints."
    if found.state == "failed":
        return "There is no answer: the study failed before a trial was trained."
    return "There is no answer yet: no trial has been trained to its end."


def _front(found: Overview) -> str:
    names = [o.metric for o in found.objectives]
    leaders = [(o, best_of(found.best, [o])[0]) for o in found.objectives]
    best = [f"{_name(f)} has the {_extreme(o)} {_label(o.metric)} ({_value(f, o.metric)})" for o, f in leaders]
    proposals = sum(f.name is None for f in found.best)
    count = f"{len(found.best)} necks are" if len(found.best) > 1 else "1 neck is"
    return (
        f"{count} on the Pareto front of {' and '.join(_label(n) for n in names)}, {proposals} of them proposed by "
        f"the search; {', '.join(best)}"
    )


def _extreme(objective: Objective) -> str:
    return "highest" if objective.direction == "maximize" else "lowest"


def _label(metric: str) -> str:
    if metric in FORECASTS:
        return f"forecast {LABELS[FORECASTS[metric]]} after full training"
    return {"latency_ms": "latency"}.get(metric, LABELS.get(metric, metric))


def _value(found: Found, metric: str) -> str:
    unit = " ms" if metric == "latency_ms" else ""
    return f"{format_metric(metric, found.values.get(metric))}{unit}"


def _name(found: Found, first: bool = False) -> str:
    if found.name is not None:
        return f"{'The' if first else 'the'} baseline {found.name}"
    return f"{'Trial' if first else 'trial'} {found.trial}"
