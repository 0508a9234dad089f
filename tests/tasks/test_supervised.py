"""Detection and segmentation keep the same promises."""

from __future__ import annotations

from functools import partial

from tests.contracts.task_contract import TaskContract
from tests.tasks.tiny import prepared, segmented


class TestDetection(TaskContract):
    make = staticmethod(prepared)


class TestTwoStages(TaskContract):
    make = staticmethod(partial(prepared, head="faster_rcnn"))


class TestSegmentation(TaskContract):
    make = staticmethod(segmented)


def test_the_two_are_told_apart() -> None:
    assert prepared().fingerprint != segmented().fingerprint
