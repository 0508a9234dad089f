"""A study file with another proxy, all else of it kept as somebody wrote it."""

from __future__ import annotations

import re
from io import StringIO
from os.path import abspath
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from nas.errors import SpecError
from nas.studies.catalog import PATHS, make_absolute
from nas.studies.certificate import THRESHOLD, Certificate, goes_by, trained_objective
from nas.studies.metrics import FORECASTS, metric_of
from nas.studies.spec import Objective, StudySpec, TaskSpec
from nas.yaml12 import load_yaml

_LEAST = {"kind": "detection", "data": {"kind": "digits"}}
"""A task of which all else has its default."""


RANKED = ("search_space", "space", "objectives", "constraints", "baselines")
"""What else a certificate rests on: which necks, judged by what."""


def with_proxy(
    text: str, certificate: Certificate, study: StudySpec, base: Path | None = None, moved: bool = False
) -> str:
    """The YAML `text` of a `study` with the proxy that a certificate proves, its figures in a remark above the task.

    RANKED is written down as the study has it, and what is learnt from, where the text was changed since. Paths in the
    text are relative to the folder `base`; `moved` makes them absolute. The full training stays what it was: its epochs
    are always written down, and what the proxy does otherwise.
    """
    text = re.sub(r"(?m)^# nas proxy --search:.*\n", "", text)  # of an earlier search
    if moved and base is not None:
        text = re.sub(r"(?m)(?<=^# yaml-language-server: \$schema=)(?!\w+:)\S+", lambda x: abspath(base / x[0]), text)
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    data = yaml.load(text)
    proxy, full = _settings(certificate.proxy.task), _settings(certificate.full.task)
    task, defaults = data["task"], _settings(TaskSpec.parse(_LEAST))
    task |= {k: v for k, v in proxy.items() if v != task.get(k, defaults[k])} | {"epochs": proxy["epochs"]}
    written = _sound(text, base)
    for key, asked in _content(study.task).items():
        known = _content(written.task)[key] if written is not None else {}
        if changed := {k: v for k, v in asked.items() if v != known.get(k)}:
            task[key] = (dict(task[key]) if isinstance(task.get(key), dict) else {}) | changed
    kept = {k: v for k, v in full.items() if v != proxy[k]} | {"epochs": full["epochs"]}
    if "full" not in data:
        data.insert(list(data).index("task") + 1, "full", kept)
    else:
        data["full"] |= kept
    ranked = study.model_dump(mode="json", include=set(RANKED))
    ranked["objectives"] = [_short(objective) for objective in study.objectives]
    data |= {key: ranked[key] for key in RANKED if written is None or getattr(written, key) != getattr(study, key)}
    if moved:
        _make_absolute(data, base)
    objective = trained_objective(study)
    assert objective is not None  # or there was nothing to certify
    figures = remark(certificate, goes_by(objective, certificate).metric)
    if not data.fa.flow_style():
        data.yaml_set_comment_before_after_key("task", before=figures)
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue() if not data.fa.flow_style() else f"# {figures}\n{out.getvalue()}"


def _sound(text: str, base: Path | None) -> StudySpec | None:
    """The study of a file alone; None where changes made it sound."""
    data = load_yaml(text, "the study")
    _make_absolute(data, base)
    try:
        return StudySpec.parse(data)
    except SpecError:
        return None


def _make_absolute(data: Any, base: Path | None) -> None:
    if base is not None:
        for key in PATHS:
            make_absolute(data, key, base)


def _short(objective: Objective) -> str | dict[str, Any]:
    """A bare name where that says it all."""
    told = objective.to_dict()
    if objective.direction == metric_of(objective.metric).direction:
        del told["direction"]
    return told if len(told) > 1 else objective.metric


def _content(task: TaskSpec) -> dict[str, dict[str, Any]]:
    """What is learnt from, and by what; where it lies is no part of it."""
    backbone = task.backbone.model_dump(mode="json", exclude={"checkpoint"})
    return {"data": task.data.model_dump(mode="json", exclude={"root"}), "backbone": backbone}


def _settings(task: TaskSpec) -> dict[str, Any]:
    """What may differ between two trainings of a study."""
    return task.model_dump(mode="json", exclude={"kind", "data", "backbone", "device"})


def remark(certificate: Certificate, objective: str) -> str:
    """The figures of the objective in one line."""
    law = certificate.forecast
    told = certificate if law is None or objective not in FORECASTS else law
    word = "tau" if told is certificate else f"tau of {objective}"
    asked = "" if certificate.threshold == THRESHOLD else f", asked {certificate.threshold:.2f}"
    figures = f"{word} {told.tau:.2f} ({told.low:.2f} to {told.high:.2f}{asked})"
    rest = f"regret {told.regret:.3f} {certificate.metric}, {certificate.cost_ratio:.3f} of the full cost"
    return f"nas proxy --search: {figures} over {certificate.necks} necks, {rest}"
