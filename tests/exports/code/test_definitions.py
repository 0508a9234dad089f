from __future__ import annotations

import sys
from types import ModuleType

import pytest

from nas.errors import NASError
from nas.exports.code.definitions import Definitions
from nas.models import attention, norms, resample


def test_a_class_brings_what_it_needs_before_it() -> None:
    found = Definitions()
    found.require("IAFF", attention)
    assert [text.splitlines()[0] for text in found.texts] == [
        "class _Context(nn.Module):",
        "class AFF(nn.Module):",
        "class IAFF(nn.Module):",
    ]
    assert {"from torch import nn", "import torch"} <= found.imports


def test_constants_come_too_and_what_other_modules_define() -> None:
    found = Definitions()
    found.require("GroupNorm", norms)
    found.require("Steps", resample)
    assert "GROUP = 8" in found.texts
    assert sum(text.startswith("def init_convolutions") for text in found.texts) == 1


def test_a_name_is_defined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("nas.models.elsewhere")
    monkeypatch.setitem(sys.modules, other.__name__, other)
    monkeypatch.setattr("inspect.getsource", lambda module: "def crop_or_resize(x):\n    return x\n")
    found = Definitions()
    found.require("crop_or_resize", other)
    monkeypatch.undo()
    with pytest.raises(NASError, match=r"nas.models.elsewhere and nas.models.resample both define crop_or_resize"):
        found.require("crop_or_resize", resample)
