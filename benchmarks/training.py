"""Training speed: images a second of our training step against torchvision's reference loop, on the same model.

    python benchmarks/training.py                     # the embedded data
    python benchmarks/training.py bccd --set task.data.root=FOLDER --set task.backbone.checkpoint=FILE

One thread and one process run the ways in turn for several rounds. Each row has the median and its ratio to the
reference. The reference is the loop of torchvision's references/detection/engine.py around torchvision's own FCOS: the
study's backbone, an FPN, one convolution a head tower. Its images are decoded in memory beforehand.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from nas.executors.evaluate import machine
from nas.necks.topologies import fpn
from nas.studies.catalog import read_study
from nas.tasks import prepare
from nas.tasks.detection import DetectionTask
from nas.tasks.training import Average, one_step, order

Step = Callable[[np.ndarray], None]


def ours(task: DetectionTask, width: int, *, plain_norm: bool = False) -> Step:
    """One step of our loop, as `nas.tasks.training` takes it; with `plain_norm`, torch's GroupNorm of 32 groups."""
    model = task.build(task.architecture(fpn(task.frame.levels, width)))
    if plain_norm:
        for tower in (model.head.classification.conv, model.head.regression.conv):
            for i, layer in enumerate(tower):
                if isinstance(layer, nn.GroupNorm):
                    tower[i] = nn.GroupNorm(math.gcd(32, width), width)
    training = task.session(model)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    average = Average([*parameters, *model.buffers()], task.spec.average)

    def step(index: np.ndarray) -> None:
        one_step(training.loss, index, parameters, optimizer)
        average.update()

    return step


class _Body(nn.Module):
    """The study's backbone under torchvision's FPN."""

    def __init__(self, backbone: nn.Module, channels: list[int], width: int) -> None:
        super().__init__()
        self.body = backbone
        self.fpn = FeaturePyramidNetwork(channels, width)
        self.out_channels = width

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        return self.fpn(self.body(x))


class _Images(torch.utils.data.Dataset):
    def __init__(self, task: DetectionTask) -> None:
        self.split = task.dataset.train
        self.pixels = self.split.batch(np.arange(len(self.split)))

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, i: int) -> tuple[Tensor, dict[str, Tensor]]:
        boxes, labels, _ = self.split.targets(int(i))
        image = torch.from_numpy(self.pixels[i]).permute(2, 0, 1).float() / 255
        return image, {"boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(labels)}


def reference(task: DetectionTask, width: int, *, frozen: bool) -> Step:
    """One step of torchvision's reference loop (float32, as it is by default)."""
    ready = task.build(task.architecture(fpn(task.frame.levels, width))).to(memory_format=torch.contiguous_format)
    backbone = ready.backbone.requires_grad_(not frozen)
    body = _Body(backbone, list(task.frame.channels.values()), width)
    levels, size = task.frame.levels, task.spec.image_size
    model = FCOS(
        body,
        len(task.dataset.classes),
        min_size=size,
        max_size=size,
        image_mean=[0, 0, 0],  # the backbone normalises by itself
        image_std=[1, 1, 1],
        anchor_generator=AnchorGenerator(tuple((2**x,) for x in levels), ((1.0,),) * len(levels)),
        head=FCOSHead(width, 1, len(task.dataset.classes), num_convs=1),
    ).train()
    if frozen:
        backbone.eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    data = _Images(task)

    def step(index: np.ndarray) -> None:
        loader = DataLoader(
            torch.utils.data.Subset(data, (index % len(data)).tolist()), batch_size=len(index), collate_fn=_collate
        )
        for images, targets in loader:
            loss_dict = model(list(images), list(targets))
            losses = sum(loss_dict.values())
            float(losses.detach())
            optimizer.zero_grad()
            losses.backward()
            optimizer.step()

    return step


def _collate(batch: list[tuple[Tensor, dict[str, Tensor]]]) -> tuple[tuple[Tensor, ...], ...]:
    return tuple(zip(*batch, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="quickstart")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="steps a round and way")
    options = parser.parse_args()
    torch.set_num_threads(1)
    base, _ = read_study(options.study, options.sets)

    def task(cache: str, tune: str = "frozen", precision: str = "auto") -> DetectionTask:
        changes = {
            "cache": cache,
            "precision": precision,
            "backbone": base.task.backbone.model_copy(update={"tune": tune}),
        }
        return prepare(base.task.model_copy(update=changes), lambda line: None).filled(lambda line: None)

    images, width = task("images"), options.width
    ways: dict[str, tuple[str, Callable[[], Step]]] = {
        "torchvision, frozen": ("torchvision, frozen", partial(reference, images, width, frozen=True)),
        "torchvision, tuned": ("torchvision, tuned", partial(reference, images, width, frozen=False)),
        "ours, frozen, cached features": ("torchvision, frozen", partial(ours, task("features"), width)),
        "the same, torch's GroupNorm of 32 groups": (
            "torchvision, frozen",
            partial(ours, task("features"), width, plain_norm=True),
        ),
        "the same in float32": ("torchvision, frozen", partial(ours, task("features", precision="fp32"), width)),
        "ours, frozen, cached images": ("torchvision, frozen", partial(ours, images, width)),
        "ours, tuned": ("torchvision, tuned", partial(ours, task("images", "full"), width)),
    }
    steps = {name: build() for name, (_, build) in ways.items()}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    size, count = base.task.batch_size, len(images.dataset.train)
    for epoch in range(options.rounds + 1):
        batches = list(order(count, base.task.views, size, 0, epoch))[: options.steps]
        for name, step in steps.items():
            started = time.perf_counter()
            for index in batches:
                step(index)
            if epoch:  # the first round is for warming up
                speeds[name].append(size * len(batches) / (time.perf_counter() - started))
    about = machine("cpu")
    print(f"{options.study}, width {options.width}, batches of {size}, {base.task.image_size} px, one thread;")
    print(f"{about['processor']}, {platform.machine()}, torch {about['versions']['torch']}, {date.today():%Y-%m-%d}\n")
    print("| way | images/s | against |\n| --- | --- | --- |")
    for name, (peer, _) in ways.items():
        ratio = statistics.median(a / b for a, b in zip(speeds[name], speeds[peer], strict=True))
        against = "" if name == peer else f"{ratio:.1f}x {peer}"
        print(f"| {name} | {statistics.median(speeds[name]):.0f} | {against} |")


if __name__ == "__main__":
    main()
