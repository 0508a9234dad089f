from __future__ import annotations

from pathlib import Path

import pytest

from nas.catalog import folder, names, open_study, parse
from nas.proxy.study_file import remark, with_length
from tests.proxy.samples import certificate, trained

PROVED = certificate(proxy=trained(11))


@pytest.mark.parametrize("name", names("studies"))
def test_a_shipped_study_is_the_same_but_for_its_length(name: str, tmp_path: Path) -> None:
    text = (folder("studies") / f"{name}.yaml").read_text()
    file = tmp_path / "changed.yaml"
    file.write_text(with_length(text, PROVED, 160))
    before, after = open_study(name).study, open_study(str(file)).study
    assert before is not None
    assert after is not None
    assert (after.task.epochs, after.full_task.epochs) == (11, 160)
    assert after.space == before.space
    assert after.budget == before.budget
    remarks = [line.strip() for line in text.splitlines() if line.startswith("#")]
    assert all(line in file.read_text() for line in remarks)
    assert f"# {remark(PROVED)}\n" in file.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "task: {kind: detection, data: {kind: digits}}\n",
        "{task: {kind: detection, data: {kind: digits}}, full: {epochs: 7}}\n",
        "full:\n  epochs: 7  # long\ntask:\n  kind: detection\n  epochs: 3\n",
    ],
)
def test_every_style_of_yaml_and_twice(text: str) -> None:
    once = with_length(text, PROVED, 160)
    twice = with_length(once, PROVED, 160)
    for changed in (once, twice):
        data = parse(changed, "x").data
        assert (data["task"]["epochs"], data["full"]["epochs"]) == (11, 160)
        assert changed.count("nas proxy --search:") == 1


def test_the_remark_has_the_figures() -> None:
    assert remark(PROVED) == (
        "nas proxy --search: tau 0.80 (0.60 to 0.90) over 24 necks, regret 0.002 ap, 0.100 of the full cost"
    )
