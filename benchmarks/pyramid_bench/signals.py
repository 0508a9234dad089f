"""Cheap signals of the bench's necks: what one batch of gradients at the start says.

    python benchmarks/pyramid_bench/signals.py digits
    python benchmarks/pyramid_bench/signals.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

Adds to NAME.signals.csv what is missing there: `grad_norm`, the norm of the gradient; `snip`, the sum of |weight x
gradient| (Lee et al., 2019); `synflow`, that sum with absolute weights, inputs of ones and the sum of outputs for a
loss (Tanaka et al., 2020), as its logarithm. All over neck and head, which alone are trained.
"""

from __future__ import annotations

import argparse
import sys
from collections import OrderedDict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import table
import torch
from torch import Tensor, nn

from nas.models.detector import Detector
from nas.necks.architecture import Architecture
from nas.search.setup import set_up
from nas.studies.catalog import read_study
from nas.tasks.detection import DetectionTask

SIGNALS = ("grad_norm", "snip", "synflow")
SEEDS = 3
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["digits", "bccd", "nuclei"])
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    spec, _ = read_study(str(table.HERE / f"{options.name}.yaml"), options.sets)
    task = set_up(spec, lambda line: print(line, file=sys.stderr)).task.filled(lambda line: None)
    assert isinstance(task, DetectionTask)
    _, necks, _ = table.read(options.name)
    file = table.HERE / f"{options.name}.signals.csv"
    rows = {row["digest"]: row for row in table.read_rows(file)}
    for neck in necks.values():
        if neck.digest not in rows:
            architecture = Architecture.model_validate(neck.architecture)
            found = np.mean([signals(task, architecture, seed) for seed in range(SEEDS)], axis=0)
            told = {name: f"{x:.4g}" for name, x in zip(SIGNALS, found, strict=True)}
            rows[neck.digest] = {"digest": neck.digest} | told
            table.write_rows(file, ["digest", *SIGNALS], rows.values())


def signals(task: DetectionTask, architecture: Architecture, seed: int) -> tuple[float, float, float]:
    """The three of a model with fresh weights."""
    torch.manual_seed(seed)
    model = task.build(architecture)
    session = task.session(model)
    session.dtype = torch.float32
    images = np.arange(min(BATCH, len(task.dataset.train)))
    weights = [p for part in (model.neck, model.adapt, model.head) for p in part.parameters()]
    grads = torch.autograd.grad(session.loss(images), weights, allow_unused=True)
    pairs = [(w, g) for w, g in zip(weights, grads, strict=True) if g is not None]
    norm = float(torch.stack([g.norm() for _, g in pairs]).norm())
    snip = float(sum((w * g).detach().abs().sum() for w, g in pairs))
    return norm, snip, _synflow(model, weights)


def _synflow(model: Detector, weights: list[nn.Parameter]) -> float:
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.GroupNorm | nn.BatchNorm2d):  # would undo the scale that is measured
                setattr(parent, name, nn.Identity())
    with torch.no_grad():
        for w in weights:
            w.abs_()
    model.double().eval()
    ones: OrderedDict[str, Tensor] = OrderedDict(
        (x.name, torch.ones(1, model.backbone.channels[x.level], *(-(-model.image_size // 2**x.level),) * 2).double())
        for x in model.neck.inputs
    )
    outputs = model.head(model.pyramid(ones))
    own = [p for part in (model.neck, model.adapt, model.head) for p in part.parameters()]
    grads = torch.autograd.grad(sum(x.sum() for x in outputs), own, allow_unused=True)
    total = sum((w * g).abs().sum() for w, g in zip(own, grads, strict=True) if g is not None)
    return float(torch.as_tensor(total).log10())


if __name__ == "__main__":
    main()
