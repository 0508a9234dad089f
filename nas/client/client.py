"""Client: a service on another machine, from Python."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from nas.client.answers import ServerFailed, checked, events
from nas.client.unpack import check, unpack
from nas.errors import UserError, first_line
from nas.studies.catalog import find, read
from nas.studies.live import Live
from nas.studies.spec import StudySpec
from nas.yaml12 import dump_yaml, load_yaml

PATIENCE_SECONDS = 300.0
"""How long a service that does not answer is waited for while a study is watched."""

_PAUSE_SECONDS = 2.0


class Client:
    """A service.

    Args:
        server: its address, such as `https://nas.example.org`; None: that of the variable NAS_SERVER.
        token: made by `nas token create`; None: that of NAS_TOKEN, or none.
        timeout: seconds that an answer may take.

    Raises:
        UserError: there is no address.

    Example:
        >>> import nas
        >>> client = nas.Client("https://nas.example.org", token="nas_...")  # doctest: +SKIP
        >>> client.launch("studies/bccd.yaml", sets=["budget.trials=8"])  # doctest: +SKIP
        >>> for live in client.watch("bccd"):  # doctest: +SKIP
        ...     print(live.state, live.progress)
        >>> client.export("bccd", "exports/bccd")  # doctest: +SKIP
    """

    def __init__(self, server: str | None = None, token: str | None = None, timeout: float = 120.0) -> None:
        server = server or os.environ.get("NAS_SERVER")
        token = token or os.environ.get("NAS_TOKEN")
        if not server or not server.startswith(("http://", "https://")):
            raise UserError("give the address of a service, such as https://nas.example.org, or set NAS_SERVER")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.server = server.rstrip("/")
        self._http = httpx.Client(base_url=self.server, headers=headers, timeout=timeout)

    def launch(
        self,
        study: str | Path | StudySpec | Mapping[str, Any],
        *,
        sets: Sequence[str] = (),
        name: str | None = None,
        resume: bool = True,
        priority: int = 0,
        notify: str | None = None,
    ) -> dict[str, Any]:
        """Queue a study, and return its job.

        Paths in the study are those of the service: below the folders that its operator allowed.

        Args:
            study: a file, a shipped study's name, a value or a mapping.
            sets: changes, as in `--set`.
            name: in place of the study's; a file without one has its stem.
            resume: go on with a study of that name, if there is one.
            priority: studies with a higher one come first.
            notify: URL to call at the end.

        Raises:
            SpecError: the study has faults; all of them.
        """
        if isinstance(study, str | Path):
            path = find("studies", str(study))
            text = read(path)
            data = load_yaml(text, str(path))
            named = isinstance(data, dict) and data.get("name") is not None
            name = name or (None if named or any(change.startswith("name=") for change in sets) else path.stem)
        else:
            text = dump_yaml(study.to_dict() if isinstance(study, StudySpec) else dict(study))
        query = {"set": list(sets), "name": name, "priority": priority, "notify": notify, "resume": resume}
        return self._json("POST", "/v1/studies", query, content=text.encode())

    def resume(self, study: str, *, trials: int | None = None, priority: int = 0) -> dict[str, Any]:
        """Queue a study of the service again, and return its job."""
        return self._json("POST", f"{_path(study)}/resume", {"trials": trials, "priority": priority})

    def cancel(self, study: str) -> dict[str, Any]:
        """End what waits or runs for a study. Finished trials are kept."""
        return self._json("POST", f"{_path(study)}/cancel")

    def delete(self, study: str) -> None:
        """Delete a study with its trials and weights."""
        self._json("DELETE", _path(study), {"confirm": study})

    def studies(self) -> dict[str, Any]:
        """All studies, as `nas ls --json` prints them, and the jobs that wait or run."""
        return self._json("GET", "/v1/studies")

    def study(self, name: str) -> dict[str, Any]:
        """What a study has found, as `nas show --json` prints it, and its latest job."""
        return self._json("GET", _path(name))

    def trials(self, name: str) -> list[dict[str, Any]]:
        """The trials of a study by number, without architectures."""
        found: list[dict[str, Any]] = []
        while page := self._json("GET", f"{_path(name)}/trials", {"after": found[-1]["trial"] if found else -1})[
            "trials"
        ]:
            found += page
        return found

    def trial(self, name: str, number: int) -> dict[str, Any]:
        """All that is known of one trial."""
        return self._json("GET", f"{_path(name)}/trials/{number}")

    def result(self, name: str) -> dict[str, Any]:
        """What a study has found, as `nas launch --json` prints it."""
        return self._json("GET", f"{_path(name)}/result")

    def text(self, path: str) -> str:
        """What the command line prints about something below `/v1`, such as `studies/bccd`."""
        return self._request("GET", f"/v1/{quote(path)}", headers={"Accept": "text/plain"}).text

    def data(self, path: str) -> dict[str, Any]:
        """The same as JSON."""
        return self._json("GET", f"/v1/{quote(path)}")

    def log(self, job: int, after: int = 0) -> list[str]:
        """The lines that a job printed behind line number `after`."""
        return [line["text"] for line in self._json("GET", f"/v1/jobs/{job}/log", {"after": after})["lines"]]

    def job(self, number: int) -> dict[str, Any]:
        """A job of the queue, also one that has ended."""
        return self._json("GET", f"/v1/jobs/{number}")

    def watch(self, name: str) -> Iterator[Live]:
        """What is live about a study: now and at each change, until it is deleted. Lost connections are made again.

        Raises:
            ServerFailed: the service does not answer for five minutes.
        """
        last: str | None = None
        silent = time.monotonic()
        while True:
            try:
                headers = {"Last-Event-ID": last} if last is not None else {}
                with self._http.stream("GET", f"{_path(name)}/events", headers=headers, timeout=60) as response:
                    for found in events(checked(response).iter_lines()):
                        if found is None:
                            return
                        last, silent = found.digest, time.monotonic()
                        yield found
            except (httpx.TransportError, ServerFailed) as error:
                if time.monotonic() - silent > PATIENCE_SECONDS:
                    raise ServerFailed(f"{self.server} does not answer: {error}") from None
            time.sleep(_PAUSE_SECONDS)

    def export(
        self, name: str, directory: str | Path, *, trial: int | None = None, formats: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Write a trained architecture of a study to a folder; see `nas.export`.

        Raises:
            UserError: there is no such study or trial, or the folder holds something else.
        """
        directory = Path(directory)
        check(directory)
        query = {"trial": trial, "format": list(formats or ())}
        files = unpack(self._request("GET", f"{_path(name)}/export", query, timeout=900).content, directory)
        config: Any = load_yaml(read(directory / "config.yaml"), "config.yaml")
        facts = {key: config[key] for key in ("study", "trial", "digest", "metrics")}
        return facts | {"directory": str(directory), "files": files}

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _json(self, method: str, path: str, query: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._request(method, path, query, **options).json()
        return found

    def _request(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, **options: Any
    ) -> httpx.Response:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        try:
            return checked(self._http.request(method, path, params=given, **options))
        except httpx.TransportError as error:
            raise ServerFailed(f"{self.server} does not answer: {first_line(error)}") from None


def _path(study: str) -> str:
    return f"/v1/studies/{quote(study, safe='')}"
