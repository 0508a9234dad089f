"""The report as people read it: in a browser, wide and narrow, light and dark, and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.report import StudyFacts, report_html
from nas.report.samples import Samples
from nas.storage import Store
from tests.browser import barriers, browsing, needs_chromium, overflow

pytestmark = [pytest.mark.slow, pytest.mark.browser, needs_chromium]


@pytest.mark.parametrize("name", ["cells", "front", "failed"])
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (400, False), (400, True)])
def test_it_is_legible(browser: Any, kinds: Store, tmp_path: Path, name: str, width: int, dark: bool) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_html(StudyFacts(kinds, name), Samples(reason="the data are not here")))
    with browsing(browser, width, dark) as page:
        page.goto(file.as_uri())
        if name != "failed":
            page.locator(".plot .main-svg").first.wait_for()
            assert page.locator(".plot").count() == page.locator(".plot[data-drawn]").count() > 0
        assert overflow(page) == 0
        assert barriers(page) == []


def test_it_prints(browser: Any, kinds: Store, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_html(StudyFacts(kinds, "cells"), Samples(reason="the data are not here")))
    with browsing(browser, dark=True) as page:
        page.goto(file.as_uri())
        page.locator(".plot .main-svg").first.wait_for()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert (
            page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--page').trim()") == "#ffffff"
        )
        widths = page.evaluate("[...document.querySelectorAll('.plot .main-svg')].map((s) => s.clientWidth)")
        assert set(widths) == {680}
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.pdf().startswith(b"%PDF")
