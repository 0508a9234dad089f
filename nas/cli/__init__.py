"""The command line: one verb a file. Heavy packages are imported when a verb runs, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from nas import __version__
from nas.cli import (
    cost,
    dashboard,
    data,
    diff,
    draw,
    effects,
    eval,
    export,
    launch,
    ls,
    options,
    predict,
    proxy,
    schema,
    show,
    train,
    validate,
)
from nas.errors import NASError, UserError

INTERRUPTED = 130


class Verb(Protocol):
    """A module of this package. `run` gives the exit status; a NASError tells its own."""

    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


VERBS: dict[str, Verb] = {
    "launch": launch,
    "ls": ls,
    "show": show,
    "effects": effects,
    "validate": validate,
    "schema": schema,
    "data": data,
    "proxy": proxy,
    "dashboard": dashboard,
    "export": export,
    "predict": predict,
    "eval": eval,
    "train": train,
    "draw": draw,
    "cost": cost,
    "diff": diff,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 done, 1 the work failed, 2 the words or the file are wrong, 130 interrupted.
    """
    try:
        args = _parser().parse_args(argv)
        options.load_plugins(args)
        status = VERBS[args.verb].run(args)
        sys.stdout.flush()
        return status
    except NASError as error:
        return _tell(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _tell("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader (`head`, say) has gone: nobody is left to tell, and Python must not try at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("NAS_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return _tell(f"a bug of this program: {what}\n  with NAS_DEBUG=1 it shows where; please report that", 1)


class _Parser(argparse.ArgumentParser):
    """Wrong words are a UserError, so that they are told like every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nas",
        description="Search for the feature pyramid that belongs between your backbone and your head.",
        epilog="example: nas launch quickstart",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nas {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        described = verb.HELP[0].upper() + verb.HELP[1:] + "."
        own = verbs.add_parser(
            name,
            help=verb.HELP,
            description=described,
            epilog=f"example: {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add_arguments(own)
        options.add_plugin(own)
    return parser


def _tell(message: str, status: int) -> int:
    print(f"nas: {message}", file=sys.stderr)
    return status
