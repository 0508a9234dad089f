"""README.md of an export that `nas train` made: how it was trained, what came out, how to use it."""

from __future__ import annotations

from collections.abc import Sequence

from nas.exports.card import DRAWING, FILES, bullets, data, origin, use, weights
from nas.exports.config import STUDY, ExportConfig, Init, Trained
from nas.necks.describe import describe
from nas.studies.metrics import Metrics, format_metric, in_order, metric_of
from nas.studies.spec import TaskSpec

_INITS: dict[Init, str] = {
    "backbone": "neck and head at random, the backbone with the weights it has at the start of the study",
    "weights": "all weights of the export",
}


def train_card(config: ExportConfig, files: Sequence[str]) -> str:
    """The card in Markdown; `files` are those of the folder that it tells of, `config` is of `nas train`."""
    task, trained = config.task, config.trained
    assert task is not None
    assert trained is not None
    origins = origin(config) + ([f"the search that found it: [{STUDY}]({STUDY})"] if STUDY in files else [])
    sections = [
        f"# {config.study}: trial {config.trial}, trained by `nas train`",
        f"![The neck]({DRAWING})",
        describe(config.architecture).rstrip(),
        "## How it was trained",
        bullets(_training(task, trained)),
        "## What came out",
        _table(config.metrics, trained.before),
        "The rows compare as far as both were measured on the same images at the same size. Arrows say which way is "
        "better; each training was run once, and a difference may be the noise of the seed.",
        "## How to use it",
        bullets([f"`{name}`: {about}" for name, about in FILES.items() if name in files]),
        use(config, files),
        "## Data and weights",
        bullets([data(task), weights(task, ())[0]]),
        "## Where it comes from",
        bullets(origins),
    ]
    return "\n\n".join(sections) + "\n"


def _training(task: TaskSpec, trained: Trained) -> list[str]:
    train, val = trained.images
    return [
        f"task: {task.kind} on {task.data.kind}, {train} training and {val} validation images, {task.image_size} px",
        f"length: {task.epochs} epochs, {trained.seconds:.0f} s",
        f"start: {_INITS[trained.init]}; backbone {task.backbone.name} ({task.backbone.tune})",
        f"AdamW, rate {task.lr:g} ({task.schedule}), batches of {task.batch_size}, weight decay {task.weight_decay:g}, "
        f"{task.views} views an image, weights averaged over the last {task.average:g} of the run; seed {trained.seed}",
        "all settings: `task` and `trained` in config.yaml",
    ]


def _table(after: Metrics, before: Metrics) -> str:
    """The metrics beside those of the export that it began with."""
    metrics = in_order(after, before)
    arrows = {"maximize": "↑", "minimize": "↓"}
    lines = [
        ["", *(f"{name} {arrows[metric_of(name).direction]}" for name in metrics)],
        ["---", *["---:"] * len(metrics)],
    ]
    for title, values in (("**this one**", after), ("the export it was made from", before)):
        lines.append([title, *(format_metric(name, values.get(name)) for name in metrics)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
