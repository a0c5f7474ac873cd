"""Closes the gaps of one kind: one run reads everything and trusts the ledger, as the daily one does.

The run begins when the gap is due, no such run began within the last hour, and no full sync of the connection reads
pages. A full sync of another kind that begins during the run ends it (`full_syncs.start`); the gap stays, and is closed
afterwards. At most `AT_ONCE` of these runs are in progress in a process; one that is held up does not count. A kind
that never had a full sync is not read: the operator has switched full syncs off.
"""

from collections.abc import Collection

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs, goes_first, held_up, is_at_work
from daemon.model import Kind
from daemon.storage import full_syncs, gaps
from daemon.storage.gaps import HOUR, Gap, GapNote
from daemon.storage.states import RunMode

AT_ONCE = 2

CHECK_EVERY = 30.0
"""Seconds between two looks at a gap that is not due yet: clocks jump."""

log = structlog.get_logger()


async def note_gaps(
    context: ConnectionContext,
    kinds: Collection[Kind],
    due_in: float = 0.0,
    *,
    at_once: bool = False,
    maybe: bool = False,
) -> GapNote:
    """Note that kinds of a connection have a gap which may be closed in `due_in` seconds. Raises StorageTrouble.

    A gap that turns out to be none can be withdrawn by the note, if it was a `maybe`.
    """
    due_at, synced = context.now() + due_in, [kind for kind in context.kind_states if kind in kinds]
    note = GapNote(connection_id=context.connection.id, kinds=synced, due_at=due_at, at_once=at_once, maybe=maybe)
    if synced:
        await context.storage.write(gaps.note, note)
    for kind in synced:
        context.kind_states[kind].gap.set()  # also for a `maybe`: noting it as certain may fail later
    return note


class GapReader:
    """Closes the gaps of one kind of one connection until cancelled; `slots` are shared by the process."""

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
                # Cleared after the write only: while the database fails, this task is started again and tries again.
                await note_gaps(self._context, [self._kind])
                self._kind_state.gapped = False
            rest = await self._rest()
            if rest is None:
                await self._kind_state.gap.wait()
            elif rest > 0:
                await self._kind_state.gap.wait_until(trio.current_time() + min(rest, CHECK_EVERY))
            elif (first := await self._goes_first()) is not None:
                await self._context.kind_states[first].progress.wait_until(trio.current_time() + CHECK_EVERY)
            elif not await self._read():
                await self._kind_state.gap.wait_until(trio.current_time() + CHECK_EVERY)

    async def _rest(self) -> float | None:
        """Return for how many seconds the gap is not due yet; None when there is none."""
        context, now = self._context, self._context.now()
        gap = await context.storage.read(gaps.open_gap, context.connection.id, self._kind)
        if gap is None:
            return None
        if gap.due_at > now + HOUR:  # no gap is noted that far ahead, so the clock was wrong
            await note_gaps(context, [self._kind])
            gap = Gap(now, gap.at_once)
        # A store whose deliveries fail all day is read once an hour, not for each failure.
        last = await context.storage.read(gaps.last_reading, context.connection.id, self._kind, now)
        if last is None or (gap.at_once and last < gap.due_at):
            return gap.due_at - now
        return max(gap.due_at, last + HOUR) - now

    async def _read(self) -> bool:
        """Read everything once. Return False if that is no longer possible once there is a free slot."""
        context = self._context
        await context.passed(self._kind)  # before the slot is taken: a pause may last for days
        async with self._slots:
            if await self._goes_first() is not None:
                return False
            # A full sync may have begun since that look.
            after = [kind for kind in context.kind_states if kind is not self._kind and not held_up(context, kind)]
            if await self._runs.start(RunMode.DAILY, after=after) is None:
                return False
            log.info("reading everything to close a gap", site=str(context.connection.site), kind=self._kind.value)
            # A run without progress must not keep the slot from other connections: it may be blocked, or have a page
            # that is always refused, or rows that retry. It goes on by itself, and so closes the gap once it can.
            while not held_up(context, self._kind):
                run = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
                if run is None or not await is_at_work(context, run):
                    break
                await self._kind_state.progress.wait_until(trio.current_time() + CHECK_EVERY)
        return True

    async def _goes_first(self) -> Kind | None:
        """Return a kind whose progress must be waited for; this one if it has a run, or never had one."""
        context = self._context
        newest = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
        if newest is None or newest.current:
            return self._kind  # the end of a run may close the gap; until then a second one would be refused
        for kind in context.kind_states:
            if kind is not self._kind and await goes_first(context, kind):
                return kind
        return None
