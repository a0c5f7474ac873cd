"""Connects and disconnects sites: as Ignite asks, as the settings say, and as merchants install or remove an app.

Each step is committed before it is carried out, so a daemon that dies in between continues at its next start. Sites do
not wait for each other. A connected site takes webhooks (`endpoints`); it is worked on here if `tenure` says so. The
credentials of a store come from the settings, an earlier connection, or an install of the app.

Other nodes do the same with the same database. They are told of each change, and `follow` does here what theirs need.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog
import trio
from attrs import evolve, field, frozen

from daemon.config import Settings
from daemon.connections.factory import ConnectionFactory
from daemon.connections.registry import KnownStore, Registry, has_secrets, with_secrets
from daemon.connections.teardown import Teardown
from daemon.connections.tenure import Tenure
from daemon.connections.wakeups import Wakeups
from daemon.engine.signal import Signal
from daemon.engine.supervisor import Supervisor
from daemon.errors import Invalid, StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import ApiKey, Connection, Secret, Site
from daemon.platforms.base import App, AppRefused, Authorized, Installed, Loaded, Uninstalled, Visit
from daemon.storage import connections, installs
from daemon.storage.connections import Begin, Leave, Renew, Stored, Uninstall
from daemon.storage.database import Storage
from daemon.storage.installs import Install, PendingConnection

LOOK_EVERY = 5.0
"""Seconds between two looks at the row of one site: anyone may send what no connection here accepts."""

MOST_LOOKED_AT = 1000

log = structlog.get_logger()


@frozen(kw_only=True)
class Lifecycle:
    """Connects and disconnects sites. `knows` asks SparkLayer whether it knows a key; None is no answer."""

    storage: Storage
    registry: Registry
    factory: ConnectionFactory
    tenure: Tenure
    wakeups: Wakeups
    supervisor: Supervisor
    teardown: Teardown
    apps: dict[str, App]
    knows: Callable[[Site, ApiKey], Awaitable[bool | None]]
    now: Callable[[], float] = time.time
    endpoints: dict[Site, Endpoint] = field(init=False, factory=dict)
    offers: Signal = field(init=False, factory=Signal)
    """Set when a key is stored beside the one in use."""
    _locks: defaultdict[Site, trio.Lock] = field(init=False, factory=lambda: defaultdict(trio.Lock))
    _followed: dict[Site, bytes] = field(init=False, factory=dict)
    """The encrypted credentials of active connections that `follow` has taken over."""
    _looked_at: dict[Site, float] = field(init=False, factory=dict)
    """Times of trio's clock at which `look_again` has read the rows of sites."""

    async def open_all(self) -> None:
        """Start what is connected, and continue what was interrupted when the daemon stopped.

        Raises ConfigError when the settings contradict the database, or no key decrypts the credentials.
        """
        for connection in await self.registry.adopt_all(self.now()):
            await self._start(connection)
        self.wakeups.tell("connections")
        for stored in await self.storage.read(connections.everyone):
            if stored.state == "leaving":
                self._clean_up(stored)
        await self._complete_pending()

    async def reload(self, settings: Settings) -> None:
        """Apply other settings: connections that they add start, removed ones pause, changed ones restart.

        Raises ConfigError when they contradict the database, and StorageTrouble; the earlier settings then stay.
        """
        named = {link.site for one in (self.registry.settings, settings) for link in one.connections}
        async with AsyncExitStack() as locks:
            for site in sorted(named, key=str):  # in the order of an uninstall, so that neither waits for the other
                await locks.enter_async_context(self._locks[site])
            registry = evolve(self.registry, settings=settings)
            wanted = {connection.site: connection for connection in await registry.adopt_all(self.now())}
            self.registry.settings = settings
            self.wakeups.tell("connections")
            for site in sorted(named, key=str):
                connection = wanted.get(site)
                if connection is None:
                    await self._pause(site, "connection no longer configured")
                elif site not in self.endpoints:
                    log.info("connection added", site=str(site))
                    await self._start(connection)
                elif not self._runs_as(connection):
                    log.info("connection settings changed", site=str(site))
                    await self._start(connection)

    def _runs_as(self, connection: Connection) -> bool:
        """Return whether a runner works with these credentials and with the present settings."""
        runner = self.supervisor.find(connection.id)
        options = self.factory.options(connection.site)
        return runner is not None and (runner.context.connection, runner.context.options) == (connection, options)

    async def _pause(self, site: Site, why: str) -> None:
        """Stop working on a connection that is not wanted here any more, and log `why`; its rows stay."""
        endpoint = self.endpoints.pop(site, None)
        if endpoint is not None:
            log.info(why, site=str(site))
            await self.supervisor.stop(endpoint.connection_id)
            self.factory.metrics.forget(site)

    async def connect(self, site: Site, store_id: str, key: ApiKey) -> str | None:
        """Connect a site to a store; return None when it is connected, else where the merchant installs the app.

        A repetition changes nothing. Raises Invalid when the store's credentials cannot be found, or when SparkLayer
        refuses its own (that the answer is 400 is inferred). A key about which SparkLayer gives no answer is stored
        beside the one in use (see `OfferedKeys`).
        """
        present = await self.registry.active(site)
        if present is not None and self.registry.decrypted(present).api_key == key:
            known: bool | None = True  # a repeated connect asks SparkLayer nothing
        else:
            known = await self.knows(site, key)
        if known is False:
            names = "spark_api_client_id, spark_api_client_secret"
            raise Invalid(f"{names}: SparkLayer refuses them for this site; make a new API key there")
        async with self._locks[site]:
            return await self._connect(site, store_id, key, known=known is True)

    async def disconnect(self, site: Site) -> None:
        """Let a site's connection leave; it is cleaned up in the background. A site without one stays as it is."""
        async with self._locks[site]:
            leaving = await self.storage.write(connections.leave, Leave(site=site, now=self.now()))
            if leaving is not None:
                self.endpoints.pop(site, None)
                self.wakeups.tell("connections")
                self._clean_up(leaving)

    async def follow(self) -> None:
        """Do here what connections need that other nodes have changed. Raises StorageTrouble and ConfigError."""
        everyone = await self.storage.read(connections.everyone)
        active = {stored.site: stored.encrypted for stored in everyone if stored.state == "active"}
        for site in {*active, *self.endpoints}:
            if active.get(site) is None or active[site] != self._followed.get(site):
                await self._follow(site)

    async def look_again(self, site: Site) -> Endpoint | None:
        """Return where a site's webhooks go by the database, which is read every `LOOK_EVERY` seconds at most.

        Raises StorageTrouble and ConfigError.
        """
        now = trio.current_time()
        if self.wakeups.way is not None and now - self._looked_at.get(site, -LOOK_EVERY) >= LOOK_EVERY:
            self._looked_at.pop(site, None)
            self._looked_at[site] = now
            if len(self._looked_at) > MOST_LOOKED_AT:
                del self._looked_at[next(iter(self._looked_at))]
            if site in self.endpoints or await self.registry.active(site) is not None:
                await self._follow(site)
        return self.endpoints.get(site)

    async def _follow(self, site: Site) -> None:
        async with self._locks[site]:
            present = await self.registry.active(site)
            if present is None or not self.registry.is_wanted(present):
                self._followed.pop(site, None)
                await self._pause(site, "connection disconnected by another node")
                return
            connection, before = self.registry.decrypted(present), self.endpoints.get(site)
            if before is not None and before.connection_id != connection.id:
                await self.supervisor.stop(before.connection_id)
            runner = self.supervisor.find(connection.id)
            if runner is None or runner.context.connection != connection:
                await self._start(connection)
            self._followed[site] = present.encrypted

    async def visited(self, platform: str, visit: Visit) -> None:
        """Carry out a merchant's visit to a platform's app. Raises AppRefused."""
        match visit:
            case Installed():
                await self._installed(platform, visit)
            case Authorized():
                await self._authorized(platform, visit)
            case Uninstalled():
                await self._uninstalled(platform, visit.store_id)
            case Loaded():
                if await self.registry.installed_store(platform, visit.store_id) is None:
                    raise AppRefused("Your store's install is not known here any more: remove the app, and install it.")

    async def settle_offer(self, site: Site, key: ApiKey, *, use: bool) -> None:
        """Use or drop a key that is stored beside the one in use, unless that has changed."""
        async with self._locks[site]:
            while (present := await self.registry.active(site)) and self.registry.offered(present) == key:
                connection = self.registry.decrypted(present)
                if await self._renew(present, evolve(connection, api_key=key) if use else connection, offered=None):
                    log.info("offered credentials accepted" if use else "offered credentials refused", site=str(site))
                    return

    async def _connect(self, site: Site, store_id: str, key: ApiKey, *, known: bool) -> str | None:
        """Connect a site. A key that SparkLayer is not `known` to know replaces no other one."""
        store_ids = self.registry.spelt(store_id)
        store = await self.registry.known_store(site, store_ids)
        if store is None:
            return await self._pending(site, store_ids, key)
        present = await self.registry.active_to(site, store.platform, store_ids[store.platform])
        if present is None:
            await self._begin(site, store, key)
            return None
        connection = self.registry.decrypted(present)
        known = known or key == connection.api_key
        renewed, offered = (evolve(connection, api_key=key), None) if known else (connection, key)
        if not await self._renew(present, renewed, offered=offered, by_ignite=True):
            return await self._connect(site, store_id, key, known=known)
        if offered is not None:
            self.offers.set()
        await self.storage.write(installs.forget_pending, site)
        return None

    async def _pending(self, site: Site, store_ids: Mapping[str, str], key: ApiKey) -> str:
        """Store a pending connection, and return where the merchant installs the app of the store's platform."""
        platform = next((name for name in store_ids if name in self.apps), None)
        if platform is None:
            labels = " or ".join(self.registry.platforms[name].label for name in store_ids)
            remedy = f"configure its credentials, or set up the app of {labels}"
            raise Invalid(f"store_id: this store is not known here; {remedy}")
        content = {"client_id": key.client_id, "client_secret": key.client_secret.reveal()}
        pending = PendingConnection(
            site=site,
            platform=platform,
            store_id=store_ids[platform],
            encrypted=self.registry.vault.encrypt(content),
            now=self.now(),
            state=secrets.token_urlsafe(32),
        )
        install_url = self.apps[platform].install_url(pending.store_id, pending.state)
        await self.storage.write(installs.pending, pending)
        return install_url

    async def _begin(self, site: Site, known: KnownStore, key: ApiKey) -> None:
        """Make a new connection. One to another store leaves; a clean-up after one to the same store ends here."""
        now = self.now()
        before = [stored for stored in await self.storage.read(connections.of_site, site) if stored.state != "gone"]
        leaving = [stored for stored in before if stored.state == "leaving"]
        for stored in leaving:
            await self.teardown.interrupt(stored.id)
        store_id = self.registry.platforms[known.platform].identity(known.store)
        replaced = [stored.id for stored in leaving if self.registry.is_to(stored, known.platform, store_id)]
        begin = Begin(
            site=site,
            platform=known.platform,
            encrypted=self.registry.encrypted(site, key, known.store),
            now=now,
            instead_of=replaced,
            kinds=self.factory.kinds(known.platform),
        )
        try:
            begun = await self.storage.write(connections.begin, begin)
        except StorageTrouble:
            for stored in leaving:
                self._clean_up(stored)
            raise
        log.info("connected", site=str(site), platform=known.platform)
        self.wakeups.tell("connections")
        for stored in before:
            if stored.id not in replaced:
                await self.supervisor.stop(stored.id)
                self._clean_up(stored if stored.state == "leaving" else evolve(stored, leaving_since=now))
        await self._start(self.registry.decrypted(begun))

    async def _renew(
        self, present: Stored, renewed: Connection, *, offered: ApiKey | None, by_ignite: bool = False
    ) -> bool:
        """Continue with other credentials if they differ, or start a connection that the settings had paused.

        False: another node has changed the connection since `present` was read, and nothing was done.
        """
        by_ignite = by_ignite or present.by_ignite
        changed = self.registry.decrypted(present) != renewed
        other = changed or offered != self.registry.offered(present)
        if other or by_ignite != present.by_ignite:
            encrypted = present.encrypted
            if other:
                encrypted = self.registry.encrypted(present.site, renewed.api_key, renewed.store, offered)
            renew = Renew(id=present.id, before=present.encrypted, encrypted=encrypted, by_ignite=by_ignite)
            if not await self.storage.write(connections.renew, renew):
                return False
            self.wakeups.tell("connections")
        if changed or present.site not in self.endpoints:
            log.info("credentials replaced", site=str(present.site))
            await self._start(renewed)
        return True

    async def _start(self, connection: Connection) -> None:
        """Take a connection's webhooks, and work on it if this process may; an earlier runner of it stops."""
        self.endpoints[connection.site] = self.factory.endpoint(connection)
        storage = self.tenure.storage(connection.id)
        if storage is not None:
            runner = self.factory.runner(connection, storage)
            context = runner.context
            apis = (context.platform.limiter.statistics().api, context.sparklayer.limiter.statistics().api)
            self.factory.metrics.connection(connection.site, context.kind_states, apis)
            await self.supervisor.start(runner)

    def _clean_up(self, leaving: Stored) -> None:
        assert leaving.leaving_since is not None  # it is stored with the state
        self.teardown.begin(self.registry.decrypted(leaving), leaving.leaving_since)

    async def _authorized(self, platform: str, visit: Authorized) -> None:
        """Take the credentials of the store that a pending connection names, once for each state."""
        awaited = await self.storage.write(installs.take_state, (visit.state, self.now()))
        if awaited is None or awaited.platform != platform:
            words = "This request was answered already, or is older than an hour."
            raise AppRefused(f"{words} Connect your store again in SparkLayer's dashboard.", 401)
        installed = await visit.install(awaited.store_id)
        if installed.store_id != awaited.store_id:
            raise AppRefused("The credentials are those of a different store. Connect that one in SparkLayer.")
        await self._installed(platform, installed)

    async def _installed(self, platform: str, visit: Installed) -> None:
        """Store a store's credentials, have its connections use them, and complete pending connections."""
        encrypted = self.registry.encrypted_store(visit.store)
        install = Install(platform=platform, store_id=visit.store_id, encrypted=encrypted, now=self.now())
        await self.storage.write(installs.install, install)
        for site in await self.registry.sites(platform, visit.store_id):
            async with self._locks[site]:
                while site in self.endpoints and (
                    present := await self.registry.active_to(site, platform, visit.store_id)
                ):
                    connection = self.registry.decrypted(present)
                    renewed = evolve(connection, store=with_secrets(connection.store, visit.store))
                    if await self._renew(present, renewed, offered=self.registry.offered(present)):
                        break
        await self._complete_pending()

    async def _uninstalled(self, platform: str, store_id: str) -> None:
        """Forget a store's credentials; connections that use them leave, others stay."""
        store = await self.registry.installed_store(platform, store_id)
        if store is None:
            return
        async with AsyncExitStack() as locks:
            leaves = []
            for site in sorted(await self.registry.sites(platform, store_id), key=str):
                await locks.enter_async_context(self._locks[site])
                present = await self.registry.active_to(site, platform, store_id)
                connection = None if present is None else self.registry.decrypted(present)
                if connection is not None and has_secrets(connection.store, store):
                    encrypted = self.registry.encrypted(site, connection.api_key, None)
                    leaves.append(Leave(site=site, now=self.now(), encrypted=encrypted))
            call = Uninstall(platform=platform, store_id=store_id, leaves=leaves)
            for leaving in await self.storage.write(connections.uninstall, call):
                self.endpoints.pop(leaving.site, None)
                self.wakeups.tell("connections")
                self._clean_up(leaving)

    async def _complete_pending(self) -> None:
        """Connect the sites whose store has the app by now, except those that have waited for too long."""
        await self.storage.write(installs.forget_expired, self.now())
        for pending in await self.storage.read(installs.completable):
            site, store_id, encrypted = pending
            async with self._locks[site]:
                if pending in await self.storage.read(installs.completable):
                    content: Any = self.registry.vault.decrypt(encrypted)
                    key = ApiKey(client_id=content["client_id"], client_secret=Secret(content["client_secret"]))
                    await self._connect(site, store_id, key, known=False)
