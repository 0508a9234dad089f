"""The whole model as a graph for other runtimes: model.onnx, model-nms.onnx and model.pt2.

Each file is run and compared with torch before it is written. ONNX needs the extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import torch

from nas.errors import UserError
from nas.exports.deployed import INPUT, Deployed
from nas.exports.files import ONNX, ONNX_NMS, PT2

NMS_BOXES = 100
"""Most boxes that model-nms.onnx keeps of an image and class."""

_DYNAMIC = {INPUT: {0: torch.export.Dim("batch")}}


def onnx(model: Deployed) -> bytes:
    """model.onnx: input `images`, outputs `model.names`, any batch size.

    Raises:
        NASError: ONNX Runtime computes something else than torch.
    """
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
        NASError: ONNX Runtime computes something else than torch.
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
    """model.pt2: a program for `torch.export.load`, AOTInductor and ExecuTorch, any batch size.

    Raises:
        NASError: the program computes something else than the model.
    """
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
