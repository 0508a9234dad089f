"""Posts: a study that somebody sent, read and checked before it is queued.

A posted study is data. It names files only below the operator's data roots, all links resolved, and neither code nor
another machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nas.errors import Fault, SpecError
from nas.service.settings import Settings
from nas.studies import catalog
from nas.studies.catalog import StudyFile
from nas.studies.spec import StudySpec
from nas.studies.task import RemoteTarget


def posted(text: str, sets: Sequence[str], name: str | None, settings: Settings) -> StudyFile:
    """A valid study from a posted text.

    Args:
        text: the study file.
        sets: changes, as in `--set`.
        name: of the study, in place of the text's.
        settings: of the service.

    Raises:
        SpecError: every fault with its place.
    """
    file = parsed(text, sets, name, settings)
    faults = found_faults(file, settings)
    if faults:
        raise SpecError(file.where, faults)
    return file


def parsed(text: str, sets: Sequence[str], name: str | None, settings: Settings) -> StudyFile:
    """The study of a text, with or without faults of its form.

    Raises:
        SpecError: the text is no YAML or JSON, or a change does not fit.
    """
    if "\x00" in text:  # PostgreSQL keeps none
        raise SpecError("the study", [Fault("", "holds a character that is none: NUL")])
    file = catalog.parse_study(text, sets, name, lambda path: _placed(path, settings))
    if file.study is None or settings.address is None or file.study.address is not None:
        return file
    return replace(file, study=file.study.model_copy(update={"address": settings.address}))


def found_faults(file: StudyFile, settings: Settings) -> list[Fault]:
    """Everything that is wrong with a posted study. Nothing outside of the data roots is looked at."""
    if file.study is None:
        return list(file.faults)
    refused = [*_unnamed(file.study), *_confined(file.study, settings)]
    faults = [*file.faults, *file.located(refused)]
    if refused:
        return faults
    from nas.search.checks import check  # it imports torch

    return faults + file.located(check(file.study))


def _placed(path: str, settings: Settings) -> str:
    """What a path means: below the first data root that has it."""
    if os.path.isabs(path) or not settings.roots:
        return path
    places = [root / path for root in settings.roots]
    return os.path.normpath(next((place for place in places if place.exists()), places[0]))


def _unnamed(study: StudySpec) -> Iterator[Fault]:
    if study.name is None:
        yield Fault("name", "is missing: give it in the study, or as `name` of the request")
    elif study.name in (".", ".."):
        yield Fault("name", f"{study.name!r} cannot be part of an address: choose another")


def _confined(study: StudySpec, settings: Settings) -> Iterator[Fault]:
    """What a post may not name."""
    task = study.task
    for path, value in (("task.data.root", task.data.root), ("task.backbone.checkpoint", task.backbone.checkpoint)):
        if value is not None and not _is_below(value, settings):
            yield Fault(path, "is outside of the folders that this service may read; its operator adds them")
    for path, target in (("task", task.latency_target), ("full", study.full_task.latency_target)):
        if isinstance(target, RemoteTarget) and (path == "task" or "latency_target" in study.full):
            yield Fault(f"{path}.latency_target", "may not be another machine here")
    if isinstance(study.search_space, str) and catalog.is_path(study.search_space):
        yield Fault("search_space", "may not be a file here: give a shipped name, or the space itself")
    if any(mark in task.backbone.name.removeprefix("torchvision/") for mark in ":/\\"):
        yield Fault("task.backbone.name", "should be a plain name of a timm model, or torchvision/NAME")
    if study.address is not None and study.address != settings.address:
        yield Fault("address", "is the operator's to choose: leave it out")
    if study.notify is not None and not settings.may_notify(study.notify):
        yield Fault("notify", NOT_ALLOWED)


NOT_ALLOWED = "is no address that this service may call; its operator allows them"


def _is_below(value: str, settings: Settings) -> bool:
    real = Path(os.path.realpath(value))
    return any(real.is_relative_to(root) for root in settings.roots)
