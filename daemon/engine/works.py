"""The tasks of one connection, and which of them is started again.

A task that crashes is started again after a pause, and counted: what it was doing is in the database. One that
crashes more than five times in a minute ends the process with an error, since whoever started the process knows
better what to do.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio

from daemon.engine.actor import Actor
from daemon.engine.customers.writer import CustomerWriter
from daemon.engine.full_sync import FullSyncs
from daemon.engine.line import Line
from daemon.engine.orders import OrderWriter
from daemon.engine.pipeline import Pipeline
from daemon.engine.products.writer import ProductWriter
from daemon.engine.store import StoreWriter
from daemon.engine.sweep import Sweep
from daemon.engine.sync_log import SyncLogWriter
from daemon.errors import MISSING_RIGHT, Blocked, Failure, Retry, Side, StorageTrouble
from daemon.model import LOGGED_KINDS, Kind

MOST_CRASHES = 5
CRASH_WINDOW = 60.0
CRASH_PAUSE = 1.0
WEBHOOK_PAUSE = 60.0
WEBHOOK_CHECK_EVERY = 3600.0

log = structlog.get_logger()


class Works:
    """The tasks of one connection. `destination` is where its webhooks shall arrive; None: nowhere."""

    def __init__(self, line: Line, destination: str | None) -> None:
        self.line = line
        self._destination = destination
        self.full_syncs = {kind: FullSyncs(line, kind) for kind in line.desks}
        writers = (StoreWriter(line), ProductWriter(line), CustomerWriter(line), OrderWriter(line))
        self.pipelines = {writer.kind: Pipeline(line, writer) for writer in writers if writer.kind in line.desks}
        self._actors = {kind: Actor(line, pipeline) for kind, pipeline in self.pipelines.items()}
        self._helping = trio.CancelScope()
        self.resting: set[Kind] = set()
        """The kinds of which a task has crashed and pauses before it is started again."""

    async def run(self) -> None:
        """Work until `finish` and the batches in flight are done. Raises when a task crashes too often."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._help)
            for kind, actor in self._actors.items():
                nursery.start_soon(self._kept, kind, actor.run)

    def finish(self) -> None:
        """Claim nothing more. What is not a batch in flight stops at once: it goes on after the next start.

        So does what only waits for an API that wants to be left alone.
        """
        self._helping.cancel()
        self.line.platform.limiter.finish()
        self.line.sparklayer.limiter.finish()
        for actor in self._actors.values():
            actor.finish()

    async def _help(self) -> None:
        probes = {Side.PLATFORM: self.line.platform.probe, Side.SPARKLAYER: self.line.sparklayer.probe}
        with self._helping:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._kept, Kind.STORE, partial(self.line.gate.run_prober, probes))
                nursery.start_soon(self._kept, Kind.STORE, self._care_for_webhooks)
                for kind, runner in self.full_syncs.items():
                    nursery.start_soon(self._kept, kind, runner.run)
                    nursery.start_soon(self._kept, kind, Sweep(self.line, kind, runner).run)
                    nursery.start_soon(self._kept, kind, partial(self.line.desks[kind].gate.run_prober, {}))
                for kind in LOGGED_KINDS & self.full_syncs.keys():
                    nursery.start_soon(self._kept, kind, SyncLogWriter(self.line, kind).run)

    async def _care_for_webhooks(self) -> None:
        """See to it, at every start and then hourly, that the platform tells us of changes; catch up after a gap."""
        if self._destination is None:
            return
        while True:
            await self.line.gate.passed()
            try:
                mended = await self.line.platform.ensure_webhooks(self._destination)
            except Failure as error:
                if isinstance(error, Blocked) and error.reason not in MISSING_RIGHT:
                    self.line.gate.close(error)
                    continue
                log.warning("webhooks are not registered yet", site=str(self.line.connection.site), reason=error.reason)
                await trio.sleep(WEBHOOK_PAUSE if isinstance(error, Retry) else WEBHOOK_CHECK_EVERY)
            else:
                log.info("webhooks are registered", site=str(self.line.connection.site), mended=mended)
                for desk in self.line.desks.values() if mended else ():
                    desk.sweep.set()
                await trio.sleep(WEBHOOK_CHECK_EVERY)

    async def _kept(self, kind: Kind, task: Callable[[], Awaitable[None]]) -> None:
        """Run `task`, again and again if it crashes."""
        crashes: deque[float] = deque(maxlen=MOST_CRASHES)
        while True:
            try:
                return await task()
            except StorageTrouble as error:
                log.warning("the database cannot be used now", reason=error.reason)
            except Exception:  # the task's edge: logged, counted, started again, and too many of them end the process
                now = trio.current_time()
                if len(crashes) == MOST_CRASHES and now - crashes[0] < CRASH_WINDOW:
                    raise
                crashes.append(now)
                log.exception("a task crashed and is started again", kind=kind.value)
                self.line.metrics.actor_restarted(self.line.connection.site, kind)
            self.resting.add(kind)
            await trio.sleep(CRASH_PAUSE * (1 + len(crashes)))
            self.resting.discard(kind)
