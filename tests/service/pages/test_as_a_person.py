"""The service as a person uses it: in a browser, from the login to the export."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nas
from nas.storage import open_store
from nas.storage.tokens import Tokens
from tests.browser import barriers, browsing, needs_chromium, overflow
from tests.report.studies import every_kind
from tests.service.served import Served, quick_study

pytestmark = [pytest.mark.slow, pytest.mark.browser, needs_chromium]

TINY = """name: tiny
task:
  kind: detection
  data: {kind: digits, train: 16, val: 8}
  image_size: 64
  epochs: 4
  views: 2
space: {finest: [2, 3], width: [16]}
baselines: [fpn]
budget: {trials: 2}
executor: local
"""

PATIENCE = 150_000
"""Milliseconds that a browser waits for a training, on a busy machine."""


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[Served, str]]:
    """A service with a token, and the token."""
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as store:
        _, text = Tokens.of(store).create("admin")
    served = Served(url, token=text)
    yield served, text
    served.stop()


@pytest.mark.timeout(420)
def test_from_the_login_to_the_export(browser: Any, locked: tuple[Served, str], tmp_path: Path) -> None:
    from playwright.sync_api import expect

    served, token = locked
    with browsing(browser, expected=["401"]) as page:
        page.set_default_timeout(PATIENCE)
        page.goto(f"{served.address}studies")
        page.get_by_label("Token").fill("nas_no")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("there is no such token, or it was revoked")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("There is no study yet.")).to_be_visible()

        page.get_by_role("link", name="Launch a study").click()
        page.get_by_label("The study file").fill(TINY.replace("digits", "digitz"))
        page.get_by_label("Name").fill("tiny")
        page.get_by_role("button", name="line 4").click()
        expect(page.locator("#lines .bad")).to_have_text("4")
        page.get_by_label("The study file").fill(TINY)
        expect(page.get_by_text("No faults.")).to_be_visible()
        expect(page.locator("#data img")).to_have_count(8, timeout=PATIENCE)
        page.get_by_role("button", name="Queue it").click()

        expect(page.get_by_role("heading", name="tiny", level=1)).to_be_visible()
        page.wait_for_url("**/studies/tiny")
        expect(page.locator("#live .chip")).to_have_text("done", timeout=PATIENCE)
        expect(page.locator("#part-front .main-svg").first).to_be_visible(timeout=PATIENCE)
        expect(page.locator("#part-log")).to_contain_text("study tiny: done", timeout=PATIENCE)

        page.goto(f"{served.address}dashboard")
        expect(page.get_by_text("tiny").first).to_be_visible()

        page.goto(f"{served.address}studies/tiny")
        page.get_by_role("link", name="The best trial").click()
        expect(page.get_by_role("heading", name="The neck")).to_be_visible()
        expect(page.locator(".pair").first).to_be_visible(timeout=PATIENCE)
        with page.expect_download(timeout=PATIENCE) as download:
            page.get_by_role("link", name="Download the export").click()
        download.value.save_as(tmp_path / "tiny.zip")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    with zipfile.ZipFile(tmp_path / "tiny.zip") as archive:
        archive.extractall(tmp_path)
    [found] = nas.load(tmp_path / "tiny")([torch.zeros(3, 64, 64)])
    assert set(found) == {"boxes", "scores", "labels"}


@pytest.mark.timeout(240)
def test_a_study_that_runs_is_watched_and_cancelled(browser: Any, locked: tuple[Served, str]) -> None:
    from playwright.sync_api import expect

    served, token = locked
    served.post(quick_study("slow", trials=12, pause=15.0))
    with browsing(browser, expected=["401"]) as page:
        page.set_default_timeout(PATIENCE)
        page.goto(f"{served.address}studies/slow")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#live")).to_contain_text("training now", timeout=PATIENCE)
        expect(page.locator("#part-trials tbody tr").first).to_be_visible(timeout=PATIENCE)  # it comes by itself
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)
        expect(page.locator("#live .chip")).to_have_text("cancelled")
        page.get_by_text("Delete this study").click()
        page.get_by_label("Its name, to confirm").fill("slow")
        page.get_by_role("button", name="Delete it").click()
        expect(page.get_by_text("There is no study yet.")).to_be_visible()


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with studies of every kind, for whoever is on this machine."""
    served = Served(every_kind(tmp_path_factory.mktemp("kinds")), "--jobs", "0")
    served.post(quick_study("later"))
    yield served
    served.stop()


PATHS = ["studies", "launch", "compare?a=cells:12&b=front:1", "studies/cells", "studies/later", "studies/failed"]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (1280, True)])
def test_every_page_can_be_read_by_everybody(browser: Any, open_service: Served, width: int, dark: bool) -> None:
    from playwright.sync_api import expect

    with browsing(browser, width, dark) as page:
        for path in [*PATHS, "studies/empty", "studies/cells/trials/12", "login"]:
            page.goto(f"{open_service.address}{path}")
            expect(page.locator(".loading")).to_have_count(0, timeout=PATIENCE)
            assert overflow(page) == 0, path
            assert barriers(page) == [], path


@pytest.mark.timeout(120)
def test_a_click_on_a_point_shows_its_neck_and_keys_reach_everything(browser: Any, open_service: Served) -> None:
    from playwright.sync_api import expect

    with browsing(browser) as page:
        page.goto(f"{open_service.address}studies/cells")
        expect(page.locator("#picked")).to_contain_text("Trial 12", timeout=PATIENCE)
        page.locator("#part-front .scatterlayer .point").last.wait_for()
        page.evaluate(
            "document.querySelector('#part-front .plot').dispatchEvent("
            "new CustomEvent('nas:trial', {bubbles: true, detail: {trial: 3}}))"
        )
        expect(page.locator("#picked")).to_contain_text("Trial 3", timeout=PATIENCE)
        page.goto(f"{open_service.address}studies")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "cells":
                break
        page.keyboard.press("Enter")
        page.wait_for_url("**/studies/cells")
