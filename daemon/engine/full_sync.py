"""The full syncs of one kind of one connection.

A run reads page after page in the backfill lane. A page's ids enter the outbox in one transaction with the cursor, so
after a crash the run continues at its cursor. It stops reading while the outbox is deep. Its end is stored when the
platform has no more pages and no row belongs to the run; the sync-log's writer then sends it to SparkLayer.
"""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from itertools import takewhile
from math import inf
from typing import TypeVar

import structlog
import trio

from daemon.engine.context import ConnectionContext
from daemon.engine.leftovers import Leftovers
from daemon.errors import Blocked, Forbidden, Rejected, Retry
from daemon.model import LOGGED_KINDS, Kind, RunId
from daemon.platforms.base import IdPage, Page
from daemon.storage import full_syncs, outbox, overview, removals
from daemon.storage.full_syncs import PageRead, Run, Start
from daemon.storage.states import RunMode, RunState

CHECK_EVERY = 60.0
"""Seconds between two looks at an undrained run while nothing settles."""

NOTE_EVERY = 10.0
"""Seconds between two writes of a run's waiting time. A crash makes the run wait longer by this at most."""

NAME_EVERY = 600.0
"""Seconds between two log lines that name the entities a run waits for; the first comes after `CHECK_EVERY`."""

SECOND_LOOK = 2.0
"""Seconds between two answers of which the second decides."""

CURSOR_REFUSALS = 2
"""Refusals of one cursor after which the enumeration starts again from the first page."""

REFUSALS = (Retry, Rejected, Forbidden)
"""Failures after which an enumeration asks again."""

T = TypeVar("T")

STALLED = 1800.0
"""Seconds of refusals after which a run that asks for one page holds up no other. They may last for ever."""

log = structlog.get_logger()


async def goes_first(context: ConnectionContext, kind: Kind) -> bool:
    """Return True while other runs wait for the full sync of a kind. Daily runs hold up nothing.

    It has pages to read, or rows never tried, and is not held up itself.
    """
    if held_up(context, kind):
        return False
    run = await context.storage.read(full_syncs.newest, context.connection.id, kind)
    if run is None:
        return context.options.full_sync_on_start  # it starts in a moment
    return run.mode is not RunMode.DAILY and await is_at_work(context, run)


def held_up(context: ConnectionContext, kind: Kind) -> bool:
    """Return whether a kind is blocked, or its run has been refused the same page for `STALLED` seconds."""
    since = context.kind_states[kind].refused_since
    return context.blocked(kind) is not None or (since is not None and trio.current_time() - since >= STALLED)


async def is_at_work(context: ConnectionContext, run: Run) -> bool:
    """Return True while a run reads pages, or its rows wait for their first attempt."""
    # Rows that retry may do so for two days, and most references are there already.
    return run.state is RunState.ENUMERATING or (
        run.current and await context.storage.read(outbox.backlog, context.connection.id, run.kind) > 0
    )


class FullSyncs:
    """Starts runs, and carries out the present one."""

    def __init__(self, context: ConnectionContext, kind: Kind) -> None:
        self._context = context
        self._kind = kind
        self._kind_state = context.kind_states[kind]
        self._leftovers = Leftovers(context, kind)
        self._working = trio.CancelScope()
        self._present: RunId | None = None
        """The run that is worked on."""
        self._page = self._refused_page = 0
        """Number of the page that was read last, and of the last refused one; the first page is 1."""
        self._seen = 0
        """Entities on the pages of the present run so far."""

    async def cancel(self) -> RunId | None:
        """End the present run as failed, and return it; None if there is none. Raises StorageTrouble."""
        context = self._context
        run = await context.storage.write(full_syncs.cancel, (context.connection.id, self._kind, context.now()))
        if run is not None:
            log.info("full sync cancelled", site=str(context.connection.site), kind=self._kind.value, run=run)
            self.look_again()
        return run

    def look_again(self) -> None:
        """Look whether the present run is still current: it was cancelled, perhaps by another node."""
        # It may be waiting for the platform, or for room in the outbox.
        self._working.cancel()
        self._kind_state.run_started()
        self._kind_state.wake()

    def ended(self, run: RunId) -> None:
        """Let go of a run that another node has ended."""
        if self._present == run:
            self.look_again()

    def follow(self, current: RunId | None) -> None:
        """Look again if the database has `current` as the kind's run, and another one is worked on here."""
        if self._present is not None and self._present != current:
            self.look_again()

    async def start(
        self, mode: RunMode, *, internal: bool = False, allow_removals: bool = False, after: Collection[Kind] = ()
    ) -> RunId | None:
        """Start a run; None if one is in progress. An `internal` start then has it run once more.

        None also while a full sync of a kind in `after` reads pages. Raises StorageTrouble.
        """
        call = Start(
            connection_id=self._context.connection.id,
            kind=self._kind,
            mode=mode,
            now=self._context.now(),
            internal=internal,
            allow_removals=allow_removals,
            after=after,
        )
        run = await self._context.storage.write(full_syncs.start, call)
        self._kind_state.run_started()
        return run

    async def run(self) -> None:
        """Carry out runs until cancelled."""
        context = self._context
        never = await context.storage.read(full_syncs.newest, context.connection.id, self._kind) is None
        if never and context.options.full_sync_on_start:
            await self.start(RunMode.NORMAL, internal=True)
        while True:
            run = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
            if run is not None and run.state is RunState.ENDED and run.again:
                await self.start(run.mode, internal=True)
            elif run is None or run.state is RunState.ENDING:  # the sync-log's writer ends it, and sets the signal
                await self._kind_state.runs.wait()
            elif run.state is RunState.ENDED:
                later = await self._leftovers.look(run)
                await self._kind_state.runs.wait_until(inf if later is None else trio.current_time() + later)
            else:
                self._present = run.id
                with trio.CancelScope() as self._working:
                    await (self._enumerate(run) if run.state is RunState.ENUMERATING else self._drain(run))
                self._present = None
                # The sync-log's writer counts a cancelled run of a kind that has a sync-log.
                if self._working.cancelled_caught and self._kind not in LOGGED_KINDS:
                    newest = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
                    if newest is not None and newest.id == run.id and not newest.current:
                        context.full_sync_ended(self._kind, succeeded=False)

    async def _enumerate(self, run: Run) -> None:
        context, taken_up = self._context, trio.current_time()
        # The runs of the kinds that this kind refers to go first; one that cannot go on holds up nothing.
        for kind in takewhile(lambda kind: kind is not self._kind, context.kind_states):
            while await goes_first(context, kind):
                await context.kind_states[kind].progress.wait_until(trio.current_time() + CHECK_EVERY)
        log.info(
            "full sync reading",
            site=str(context.connection.site),
            kind=self._kind.value,
            run=run.id,
            mode=run.mode.value,
        )
        self._page, self._kind_state.refused_since = 0, None  # of a run before
        begin = partial(self._kind_state.writer.begin_run, refresh=run.refresh, since=taken_up)
        await self.patiently(partial(self._ask, 0, begin))
        read, self._seen = partial(self._read_page, run), run.seen
        finished = await self.read_pages(read, run.cursor)
        if finished and not self._seen:
            # One empty list would hide every entity of the store until the next run, so a second one decides.
            await trio.sleep(SECOND_LOOK)
            finished = await self.read_pages(read)
        if not finished:
            self._kind_state.progress.set()  # it was replaced, and others may wait for its end
            return
        held = await context.storage.write(full_syncs.finish_enumeration, (run.id, context.now()))
        context.removals_held(self._kind, held)
        self._kind_state.wake()
        self._kind_state.progress.set()

    async def read_pages(
        self, read: Callable[[str | None], Awaitable[Page | IdPage | None]], cursor: str | None = None
    ) -> bool:
        """Call `read` with the cursor of one page after the other, while there is room in the outbox.

        Return False as soon as it returns None. A page that the platform refuses twice leads back to the first one, as
        a cursor may have expired: reading pages again costs calls and loses nothing.
        """
        context, refusals = self._context, 0

        async def attempt() -> Page | IdPage | None:
            nonlocal cursor, refusals
            try:
                return await read(cursor)
            except Rejected as error:
                refusals += 1
                if refusals >= CURSOR_REFUSALS and cursor is not None:
                    site, kind = str(context.connection.site), self._kind.value
                    log.warning("cursor refused; reading starts again", site=site, kind=kind, reason=error.reason)
                    cursor = None
                raise

        while True:
            await self.wait_for_room()
            page = await self.patiently(attempt)
            if page is None or page.cursor is None:
                return page is not None
            cursor, refusals = page.cursor, 0

    async def wait_for_room(self) -> None:
        """Wait until few rows of the outbox wait for their first attempt."""
        context = self._context
        depth = partial(context.storage.read, outbox.backlog, context.connection.id, self._kind)
        while await depth() > context.options.backfill_depth:
            await self._kind_state.progress.wait()

    async def _read_page(self, run: Run, cursor: str | None) -> Page | None:
        """Read one page and take it in; None if the run was replaced meanwhile."""
        async with self._kind_state.page_cache.one_page():
            number = 1 if cursor is None else self._page + 1
            page = await self._ask(number, partial(self._context.platform.page, self._kind, cursor))
            return page if await self._take(run, page) else None

    async def _ask(self, number: int, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the platform for page `number` of a run (0: before the first), and note since when it refuses."""
        kind_state = self._kind_state
        try:
            answer = await ask()
        except REFUSALS as error:
            kind_state.refusal = error.reason
            if kind_state.refused_since is None:
                kind_state.refused_since, self._refused_page = trio.current_time(), number
            raise
        self._page = number
        # A refused cursor leads back to the first page: the pages before the refused one are no progress.
        if number >= self._refused_page:
            kind_state.refused_since = None
        return answer

    async def _take(self, run: Run, page: Page) -> bool:
        """Put a page into the outbox, and its contents beside it; False if the run was replaced meanwhile."""
        ids = [entity.external_id for entity in page.entities]
        self._seen += len(ids)
        self._kind_state.writer.page_read(page)
        call = PageRead(run=run.id, ids=ids, cursor=page.cursor, now=self._context.now())
        write = partial(self._context.storage.write, full_syncs.take_page, call)
        taken = await self._kind_state.page_cache.fill(run.id, page.entities, write)
        self._kind_state.wake()
        return taken

    async def _drain(self, run: Run) -> None:
        """Wait until the last item is settled, and close the run; rows that retry are waited for `stragglers` seconds.

        Blocked seconds do not count.
        """
        context = self._context
        # Seconds of a clock that does not jump, stored with the run: an hour stays one hour across a restart.
        waited = noted = run.waited_seconds
        last, blocked = trio.current_time(), context.blocked_seconds(self._kind)
        named_at = last - NAME_EVERY + CHECK_EVERY
        while not await self._judge_and_close(run):
            now, blocked_now = trio.current_time(), context.blocked_seconds(self._kind)
            # Overlapping pauses count twice, so the difference may be negative.
            waited += max(0.0, now - last - (blocked_now - blocked))
            last, blocked = now, blocked_now
            if waited >= noted + NOTE_EVERY:
                noted = waited
                await context.storage.write(full_syncs.note_wait, (run.id, waited))
            if waited > context.options.stragglers:
                await self._name_retrying(run)  # afterwards they no longer belong to the run
                if left := await context.storage.write(full_syncs.give_up, run.id):
                    site = str(context.connection.site)
                    log.warning("full sync closes with unfinished entities", site=site, left=left)
                    continue  # perhaps nothing is left to wait for
            if now >= named_at + NAME_EVERY:
                named_at = now
                await self._name_retrying(run)
            await self._kind_state.progress.wait_until(now + CHECK_EVERY)
        # The sync-log's writer logs the end of other runs, once SparkLayer has accepted it.
        if self._kind not in LOGGED_KINDS and run.mode is not RunMode.DAILY:
            ended = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
            context.full_sync_ended(self._kind, succeeded=bool(ended and ended.succeeded))
        self._kind_state.report.set()
        self._kind_state.progress.set()

    async def _judge_and_close(self, run: Run) -> bool:
        """Decide on the removals of a run once everything was tried, and close it if nothing waits."""
        context = self._context
        context.removals_held(self._kind, await context.storage.write(removals.judge, (run.id, context.now())))
        self._kind_state.wake()  # allowed removals are rows now
        return await context.storage.write(full_syncs.close_if_drained, (run.id, context.now()))

    async def _name_retrying(self, run: Run) -> None:
        """Log which entities the run waits for because they retry."""
        retrying, count = await self._context.storage.read(overview.retrying, run.id)
        if not retrying:
            return
        log.warning(
            "full sync waits for entities that fail",
            site=str(self._context.connection.site),
            kind=self._kind.value,
            run=run.id,
            entities=[f"{row.external_id}: {self._kind_state.reasons.get(row.external_id, '')}" for row in retrying],
            more=count - len(retrying),
        )

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call of an enumeration until it succeeds: no row of the outbox retries it."""
        attempts = 0
        while True:
            await self._context.passed(self._kind)
            try:
                return await call()
            except REFUSALS as error:
                # Refusals too: a run that gave up would leave the kind unsynced, and a person can cancel it.
                log.info("full sync waiting", site=str(self._context.connection.site), reason=error.reason)
                after = error.after if isinstance(error, Retry) else SECOND_LOOK
                await trio.sleep(self._context.backoff(attempts, after))
                attempts += 1
            except Blocked as error:
                self._context.block(self._kind, error)
