"""Connect, disconnect, and the visits of merchants to a platform's app.

Each is committed before it is carried out, so a daemon that dies in between goes on at its next start. Sites do not
wait for each other. Credentials of a store come from the settings, an earlier connection, or an install of the app.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import structlog
import trio
from attrs import evolve, field, frozen

from daemon.config import Settings
from daemon.connections.factory import ConnectionFactory
from daemon.connections.registry import Registry, has_secrets, with_secrets
from daemon.connections.teardown import Teardown
from daemon.engine.signal import Signal
from daemon.engine.supervisor import Supervisor
from daemon.errors import Invalid, StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import ApiKey, Connection, Secret, Site
from daemon.platforms.base import App, AppRefused, Installed, Loaded, Uninstalled, Visit
from daemon.storage import connections, installs
from daemon.storage.connections import Begin, Leave, Renew, Stored, Uninstall
from daemon.storage.database import Storage
from daemon.storage.installs import Install, PendingConnection

log = structlog.get_logger()


@frozen
class _Known:
    """A store whose credentials are known; `store` is its platform's settings value."""

    platform: str
    store: Any = field(repr=False)


OFFER_PAUSE = 30.0
"""Seconds between two questions whether SparkLayer knows a key by now."""

REFUSED_FOR = 60.0
"""Seconds from the first refusal of an offered key to the one that drops it: that it was brought was answered 204."""


async def _accept(_site: Site, _key: ApiKey) -> bool | None:
    return True


@frozen(kw_only=True)
class Lifecycle:
    """Connects and disconnects sites. `endpoints` takes the webhooks of those that are connected.

    `knows` says whether SparkLayer knows a key (None: it gives no answer), before anything of a connect is stored.
    """

    storage: Storage
    registry: Registry
    factory: ConnectionFactory
    supervisor: Supervisor
    teardown: Teardown
    apps: dict[str, App]
    knows: Callable[[Site, ApiKey], Awaitable[bool | None]] = _accept
    now: Callable[[], float] = time.time
    endpoints: dict[Site, Endpoint] = field(init=False, factory=dict)
    _offered: set[Site] = field(init=False, factory=set)
    """Sites whose connection may have a key beside the one that it works with."""
    _refused: dict[Site, tuple[ApiKey, float]] = field(init=False, factory=dict)
    """Keys that were offered and are refused, with the time (of trio's clock) of the first refusal in a row."""
    _offers: Signal = field(init=False, factory=Signal)
    _locks: defaultdict[Site, trio.Lock] = field(init=False, factory=lambda: defaultdict(trio.Lock))

    async def open_all(self) -> None:
        """Take on what is connected, and go on with what was on its way when the daemon stopped.

        Raises ConfigError when the configuration contradicts the database, or no key opens what is encrypted.
        """
        for connection in await self.registry.adopt_all(self.storage, self.now()):
            self._start(connection)
        for stored in await self.storage.read(connections.everyone):
            if stored.state == "leaving":
                self._clean_up(stored)
            elif stored.state == "active" and self.registry.offered(stored) is not None:
                self._offer(stored.site)
        await self._complete_pending()

    async def reload(self, settings: Settings) -> None:
        """Go on with the connections of other settings: added ones come, removed ones pause, changed ones begin again.

        Raises ConfigError when they contradict the database, and StorageTrouble; the earlier settings go on then.
        """
        named = {link.site for one in (self.registry.settings, settings) for link in one.connections}
        async with AsyncExitStack() as locks:
            for site in sorted(named, key=str):  # as an uninstall does, so that neither waits for the other
                await locks.enter_async_context(self._locks[site])
            registry = evolve(self.registry, settings=settings)
            wanted = {one.site: one for one in await registry.adopt_all(self.storage, self.now())}
            before = {site: self.factory.options(site) for site in named}
            self.registry.settings = self.factory.settings = settings
            for context in [context for context in self.supervisor.contexts if context.connection.site in named]:
                connection = wanted.pop(context.connection.site, None)
                if connection is None:
                    await self._pause(context.connection)
                elif (connection, before[connection.site]) != (
                    context.connection,
                    self.factory.options(connection.site),
                ):
                    log.info("goes on with other settings", site=str(connection.site))
                    await self.supervisor.replace(self.factory.runner(connection))
                    self.endpoints[connection.site] = self.factory.endpoint(connection)
            for connection in wanted.values():
                if connection.site in named:
                    log.info("a connection was added", site=str(connection.site))
                    self._start(connection)

    async def _pause(self, connection: Connection) -> None:
        """Stop working on a connection that nobody names any more; what is known of it stays."""
        log.info("a connection is not configured any more", site=str(connection.site))
        self.endpoints.pop(connection.site, None)
        await self.supervisor.stop(connection.id)
        self.factory.metrics.forget(connection.site)

    async def connect(self, site: Site, store_id: str, key: ApiKey) -> str | None:
        """Connect a site to a store: None when that is so now, else where the merchant installs the app.

        Doing it again changes nothing. Raises Invalid when the store's credentials cannot be learnt, or when SparkLayer
        refuses its own (that the answer is 400 is inferred). A key that SparkLayer gives no answer about is kept beside
        the one that works, and takes its place once SparkLayer knows it.
        """
        known = await self._works_with(site, key) or await self.knows(site, key)
        if known is False:
            names = "spark_api_client_id, spark_api_client_secret"
            raise Invalid(f"{names}: SparkLayer refuses them for this site; make a new API key there")
        async with self._locks[site]:
            return await self._connect(site, store_id, key, known=known is True)

    async def run(self) -> None:
        """Use keys that were offered as soon as SparkLayer knows them, until cancelled."""
        while True:
            for site in sorted(self._offered, key=str):
                try:
                    await self._try_offered(site)
                except StorageTrouble as error:
                    log.warning("the database cannot be used now", reason=error.reason)
            if self._offered:
                await trio.sleep(OFFER_PAUSE)
            else:
                await self._offers.wait()

    async def disconnect(self, site: Site) -> None:
        """Let a site's connection leave; its clean-up goes on behind. A site without one is left as it is."""
        async with self._locks[site]:
            leaving = await self.storage.write(connections.leave, Leave(site=site, now=self.now()))
            if leaving is not None:
                self._stop_and_clean_up(leaving)

    async def store_of(self, site: Site) -> str | None:
        """Return the store that the configuration or a connection of the site names, None when neither does."""
        present = await self.storage.read(connections.find, site)
        named = (
            None
            if present is None or present.state == "gone"
            else self.registry.identity(self.registry.opened(present))
        )
        link = self.registry.link(site)
        if named is not None or link is None:
            return named
        return self.factory.platforms[link.platform].identity(link.store)

    async def visited(self, platform: str, visit: Visit) -> None:
        """Do what a merchant's visit to a platform's app means. Raises AppRefused."""
        match visit:
            case Installed():
                await self._installed(platform, visit)
            case Uninstalled():
                await self._uninstalled(platform, visit.store_id)
            case Loaded():
                if await self._installed_store(platform, visit.store_id) is None:
                    raise AppRefused("Your store's install is not known here any more: remove the app, and install it.")

    async def _works_with(self, site: Site, key: ApiKey) -> bool:
        """Whether a site is connected with this key already: then a connect that comes again asks nobody."""
        present = await self.storage.read(connections.find, site)
        return present is not None and present.state == "active" and self.registry.opened(present).api_key == key

    async def _connect(self, site: Site, store_id: str, key: ApiKey, *, known: bool) -> str | None:
        """Connect a site. A key that SparkLayer is not `known` to know is only used where there is no other."""
        store = await self._known(site, store_id)
        if store is None:
            return await self._pending(site, store_id, key)
        present = await self._present(site, store.platform, store_id)
        if present is None:
            await self._begin(site, store, key)
            return None
        connection = self.registry.opened(present)
        if known or key == connection.api_key:
            await self._renew(present, key, connection.store, by_ignite=True, offered=None)
        else:
            await self._renew(present, connection.api_key, connection.store, by_ignite=True, offered=key)
            self._offer(site)
        await self.storage.write(installs.forget_pending, site)
        return None

    def _offer(self, site: Site) -> None:
        self._offered.add(site)
        self._offers.set()

    async def _try_offered(self, site: Site) -> None:
        """Ask whether SparkLayer knows the key that a site was offered; use it if so, drop one refused twice."""
        key = await self._offered_key(site)
        known = None if key is None else await self.knows(site, key)
        if key is not None and not self._is_settled(site, key, known=known):
            return
        async with self._locks[site]:
            present = await self.storage.read(connections.find, site)
            if present is not None and await self._offered_key(site) == key is not None:
                log.info("offered credentials are used" if known else "offered credentials are refused", site=str(site))
                connection = self.registry.opened(present)
                chosen = key if known else connection.api_key
                await self._renew(present, chosen, connection.store, by_ignite=present.by_ignite, offered=None)
            if await self._offered_key(site) is None:
                self._offered.discard(site)

    def _is_settled(self, site: Site, key: ApiKey, *, known: bool | None) -> bool:
        """Return whether what SparkLayer says of an offered key is its last word: one refusal proves nothing."""
        before, since = self._refused.pop(site, (None, 0.0))
        if known is not False:
            return known is True
        now = trio.current_time()
        first = since if before == key else now
        if now - first >= REFUSED_FOR:
            return True
        self._refused[site] = (key, first)
        return False

    async def _offered_key(self, site: Site) -> ApiKey | None:
        present = await self.storage.read(connections.find, site)
        return None if present is None or present.state != "active" else self.registry.offered(present)

    async def _known(self, site: Site, store_id: str) -> _Known | None:
        """Return a store's credentials, the newest that there are."""
        rows = await self.storage.read(connections.of_site, site)
        earlier = next((one for one in rows if one.state != "gone" and self._is_to(one, one.platform, store_id)), None)
        link = self.registry.link(site)
        if link is not None and self.factory.platforms[link.platform].identity(link.store) == store_id:
            if earlier is None or earlier.platform != link.platform:
                return _Known(link.platform, link.store)
            platform, store, _ = self.registry.renewed(link, earlier)
            return _Known(platform, store)
        for platform, encrypted in await self.storage.read(installs.installed, store_id):
            store = self.registry.opened_store(platform, self.registry.vault.decrypt(encrypted))
            if earlier is not None and earlier.platform == platform:
                store = with_secrets(self.registry.opened(earlier).store, store)
            return _Known(platform, store)
        return None if earlier is None else _Known(earlier.platform, self.registry.opened(earlier).store)

    def _is_to(self, stored: Stored, platform: str, store_id: str) -> bool:
        """Whether a connection that is not gone is to this store, and may still speak with it."""
        return stored.platform == platform and self.registry.identity(self.registry.opened(stored)) == store_id

    async def _pending(self, site: Site, store_id: str, key: ApiKey) -> str:
        """Keep a pending connection, and return where the merchant can fulfil it."""
        app = next(iter(self.apps.values()), None)
        if app is None:
            remedy = "configure its credentials, or set up the platform's app"
            raise Invalid(f"store_id: this store is not known here; {remedy}")
        try:
            install_url = app.install_url(store_id)
        except AppRefused as refused:
            raise Invalid(f"store_id: {refused}") from None
        content = {"client_id": key.client_id, "client_secret": key.client_secret.reveal()}
        encrypted = self.registry.vault.encrypt(content)
        await self.storage.write(
            installs.pending, PendingConnection(site=site, store_id=store_id, encrypted=encrypted, now=self.now())
        )
        return install_url

    async def _begin(self, site: Site, known: _Known, key: ApiKey) -> None:
        """Make a new connection. One to another store leaves; the clean-up after one to the same store ends here."""
        now = self.now()
        before = [one for one in await self.storage.read(connections.of_site, site) if one.state != "gone"]
        leaving = [one for one in before if one.state == "leaving"]
        for one in leaving:
            await self.teardown.interrupt(one.id)
        identity = self.factory.platforms[known.platform].identity(known.store)
        replaced = [one.id for one in leaving if self._is_to(one, known.platform, identity)]
        encrypted = self.registry.encrypted(site, key, known.store)
        pending = Begin(site=site, platform=known.platform, encrypted=encrypted, now=now, instead_of=replaced)
        try:
            stored = await self.storage.write(connections.begin, pending)
        except StorageTrouble:
            for one in leaving:
                self._clean_up(one)
            raise
        log.info("connected", site=str(site), platform=known.platform)
        for one in before:
            if one.id not in replaced:
                await self.supervisor.stop(one.id)
                self._clean_up(one if one.state == "leaving" else evolve(one, leaving_since=now))
        self._start(self.registry.opened(stored), full_sync=True)

    async def _renew(
        self, present: Stored, key: ApiKey, store: Any, *, by_ignite: bool, offered: ApiKey | None
    ) -> None:
        """Go on with other credentials, if they are other ones, or begin to work on what nobody worked on."""
        connection = self.registry.opened(present)
        changed = (connection.api_key, connection.store) != (key, store)
        other = changed or offered != self.registry.offered(present)
        if other or by_ignite != present.by_ignite:
            encrypted = self.registry.encrypted(present.site, key, store, offered) if other else present.encrypted
            await self.storage.write(connections.renew, Renew(id=present.id, encrypted=encrypted, by_ignite=by_ignite))
        if changed or self.supervisor.find(present.id) is None:
            log.info("goes on with other credentials", site=str(present.site))
            renewed = evolve(connection, api_key=key, store=store)
            await self.supervisor.replace(self.factory.runner(renewed))
            self.endpoints[present.site] = self.factory.endpoint(renewed)

    def _start(self, connection: Connection, *, full_sync: bool = False) -> None:
        self.endpoints[connection.site] = self.factory.endpoint(connection)
        self.supervisor.start(self.factory.runner(connection, full_sync=full_sync))

    def _stop_and_clean_up(self, leaving: Stored) -> None:
        """Take no webhooks any more, and clean up."""
        self.endpoints.pop(leaving.site, None)
        self._clean_up(leaving)

    def _clean_up(self, leaving: Stored) -> None:
        assert leaving.leaving_since is not None  # it is noted with the state
        self.teardown.begin(self.registry.opened(leaving), leaving.leaving_since)

    async def _installed(self, platform: str, visit: Installed) -> None:
        """Keep a store's credentials, have its connections use them, and connect who waited for them."""
        encrypted = self.registry.sealed_store(visit.store)
        install = Install(platform=platform, store_id=visit.store_id, encrypted=encrypted, now=self.now())
        await self.storage.write(installs.install, install)
        for site in await self._connected(platform, visit.store_id):
            async with self._locks[site]:
                present = await self._present(site, platform, visit.store_id)
                if present is not None and self.supervisor.find(present.id) is not None:
                    connection = self.registry.opened(present)
                    store = with_secrets(connection.store, visit.store)
                    await self._renew(
                        present,
                        connection.api_key,
                        store,
                        by_ignite=present.by_ignite,
                        offered=self.registry.offered(present),
                    )
        await self._complete_pending()

    async def _uninstalled(self, platform: str, store_id: str) -> None:
        """Forget a store's credentials; connections that spoke with it by them leave, others stay."""
        store = await self._installed_store(platform, store_id)
        if store is None:
            return
        async with AsyncExitStack() as locks:
            leaves = []
            for site in sorted(await self._connected(platform, store_id), key=str):
                await locks.enter_async_context(self._locks[site])
                present = await self._present(site, platform, store_id)
                connection = None if present is None else self.registry.opened(present)
                if connection is not None and has_secrets(connection.store, store):
                    encrypted = self.registry.encrypted(site, connection.api_key, None)
                    leaves.append(Leave(site=site, now=self.now(), encrypted=encrypted))
            call = Uninstall(platform=platform, store_id=store_id, leaves=leaves)
            for leaving in await self.storage.write(connections.uninstall, call):
                self._stop_and_clean_up(leaving)

    async def _connected(self, platform: str, store_id: str) -> list[Site]:
        """Return the sites that are connected to a store."""
        everyone = await self.storage.read(connections.everyone)
        return [one.site for one in everyone if one.state == "active" and self._is_to(one, platform, store_id)]

    async def _present(self, site: Site, platform: str, store_id: str) -> Stored | None:
        """Return a site's connection if it is active and to this store."""
        present = await self.storage.read(connections.find, site)
        active = present is not None and present.state == "active" and self._is_to(present, platform, store_id)
        return present if active else None

    async def _installed_store(self, platform: str, store_id: str) -> Any:
        """Return the settings value that an install brought, None without one."""
        found = dict(await self.storage.read(installs.installed, store_id))
        encrypted = found.get(platform)
        return (
            None if encrypted is None else self.registry.opened_store(platform, self.registry.vault.decrypt(encrypted))
        )

    async def _complete_pending(self) -> None:
        """Connect every site that waits for a store which has the app by now, unless it has waited for too long."""
        await self.storage.write(installs.forget_expired, self.now())
        for pending in await self.storage.read(installs.completable):
            site, store_id, encrypted = pending
            async with self._locks[site]:
                if pending in await self.storage.read(installs.completable):
                    content: Any = self.registry.vault.decrypt(encrypted)
                    key = ApiKey(client_id=content["client_id"], client_secret=Secret(content["client_secret"]))
                    await self._connect(site, store_id, key, known=False)
