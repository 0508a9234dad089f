"""nas device: runs on the user's device, and times models there."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from nas.device import runner
from nas.errors import UserError


def run(args: argparse.Namespace) -> int:
    if args.action == "file":
        output = args.output or Path("runner.py")
        if output.exists():
            raise UserError(f"{output} exists: give another file with -o")
        shutil.copyfile(runner.__file__, output)
        print(
            f"copy {output} to the device, and start it there: {runner.TOKEN}=... python {output.name} --host 0.0.0.0"
        )
        return 0
    if args.output is not None:
        raise UserError("nas device serve writes no file: leave -o out")
    return runner.serve(args.host, args.port)
