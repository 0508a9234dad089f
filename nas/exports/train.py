"""train: an exported architecture trained further, at full length and resolution; the result is an export again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas import tasks
from nas.errors import TrialFailed, UserError
from nas.executors.evaluate import measure_costs
from nas.exports.alone import alone
from nas.exports.card import CARD, DRAWING
from nas.exports.checkpoint import PARTS, PLACES, Checkpoint, differences, read_checkpoint
from nas.exports.config import CONFIG, CURVE, STUDY, ExportConfig, Init, Trained, is_export, read_config
from nas.exports.folder import write_folder
from nas.exports.loader import checked
from nas.exports.task import narrowed, takes_backbone, task_of
from nas.exports.train_card import train_card
from nas.exports.under_way import carry_on
from nas.exports.weights import SHARED_PREFIX, WEIGHTS
from nas.exports.writer import DEFAULT, FORMATS, KNOWN, MODELS, check_formats, check_head, made
from nas.models import HeadedModel, build_with_head
from nas.models.cost import static_costs
from nas.necks.architecture import Architecture
from nas.studies.metrics import Metrics, finite
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec
from nas.tasks.supervised import SupervisedTask
from nas.tasks.weights import packed, unpacked
from nas.value import flat

Say = Callable[[str], None]


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
    """Train the architecture of an export on its task in full, or go on with that where it was left.

    A training that was interrupted, and is asked for again, ends as if it never had been: bit for bit on the same
    machine, as far as torch's operators give the same twice.

    Args:
        directory: the export.
        output: a new or empty folder, or the one of the same training begun before.
        data: a folder in place of the task's, or `digits` for the embedded data.
        sets: changes of the task, `task.key=value` with values in YAML.
        init: `backbone` starts neck and head at random, as a trial of the study does; `weights` goes on from the
            export's weights.
        seed: of the random start and of the order of the images.
        formats: names of FORMATS that are written beside config and weights.
        say: told of the progress, a line at a time.

    Returns:
        `study`, `trial`, `digest`, `metrics`, `epochs`, `seconds`, `directory` and `files`.

    Raises:
        UserError, SpecError: what cannot be done as asked; nothing was written.
        TrialFailed: the loss is not finite.
        KeyboardInterrupt: it was interrupted, and can be gone on with.
    """
    directory, output = Path(directory), Path(output)
    config = read_config(directory)
    formats = tuple(dict.fromkeys((*DEFAULT, *formats)))
    check_formats(formats)
    task = task_of(directory, config, data, sets, init)
    check_head(task.head_kind, formats)
    given = checked(directory, config) if takes_backbone(config, task, init) else None
    request = Request(directory, config, task, init, seed, given)
    _begun(request, output)  # what cannot go on there is told before anything is made
    with alone(output, say):
        return _carried_out(request, output, formats, say)


def _carried_out(request: Request, output: Path, formats: Sequence[str], say: Say) -> dict[str, Any]:
    begun = _begun(request, output)
    if isinstance(begun, ExportConfig):
        say(f"{output} is trained already")
        there = [name for name, file in FORMATS.items() if (output / file).is_file()]
        state = checked(output, begun)
        if not set(formats) <= set(there):
            formats = tuple(dict.fromkeys((*there, *formats)))
            _write(output, begun, state, _read_if_there(output / CURVE), _read_if_there(output / STUDY), formats)
        return _report(output, begun)
    trained, state = _trained(request, output, begun, formats, say)
    study = _read_if_there(request.directory / STUDY) or _read_if_there(request.directory / CARD)
    _write(output, trained, state, _read_if_there(output / CURVE), study, formats)
    return _report(output, trained)


@dataclass(frozen=True)
class Request:
    """What is to be trained, and how. `given` are the weights of the export where any of them are taken."""

    directory: Path
    config: ExportConfig
    task: TaskSpec
    init: Init
    seed: int
    given: bytes | None

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the result, but for the content of data and backbone."""
        given = self.config.weights if self.given is not None else None
        return _settings(self.task, self.init, self.seed, self.config.digest, given)


def _settings(task: TaskSpec, init: Init, seed: int, source: str, given: str | None) -> dict[str, Any]:
    return {"task": task.model_dump(mode="json"), "init": init, "seed": seed, "architecture": source, "weights": given}


def _begun(request: Request, output: Path) -> Checkpoint | ExportConfig | None:
    """What `output` holds of the same training: the result, a checkpoint, or nothing yet.

    Raises:
        UserError: it holds something else, or a training of other settings.
    """
    begun: Checkpoint | ExportConfig | None = None
    may: Sequence[str] = PLACES
    try:
        names = {path.name for path in output.iterdir()} if output.is_dir() else set()
    except OSError as error:
        raise UserError(f"{output} cannot be read: {error.strerror}") from None
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file: give a folder")
    if is_export(output):
        begun = read_config(output)
        of, task = begun.trained, begun.task
        if of is None or task is None or output.resolve() == request.directory.resolve():
            raise UserError(f"{output} holds an export: give a new or empty folder")
        then = _settings(task, of.init, of.seed, of.source, of.given)
        may = ("task.cache_bytes",)  # nobody looks again at what lies at the places of a result
    elif (checkpoint := read_checkpoint(output)) is not None:
        begun, then = checkpoint, checkpoint.settings
    elif names <= set(PARTS):
        return None
    else:
        raise UserError(f"{output} holds something other than a training: give a new or empty folder")
    differing = differences(then, request.settings, may)
    if differing:
        raise UserError(
            f"{output} was begun with other settings: {', '.join(differing)}; give the same ones, or another folder"
        )
    return begun


def _trained(
    request: Request, output: Path, begun: Checkpoint | None, formats: Sequence[str], say: Say
) -> tuple[ExportConfig, bytes]:
    """The config of the result and its weights."""
    config = request.config
    task = _prepared(request, begun, say)
    if begun is not None and begun.fingerprint != task.fingerprint:
        raise UserError(
            f"{output} was begun with other data, other weights of the backbone, or on another kind of device: bring "
            "them back, or give another folder"
        )
    architecture = task.architecture(config.architecture.neck)
    if set(formats) & MODELS.keys():
        _rehearse(architecture, formats)
    task = task.filled(say)
    with torch.random.fork_rng():
        torch.manual_seed(request.seed)
        model = task.build(architecture)
        if request.init == "weights":
            assert request.given is not None
            model.load_state_dict(unpacked(request.given))
        curve = carry_on(task, model, request.seed, request.settings, output, begun, say)
        metrics, details = _measured(task, model, curve)
        state = packed(model.state_dict())
    result = ExportConfig.of(
        architecture,
        study=config.study,
        trial=config.trial,
        baseline=config.baseline,
        metrics=metrics,
        params=config.params,
        search_space=config.search_space,
        weights=hashlib.sha256(state).hexdigest(),
        details=details,
        task=request.task,
        trained=Trained(
            init=request.init,
            seed=request.seed,
            source=config.digest,
            given=config.weights if request.given is not None else None,
            before=config.metrics,
            images=(len(task.dataset.train), len(task.dataset.val)),
            seconds=curve[-1].seconds,
        ),
    )
    return result, state


def _prepared(request: Request, begun: Checkpoint | None, say: Say) -> SupervisedTask[Any]:
    config, spec = request.config, narrowed(request.task, request.config)
    kept = begun.model if begun is not None and spec.backbone.tune == "frozen" else None
    if request.given is not None and kept is None:
        kept = unpacked(request.given)
    backbone = {name: x for name, x in kept.items() if name.startswith(SHARED_PREFIX)} if kept is not None else None
    task = tasks.load(spec, say, packed(backbone) if backbone is not None else None, known=config.classes)
    assert isinstance(task, SupervisedTask)
    classes = task.dataset.classes
    if spec.data.classes is None and classes != config.classes:
        raise UserError(
            f"the data has the classes {', '.join(classes)}, and the export {', '.join(config.classes)}: choose "
            "them by --set task.data.classes=[...]"
        )
    architecture = task.architecture(config.architecture.neck)
    static_costs(architecture)  # raises where the neck does not fit another backbone
    if request.init == "weights":
        _check_weights_fit(config.architecture, architecture)
    task = tasks.settle(task, say)
    assert isinstance(task, SupervisedTask)
    return task


def _check_weights_fit(old: Architecture, new: Architecture) -> None:
    before, after = (flat(a.model_dump(mode="json", exclude={"image_size"})) for a in (old, new))
    differing = [f"{key} {before.get(key)} (now {after.get(key)})" for key in after if before.get(key) != after[key]]
    if differing:
        raise UserError(
            f"the weights of the export are those of another architecture: {', '.join(differing)}; start from the "
            "backbone's alone (--init backbone)"
        )


def _rehearse(architecture: Architecture, formats: Sequence[str]) -> None:
    """Write the formats once before the training, so that what cannot be written is not told after it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made(architecture, packed(build_with_head(architecture).state_dict()), formats)


def _measured(
    task: SupervisedTask[Any], model: HeadedModel, curve: Sequence[Progress]
) -> tuple[Metrics, dict[str, Any]]:
    """All metrics of the result, and what they rest on."""
    last = curve[-1].metrics
    missing = [name for name in task.available if last.get(name) is None]
    if missing:
        raise TrialFailed(f"no {missing[0]} was measured")
    costs, details = measure_costs(task, model.architecture, model, {})
    metrics = costs | {name: value for name, value in last.items() if name != "loss"} | {"seconds": curve[-1].seconds}
    return finite(metrics), details


def _write(
    output: Path, config: ExportConfig, state: bytes, curve: bytes | None, study: bytes | None, formats: Sequence[str]
) -> None:
    files = {CONFIG: config.to_yaml().encode(), WEIGHTS: state} | made(config.architecture, state, formats)
    files |= {name: content for name, content in ((CURVE, curve), (STUDY, study)) if content is not None}
    files[CARD] = train_card(config, list(files)).encode()
    write_folder(output, files, (*KNOWN, *PARTS))


def _read_if_there(path: Path) -> bytes | None:
    """Content of a file that may be missing."""
    return path.read_bytes() if path.is_file() else None


def _report(output: Path, config: ExportConfig) -> dict[str, Any]:
    assert config.task is not None
    files = (*KNOWN, CARD, DRAWING)
    return {
        "study": config.study,
        "trial": config.trial,
        "digest": config.digest,
        "metrics": config.metrics,
        "epochs": config.task.epochs,
        "seconds": config.metrics["seconds"],
        "directory": str(output),
        "files": sorted({name for name in files if (output / name).is_file()}),
    }
