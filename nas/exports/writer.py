"""export_study: a trial of a study as a folder that can be used without the study."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nas.errors import UserError
from nas.exports.card import CARD, DRAWING, card
from nas.exports.config import CONFIG, CURVE, STUDY, ExportConfig
from nas.exports.deployed import Deployed
from nas.exports.folder import check_folder, write_folder
from nas.exports.onnx import ONNX, ONNX_NMS, onnx, onnx_nms
from nas.exports.pt2 import PT2, pt2
from nas.exports.python import PYTHON, python
from nas.exports.weights import WEIGHTS, merged
from nas.models import build_with_head, graph_fault
from nas.models.cost import target_fault
from nas.models.pyramid import head_and_size
from nas.necks.architecture import Architecture
from nas.necks.drawing import svg
from nas.storage import Store, open_store
from nas.storage.results import Result, TrialFacts, result, study_record, trial_facts
from nas.studies.records import Key
from nas.tasks.weights import unpacked

MODELS: dict[str, tuple[str, Callable[[Deployed], bytes]]] = {
    "onnx": (ONNX, onnx),
    "onnx-nms": (ONNX_NMS, onnx_nms),
    "pt2": (PT2, pt2),
}
"""Formats that hold the whole model, weights and all: the file and who makes it."""

FORMATS = {"config": CONFIG, "weights": WEIGHTS, "python": PYTHON} | {name: file for name, (file, _) in MODELS.items()}
"""What an export may consist of, and the file each is; config, card and drawing are always there."""

DEFAULT = ("config", "weights")

KNOWN = (*FORMATS.values(), CURVE, STUDY)
"""Files that another export in the same folder replaces or removes."""


def export(
    study: str | Result,
    directory: str | Path,
    *,
    trial: int | None = None,
    formats: Sequence[str] | None = None,
    storage: str = "sqlite:///nas.db",
) -> dict[str, Any]:
    """Write a trial of a study as a folder that can be used without it; an earlier export there is replaced.

    Args:
        study: its name, or what `nas.launch` gave.
        directory: a new or empty folder, or an earlier export.
        trial: its number; None: the best feasible one by the first objective, baselines included.
        formats: of config, weights, python, onnx, onnx-nms, pt2; None: config, weights, and what the study asks for.
        storage: URL of the study database.

    Returns:
        `study`, `trial`, `digest`, `metrics`, `directory` and `files`.

    Raises:
        UserError: no such study, trial or format, or a folder that holds something else. Nothing was written.

    Example:
        >>> import nas
        >>> nas.export("quickstart", "exports/quickstart", formats=["config", "weights", "onnx"])  # doctest: +SKIP
    """
    name = study if isinstance(study, str) else study.study
    with open_store(storage, create=False) as store:
        return export_study(store, name, directory, trial, formats)


def export_study(
    store: Store,
    name: str,
    directory: str | Path,
    trial: int | None = None,
    formats: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Write a trial to `directory`; an earlier export there is replaced.

    Args:
        store: the study database.
        name: the study.
        directory: a new or empty folder, or an earlier export.
        trial: its number; None: the best feasible one by the first objective, baselines included.
        formats: names of FORMATS; None: config, weights, and what the study asks for (`export`).

    Returns:
        `study`, `trial`, `digest`, `metrics`, `directory` and `files`.

    Raises:
        UserError: no such study, trial or format, a trial that was not trained to its end, weights that were not
            kept, or a folder that holds something else. Nothing was written.
        StoreError: the weights kept are damaged.
    """
    directory = Path(directory)
    check_folder(directory)
    record = study_record(store, name)
    spec = record.spec
    formats = formats if formats is not None else (*DEFAULT, *spec.export)
    check_formats(formats)
    facts = trained(store, name, trial)
    # Canonical, so that `neck.nodes.3` among the weights is node 3 of the config.
    architecture = Architecture.parse(facts.architecture).canonical()
    key = next(bound.key for bound in store.trials(name) if bound.number == facts.trial)
    check_head(head_and_size(architecture)[0].kind, formats)
    needed = {"weights", *MODELS}.intersection(formats)
    state = _weights(store, key, facts, architecture, spec.keep) if needed else None
    weights = state if "weights" in formats else None
    evaluation = store.evaluation(key)
    config = ExportConfig.of(
        architecture,
        study=name,
        trial=facts.trial,
        baseline=facts.name,
        metrics=facts.values,
        params=facts.params,
        search_space={"name": spec.space_name, "space": spec.space},
        weights=hashlib.sha256(weights).hexdigest() if weights is not None else None,
        details=evaluation.measurement.details if evaluation is not None else {},
        task=spec.full_task,
    )
    files = {CONFIG: config.to_yaml().encode()} | ({WEIGHTS: weights} if weights is not None else {})
    files |= made(architecture, state, formats)
    files[CARD] = card(config, record, result(store, name), list(files)).encode()
    write_folder(directory, files, KNOWN)
    return {
        "study": name,
        "trial": facts.trial,
        "digest": config.digest,
        "metrics": config.metrics,
        "directory": str(directory),
        "files": sorted(files),
    }


def made(architecture: Architecture, state: bytes | None, formats: Sequence[str]) -> dict[str, bytes]:
    """The files of `formats` that are made of an architecture and its weights, and the drawing.

    Raises:
        NASError: a file would not give what the model gives.
    """
    files = {PYTHON: python(architecture)} if "python" in formats else {}
    whole = [f for f in MODELS if f in formats]
    if state is not None and whole:
        model = build_with_head(architecture)
        model.load_state_dict(unpacked(state))
        deployed = Deployed(model)
        files |= {MODELS[f][0]: MODELS[f][1](deployed) for f in whole}
    return files | {DRAWING: svg(architecture.neck).encode()}


def check_formats(formats: Sequence[str]) -> None:
    """Whether this process can write all of `formats`.

    Raises:
        UserError: which it cannot.
    """
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise UserError(f"unknown format {', '.join(unknown)}; there are {', '.join(FORMATS)}")
    missing = target_fault("onnxruntime") if any(f.startswith("onnx") for f in formats) else None
    if missing is not None:
        raise UserError(missing)


def check_head(kind: str, formats: Sequence[str]) -> None:
    """Whether a model with a head of this kind can be written down in all of `formats`.

    Raises:
        UserError: a model with this head cannot be exported as a graph.
    """
    graphs = [f for f in MODELS if f in formats]
    fault = graph_fault(kind) if graphs else None
    if fault is not None:
        raise UserError(f"{', '.join(graphs)}: {fault} in the study, or leave them out of the formats")


def trained(store: Store, name: str, trial: int | None) -> TrialFacts:
    """The trial to export: for a duplicate the one it duplicates.

    Raises:
        UserError: there is none, or it was not trained to its end.
    """
    if trial is None:
        found = result(store, name).best
        if not found:
            raise UserError(f"study {name!r} has no feasible finished trial yet; `--trial N` exports any finished one")
        trial = found[0].trial
    facts = trial_facts(store, name, trial)
    if facts.duplicate_of is not None:
        facts = trial_facts(store, name, facts.duplicate_of)
    if facts.state != "complete":
        raise UserError(f"trial {trial} of study {name!r} is {facts.state}; one trained to its end can be exported")
    return facts


def _weights(store: Store, key: Key, facts: TrialFacts, architecture: Architecture, keep: int | str) -> bytes:
    own = store.get_artifact(str(key), "weights")
    if own is None:
        kept = keep if keep == "all" else f"best {keep}"
        raise UserError(
            f"the weights of trial {facts.trial} of study {facts.study!r} were not kept (keep: {kept}): launch a study "
            "with `keep: all`, or export with `--format config`"
        )
    return merged(architecture, own, store.get_artifact(f"task/{key.task}", "backbone"))
