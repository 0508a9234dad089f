"""The task `counting`: how many objects does an image show?"""

from collections.abc import Collection, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.models.backbone import channels
from nas.models.pyramid import Pyramid
from nas.necks.architecture import Architecture, BackboneSpec, Frame
from nas.necks.spec import NeckSpec
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec
from nas.tasks import Kind, data
from nas.tasks.base import Say, Task, task_fingerprint
from nas.tasks.data import Dataset, Split


class Counter(Pyramid):
    """A pyramid, the mean of each of its maps, and two linear layers."""

    def __init__(self, architecture: Architecture, hidden: int) -> None:
        super().__init__(architecture)
        width = sum(self.neck.out_channels)
        self.count = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, images: Tensor) -> Tensor:  # (N, 3, S, S) in [0, 1] -> (N,)
        maps = super().forward(images)
        return self.count(torch.cat([m.mean((2, 3)) for m in maps.values()], 1))[:, 0]


class CountingTask(Task):
    """Images with their numbers of objects, a backbone that starts at random, and the neck between."""

    elsewhere = frozenset()
    device = "cpu"
    available = frozenset({"count_error"})

    def __init__(self, spec: TaskSpec, dataset: Dataset) -> None:
        self.spec = spec
        self.dataset = dataset
        self.backbone = BackboneSpec(name=spec.backbone.name, levels=spec.backbone.levels or (3, 4, 5))
        self.frame = Frame(channels=channels(self.backbone), image_size=spec.image_size)
        self.fingerprint = task_fingerprint(spec, dataset.digest.encode())

    @property
    def validation(self) -> Split:
        return self.dataset.val

    def architecture(self, neck: NeckSpec) -> Architecture:
        backbone = self.backbone.model_copy(update={"levels": neck.inputs})
        return Architecture(backbone=backbone, neck=neck, image_size=self.spec.image_size)

    def build(self, architecture: Architecture) -> nn.Module:
        return Counter(architecture, int(self.spec.options.get("hidden", 32)))

    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        images, counts = tensors(self.dataset.train)
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.spec.lr)
        shuffled = torch.Generator().manual_seed(seed)
        for epoch in range(1, epochs + 1):
            model.train()
            for index in torch.randperm(len(images), generator=shuffled).split(self.spec.batch_size):
                loss = F.mse_loss(model(images[index]), counts[index])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            metrics = {"loss": loss.item(), "count_error": self.error(model)}
            yield Progress(epoch=epoch, epochs=epochs, seconds=0, metrics=metrics)

    def error(self, model: nn.Module) -> float:
        model.eval()
        images, counts = tensors(self.validation)
        with torch.inference_mode():
            return float((model(images) - counts).abs().mean())


def tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Images (N, 3, S, S) in [0, 1] and their numbers of objects (N,)."""
    pixels = torch.from_numpy(split.batch(range(len(split)))).permute(0, 3, 1, 2) / 255
    return pixels, torch.from_numpy(split.first.copy()).diff().float()


def load(spec: TaskSpec, say: Say, backbone: bytes | None, known: Collection[str]) -> CountingTask:
    return CountingTask(spec, data.load(spec.data, spec.image_size))


COUNTING = Kind(load=load, data=data.DATA)
