"""The process: has every part built, opens the nursery tree, and shuts it down.

    serve
    ├── database writer                 outlives everything that commits
    └── listener, supervisor, teardown  the latter two have a nursery for each connection

SIGTERM and SIGINT: accept no more, finish the batches in flight, exit 0. What does not finish in time is cancelled,
which is as safe as a crash. A second signal, or a hanging shutdown, ends the process with 1. SIGHUP: see
`daemon.connections.reload`.
"""

import contextlib
import gc
import linecache
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio

from daemon import __version__
from daemon.admin.history import forget_old
from daemon.admin.notifications.telling import build_notifier
from daemon.cli import stopping
from daemon.composition import Daemon, build_routes, compose
from daemon.config import Settings
from daemon.connections.cluster import Cluster
from daemon.connections.offered_keys import OfferedKeys
from daemon.connections.reload import Reload, Reloading
from daemon.connections.tenure import Alone, Tenure
from daemon.connections.wakeups import NodeWakeups, NoWakeups, Wakeups
from daemon.errors import ConfigError, StorageTrouble, first_inside, raise_config_error
from daemon.listener.http.server import Server
from daemon.listener.routes import Routes
from daemon.model import Secret
from daemon.observability.collector import freeze
from daemon.observability.logging import configure, line_of
from daemon.observability.metrics import Metrics
from daemon.observability.service_manager import keep_informed
from daemon.observability.tracing import open_tracing
from daemon.storage.database import Database, open_database
from daemon.storage.notify import open_messenger
from daemon.storage.vault import renew_encryption

FINISH_SECONDS = 20.0
"""Time for the batches in flight after the first signal; a dyno is killed after 30."""

CLOSE_SECONDS = 25.0

SWITCH_SECONDS = 0.001
"""Longest time that a thread keeps the interpreter's lock while others wait. A commit passes through three threads, and
with Python's 5 ms each of them may wait that long for a busy trio, and every webhook with it (benchmarks.webhooks).
"""

log = structlog.get_logger()


def run(settings: Settings, read: Callable[[], Settings]) -> int:
    """Run the daemon until a signal stops it; return the exit code. Raises ConfigError.

    `read` reads the settings again at a SIGHUP.
    """
    configure(settings.logging.level)
    if settings.foreign:
        log.warning("cluster variables ignored", variables=list(settings.foreign))
    linecache.clearcache()  # attrs has put there the source of every method that it wrote: 1 MB
    gc.freeze()  # loaded modules stay, so the collector need not scan them again and again
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        trio.run(_run, settings, Reload(read=read))
    except BaseExceptionGroup as group:  # nurseries wrap whatever ends them; this is the process's last word
        raise_config_error(group)
        trouble, others = group.split(StorageTrouble)
        if trouble is not None and others is None:
            why = first_inside(trouble)
            if getattr(why, "reason", None) == "storage_closed":  # by a stop, while the start waited for a commit
                return 0
            log.critical("database cannot be used", database=settings.database.shown, reason=str(why))
            return 1
        log.critical("daemon crashed", exc_info=group)
        return 1
    return 0


async def _run(settings: Settings, reload: Reload) -> None:
    stop = trio.Event()
    with (
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals,
        stopping.announced(signal.SIGINT, signal.SIGTERM, line=partial(line_of, "stopping")),
    ):
        # A SIGHUP since the start of the process is pending (see the command `run`).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        async with trio.open_nursery() as watching:
            watching.start_soon(_watch_signals, signals, stop, reload)
            async with trio.open_nursery() as serving:
                with trio.CancelScope() as start:
                    watching.start_soon(_cancel_at, stop, start)
                    await serving.start(partial(serve, settings, stop, reload=reload))
            watching.cancel_scope.cancel()


async def _cancel_at(stop: trio.Event, start: trio.CancelScope) -> None:
    """Cancel a start that waits, for example for the database: a daemon that is not ready has nothing to finish."""
    await stop.wait()
    start.cancel()


async def _watch_signals(signals: Any, stop: trio.Event, reload: Reload) -> None:
    async for number in signals:
        if number == signal.SIGHUP:
            reload.wanted.set()
            continue
        if stop.is_set():
            os._exit(1)
        stop.set()
        guard = threading.Timer(CLOSE_SECONDS, os._exit, (1,))
        guard.daemon = True
        guard.start()


async def serve(
    settings: Settings,
    stop: trio.Event,
    *,
    reload: Reload | None = None,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the daemon until `stop` is set; report the address that it listens on. `reload` brings other settings.

    Raises ConfigError, perhaps in a group, when the port or the database cannot be used.
    """
    metrics = Metrics()
    metrics.build(__version__, "postgresql" if isinstance(settings.database.place, Secret) else "sqlite")
    async with (
        open_tracing() as tracing,
        open_database(settings.database.place, metrics.storage_commit) as database,
        _open_node(settings, database, metrics) as (tenure, wakeups),
    ):
        daemon = await compose(settings, database, metrics, tenure=tenure, wakeups=wakeups, tracing=tracing)
        registry = daemon.lifecycle.registry
        if len(settings.security.secret_keys) > 1:
            await renew_encryption(database, registry.vault)
        await daemon.lifecycle.open_all()
        routes = Routes.of(build_routes(daemon, settings), metrics, logged=settings.logging.level == "debug")
        server = Server(routes.answer, routes.refuse, largest=routes.largest, overrun=daemon.intake.overrun)
        reloading = Reloading(lifecycle=daemon.lifecycle, routes=routes, routes_of=partial(build_routes, daemon))
        notifier = build_notifier(
            settings,
            storage=database,
            vault=registry.vault,
            contexts=lambda: daemon.supervisor.contexts,
            metrics=metrics,
            now=daemon.lifecycle.now,
        )
        async with trio.open_nursery() as nursery:
            address = await _bound(nursery, server, settings)
            nursery.start_soon(daemon.supervisor.run)
            nursery.start_soon(daemon.tenure.run, daemon.lifecycle)
            nursery.start_soon(daemon.teardown.run)
            async with trio.open_nursery() as background:
                for task in (notifier.run, *_background(daemon, wakeups)):
                    background.start_soon(task)
                if reload is not None:
                    background.start_soon(reloading.run, reload)
                log.info("ready", listening="{}:{}".format(*address), connections=len(daemon.lifecycle.endpoints))
                task_status.started(address)
                await stop.wait()
                background.cancel_scope.cancel()
                # The others finish by themselves.
                server.stop()
                daemon.tenure.finish()
                daemon.supervisor.finish()
                daemon.guests.finish()
                daemon.teardown.finish()
                nursery.cancel_scope.deadline = trio.current_time() + FINISH_SECONDS
        await daemon.supervisor.aclose()
        await notifier.aclose()
        for app in (*daemon.lifecycle.apps.values(), *reloading.retired):
            await app.aclose()


def _background(daemon: Daemon, wakeups: Wakeups) -> list[Callable[[], Awaitable[None]]]:
    """Return the tasks that run until the daemon stops."""
    lifecycle = daemon.lifecycle
    tasks: list[Callable[[], Awaitable[None]]] = [
        freeze,
        OfferedKeys(lifecycle).run,
        daemon.intake.notes.run,
        daemon.admin.verifications.run,
        partial(forget_old, lifecycle.storage, lifecycle.now),
        partial(keep_informed, os.environ, daemon.admin.why_not_ready),
    ]
    if isinstance(wakeups, NodeWakeups):
        wakeups.listen_to(daemon.events.receive, daemon.events.look)
        tasks += [wakeups.run, daemon.events.run, daemon.admin.tell_others]
    return tasks


@contextlib.asynccontextmanager
async def _open_node(settings: Settings, database: Database, metrics: Metrics) -> AsyncIterator[tuple[Tenure, Wakeups]]:
    """Lend the tenure, by leases if other nodes may use the database too, and the wake-ups between the nodes."""
    place = settings.database.place
    if not isinstance(place, Secret):
        yield Alone(database), NoWakeups()
        return
    name = os.environ.get("DYNO") or socket.gethostname()
    async with open_messenger(place, settings.database.listen_place) as messenger:
        cluster = Cluster(storage=database, name=name, config=settings.shared_fingerprint, metrics=metrics)
        yield cluster, NodeWakeups(messages=messenger)


async def _bound(nursery: trio.Nursery, server: Server, settings: Settings) -> tuple[str, int]:
    host, port = settings.listener.host, settings.listener.port
    try:
        addresses: list[tuple[str, int]] = await nursery.start(server.serve, host, port)
    except OSError as error:
        remedy = "choose another port, or stop the program that uses it"
        raise ConfigError(f"listener.port: {host}:{port} cannot be used ({error.strerror}); {remedy}") from error
    return addresses[0]
