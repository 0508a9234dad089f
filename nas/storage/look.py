"""A look at a database before a launch writes into it: could it, and what is there already?"""

from __future__ import annotations

from pathlib import Path

from nas.errors import MissingDatabase, StoreError
from nas.storage.artifacts import NO_FOLDER, artifacts_folder
from nas.storage.database import check_database
from nas.storage.folders import open_folder
from nas.storage.records import StudyRecord
from nas.storage.store import open_store
from nas.text import Say


def check_writable(url: str, artifacts: str | Path | None = None) -> None:
    """Check, without writing, that studies could be kept in a database, and their weights in a folder.

    Raises:
        StoreError: they could not.
    """
    folder, address = artifacts_folder(artifacts), check_database(url, create=True)
    if folder is None and address.file is None:
        raise StoreError(NO_FOLDER.format(address.name))
    if folder is not None:
        open_folder(folder).check()


def known_study(url: str, name: str | None, say: Say | None = None) -> tuple[StudyRecord | None, bytes | None]:
    """The study of that name and the backbone that its trials share, if the database is there and has them."""
    try:
        with open_store(url, create=False, say=say) as store:
            known = store.study(name) if name is not None else None
            owner = f"task/{known.task}" if known is not None else ""
            return known, store.get_artifact(owner, "backbone") if store.damage(owner, "backbone") is None else None
    except MissingDatabase:
        return None, None
