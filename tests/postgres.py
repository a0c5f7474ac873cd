"""A PostgreSQL server of the tests' own: one for each process of pytest, with an empty database for each test.

It is started at the first test that asks for it, listens on a socket in a folder of its own, and is stopped by its
process id. Its binaries come from PATH or from /usr/lib/postgresql. PostgreSQL refuses to run as root, so it then runs
as `postgres` or `nobody`. The daemon's user there has a password, and no rights but those on its own databases.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
from attrs import define, field
from psycopg import sql

from daemon.model import Secret

REMEDY = "no PostgreSQL server is installed, so its tests are left out; to get one: apt-get install postgresql"
PASSWORD = "a pass/word: of the tests"
_QUOTED = "a%20pass%2Fword%3A%20of%20the%20tests"
# Tests stop no machine, so the disk need not have what was committed; the daemon's own limits stay.
SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=32MB")
DURABLE = ("listen_addresses=", "max_connections=100", "shared_buffers=128MB")
"""The settings of a server whose commits are to be measured."""
_ENDING = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"


def binaries() -> Path | None:
    """Return the folder of the server's binaries, the newest release first; None when there is no server."""
    on_path = shutil.which("initdb")
    if on_path is not None and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(installed, key=lambda folder: float(folder.parent.name), default=None)


def _user() -> str | None:
    """Return the user that the server runs as; None for the present one."""
    if os.geteuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()})


@define(kw_only=True)
class Server:
    """A running server. `folder` has its data and its socket."""

    binaries: Path
    folder: Path
    user: str | None
    settings: Sequence[str] = SETTINGS
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(factory=lambda: itertools.count(1))
    _idle: list[str] = field(factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "daemon") -> Secret:
        """Return the URL of a database, as a person would write it."""
        return Secret(f"postgresql://{user}:{_QUOTED}@/{database}?host={self.folder}")

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        options = [part for setting in self.settings for part in ("-c", setting)]
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.data, "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as output:
            self._process = subprocess.Popen(command, user=self.user, cwd=self.folder, stdout=output, stderr=output)
        ready: list[str | Path] = [self.binaries / "pg_isready", "--quiet", "--host", self.folder]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, (self.folder / "log").read_text("utf-8")

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: end every connection, or with `at_once` leave everything as a crash does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(30)
        self._process = None

    def administer(self, statement: sql.Composed) -> None:
        """Run a statement as the server's administrator."""
        with psycopg.connect(self.url(user="admin").reveal(), autocommit=True) as conn:
            conn.execute(statement)

    @contextlib.contextmanager
    def database(self) -> Iterator[Secret]:
        """Lend the URL of an empty database, which the daemon's user owns."""
        # To make a database takes over ten times as long as to empty one.
        name = self._idle.pop() if self._idle else self._made()
        yield self.url(name)
        self._empty(name)
        self._idle.append(name)

    def _made(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.administer(sql.SQL("CREATE DATABASE {} OWNER daemon").format(sql.Identifier(name)))
        return name

    def _empty(self, name: str) -> None:
        """End the sessions of a database, and take back all that a test has changed in it."""
        writing = "-c default_transaction_read_only=off"  # a test may have set it
        with psycopg.connect(self.url(name, user="admin").reveal(), autocommit=True, options=writing) as conn:
            conn.execute(_ENDING)
            conn.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name)))
            for [schema] in conn.execute(_SCHEMAS).fetchall():
                conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            conn.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            conn.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


@contextlib.contextmanager
def running(settings: Sequence[str] = SETTINGS) -> Iterator[Server]:
    """Make a server with empty databases, and run it until the block ends."""
    found = binaries()
    assert found is not None, REMEDY
    # Under /tmp itself: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ignite-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Server(binaries=found, folder=Path(name), user=_user(), settings=settings)
        if server.user is not None:
            shutil.chown(name, server.user)
        password = server.folder / "password"
        password.write_text(PASSWORD, "utf-8")
        password.chmod(0o644)
        made = ["--username=admin", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        command: list[str | Path] = [found / "initdb", "--pgdata", server.data, "--no-sync", *made]
        subprocess.run(command, user=server.user, cwd=name, check=True, stdout=subprocess.DEVNULL)
        server.start()
        try:
            server.administer(sql.SQL("CREATE ROLE daemon LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
            yield server
        finally:
            if server._process is not None:
                server.stop()
