"""Operators are exported for real, and a failed export is one line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from nas.models.fuse import FUSIONS
from nas.models.portable import FORMS, example_neck, export_fault
from nas.necks.canonical import canonical
from nas.necks.operators import BLOCKS, DOWNSAMPLINGS, UPSAMPLINGS
from nas.necks.operators import FUSIONS as WORDS

KINDS = {"fusion": WORDS, "upsampling": UPSAMPLINGS, "downsampling": DOWNSAMPLINGS, "block": BLOCKS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_keeps_its_name_in_the_canonical_form(kind: str) -> None:
    for name in KINDS[kind]:
        neck = example_neck(kind, name)
        neck.check(dict.fromkeys(neck.inputs, 8))
        assert name in str(canonical(neck).to_dict()) or name in ("add", "plain", "nearest", "max_pool", "identity")


class Either(nn.Module):
    """What it computes depends on the numbers: a graph cannot hold that."""

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return xs[0] if xs[0].sum().item() > 0 else xs[1]


class OtherInAGraph(nn.Module):
    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return xs[0] + xs[1] * (2 if torch.compiler.is_exporting() else 1)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_an_obstacle_is_told_and_our_own_names_have_none(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    assert export_fault(example_neck("fusion", "fast_attention"), form) is None
    monkeypatch.setitem(FUSIONS.own, "add", lambda width, inputs: Either())
    found = export_fault(example_neck("fusion", "add"), form)
    assert found is not None
    assert "\n" not in found
    monkeypatch.setitem(FUSIONS.own, "add", lambda width, inputs: OtherInAGraph())
    found = export_fault(example_neck("fusion", "add"), form)
    assert found is not None
    assert found.startswith("its outputs differ from torch's by ")
