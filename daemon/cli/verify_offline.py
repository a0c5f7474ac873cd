"""A dry run in the command's own process, while no daemon runs: also of a connection that was never started.

A scratch database takes along what the daemon's database knows of the site, and then adopts the settings, as the next
start would. The daemon's database is only read, for a moment, and may not be there yet.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from daemon.admin.verify import Verification, scratch_database
from daemon.cli.offline import run_offline
from daemon.composition import compose
from daemon.config import Settings
from daemon.engine.dry_run import NAMED
from daemon.engine.supervisor import close
from daemon.errors import Invalid, NoDatabaseYet, NotFound, Paused
from daemon.listener.ignite import site_named
from daemon.model import Site
from daemon.observability.logging import configure
from daemon.observability.metrics import Metrics
from daemon.storage import connections
from daemon.storage.database import Database, open_database
from daemon.storage.dry_run import take_along

TELL_SECONDS = 0.5


def dry_run(settings: Settings, site: str, kind: str | None, tell: Callable[[Any], None], *, everything: bool) -> Any:
    """Make a dry run; `tell` gets its state now and then. Raises ConfigError, and Stop for what is impossible."""
    configure("error")
    return run_offline(settings, partial(_dry_run, settings, site, kind, tell, everything=everything))


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
        stored = await registry.active(site)
        if stored is None or not registry.is_wanted(stored):
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
        label = registry.platforms[stored.platform].label
        verification = Verification(stored=stored, label=label, kinds=kinds, named=None if everything else NAMED)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep_telling, verification, tell)
                await verification.rehearse(factory, runner.context, scratch)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await close(runner.context)
        verification.running = False
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
