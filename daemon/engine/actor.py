"""The actor of one kind of one connection: takes due changes from the outbox, a batch at a time.

Each lane has its own loop, so that a webhook does not wait behind a batch of a full sync. No entity is in two batches
at once. A batch is as large as the platform can read in one call. When a few entities of a batch are slow, the lane
goes on beside it. When a batch fails by a bug, each of its entities is tried alone, so the bug is settled for the one
that causes it.
"""

import math
from collections.abc import Collection

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.pipeline import Pipeline
from daemon.engine.stragglers import LATE
from daemon.errors import StorageTrouble
from daemon.model import ExternalId, Lane
from daemon.observability.logging import log_storage_trouble
from daemon.storage import outbox
from daemon.storage.outbox import Claim
from daemon.transport.throttle.aside import noticing

LONGEST_NAP = 30.0
"""Seconds between two looks at the outbox when no signal comes: clocks jump."""

COALESCE = 0.05
"""Seconds between two looks at the outbox, however many changes arrive."""

STORAGE_PAUSE = 1.0

MOST_BATCHES = 8
"""Batches of a lane in flight: all but one of them only wait for slow entities."""

log = structlog.get_logger()


class Actor:
    """Works off the outbox until cancelled, or until `finish` and the batches in flight are done."""

    def __init__(self, context: ConnectionContext, pipeline: Pipeline) -> None:
        self._context = context
        self._pipeline = pipeline
        self._kind_state = context.kind_states[pipeline.kind]
        self._in_flight: dict[ExternalId, trio.Event] = {}
        """Entities in flight, with the event of their batch that lets the lane go on beside it."""
        pipeline.settled, pipeline.lags = self._settled, self._let_lane_go_on
        self._finishing = False

    async def run(self) -> None:
        """Work on both lanes."""
        async with trio.open_nursery() as nursery:
            for lane in Lane:
                nursery.start_soon(self._run_lane, lane)

    def finish(self) -> None:
        """Claim nothing more; `run` returns when the batches in flight are settled."""
        self._finishing = True
        self._kind_state.wake()

    async def _run_lane(self, lane: Lane) -> None:
        async with trio.open_nursery() as batches:
            while not self._finishing:
                now, moved_on = self._context.now(), trio.Event()
                is_free = len(batches.child_tasks) < MOST_BATCHES and self._context.blocked(self._pipeline.kind) is None
                try:
                    if is_free and (claims := await self._claim(lane, now, moved_on)):
                        batches.start_soon(self._work_on, claims, lane, moved_on)
                        # A backfill batch takes its time; a live one that does has an entity that hangs.
                        with trio.move_on_after(LATE if lane is Lane.LIVE else math.inf):
                            await moved_on.wait()
                    else:
                        await self._nap(lane, now)
                except StorageTrouble as error:
                    # The rows are still there, so the work is only delayed.
                    log_storage_trouble(error)
                    await trio.sleep(STORAGE_PAUSE)

    async def _claim(self, lane: Lane, now: float, moved_on: trio.Event) -> list[Claim]:
        context, kind = self._context, self._pipeline.kind
        async with self._kind_state.page_cache.claiming:
            # A copy: an entity that is settled while the database is read is not free yet in that reading.
            busy = frozenset(self._in_flight)
            claims = await context.storage.read(
                outbox.claim, context.connection.id, kind, lane, now, context.platform.batch(kind), busy
            )
            self._in_flight.update((claim.external_id, moved_on) for claim in claims)
        return claims

    async def _nap(self, lane: Lane, now: float) -> None:
        """Sleep until a signal, or until a row comes due that was not due at `now`, the time of the claim."""
        context = self._context
        due = await context.storage.read(outbox.next_due, context.connection.id, self._pipeline.kind, now)
        nap = LONGEST_NAP if due is None else min(max(due - context.now(), 0.0), LONGEST_NAP)
        began = trio.current_time()
        await self._kind_state.work[lane].wait_until(began + nap)
        if not self._finishing:
            # A burst of webhooks becomes one batch instead of many small ones.
            await trio.sleep_until(min(began + COALESCE, began + nap))

    async def _work_on(self, claims: list[Claim], lane: Lane, moved_on: trio.Event) -> None:
        def stand_aside(is_aside: bool) -> None:  # noqa: FBT001  as `noticing` calls it
            # A bulk call that was refused waits for its Retry-After; other batches need not.
            if is_aside:
                moved_on.set()

        try:
            with noticing(stand_aside):
                await self._work(claims, lane, moved_on)
        except StorageTrouble as error:
            log_storage_trouble(error)
            await trio.sleep(STORAGE_PAUSE)
        finally:
            # Rows that were not settled are still in the outbox: without this they would never be claimed again.
            self._settled([claim.external_id for claim in self._left(claims, moved_on)])
            moved_on.set()

    async def _work(self, claims: list[Claim], lane: Lane, moved_on: trio.Event) -> None:
        try:
            await self._pipeline.work(claims, lane)
        except StorageTrouble:
            raise
        except Exception as error:  # the batch's edge: the entity that has our bug is found, logged and parked
            if len(claims) > 1:
                log.exception("batch failed by a bug, entities tried alone", size=len(claims))
                for claim in self._left(claims, moved_on):
                    await self._work([claim], lane, moved_on)
            else:
                await self._pipeline.fail(claims[0], lane, error)

    def _left(self, claims: list[Claim], moved_on: trio.Event) -> list[Claim]:
        """Return the claims of a batch that are not settled; a settled entity may be in another batch by now."""
        return [claim for claim in claims if self._in_flight.get(claim.external_id) is moved_on]

    def _settled(self, ids: Collection[ExternalId]) -> None:
        for external_id in ids:
            self._in_flight.pop(external_id, None)

    def _let_lane_go_on(self, ids: Collection[ExternalId]) -> None:
        for external_id in ids:
            if external_id in self._in_flight:
                self._in_flight[external_id].set()
