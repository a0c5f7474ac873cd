"""The database of a daemon that does not run: commands ask it the same operations as a running daemon.

A file is locked meanwhile; for `explain`, which waits for the store, only during each of its transactions. So a daemon
that starts just then waits for a moment (`daemon.storage.lock`). If a daemon has the file, the command ends with one
line. On PostgreSQL several processes may use the database.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from attrs import frozen

from daemon.cli import stopping
from daemon.cli.client import DaemonClient, RefusedError
from daemon.cli.group import Stop
from daemon.composition import compose
from daemon.config import Settings
from daemon.errors import CallerError, ConfigError, StorageTrouble, first_inside, raise_config_error
from daemon.model import Secret
from daemon.model.operators import OFFLINE
from daemon.observability.logging import configure
from daemon.observability.metrics import Metrics
from daemon.storage.database import Database, OpenStorage, open_database
from daemon.storage.group_commit import Operation

C = TypeVar("C")
R = TypeVar("R")

EXPLAIN = "/admin/explain"


class Offline(DaemonClient):
    """Answers calls of /admin in this process. Raises ConfigError, and RefusedError for an impossible operation."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.listener)
        self._settings = settings
        configure("warning")  # to stderr: the answer goes to stdout

    def status(self) -> Any:
        """Return the status in the database."""
        return super().status() | {"running": False}

    def _call(self, method: str, path: str, order: Any = None) -> Any:
        place = self._settings.database.place
        if isinstance(place, Path) and not place.exists():
            raise ConfigError(f"database {place}: there is none yet; start the daemon with: ignite-sync run")
        asked = urlsplit(path)

        async def answered() -> Any:
            async with _opened(place, asked.path) as storage:
                admin = (await compose(self._settings, storage, Metrics())).admin
                return await admin.operations[method, asked.path](order or dict(parse_qsl(asked.query)), OFFLINE)

        return run_offline(self._settings, answered)


def run_offline(settings: Settings, task: Callable[[], Awaitable[R]]) -> R:
    """Run a task on the database. Raises ConfigError, RefusedError for an impossible operation, and Stop."""
    try:
        return stopping.run(task)
    except (CallerError, StorageTrouble) as error:
        cause: BaseException | None = error
    except BaseExceptionGroup as group:  # the database's nursery wraps what ends it; anything else is raised as it is
        raise_config_error(group)
        known, others = group.split((CallerError, StorageTrouble))
        if known is None or others is not None:
            raise
        cause = first_inside(known)
    if isinstance(cause, StorageTrouble):
        raise Stop(f"database {settings.database.shown}: {cause}")
    raise RefusedError(str(cause))


@contextlib.asynccontextmanager
async def _opened(place: Path | Secret, path: str) -> AsyncIterator[OpenStorage]:
    """Open the database for one operation. Raises ConfigError and StorageTrouble."""
    if path == EXPLAIN and isinstance(place, Path):
        yield _Visits(place)
        return
    async with open_database(place, make=False) as database:
        yield database


@frozen
class _Visits:
    """A database file that is opened, and locked, for each transaction: between two of them a daemon may start."""

    _place: Path
    waiting: int = 0

    async def write(self, fn: Operation[C, R], call: C) -> R:
        """Commit `call` durably; see `Storage`."""
        return await self._visit(lambda database: database.write(fn, call))

    async def read(self, fn: Callable[..., R], *args: Any) -> R:
        """Run a query; see `Storage`."""
        return await self._visit(lambda database: database.read(fn, *args))

    async def _visit(self, work: Callable[[Database], Awaitable[R]]) -> R:
        async with open_database(self._place, make=False) as database:
            try:
                return await work(database)
            except StorageTrouble as error:
                trouble = error  # raised below, since the database's nursery would wrap it
        raise trouble
