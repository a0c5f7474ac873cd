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

from daemon.engine.context import ConnectionContext
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

T = TypeVar("T")

log = structlog.get_logger()


class FullSyncs:
    """Starts runs, and carries out the one that is on its way."""

    def __init__(self, context: ConnectionContext, kind: Kind) -> None:
        self._context = context
        self._kind = kind
        self._kind_state = context.kind_states[kind]
        self._leftovers = Leftovers(context, kind)
        self._working = trio.CancelScope()

    async def cancel(self) -> RunId | None:
        """End the run that is on its way as failed; None when there is none. Raises StorageTrouble."""
        context = self._context
        run = await context.storage.write(full_syncs.cancel, (context.connection.id, self._kind, context.now()))
        if run is not None:
            log.info("full sync cancelled", site=str(context.connection.site), kind=self._kind.value, run=run)
            if self._kind not in LOGGED_KINDS:
                context.full_sync_ended(self._kind, succeeded=False)
            self._working.cancel()
            self._kind_state.run_started()
            self._kind_state.wake()
        return run

    async def start(self, mode: str, *, internal: bool = False, allow_removals: bool = False) -> RunId | None:
        """Start a run; None when one is on its way already. Raises StorageTrouble."""
        wish = Start(
            connection_id=self._context.connection.id,
            kind=self._kind,
            mode=mode,
            now=self._context.now(),
            internal=internal,
            allow_removals=allow_removals,
        )
        run = await self._context.storage.write(full_syncs.start, wish)
        self._kind_state.run_started()
        return run

    async def run(self) -> None:
        """Carry out runs until cancelled."""
        context = self._context
        never = await context.storage.read(full_syncs.newest, context.connection.id, self._kind) is None
        if never and context.options.full_sync_on_start:
            await self.start("normal", internal=True)
        while True:
            run = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
            if run is not None and run.state == "ended" and run.again:
                await self.start(run.mode, internal=True)
            elif run is None or run.state == "ending":
                await self._kind_state.runs.wait()
            elif run.state == "ended":
                await self._look_for_leftovers(run)
            else:
                # A scope of its own: a cancelled run may be waiting for the platform, or for room in the outbox.
                with trio.CancelScope() as self._working:
                    await self._carry_out(run)

    async def _look_for_leftovers(self, run: Run) -> None:
        """Wait for another run, looking meanwhile for what a lost ledger has left in SparkLayer, if that is owed."""
        later = await self._leftovers.look(run)
        await self._kind_state.runs.wait_until(inf if later is None else trio.current_time() + later)

    async def _carry_out(self, run: Run) -> None:
        if run.state == "enumerating":
            taken_up = trio.current_time()
            await self._wait_for_turn()
            await self._enumerate(run, taken_up)
        else:
            await self._drain(run)

    async def _wait_for_turn(self) -> None:
        """Let the runs of the kinds that this one refers to go first; one that cannot be worked on holds up nothing."""
        for kind in takewhile(lambda kind: kind is not self._kind, self._context.kind_states):
            while self._context.blocked(kind) is None and await self._goes_first(kind):
                await self._context.kind_states[kind].progress.wait()

    async def _goes_first(self, kind: Kind) -> bool:
        """Whether a run of `kind` is to be waited for: but not for what it must try again."""
        context = self._context
        run = await context.storage.read(full_syncs.newest, context.connection.id, kind)
        if run is None:
            return context.options.full_sync_on_start
        if run.mode == "daily" or run.state not in {"enumerating", "draining"}:
            return False
        return run.state == "enumerating" or await context.storage.read(outbox.backlog, context.connection.id, kind) > 0

    async def _enumerate(self, run: Run, taken_up: float) -> None:
        context, cursor = self._context, run.cursor
        log.info("full sync", site=str(context.connection.site), kind=self._kind.value, run=run.id, mode=run.mode)
        if run.refresh and self._kind in {Kind.STORE, Kind.PRODUCTS}:
            context.forget_terms()
        if self._kind is Kind.PRODUCTS:
            await self.patiently(partial(context.refresh_facts, taken_up))
        while True:
            await self.wait_for_room()
            page, taken = await self.read_page(partial(self._read_page, run), cursor)
            if not taken:
                return
            if page.cursor is None:
                break
            cursor = page.cursor
        held = await context.storage.write(full_syncs.finish_enumeration, (run.id, context.now()))
        context.removals_held(self._kind, held)
        self._kind_state.wake()
        self._kind_state.progress.set()

    async def _read_page(self, run: Run, cursor: str | None) -> tuple[Page, bool]:
        """Read one page and take it in; False when the run was replaced meanwhile."""
        async with self._kind_state.page_cache.one_page():
            page = await self._context.platform.page(self._kind, cursor)
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
                    site, kind = str(self._context.connection.site), self._kind.value
                    log.warning("cursor refused; reading starts again", site=site, kind=kind, reason=error.reason)
                    cursor = None
                raise

        return await self.patiently(attempt)

    async def _take(self, run: Run, page: Page) -> bool:
        """Put a page into the outbox, and its contents beside it; false when the run was replaced meanwhile."""
        ids = [entity.external_id for entity in page.entities]
        if self._kind is Kind.STORE:
            self._context.take_facts(page.entities[0].content)
        call = PageRead(run=run.id, ids=ids, cursor=page.cursor, now=self._context.now())
        write = partial(self._context.storage.write, full_syncs.take_page, call)
        taken = await self._kind_state.page_cache.fill(run.id, page.entities, write)
        self._kind_state.wake()
        return taken

    async def wait_for_room(self) -> None:
        """Wait until the outbox is not deep, so that reading does not run ahead of writing."""
        context = self._context
        while (
            await context.storage.read(outbox.backlog, context.connection.id, self._kind)
            > context.options.backfill_depth
        ):
            await self._kind_state.progress.wait()

    async def _drain(self, run: Run) -> None:
        """Wait until the last item is settled; one that was tried, and still retries, only for `stragglers` seconds.

        The seconds are stored with the run, and are those of a clock that does not jump. Blocked ones do not count.
        """
        context = self._context
        waited = noted = run.waited_seconds
        last, blocked = trio.current_time(), context.blocked_seconds(self._kind)
        named_at = last - NAME_EVERY + CHECK_EVERY
        while not await self._judge_and_close(run):
            now, blocked_now = trio.current_time(), context.blocked_seconds(self._kind)
            waited += max(0.0, now - last - (blocked_now - blocked))
            last, blocked = now, blocked_now
            if waited >= noted + NOTE_EVERY:
                noted = waited
                await context.storage.write(full_syncs.note_wait, (run.id, waited))
            if waited > context.options.stragglers and await self._give_up(run):
                continue
            if now >= named_at + NAME_EVERY:
                named_at = now
                await self._name_what_holds_up(run)
            await self._kind_state.progress.wait_until(now + CHECK_EVERY)
        if self._kind not in LOGGED_KINDS and run.mode != "daily":
            ended = await context.storage.read(full_syncs.newest, context.connection.id, self._kind)
            context.full_sync_ended(self._kind, succeeded=bool(ended and ended.succeeded))
        self._kind_state.report.set()
        self._kind_state.progress.set()

    async def _judge_and_close(self, run: Run) -> bool:
        """Decide on the removals of a run once everything was tried, and close it once nothing waits."""
        context = self._context
        context.removals_held(self._kind, await context.storage.write(removals.judge, (run.id, context.now())))
        self._kind_state.wake()
        return await context.storage.write(full_syncs.close_if_drained, (run.id, context.now()))

    async def _give_up(self, run: Run) -> int:
        """Let what still retries leave the run, and name it; return how many entities left."""
        await self._name_what_holds_up(run)
        left = await self._context.storage.write(full_syncs.give_up, run.id)
        if left:
            log.warning("full sync ends without the last of it", site=str(self._context.connection.site), left=left)
        return left

    async def _name_what_holds_up(self, run: Run) -> None:
        """Log which entities the run waits for because they are tried again."""
        retrying, count = await self._context.storage.read(outbox.retrying, run.id, MOST_NAMED)
        if not retrying:
            return
        log.warning(
            "full sync waits for entities that fail",
            site=str(self._context.connection.site),
            kind=self._kind.value,
            run=run.id,
            entities=[f"{one.external_id}: {self._kind_state.reasons.get(one.external_id, '')}" for one in retrying],
            more=count - len(retrying),
        )

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call of an enumeration until it succeeds: it has nobody else to retry it."""
        attempts = 0
        while True:
            await self._context.passed(self._kind)
            try:
                return await call()
            except (Retry, Rejected, Forbidden) as error:
                log.info("full sync waits", site=str(self._context.connection.site), reason=error.reason)
                after = error.after if isinstance(error, Retry) else SECOND_LOOK
                await trio.sleep(self._context.backoff(attempts, after))
                attempts += 1
            except Blocked as error:
                self._context.block(self._kind, error)
