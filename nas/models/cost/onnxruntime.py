"""A model as an onnxruntime session on one CPU thread. Needs the extra `onnx`."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.heads import graph_fault
from nas.models.pyramid import HeadedModel, Pyramid

INPUT = "image"
"""Name of the session's input."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def fault() -> str | None:
    """Which packages are missing, and the command that installs them; None if none is."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return f"onnxruntime needs {', '.join(missing)}: pip install 'pyramid-nas[onnx]'"


def session(model: HeadedModel | Pyramid, image: Tensor) -> Any:
    """An `onnxruntime.InferenceSession` of a copy of `model`, for images of the shape of `image`.

    Raises:
        UserError: the extra is not installed, or the model cannot be exported as a graph.
    """
    reason = fault() or (graph_fault(model.spec.kind) if isinstance(model, HeadedModel) else None)
    if reason is not None:
        raise UserError(reason)
    import onnxruntime

    plain = _Raw(copy.deepcopy(model).to("cpu")).eval()
    program = torch.onnx.export(plain, (image,), dynamo=True, verbose=False, input_names=[INPUT])
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = program.model_proto.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


class _Raw(nn.Module):
    """The raw outputs of a model as a tuple, in the order of the session's outputs."""

    def __init__(self, model: HeadedModel | Pyramid) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model.raw(image)
        if isinstance(outputs, Tensor):
            return (outputs,)
        return tuple(outputs.values()) if isinstance(outputs, dict) else tuple(outputs)
