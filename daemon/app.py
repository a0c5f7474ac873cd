"""The composition root: builds every part, opens the nursery tree, and shuts it down.

    serve
    ├── database writer            outlives everything that commits
    └── listener, supervisor, departures     the latter two have a nursery for each connection

SIGTERM and SIGINT: accept no more, finish what is in flight, exit 0. What does not finish in time is cut off; that
is safe, as everything is. A second signal, or a closing that hangs, ends the process with 1. SIGHUP: see `reloading`.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

import structlog
import trio
from attrs import frozen

from daemon.admin.service import AdminService
from daemon.cli import stopping
from daemon.config import Settings
from daemon.connections.factory import ConnectionFactory
from daemon.connections.lifecycle import Lifecycle
from daemon.connections.registry import Registry
from daemon.connections.reload import Reload, Reloading
from daemon.connections.teardown import Teardown
from daemon.engine.supervisor import Supervisor
from daemon.errors import ConfigError, raise_config_error
from daemon.listener.admin import Admin
from daemon.listener.apps import Apps
from daemon.listener.http.server import Server
from daemon.listener.ignite import Ignite
from daemon.listener.routes import Route, Routes
from daemon.listener.webhooks import Webhooks
from daemon.observability.logging import configure, line_of
from daemon.observability.metrics import Metrics
from daemon.platforms import load_platforms
from daemon.platforms.base import App, PlatformType
from daemon.storage.database import Database, open_database
from daemon.storage.rotation import renew_encryption
from daemon.storage.vault import Vault, load_fingerprint

FINISH_SECONDS = 20.0
"""For what is in flight after the first signal; a dyno is killed after 30."""

CLOSE_SECONDS = 25.0

SWITCH_SECONDS = 0.001
"""For how long a thread may keep the others from running. A commit passes through three threads, and with Python's
5 ms each of them may wait that long for a busy trio, and every webhook with it (benchmarks.webhooks).
"""

log = structlog.get_logger()


def run(settings: Settings, read: Callable[[], Settings]) -> int:
    """Run the daemon until it is told to stop; return the exit code. Raises ConfigError.

    `read` reads the settings once more, at a SIGHUP.
    """
    configure(settings.logging.level)
    if settings.foreign:
        log.warning("variables of a cluster were ignored", variables=list(settings.foreign))
    gc.freeze()  # what is loaded by now stays, so the collector need not look at it again and again
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        trio.run(_run, settings, Reload(read=read))
    except BaseExceptionGroup as group:  # nurseries wrap whatever ends them; this is the process's last word
        raise_config_error(group)
        log.critical("the daemon ends", exc_info=group)
        return 1
    return 0


async def _run(settings: Settings, reload: Reload) -> None:
    stop = trio.Event()
    with (
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals,
        stopping.announced(signal.SIGINT, signal.SIGTERM, line=partial(line_of, "stopping")),
    ):
        # One that came since the process began has waited (see the command `run`).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch_signals, signals, stop, reload)
            await serve(settings, stop, reload=reload)
            nursery.cancel_scope.cancel()


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
    """Run the daemon until `stop` is set; report the address it listens on. `reload` brings it other settings.

    Raises ConfigError, perhaps in a group, when the port or the database cannot be had.
    """
    metrics = Metrics()
    async with open_database(settings.database.path, metrics.storage_commit) as database:
        daemon = await _build(settings, database, metrics)
        async with trio.open_nursery() as nursery:
            address = await _bound(nursery, daemon.server, settings)
            nursery.start_soon(daemon.supervisor.run)
            nursery.start_soon(daemon.teardown.run)
            nursery.start_soon(_until, stop, daemon.lifecycle.run)
            if reload is not None:
                nursery.start_soon(_until, stop, partial(daemon.reloading.run, reload))
            log.info("ready", listening="{}:{}".format(*address), connections=len(daemon.supervisor.contexts))
            task_status.started(address)
            await stop.wait()
            daemon.server.stop()
            daemon.supervisor.finish()
            daemon.teardown.finish()
            nursery.cancel_scope.deadline = trio.current_time() + FINISH_SECONDS
        for context in daemon.supervisor.contexts:
            await context.platform.aclose()
            await context.sparklayer.aclose()
        for app in (*daemon.lifecycle.apps.values(), *daemon.reloading.retired):
            await app.aclose()


async def _until(stop: trio.Event, task: Callable[[], Awaitable[None]]) -> None:
    """Run a task until `stop` is set."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        await stop.wait()
        nursery.cancel_scope.cancel()


async def _bound(nursery: trio.Nursery, server: Server, settings: Settings) -> tuple[str, int]:
    host, port = settings.listener.host, settings.listener.port
    try:
        addresses: list[tuple[str, int]] = await nursery.start(server.serve, host, port)
    except OSError as error:
        remedy = "choose another port, or stop the program that uses it"
        raise ConfigError(f"listener.port: {host}:{port} cannot be used ({error.strerror}); {remedy}") from error
    return addresses[0]


@frozen(kw_only=True)
class _Daemon:
    """The parts that `serve` runs."""

    server: Server
    supervisor: Supervisor
    teardown: Teardown
    lifecycle: Lifecycle
    reloading: Reloading


async def _build(settings: Settings, database: Database, metrics: Metrics) -> _Daemon:
    platforms = load_platforms()
    vault = Vault(settings.security.secret_keys)
    fingerprint = await load_fingerprint(database, vault)
    if len(settings.security.secret_keys) > 1:
        await renew_encryption(database, vault)
    factory = ConnectionFactory(
        settings=settings,
        storage=database,
        vault=vault,
        fingerprint=fingerprint,
        metrics=metrics,
        platforms=platforms,
    )
    supervisor = Supervisor()
    teardown = Teardown(database, vault, factory, supervisor)
    lifecycle = Lifecycle(
        storage=database,
        registry=Registry(settings, vault, platforms),
        factory=factory,
        supervisor=supervisor,
        teardown=teardown,
        apps=_apps(settings, platforms),
        knows=factory.knows,
    )
    await lifecycle.open_all()
    admin = AdminService(
        settings=settings, storage=database, supervisor=supervisor, lifecycle=lifecycle, vault=vault, metrics=metrics
    )
    routes = Routes.of(_routes(settings, platforms, lifecycle, admin), metrics)
    reloading = Reloading(
        lifecycle=lifecycle,
        routes=routes,
        routes_of=lambda other: _routes(other, platforms, lifecycle, admin),
        apps_of=lambda other: _apps(other, platforms),
    )
    server = Server(routes.answer, routes.refuse)
    return _Daemon(server=server, supervisor=supervisor, teardown=teardown, lifecycle=lifecycle, reloading=reloading)


def _apps(settings: Settings, platforms: Mapping[str, PlatformType]) -> dict[str, App]:
    """Build the apps that are configured; `load` has seen to it that they can be reached."""
    found = {}
    for name, wanted in settings.apps.items():
        app = platforms[name].app
        assert app is not None  # only a platform with an app has a section for it
        found[name] = app.connect(wanted, settings.listener.public_url or "", None)
    return found


def _routes(
    settings: Settings, platforms: Mapping[str, PlatformType], lifecycle: Lifecycle, admin: AdminService
) -> Iterator[Route]:
    """Return all that is served."""
    yield from Webhooks(
        lifecycle.endpoints.get, admin.record, admin.metrics, admin.delivered, admin.not_delivered
    ).routes()
    yield from Ignite(
        token=settings.listener.ignite_token,
        connect=lifecycle.connect,
        disconnect=lifecycle.disconnect,
        trigger=admin.trigger,
        pull=admin.pull,
        fetch=admin.fetch,
    ).routes()
    for name, app in lifecycle.apps.items():
        platform = platforms[name]
        pages = platform.app.pages if platform.app else ()
        yield from Apps(name=name, label=platform.label, pages=pages, app=app, visited=lifecycle.visited).routes()
    yield from Admin(
        token=settings.listener.admin_token,
        metrics_open=settings.listener.metrics_open,
        metrics=admin.metrics,
        why_not_ready=admin.why_not_ready,
        refresh=admin.refresh,
        operations={
            ("GET", "/admin/status"): admin.status,
            ("POST", "/admin/sync"): admin.sync,
            ("POST", "/admin/sync/cancel"): admin.cancel_sync,
            ("GET", "/admin/issues"): admin.issues,
            ("GET", "/admin/parked"): admin.parked,
            ("POST", "/admin/parked"): admin.change_parked,
            ("GET", "/admin/removals"): admin.removals,
            ("POST", "/admin/removals"): admin.allow_removals,
            ("POST", "/admin/explain"): admin.explain,
            ("POST", "/admin/backup"): admin.backup,
            ("POST", "/admin/connect"): admin.connect,
            ("POST", "/admin/disconnect"): admin.disconnect,
        },
    ).routes()
