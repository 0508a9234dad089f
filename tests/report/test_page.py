from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from nas.report import StudyFacts, report_facts, report_html
from nas.report.samples import Samples
from nas.storage import Store

NOW = datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
NONE = Samples(reason="the data are not here")
STUDIES = ["cells", "empty", "failed", "front", "broken", "baselines"]


class Reader(HTMLParser):
    """Addresses that a page names, and elements that are not closed."""

    VOID = ("meta", "img", "br", "input", "link")

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_is_whole_and_loads_nothing(kinds: Store, name: str) -> None:
    page = report_html(StudyFacts(kinds, name), NONE, NOW)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert [a for a in reader.addresses if not a.startswith(("#", "data:"))] == []
    assert "read on 2026-12-01 at 08:30 UTC" in page
    assert "There are no predictions to show: the data are not here." in page
    for heading in ("Against the baselines", "The neck", "What mattered", "How to reproduce it", "Licences"):
        assert f">{heading}</h2>" in page


def test_it_says_what_was_found(kinds: Store) -> None:
    page = report_html(StudyFacts(kinds, "cells"), NONE, NOW)
    assert "Trial 12 is better than fpn by 0.095 AP" in page
    assert "+0.050 to +0.140" in page  # the interval of the gain
    assert page.count('<div class="plot"') == 7  # all but the certificate's
    assert "nas export cells --trial 12 -o exports/cells" in page
    assert "kind: detection" in page  # the study to launch again


def test_text_of_the_study_is_escaped(kinds: Store) -> None:
    page = report_html(StudyFacts(kinds, "failed"), NONE, NOW)
    assert "Trials 0, 1 failed: the loss is &lt;b&gt;not&lt;/b&gt; finite" in page
    assert "<b>not</b>" not in page


def test_where_nothing_is_drawn_the_page_is_small(kinds: Store) -> None:
    page = report_html(StudyFacts(kinds, "empty"), NONE, NOW)
    assert "<script" not in page
    assert len(page) < 30_000


def test_the_facts(kinds: Store) -> None:
    found = report_facts(StudyFacts(kinds, "cells"), NONE)
    assert (found["study"], found["verdict"], found["winner"]) == ("cells", "better", 12)
    assert found["figures"] == ["finalists", "front", "best", "curves", "importances", "effects", "sizes"]
    assert (found["samples"], found["no_samples"]) == (0, "the data are not here")
    assert report_facts(StudyFacts(kinds, "empty"), NONE)["figures"] == []
