"""The composition root: builds every part, opens the nursery tree, and shuts it down.

    serve
    ├── database writer            outlives everything that commits
    └── listener, supervisor       the supervisor has a nursery for each connection

SIGTERM and SIGINT: accept no more, finish what is in flight, exit 0. What does not finish in time is cut off; that
is safe, as everything is. A second signal, or a closing that hangs, ends the process with 1.
"""

import gc
import os
import random
import signal
import sys
import threading
import time
from functools import partial
from typing import Any

import structlog
import trio
from attrs import frozen

from daemon.config import Settings
from daemon.engine.gate import Gate
from daemon.engine.line import Line, Options
from daemon.engine.supervisor import Supervisor
from daemon.engine.works import Works
from daemon.errors import ConfigError, raise_config_error
from daemon.http import ApiCall
from daemon.links import adopt_all, site_client
from daemon.listener.admin import Admin
from daemon.listener.routes import Routes
from daemon.listener.server import Server
from daemon.listener.webhooks import Endpoint, Webhooks
from daemon.model import Connection, Site
from daemon.observability.logging import configure
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.storage.database import Database, open_database
from daemon.storage.rotation import renew_seals
from daemon.storage.shelf import DiskShelf
from daemon.storage.vault import Vault, load_fingerprint
from daemon.verbs import Verbs

FINISH_SECONDS = 20.0
"""For what is in flight after the first signal; a dyno is killed after 30."""

CLOSE_SECONDS = 25.0

SWITCH_SECONDS = 0.001
"""For how long a thread may keep the others from running. A commit passes through three threads, and with Python's
5 ms each of them may wait that long for a busy trio, and every webhook with it (benchmarks.webhooks).
"""

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run the daemon until it is told to stop; return the exit code. Raises ConfigError."""
    configure(settings.logging.level)
    gc.freeze()  # what is loaded by now stays, so the collector need not look at it again and again
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        trio.run(_run, settings)
    except BaseExceptionGroup as group:
        raise_config_error(group)
        log.critical("the daemon ends", exc_info=group)
        return 1
    return 0


async def _run(settings: Settings) -> None:
    stop = trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_signals, signals, stop)
            await serve(settings, stop)
            nursery.cancel_scope.cancel()


async def _watch_signals(signals: Any, stop: trio.Event) -> None:
    async for _ in signals:
        if stop.is_set():
            os._exit(1)
        log.info("stopping")
        stop.set()
        guard = threading.Timer(CLOSE_SECONDS, os._exit, (1,))
        guard.daemon = True
        guard.start()


async def serve(
    settings: Settings,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the daemon until `stop` is set; report the address it listens on.

    Raises ConfigError, perhaps in a group, when the port or the database cannot be had.
    """
    metrics = Metrics()
    async with open_database(settings.database.path, metrics.storage_commit) as database:
        daemon = await _build(settings, database, metrics)
        async with trio.open_nursery() as nursery:
            address = await _bound(nursery, daemon.server, settings)
            nursery.start_soon(daemon.supervisor.run)
            log.info("ready", listening="{}:{}".format(*address), connections=len(daemon.supervisor.lines))
            task_status.started(address)
            await stop.wait()
            daemon.server.stop()
            daemon.supervisor.finish()
            nursery.cancel_scope.deadline = trio.current_time() + FINISH_SECONDS
        for line in daemon.supervisor.lines:
            await line.platform.aclose()
            await line.sparklayer.aclose()


async def _bound(nursery: trio.Nursery, server: Server, settings: Settings) -> tuple[str, int]:
    host, port = settings.listener.host, settings.listener.port
    try:
        addresses: list[tuple[str, int]] = await nursery.start(server.serve, host, port)
    except OSError as error:
        remedy = "choose another one, or stop the program that has it"
        raise ConfigError(f"listener.port: {host}:{port} cannot be used ({error.strerror}); {remedy}") from error
    return addresses[0]


@frozen(kw_only=True)
class _Daemon:
    """The parts that `serve` runs."""

    server: Server
    supervisor: Supervisor


async def _build(settings: Settings, database: Database, metrics: Metrics) -> _Daemon:
    platforms = load_platforms()
    vault = Vault(settings.security.secret_keys)
    fingerprint = await load_fingerprint(database, vault)
    if len(settings.security.secret_keys) > 1:
        await renew_seals(database, vault)
    works, endpoints = [], {}
    for connection in await adopt_all(settings, database, vault, platforms, time.time()):
        platform_type = platforms[connection.platform]
        observe = partial(_count_call, metrics, connection.site)
        line = Line(
            connection=connection,
            platform_type=platform_type,
            platform=platform_type.connect(connection.store, None, observe, DiskShelf(database, connection.id)),
            sparklayer=site_client(settings, connection.site, connection.api_key, connection.platform, observe),
            storage=database,
            vault=vault,
            fingerprint=fingerprint,
            metrics=metrics,
            options=_options(settings, connection),
            now=time.time,
            chance=random.Random(),  # noqa: S311  jitter is no secret
            gate=Gate(connection.site),
        )
        works.append(Works(line, _destination(settings, connection.site)))
        endpoints[connection.site] = Endpoint(
            connection_id=connection.id, reader=platform_type.reader(connection.store)
        )
    supervisor = Supervisor(works)
    verbs = Verbs(settings=settings, storage=database, supervisor=supervisor, metrics=metrics)
    admin = Admin(
        token=settings.listener.admin_token,
        metrics_open=settings.listener.metrics_open,
        metrics=metrics,
        why_not_ready=verbs.why_not_ready,
        refresh=verbs.refresh,
        verbs={("GET", "/admin/status"): verbs.status, ("POST", "/admin/sync"): verbs.sync},
    )
    routes = Routes.of([*Webhooks(endpoints.get, verbs.record, metrics).routes(), *admin.routes()], metrics)
    return _Daemon(server=Server(routes.answer, routes.refuse), supervisor=supervisor)


def _count_call(metrics: Metrics, site: Site, call: ApiCall) -> None:
    metrics.api_request(site, call.api, call.status, call.seconds)


def _options(settings: Settings, connection: Connection) -> Options:
    link = next(link for link in settings.connections if link.site == connection.site)
    return Options(
        debounce=settings.sync.debounce_seconds,
        patience=settings.sync.debounce_max_seconds,
        sweep_every=settings.sync.sweep_seconds,
        backfill_depth=settings.sync.backfill_depth,
        full_sync_on_start=link.full_sync_on_start,
        stock_location=link.stock_location,
    )


def _destination(settings: Settings, site: Site) -> str | None:
    """Where a site's webhooks shall arrive, if the daemon can be reached from outside."""
    public = settings.listener.public_url
    return f"{public}/webhooks/{site.env}/{site.id}" if public else None
