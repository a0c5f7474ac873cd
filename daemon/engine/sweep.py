"""The sweep: a periodic catch-up, for webhooks that never came and for changes without a webhook.

Every `sweep_every` seconds, give or take a tenth, the changes since the last sweep are read into the backfill lane.
Once a day a kind is read whole; the ledger is trusted, and removals are handled as in any full sync. A kind that never
had a full sync is not read whole: the operator has switched full syncs off.

The time of the last sweep also shows how long the daemon was away. If that was longer than the platform repeats its
webhooks, some were lost.
"""

import math
from functools import partial

import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.engine.gaps import note_gaps
from daemon.errors import StorageTrouble
from daemon.model import ExternalId, Kind
from daemon.platforms.base import Page
from daemon.storage import full_syncs
from daemon.storage.age import age
from daemon.storage.gaps import open_gap
from daemon.storage.states import RunMode, RunState
from daemon.storage.sweeps import Swept, SweptUntil, store_swept, swept_since, take_swept

DAY = 86400.0
OVERLAP = 60.0
"""Seconds that a sweep looks back beyond the last one: clocks differ."""

FIRST_PAGE = 1800.0
"""Seconds for which sweeps wait for the first page of a full sync. The platform may refuse that page for ever."""

SHORTEST_REST = 1.0
"""Seconds between two sweeps, also while one stays due because a full sync has yet to read its first page."""


class Sweep:
    """Sweeps one kind of one connection until cancelled."""

    def __init__(
        self, context: ConnectionContext, kind: Kind, runs: FullSyncs, longest_absence: float = math.inf
    ) -> None:
        self._context = context
        self._kind = kind
        self._runs = runs
        self._longest_absence = longest_absence
        """Seconds without a sweep in which no webhooks are lost."""
        self._kind_state = context.kind_states[kind]

    async def run(self) -> None:
        """Sweep when it is time, and whenever the kind's signal for it is set."""
        # Only here: while the daemon runs, sweeps may be late without any webhook being lost.
        if self._context.now() - await self._since() > self._longest_absence:
            await note_gaps(self._context, [self._kind])
        while True:
            since = await self._since()
            # A tenth more or less, so that the kinds of many connections do not sweep together for ever.
            pause = self._context.options.sweep_every * self._context.chance.uniform(0.9, 1.1)
            rest = max(pause - age(since, self._context.now()), SHORTEST_REST)
            await self._kind_state.sweep.wait_until(trio.current_time() + rest)
            try:
                await self._sweep()
            except StorageTrouble:
                self._kind_state.sweep.set()  # this task is started again, and still owes the sweep
                raise

    async def _sweep(self) -> None:
        """Read the changes since the last sweep, or everything if that was not done for a day."""
        context = self._context
        await context.write_something()
        newest = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
        since, began = await self._since(), context.now()
        waits = newest is not None and newest.state is RunState.ENUMERATING and not newest.seen
        if newest is not None and waits and age(newest.started_at, began) < FIRST_PAGE:
            return  # the run reads everything in a moment
        idle = newest is not None and not newest.current
        # A gap causes a read of everything too: one of the two is enough.
        gap = await context.storage.read(open_gap, context.connection.id, self._kind)
        overdue = newest is not None and (since > began or age(newest.started_at, began) >= DAY)
        if idle and overdue and gap is None:
            await self._runs.start(RunMode.DAILY)
        else:
            # No sweep was made at a time in the future. Everything older than a day was read by a daily run.
            await self._runs.read_pages(partial(self._read_page, since - OVERLAP if since <= began else began - DAY))
        await self._store(began)  # its beginning: what changed during the sweep is for the next one

    async def _since(self) -> float:
        """Return the beginning of the last sweep; a kind that was never swept counts from now."""
        since = await self._context.storage.read(swept_since, self._context.connection.id, self._kind)
        return since if since is not None else await self._store(self._context.now())

    async def _store(self, since: float) -> float:
        until = SweptUntil(connection_id=self._context.connection.id, kind=self._kind, since=since)
        await self._context.storage.write(store_swept, until)
        return since

    async def _read_page(self, since: float, cursor: str | None) -> Page:
        """Read one page of the changes since a time, and take it in."""
        async with self._kind_state.page_cache.one_page():
            page = await self._context.platform.changed_since(self._kind, since, cursor)
            call = Swept(
                connection_id=self._context.connection.id,
                kind=self._kind,
                ids=[entity.external_id for entity in page.entities],
                now=self._context.now(),
            )
            await self._kind_state.page_cache.fill(None, page.entities, partial(self._take, call))
        self._kind_state.wake()
        return page

    async def _take(self, call: Swept) -> set[ExternalId]:
        """Put a page into the outbox, and note which entities nothing else has put there."""
        fresh = await self._context.storage.write(take_swept, call)
        self._kind_state.found_by_sweep(fresh)
        return fresh
