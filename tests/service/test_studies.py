"""Posting, looking, changing: what the routes answer."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from nas.service.app import build
from nas.service.problems import MEDIA
from nas.service.settings import BODY_BYTES, Settings
from nas.storage import open_store
from nas.studies.schema import study_schema
from tests.exports.studies import WINNER, StoredStudy, measured
from tests.fabricated import TEXT
from tests.service.conftest import token

SMALL = """# kept as it is
name: small
task:
  kind: detection
  data: {kind: digits}
"""
YAML = {"Content-Type": "application/yaml"}


def post(client: TestClient, text: str = SMALL, **query: Any) -> Any:
    return client.post("/v1/studies", content=text, params=query, headers=YAML)


def test_a_posted_study_waits_and_keeps_its_text(client: TestClient) -> None:
    answer = post(client, priority=3)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/studies/small"
    job = answer.json()
    assert (job["study"], job["state"], job["kind"], job["priority"], job["position"]) == (
        "small",
        "queued",
        "search",
        3,
        0,
    )
    assert client.get("/v1/studies/small/spec").text == SMALL
    assert client.get("/v1/studies/small").json()["state"] == "queued"
    assert client.get("/v1/studies").json()["jobs"] == [job]
    assert client.get("/v1/jobs").json() == {"jobs": [job]}
    assert client.get("/v1/jobs/1/log").json() == {"lines": []}


def test_json_is_a_study_too(client: TestClient) -> None:
    answer = client.post(
        "/v1/studies", json={"task": {"kind": "detection", "data": {"kind": "digits"}}}, params={"name": "j"}
    )
    assert answer.status_code == 201


def test_a_name_that_is_taken_is_a_conflict(client: TestClient) -> None:
    assert post(client).status_code == 201
    assert post(client).status_code == 409
    assert post(client, name="cells").status_code == 409
    assert post(client, name="other").status_code == 201


def test_a_name_may_have_a_slash(client: TestClient) -> None:
    answer = post(client, SMALL.replace("small", "team a/100 %2F"))
    assert answer.headers["location"] == "/v1/studies/team%20a%2F100%20%252F"
    found = client.get(answer.headers["location"])
    assert (found.status_code, found.json()["study"]) == (200, "team a/100 %2F")
    assert 'href="/studies/team%20a%2F100%20%252F"' in client.get("/studies").text
    page = client.get("/studies/team%20a%2f100%20%252F")
    assert page.status_code == 200
    assert 'data-call="POST /v1/studies/team%20a%2F100%20%252F/cancel"' in page.text
    assert client.get("/v1/studies/team%20a%2F100%20%252F/spec").text.startswith("# kept as it is")
    assert client.get("/v1/studies/team a/100 %2F").status_code == 404
    assert client.post("/v1/studies/team%20a%2F100%20%252F/cancel").status_code == 200


def test_every_fault_has_its_place_and_line(client: TestClient) -> None:
    text = SMALL + "  epochs: none\nsampler: guess\n"
    answer = post(client, text, set="task.head=nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA)
    faults = {fault["path"]: fault for fault in answer.json()["faults"]}
    assert set(faults) == {"task.epochs", "sampler", "task.head"}
    assert [faults[path]["line"] for path in ("task.epochs", "sampler", "task.head")] == [6, 7, None]
    checked = client.post("/v1/validate", content=text, params={"set": "task.head=nothing"}).json()
    assert (checked["valid"], checked["faults"]) == (False, answer.json()["faults"])
    assert client.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "should be a mapping"),
        ("- 1", "should be a mapping"),
        ("a: [", "not YAML"),
        ("a: !!python/object:os.system x", "not allowed"),
        ("name: a\x00b", "NUL"),
        ("task: 1", "task"),
        (SMALL.replace("name: small\n", ""), "name: is missing"),
        (SMALL.replace("small", ".."), "cannot be part of an address"),
        (SMALL + "plugins: [x.py]\n", "a study cannot name code"),
        (SMALL + "address: 10.0.0.1:6379\n", "operator's to choose"),
        (SMALL + "notify: http://169.254.169.254/\n", "no address that this service may call"),
        (SMALL + "search_space: /etc/passwd\n", "may not be a file"),
        (SMALL + "search_space: spaces/own.yaml\n", "may not be a file"),
    ],
)
def test_what_cannot_be_a_study_is_refused(client: TestClient, text: str, fault: str) -> None:
    answer = post(client, text)
    assert answer.status_code == 422
    assert fault in answer.json()["detail"]


def test_bytes_that_are_no_text_are_refused(client: TestClient) -> None:
    assert client.post("/v1/studies", content=b"\xff\xfe").status_code == 422


def with_data(root: str, key: str = "root") -> str:
    if key == "checkpoint":
        return SMALL + f"  backbone: {{checkpoint: {json.dumps(root)}}}\n"
    return SMALL.replace("{kind: digits}", f"{{kind: voc, root: {json.dumps(root)}}}")


@pytest.mark.parametrize("key", ["root", "checkpoint"])
@pytest.mark.parametrize(
    "path", ["/etc", "..", "../..", "data/../../x", "link", "link/x", "~", "/proc/self/cwd", "nas.db"]
)
def test_paths_outside_of_the_data_roots_are_refused(
    client: TestClient, settings: Settings, tmp_path: Path, path: str, key: str
) -> None:
    [root] = settings.data_roots
    (root / "link").symlink_to(tmp_path)
    if path == "nas.db":
        path = str(tmp_path / path)
    answer = post(client, with_data(path, key))
    assert answer.status_code == 422
    place = "task.data.root" if key == "root" else "task.backbone.checkpoint"
    if path != "~":  # a folder of that name, below the root
        assert [fault["path"] for fault in answer.json()["faults"]] == [place]
        assert "is outside of the folders" in answer.text
    assert str(tmp_path) not in answer.text.replace(json.dumps(path)[1:-1], "")


def test_without_data_roots_no_path_is_allowed(settings: Settings) -> None:
    app = build(replace(settings, data_roots=()), loopback=True, say=lambda line: None)
    with TestClient(app, base_url="http://localhost") as client:
        assert "is outside of the folders" in post(client, with_data("images")).text


@pytest.mark.parametrize("key", ["task", "full"])
def test_latencies_are_timed_on_no_other_machine(client: TestClient, key: str) -> None:
    target = "latency_target: {remote: http://169.254.169.254}"
    answer = post(client, SMALL + (f"  {target}\n" if key == "task" else f"full: {{{target}}}\n"))
    assert answer.status_code == 422
    [fault] = answer.json()["faults"]
    assert fault["path"] == f"{key}.latency_target"
    assert "may not be another machine here" in fault["message"]


@pytest.mark.parametrize("name", ["local-dir:/etc", "hf-hub:somebody/model", "../x"])
def test_backbones_are_plain_names(client: TestClient, name: str) -> None:
    answer = post(client, SMALL + f"  backbone: {{name: {name!r}}}\n")
    assert "should be a plain name" in answer.text


def test_errors_and_facts_show_no_path_of_the_server(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    (settings.data_roots[0] / "empty").mkdir()
    answer = post(client, with_data("empty"))
    assert str(tmp_path) not in answer.text
    assert "empty" in answer.text or answer.status_code == 201


def test_a_body_may_not_be_long(client: TestClient) -> None:
    answer = post(client, SMALL + "#" * BODY_BYTES)
    assert (answer.status_code, answer.headers["content-type"]) == (413, MEDIA)

    def chunks() -> Iterator[bytes]:
        for _ in range(BODY_BYTES // 1000 + 2):
            yield b"#" * 1000

    assert client.post("/v1/studies", content=chunks()).status_code == 413


def test_a_study_of_the_database_is_shown_as_the_command_line_does(client: TestClient) -> None:
    shown = client.get("/v1/studies/cells").json()
    assert (shown["study"], shown["state"], shown["best"][0]["trial"]) == ("cells", "interrupted", 3)
    assert shown["job"] is None
    text = client.get("/v1/studies/cells", headers={"Accept": "text/plain"}).text
    assert text.startswith("study cells: interrupted")
    assert "cells" in client.get("/v1/studies", headers={"Accept": "text/plain"}).text
    assert client.get("/v1/studies/cells/spec").text == TEXT


def test_trials_and_curves(client: TestClient) -> None:
    rows = client.get("/v1/studies/cells/trials").json()["trials"]
    assert [row["trial"] for row in rows] == list(range(10))
    assert (rows[7]["state"], rows[3]["values"]["ap"]) == ("failed", 0.372)
    assert [r["trial"] for r in client.get("/v1/studies/cells/trials?after=3&limit=2").json()["trials"]] == [4, 5]
    assert client.get("/v1/studies/cells/trials/3").json()["values"]["ap"] == 0.372
    assert client.get("/v1/studies/cells/trials/3/log").json()["state"] == "complete"
    assert client.get("/v1/studies/cells/trials/3/neck.svg").text.startswith("<svg")
    curves = client.get("/v1/studies/cells/curves?metric=loss&trial=2").json()
    assert [curve["trial"] for curve in curves["curves"]] == [2]
    assert client.get("/v1/studies/cells/curves").json()["metric"] == "ap"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/studies/none", "/v1/studies/none/trials", "/v1/studies/none/events", "/v1/studies/none/export"),
        *("/v1/studies/cells/trials/99", "/v1/studies/cells/answer", "/v1/studies/cells/certificate", "/v1/jobs/7"),
        *("/v1/shipped/none", "/docs/none", "/docs/..%2Fsecret", "/v1/studies/..%2F..%2Fetc", "/v1/shipped/..%2Fx"),
    ],
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422), answer.text


def test_resume_and_clone(client: TestClient) -> None:
    answer = client.post("/v1/studies/cells/resume", params={"trials": 30})
    assert (answer.status_code, answer.json()["study"]) == (201, "cells")
    assert client.post("/v1/studies/cells/resume").status_code == 409
    cloned = client.post("/v1/studies/cells/clone", params={"to": "more", "set": ["seed=7", "budget.trials=2"]})
    assert cloned.status_code == 201
    assert "name: more" in client.get("/v1/studies/more/spec").text
    assert client.post("/v1/studies/cells/clone", params={"to": "x", "set": "task.data.root=/etc"}).status_code == 422
    assert client.post("/v1/studies/none/clone", params={"to": "x"}).status_code == 404


def test_cancel_before_it_runs(client: TestClient) -> None:
    number = post(client).json()["id"]
    assert client.post("/v1/studies/small/cancel").json() == {"study": "small", "cancelled": [number]}
    assert client.get("/v1/studies/small").json()["state"] == "cancelled"
    assert client.post("/v1/studies/small/cancel").status_code == 409
    assert client.post("/v1/studies/cells/cancel").status_code == 409
    assert client.post("/v1/studies/small/resume").json()["state"] == "queued"


def test_delete_needs_the_name_again(client: TestClient, url: str) -> None:
    assert client.delete("/v1/studies/cells").status_code == 422
    assert client.delete("/v1/studies/cells", params={"confirm": "cell"}).status_code == 422
    assert client.delete("/v1/studies/cells", params={"confirm": "cells"}).json() == {"deleted": "cells"}
    assert client.get("/v1/studies/cells").status_code == 404
    with open_store(url, create=False) as store:
        assert store.studies() == []


def test_only_its_poster_and_administrators_delete_a_study(client: TestClient, url: str) -> None:
    mine, theirs, admin = token(url, "write"), token(url, "write"), token(url, "admin")
    client.headers |= YAML
    for name in ("a", "b"):
        assert client.post("/v1/studies", content=SMALL, params={"name": name}, headers=mine).status_code == 201
        assert client.delete(f"/v1/studies/{name}?confirm={name}", headers=mine).status_code == 409
        assert client.post(f"/v1/studies/{name}/cancel", headers=mine).status_code == 200
    assert client.delete("/v1/studies/a?confirm=a", headers=theirs).status_code == 403
    assert client.delete("/v1/studies/a?confirm=a", headers=mine).status_code == 200
    assert client.delete("/v1/studies/b?confirm=b", headers=admin).status_code == 200
    assert client.delete("/v1/studies/cells?confirm=cells", headers=mine).status_code == 403


def test_what_the_service_says_about_itself(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/version").json()["version"]
    assert client.get("/v1/schema").json() == study_schema()
    assert "quickstart" in client.get("/v1/shipped").json()["studies"]
    assert client.get("/v1/shipped/quickstart").text.startswith("# yaml-language-server")
    post(client)
    text = client.get("/metrics").text
    assert 'nas_jobs{kind="search",state="queued"} 1.0' in text
    assert 'nas_requests_total{method="POST",route="/v1/studies",status="201"} 1.0' in text


def test_the_docs_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for path in ("/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js", "/docs/favicon-32x32.png"):
        assert path in page
        assert client.get(path).status_code == 200


@pytest.mark.slow
@pytest.mark.usefixtures("forked_exports")
def test_an_export_is_a_zip(client: TestClient, tmp_path: Path) -> None:
    pets = StoredStudy(tmp_path)
    pets.add(measured(WINNER), {"ap": 0.4})
    pets.store.close()
    answer = client.get("/v1/studies/pets/export", params={"format": ["config", "weights", "python"]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="pets.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    files = {"README.md", "config.yaml", "drawing.svg", "model.py", "weights.safetensors"}
    assert set(archive.namelist()) == {f"pets/{name}" for name in files}
    refused = client.get("/v1/studies/cells/export", params={"trial": 7})
    assert refused.status_code == 422
    assert "only completed trials can be exported" in refused.json()["detail"]


@pytest.mark.slow
@pytest.mark.usefixtures("forked_exports")
def test_a_report_is_one_file(client: TestClient, tmp_path: Path) -> None:
    answer = client.get("/v1/studies/cells/report")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="cells.html"'
    assert "cells" in answer.text
    assert str(tmp_path) not in answer.text
