"""Options that several verbs share, and what they mean."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import MissingDatabase, SpecError, UserError

if TYPE_CHECKING:
    from nas.storage import Store
    from nas.studies.catalog import StudyFile
    from nas.studies.spec import StudySpec

DEFAULT_STORAGE = "sqlite:///nas.db"


def add_storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage",
        metavar="URL",
        default=os.environ.get("NAS_STORAGE") or DEFAULT_STORAGE,
        help=f"the study database (default: NAS_STORAGE, else {DEFAULT_STORAGE})",
    )


def add_set(
    parser: argparse.ArgumentParser,
    about: str = "change a value of the study file, written in YAML; may be repeated",
    metavar: str = "KEY.PATH=VALUE",
) -> None:
    parser.add_argument(
        "--set",
        dest="sets",
        metavar=metavar,
        action="append",
        default=[],
        help=about,
    )


def add_study(parser: argparse.ArgumentParser) -> None:
    """A study that is in the database already: STUDY, --storage, --set."""
    parser.add_argument("study", metavar="STUDY", help="a study in the database by name, or its file")
    add_storage(parser)
    add_set(parser)


def add_launched(parser: argparse.ArgumentParser) -> None:
    """A study that is to be run, and where: STUDY, --storage and all that is said beside it."""
    parser.add_argument("study", metavar="STUDY", help="a study file, shipped or yours, or a study in the database")
    add_storage(parser)
    parser.add_argument(
        "--artifacts", metavar="DIR", type=Path, help="where weights are kept (default: beside the SQLite file)"
    )
    parser.add_argument("--name", help="name of the study (default: the file's)")
    parser.add_argument("--workers", metavar="N", help="trials at a time")
    parser.add_argument("--executor", metavar="ray|local", help="where trials run; local: in this process, to debug")
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster to join: auto, or host:port")
    add_set(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, allow_nan=False))


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def launched(args: argparse.Namespace, *more: str) -> StudyFile:
    """What `add_launched` asked for, with `more` settings: a file, or a study in the database as it was launched.

    Raises:
        UserError: STUDY is neither.
    """
    from nas.storage import open_store
    from nas.studies.catalog import change_study, find, open_study

    # Options are --set in other words. Texts are quoted: YAML must not take them for numbers.
    texts = {"name": args.name, "executor": args.executor, "address": args.address}
    sets = [
        *args.sets,
        *more,
        *([f"workers.count={args.workers}"] if args.workers is not None else []),
        *(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in texts.items() if value is not None),
    ]
    word = str(args.study)
    try:
        find("studies", word)
    except UserError as no_file:
        try:
            with open_store(args.storage, create=False) as store:
                record = store.study(word)
        except MissingDatabase:
            raise no_file from None
        if record is None:
            raise UserError(f"{no_file}; nor is there one of that name in {args.storage}") from None
        return change_study(record.spec, record.text, sets)
    return open_study(word, sets)


def study_name(store: Store, args: argparse.Namespace) -> str:
    """Name of the study in the database that STUDY means, itself a name or a file that holds one.

    Raises:
        UserError: there is no such study.
    """
    from nas.storage.results import study_record
    from nas.studies.catalog import is_path, open_study

    word = str(args.study)
    if store.study(word) is not None or not is_path(word):
        if args.sets:
            raise UserError(f"--set changes a study file, and {word!r} is a study in the database")
        return study_record(store, word).name
    file = open_study(word, args.sets)
    if file.study is None or file.study.name is None:
        raise SpecError(file.where, file.faults)
    return study_record(store, file.study.name).name


def sound(file: StudyFile) -> StudySpec:
    """The study of a file without faults of form. What the verb checks beyond the form is left to it.

    Raises:
        SpecError: all faults of a file with faults of form.
    """
    from nas.search.request import refuse

    if file.study is None or file.faults:
        refuse(file)
    assert file.study is not None
    return file.study


def add_plugin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plugin",
        dest="plugins",
        metavar="FILE.py",
        action="append",
        default=[],
        help="a Python file that adds operators, metrics, tasks, ...; it is executed; may be repeated",
    )


def load_plugins(args: argparse.Namespace) -> None:
    """Execute the files of --plugin."""
    if args.plugins:
        from nas.plugins import load

        for path in args.plugins:
            load(path)
