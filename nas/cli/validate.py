"""nas validate: checks a study or a search space without running it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nas.cli import options
from nas.errors import SpecError, UserError

HELP = "check a study or a search space without running it: all faults at once"
EXAMPLE = "nas validate studies/bccd.yaml --set task.data.root=PATH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a study or a search space: a path, or a shipped one by name")
    options.add_set(parser)
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    kind = "search space" if _is_space(args.file) else "study"
    size: dict[str, Any] = {}
    try:
        if kind == "study":
            from nas.search.request import refuse
            from nas.studies.catalog import open_study

            refuse(open_study(args.file, args.sets))
        elif args.sets:
            raise UserError(f"--set changes a study, and {args.file} is a search space")
        else:
            size = _size_of_space(args.file)
    except SpecError as error:
        if not args.json:
            raise
        faults = [fault._asdict() for fault in error.faults]
        options.print_json({"file": error.where, "kind": kind, "valid": False, "faults": faults})
        return error.exit_status
    data = {"file": args.file, "kind": kind, "valid": True, "faults": []}
    options.show(args, data | size, [f"{args.file}: a valid {kind}" + (f" of {_format_size(**size)}" if size else "")])
    return 0


def _size_of_space(file: str) -> dict[str, Any]:
    """How many necks the space has, for large images and a backbone with levels up to P5."""
    from nas.search_space import count, nominal_frame
    from nas.studies.catalog import read_space

    space = read_space(file)
    return count(space, nominal_frame(space))._asdict()


def _format_size(encodings: int, necks: int, exact: bool, error: float) -> str:
    if exact:
        return f"{necks:,} necks in {encodings:,} encodings"
    return f"about {necks:.3g} necks (standard error {error:.1g}) in about {encodings:.3g} encodings"


def _is_space(word: str) -> bool:
    """Whether a file has `parameters` at its top, or a name is that of a shipped search space alone."""
    from nas.studies.catalog import find, load_yaml, names, read

    if not Path(word).is_file():
        return Path(word).stem in names("search_spaces") and Path(word).stem not in names("studies")
    data = load_yaml(read(find("studies", word)), word)
    return isinstance(data, dict) and "parameters" in data
