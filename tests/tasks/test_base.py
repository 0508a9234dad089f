"""Fingerprints of tasks of one's own."""

from __future__ import annotations

from typing import Any

import pytest

from nas.studies.spec import TaskSpec
from nas.tasks.base import task_fingerprint

KNOWN = "3af22d7c0779f58e"
"""Of the first version that had such tasks."""


def of(**data: Any) -> str:
    return task_fingerprint(TaskSpec.parse({"kind": "detection", "data": {"kind": "digits"} | data}), b"data")


def test_it_stays_the_same_over_versions() -> None:
    assert of() == of(test=192, test_fraction=0) == KNOWN


@pytest.mark.parametrize("data", [{"test": 8}, {"test_fraction": 0.1}, {"val": 8}])
def test_keys_of_the_data_count(data: dict[str, Any]) -> None:
    assert of(**data) != KNOWN


def test_a_chosen_backbone_stays_the_same_and_its_blocks_count() -> None:
    def chosen(**more: Any) -> str:
        asked = {"kind": "segmentation", "data": {"kind": "voc", "root": "/d", "classes": ["a"]}}
        return task_fingerprint(
            TaskSpec.parse(asked | {"backbone": {"name": "resnet18", "levels": [3, 4]} | more}), b"data"
        )

    assert chosen() == "4763beb6a4bd6a8c"  # as before backbones had blocks
    assert chosen(blocks=[-1]) != chosen()
