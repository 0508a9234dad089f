from __future__ import annotations

import pytest

from nas.report.sentences import answer_of, question
from nas.storage import Store
from nas.storage.results import overview
from nas.studies.spec import StudySpec


def test_the_question_states_objectives_constraints_and_data() -> None:
    spec = StudySpec.parse(
        {
            "task": {"kind": "detection", "data": {"kind": "voc", "root": "/data/cells/"}, "image_size": 320},
            "objectives": ["ap", "latency_ms"],
            "constraints": {"params": 5e6},
        }
    )
    assert question(spec) == (
        "Which feature pyramid between tf_efficientnet_lite0 (frozen) and an FCOS head has the highest AP and the "
        "lowest latency on cells (voc) at 320 px, with at most 5.00 M parameters?"
    )


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("cells", "Trial 12 is better than fpn by 0.095 AP (95 %: 0.050 to 0.140), full training, 2 seeds each"),
        ("empty", "There is no answer yet: no trial has been trained to its end."),
        ("failed", "There is no answer: all 2 trials that ended failed."),
        ("broken", "There is no answer: none of the 1 trained necks meets the constraints."),
        (
            "front",
            "11 necks are on the Pareto front of AP and latency, 11 of them proposed by the search; trial 12 has",
        ),
        ("baselines", "The baseline fpn has the highest AP: 0.300."),
    ],
)
def test_the_answer(kinds: Store, name: str, start: str) -> None:
    assert answer_of(overview(kinds, name)).startswith(start)
