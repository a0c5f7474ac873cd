"""The sweep: a periodic catch-up, for webhooks that never came and for changes that a platform tells nobody.

Every `sweep_every` seconds, give or take a tenth, what changed since the last sweep is read and put into the backfill
lane; once a day a kind is read whole, trusting the ledger, with removals as in any full sync. A kind that never had a
full sync is not read whole either: somebody has switched that off.

The last sweep also tells how long the daemon was away: after longer than the platform sends webhooks again, webhooks
were lost.
"""

import math
from functools import partial

import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.engine.gaps import note_gaps
from daemon.model import Kind
from daemon.platforms.base import Page
from daemon.storage import full_syncs
from daemon.storage.age import age
from daemon.storage.gaps import open_gap
from daemon.storage.sweeps import Swept, SweptUntil, store_swept, swept_since, take_swept

DAY = 86400.0
OVERLAP = 60.0
"""Seconds that a sweep looks back beyond the last one: clocks differ."""

FIRST_PAGE = 1800.0
"""Seconds for which sweeps wait for the first page of a full sync, which the platform may refuse for ever."""

SHORTEST_REST = 1.0
"""Seconds between two looks: a sweep stays due while a full sync is about to read everything, however long it waits."""


class Sweep:
    """Sweeps one kind of one connection until cancelled."""

    def __init__(
        self, context: ConnectionContext, kind: Kind, runs: FullSyncs, longest_absence: float = math.inf
    ) -> None:
        self._context = context
        self._kind = kind
        self._runs = runs
        self._longest_absence = longest_absence
        """Seconds that the daemon may be away without losing webhooks."""
        self._kind_state = context.kind_states[kind]

    async def run(self) -> None:
        """Sweep when it is time, and whenever its signal in the kind's state is set."""
        if self._context.now() - await self._since() > self._longest_absence:
            await note_gaps(self._context, [self._kind])
        while True:
            since = await self._since()
            pause = self._context.options.sweep_every * self._context.chance.uniform(0.9, 1.1)
            rest = max(pause - age(since, self._context.now()), SHORTEST_REST)
            await self._kind_state.sweep.wait_until(trio.current_time() + rest)
            await self.run_once()

    async def run_once(self) -> None:
        """Read what changed since the last sweep, or everything if that was not done for a day."""
        context = self._context
        newest = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
        since, began = await self._since(), context.now()
        waits = newest is not None and newest.state == "enumerating" and not newest.seen
        if newest is not None and waits and age(newest.started_at, began) < FIRST_PAGE:
            return  # everything is about to be read, unless the platform refuses the first page for long
        idle = newest is not None and newest.state in {"ending", "ended"}
        # A gap's reader reads everything too, in its turn.
        gap = await context.storage.read(open_gap, context.connection.id, self._kind)
        overdue = newest is not None and (since > began or age(newest.started_at, began) >= DAY)
        if idle and overdue and gap is None:
            await self._runs.start("daily")
        else:
            # A cursor that lies ahead says nothing: what reads everything may not have begun before a day ago.
            await self._walk(since - OVERLAP if since <= began else began - DAY)
        until = SweptUntil(connection_id=context.connection.id, kind=self._kind, since=began)
        await context.storage.write(store_swept, until)

    async def _since(self) -> float:
        since = await self._context.storage.read(swept_since, self._context.connection.id, self._kind)
        if since is not None:
            return since
        await self._context.storage.write(
            store_swept,
            SweptUntil(connection_id=self._context.connection.id, kind=self._kind, since=self._context.now()),
        )
        return self._context.now()

    async def _walk(self, since: float) -> None:
        cursor: str | None = None
        while True:
            await self._runs.wait_for_room()
            page = await self._runs.read_page(partial(self._read_page, since), cursor)
            if page.cursor is None:
                return
            cursor = page.cursor

    async def _read_page(self, since: float, cursor: str | None) -> Page:
        """Read one page of what has changed and take it in."""
        async with self._kind_state.page_cache.one_page():
            page = await self._context.platform.changed_since(self._kind, since, cursor)
            call = Swept(
                connection_id=self._context.connection.id,
                kind=self._kind,
                ids=[entity.external_id for entity in page.entities],
                now=self._context.now(),
            )
            write = partial(self._context.storage.write, take_swept, call)
            await self._kind_state.page_cache.fill(None, page.entities, write)
        self._kind_state.wake()
        return page
