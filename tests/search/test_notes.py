from __future__ import annotations

from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.necks.topologies import fpn
from nas.search.notes import metrics_table, study_note, trial_note
from nas.studies.spec import StudySpec

SPEC = StudySpec.parse(
    {
        "task": {"kind": "detection", "data": {"kind": "digits"}},
        "objectives": ["ap", "latency_ms"],
        "constraints": {"params": 5e6},
    }
)


def test_a_trials_note_tells_its_neck_and_what_was_measured() -> None:
    architecture = Architecture(neck=fpn((3, 4, 5), 64))
    note = trial_note(architecture, {"ap": 0.4123, "ap_small": None, "params": 5.1e6, "loss": 0.3})
    assert note.startswith(describe(architecture))
    assert note.endswith("```\n\n```\nap       0.412\nparams  5.10 M\n```\n")
    assert trial_note(architecture, {}, "fpn").startswith("### Baseline fpn\n\n**P3 to P5")


def test_a_studys_note_tells_its_goal_and_what_it_found() -> None:
    note = study_note(SPEC, {"fpn": {"ap": 0.3}, "best: trial 7": {"ap": 0.4, "params": 1e6}}, ["192 images"])
    assert "- goal: maximize ap, minimize latency_ms; params at most 5.00 M\n- 192 images\n" in note
    assert note.endswith(
        "```\n                  ap  params\nfpn            0.300       -\nbest: trial 7  0.400  1.00 M\n```\n"
    )
    assert "```" not in study_note(SPEC, {})
    mattered = study_note(SPEC, {}, effects=["Effects in study cells.", "norm batch raises ap."])
    assert mattered.endswith("\n### What mattered\n\n- Effects in study cells.\n- norm batch raises ap.\n")


def test_a_table_can_be_transposed() -> None:
    rows = {"a": {"ap": 0.1}, "b": {"ap": 0.2}}
    assert metrics_table(rows, transposed=True) == "```\n        a      b\nap  0.100  0.200\n```\n"
