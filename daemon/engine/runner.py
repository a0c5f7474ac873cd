"""The tasks of one connection, each started again when it crashes.

All work in progress is in the database, so a restarted task goes on with it. A task that crashes more than five times
in a minute ends the process with an error: the process manager then decides.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
import trio

from daemon.engine.actor import Actor
from daemon.engine.census import Census
from daemon.engine.context import ConnectionContext
from daemon.engine.full_sync import FullSyncs
from daemon.engine.gaps import AT_ONCE, GapReader
from daemon.engine.pipeline import build_pipelines
from daemon.engine.registration import WebhookRegistration
from daemon.engine.sweep import Sweep
from daemon.engine.sync_log import SyncLogWriter
from daemon.errors import Side, StorageTrouble
from daemon.model import LOGGED_KINDS, Kind
from daemon.observability.logging import log_storage_trouble

MOST_CRASHES = 5
CRASH_WINDOW = 60.0
CRASH_PAUSE = 1.0

SHORT_ABSENCE = 3600.0
"""Seconds without the daemon that a sweep makes up for, even if the platform sends nothing again. A read of everything
after each restart would cost the store more than it finds."""

log = structlog.get_logger()


class ConnectionRunner:
    """The tasks of one connection. `destination` is the URL for its webhooks; None: it gets none.

    `slots` limit the runs that close gaps, over all connections of the process.
    """

    def __init__(
        self, context: ConnectionContext, destination: str | None, slots: trio.Semaphore | None = None
    ) -> None:
        self.context = context
        self._destination = destination
        self._slots = slots or trio.Semaphore(AT_ONCE)
        self.pipelines = build_pipelines(context)
        self.full_syncs = {kind: FullSyncs(context, kind) for kind in context.kind_states}
        self._actors = {kind: Actor(context, pipeline) for kind, pipeline in self.pipelines.items()}
        self._helping = trio.CancelScope()
        self.resting: set[Kind] = set()
        """Kinds with a task that has crashed and waits to be started again."""

    async def run(self) -> None:
        """Work until `finish` and the batches in flight are done. Raises when a task crashes too often."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._help)
            for kind, actor in self._actors.items():
                nursery.start_soon(self._kept, kind, actor.run)

    def finish(self) -> None:
        """Claim nothing more, and let the batches in flight end. All other tasks stop at once."""
        self._helping.cancel()
        # A request that waits for its turn may wait for minutes, longer than a shutdown may take.
        self.context.platform.limiter.finish()
        self.context.sparklayer.limiter.finish()
        for actor in self._actors.values():
            actor.finish()

    async def _help(self) -> None:
        probes = {Side.PLATFORM: self.context.platform.probe, Side.SPARKLAYER: self.context.sparklayer.probe}
        with self._helping:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._kept, Kind.STORE, partial(self.context.pause.run_prober, probes))
                nursery.start_soon(self._kept, Kind.STORE, WebhookRegistration(self.context, self._destination).run)
                times = self.context.platform_type.webhooks
                # Without webhooks no absence loses any.
                longest_absence = max(times.retried_for, SHORT_ABSENCE) if self._destination else math.inf
                if self._destination:
                    nursery.start_soon(self._kept, Kind.STORE, self.context.deliveries.watch)
                    nursery.start_soon(self._kept, Kind.STORE, self.context.deliveries.expect)
                    make_up = partial(
                        self.context.deliveries.make_up, self.context.write_something, self.context.catch_up
                    )
                    nursery.start_soon(self._kept, Kind.STORE, make_up)
                    if not times.repeats:
                        self.context.sweep_now()  # deliveries while the daemon was away are lost
                for kind, runner in self.full_syncs.items():
                    nursery.start_soon(self._kept, kind, runner.run)
                    nursery.start_soon(self._kept, kind, Sweep(self.context, kind, runner, longest_absence).run)
                    if kind in self.context.platform_type.census_kinds:
                        nursery.start_soon(self._kept, kind, Census(self.context, kind, runner).run)
                    nursery.start_soon(self._kept, kind, GapReader(self.context, kind, runner, self._slots).run)
                    # A kind's pause has no probe: only its own operation shows whether a right was granted.
                    nursery.start_soon(self._kept, kind, partial(self.context.kind_states[kind].pause.run_prober, {}))
                # SparkLayer has no sync-log for orders, nor for the store's settings.
                for kind in LOGGED_KINDS & self.full_syncs.keys():
                    nursery.start_soon(self._kept, kind, SyncLogWriter(self.context, kind).run)

    async def _kept(self, kind: Kind, task: Callable[[], Awaitable[None]]) -> None:
        """Run `task`, and start it again whenever it crashes."""
        crashes: deque[float] = deque(maxlen=MOST_CRASHES)
        while True:
            try:
                return await task()
            except StorageTrouble as error:  # a full disk is no crash: it may last for hours, and heals
                log_storage_trouble(error)
            except Exception:  # the task's edge: logged, counted, started again, and too many of them end the process
                now = trio.current_time()
                if len(crashes) == MOST_CRASHES and now - crashes[0] < CRASH_WINDOW:
                    raise
                crashes.append(now)
                log.exception("task crashed, to be restarted", kind=kind.value)
                self.context.metrics.count("actor_restarts_total", str(self.context.connection.site), kind)
            self.resting.add(kind)
            # Slow enough not to fill the log, and quick enough for five crashes within the window.
            await trio.sleep(CRASH_PAUSE * (1 + len(crashes)))
            self.resting.discard(kind)
