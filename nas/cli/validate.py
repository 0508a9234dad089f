"""nas validate: what is wrong with a study or a search space, without running it."""

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
    counted: dict[str, Any] = {}
    try:
        if kind == "search space":
            counted = _check_space(args.file, args.sets)
        else:
            _check_study(args.file, args.sets)
    except SpecError as error:
        if not args.json:
            raise
        faults = [fault._asdict() for fault in error.faults]
        options.print_json({"file": error.where, "kind": kind, "valid": False, "faults": faults})
        return error.exit_status
    if args.json:
        options.print_json({"file": args.file, "kind": kind, "valid": True, "faults": []} | counted)
    else:
        print(f"{args.file}: a valid {kind}" + (f" of {_told(**counted)}" if counted else ""))
    return 0


def _check_space(file: str, sets: list[str]) -> dict[str, Any]:
    """How many necks the space holds, on a backbone with its levels to P5 and large images."""
    from nas.search_space import count, nominal_frame
    from nas.studies.catalog import read_space

    if sets:
        raise UserError(f"--set changes a study, and {file} is a search space")
    space = read_space(file)
    return count(space, nominal_frame(space))._asdict()


def _told(encodings: int, necks: int, exact: bool, error: float) -> str:
    """`216 necks in 240 encodings`, or about so many with the standard error."""
    if exact:
        return f"{necks:,} necks in {encodings:,} encodings"
    return f"about {necks:.3g} necks (standard error {error:.1g}) in about {encodings:.3g} encodings"


def _check_study(file: str, sets: list[str]) -> None:
    from nas.search.request import refuse
    from nas.studies.catalog import open_study

    refuse(open_study(file, sets))


def _is_space(word: str) -> bool:
    """A search space has `parameters` at its top; a shipped one goes by its name."""
    from nas.studies.catalog import find, names, read
    from nas.yaml12 import load_yaml

    if not Path(word).is_file():
        return Path(word).stem in names("search_spaces") and Path(word).stem not in names("studies")
    data = load_yaml(read(find("studies", word)), word)
    return isinstance(data, dict) and "parameters" in data
