"""A model as a session of onnxruntime on one thread of the CPU; needs the extra `onnx`."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import UserError
from nas.models.heads import fault_of_graph
from nas.models.pyramid import Headed, Pyramid

INPUT = "image"
"""Name of the session's input."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def fault() -> str | None:
    """What is not installed, and the command that installs it."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if not missing:
        return None
    return f"onnxruntime needs {', '.join(missing)}: pip install 'pyramid-nas[onnx]'"


def session(model: Headed | Pyramid, image: Tensor) -> Any:
    """An `onnxruntime.InferenceSession` of a copy of `model`, which takes images of the shape of `image`.

    Raises:
        UserError: the extra is not installed, or the model is no graph.
    """
    missing = fault() or _fault_of(model)
    if missing is not None:
        raise UserError(missing)
    import onnxruntime

    plain = _Raw(copy.deepcopy(model).to("cpu")).eval()
    program = torch.onnx.export(plain, (image,), dynamo=True, verbose=False, input_names=[INPUT])
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = program.model_proto.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _fault_of(model: Headed | Pyramid) -> str | None:
    return fault_of_graph(model.spec.kind) if isinstance(model, Headed) else None


class _Raw(nn.Module):
    """The maps or outputs of a model as a plain tuple, whose order is the session's."""

    def __init__(self, model: Headed | Pyramid) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model.raw(image)
        if isinstance(outputs, Tensor):
            return (outputs,)
        return tuple(outputs.values()) if isinstance(outputs, dict) else tuple(outputs)
