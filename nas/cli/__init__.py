"""The command line: `parser` knows the verbs and their arguments, and each verb is a file, imported when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from nas.cli.arguments import REMOTE, VERBS
from nas.cli.output import INTERRUPTED
from nas.cli.parser import build_parser
from nas.errors import NASError, UserError

__all__ = ["VERBS", "build_parser", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Returns:
        0 done, 1 the work failed, 2 the command or the file is wrong, 130 interrupted.
    """
    try:
        args = build_parser().parse_args(argv)
        status = _run(args)
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


def _run(args: argparse.Namespace) -> int:
    """Run the verb here, or on the service that `--server` or NAS_SERVER names."""
    server = args.server or os.environ.get("NAS_SERVER")
    if server and args.verb in REMOTE:
        status: int = import_module("nas.cli.remote").run(args, server)
    elif args.server:
        raise UserError(f"--server: a service can be asked for {', '.join(REMOTE)}, not for {args.verb}")
    else:
        for path in args.plugins:
            import_module("nas.plugins").load(path)
        status = import_module(f"nas.cli.{args.verb}").run(args)
    return status


def _fail(message: str, status: int) -> int:
    print(f"nas: {message}", file=sys.stderr)
    return status
