"""A PostgreSQL server of our own: one for a run of the tests, and in it a database for each test."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import psycopg

from mutua.store.store import Store
from tests.missing import missing

PATIENCE_SECONDS = 60
SUPERUSER = "mutua"
SERVER_USER = "postgres"
"""Who runs the server when root runs the tests."""

TEMPLATE = "store_template"

# Smaller than a server's; what makes it durable is as it was.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "lc_messages": "C",
    "recovery_init_sync_method": "syncfs",
}

StopMode = Literal["smart", "fast", "immediate"]


class Cluster:
    """A server that is reached through a Unix socket in a folder of its own.

    Attributes:
        folder: where the socket is.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self._data = data
        self._numbers = count(1)
        self._server: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, folder: Path, data: Path | None = None, access: str | None = None) -> Self:
        """Make a server's files, and start it.

        Args:
            folder: an empty folder that belongs to the user who runs the server.
            data: where the databases go; in ``folder`` when not given.
            access: ``pg_hba.conf``; whoever reaches the socket is let in when not given.
        """
        cluster = cls(folder, data or folder / "data")
        cluster._run(
            "initdb", "--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync",
            "--wal-segsize", "1",
        )  # fmt: skip
        with (cluster._data / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            for name, value in {**SETTINGS, "unix_socket_directories": str(folder)}.items():
                configuration.write(f"{name} = '{value}'\n")
        if access is not None:
            (cluster._data / "pg_hba.conf").write_text(access, encoding="utf-8")
        cluster.start()
        return cluster

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            command = [*_as_server("--pdeathsig", "INT"), _binary("postgres"), "-D", str(self._data)]
            self._server = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "log").read_text(encoding="utf-8")) from None
            time.sleep(0.02)

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server, as ``pg_ctl`` does."""
        assert self._server is not None
        if self._server.poll() is None:
            self._run("pg_ctl", "stop", "-m", mode, "-w", "-t", str(PATIENCE_SECONDS))
        self._server.wait(PATIENCE_SECONDS)

    def restart(self, mode: StopMode) -> None:
        """Stop and start again: ``pg_ctl restart``, but the server stays our child."""
        self.stop(mode)
        self.start()

    def connect(self, database: str = "postgres", **options: Any) -> "psycopg.Connection[Any]":
        """A connection that commits each statement by itself."""
        return psycopg.connect(host=str(self.folder), user=SUPERUSER, dbname=database, autocommit=True, **options)

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """What ``Store.open`` takes."""
        return f"postgresql+psycopg://{user}@/{database}?host={quote(str(self.folder), safe='')}"

    @contextmanager
    def database(self, *options: str) -> Iterator[str]:
        """An empty database's name; dropped afterwards with whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(" ".join([f"CREATE DATABASE {name}", *options]))
        try:
            yield name
        finally:
            with self.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def store(self) -> Iterator[str]:
        """The URL of a database with an empty store."""
        with self.connect() as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
                Store.create(self.url(TEMPLATE)).close()
        with self.database(f"TEMPLATE {TEMPLATE}") as name:
            yield self.url(name)

    def back_up(self, database: str) -> bytes:
        """A backup of a database: what ``pg_dump`` writes."""
        return self._ask("pg_dump", "--format", "custom", "--dbname", database)

    def restore(self, database: str, backup: bytes) -> None:
        """Put a backup in place of what is in the database, under whoever is connected, as ``pg_restore`` does."""
        self._ask("pg_restore", "--clean", "--single-transaction", "--dbname", database, data=backup)

    def _ask(self, program: str, *arguments: str, data: bytes = b"") -> bytes:
        command = [_binary(program), "--host", str(self.folder), "--username", SUPERUSER, *arguments]
        done = subprocess.run(command, cwd="/", input=data, capture_output=True, check=False, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_server(), _binary(program), "-D", str(self._data), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def server_folder() -> Iterator[Path]:
    """An empty folder for a server. Where PostgreSQL is missing the test skips; in CI it fails."""
    if _binaries() is None:
        missing("the peer 'postgresql' is not installed")
    # Not in pytest's folder, which the server's user cannot enter; and a socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mutua-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_cluster(access: str | None = None) -> Iterator[Cluster]:
    """A server for as long as it is needed."""
    with server_folder() as folder:
        cluster = Cluster.make(folder, access=access)
        try:
            yield cluster
        finally:
            cluster.stop("immediate")


def is_installed() -> bool:
    """Whether PostgreSQL's programs are here."""
    return _binaries() is not None


def _binaries() -> Path | None:
    """Debian keeps the server's programs outside of PATH; the newest version's are taken."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _binary(program: str) -> str:
    folder = _binaries()
    assert folder is not None
    return str(folder / program)


def _as_server(*options: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    user = ["--reuid", SERVER_USER, "--regid", SERVER_USER, "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, *options] if user or options else []
