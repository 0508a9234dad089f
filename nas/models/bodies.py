"""Bodies: backbones that are not timm's: the plain stack, modules of the user's, and torchvision's models."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas.errors import UserError, first_line
from nas.necks.architecture import BackboneSpec
from nas.plugins import Table

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's images."""

TORCHVISION = "torchvision/"
"""Start of the names of torchvision's models."""


class Body(NamedTuple):
    """A kind of backbone that is not timm's.

    Attributes:
        channels: of a spec, the channels by level of all levels it can give. A body of a single level is a plain
            backbone: the neck makes the other levels of its map.
        build: of a spec, a module from images (N, C, H, W) to a list of maps, one for each of `spec.levels`.
        normalisation: mean and standard deviation by channel; None: it takes images in [0, 1] as they are.
    """

    channels: Callable[[BackboneSpec], Mapping[int, int]]
    build: Callable[[BackboneSpec], nn.Module]
    normalisation: Normalisation | None = None


class PlainBody(nn.Module):
    """A 3x3 convolution with stride 2, BatchNorm and ReLU for each level, from level 1."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        stages = []
        for width in widths[: max(levels)]:
            conv = nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False)
            stages.append(nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width), act=nn.ReLU())))
            in_channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for level, stage in enumerate(self.stages, start=1):
            x = stage(x)
            if level in self.levels:
                maps.append(x)
        return maps


def plain_widths(spec: BackboneSpec) -> tuple[int, ...]:
    """Channels of the plain backbone by stage. The default is 16, doubled at each level up to 256."""
    widths = spec.widths or tuple(min(16 * 2**i, 256) for i in range(max(spec.levels)))
    if len(widths) < max(spec.levels):
        raise UserError(f"backbone.widths: level {max(spec.levels)} needs {max(spec.levels)} widths, not {len(widths)}")
    return widths


class ModuleBody(nn.Module):
    """A module from images to its maps, fine to coarse, of which some are returned.

    Args:
        model: returns a Tensor, a sequence of them, or a mapping to them.
        maps: how many maps it returns.
        taken: numbers of those to return.
    """

    def __init__(self, model: nn.Module, maps: int, taken: tuple[int, ...]) -> None:
        super().__init__()
        self.model = model
        self.maps = maps
        self.taken = taken

    def forward(self, images: Tensor) -> list[Tensor]:
        found = self.model(images)
        maps = [found] if isinstance(found, Tensor) else list(found.values() if isinstance(found, Mapping) else found)
        if len(maps) != self.maps:
            raise UserError(f"{type(self.model).__name__} returns {len(maps)} maps, and says {self.maps}")
        return [maps[i] for i in self.taken]


def backbone(
    make: Callable[[], nn.Module], strides: Mapping[int, int], normalisation: Normalisation | None = IMAGENET
) -> Body:
    """A module of your own as an entry of the table `backbones`.

    Args:
        make: the module's class, or a function that makes it: from images (N, 3, H, W) to its maps (N, C, H/s, W/s),
            fine to coarse, as a Tensor, a list or a mapping.
        strides: the channels of each map by its stride (4, 8, 16, ...). With a single stride it is a plain backbone,
            and the neck makes the other levels of its map.
        normalisation: mean and standard deviation by channel of the images it takes; None: images in [0, 1].

    Raises:
        UserError: a stride is no power of two, or channels are not positive.

    Example:
        >>> import nas
        >>> class Net(nn.Sequential):
        ...     def __init__(self):
        ...         super().__init__(nn.Conv2d(3, 16, 8, stride=8))
        >>> body = nas.backbone(Net, strides={8: 16})
        >>> [x.shape for x in body.build(BackboneSpec(levels=(3,)))(torch.rand(1, 3, 32, 32))]
        [torch.Size([1, 16, 4, 4])]
    """
    if not strides:
        raise UserError("a backbone needs strides: the channels of each map by its stride, such as {8: 64, 16: 128}")
    for stride, width in strides.items():
        if stride < 1 or stride & (stride - 1) or width < 1:
            raise UserError(f"backbone strides: {{{stride}: {width}}} should be a power of two with its channels")
    levels = {int(math.log2(stride)): strides[stride] for stride in sorted(strides)}

    def build(spec: BackboneSpec) -> nn.Module:
        return ModuleBody(make(), len(levels), tuple(list(levels).index(level) for level in spec.levels))

    return Body(lambda spec: levels, build, normalisation)


BODIES = Table("backbones", Body) | {
    "plain": Body(
        lambda spec: dict(enumerate(plain_widths(spec), start=1)),
        lambda spec: PlainBody(spec.in_channels, plain_widths(spec), spec.levels),
    )
}
"""Backbone name -> body. `torchvision/NAME` is torchvision's; every other name is timm's."""


def body_of(name: str) -> Body | None:
    """The body of a backbone's name; None: it is timm's.

    Raises:
        UserError: torchvision has no such model, or it gives no pyramid of maps.
    """
    if name in BODIES:
        return BODIES[name]
    return _torchvision(name.removeprefix(TORCHVISION)) if name.startswith(TORCHVISION) else None


_SIDE = 256
"""Side of the images with which torchvision's models are looked through."""


@cache
def _torchvision(name: str) -> Body:
    """A torchvision model that is cut behind the last stage of each stride."""
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor

    if name not in torchvision.models.list_models(module=torchvision.models):
        raise UserError(f"backbone {TORCHVISION + name!r}: torchvision has no such model for classification")
    nodes = _last_maps(name)

    def build(spec: BackboneSpec) -> nn.Module:
        if spec.in_channels != 3:
            raise UserError(f"backbone {spec.name!r} takes images of 3 channels, not {spec.in_channels}")
        taken = {nodes[level][0]: f"p{level}" for level in spec.levels}
        model = create_feature_extractor(_torchvision_model(name), taken)
        return ModuleBody(model, len(taken), tuple(range(len(taken))))

    return Body(lambda spec: {level: width for level, (_, width) in nodes.items()}, build, IMAGENET)


def _last_maps(name: str) -> dict[int, tuple[str, int]]:
    """Of each level the last node of a torchvision model's graph, with its channels.

    Nodes of a block that ends at a coarser level do not count: they are the insides of its downsampling.
    """
    place = f"backbone {TORCHVISION + name!r}"
    try:
        shapes = _shapes(name)
    except Exception as error:  # what tracing and the model raise
        raise UserError(f"{place} cannot be cut into stages ({first_line(error)})") from None
    level_of = {_SIDE >> level: level for level in range(1, 6)}
    found = [
        (node, level_of[shape[2]], shape[1])
        for node, shape in shapes.items()
        if len(shape) == 4 and shape[2] == shape[3] and shape[2] in level_of
    ]
    ends: dict[str, int] = {}
    for node, level, _ in found:
        ends[_block(node)] = max(level, ends.get(_block(node), 0))
    last = {level: (node, width) for node, level, width in found if level == ends[_block(node)]}
    levels = sorted(last)
    if len(levels) < 2 or levels != list(range(levels[0], levels[-1] + 1)):
        have = ", ".join(f"P{x}" for x in levels) or "no maps"
        raise UserError(f"{place} gives {have} in (N, C, H, W), and no pyramid: take a model of timm")
    return dict(sorted(last.items()))


def _block(node: str) -> str:
    """The block of a node, such as `layer2.0` of `layer2.0.conv1`."""
    return ".".join(node.split(".")[:2])


def _shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the nodes of a torchvision model's graph that it has in training too."""
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    with torch.device("meta"), torch.no_grad():
        model = _torchvision_model(name)
        train, evaluated = get_graph_node_names(model)
        nodes = [node for node in evaluated[1:] if node in train]
        found = create_feature_extractor(model.eval(), nodes)(torch.zeros(1, 3, _SIDE, _SIDE))
    return {node: tuple(x.shape) for node, x in found.items() if isinstance(x, Tensor)}


def _torchvision_model(name: str) -> nn.Module:
    import torchvision

    try:
        model: nn.Module = torchvision.models.get_model(name, weights=None)
    except NotImplementedError:  # some compute with their weights while they are made, which meta tensors cannot
        device = torch.get_default_device()
        with torch.device("cpu"), torch.random.fork_rng():
            model = torchvision.models.get_model(name, weights=None).to(device)
    return model
