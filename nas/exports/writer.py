"""export: a trial of a study as a folder that can be used without the study."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nas.errors import StoreError, UserError
from nas.exports.card import study_card
from nas.exports.config import ExportConfig
from nas.exports.files import CARD, CONFIG, DEFAULT_FORMATS, DRAWING, FORMATS, PYTHON, WEIGHTS
from nas.exports.folder import check_folder, summary, write_folder
from nas.exports.graphs import WRITERS, Deployed
from nas.exports.python import python
from nas.exports.timing import timed
from nas.exports.trained import exported_trial, trained_key, trial_weights
from nas.exports.trainers import TRAINERS, card_start, check_trainers
from nas.models import build_with_head, graph_fault
from nas.models.cost import target_fault
from nas.models.pyramid import head_and_size
from nas.necks.architecture import Architecture
from nas.necks.drawing import svg
from nas.storage import Store, open_store
from nas.storage.results import Result, overview, study_record
from nas.studies.task import timed_on
from nas.tasks.weights import unpacked


def export(
    study: str | Result,
    directory: str | Path,
    *,
    trial: int | None = None,
    formats: Sequence[str] | None = None,
    storage: str = "sqlite:///nas.db",
) -> dict[str, Any]:
    """Write a trial as a folder that can be used without the study.

    Args:
        study: name of the study, or the result of `nas.launch`.
        directory: a new or empty folder, or an earlier export, which is replaced.
        trial: number of the trial; None: the best feasible one by the first objective, baselines included.
        formats: any of `nas.exports.FORMATS`; None: config, weights, and the study's `export`.
        storage: URL of the study database.

    Returns:
        A dict with `study`, `trial`, `digest`, `metrics`, `directory` and `files`.

    Raises:
        UserError: the study, trial or format does not exist, the trial was not trained to the end, its weights were not
            kept, or the folder holds something else. Nothing was written.
        StoreError: the stored weights are damaged.

    Example:
        >>> import nas
        >>> nas.export("quickstart", "exports/quickstart", formats=["config", "weights", "onnx"])  # doctest: +SKIP
    """
    with open_store(storage, create=False) as store:
        return export_study(store, study if isinstance(study, str) else study.study, directory, trial, formats)


def export_study(
    store: Store, name: str, directory: str | Path, trial: int | None = None, formats: Sequence[str] | None = None
) -> dict[str, Any]:
    """`export` from an open study database."""
    directory = Path(directory)
    check_folder(directory)
    record = study_record(store, name)
    spec = record.spec
    formats = formats if formats is not None else (*DEFAULT_FORMATS, *spec.export)
    check_formats(formats)
    facts = exported_trial(store, name, trial)
    found = overview(store, name)
    # Canonical, so that `neck.nodes.3` among the weights is node 3 of the config.
    architecture = Architecture.parse(facts.architecture).canonical()
    key, full = trained_key(store, name, facts.trial, found.answer.finalists if found.answer is not None else ())
    check_head(head_and_size(architecture)[0].kind, formats)
    state = None
    if {"weights", *WRITERS}.intersection(formats):
        state = trial_weights(store, key, facts, architecture, spec.keep)
    weights = state if "weights" in formats else None
    evaluation = store.evaluation(key)
    metrics, details = facts.values, evaluation.measurement.details if evaluation is not None else {}
    if full is not None and evaluation is not None:
        metrics = metrics | evaluation.measurement.metrics
        details = details | {"training": {"seed": key.seed, "epochs": key.epochs, "of_seeds": list(full.seeds)}}
    device = str(details.get("device", "cpu"))
    place = architecture.digest, platform.node(), timed_on(spec.task.latency_target, device)
    known = store.latency(*place)
    if metrics.get("latency_ms") is None and known is not None:
        metrics = metrics | {"latency_ms": known}
    elif metrics.get("latency_ms") is None:
        added, how = timed(architecture, spec.task, device)
        metrics, details = metrics | added, details | how
        if (latency := added.get("latency_ms")) is not None:  # so that the next export says the same
            with suppress(StoreError):  # a database that can only be read
                store.record_latency(*place, latency)
    config = ExportConfig.create(
        architecture,
        study=name,
        trial=facts.trial,
        baseline=facts.name,
        metrics=metrics,
        params=facts.params,
        search_space={"name": spec.space_name, "space": spec.space},
        weights=hashlib.sha256(weights).hexdigest() if weights is not None else None,
        details=details,
        task=spec.full_task,
    )
    files = {CONFIG: config.to_yaml().encode()} | ({WEIGHTS: weights} if weights is not None else {})
    files |= model_files(architecture, state, formats)
    files[CARD] = (card_start(config, formats) + study_card(config, record, found, list(files))).encode()
    write_folder(directory, files)
    return summary(directory, config)


def model_files(architecture: Architecture, state: bytes | None, formats: Sequence[str]) -> dict[str, bytes]:
    """The drawing and the files of `formats` that follow from an architecture and its weights, by name."""
    files = {DRAWING: svg(architecture.neck).encode()}
    if "python" in formats:
        files[PYTHON] = python(architecture)
    for f in TRAINERS:
        if f in formats:
            files |= TRAINERS[f](architecture, state if "weights" in formats else None)
    graphs = [f for f in WRITERS if f in formats]
    if state is not None and graphs:
        model = build_with_head(architecture)
        model.load_state_dict(unpacked(state))
        deployed = Deployed(model)
        files |= {FORMATS[f][0]: WRITERS[f](deployed) for f in graphs}
    return files


def check_formats(formats: Sequence[str]) -> None:
    """Raise UserError if a format is unknown, or a package that writes it is missing."""
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise UserError(f"unknown format {', '.join(unknown)}; one of {', '.join(FORMATS)}")
    missing = target_fault("onnxruntime") if any(f.startswith("onnx") for f in formats) else None
    if missing is not None:
        raise UserError(missing)


def check_head(kind: str, formats: Sequence[str]) -> None:
    """Raise UserError if models with a head of this kind cannot be written in one of `formats`."""
    check_trainers(kind, formats)
    graphs = [f for f in WRITERS if f in formats]
    fault = graph_fault(kind) if graphs else None
    if fault is not None:
        raise UserError(f"{', '.join(graphs)}: {fault} in the study, or leave them out of the formats")
