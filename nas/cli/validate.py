"""nas validate: checks a study or a search space without running it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nas.cli.output import print_json, show
from nas.errors import SpecError, UserError
from nas.search_space import count, nominal_frame
from nas.studies.catalog import find, names, open_study, read, read_space
from nas.yaml12 import load_yaml


def run(args: argparse.Namespace) -> int:
    kind = "search space" if _is_space(args.file) else "study"
    size: dict[str, Any] = {}
    try:
        if kind == "study":
            # Imported only here: search spaces do not need Optuna.
            from nas.search.request import refuse

            refuse(open_study(args.file, args.sets))
        elif args.sets:
            raise UserError(f"--set changes a study, and {args.file} is a search space")
        else:
            # For large images and a backbone with levels up to P5.
            space = read_space(args.file)
            size = count(space, nominal_frame(space))._asdict()
    except SpecError as error:
        if not args.json:
            raise
        faults = [fault._asdict() for fault in error.faults]
        print_json({"file": error.where, "kind": kind, "valid": False, "faults": faults})
        return error.exit_status
    data = {"file": args.file, "kind": kind, "valid": True, "faults": []}
    show(args, data | size, [f"{args.file}: a valid {kind}" + (f" of {_format_size(**size)}" if size else "")])
    return 0


def _format_size(encodings: int, necks: int, exact: bool, error: float) -> str:
    if exact:
        return f"{necks:,} necks in {encodings:,} encodings"
    return f"about {necks:.3g} necks (standard error {error:.1g}) in about {encodings:.3g} encodings"


def _is_space(word: str) -> bool:
    """Whether a file has `parameters` at its top, or a name is that of a shipped search space alone."""
    if not Path(word).is_file():
        return Path(word).stem in names("search_spaces") and Path(word).stem not in names("studies")
    data = load_yaml(read(find("studies", word)), word)
    return isinstance(data, dict) and "parameters" in data
