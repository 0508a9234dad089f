"""Whether an operator can be exported, found by a trial export to ONNX or to torch.export (pt2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nas.errors import first_line
from nas.models.neck import Neck
from nas.models.repvgg import deployed
from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec

TOLERANCE = 1e-4
"""Largest difference allowed between the outputs of the exported operator and torch's."""

_WIDTH = 8
_SIDE = 16


def example_neck(kind: str, name: str) -> NeckSpec:
    """A neck on P2 to P4 whose only node uses an operator, a resampling both by one level and by two.

    Args:
        kind: `fusion`, `upsampling`, `downsampling` or `block`.
        name: name of the operator.
    """
    fine, middle, coarse = (EdgeSpec(source=i) for i in range(3))
    conv = ConvSpec()
    if kind == "fusion":
        node = NodeSpec(level=3, width=_WIDTH, inputs=(coarse, middle, fine)[: FUSIONS[name].max_inputs], fuse=name)
    elif kind == "upsampling":
        higher = [edge.model_copy(update={"up": name}) for edge in (middle, coarse)]
        node = NodeSpec(level=2, width=_WIDTH, inputs=(fine, *higher))
    elif kind == "downsampling":
        lower = [edge.model_copy(update={"down": name}) for edge in (fine, middle)]
        node = NodeSpec(level=4, width=_WIDTH, inputs=(*lower, coarse))
    else:
        node = NodeSpec(level=3, width=_WIDTH, inputs=(middle,))
        conv = ConvSpec(kind=name)
    return NeckSpec(inputs=(2, 3, 4), nodes=(node.model_copy(update={"block": conv}),), outputs=(3,))


def export_fault(neck: NeckSpec, form: str) -> str | None:
    """Why an `example_neck` cannot be exported; None if it can, and its outputs are torch's.

    Args:
        neck: the neck.
        form: a name of `FORMS`.
    """
    model = _FromOneMap(neck).eval()
    try:
        run = FORMS[form](model)
        difference = max((run(x) - model(x)).abs().max().item() for x in (_map(1), _map(3)))
    except Exception as error:
        # The operator, the exporter and the runtime may raise anything.
        return f"{type(error).__name__}: {first_line(error)}"
    # Written so that NaN is a difference too.
    return None if difference <= TOLERANCE else f"its outputs differ from torch's by {difference:.1e}"


class _FromOneMap(nn.Module):
    """A neck with one output as a function of one map (N, C, S, S). P3 and P4 are its every second and fourth pixel."""

    def __init__(self, neck: NeckSpec) -> None:
        super().__init__()
        self.neck = deployed(Neck(neck, dict.fromkeys(neck.inputs, _WIDTH)).eval())
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor
        (maps,) = self.neck({"p2": x, "p3": x[..., ::2, ::2], "p4": x[..., ::4, ::4]}).values()
        return maps


def _map(batch: int) -> Tensor:
    return torch.randn(batch, _WIDTH, _SIDE, _SIDE, generator=torch.Generator().manual_seed(batch))


Run = Callable[[Tensor], Tensor]


def _onnx(model: nn.Module) -> Run:
    import onnxruntime

    batch = torch.export.Dim("batch")
    program = torch.onnx.export(model, (_map(2),), dynamo=True, verbose=False, dynamic_shapes={"x": {0: batch}})
    assert program is not None
    data = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return lambda x: torch.from_numpy(session.run(None, {entry.name: x.numpy()})[0])


def _pt2(model: nn.Module) -> Run:
    batch = torch.export.Dim("batch")
    program: Run = torch.export.export(model, (_map(2),), dynamic_shapes={"x": {0: batch}}).module()
    return program


FORMS: Mapping[str, Callable[[nn.Module], Run]] = {"onnx": _onnx, "pt2": _pt2}
"""Form -> function that exports a model and returns a function that runs the export."""
