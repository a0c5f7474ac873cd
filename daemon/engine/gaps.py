"""Closes the gaps of one kind: reads it whole once, with the ledger trusted, as the daily reading does.

It begins as soon as the gap is due and no such reading began within the last hour; never while a full sync of the
connection is on its way; and at most `AT_ONCE` of all connections are on their way at a time. A kind that never had a
full sync is not read either: somebody has switched that off.
"""

from collections.abc import Collection

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.model import Kind
from daemon.storage import full_syncs, gaps
from daemon.storage.gaps import HOUR, Gap, GapNote
from daemon.storage.outbox import backlog

AT_ONCE = 2

CHECK_EVERY = 30.0
"""Seconds between two looks at what is not due yet: clocks jump."""

TURN_EVERY = 5.0
"""Seconds between two looks at whether a full sync is still on its way."""

LOOK_EVERY = 1.0
"""Seconds between two looks at a reading that is on its way."""

log = structlog.get_logger()


async def note_gaps(
    context: ConnectionContext, kinds: Collection[Kind], due_in: float = 0.0, *, at_once: bool = False
) -> None:
    """Note that kinds of a connection have a gap which may be closed in `due_in` seconds. Raises StorageTrouble."""
    wanted = [kind for kind in context.kind_states if kind in kinds]
    if not wanted:
        return
    due_at = context.now() + due_in
    await context.storage.write(
        gaps.note, GapNote(connection_id=context.connection.id, kinds=wanted, due_at=due_at, at_once=at_once)
    )
    for kind in wanted:
        context.kind_states[kind].gap.set()


class GapReader:
    """Closes the gaps of one kind of one connection until cancelled; `slots` are the process's."""

    def __init__(self, context: ConnectionContext, kind: Kind, runs: FullSyncs, slots: trio.Semaphore) -> None:
        self._context = context
        self._kind = kind
        self._runs = runs
        self._slots = slots
        self._kind_state = context.kind_states[kind]

    async def run(self) -> None:
        """Close gaps as they become due."""
        while True:
            if self._kind_state.gapped:
                await note_gaps(self._context, [self._kind])
                self._kind_state.gapped = False
            rest = await self._rest()
            if rest is None:
                await self._kind_state.gap.wait()
            elif rest > 0 or not await self._read():
                nap = min(rest, CHECK_EVERY) if rest > 0 else TURN_EVERY
                await self._kind_state.gap.wait_until(trio.current_time() + nap)

    async def _rest(self) -> float | None:
        """Return for how many seconds the gap is not due yet; None when there is none."""
        context, now = self._context, self._context.now()
        gap = await context.storage.read(gaps.open_gap, context.connection.id, self._kind)
        if gap is None:
            return None
        if gap.due_at > now + HOUR:  # the clock was ahead when it was noted
            await note_gaps(context, [self._kind])
            gap = Gap(now, gap.at_once)
        last = await context.storage.read(gaps.last_reading, context.connection.id, self._kind, now)
        if last is None or (gap.at_once and last < gap.due_at):
            return gap.due_at - now
        return max(gap.due_at, last + HOUR) - now

    async def _read(self) -> bool:
        """Read everything once; False when that cannot be now."""
        context = self._context
        await context.passed(self._kind)
        if await self._must_wait():
            return False
        async with self._slots:
            if await self._must_wait() or await self._runs.start("daily") is None:
                return False
            log.info(
                "webhooks were missing; everything is read", site=str(context.connection.site), kind=self._kind.value
            )
            # Neither a connection that is blocked nor rows that are tried again keep the others waiting.
            while await self._is_reading() and context.blocked(self._kind) is None:  # noqa: ASYNC110  its signal has one waiter
                await trio.sleep(LOOK_EVERY)
        return True

    async def _must_wait(self) -> bool:
        """Whether a full sync of the connection is on its way, or about to begin, or this kind shall not be read."""
        context = self._context
        for kind in context.kind_states:
            newest = await context.storage.read(full_syncs.newest, context.connection.id, kind)
            if newest is None and (context.options.full_sync_on_start or kind is self._kind):
                return True
            if newest is not None and newest.mode != "daily" and await self._is_at_work(kind):
                return True
        return False

    async def _is_reading(self) -> bool:
        return await self._is_at_work(self._kind)

    async def _is_at_work(self, kind: Kind) -> bool:
        """Whether the run of a kind reads pages, or works on what it read for the first time."""
        context = self._context
        run = await context.storage.read(full_syncs.current, context.connection.id, kind)
        if run is None:
            return False
        return run.state == "enumerating" or await context.storage.read(backlog, context.connection.id, kind) > 0
