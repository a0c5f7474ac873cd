"""The database of a daemon that does not run: commands ask it the same operations as a running daemon, and a dry run.

A file is locked meanwhile; for `explain`, which waits for the store, only during each of its transactions. So a daemon
that starts just then waits for a moment (`daemon.storage.lock`). If a daemon has the file, the command ends with one
line. On PostgreSQL several processes may use the database.

A dry run works on a scratch database. It takes along what the daemon's database knows of the site, and then adopts the
settings, as the next start would. So it also shows a connection that was never started. The daemon's database is only
read, for a moment, and may not be there yet.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
from attrs import frozen

from daemon.admin.verify import Verification, scratch_database
from daemon.cli import stopping
from daemon.cli.group import Stop
from daemon.composition import compose
from daemon.config import Settings
from daemon.engine.dry_run import NAMED
from daemon.engine.supervisor import close
from daemon.errors import (
    CallerError,
    ConfigError,
    Invalid,
    NoDatabaseYet,
    NotFound,
    Paused,
    StorageTrouble,
    first_inside,
    raise_config_error,
)
from daemon.listener.ignite import site_named
from daemon.model import Secret, Site
from daemon.model.operators import OFFLINE
from daemon.observability.logging import configure
from daemon.observability.metrics import Metrics
from daemon.storage import connections
from daemon.storage.database import Database, OpenStorage, open_database
from daemon.storage.dry_run import take_along
from daemon.storage.group_commit import Operation

C = TypeVar("C")
R = TypeVar("R")

EXPLAIN = "/admin/explain"
TELL_SECONDS = 0.5


def call(settings: Settings, operation: str, parameters: Mapping[str, object]) -> Any:
    """Return the answer of an operation of /admin; that of the status has `running`, False.

    Raises ConfigError, and Stop for an impossible operation.
    """
    configure("warning")  # to stderr: the answer goes to stdout
    place = settings.database.place
    if isinstance(place, Path) and not place.exists():
        raise ConfigError(f"database {place}: there is none yet; start the daemon with: ignite-sync run")
    method, _, path = operation.partition(" ")
    # A query has texts alone.
    parse = str if method == "GET" else lambda value: value
    given = {name: parse(value) for name, value in parameters.items() if value is not None}

    async def answered() -> Any:
        async with _opened(place, path) as storage:
            admin = (await compose(settings, storage, Metrics())).admin
            return await admin.operations[method, path](given, OFFLINE)

    answer = _run(settings, answered)
    return answer | {"running": False} if operation == "GET /admin/status" else answer


def dry_run(settings: Settings, site: str, kind: str | None, tell: Callable[[Any], None], *, everything: bool) -> Any:
    """Make a dry run; `tell` gets its state now and then. Raises ConfigError, and Stop for what is impossible."""
    configure("error")
    return _run(settings, partial(_dry_run, settings, site, kind, tell, everything=everything))


def _run(settings: Settings, task: Callable[[], Awaitable[R]]) -> R:
    """Run a task on the database. Raises ConfigError and Stop."""
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
    raise Stop(str(cause))


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


async def _dry_run(
    settings: Settings, name: str, kind: str | None, tell: Callable[[Any], None], *, everything: bool
) -> Any:
    site = site_named(*name.partition("/")[::2])
    assert site is not None  # the command has checked it
    async with scratch_database() as scratch:
        shared = await _take_along(settings, site, scratch)
        daemon = await compose(settings, scratch, Metrics())
        registry, factory = daemon.lifecycle.registry, daemon.lifecycle.factory
        await registry.adopt_all(time.time())
        stored = await registry.wanted(site)
        if stored is None:
            known = ", ".join(str(link.site) for link in settings.connections) or "none"
            raise NotFound(f"no active connection {site}; the settings have: {known}")
        if stored.paused_at is not None:
            raise Paused(site)
        kinds = [one for one in factory.kinds(stored.platform) if kind in {None, one.value}]
        if not kinds:
            raise Invalid(f"kind: {kind} are not synced from this platform")
        connection = registry.decrypted(stored)
        # Another machine's daemon may be at work on a shared database.
        runner = factory.guest(connection) if shared else factory.runner(connection, scratch)
        verification = Verification(stored=stored, kinds=kinds, named=None if everything else NAMED)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_telling, verification, tell)
                await verification.rehearse(factory, runner.context, scratch)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await close(runner.context)
        verification.ended_at = trio.current_time()
        tell(verification.answer())
        return verification.answer()


async def _take_along(settings: Settings, site: Site, scratch: Database) -> bool:
    """Copy what the daemon's database knows of a site, if it is there; return True if several nodes may use it."""
    place = settings.database.place
    if isinstance(place, Path) and not place.exists():
        return False
    try:
        async with open_database(place, make=False) as database:
            for stored in await database.read(connections.of_site, site):
                await take_along(database, scratch, stored.id)
            return database.shared
    except NoDatabaseYet:
        return False


async def _keep_telling(verification: Verification, tell: Callable[[Any], None]) -> None:
    while True:
        await trio.sleep(TELL_SECONDS)
        tell(verification.answer())
