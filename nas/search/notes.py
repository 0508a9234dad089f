"""Notes for Optuna's dashboard: Markdown beside a trial or a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.studies.metrics import Metrics, format_metric, in_order
from nas.studies.spec import StudySpec
from nas.text import table


def trial_note(architecture: Architecture, metrics: Metrics, baseline: str | None = None, drawing: str = "") -> str:
    """What a trial is and what was measured; `drawing` is Markdown that shows the neck."""
    title = f"### Baseline {baseline}\n\n" if baseline is not None else ""
    shown = f"\n{drawing}\n" if drawing else ""
    return f"{title}{describe(architecture)}\n{metrics_table({'': metrics}, transposed=True)}{shown}"


def study_note(
    spec: StudySpec, found: Mapping[str, Metrics], facts: Sequence[str] = (), effects: Sequence[str] = ()
) -> str:
    """A study's settings and its results.

    Args:
        spec: the study.
        found: metrics by a name for the row (`fpn`, `best: trial 7`), baselines first.
        facts: more about the task, a line each.
        effects: what mattered, a sentence each.
    """
    goals = ", ".join(f"{objective.direction} {objective.metric}" for objective in spec.objectives)
    bounds = ", ".join(f"{metric} at most {format_metric(metric, bound)}" for metric, bound in spec.constraints.items())
    listed = [
        f"task: {spec.task.kind} on {spec.task.data.kind}, {spec.task.image_size} px, {spec.task.epochs} epochs",
        f"backbone: {spec.task.backbone.name}, {spec.task.backbone.tune}",
        f"search space: {spec.space_name}",
        f"goal: {goals}" + (f"; {bounds}" if bounds else ""),
        *facts,
    ]
    lines = "\n".join(f"- {line}" for line in listed)
    mattered = "".join(f"\n- {line}" for line in effects)
    return (
        f"{lines}\n"
        + (f"\n{metrics_table(found)}" if found else "")
        + (f"\n### What mattered\n{mattered}\n" if effects else "")
    )


def metrics_table(rows: Mapping[str, Metrics], *, transposed: bool = False) -> str:
    """Metrics as aligned text, a row (or transposed, a column) for each item. Metrics without any value are left out.

    It is no Markdown table: the dashboard would show one without space between its columns.
    """
    names = in_order(*({name for name, value in metrics.items() if value is not None} for metrics in rows.values()))
    cells = [["", *names]]
    cells += [[label, *(format_metric(name, metrics.get(name)) for name in names)] for label, metrics in rows.items()]
    if transposed:
        cells = [list(column) for column in zip(*cells, strict=True)]
    return f"```\n{table([row for row in cells if any(row)])}\n```\n"
