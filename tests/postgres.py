"""A real PostgreSQL server on loopback, for tests: its own folder and port, one a session, a fresh database a test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER, PASSWORD = "nas", "s3cret"
NEEDED = "needs PostgreSQL's server and the driver psycopg: `make test` installs them on Debian where it may"

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "fsync": "off",  # a server that is killed loses nothing by it, only a machine
    "shared_buffers": "16MB",
    "max_connections": "60",
}


def programs() -> Path | None:
    """The folder of the newest server's programs; Debian keeps them outside PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    here = shutil.which("initdb")
    return found[-1].parent if found else Path(here).parent if here is not None else None


class Server:
    """A server that can be stopped and started again."""

    def __init__(self, bin: Path) -> None:
        self.bin = bin
        # The server refuses to run as root, and pytest's own folders are closed to other users.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
        self.port = _free_port()
        self._count = 0
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self._as:
            for path in (self.folder, secret):
                shutil.chown(path, "postgres", "postgres")
        words = ["-U", USER, f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync", "--locale=C", "-E", "UTF8"]
        self._run("initdb", "-D", self.data, *words)
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in (_OPTIONS | {"port": str(self.port)}).items())
        self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.folder / "log", "-o", options)

    def stop(self) -> None:
        """End the server at once, as a power cut would: transactions under way are lost."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", self.data)

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new(self, template: str = "template0") -> str:
        """The name of a new database, a copy of `template`."""
        self._count += 1
        name = f"test_{self._count}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """The rows of a statement of the administrator's, in a transaction of its own."""
        import psycopg

        address = f"host=127.0.0.1 port={self.port} user={USER} password={PASSWORD} dbname={database}"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description is not None else []

    def _run(self, program: str, *words: str | Path) -> None:
        with (self.folder / "said").open("w+") as said:  # no pipe: the server would hold it open
            command = [*self._as, self.bin / program, *words]
            done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
            said.seek(0)
            assert done.returncode == 0, f"{program}: {said.read()}"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server of this session."""
    bin = programs()
    try:
        import psycopg  # noqa: F401
    except ImportError:
        bin = None
    if bin is None:
        pytest.skip(NEEDED)
    server = Server(bin)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def _template(postgres: Server) -> str:
    """A database with our tables: copying it is faster than making them."""
    from nas.storage import open_store

    name = postgres.new()
    open_store(postgres.url(name), create=True).close()
    return name


@pytest.fixture
def postgres_url(postgres: Server, _template: str) -> str:
    """The URL of a fresh database with our tables."""
    return postgres.url(postgres.new(_template))
