"""nas launch: run a search, or go on with one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli import options
from nas.errors import MissingDatabase, UserError

if TYPE_CHECKING:
    from nas.catalog import StudyFile
    from nas.study import StudySpec

HELP = "search for necks as a study says, or go on with a study launched before"
EXAMPLE = "nas launch studies/bccd.yaml --set task.data.root=PATH --trials 16"

STATUS = {"done": 0, "exhausted": 0, "failed": 1, "interrupted": 130}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="a study file, shipped or yours, or a study in the database")
    options.add_storage(parser)
    parser.add_argument(
        "--artifacts", metavar="DIR", type=Path, help="where weights are kept (default: beside the SQLite file)"
    )
    parser.add_argument("--name", help="name of the study (default: the file's)")
    parser.add_argument("--trials", metavar="N", help="architectures to train, earlier launches included")
    parser.add_argument("--workers", metavar="N", help="trials at a time")
    parser.add_argument("--executor", metavar="ray|local", help="where trials run; local: in this process, to debug")
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster to join: auto, or host:port")
    options.add_set(parser)
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    options.add_json(parser)


def run(args: argparse.Namespace) -> int:
    file = _study_file(args.study, args.storage, _sets(args))
    spec = options.sound(file)
    if args.dry_run:
        return _dry_run(spec, args.json)
    from nas.cli.tables import result_lines
    from nas.search import launch

    result = launch(spec, text=file.text, storage=args.storage, artifacts=args.artifacts, say=options.say)
    if args.json:
        options.print_json(result.to_json())
    else:
        print(*result_lines(result, spec.objectives), sep="\n")
    return STATUS[result.state]


def _dry_run(spec: StudySpec, as_json: bool) -> int:
    from nas.search import plan

    planned = plan(spec, options.say)
    if as_json:
        options.print_json(planned.to_dict())
    else:
        print(*planned.lines(), sep="\n")
    return 0


def _sets(args: argparse.Namespace) -> list[str]:
    """--set and the options that are --set in other words. Texts are quoted: YAML must not take them for numbers."""
    numbers = {"budget.trials": args.trials, "workers.count": args.workers}
    texts = {"name": args.name, "executor": args.executor, "address": args.address}
    return [
        *args.sets,
        *(f"{key}={value}" for key, value in numbers.items() if value is not None),
        *(f"{key}={json.dumps(value)}" for key, value in texts.items() if value is not None),
    ]


def _study_file(word: str, storage: str, sets: list[str]) -> StudyFile:
    """The file that STUDY names, or a study in the database as it was launched.

    Raises:
        UserError: it is neither.
    """
    from nas.catalog import change_study, find, is_path, open_study
    from nas.storage import open_store

    try:
        find("studies", word)
    except UserError as no_file:
        if is_path(word):
            raise
        try:
            with open_store(storage, create=False) as store:
                record = store.study(word)
        except MissingDatabase:
            raise no_file from None
        if record is None:
            raise UserError(f"{no_file}; nor is there one of that name in {storage}") from None
        return change_study(record.spec, record.text, sets)
    return open_study(word, sets)
