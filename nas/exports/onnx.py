"""model.onnx: the deployed model for onnxruntime, TensorRT, OpenVINO and their like; needs the extra `onnx`."""

from __future__ import annotations

import torch

from nas.errors import UserError
from nas.exports.deployed import INPUT, Deployed, compared

ONNX = "model.onnx"
ONNX_NMS = "model-nms.onnx"

MOST = 100


def onnx(model: Deployed) -> bytes:
    """The file: input `images`, outputs `model.names`, any batch size; compared with `model` on onnxruntime.

    Raises:
        NASError: onnxruntime gives something else.
    """
    program = torch.onnx.export(
        model,
        (model.example(2),),
        dynamo=True,
        verbose=False,
        input_names=[INPUT],
        output_names=list(model.names),
        dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
    )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    _check(ONNX, data, model)
    return data


def onnx_nms(model: Deployed) -> bytes:
    """The file of `onnx` with post-processing: a further output `selected` (K, 3), int64.

    Each row is an image, a class and a point whose box is kept: for each image and class at most 100 boxes, the best
    first, that score above the detector's threshold and overlap no better one by more than the IoU of the head.

    Raises:
        UserError: the model gives no boxes.
        NASError: onnxruntime gives something else.
    """
    if "boxes" not in model.names:
        raise UserError("onnx-nms is for models that give boxes, and this one gives none: take onnx")
    from onnx import TensorProto, helper, load_from_string

    proto = load_from_string(onnx(model))
    graph = proto.graph
    limits = {"most": (TensorProto.INT64, MOST), "iou": (TensorProto.FLOAT, model.model.head.nms_iou)}
    limits["threshold"] = (TensorProto.FLOAT, model.model.threshold)
    graph.initializer.extend(helper.make_tensor(f"nms_{name}", kind, [1], [x]) for name, (kind, x) in limits.items())
    graph.node.extend(
        [
            helper.make_node("Transpose", ["scores"], ["nms_scores"], perm=[0, 2, 1]),
            helper.make_node(
                "NonMaxSuppression",
                ["boxes", "nms_scores", *(f"nms_{name}" for name in limits)],
                ["selected"],
            ),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("selected", TensorProto.INT64, ["selected", 3]))
    data: bytes = proto.SerializeToString()
    _check(ONNX_NMS, data, model)
    return data


def _check(name: str, data: bytes, model: Deployed) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        images = model.example(batch)
        found = session.run(list(model.names), {INPUT: images.numpy()})
        compared(name, model.names, tuple(map(torch.from_numpy, found)), model.expected(images))
