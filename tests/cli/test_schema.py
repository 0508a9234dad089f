"""nas schema prints a schema that an editor can be given."""

from __future__ import annotations

from nas.studies.schema import space_schema, study_schema
from tests.cli.conftest import Nas


def test_it_prints_the_schema_of_a_study_or_a_space(nas: Nas) -> None:
    assert nas("schema").json == nas("schema", "study").json == study_schema()
    assert nas("schema", "space").json == space_schema()


def test_it_has_no_schema_of_anything_else(nas: Nas) -> None:
    done = nas("schema", "nonsense")
    assert (done.status, done.out) == (2, "")
    assert "invalid choice: 'nonsense'" in done.err
