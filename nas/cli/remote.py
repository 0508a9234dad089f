"""Verbs on a service: `nas --server URL VERB`. Output and exit status are those of the same verb here."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from nas.cli.live import shown, summary
from nas.cli.output import INTERRUPTED, print_json, say, show, split
from nas.client import Client
from nas.client.answers import Conflict
from nas.errors import NASError, UserError
from nas.studies.catalog import find, is_path, open_study

LIVE = ("queued", "running")

STOP_SECONDS = 120.0

_LOCAL_ONLY: dict[str, Any] = {"--artifacts": None, "--address": None, "--dry-run": False, "--plugin": [], "--sink": []}
"""Options that a service has no use for, and their defaults."""

_STATUS = {"done": 0, "exhausted": 0, "failed": 1, "interrupted": INTERRUPTED}


def run(args: argparse.Namespace, server: str) -> int:
    """Run a verb on a service."""
    for option, default in _LOCAL_ONLY.items():
        name = {"--plugin": "plugins", "--sink": "sinks"}.get(option, option.removeprefix("--").replace("-", "_"))
        if getattr(args, name, default) != default:
            raise UserError(f"{option} is the service's to choose: leave it out")
    with Client(server) as client:
        return VERBS[args.verb](client, args)


def _ls(client: Client, args: argparse.Namespace) -> int:
    _print(client, args, "studies", leave_out="jobs")
    return 0


def _show(client: Client, args: argparse.Namespace) -> int:
    _print(client, args, f"studies/{_name(args)}" + (f"/trials/{args.trial}" if args.trial is not None else ""), "job")
    return 0


def _launch(client: Client, args: argparse.Namespace) -> int:
    """Queue a study and watch it to its end. Ctrl-C leaves it running."""
    texts = {"name": args.name, "executor": args.executor}
    sets = [
        *args.sets,
        *([f"budget.trials={args.trials}"] if args.trials is not None else []),
        *([f"workers.count={args.workers}"] if args.workers is not None else []),
        *(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in texts.items() if value is not None),
    ]
    try:
        find("studies", args.study)
        job = client.launch(args.study, sets=sets)
    except UserError:
        if sets or args.study not in _studies(client):
            raise
        job = client.resume(args.study)
    say(f"study {job['study']} waits at {client.server}, behind {job['position'] or 0} others")
    try:
        ended = _followed(client, job["study"], args.log, job["id"])
    except KeyboardInterrupt:
        say(f"study {job['study']} goes on at {client.server}: `nas --server ... watch` or `stop` it")
        return INTERRUPTED
    if ended["error"] is not None:
        raise NASError(ended["error"])
    if ended["state"] == "cancelled" and client.study(job["study"]).get("trials") is None:
        return INTERRUPTED
    return _STATUS[_result(client, args, job["study"])]


def _watch(client: Client, args: argparse.Namespace) -> int:
    name = _name(args)
    _followed(client, name, args.log)
    _result(client, args, name)
    return 0


def _export(client: Client, args: argparse.Namespace) -> int:
    written = client.export(_name(args), args.output, trial=args.trial, formats=split(args.format))
    title = f"trial {written['trial']} of {written['study']}, written to {written['directory']}:"
    show(args, written, [title, *(f"  {file}" for file in written["files"])])
    return 0


def _stop(client: Client, args: argparse.Namespace) -> int:
    name = _name(args)
    try:
        client.cancel(name)
    except Conflict:
        raise UserError(f"study {name!r} is not running") from None
    asked = time.monotonic()
    while (state := client.study(name)["state"]) in LIVE:
        if time.monotonic() - asked > STOP_SECONDS:
            say(f"study {name!r} was asked to stop, and still runs after {STOP_SECONDS:.0f} s")
            return 1
        time.sleep(0.5)
    show(args, {"study": name, "state": state}, [f"study {name}: {state}; `nas launch` goes on with it"])
    return 0


VERBS: dict[str, Callable[[Client, argparse.Namespace], int]] = {
    "launch": _launch, "ls": _ls, "show": _show, "watch": _watch, "export": _export, "stop": _stop
}  # fmt: skip
"""The verbs that a service can be asked for."""


def _followed(client: Client, name: str, log: str, job: int | None = None) -> dict[str, Any]:
    """Show what happens to a study until its job, or its launch, has ended. Returns the state and the error.

    Args:
        client: of the service.
        name: of the study.
        log: as `--log`.
        job: whose lines are printed; None: only the progress is shown.
    """
    printed, lines = "", 0
    with shown(name, log) as (tell, update):
        for live in client.watch(name):
            if job is not None and live.job is not None and live.job.id == job:
                for line in client.log(job, lines) if live.job.lines > lines else []:
                    tell(line)
                lines = live.job.lines
            if live.progress is not None and update is not None and live.state == "running":
                update(live.progress)
            elif live.progress is not None and job is None and summary(name, live.progress) != printed:
                printed = summary(name, live.progress)
                tell(printed)
            waits = live.job is not None and live.job.state in LIVE
            if live.state not in LIVE and not waits:
                break
    if job is None:
        return {}
    return client.job(job)


def _result(client: Client, args: argparse.Namespace, name: str) -> str:
    """Print what a study has found. Returns its state."""
    found = client.result(name)
    if args.json:
        print_json(found)
    else:
        print(client.text(f"studies/{name}/result"), end="")
    return str(found["state"])


def _print(client: Client, args: argparse.Namespace, path: str, leave_out: str) -> None:
    """Print what a route answers, without what the same verb does not print here."""
    if not args.json:
        print(client.text(path), end="")
        return
    print_json({key: value for key, value in client.data(path).items() if key != leave_out})


def _name(args: argparse.Namespace) -> str:
    """The name of the study that STUDY means: a name, or a file with one."""
    word = str(args.study)
    if not is_path(word):
        if args.sets:
            raise UserError(f"--set changes a study file, and {word!r} is a study of the service")
        return word
    file = open_study(word, args.sets)
    return str(file.study.name) if file.study is not None else word


def _studies(client: Client) -> set[str]:
    found = client.studies()
    return {study["study"] for study in found["studies"]} | set(found["queued"])
