"""Python run in a process of its own that need not import torch first: forked from one that has imported it.

For tests of what a process leaves behind and registers, not of how one starts. The process that is forked is started
afresh once in a session, and runs no thread.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

PRELOADED = ["nas.cli", "nas.exports", "nas.search.checks", "nas.search.driver", "timm"]


@cache
def context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def run(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> CompletedProcess[str]:
    """What `python WORDS` would do in a folder: `FILE ...`, `-m MODULE ...` or `-c CODE ...`."""
    with TemporaryDirectory() as folder:
        out, err = (Path(folder, name) for name in ("out", "err"))
        given = [str(word) for word in words]
        process = context().Process(
            target=_main, args=(given, cwd, dict(env or os.environ | {"PYTHONPATH": str(ROOT)}), out, err)
        )
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(given, process.exitcode, out.read_text(), err.read_text())


@pytest.fixture
def forked_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a service in this process fork the processes that it exports in."""

    def stand_in(command: list[str], env: Mapping[str, str], **_: Any) -> CompletedProcess[str]:
        return run(*command[1:], cwd=Path.cwd(), env=env)

    found = SimpleNamespace(run=stand_in, TimeoutExpired=TimeoutExpired)
    monkeypatch.setattr("nas.service.routes.exports.subprocess", found)


def _main(words: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    kind = words[0] if words[0] in ("-m", "-c") else "file"
    first = str(Path(words[0]).parent.resolve()) if kind == "file" else ""
    sys.path[:0] = [first, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    importlib.invalidate_caches()
    sys.argv = words[1:] if kind != "file" else words
    if kind == "-m":
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(words[0], run_name="__main__")
