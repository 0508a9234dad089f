"""The command line: one verb a file. Heavy packages are imported when a verb runs, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, Protocol, cast

from nas import __version__
from nas.cli import options
from nas.errors import NASError, UserError

INTERRUPTED = 130

_NAMES = "launch ls show validate schema data proxy dashboard export predict eval train draw cost diff"


class Verb(Protocol):
    """A module of this package. `run` returns the exit status, or raises a NASError, which has one."""

    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


VERBS = {name: cast("Verb", import_module(f"nas.cli.{name}")) for name in _NAMES.split()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 done, 1 the work failed, 2 the command or the file is wrong, 130 interrupted.
    """
    try:
        args = _parser().parse_args(argv)
        options.load_plugins(args)
        status = VERBS[args.verb].run(args)
        sys.stdout.flush()
        return status
    except NASError as error:
        return _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader (such as `head`) is gone. Python must not flush to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("NAS_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return _fail(f"a bug of this program: {what}\n  NAS_DEBUG=1 shows the traceback; please report it", 1)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are UserErrors."""

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
        own = verbs.add_parser(
            name,
            help=verb.HELP,
            description=verb.HELP[0].upper() + verb.HELP[1:] + ".",
            epilog=f"example: {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.add_arguments(own)
        options.add_plugin(own)
    return parser


def _fail(message: str, status: int) -> int:
    print(f"nas: {message}", file=sys.stderr)
    return status
