"""The deployed model as a graph for other runtimes: model.onnx, model-nms.onnx and model.pt2.

The deployed model has no post-processing. Each file is run and compared with torch before it is written. ONNX needs the
extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from nas.errors import NASError, UserError
from nas.exports.files import ONNX, ONNX_NMS, PT2
from nas.models import Detector, HeadedModel
from nas.models.dense import DenseHead
from nas.models.repvgg import deployed

INPUT = "images"
TOLERANCE = 1e-4
"""Largest allowed difference between an exported model and torch: absolute below 1, relative above, and of a corner in
parts of its box's longer side: it is the centre less a distance, and the distance brings the error."""

NMS_BOXES = 100
"""Most boxes that model-nms.onnx keeps of an image and class."""

_DYNAMIC = {INPUT: {0: torch.export.Dim("batch")}}


class Deployed(nn.Module):
    """A copy of a model that maps images (N, C, S, S) in [0, 1] to the tensors called `names`.

    A detector returns `boxes` (N, P, 4) as x1, y1, x2, y2 in pixels, and `scores` (N, P, classes), for the P points or
    anchors of all levels. Other models return what their `raw` returns.
    """

    def __init__(self, model: HeadedModel) -> None:
        super().__init__()
        copied: Any = deployed(deepcopy(model).eval())
        self.model = copied.to("cpu", memory_format=torch.contiguous_format)
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.eval()
        self.names = ("boxes", "scores") if isinstance(model, Detector) else ("logits",)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = self.model.raw(images)
        if isinstance(self.model, Detector):
            head = self.model.head
            assert isinstance(head, DenseHead)  # `nas.models.graph_fault` refuses other heads
            outputs = head.decode(outputs, head.points(self.model.sizes(), images.device))
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def example(self, batch: int) -> Tensor:
        """Noise as input, the same at each call."""
        size, channels = self.model.image_size, self.model.architecture.backbone.in_channels
        return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(batch))

    def expected(self, images: Tensor) -> tuple[Tensor, ...]:
        with torch.no_grad():
            outputs: tuple[Tensor, ...] = self(images)
        return outputs

    def check(self, file: str, run: Callable[[Tensor], Sequence[Tensor]]) -> None:
        """Raise NASError unless `run`, the exported model of `file`, computes the same for two batch sizes."""
        for images in map(self.example, (1, 3)):
            for name, found, expected in zip(self.names, run(images), self.expected(images), strict=True):
                check_close(file, name, found, expected)


def check_close(file: str, name: str, found: Tensor, expected: Tensor) -> None:
    """Raise NASError if the output `name` of the exported model of `file` differs from the expected one."""
    same_shape = found.shape == expected.shape
    scale = expected.abs().clamp(min=1)
    if name == "boxes":
        scale = scale.maximum((expected[..., 2:] - expected[..., :2]).abs().amax(-1, keepdim=True))
    error = ((found - expected).abs() / scale).max().item() if same_shape else float("inf")
    if not error <= TOLERANCE:  # NaN too
        raise NASError(
            f"{file} was not written: its {name} differ from torch's by {error:.1e}, more than {TOLERANCE:.0e}"
        )


def onnx(model: Deployed) -> bytes:
    """model.onnx: input `images`, outputs `model.names`, any batch size."""
    program = torch.onnx.export(
        model,
        (model.example(2),),
        dynamo=True,
        verbose=False,
        input_names=[INPUT],
        output_names=list(model.names),
        dynamic_shapes=_DYNAMIC,
    )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    _check_onnx(ONNX, data, model)
    return data


def onnx_nms(model: Deployed) -> bytes:
    """model-nms.onnx: model.onnx with a further output `selected` (K, 3), int64.

    Each row has the image, the class and the point of a box that is kept: of each image and class the best NMS_BOXES
    that score above the detector's threshold and overlap no better box by more than the head's IoU.

    Raises:
        UserError: the model finds no boxes.
    """
    if "boxes" not in model.names:
        raise UserError("onnx-nms is for models that find boxes, and this model finds none: use the format onnx")
    from onnx import TensorProto, helper, load_from_string

    proto = load_from_string(onnx(model))
    limits = {
        "nms_most": (TensorProto.INT64, NMS_BOXES),
        "nms_iou": (TensorProto.FLOAT, model.model.head.nms_iou),
        "nms_threshold": (TensorProto.FLOAT, model.model.threshold),
    }
    graph = proto.graph
    graph.initializer.extend(helper.make_tensor(name, kind, [1], [x]) for name, (kind, x) in limits.items())
    graph.node.append(helper.make_node("Transpose", ["scores"], ["nms_scores"], perm=[0, 2, 1]))
    graph.node.append(helper.make_node("NonMaxSuppression", ["boxes", "nms_scores", *limits], ["selected"]))
    graph.output.append(helper.make_tensor_value_info("selected", TensorProto.INT64, ["selected", 3]))
    data: bytes = proto.SerializeToString()
    _check_onnx(ONNX_NMS, data, model)
    return data


def pt2(model: Deployed) -> bytes:
    """model.pt2: a program for `torch.export.load`, AOTInductor and ExecuTorch, any batch size."""
    file = BytesIO()
    torch.export.save(torch.export.export(model, (model.example(2),), dynamic_shapes=_DYNAMIC), file)
    with torch.no_grad():
        model.check(PT2, torch.export.load(BytesIO(file.getvalue())).module())
    return file.getvalue()


WRITERS: dict[str, Callable[[Deployed], bytes]] = {"onnx": onnx, "onnx-nms": onnx_nms, "pt2": pt2}
"""Format -> function that returns the content of its file."""


def _check_onnx(file: str, data: bytes, model: Deployed) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = list(model.names)
    model.check(file, lambda images: [torch.from_numpy(x) for x in session.run(names, {INPUT: images.numpy()})])
