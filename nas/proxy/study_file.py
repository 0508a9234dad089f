"""A study file with another proxy; everything else of it stays as it was written."""

from __future__ import annotations

import re
from io import StringIO
from os.path import abspath
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from nas.errors import SpecError
from nas.studies.catalog import make_absolute
from nas.studies.certificate import THRESHOLD, Certificate, supported_objective, trained_objective
from nas.studies.metrics import metric_of
from nas.studies.spec import SAME_IN_FULL, Objective, StudySpec, TaskSpec
from nas.yaml12 import load_yaml

RANKED = ("search_space", "space", "objectives", "constraints", "baselines")
"""Keys beside the task that a certificate depends on: which necks, ranked by what."""


def with_proxy(
    text: str, certificate: Certificate, study: StudySpec, base: Path | None = None, moved: bool = False
) -> str:
    """The YAML text of a study with a certified proxy, and the certificate's figures in a comment above the task.

    The full training stays what it was: its epochs are written down, and what the proxy does differently. Where `study`
    differs from the text in RANKED, data or backbone, its values are written too.

    Args:
        text: the study file.
        study: the study that was certified, of that file with changes.
        base: folder to which paths in the text are relative.
        moved: whether to make those paths absolute.
    """
    text = re.sub(r"(?m)^# nas proxy --search:.*\n", "", text)  # of an earlier search
    if moved and base is not None:
        text = re.sub(r"(?m)(?<=^# yaml-language-server: \$schema=)(?!\w+:)\S+", lambda x: abspath(base / x[0]), text)
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    written = _parse(text, base)
    proxy, full = _settings(certificate.proxy.task), _settings(certificate.full.task)
    task, defaults = data["task"], _settings(TaskSpec.parse({"kind": "detection", "data": {"kind": "digits"}}))
    task |= {k: v for k, v in proxy.items() if v != task.get(k, defaults[k])} | {"epochs": proxy["epochs"]}
    for key, values in _content(study.task).items():
        before = _content(written.task)[key] if written is not None else {}
        if changed := {k: v for k, v in values.items() if v != before.get(k)}:
            task[key] = (dict(task[key]) if isinstance(task.get(key), dict) else {}) | changed
    if "full" not in data:
        data.insert(list(data).index("task") + 1, "full", {})
    data["full"] |= {k: v for k, v in full.items() if v != proxy[k]} | {"epochs": full["epochs"]}
    ranked = study.model_dump(mode="json", include=set(RANKED))
    ranked["objectives"] = [_short(objective) for objective in study.objectives]
    data |= {key: ranked[key] for key in RANKED if written is None or getattr(written, key) != getattr(study, key)}
    if moved and base is not None:
        make_absolute(data, base)
    objective = trained_objective(study)
    assert objective is not None  # otherwise there is no certificate
    figures = comment(certificate, supported_objective(objective, certificate).metric)
    flow = data.fa.flow_style()
    if not flow:
        data.yaml_set_comment_before_after_key("task", before=figures)
    out = StringIO()
    yaml.dump(data, out)
    return f"# {figures}\n{out.getvalue()}" if flow else out.getvalue()


def comment(certificate: Certificate, metric: str) -> str:
    """The figures of an objective in one line."""
    judged = certificate.figures(metric)
    name = "tau" if judged is certificate else f"tau of {metric}"
    asked = "" if certificate.threshold == THRESHOLD else f", asked {certificate.threshold:.2f}"
    figures = f"{name} {judged.tau:.2f} ({judged.low:.2f} to {judged.high:.2f}{asked})"
    rest = f"regret {judged.regret:.3f} {certificate.metric}, {certificate.cost_ratio:.3f} of the full cost"
    return f"nas proxy --search: {figures} over {certificate.necks} necks, {rest}"


def _parse(text: str, base: Path | None) -> StudySpec | None:
    """The study of the file without changes; None if it has faults."""
    data = load_yaml(text, "the study")
    if base is not None:
        make_absolute(data, base)
    try:
        return StudySpec.parse(data)
    except SpecError:
        return None


def _short(objective: Objective) -> str | dict[str, Any]:
    """The objective by its name alone, if the rest has defaults."""
    data = objective.to_dict()
    if objective.direction == metric_of(objective.metric).direction:
        del data["direction"]
    return data if len(data) > 1 else objective.metric


def _content(task: TaskSpec) -> dict[str, dict[str, Any]]:
    """The data and the backbone, wherever their files lie."""
    backbone = task.backbone.model_dump(mode="json", exclude={"checkpoint"})
    return {"data": task.data.model_dump(mode="json", exclude={"root"}), "backbone": backbone}


def _settings(task: TaskSpec) -> dict[str, Any]:
    """The keys that may differ between two trainings of a study."""
    return task.model_dump(mode="json", exclude=set(SAME_IN_FULL))
