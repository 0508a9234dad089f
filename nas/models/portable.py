"""Whether a word can be exported, shown by doing it: as ONNX for onnxruntime, or as PyTorch's own graph (pt2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from nas.models.neck import Neck
from nas.necks.operators import FUSIONS
from nas.necks.spec import ConvSpec, EdgeSpec, NeckSpec, NodeSpec

TOLERANCE = 1e-4
"""How far the numbers of an exported word may be from torch's."""

_WIDTH = 8
_SIDE = 16


def specimen(kind: str, word: str) -> NeckSpec:
    """A neck on P2 to P4 of one node, in which a word does all its work.

    `kind` is `fusion`, `upsampling`, `downsampling` or `block`. A resampling goes over one level and over two.
    """
    fine, middle, coarse = (EdgeSpec(source=i) for i in range(3))
    conv = ConvSpec()
    if kind == "fusion":
        node = NodeSpec(level=3, width=_WIDTH, inputs=(coarse, middle, fine)[: FUSIONS[word].max_inputs], fuse=word)
    elif kind == "upsampling":
        higher = [edge.model_copy(update={"up": word}) for edge in (middle, coarse)]
        node = NodeSpec(level=2, width=_WIDTH, inputs=(fine, *higher))
    elif kind == "downsampling":
        lower = [edge.model_copy(update={"down": word}) for edge in (fine, middle)]
        node = NodeSpec(level=4, width=_WIDTH, inputs=(*lower, coarse))
    else:
        node = NodeSpec(level=3, width=_WIDTH, inputs=(middle,))
        conv = ConvSpec(kind=word)
    return NeckSpec(inputs=(2, 3, 4), nodes=(node.model_copy(update={"block": conv}),), outputs=(3,))


def obstacle(neck: NeckSpec, form: str) -> str | None:
    """What keeps a `specimen` from becoming `onnx` or `pt2`; None if it can, and gives there what it gives in torch."""
    model = _FromOneMap(neck).eval()
    try:
        run = FORMS[form](model)
        off = max((run(x) - model(x)).abs().max().item() for x in (_map(1), _map(3)))
    except Exception as error:  # whatever the operator, the exporter or the runtime raises
        return f"{type(error).__name__}: {_first_line(error)}"
    return None if off <= TOLERANCE else f"its numbers are off torch's by {off:.1e}"  # NaN is off, too


class _FromOneMap(nn.Module):
    """A neck of one output as (N, C, S, S) -> (N, C, s, s): its other inputs are every second and fourth pixel."""

    def __init__(self, neck: NeckSpec) -> None:
        super().__init__()
        self.neck = Neck(neck, dict.fromkeys(neck.inputs, _WIDTH))
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
    (given,) = session.get_inputs()
    return lambda x: torch.from_numpy(session.run(None, {given.name: x.numpy()})[0])


def _pt2(model: nn.Module) -> Run:
    batch = torch.export.Dim("batch")
    program: Run = torch.export.export(model, (_map(2),), dynamic_shapes={"x": {0: batch}}).module()
    return program


FORMS: Mapping[str, Callable[[nn.Module], Run]] = {"onnx": _onnx, "pt2": _pt2}
"""Form -> what makes the graph, and gives how it is run."""


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "without a word")
