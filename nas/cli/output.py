"""What verbs print: facts on stdout, progress on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any

INTERRUPTED = 130
"""Exit status of a verb that Ctrl-C or SIGTERM ended."""


def show(args: argparse.Namespace, data: dict[str, Any], lines: Iterable[str]) -> None:
    """Print facts: with --json the data, otherwise the lines."""
    if args.json:
        print_json(data)
    else:
        print(*lines, sep="\n")


def print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, allow_nan=False))


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def split(text: str | None) -> list[str] | None:
    """The items of an option `A,B,...`; None if it was not given."""
    return None if text is None else [item.strip() for item in text.split(",")]
