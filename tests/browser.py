"""Debian's chromium, driven by playwright, and axe-core's judgement of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")

PATIENCE = 120_000
"""Milliseconds that a busy machine may take for a page."""

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of a module's tests. Each has a context of its own: no cookie, nothing cached."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def browsing(browser: Browser, width: int = 1200, dark: bool = False, expected: Sequence[str] = ()) -> Iterator[Page]:
    """A page whose scripts must not fail; `expected` are texts of errors that it may report."""
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    opened = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = opened.new_page()
    page.set_default_timeout(PATIENCE)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda m: faults.append(m.text) if m.type == "error" and not any(e in m.text for e in expected) else None,
    )
    try:
        yield page
    finally:
        opened.close()
    assert not faults, faults


def overflow(page: Page) -> int:
    """Pixels by which a page is wider than its window."""
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


def barriers(page: Page) -> list[str]:
    """What axe-core finds serious: rule and element, one a line."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html'][:200]}" for v in found if v["impact"] in SERIOUS for node in v["nodes"]]
