"""Answers of a service: its problems as our errors, its events as values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from nas.errors import Fault, NASError, SpecError, UserError
from nas.studies.live import Live


class ServerFailed(NASError):
    """The service does not answer, or cannot do what it should (exit status 1)."""


class NotFound(UserError):
    """The service has no such thing."""


class Conflict(UserError):
    """What is there stands in the way: a name that is taken, a study that runs."""


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is none about a problem.

    Raises:
        SpecError: what was sent has faults.
        UserError: the request was refused.
        ServerFailed: the service failed.
    """
    if response.is_success:
        return response
    response.read()
    try:
        problem: Any = response.json()
        detail, faults = str(problem["detail"]), problem.get("faults", [])
    except (ValueError, KeyError, TypeError):
        raise ServerFailed(f"{response.url.host} answered {response.status_code}, and is no service of ours") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise ServerFailed(detail)
    if faults:
        raise SpecError("the study", [Fault(fault["path"], fault["message"]) for fault in faults])
    raise {404: NotFound, 409: Conflict}.get(response.status_code, UserError)(detail)


def events(lines: Iterable[str]) -> Iterator[Live | None]:
    """The studies in a stream of server-sent events; None for its last event, after which the study is gone."""
    kind, data = "", ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value
        elif not line:
            if kind == "study":
                yield Live.model_validate_json(data)
            elif kind == "end":
                yield None
            kind, data = "", ""
