"""Carries out what merchants do at a platform's app: install it, let us into their store, or remove it.

Credentials that a visit brings are stored before it is answered; the connections of that store then use them.
"""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

import structlog
from attrs import evolve, frozen

from daemon.config import Settings
from daemon.connections.lifecycle import Lifecycle
from daemon.connections.registry import KeyAnswers, KnownStore, has_secrets, with_secrets
from daemon.model import Site
from daemon.platforms.apps import App, AppRefused, Authorized, Installed, Loaded, Returned, Uninstalled, Visit
from daemon.platforms.base import PlatformType
from daemon.storage import connections, installs
from daemon.storage.connections import Leave, Uninstall
from daemon.storage.installs import Install, NewState

log = structlog.get_logger()


@frozen
class AppVisits:
    """Carries out visits to the apps of all platforms."""

    lifecycle: Lifecycle

    async def visited(self, platform: str, visit: Visit) -> None:
        """Carry out a merchant's visit to a platform's app. Raises AppRefused."""
        match visit:
            case Installed():
                await self._installed(platform, visit)
            case Authorized():
                await self._authorized(platform, visit)
            case Uninstalled():
                await self._uninstalled(platform, visit.store_id)
            case Returned():
                pass  # the page alone answers it
            case Loaded():
                if await self.lifecycle.registry.installed_store(platform, visit.store_id) is None:
                    raise AppRefused("Your store's install is not known here any more: remove the app, and install it.")

    async def install_address(self, platform: str, site: Site) -> str:
        """Return where the merchant lets us into the store that a pending connection names. Raises AppRefused."""
        state = secrets.token_urlsafe(32)
        awaited = await self.lifecycle.storage.read(installs.find_pending, site)
        if awaited is not None:  # anyone may ask, so only a site that waits causes a write
            call = NewState(site=site, platform=platform, state=state, now=self.lifecycle.now())
            awaited = await self.lifecycle.storage.write(installs.add_state, call)
        if awaited is None:
            words = "This site does not wait for a store, or this page was opened too often within an hour."
            raise AppRefused(f"{words} Connect your store in SparkLayer's dashboard.", 404)
        return self.lifecycle.install_url(platform, awaited.store_id, state)

    async def _authorized(self, platform: str, visit: Authorized) -> None:
        """Take the credentials of the store that a pending connection names, once for each state."""
        awaited = await self.lifecycle.storage.write(installs.take_state, (visit.state, self.lifecycle.now()))
        if awaited is None or awaited.platform != platform:
            words = "This request was answered already, or is older than an hour."
            raise AppRefused(f"{words} Connect your store again in SparkLayer's dashboard.", 401)
        try:
            installed = await visit.install(awaited.store_id)
        except AppRefused as refused:
            reason = getattr(refused.__cause__, "reason", None)
            log.warning("keys of a store refused", site=str(awaited.site), status=refused.status, reason=reason)
            raise
        if installed.store_id != awaited.store_id:
            raise AppRefused("The credentials are those of a different store. Connect that one in SparkLayer.")
        async with self.lifecycle.locks[awaited.site]:
            if await self.lifecycle.storage.read(installs.find_pending, awaited.site) != awaited:
                raise AppRefused("Your store was connected or disconnected meanwhile.", 409)
            key = self.lifecycle.registry.decrypted_key(awaited.encrypted)
            await self.lifecycle.connect_with(
                awaited.site,
                {platform: awaited.store_id},
                key,
                KnownStore(platform, installed.store),
                KeyAnswers(store_known=True),
            )

    async def _installed(self, platform: str, visit: Installed) -> None:
        """Store a store's credentials, have its connections use them, and complete pending connections."""
        encrypted = self.lifecycle.registry.encrypted_alone(visit.store)
        install = Install(platform=platform, store_id=visit.store_id, encrypted=encrypted, now=self.lifecycle.now())
        await self.lifecycle.storage.write(installs.install, install)
        for site in await self.lifecycle.registry.sites(platform, visit.store_id):
            async with self.lifecycle.locks[site]:
                find = partial(self.lifecycle.registry.active_to, site, platform, visit.store_id)
                while site in self.lifecycle.endpoints and (present := await find()):
                    connection = self.lifecycle.registry.decrypted(present)
                    renewed = evolve(connection, store=with_secrets(connection.store, visit.store))
                    offered = evolve(self.lifecycle.registry.offered(present), store=None)
                    if await self.lifecycle.renew(present, renewed, offered=offered):
                        break
        await self.lifecycle.complete_pending()

    async def _uninstalled(self, platform: str, store_id: str) -> None:
        """Forget a store's credentials; connections that use them leave, others stay."""
        store = await self.lifecycle.registry.installed_store(platform, store_id)
        if store is None:
            return
        async with AsyncExitStack() as locks:
            leaves = []
            for site in sorted(await self.lifecycle.registry.sites(platform, store_id), key=str):
                await locks.enter_async_context(self.lifecycle.locks[site])
                present = await self.lifecycle.registry.active_to(site, platform, store_id)
                connection = None if present is None else self.lifecycle.registry.decrypted(present)
                if connection is not None and has_secrets(connection.store, store):
                    encrypted = self.lifecycle.registry.encrypted(site, connection.api_key, None)
                    leaves.append(Leave(site=site, now=self.lifecycle.now(), encrypted=encrypted))
            call = Uninstall(platform=platform, store_id=store_id, leaves=leaves)
            for leaving in await self.lifecycle.storage.write(connections.uninstall, call):
                self.lifecycle.endpoints.pop(leaving.site, None)
                self.lifecycle.wakeups.tell("connections")
                self.lifecycle.clean_up(leaving)


def build_apps(settings: Settings, platforms: Mapping[str, PlatformType]) -> dict[str, App]:
    """Build the apps that are configured; `load` has made sure that browsers can reach them."""
    public_url, apps = settings.listener.public_url, {}
    for name, platform in platforms.items():
        app = platform.app
        if app is not None and public_url and (app.settings is None or name in settings.apps):
            apps[name] = app.connect(settings.apps.get(name), public_url, None)
    return apps
