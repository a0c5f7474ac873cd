"""The census of one kind: it finds entities that were removed from the store without a webhook and without a date.

A platform names the kinds whose removals it does not announce (`PlatformType.census_kinds`). Every `census_every`
seconds their ids alone are listed. An id that the ledger has and the list lacks becomes a change in the backfill lane,
so it goes the way of any removal: read by its id, confirmed by a second answer, and under the brake. A list without any
id removes nothing.

A read of everything is a census too. A list that takes long makes the census rarer: it takes at most a tenth of the
time. Memory holds eight bytes for each id.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from math import inf

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.model import ExternalId, Kind
from daemon.platforms.base import IdPage
from daemon.storage import full_syncs, sweeps
from daemon.storage.age import age
from daemon.storage.leftovers import sku_of
from daemon.storage.sweeps import PastCensus, Swept, take_swept

PARTS = 10.0
"""The period of a census lasts at least this many times as long as the census."""

KNOWN_AT_ONCE = 250
CHECK_EVERY = 60.0
"""Seconds between two looks at whether a read of everything has ended, and at a clock that may jump."""

log = structlog.get_logger()


def lacking(hashes: "array[int]", ids: Iterable[ExternalId]) -> list[ExternalId]:
    """Return those of `ids` whose hashes are not in the sorted list."""
    places = ((external_id, bisect_left(hashes, hash(external_id))) for external_id in ids)
    return [one for one, place in places if place == len(hashes) or hashes[place] != hash(one)]


class Census:
    """Takes the census of one kind of one connection until cancelled."""

    def __init__(self, context: ConnectionContext, kind: Kind, runs: FullSyncs) -> None:
        self._context = context
        self._kind = kind
        self._runs = runs
        self._kind_state = context.kind_states[kind]
        self._since = context.now()
        """Stands for the last census while there was none."""

    async def run(self) -> None:
        """Take a census whenever it is due."""
        while True:
            rest = await self._rest()
            if rest > 0:
                await trio.sleep(min(rest, CHECK_EVERY))
            else:
                await self._take()

    async def _rest(self) -> float:
        """Return for how many seconds no census is due; infinite while everything is read anyway."""
        context = self._context
        last = await context.storage.read(sweeps.last_census, context.connection.id, self._kind)
        run = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
        if run is not None and run.current:
            return inf
        times = [last.began_at if last else self._since, (run and run.enumerated_at) or 0.0]
        now = context.now()
        return self._period(last) - min(age(time, now) for time in times)

    def _period(self, last: PastCensus | None) -> float:
        return max(self._context.options.census_every, PARTS * last.seconds if last else 0.0)

    async def _take(self) -> None:
        """List all ids, and have those of the ledger that are not among them looked at."""
        context = self._context
        # As hashes: another id takes the place of a missing one once in 2^64, and for one census.
        seen = array("q")
        await context.write_something()
        began, clock, blocked = context.now(), trio.current_time(), context.blocked_seconds(self._kind)

        async def read(cursor: str | None) -> IdPage:
            page = await context.platform.ids(self._kind, cursor)
            seen.extend(map(hash, page.ids))
            return page

        await self._runs.read_pages(read)
        seconds = trio.current_time() - clock - (context.blocked_seconds(self._kind) - blocked)
        listed = len(seen)
        missing = await self._look_at_missing(array("q", sorted(seen))) if listed else 0
        fields = {"site": str(context.connection.site), "kind": self._kind.value, "listed": listed}
        taken = PastCensus(
            connection_id=context.connection.id, kind=self._kind, began_at=began, seconds=max(0.0, seconds)
        )
        await context.storage.write(sweeps.store_census, taken)
        log.info("census taken", **fields, missing=missing, seconds=round(taken.seconds, 1))
        if not listed:
            log.warning("census listed nothing, so nothing is removed", **fields)
        if (period := self._period(taken)) > context.options.census_every:
            log.warning("census takes long, so it is taken less often", **fields, every=round(period))

    async def _look_at_missing(self, seen: "array[int]") -> int:
        """Record the entities of the ledger whose sorted hashes are not `seen` as changed; return their number."""
        context, after, count = self._context, "", 0
        while True:
            await self._runs.wait_for_room()
            ids = await context.storage.read(sweeps.known_ids, context.connection.id, self._kind, after, KNOWN_AT_ONCE)
            if not ids:
                return count
            # A leftover's id is none of the platform's: only a read of everything may remove it.
            missing = [external_id for external_id in lacking(seen, ids) if sku_of(external_id) is None]
            if missing:
                now, count = context.now(), count + len(missing)
                call = Swept(connection_id=context.connection.id, kind=self._kind, ids=missing, now=now)
                await context.storage.write(take_swept, call)
                self._kind_state.wake()
            after = ids[-1]
