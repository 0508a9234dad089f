"""Targets: what a latency is of, and how a model is made ready for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from nas.device.runner import RUNTIMES, Model, Pass, openvino_model
from nas.errors import UserError
from nas.models.cost.graph import (
    Feed,
    Images,
    fault,
    feeds,
    litert_graph,
    onnx_graph,
    onnx_int8,
    openvino_int8,
    restored,
)
from nas.models.pyramid import HeadedModel, Pyramid
from nas.models.repvgg import deployed
from nas.studies.task import RemoteTarget, Target

CALIBRATION = 64
"""Most training images that INT8 is calibrated on."""

_NOISE = 4
"""Images of noise to calibrate on where no images are given."""


@dataclass(frozen=True)
class Prepared:
    """A model made ready for a target.

    Attributes:
        run: passes one image through it.
        shape: of that image.
        graph: for a device elsewhere, the file that is sent there; `run` is never called then.
    """

    run: Pass
    shape: tuple[int, ...]
    graph: bytes | None = None


def prepare(model: HeadedModel | Pyramid, target: Target, images: Images | None = None) -> Prepared:
    """Make a model in evaluation mode ready for a target.

    Args:
        model: the model.
        target: the target.
        images: those that INT8 is calibrated on; None: noise.

    Raises:
        UserError: packages of the target are not installed, or the model cannot be exported as a graph.
    """
    reason = target_fault(target)
    if reason is not None:
        raise UserError(reason)
    model = deployed(model)
    image = _image(model)
    images = _noise(image) if images is None else images
    if isinstance(target, RemoteTarget):
        graph = remote_graph(model, target, image, images)
        return Prepared(lambda: None, tuple(image.shape), graph)
    if target == "torch":
        return Prepared(_torch_pass(model, image), tuple(image.shape))
    return Prepared(partial(session(model, target, images), image.numpy()), tuple(image.shape))


def session(model: HeadedModel | Pyramid, target: str, images: Images | None = None) -> Model:
    """A model on a graph target of this machine: a function from an image (1, C, S, S) to its raw outputs.

    Raises:
        UserError: the model cannot be exported as a graph.
    """
    image = _image(model)
    return GRAPHS[target](onnx_graph(deployed(model), image), feeds(_noise(image) if images is None else images))


def quantized(model: HeadedModel, images: Images | None) -> Callable[[torch.Tensor], Any]:
    """A trained model in INT8 on onnxruntime, calibrated on images: a function from a batch to its raw outputs."""
    mode = model.training
    model.eval()
    run = session(model, "onnxruntime-int8", images)
    device = next(model.buffers()).device
    with torch.inference_mode():
        like = model.raw(_image(model).to(device))
    model.train(mode)

    def outputs(batch: torch.Tensor) -> Any:
        found = [run(image[None].numpy()) for image in batch.contiguous()]
        return restored(
            [torch.from_numpy(np.concatenate(parts)).to(device) for parts in zip(*found, strict=True)], like
        )

    return outputs


def remote_graph(model: HeadedModel | Pyramid, target: RemoteTarget, image: torch.Tensor, images: Images) -> bytes:
    """The file that a device elsewhere is sent."""
    if target.runtime == "litert":
        return litert_graph(model, image)
    graph = onnx_graph(model, image)
    return onnx_int8(graph, feeds(images)) if target.precision == "int8" else graph


GRAPHS: dict[str, Callable[[bytes, Sequence[Feed]], Model]] = {
    "onnxruntime": lambda graph, given: RUNTIMES["onnxruntime"](graph),
    "onnxruntime-int8": lambda graph, given: RUNTIMES["onnxruntime"](onnx_int8(graph, given)),
    "openvino": lambda graph, given: RUNTIMES["openvino"](graph),
    "openvino-int8": lambda graph, given: openvino_model(openvino_int8(graph, given)),
}
"""Target -> function that builds the model of an ONNX graph, calibrated on given inputs where it is in INT8."""

TARGETS = ("torch", *GRAPHS)
"""The targets of this machine."""


def target_fault(target: Target) -> str | None:
    """Why this process cannot time on a target, and the command that helps; None if it can."""
    if target == "torch":
        return None
    if isinstance(target, RemoteTarget):
        return fault(str(target), "litert" if target.runtime == "litert" else "onnx")
    return fault(target, *(("onnx", "openvino") if target.startswith("openvino") else ("onnx",)))


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done its work. On a CPU there is nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _torch_pass(model: HeadedModel | Pyramid, image: torch.Tensor) -> Pass:
    device = next(model.buffers()).device
    image = image.to(device).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        synchronise(device)
        model.raw(image)
        synchronise(device)

    return run


def _image(model: HeadedModel | Pyramid) -> torch.Tensor:
    size = model.image_size
    assert size is not None
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, model.backbone.spec.in_channels, size, size, generator=generator)


def _noise(image: torch.Tensor) -> Images:
    _, channels, height, width = image.shape
    return np.random.default_rng(0).integers(0, 256, (_NOISE, height, width, channels), np.uint8)
