"""The full syncs of one kind of one connection.

A run reads page after page in the backfill lane and puts each page's ids into the outbox together with the cursor, so
it goes on where it was after a crash. It stops reading while the outbox is deep. When the platform has no more pages
and no row belongs to the run any more, its end is stored; the sync-log's writer tells it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import takewhile
from math import inf
from typing import TypeVar

import structlog
import trio

from daemon.engine.context import Line
from daemon.engine.leftovers import Leftovers
from daemon.errors import Blocked, Forbidden, Rejected, Retry
from daemon.model import LOGGED_KINDS, Kind, RunId
from daemon.platforms.base import Page
from daemon.storage import full_syncs, outbox, removals
from daemon.storage.full_syncs import PageRead, Run, Start
from daemon.storage.overview import MOST_NAMED

CHECK_EVERY = 60.0
"""Seconds between two looks at whether a run is drained when nothing settles."""

NOTE_EVERY = 10.0
"""Seconds that a run has waited after which that is stored: as many are waited once more after a crash."""

NAME_EVERY = 600.0
"""Seconds between two log lines that name what a run waits for; the first comes after `CHECK_EVERY`."""

SECOND_LOOK = 2.0
"""Seconds between two answers of which the second decides."""

CURSOR_REFUSALS = 2
"""Refusals of one cursor after which the enumeration starts again from the first page."""

TURN_CHECK = 0.25
"""Seconds between two looks at whether the kinds before have had their turn; their signals have one waiter each."""

T = TypeVar("T")

log = structlog.get_logger()


class FullSyncs:
    """Starts runs, and carries out the one that is on its way."""

    def __init__(self, line: Line, kind: Kind) -> None:
        self._line = line
        self._kind = kind
        self._desk = line.desks[kind]
        self._leftovers = Leftovers(line, kind)
        self._working = trio.CancelScope()

    async def cancel(self) -> RunId | None:
        """End the run that is on its way as failed; None when there is none. Raises StorageTrouble."""
        line = self._line
        run = await line.storage.write(full_syncs.cancel, (line.connection.id, self._kind, line.now()))
        if run is not None:
            log.info("full sync cancelled", site=str(line.connection.site), kind=self._kind.value, run=run)
            if self._kind not in LOGGED_KINDS:
                line.full_sync_ended(self._kind, succeeded=False)
            self._working.cancel()
            self._desk.run_started()
            self._desk.wake()
        return run

    async def start(self, mode: str, *, internal: bool = False, allow_removals: bool = False) -> RunId | None:
        """Start a run; None when one is on its way already. Raises StorageTrouble."""
        wish = Start(
            connection_id=self._line.connection.id,
            kind=self._kind,
            mode=mode,
            now=self._line.now(),
            internal=internal,
            allow_removals=allow_removals,
        )
        run = await self._line.storage.write(full_syncs.start, wish)
        self._desk.run_started()
        return run

    async def run(self) -> None:
        """Carry out runs until cancelled."""
        line = self._line
        never = await line.storage.read(full_syncs.newest, line.connection.id, self._kind) is None
        if never and line.options.full_sync_on_start:
            await self.start("normal", internal=True)
        while True:
            run = await line.storage.read(full_syncs.newest, line.connection.id, self._kind)
            if run is not None and run.state == "ended" and run.again:
                await self.start(run.mode, internal=True)
            elif run is None or run.state == "ending":
                await self._desk.runs.wait()
            elif run.state == "ended":
                await self._look_for_leftovers(run)
            else:
                # A scope of its own: a cancelled run may be waiting for the platform, or for room in the outbox.
                with trio.CancelScope() as self._working:
                    await self._carry_out(run)

    async def _look_for_leftovers(self, run: Run) -> None:
        """Wait for another run, looking meanwhile for what a lost ledger has left in SparkLayer, if that is owed."""
        later = await self._leftovers.look(run)
        newest = await self._line.storage.read(full_syncs.newest, self._line.connection.id, self._kind)
        if newest is None or newest.id == run.id:
            await self._desk.runs.wait_until(inf if later is None else trio.current_time() + later)

    async def _carry_out(self, run: Run) -> None:
        if run.state == "enumerating":
            taken_up = trio.current_time()
            await self._wait_for_turn()
            await self._enumerate(run, taken_up)
        else:
            await self._drain(run)

    async def _wait_for_turn(self) -> None:
        """Let the runs of the kinds that this one refers to go first; one that cannot be worked on holds up nothing."""
        for kind in takewhile(lambda kind: kind is not self._kind, self._line.desks):
            while self._line.blocked(kind) is None and await self._goes_first(kind):  # noqa: ASYNC110  see TURN_CHECK
                await trio.sleep(TURN_CHECK)

    async def _goes_first(self, kind: Kind) -> bool:
        """Whether a run of `kind` is to be waited for: but not for what it must try again."""
        line = self._line
        run = await line.storage.read(full_syncs.newest, line.connection.id, kind)
        if run is None:
            return line.options.full_sync_on_start
        if run.mode == "daily" or run.state not in {"enumerating", "draining"}:
            return False
        return run.state == "enumerating" or await line.storage.read(outbox.backlog, line.connection.id, kind) > 0

    async def _enumerate(self, run: Run, taken_up: float) -> None:
        line, cursor = self._line, run.cursor
        log.info("full sync", site=str(line.connection.site), kind=self._kind.value, run=run.id, mode=run.mode)
        if run.refresh and self._kind in {Kind.STORE, Kind.PRODUCTS}:
            line.forget_terms()
        if self._kind is Kind.PRODUCTS:
            await self.patiently(partial(line.refresh_facts, taken_up))
        while True:
            await self._wait_for_room()
            page, taken = await self.read_page(partial(self._read_page, run), cursor)
            if not taken:
                return
            if page.cursor is None:
                break
            cursor = page.cursor
        held = await line.storage.write(full_syncs.finish_enumeration, (run.id, line.now()))
        line.removals_held(self._kind, held)
        self._desk.wake()

    async def _read_page(self, run: Run, cursor: str | None) -> tuple[Page, bool]:
        """Read one page and take it in; False when the run was replaced meanwhile."""
        async with self._desk.reading:
            self._desk.freshness.open()
            page = await self._line.platform.page(self._kind, cursor)
            return page, await self._take(run, page)

    async def read_page(self, read: Callable[[str | None], Awaitable[T]], cursor: str | None) -> T:
        """Call `read` with `cursor` until it succeeds; with None, the first page, once the platform refused the cursor.

        Reading pages again costs calls and loses nothing.
        """
        refusals = 0

        async def attempt() -> T:
            nonlocal cursor, refusals
            try:
                return await read(cursor)
            except Rejected as error:
                refusals += 1
                if refusals >= CURSOR_REFUSALS and cursor is not None:
                    site, kind = str(self._line.connection.site), self._kind.value
                    log.warning("cursor refused; reading starts again", site=site, kind=kind, reason=error.reason)
                    cursor = None
                raise

        return await self.patiently(attempt)

    async def _take(self, run: Run, page: Page) -> bool:
        """Put a page into the outbox, and its contents beside it; false when the run was replaced meanwhile."""
        ids = [entity.external_id for entity in page.entities]
        if self._kind is Kind.STORE:
            self._line.take_facts(page.entities[0].content)
        call = PageRead(run=run.id, ids=ids, cursor=page.cursor, now=self._line.now(), freshness=self._desk.freshness)
        async with self._desk.claiming:
            usable = await self._line.storage.write(full_syncs.take_page, call)
            self._desk.freshness.close()
            if usable is None:
                return False
            self._desk.handoff.put(run.id, [entity for entity in page.entities if entity.external_id in usable])
        self._desk.wake()
        return True

    async def _wait_for_room(self) -> None:
        line = self._line
        while True:
            waiting = await line.storage.read(outbox.backlog, line.connection.id, self._kind)
            if waiting <= line.options.backfill_depth:
                return
            await self._desk.settled.wait()

    async def _drain(self, run: Run) -> None:
        """Wait until the last item is settled; one that was tried, and still retries, only for `stragglers` seconds.

        The seconds are stored with the run, and are those of a clock that does not jump. Blocked ones do not count.
        """
        line = self._line
        waited = noted = run.waited_seconds
        last, blocked = trio.current_time(), line.blocked_seconds(self._kind)
        named_at = last - NAME_EVERY + CHECK_EVERY
        while not await self._judge_and_close(run):
            now, blocked_now = trio.current_time(), line.blocked_seconds(self._kind)
            waited += max(0.0, now - last - (blocked_now - blocked))
            last, blocked = now, blocked_now
            if waited >= noted + NOTE_EVERY:
                noted = waited
                await line.storage.write(full_syncs.note_wait, (run.id, waited))
            if waited > line.options.stragglers and await self._give_up(run):
                continue
            if now >= named_at + NAME_EVERY:
                named_at = now
                await self._name_what_holds_up(run)
            await self._desk.settled.wait_until(now + CHECK_EVERY)
        if self._kind not in LOGGED_KINDS and run.mode != "daily":
            ended = await line.storage.read(full_syncs.newest, line.connection.id, self._kind)
            line.full_sync_ended(self._kind, succeeded=bool(ended and ended.succeeded))
        self._desk.report.set()

    async def _judge_and_close(self, run: Run) -> bool:
        """Decide on the removals of a run once everything was tried, and close it once nothing waits."""
        line = self._line
        line.removals_held(self._kind, await line.storage.write(removals.judge, (run.id, line.now())))
        self._desk.wake()
        return await line.storage.write(full_syncs.close_if_drained, (run.id, line.now()))

    async def _give_up(self, run: Run) -> int:
        """Let what still retries leave the run, and name it; return how many entities left."""
        await self._name_what_holds_up(run)
        left = await self._line.storage.write(full_syncs.give_up, run.id)
        if left:
            log.warning("full sync ends without the last of it", site=str(self._line.connection.site), left=left)
        return left

    async def _name_what_holds_up(self, run: Run) -> None:
        """Log which entities the run waits for because they are tried again."""
        retrying, count = await self._line.storage.read(outbox.retrying, run.id, MOST_NAMED)
        if not retrying:
            return
        log.warning(
            "full sync waits for entities that fail",
            site=str(self._line.connection.site),
            kind=self._kind.value,
            run=run.id,
            entities=[f"{one.external_id}: {self._desk.reasons.get(one.external_id, '')}" for one in retrying],
            more=count - len(retrying),
        )

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call of an enumeration until it succeeds: it has nobody else to retry it."""
        attempts = 0
        while True:
            await self._line.passed(self._kind)
            try:
                return await call()
            except (Retry, Rejected, Forbidden) as error:
                log.info("full sync waits", site=str(self._line.connection.site), reason=error.reason)
                after = error.after if isinstance(error, Retry) else SECOND_LOOK
                await trio.sleep(self._line.backoff(attempts, after))
                attempts += 1
            except Blocked as error:
                self._line.block(self._kind, error)
