"""Notes in Optuna's dashboard: Markdown beside a trial or a study.

The dashboard keeps them as system attributes of the study (optuna_dashboard._note), so that those of finished trials
can be written too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nas.necks.architecture import Architecture
from nas.necks.describe import describe, shown
from nas.studies.metrics import METRICS, Metrics
from nas.studies.spec import StudySpec

if TYPE_CHECKING:
    import optuna


def trial_note(architecture: Architecture, metrics: Metrics, baseline: str | None = None, drawing: str = "") -> str:
    """What a trial is and what was measured; `drawing` is Markdown that shows the neck."""
    title = f"### Baseline {baseline}\n\n" if baseline is not None else ""
    shown = f"\n{drawing}\n" if drawing else ""
    return f"{title}{describe(architecture)}\n{metrics_table({'': metrics}, turned=True)}{shown}"


def study_note(spec: StudySpec, found: Mapping[str, Metrics], facts: Sequence[str] = ()) -> str:
    """What a study asks, and what it found.

    Args:
        spec: the study.
        found: metrics by a name for the row (`fpn`, `best: trial 7`), baselines first.
        facts: what is worth knowing of the task, a line each.
    """
    goals = ", ".join(f"{objective.direction} {objective.metric}" for objective in spec.objectives)
    bounds = ", ".join(f"{metric} at most {shown(metric, bound)}" for metric, bound in spec.constraints.items())
    listed = [
        f"task: {spec.task.kind} on {spec.task.data.kind}, {spec.task.image_size} px, {spec.task.epochs} epochs",
        f"backbone: {spec.task.backbone.name}, {spec.task.backbone.tune}",
        f"search space: {spec.search_space}",
        f"goal: {goals}" + (f"; {bounds}" if bounds else ""),
        *facts,
    ]
    lines = "\n".join(f"- {line}" for line in listed)
    return f"{lines}\n" + (f"\n{metrics_table(found)}" if found else "")


def metrics_table(rows: Mapping[str, Metrics], *, turned: bool = False) -> str:
    """Metrics as aligned text: a row each, or `turned` a column each. Those that nothing has are left out.

    A table of Markdown's would stand in the dashboard without any space between its columns.
    """
    names = [name for name in METRICS if any(metrics.get(name) is not None for metrics in rows.values())]
    table = [["", *names]] + [
        [label, *(shown(name, metrics.get(name)) for name in names)] for label, metrics in rows.items()
    ]
    if turned:
        table = [list(column) for column in zip(*table, strict=True)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in table
    ]
    body = "\n".join(line for line in lines if line)
    return f"```\n{body}\n```\n"


def save_trial_note(study: optuna.Study, trial: optuna.Trial, body: str) -> None:
    """Write a trial's note, once a trial: two small writes, however many notes there are.

    optuna_dashboard.save_note reads all notes of the study before and after each.
    """
    _save(study, f"dashboard:{trial._trial_id}:", body)


def save_drawing(study: optuna.Study, trial: optuna.Trial, digest: str) -> str:
    """Say that a running trial has a drawing; Markdown that shows it.

    No file is written: the dashboard draws the architecture `digest` when it is asked for that artifact.
    """
    told = {"artifact_id": digest, "filename": "neck.svg", "mimetype": "image/svg+xml", "encoding": None}
    study._storage.set_trial_system_attr(trial._trial_id, f"artifacts:{digest}", json.dumps(told))
    return f"![The neck](/artifacts/{study._study_id}/{trial._trial_id}/{digest})"


def save_study_note(study: optuna.Study, body: str) -> None:
    """Write the study's note over an earlier one; one that somebody wrote in the dashboard is kept."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    if attributes.get("dashboard:note_ver", 1) == 1:
        _save(study, "dashboard:", body)


def _save(study: optuna.Study, prefix: str, body: str) -> None:
    study._storage.set_study_system_attr(study._study_id, f"{prefix}note_ver", 1)
    study._storage.set_study_system_attr(study._study_id, f"{prefix}note_str:0", body)
