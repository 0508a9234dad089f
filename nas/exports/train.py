"""train: trains an exported architecture in full; the result is an export again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas import tasks
from nas.errors import TrialFailed, UserError
from nas.executors.evaluate import measure_costs
from nas.exports.card import training_card
from nas.exports.checkpoint import Checkpoint, differences, read_checkpoint
from nas.exports.config import ExportConfig, Init, TrainingRecord, is_export, read_config
from nas.exports.files import (
    CARD,
    CONFIG,
    CURVE,
    DEFAULT_FORMATS,
    FORMATS,
    STUDY_CARD,
    TRAINING_FILES,
    WEIGHTS,
)
from nas.exports.folder import file_names, summary, write_folder
from nas.exports.folder_lock import lock_folder
from nas.exports.graphs import WRITERS
from nas.exports.loader import read_weights
from nas.exports.loop import train_to_end
from nas.exports.task import changed_task, takes_backbone, without_unused_levels
from nas.exports.trainers import TRAINERS, card_start
from nas.exports.writer import check_formats, check_head, model_files
from nas.models import HeadedModel, build_with_head
from nas.models.cost import static_costs
from nas.studies.metrics import Metrics, finite
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec
from nas.tasks.base import Say
from nas.tasks.supervised import SupervisedTask
from nas.tasks.weights import packed, unpacked

PLACES = ("task.data.root", "task.backbone.checkpoint", "task.cache_bytes")
"""Settings that may change when a training continues. The fingerprint guards what lies there."""


def train(
    directory: str | Path,
    output: str | Path,
    *,
    data: str | None = None,
    sets: Sequence[str] = (),
    init: Init = "backbone",
    seed: int = 0,
    formats: Sequence[str] = (),
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Train the architecture of an export on its task in full, or continue such a training.

    A training that was interrupted and continued ends with the same weights as one that was not, on the same machine
    and as far as torch's operators are deterministic.

    Args:
        directory: the export.
        output: a new or empty folder, or that of the same training.
        data: a folder that replaces the task's data, or `digits` for the embedded data.
        sets: changes of the task, `task.key=value` with values in YAML.
        init: `backbone` starts with a random neck and head, like a trial; `weights` with all weights of the export.
        seed: of the random start and of the order of the images.
        formats: formats to write beside config and weights, of `nas.exports.FORMATS`.
        say: called with each line of progress.

    Returns:
        A dict with `study`, `trial`, `digest`, `metrics`, `epochs`, `seconds`, `directory` and `files`.

    Raises:
        UserError, SpecError: the training is not possible as asked. Nothing was written.
        TrialFailed: the loss is not finite.
        KeyboardInterrupt: the training was interrupted and can be continued.
    """
    directory, output = Path(directory), Path(output)
    config = read_config(directory)
    formats = tuple(dict.fromkeys((*DEFAULT_FORMATS, *formats)))
    check_formats(formats)
    task = changed_task(directory, config, data, sets, init)
    check_head(task.head_kind, formats)
    given = read_weights(directory, config) if takes_backbone(config, task, init) else None
    given_hash = config.weights if given is not None else None
    record = TrainingRecord(init=init, seed=seed, source=config.digest, given=given_hash, before=config.metrics)
    request = TrainingRequest(directory, config, task, record, given)
    _begun(request, output)  # refuse a wrong folder before one is created and locked
    with lock_folder(output, say):
        begun = _begun(request, output)
        if isinstance(begun, ExportConfig):
            say(f"{output} is already trained")
            result, state = begun, read_weights(output, begun)
            existing = [name for name, files in FORMATS.items() if (output / files[0]).is_file()]
            missing = [name for name in formats if name not in existing]
            if missing:
                _write(output, result, state, _read_if_exists(output / STUDY_CARD), (*existing, *missing))
        else:
            result, state = _train(request, output, begun, formats, say)
            study = _read_if_exists(directory / STUDY_CARD) or _read_if_exists(directory / CARD)
            _write(output, result, state, study, formats)
    assert result.task is not None
    return summary(output, result) | {"epochs": result.task.epochs, "seconds": result.metrics["seconds"]}


@dataclass(frozen=True)
class TrainingRequest:
    """What is to be trained, and how. `given` are the weights of the export, if any of them are used."""

    directory: Path
    config: ExportConfig
    task: TaskSpec
    record: TrainingRecord
    given: bytes | None

    @property
    def settings(self) -> dict[str, Any]:
        return self.record.settings(self.task)


def _begun(request: TrainingRequest, output: Path) -> Checkpoint | ExportConfig | None:
    """The result or the checkpoint of the same training in `output`; None if there is nothing yet.

    Raises UserError if the folder holds something else, or a training with other settings.
    """
    names = file_names(output)
    begun: Checkpoint | ExportConfig | None
    if is_export(output):
        begun = read_config(output)
        record, task = begun.trained, begun.task
        if record is None or task is None or output.resolve() == request.directory.resolve():
            raise UserError(f"{output} holds an export: give a new or empty folder")
        settings = record.settings(task)
        ignored: Sequence[str] = ("task.cache_bytes",)  # a result is not checked against the data of other places
    elif (begun := read_checkpoint(output)) is not None:
        settings, ignored = begun.settings, PLACES
    elif names <= set(TRAINING_FILES):
        return None
    else:
        raise UserError(f"{output} holds something other than a training: give a new or empty folder")
    differing = differences(settings, request.settings, ignored)
    if differing:
        raise UserError(
            f"{output} was begun with other settings: {', '.join(differing)}; give the same ones, or another folder"
        )
    return begun


def _train(
    request: TrainingRequest, output: Path, begun: Checkpoint | None, formats: Sequence[str], say: Say
) -> tuple[ExportConfig, bytes]:
    """The config of the result, and its weights."""
    source = request.config
    task = _prepared_task(request, begun, say)
    if begun is not None and begun.fingerprint != task.fingerprint:
        raise UserError(
            f"{output} was begun with other data, other weights of the backbone, or on another kind of device: restore "
            "them, or give another folder"
        )
    architecture = task.architecture(source.architecture.neck)
    if any(f in WRITERS or f in TRAINERS for f in formats):
        # Write the formats once before the training, so that a failure is not found after it.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model_files(architecture, packed(build_with_head(architecture).state_dict()), formats)
    task = (task.calibrated() if "int8" in str(task.spec.latency_target) else task).filled(say)
    with torch.random.fork_rng():
        torch.manual_seed(request.record.seed)
        model = task.build(architecture)
        if request.record.init == "weights":
            assert request.given is not None
            model.load_state_dict(unpacked(request.given))
        curve = train_to_end(task, model, request.record.seed, request.settings, output, begun, say)
        metrics, details = _measured(task, model, curve)
        state = packed(model.state_dict())
    images = len(task.dataset.train), len(task.dataset.val)
    result = ExportConfig.create(
        architecture,
        **source.model_dump(include={"study", "trial", "baseline", "params", "search_space"}),
        metrics=metrics,
        weights=hashlib.sha256(state).hexdigest(),
        details=details,
        task=request.task,
        trained=request.record.model_copy(update={"images": images, "seconds": curve[-1].seconds}),
    )
    return result, state


def _prepared_task(request: TrainingRequest, begun: Checkpoint | None, say: Say) -> SupervisedTask[Any]:
    config, spec = request.config, without_unused_levels(request.task, request.config)
    state = begun.model if begun is not None and spec.backbone.tune == "frozen" else None
    if state is None and request.given is not None:
        state = unpacked(request.given)
    backbone = None
    if state is not None:
        backbone = packed({name: x for name, x in state.items() if name.startswith("backbone.")})
    task = tasks.load(spec, say, backbone, known=config.classes)
    assert isinstance(task, SupervisedTask)
    classes = task.dataset.classes
    if spec.data.classes is None and classes != config.classes:
        raise UserError(
            f"the data has the classes {', '.join(classes)}, and the export {', '.join(config.classes)}: choose "
            "some with --set task.data.classes=[...]"
        )
    architecture = task.architecture(config.architecture.neck)
    static_costs(architecture)  # raises if the neck does not fit another backbone
    if request.record.init == "weights":
        old, new = (a.model_dump(mode="json", exclude={"image_size"}) for a in (config.architecture, architecture))
        if differing := differences(old, new):
            raise UserError(
                f"the weights of the export belong to another architecture: {', '.join(differing)}; start from the "
                "backbone's weights alone (--init backbone)"
            )
    task = tasks.settle(task, say)
    assert isinstance(task, SupervisedTask)
    return task


def _measured(
    task: SupervisedTask[Any], model: HeadedModel, curve: Sequence[Progress]
) -> tuple[Metrics, dict[str, Any]]:
    """All metrics of the result, and details of their measurement."""
    last = curve[-1].metrics
    missing = [name for name in task.available if last.get(name) is None]
    if missing:
        raise TrialFailed(f"{missing[0]} was not measured")
    costs, details = measure_costs(task, model.architecture, model, {})
    metrics = costs | {name: value for name, value in last.items() if name != "loss"} | {"seconds": curve[-1].seconds}
    return finite(metrics), details


def _write(output: Path, config: ExportConfig, state: bytes, study: bytes | None, formats: Sequence[str]) -> None:
    files = {CONFIG: config.to_yaml().encode(), WEIGHTS: state} | model_files(config.architecture, state, formats)
    kept = {CURVE: _read_if_exists(output / CURVE), STUDY_CARD: study}
    files |= {name: content for name, content in kept.items() if content is not None}
    files[CARD] = (card_start(config, formats) + training_card(config, list(files))).encode()
    write_folder(output, files)


def _read_if_exists(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
