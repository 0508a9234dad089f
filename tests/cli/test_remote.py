"""The same verbs here and on a service: the same output, the same exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.cli import remote
from nas.cli.arguments import REMOTE
from nas.service.settings import Settings
from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.service.served import listening


@pytest.fixture
def server(storage: str) -> Iterator[str]:
    with listening(Settings(storage=storage, jobs=0)) as address:
        yield address


def test_the_verbs_are_those_that_the_help_names() -> None:
    assert set(remote.VERBS) == set(REMOTE)


@pytest.mark.parametrize(
    "words",
    [["ls"], ["ls", "--json"], ["show", "cells"], ["show", "cells", "--json"], ["show", "cells", "2"],
     ["show", "cells", "2", "--json"], ["watch", "cells"], ["watch", "cells", "--json"]],
    ids=" ".join,
)  # fmt: skip
def test_it_prints_the_same(nas: Nas, storage: str, server: str, words: list[str]) -> None:
    here, there = nas(*words, "--storage", storage), nas("--server", server, *words)
    assert (there.status, there.out) == (here.status, here.out)


@pytest.mark.usefixtures("forked_exports")
def test_what_is_wrong_is_wrong_there_too(nas: Nas, storage: str, server: str, tmp_path: Path) -> None:
    for words in (
        ["show", "none"],
        ["show", "cells", "99"],
        ["watch", "none"],
        ["stop", "cells"],
        ["launch", "nothing"],
    ):
        here, there = nas(*words, "--storage", storage), nas("--server", server, *words)
        assert (here.status, there.status) == (2, 2), words
        assert there.err.startswith("nas: ")
        assert (here.out, there.out) == ("", "")
    there = nas("--server", server, "export", "cells", "-o", tmp_path / "out", "--trial", "7")
    assert there.status == 2
    assert "only completed trials can be exported" in there.err
    Path("bad.yaml").write_text("task: {kind: detection, data: {kind: digits}, epochs: 0}\nfoo: 1\n")
    there = nas("--server", server, "launch", "bad.yaml")
    assert there.status == 2
    assert "2 faults\n  task.epochs: " in there.err


def test_a_service_is_named_by_a_variable(nas: Nas, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_SERVER", server)
    assert "cells" in nas("ls").out
    assert nas("cost", "fpn").status == 0, "what a service is not asked for is done here"


def test_other_verbs_and_options_are_refused(refused: Callable[..., str]) -> None:
    server = "http://127.0.0.1:9"
    assert "a service can be asked for launch, ls, show" in refused("--server", server, "effects", "cells")
    for words in (
        ["--artifacts", "x"],
        ["--address", "auto"],
        ["--dry-run"],
        ["--plugin", "x.py"],
        ["--sink", "tensorboard:x"],
    ):
        assert f"{words[0]}" in refused("--server", server, "launch", "quickstart", *words)
    assert "give the address of a service" in refused("--server", "localhost", "ls")


def test_a_service_that_does_not_answer_is_a_failure(nas: Nas) -> None:
    ended = nas("--server", "http://127.0.0.1:9", "ls")
    assert (ended.status, ended.out) == (1, "")
    assert "does not answer" in ended.err


def test_stop_ends_a_job_that_waits(nas: Nas, storage: str, server: str) -> None:
    Path("mine.yaml").write_text("task: {kind: detection, data: {kind: digits}}\n")
    from nas.client import Client

    with Client(server) as client:
        client.launch("mine.yaml")
    assert nas("--server", server, "ls").out.splitlines()[-1].split()[:2] == ["mine", "queued"]
    stopped = nas("--server", server, "stop", "mine")
    assert (stopped.status, stopped.out) == (0, "study mine: cancelled; `nas launch` goes on with it\n")
    with open_store(storage, create=False) as store:
        assert store.study("mine") is None
