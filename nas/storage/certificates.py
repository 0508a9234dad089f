"""Certificates in the database: of proxies, beside earlier ones."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import and_, select

from nas.errors import SpecError
from nas.storage.database import Database
from nas.storage.patience import Once
from nas.storage.tables import CERTIFICATE
from nas.studies.certificate import Certificate


def keep(database: Database, certificate: Certificate, task: str | None) -> None:
    """Keep a certificate; `task` is the fingerprint that its task has here, if the certificate was made elsewhere."""
    proxy = certificate.proxy
    values = {"task": task or proxy.fingerprint, "epochs": proxy.task.epochs, "made": datetime.now(UTC)}
    row = Once(CERTIFICATE, values | {"data": certificate.model_dump(mode="json")}, tuple(values))
    database.transaction(row.insert)


def find(database: Database, task: str, epochs: int) -> list[Certificate]:
    """All certificates of a proxy, oldest first, without those that another version wrote in an unknown form."""
    where = and_(CERTIFICATE.c.task == task, CERTIFICATE.c.epochs == epochs)
    rows = database.read(select(CERTIFICATE.c.data).where(where).order_by(CERTIFICATE.c.id))
    found = []
    for row in rows:
        with suppress(SpecError):
            found.append(Certificate.parse(row.data))
    return found
