"""Other settings while the daemon runs: what SIGHUP asks for.

What is taken over: the connections with all their settings, the tokens of the listener, and the apps. What a reload
cannot change without closing what is open (the port, the database, the keys, ...) is named in a warning and waits for
the next start. Settings that cannot be used change nothing and are one line in the log. Nothing that goes wrong here
ends the daemon.
"""

from collections.abc import Callable, Iterable

import attrs
import structlog
import trio
from attrs import field, frozen

from daemon.config import Settings
from daemon.connections.lifecycle import Lifecycle
from daemon.engine.signal import Signal
from daemon.errors import ConfigError, StorageTrouble
from daemon.listener.routes import Route, Routes
from daemon.platforms.base import App

log = structlog.get_logger()

TOKENS = ("ignite_token", "admin_token", "metrics_open")
"""What may be changed of the listener while it listens."""


@frozen(kw_only=True)
class Reload:
    """What asks for a reload (`wanted`), and how the settings are read then. `read` raises ConfigError."""

    read: Callable[[], Settings]
    wanted: Signal = field(factory=Signal)


@frozen(kw_only=True)
class Reloading:
    """Takes settings over. `routes_of` and `apps_of` build what is served, and the apps, for settings."""

    lifecycle: Lifecycle
    routes: Routes
    routes_of: Callable[[Settings], Iterable[Route]]
    apps_of: Callable[[Settings], dict[str, App]]
    retired: list[App] = field(init=False, factory=list)
    """Apps that others have replaced: a visit may be under way, so they are closed at the end."""

    async def run(self, reload: Reload) -> None:
        """Read the settings and take them over, whenever that is wanted, until cancelled."""
        while True:
            await reload.wanted.wait()
            try:
                # A file may lie on a disk that hangs.
                read = await trio.to_thread.run_sync(reload.read, abandon_on_cancel=True)
                await self._take_over(read)
            except (ConfigError, StorageTrouble) as error:
                log.error("the settings are not reloaded, the earlier ones go on", reason=str(error))  # noqa: TRY400
            except Exception:  # the reload's edge: a bug in it is logged and never ends the daemon
                log.exception("the settings are not reloaded: a reload broke")

    async def _take_over(self, read: Settings) -> None:
        running = self.lifecycle.registry.settings
        taken, left = merged(running, read)
        await self.lifecycle.reload(taken)
        if taken.apps != running.apps:
            self.retired.extend(self.lifecycle.apps.values())
            self.lifecycle.apps.clear()
            self.lifecycle.apps.update(self.apps_of(taken))
        self.routes.replace(self.routes_of(taken))
        if left:
            log.warning("settings that take a restart have changed", settings=left)
        log.info("settings reloaded", connections=len(taken.connections))


def merged(running: Settings, read: Settings) -> tuple[Settings, list[str]]:
    """Return the settings to go on with, and the names of those that differ from what was read.

    Merchants' browsers come back to the public URL while they install an app: with another one the apps wait too.
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
