"""Applies changed settings while the daemon runs, at a SIGHUP.

A reload applies the connections with all their settings, the tokens of the listener, and the apps. Other settings (the
port, the database, the keys, ...) need a restart, and a warning names those that have changed. Unusable settings change
nothing and are one line in the log. No failure here ends the daemon.
"""

from collections.abc import Callable, Iterable

import attrs
import structlog
import trio
from attrs import field, frozen

from daemon.config import Settings
from daemon.connections.app_visits import build_apps
from daemon.connections.lifecycle import Lifecycle
from daemon.engine.signal import Signal
from daemon.errors import ConfigError, StorageTrouble
from daemon.listener.routes import Route, Routes
from daemon.platforms.apps import App

log = structlog.get_logger()

TOKENS = ("ignite_token", "admin_token", "tokens", "metrics_open")
"""The settings of the listener that can change while it listens."""


@frozen(kw_only=True)
class Reload:
    """The signal that asks for a reload, and the function that then reads the settings. It raises ConfigError."""

    read: Callable[[], Settings]
    wanted: Signal = field(factory=Signal)


@frozen(kw_only=True)
class Reloading:
    """Applies settings. `routes_of` builds the routes for them."""

    lifecycle: Lifecycle
    routes: Routes
    routes_of: Callable[[Settings], Iterable[Route]]
    retired: list[App] = field(init=False, factory=list)
    """Replaced apps. A visit may still use them, so they are closed when the daemon ends."""

    async def run(self, reload: Reload) -> None:
        """Read and apply the settings at each signal, until cancelled."""
        while True:
            await reload.wanted.wait()
            try:
                # A file may lie on a disk that hangs.
                read = await trio.to_thread.run_sync(reload.read, abandon_on_cancel=True)
                await self._apply(read)
            except (ConfigError, StorageTrouble) as error:
                log.error("settings not reloaded, the earlier ones stay", reason=str(error))  # noqa: TRY400
            except Exception:  # the reload's edge: a bug in it is logged and never ends the daemon
                log.exception("settings not reloaded: the reload crashed")

    async def _apply(self, read: Settings) -> None:
        running = self.lifecycle.registry.settings
        taken, left = merged(running, read)
        await self.lifecycle.reload(taken)
        if taken.apps != running.apps:
            self.retired.extend(self.lifecycle.apps.values())
            self.lifecycle.apps.clear()
            self.lifecycle.apps.update(build_apps(taken, self.lifecycle.registry.platforms))
        self.routes.replace(self.routes_of(taken))
        if left:
            log.warning("changed settings need a restart", settings=left)
        log.info("settings reloaded", connections=len(taken.connections))


def merged(running: Settings, read: Settings) -> tuple[Settings, list[str]]:
    """Return the settings to apply, and the names of those in `read` that need a restart.

    Merchants' browsers return to the public URL while they install an app. So if it has changed, the apps wait as well.
    """
    tokens = {name: getattr(read.listener, name) for name in TOKENS}
    same_place = running.listener.public_url == read.listener.public_url
    taken = attrs.evolve(
        running,
        listener=attrs.evolve(running.listener, **tokens),
        connections=read.connections,
        apps=read.apps if same_place else running.apps,
    )
    left = [
        f"{section.name}.{setting.name}"
        for section in attrs.fields(Settings)
        if attrs.has(type(getattr(taken, section.name)))
        for setting in attrs.fields(type(getattr(taken, section.name)))
        if getattr(getattr(taken, section.name), setting.name) != getattr(getattr(read, section.name), setting.name)
    ]
    apps = [] if taken.apps == read.apps else [f"{name}_app" for name in sorted({*taken.apps, *read.apps})]
    return taken, left + apps
