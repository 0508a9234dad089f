"""export: a trial of a study as a folder that can be used without the study."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nas.errors import StoreError, UserError
from nas.exports.card import study_card
from nas.exports.config import ExportConfig
from nas.exports.files import CARD, CONFIG, DEFAULT_FORMATS, DRAWING, FORMATS, PYTHON, WEIGHTS
from nas.exports.folder import check_folder, summary, write_folder
from nas.exports.graphs import WRITERS, Deployed
from nas.exports.python import python
from nas.models import build, build_with_head, graph_fault
from nas.models.cost import target_fault
from nas.models.pyramid import head_and_size
from nas.necks.architecture import Architecture
from nas.necks.drawing import svg
from nas.storage import Store, open_store
from nas.storage.results import Result, TrialFacts, overview, study_record, trial_facts
from nas.studies.records import Key
from nas.tasks.weights import packed, unpacked


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
        formats: any of config, weights, python, onnx, onnx-nms, pt2; None: config, weights, and the study's `export`.
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
    facts = _exported_trial(store, name, trial)
    found = overview(store, name)
    # Canonical, so that `neck.nodes.3` among the weights is node 3 of the config.
    architecture = Architecture.parse(facts.architecture).canonical()
    bound = store.trial(name, facts.trial)
    assert bound is not None
    key = bound.key
    finalists = found.answer.finalists if found.answer is not None else ()
    full = next((f for f in finalists if f.trial == facts.trial), None)
    if full is not None:  # its weights are those of a full training
        key = key.model_copy(update={"seed": full.seeds[0], "epochs": full.epochs})
    check_head(head_and_size(architecture)[0].kind, formats)
    state = None
    if {"weights", *WRITERS}.intersection(formats):
        state = _weights(store, key, facts, architecture, spec.keep)
    weights = state if "weights" in formats else None
    evaluation = store.evaluation(key)
    metrics, details = facts.values, evaluation.measurement.details if evaluation is not None else {}
    if full is not None and evaluation is not None:
        metrics = metrics | evaluation.measurement.metrics
        details = details | {"training": {"seed": key.seed, "epochs": key.epochs, "of_seeds": list(full.seeds)}}
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
    files[CARD] = study_card(config, record, found, list(files)).encode()
    write_folder(directory, files)
    return summary(directory, config)


def model_files(architecture: Architecture, state: bytes | None, formats: Sequence[str]) -> dict[str, bytes]:
    """The drawing and the files of `formats` that follow from an architecture and its weights, by name."""
    files = {DRAWING: svg(architecture.neck).encode()}
    if "python" in formats:
        files[PYTHON] = python(architecture)
    graphs = [f for f in WRITERS if f in formats]
    if state is not None and graphs:
        model = build_with_head(architecture)
        model.load_state_dict(unpacked(state))
        deployed = Deployed(model)
        files |= {FORMATS[f]: WRITERS[f](deployed) for f in graphs}
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
    graphs = [f for f in WRITERS if f in formats]
    fault = graph_fault(kind) if graphs else None
    if fault is not None:
        raise UserError(f"{', '.join(graphs)}: {fault} in the study, or leave them out of the formats")


def _exported_trial(store: Store, name: str, number: int | None) -> TrialFacts:
    """The trial to export, or the one it duplicates; None: the winner of the finalists, else the best."""
    if number is None:
        found = overview(store, name)
        if found.answer is not None:
            return trial_facts(store, name, found.answer.winner.trial)
        best = found.best
        if not best:
            raise UserError(f"study {name!r} has no feasible finished trial yet; `--trial N` exports any finished one")
        number = best[0].trial
    facts = trial_facts(store, name, number)
    if facts.duplicate_of is not None:
        facts = trial_facts(store, name, facts.duplicate_of)
    if facts.state != "complete":
        raise UserError(f"trial {number} of study {name!r} is {facts.state}: only completed trials can be exported")
    return facts


def _weights(store: Store, key: Key, facts: TrialFacts, architecture: Architecture, keep: int | str) -> bytes:
    own = store.get_artifact(str(key), "weights")
    if own is None:
        kept = keep if keep == "all" else f"best {keep}"
        raise UserError(
            f"the weights of trial {facts.trial} of study {facts.study!r} were not kept (keep: {kept}): launch a study "
            "with `keep: all`, or export with `--format config`"
        )
    return _joined(architecture, own, store.get_artifact(f"task/{key.task}", "backbone"))


def _joined(architecture: Architecture, own: bytes, shared: bytes | None) -> bytes:
    """The model's whole state: the trial's own tensors, and the shared backbone without the levels it does not use."""
    given = (unpacked(shared) if shared is not None else {}) | unpacked(own)
    with torch.device("meta"):
        needed = build(architecture).state_dict()
    faults = [f"{name} is missing" for name in needed if name not in given]
    faults += [f"{name} is unknown" for name in given if name not in needed and not name.startswith("backbone.")]
    faults += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in needed.items()
        if name in given and given[name].shape != tensor.shape
    ]
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise StoreError(f"the stored weights do not fit {architecture.digest}: {faults[0]}{more}")
    return packed({name: given[name] for name in needed})
