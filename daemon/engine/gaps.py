"""Closes the gaps of one kind: reads it whole once, with the ledger trusted, as the daily reading does.

It begins as soon as the gap is due and no such reading began within the last hour; never while a full sync of the
connection is on its way; and at most `AT_ONCE` of all connections are on their way at a time. A kind that never had a
full sync is not read either: somebody has switched that off.
"""

from collections.abc import Collection

import structlog
import trio

from daemon.engine.context import Line
from daemon.engine.full_sync import FullSyncs
from daemon.model import Kind
from daemon.storage import full_syncs, gaps
from daemon.storage.gaps import HOUR, Gap, Note
from daemon.storage.outbox import backlog

AT_ONCE = 2

CHECK_EVERY = 30.0
"""Seconds between two looks at what is not due yet: clocks jump."""

TURN_EVERY = 5.0
"""Seconds between two looks at whether a full sync is still on its way."""

LOOK_EVERY = 1.0
"""Seconds between two looks at a reading that is on its way."""

log = structlog.get_logger()


async def note_gaps(line: Line, kinds: Collection[Kind], due_in: float = 0.0, *, at_once: bool = False) -> None:
    """Note that kinds of a connection have a gap which may be closed in `due_in` seconds. Raises StorageTrouble."""
    wanted = [kind for kind in line.desks if kind in kinds]
    if not wanted:
        return
    due_at = line.now() + due_in
    await line.storage.write(
        gaps.note, Note(connection_id=line.connection.id, kinds=wanted, due_at=due_at, at_once=at_once)
    )
    for kind in wanted:
        line.desks[kind].gap.set()


class GapReader:
    """Closes the gaps of one kind of one connection until cancelled; `slots` are the process's."""

    def __init__(self, line: Line, kind: Kind, runs: FullSyncs, slots: trio.Semaphore) -> None:
        self._line = line
        self._kind = kind
        self._runs = runs
        self._slots = slots
        self._desk = line.desks[kind]

    async def run(self) -> None:
        """Close gaps as they become due."""
        while True:
            if self._desk.gapped:
                await note_gaps(self._line, [self._kind])
                self._desk.gapped = False
            rest = await self._rest()
            if rest is None:
                await self._desk.gap.wait()
            elif rest > 0 or not await self._read():
                nap = min(rest, CHECK_EVERY) if rest > 0 else TURN_EVERY
                await self._desk.gap.wait_until(trio.current_time() + nap)

    async def _rest(self) -> float | None:
        """Return for how many seconds the gap is not due yet; None when there is none."""
        line, now = self._line, self._line.now()
        gap = await line.storage.read(gaps.open_gap, line.connection.id, self._kind)
        if gap is None:
            return None
        if gap.due_at > now + HOUR:  # the clock was ahead when it was noted
            await note_gaps(line, [self._kind])
            gap = Gap(now, gap.at_once)
        last = await line.storage.read(gaps.last_reading, line.connection.id, self._kind, now)
        if last is None or (gap.at_once and last < gap.due_at):
            return gap.due_at - now
        return max(gap.due_at, last + HOUR) - now

    async def _read(self) -> bool:
        """Read everything once; False when that cannot be now."""
        line = self._line
        await line.passed(self._kind)
        if await self._must_wait():
            return False
        async with self._slots:
            if await self._must_wait() or await self._runs.start("daily") is None:
                return False
            log.info("webhooks were missing; everything is read", site=str(line.connection.site), kind=self._kind.value)
            # Neither a connection that is blocked nor rows that are tried again keep the others waiting.
            while await self._is_reading() and line.blocked(self._kind) is None:  # noqa: ASYNC110  its signal has one waiter
                await trio.sleep(LOOK_EVERY)
        return True

    async def _must_wait(self) -> bool:
        """Whether a full sync of the connection is on its way, or about to begin, or this kind shall not be read."""
        line = self._line
        for kind in line.desks:
            newest = await line.storage.read(full_syncs.newest, line.connection.id, kind)
            if newest is None and (line.options.full_sync_on_start or kind is self._kind):
                return True
            if newest is not None and newest.mode != "daily" and await self._is_at_work(kind):
                return True
        return False

    async def _is_reading(self) -> bool:
        return await self._is_at_work(self._kind)

    async def _is_at_work(self, kind: Kind) -> bool:
        """Whether the run of a kind reads pages, or works on what it read for the first time."""
        line = self._line
        run = await line.storage.read(full_syncs.current, line.connection.id, kind)
        if run is None:
            return False
        return run.state == "enumerating" or await line.storage.read(backlog, line.connection.id, kind) > 0
