"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
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
    parser.add_argument("--set", dest="sets", metavar=metavar, action="append", default=[], help=about)


def add_study(parser: argparse.ArgumentParser) -> None:
    """Options of verbs that read a study of the database."""
    parser.add_argument("study", metavar="STUDY", help="a study in the database by name, or its file")
    add_storage(parser)
    add_set(parser)


def add_launched(parser: argparse.ArgumentParser) -> None:
    """Options of verbs that train."""
    parser.add_argument("study", metavar="STUDY", help="a study file, shipped or yours, or a study in the database")
    add_storage(parser)
    artifacts = "where weights are stored (default: beside the SQLite file)"
    parser.add_argument("--artifacts", metavar="DIR", type=Path, help=artifacts)
    parser.add_argument("--name", help="name of the study (default: the file's)")
    parser.add_argument("--workers", metavar="N", help="number of trials at a time")
    parser.add_argument("--executor", metavar="ray|local", help="where trials run; local: in this process, to debug")
    parser.add_argument("--address", metavar="ADDR", help="a running Ray cluster to join: auto, or host:port")
    add_set(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def add_plugin(parser: argparse.ArgumentParser) -> None:
    about = "a Python file that adds operators, metrics, tasks, ...; it is executed; may be repeated"
    parser.add_argument("--plugin", dest="plugins", metavar="FILE.py", action="append", default=[], help=about)


def load_plugins(args: argparse.Namespace) -> None:
    """Execute the files of --plugin."""
    if args.plugins:
        from nas.plugins import load

        for path in args.plugins:
            load(path)


def show(args: argparse.Namespace, data: dict[str, Any], lines: Iterable[str]) -> None:
    """Print facts: with --json the data, otherwise the lines."""
    if args.json:
        print_json(data)
    else:
        print(*lines, sep="\n")


def print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, allow_nan=False))


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def split(text: str | None) -> list[str] | None:
    """The items of `A,B,...`; None if the option was not given."""
    return None if text is None else [item.strip() for item in text.split(",")]


def launched(args: argparse.Namespace, *more: str) -> StudyFile:
    """The study of `add_launched` with its options and the settings `more`: a file, or a study of the database.

    Raises:
        UserError: STUDY is neither.
    """
    from nas.storage import open_store
    from nas.studies.catalog import change_study, find, open_study

    # Texts are quoted, so that YAML does not read them as numbers.
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
    """The name of the stored study that STUDY means, itself a name or a file.

    Raises:
        UserError: there is no such study.
    """
    from nas.storage.results import study_record
    from nas.studies.catalog import is_path, open_study

    name = str(args.study)
    if store.study(name) is not None or not is_path(name):
        if args.sets:
            raise UserError(f"--set changes a study file, and {name!r} is a study in the database")
    else:
        file = open_study(name, args.sets)
        if file.study is None or file.study.name is None:
            raise SpecError(file.where, file.faults)
        name = file.study.name
    return study_record(store, name).name


def sound(file: StudyFile) -> StudySpec:
    """The study of a file whose form has no faults.

    Raises:
        SpecError: all its faults, otherwise.
    """
    from nas.search.request import refuse

    if file.study is None or file.faults:
        refuse(file)
    assert file.study is not None
    return file.study
