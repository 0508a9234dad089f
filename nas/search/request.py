"""Request: the arguments of a launch, from a command line, a script or a service, in one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas import plugins
from nas.errors import SpecError, UserError
from nas.search.checks import check
from nas.search.objects import NO_OBJECTS, Objects
from nas.search_space import TEMPLATES, SearchSpace, Space
from nas.studies import catalog
from nas.studies.catalog import StudyFile
from nas.studies.spec import Objective, StudySpec

Study = StudyFile | StudySpec | Mapping[str, Any] | str | Path
"""A study: an opened file, a value, a mapping, a shipped study's name or a YAML file."""

OwnSpace = SearchSpace | type[Space] | Mapping[str, Any] | str
"""A search space: a value, a class, a search-space file as a mapping, a shipped space's name or a YAML file."""

Asked = str | Objective | Mapping[str, Any]
"""An objective: a metric's name, or with its direction."""


@dataclass(frozen=True)
class Request:
    """A valid study with a name, its file, and what a script gives in place of names."""

    file: StudyFile
    spec: StudySpec
    objects: Objects


def requested(
    study: Study,
    *,
    space: OwnSpace | None = None,
    objective: Asked | Sequence[Asked] | None = None,
    objects: Objects = NO_OBJECTS,
    files: Iterable[str | Path] = (),
) -> Request:
    """A launch's arguments as one value; the plugin `files` are loaded first.

    Raises:
        UserError: the study or an argument cannot be used as given.
    """
    for path in files:
        plugins.load(path)
    file = _file(study)
    if file.study is None or file.faults:
        refuse(file)
    assert file.study is not None
    changes: dict[str, Any] = {}
    if space is not None:
        changes["search_space"] = _space(space)
    if objective is not None:
        changes["objectives"] = [objective] if isinstance(objective, str | Objective | Mapping) else list(objective)
    spec = StudySpec.parse(file.study.model_dump() | changes, file.where) if changes else file.study
    spec = objects.recorded_in(spec.model_copy(update={"name": spec.name or "study"}))
    return Request(replace(file, study=spec), spec, objects)


def refuse(file: StudyFile) -> None:
    """Check all of a file that can be checked without reading data.

    Raises:
        SpecError: every fault with its place in the file.
    """
    faults = [*file.faults, *(file.located(check(file.study)) if file.study is not None else [])]
    if faults:
        raise SpecError(file.where, faults)


def _file(study: Study) -> StudyFile:
    if isinstance(study, StudyFile):
        return study
    if isinstance(study, str | Path):
        return catalog.open_study(str(study))
    return StudyFile.from_study(study if isinstance(study, StudySpec) else StudySpec.parse(study, "study"))


def _space(space: OwnSpace) -> str | dict[str, Any]:
    """The space as a study records it. A class is registered in the table of templates, by its name."""
    if isinstance(space, str):
        return space
    if isinstance(space, SearchSpace):
        return space.to_dict()
    if isinstance(space, Mapping):
        return dict(space)
    if not isinstance(space, type):
        raise UserError(f"space should be a class derived from nas.Space, a mapping or a name, not {space!r}")
    name = space.__name__
    if name not in TEMPLATES or TEMPLATES[name] is not space.template():
        plugins.register("templates", name, space.template())
    return space.to_dict(name)
