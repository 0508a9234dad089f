from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_dashboard._app import create_app
from starlette.testclient import TestClient

from nas.errors import StoreError, UserError
from nas.necks.drawing import svg
from nas.search.notes import study_note, trial_note
from nas.search.optuna_adapter import link_drawing, save_study_note, save_trial_note
from nas.service.dashboard import NO_FILES, READ_ONLY, app, serve
from nas.storage import open_store
from nas.studies.records import Key
from tests.browser import CHROMIUM, FLAGS, needs_chromium
from tests.fabricated import Fabric, architecture, fabricate, spec


def rules(*methods: str) -> list[tuple[str, str]]:
    """Every route of the installed dashboard for these methods, with 1 for each number and `x` for each word."""
    routes = [route for route in create_app(None, None).routes if route.method in methods]
    return [(r.method, re.sub(r"<[^>]+:int>", "1", r.rule)) for r in routes if "<:re" not in r.rule]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fabricate(tmp_path)


@pytest.fixture
def client(url: str) -> Iterator[TestClient]:
    with open_store(url, create=False) as store:
        yield TestClient(app(store))


def test_a_trial_has_its_neck_as_a_picture_and_in_its_note(url: str) -> None:
    with open_store(url, create=False) as store:
        study = optuna.load_study(study_name="cells", storage=store.optuna)
        trial = study.ask()
        drawn = architecture(48)
        shown = link_drawing(study, trial, drawn.digest)
        key = Key(digest=drawn.digest, task="t", seed=0, epochs=1)
        store.bind("cells", trial.number, key, drawn, None)
        client = TestClient(app(store))
        place = re.fullmatch(r"!\[The neck\]\((/artifacts/.*)\)", shown)
        assert place is not None
        picture = client.get(place[1])
        assert picture.headers["content-type"] == "image/svg+xml"
        assert picture.text == svg(drawn.neck)
        assert client.get(place[1].replace(drawn.digest, "a1-0000")).status_code == 404
        detail = client.get(f"/api/studies/{study._study_id}").json()
        [artifact] = detail["trials"][trial.number]["artifacts"]
        assert (artifact["artifact_id"], artifact["filename"]) == (drawn.digest, "neck.svg")


def test_it_shows_the_studies_and_their_trials(client: TestClient) -> None:
    assert "<html" in client.get("/").text
    [study] = client.get("/api/studies").json()["study_summaries"]
    assert study["study_name"] == "cells"
    detail = client.get(f"/api/studies/{study['study_id']}").json()
    attributes = {a["key"]: a["value"] for a in detail["trials"][0]["user_attrs"]}
    assert attributes["baseline"] == "fpn"
    assert json.loads(attributes["metrics"])["ap"] == 0.361


def test_every_route_that_changes_something_is_refused(client: TestClient) -> None:
    routes = rules("POST", "PUT", "PATCH", "DELETE")
    assert ("DELETE", "/api/studies/1") in routes
    for method, path in routes:
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"reason": READ_ONLY}), (method, path)
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_reading_writes_nothing(client: TestClient, url: str) -> None:
    before = dump(url)
    for _, path in rules("GET"):
        client.get(path)
    assert dump(url) == before


def dump(url: str) -> list[Any]:
    """All that is in a SQLite database."""
    import sqlite3

    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_changes_are_possible_where_they_are_asked_for(url: str) -> None:
    with open_store(url, create=False) as store:
        client = TestClient(app(store, write=True))
        assert client.put("/api/studies/1/note", json={"version": 1, "body": "mine"}).status_code == 204
        assert client.get("/api/studies/1").json()["note"]["body"] == "mine"


def test_files_cannot_be_attached_even_then(url: str) -> None:
    with open_store(url, create=False) as store:
        refused = TestClient(app(store, write=True)).post("/api/artifacts/1/1", json={"file": "data:,x"})
        assert (refused.status_code, refused.json()) == (405, {"reason": NO_FILES})


def test_a_missing_database_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such database"):
        serve(f"sqlite:///{tmp_path}/nas.db", port=0)
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_refused(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1, port {port}: another program listens there"):
            serve(url, port=port)


def test_an_impossible_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="cannot listen on port 70000: ports are 0 to 65535"):
        serve(url, port=70000)
    with pytest.raises(UserError, match=r"cannot listen on no\.such\.host\.invalid, port 0: "):
        serve(url, host="no.such.host.invalid", port=0)


class Served:
    """`serve` in a process of its own; `address` once it listens."""

    def __init__(self, url: str, **options: Any) -> None:
        program = f"from nas.service.dashboard import serve; serve({url!r}, port=0, **{options!r})"
        self.process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if found := re.search(r"http://\S+", line):
                self.address = found.group()
                return
        raise AssertionError("\n".join(self.said))

    def interrupt(self) -> tuple[int, str]:
        """Interrupt it as Ctrl-C does; returns the exit status and the rest of stderr."""
        self.process.send_signal(signal.SIGINT)
        try:
            _, rest = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, rest


def test_it_serves_until_it_is_interrupted(url: str) -> None:
    served = Served(url)
    try:
        with urllib.request.urlopen(f"{served.address}api/studies", timeout=30) as answer:
            assert json.load(answer)["study_summaries"][0]["study_name"] == "cells"
    finally:
        ended = served.interrupt()
    assert served.said == [f"dashboard: {served.address} (read-only); Ctrl-C ends it"]
    assert ended == (0, "")


def test_a_dashboard_that_anybody_can_change_warns(url: str) -> None:
    served = Served(url, host="0.0.0.0", write=True)
    served.interrupt()
    assert served.said[0].startswith(
        "warning: there is no authentication: whoever reaches 0.0.0.0 can change and delete studies"
    )


@pytest.mark.slow
@pytest.mark.browser
@needs_chromium
def test_a_browser_shows_studies_notes_and_plots(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        fabric = Fabric(store, objectives=("ap", "latency_ms"))
        measured = [(8, 0.30, 9.0), (16, 0.34, 11.0), (24, 0.33, 14.0), (32, 0.38, 17.0)]
        for width, ap, latency_ms in measured:
            number = fabric.complete(width, ap=ap, latency_ms=latency_ms)
            trial = fabric.study.get_trials()[number]
            save_trial_note(fabric.study, trial, trial_note(architecture(width), trial.user_attrs["metrics"]))
        save_study_note(fabric.study, study_note(spec("ap", "latency_ms"), {"best: trial 3": {"ap": 0.38}}))
    served = Served(f"sqlite:///{tmp_path}/nas.db")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
            page.goto(served.address)
            page.get_by_text("cells").first.click()
            expect(page.get_by_text("Pareto Front").first).to_be_visible()
            expect(page.locator(".scatterlayer .point")).not_to_have_count(0)
            page.screenshot(path=tmp_path / "study.png")
            page.goto(f"{served.address}dashboard/studies/1/trials?numbers=3")
            expect(page.get_by_text("P3 32 <- add(C3 [1x1 conv], up(M4, nearest)) -> 3x3 conv").first).to_be_visible()
            expect(page.get_by_text('metrics {"ap": 0.38').first).to_be_visible()
            page.screenshot(path=tmp_path / "trial.png")
            page.goto(f"{served.address}dashboard/studies/1/note")
            expect(page.get_by_text("best: trial 3").first).to_be_visible()
            page.screenshot(path=tmp_path / "note.png")
            browser.close()
        assert faults == []
    finally:
        served.interrupt()
