"""A model as an ONNX graph of its raw outputs, in fp32 or INT8. Needs the extra `onnx`."""

from __future__ import annotations

import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.heads import graph_fault
from nas.models.pyramid import HeadedModel, Pyramid

INPUT = "image"
"""Name of the graph's input."""

Images = NDArray[np.uint8]
"""Images (N, S, S, C) for calibration."""

Feed = dict[str, NDArray[np.float32]]
"""The inputs of a graph, by name."""

PACKAGES = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino", "nncf"),
    "litert": ("litert_torch",),
}
"""Extra -> the packages that it brings. `litert` is no extra of ours: its packages are the user's to choose."""


def fault(target: str, *extras: str) -> str | None:
    """Which packages of the extras are missing, and the command that installs them; None if none is."""
    missing = [name for extra in extras for name in PACKAGES[extra] if find_spec(name) is None]
    if not missing:
        return None
    way = "pip install litert-torch" if "litert" in extras else f"pip install 'pyramid-nas[{','.join(extras)}]'"
    return f"{target} needs {', '.join(missing)}: {way}"


def onnx_graph(model: HeadedModel | Pyramid, image: Tensor) -> bytes:
    """The ONNX graph of a copy of `model`, for images of the shape of `image`.

    Raises:
        UserError: the model cannot be exported as a graph.
    """
    program = torch.onnx.export(raw(model), (image,), dynamo=True, verbose=False, input_names=[INPUT])
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data


def operator_graph(module: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The ONNX graph of one operator, by the older exporter, which takes a tenth of a second instead of several.

    Its inputs are called `x0`, `x1` and so on.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "operator.onnx")
        names = [f"x{k}" for k in range(len(inputs))]
        torch.onnx.export(module, inputs, path, dynamo=False, input_names=names)
        return path.read_bytes()


def litert_graph(model: HeadedModel | Pyramid, image: Tensor) -> bytes:
    """The .tflite file of a copy of `model`."""
    import litert_torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        litert_torch.convert(raw(model), (image,)).export(str(path))
        return path.read_bytes()


def raw(model: HeadedModel | Pyramid) -> nn.Module:
    """A copy of `model` on the CPU that returns its raw outputs as a tuple, in the order of a graph's outputs.

    Raises:
        UserError: the model cannot be exported as a graph.
    """
    reason = graph_fault(model.spec.kind) if isinstance(model, HeadedModel) else None
    if reason is not None:
        raise UserError(reason)
    return _Raw(copy.deepcopy(model).to("cpu", memory_format=torch.contiguous_format)).eval()  # type: ignore[call-overload]


def onnx_int8(graph: bytes, feeds: Sequence[Feed]) -> bytes:
    """The graph in INT8 by onnxruntime's static quantization: QDQ pairs, weights by channel; calibrated on `feeds`."""
    from onnx import load_from_string
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder, "int8.onnx")
        quantize_static(
            load_from_string(graph),
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return path.read_bytes()


def openvino_int8(graph: bytes, feeds: Sequence[Feed]) -> Any:
    """The graph as a model of openvino in INT8, by NNCF's post-training quantization; calibrated on `feeds`."""
    import openvino

    model = openvino.Core().read_model(graph)
    with _quiet():
        import nncf

        return nncf.quantize(model, nncf.Dataset(list(feeds)), subset_size=len(feeds))


@contextmanager
def _quiet() -> Iterator[None]:
    """The block without what the packages print, and without telemetry."""
    os.environ.setdefault("NNCF_CI", "1")  # NNCF sends what it does to its makers otherwise
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def feeds(images: Images) -> list[Feed]:
    """Images as inputs of a graph, one at a time."""
    return [
        {INPUT: np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)} for image in images
    ]


class _Raw(nn.Module):
    """The raw outputs of a model as a tuple, in the order of the graph's outputs."""

    def __init__(self, model: HeadedModel | Pyramid) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return flat(self.model.raw(image))


def flat(outputs: Any) -> tuple[Tensor, ...]:
    """The raw outputs of a model as a tuple."""
    if isinstance(outputs, Tensor):
        return (outputs,)
    return tuple(outputs.values()) if isinstance(outputs, dict) else tuple(outputs)


def restored(tensors: Iterable[Tensor], like: Any) -> Any:
    """A tuple of raw outputs in the form in which the model returns them, of which `like` is an example."""
    if isinstance(like, Tensor):
        return next(iter(tensors))
    if isinstance(like, dict):
        return type(like)(zip(like, tensors, strict=True))
    return type(like)(*tensors) if hasattr(like, "_fields") else type(like)(tensors)
