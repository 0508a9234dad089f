"""STUDY: a study file, or a study in the database."""

from __future__ import annotations

import argparse
import json

from nas.errors import MissingDatabase, SpecError, UserError
from nas.storage import Store, StudyRecord, open_store
from nas.storage.results import study_record
from nas.studies.catalog import StudyFile, change_study, find, is_path, open_study


def study_to_train(args: argparse.Namespace, *more: str, stored_first: bool = False) -> StudyFile:
    """The study that is to be trained, with its options and the settings `more`.

    Args:
        args: the words; of a name that a shipped file and a study in the database have, the file is meant.
        more: further changes.
        stored_first: then it is the study in the database.

    Raises:
        UserError: STUDY is neither.
    """
    # Texts are quoted, so that YAML does not read them as numbers.
    texts = {"name": args.name, "executor": args.executor, "address": args.address}
    sets = [
        *args.sets,
        *more,
        *([f"workers.count={args.workers}"] if args.workers is not None else []),
        *(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in texts.items() if value is not None),
    ]
    word = str(args.study)
    if stored_first and (record := _stored(args.storage, word)) is not None:
        return change_study(record.spec, record.text, sets)
    try:
        find("studies", word)
    except UserError as no_file:
        record = _stored(args.storage, word, no_file)
        if record is None:
            raise UserError(f"{no_file}; nor is there one of that name in {args.storage}") from None
        return change_study(record.spec, record.text, sets)
    return open_study(word, sets)


def _stored(storage: str, name: str, missing: UserError | None = None) -> StudyRecord | None:
    """The study of that name in the database; None, or the error `missing`, where there is no database."""
    try:
        with open_store(storage, create=False) as store:
            return store.study(name)
    except MissingDatabase:
        if missing is not None:
            raise missing from None
        return None


def launched_name(file: StudyFile, args: argparse.Namespace) -> str:
    """The name of a study that is to be launched, for messages; STUDY as it was written where the file has faults."""
    return str(args.study) if file.study is None else file.study.name or str(args.study)


def study_name(store: Store, args: argparse.Namespace) -> str:
    """The name of the stored study that STUDY means, itself a name or a file.

    Raises:
        UserError: there is no such study.
    """
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
