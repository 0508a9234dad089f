"""Every page and part, as the service renders it."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from nas.service.pages.parts import PARTS
from nas.storage import open_store
from nas.storage.tokens import Tokens

STUDIES = ["cells", "empty", "failed", "front", "broken", "baselines"]
PAGES = ["/studies", "/launch", "/compare", *(f"/studies/{name}" for name in [*STUDIES, "later"])]


@pytest.mark.parametrize("path", [*PAGES, "/studies/cells/trials/12", "/studies/failed/trials/0", "/login"])
def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_script(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert not re.findall(r'(?:src|href|action)="(?!/|#|data:)', answer.text)
    for script in re.findall(r"<script([^>]*)>", answer.text):
        assert 'src="/assets/' in script or 'type="application/json"' in script
    assert not re.findall(r"<[^>]+\son[a-z]+=", answer.text)
    assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("part", [*PARTS, "live", "log", "trials"])
def test_every_part_of_every_kind_of_study(client: TestClient, name: str, part: str) -> None:
    answer = client.get(f"/studies/{name}/parts/{part}")
    assert answer.status_code == 200
    assert "<!DOCTYPE" not in answer.text


def test_studies_show_what_is_most_wanted(client: TestClient) -> None:
    text = client.get("/studies").text
    row = next(row for row in text.split("<tr>") if ">cells</a>" in row)
    assert [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row)[:5]] == [
        "done",
        "13 of 24",
        "0.396",
        "0.361",
        "AP",
    ]
    waiting = next(row for row in text.split("<tr>") if ">later</a>" in row)
    assert "queued" in waiting
    assert "next" in waiting


def test_an_empty_database_invites_to_launch(client: TestClient, url: str) -> None:
    for name in STUDIES:
        client.delete(f"/v1/studies/{name}?confirm={name}")
    client.post("/v1/studies/later/cancel")
    client.delete("/v1/studies/later?confirm=later")
    assert "There is no study yet." in client.get("/studies").text


def test_text_of_studies_is_escaped_and_has_no_paths(client: TestClient, url: str) -> None:
    text = client.get("/studies/failed/parts/summary").text
    assert "the loss is &lt;b&gt;not&lt;/b&gt; finite" in text
    folder = url.removeprefix("sqlite:///").rpartition("/")[0]
    for part in PARTS:
        assert folder not in client.get(f"/studies/cells/parts/{part}").text


def test_trials_are_filtered_and_sorted(client: TestClient) -> None:
    def numbers(query: str) -> list[int]:
        text = client.get(f"/studies/cells/parts/trials?{query}").text
        return [int(n) for n in re.findall(r"/trials/(\d+)\">", text)]

    assert numbers("")[:2] == [12, 11]
    assert numbers("sort=latency_ms")[:2] == [1, 2]
    assert numbers("sort=latency_ms&order=worst")[0] == 0
    assert numbers("sort=trial&order=worst")[0] == 12
    assert numbers("text=width 96") == [12]
    assert numbers("text=fpn") == [0]
    assert numbers("state=failed") == []
    assert numbers("first=10") == [3, 2, 1]
    assert "No trial meets the filter." in client.get("/studies/cells/parts/trials?text=nothing").text


def test_a_trial_has_its_neck_its_costs_and_its_attempts(client: TestClient) -> None:
    text = client.get("/studies/cells/trials/12").text
    assert 'alt="P3 to P5, width 96, add, up nearest, 5 nodes"' in text
    assert "it was never sent to a worker" in text
    costs = client.get("/studies/cells/trials/12/costs")
    assert costs.status_code == 200
    assert "There are no costs: " in costs.text
    assert (
        "There are no predictions to show: the weights of trial 12"
        in client.get("/studies/cells/trials/12/samples").text
    )


def test_two_necks_and_two_studies_side_by_side(client: TestClient) -> None:
    necks = client.get("/compare?a=cells:12&b=cells").text
    assert "The two have the same properties." in necks
    other = client.get("/compare?a=cells:12&b=front:1").text
    assert '<th scope="row">width</th><td class="">96</td><td class="">8</td>' in other
    assert client.get("/compare?a=cells&b=front").text.count('class="answer"') == 2
    assert "there is no study &#39;nothing&#39;" in client.get("/compare?a=cells&b=nothing").text
    assert "has no neck 99" in client.get("/compare?a=cells:99&b=cells:1").text


def test_faults_have_their_lines_while_somebody_types(client: TestClient) -> None:
    text = "name: a\ntask:\n  kind: detection\n  data: {kind: digitz}\n"
    answer = client.post("/launch/check", data={"text": text, "name": ""}).text
    assert 'data-line="4"' in answer
    assert "<code>task.data.kind</code>: unknown &#39;digitz&#39;" in answer
    assert 'data-key=""' in answer


def test_a_valid_study_has_its_effort_and_its_data(client: TestClient) -> None:
    text = "name: a\ntask: {kind: detection, data: {kind: digits, train: 16, val: 8}, image_size: 64, epochs: 3}\n"
    text += "budget: {trials: 5}\n"
    answer = client.post("/launch/check", data={"text": text, "name": ""}).text
    assert "No faults." in answer
    assert "<dt>epochs of training</dt><dd>15</dd>" in answer
    data = client.post("/launch/data", data={"text": text, "name": ""}).text
    assert data.count("data:image/jpeg;base64,") == 8
    assert '<th scope="row">train</th><td class="number">16</td>' in data


@pytest.mark.parametrize("text", ["", "\x00", "a: [", "- 1", "task: {kind: detection, data: {kind: voc, root: /etc}}"])
def test_whatever_is_typed_gets_an_answer(client: TestClient, text: str) -> None:
    for path in ("/launch/check", "/launch/data"):
        assert client.post(path, data={"text": text, "name": ""}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/studies/no", "/studies/no/trials/1", "/studies/cells/trials/99", "/studies/cells/parts/no"]
)
def test_what_is_not_there_is_a_sentence(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text
    assert client.get(path, headers={"Accept": "application/json"}).json()["status"] == 404


def test_without_a_session_a_browser_gets_the_login_page(client: TestClient, url: str) -> None:
    with open_store(url, create=True) as store:
        _, text = Tokens.of(store).create("read")
    answer = client.get("/studies/cells")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "<h1>Log in</h1>" in answer.text
    assert "cells" not in answer.text
    assert client.get("/login").status_code == 200
    client.post("/v1/session", json={"token": text})
    page = client.get("/studies/cells").text
    assert "Confirm the best" not in page  # it may only read
    assert "Log out" in page


def test_assets_are_kept_by_browsers(client: TestClient) -> None:
    address = re.findall(r'src="(/assets/plotly[^"]+)"', client.get("/studies").text)[0]
    answer = client.get(address)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert client.get("/assets/no.js").status_code == 404
