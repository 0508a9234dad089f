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
    return f"{title}{describe(architecture)}\n{metrics_table({'': metrics}, turned=True)}{shown}"


def study_note(
    spec: StudySpec, found: Mapping[str, Metrics], facts: Sequence[str] = (), effects: Sequence[str] = ()
) -> str:
    """What a study asks, and what it found.

    Args:
        spec: the study.
        found: metrics by a name for the row (`fpn`, `best: trial 7`), baselines first.
        facts: what is worth knowing of the task, a line each.
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


def metrics_table(rows: Mapping[str, Metrics], *, turned: bool = False) -> str:
    """Metrics as aligned text: a row each, or `turned` a column each. Those that nothing has are left out.

    A table of Markdown's would stand in the dashboard without any space between its columns.
    """
    names = in_order(*({name for name, value in metrics.items() if value is not None} for metrics in rows.values()))
    cells = [["", *names]] + [
        [label, *(format_metric(name, metrics.get(name)) for name in names)] for label, metrics in rows.items()
    ]
    if turned:
        cells = [list(column) for column in zip(*cells, strict=True)]
    body = table([row for row in cells if any(row)])
    return f"```\n{body}\n```\n"
