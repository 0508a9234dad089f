"""nas schema: prints what a study file or a search space file may hold, for editors."""

from __future__ import annotations

import argparse
import json

from nas.studies.schema import SCHEMAS


def run(args: argparse.Namespace) -> int:
    print(json.dumps(SCHEMAS[args.kind](), indent=2, ensure_ascii=False))
    return 0
