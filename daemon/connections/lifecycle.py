"""Connects and disconnects sites: as Ignite asks, as the settings say, and as merchants install or remove an app.

Each step is committed before it is carried out, so a daemon that dies in between continues at its next start. Sites do
not wait for each other. A connected site takes webhooks (`endpoints`); it is worked on here if `tenure` says so. The
credentials of a store come from the settings, an earlier connection, or an install of the app.
Other nodes are told of each change; `daemon.connections.events` follows theirs.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

import structlog
import trio
from attrs import evolve, field, frozen

from daemon.config import Settings
from daemon.connections.factory import ConnectionFactory
from daemon.connections.registry import (
    NOTHING_OFFERED,
    KeyAnswers,
    KnownStore,
    Offered,
    Registry,
    has_secrets,
    with_secrets,
)
from daemon.connections.teardown import Teardown
from daemon.connections.tenure import Tenure
from daemon.connections.wakeups import Wakeups
from daemon.engine.signal import Signal
from daemon.engine.supervisor import Supervisor
from daemon.errors import Failure, Invalid, NoConnection, Rejected, Retry, StorageTrouble
from daemon.listener.webhooks import Endpoint
from daemon.model import ApiKey, Connection, ConnectionId, Site
from daemon.platforms.apps import App
from daemon.storage import connections, installs
from daemon.storage.connections import Begin, Leave, Renew, SetPause, Stored
from daemon.storage.database import Storage
from daemon.storage.installs import PendingConnection

NO_EXTRAS: Mapping[str, object] = {}

PAUSED = Retry("the connection is paused", reason="paused")
"""Instead of an answer about credentials that are brought during a pause."""

log = structlog.get_logger()


@frozen(kw_only=True)
class Lifecycle:
    """Connects and disconnects sites, and does the `Work` of the tenure.

    `knows` asks SparkLayer whether it knows a key; None is no answer. `attempt` tries typed credentials on their store,
    and returns the failure, which is Rejected only if they do not work.
    """

    storage: Storage
    registry: Registry
    factory: ConnectionFactory
    tenure: Tenure
    wakeups: Wakeups
    supervisor: Supervisor
    teardown: Teardown
    apps: dict[str, App]
    knows: Callable[[Site, ApiKey], Awaitable[bool | None]]
    attempt: Callable[[Site, KnownStore], Awaitable[Failure | None]]
    now: Callable[[], float] = time.time
    endpoints: dict[Site, Endpoint] = field(init=False, factory=dict)
    offers: Signal = field(init=False, factory=Signal)
    """Set when credentials are stored beside those in use."""
    locks: defaultdict[Site, trio.Lock] = field(init=False, factory=lambda: defaultdict(trio.Lock))

    def paused(self) -> list[Endpoint]:
        """Return the endpoints of this process's paused connections, which have no runner."""
        return [
            endpoint
            for endpoint in self.endpoints.values()
            if endpoint.paused
            and self.tenure.ownership(endpoint.connection_id) is not None
            and self.supervisor.find(endpoint.connection_id) is None
        ]

    async def open_all(self) -> None:
        """Start what is connected, and continue what was interrupted when the daemon stopped.

        Raises ConfigError when the settings contradict the database, or no key decrypts the credentials.
        """
        for connection in await self.registry.adopt_all(self.now()):
            await self.start(connection)
        self.wakeups.tell("connections")
        for stored in await self.storage.read(connections.everyone):
            if stored.state == "leaving":
                self.clean_up(stored)
        await self.complete_pending()

    async def reload(self, settings: Settings) -> None:
        """Apply other settings: connections that they add start, removed ones pause, changed ones restart.

        Raises ConfigError when they contradict the database, and StorageTrouble; the earlier settings then stay.
        """
        named = {link.site for one in (self.registry.settings, settings) for link in one.connections}
        async with AsyncExitStack() as locks:
            for site in sorted(named, key=str):  # in the order of an uninstall, so that neither waits for the other
                await locks.enter_async_context(self.locks[site])
            registry = evolve(self.registry, settings=settings)
            wanted = {connection.site: connection for connection in await registry.adopt_all(self.now())}
            self.registry.settings = settings
            self.wakeups.tell("connections")
            for site in sorted(named, key=str):
                connection = wanted.get(site)
                if connection is None:
                    await self.stop(site, "connection no longer configured")
                elif site not in self.endpoints:
                    log.info("connection added", site=str(site))
                    await self.start(connection)
                elif not self.factory.built_as(self.supervisor.find(connection.id), connection):
                    log.info("connection settings changed", site=str(site))
                    await self.start(connection)

    async def stop(self, site: Site, why: str) -> None:
        """Stop working on a connection that is not wanted here any more, and log `why`; its rows stay."""
        endpoint = self.endpoints.pop(site, None)
        if endpoint is not None:
            log.info(why, site=str(site))
            await self.supervisor.stop(endpoint.connection_id)
            self.factory.metrics.forget(site)

    async def work_on(self, stored: Stored) -> None:
        """Work on a connection that this process owns, or clean up after it, as it is stored by now."""
        async with self.locks[stored.site]:
            rows = await self.storage.read(connections.of_site, stored.site)
            present = next((row for row in rows if row.id == stored.id), None)
            if present is not None and present.state == "leaving":
                if rows[0].state != "active":
                    self.endpoints.pop(stored.site, None)
                self.clean_up(present)
            elif present is not None and present.state == "active" and self.registry.is_wanted(present):
                connection = self.registry.decrypted(present)
                if not self.factory.built_as(self.supervisor.find(connection.id), connection):
                    await self.start(connection)

    def finish_one(self, stored: Stored) -> None:
        """Have the work on a connection end when its batches in flight are settled."""
        self.teardown.finish_one(stored.id)
        if (runner := self.supervisor.find(stored.id)) is not None:
            runner.finish()

    async def stop_one(self, stored: Stored) -> None:
        """End the work on a connection at once. Its webhooks are still taken."""
        # Without the site's lock: its holder may be waiting for a database that is gone.
        await self.teardown.interrupt(stored.id)
        self.factory.metrics.forget(stored.site)

    def said(self, connection_id: ConnectionId) -> None:
        """Wake the tasks of a connection, in whichever process: a last word about it was stored."""
        self.wakeups.tell("word", connection_id)

    async def connect(
        self, site: Site, store_id: str, key: ApiKey, extra_config: Mapping[str, object] = NO_EXTRAS
    ) -> str | None:
        """Connect a site to a store; return None when it is connected, else where the merchant installs the app.

        A repetition changes nothing. `extra_config` may have credentials of the store, which are tried there. Raises
        Invalid when the store's credentials cannot be found, when the store refuses them, or when SparkLayer refuses
        its own (that the answer is 400 is inferred). Credentials about which one of them gives no answer are stored
        beside those in use (see `OfferedKeys`).
        """
        store_ids = self.registry.spelt(store_id)
        typed = self.registry.typed(store_ids, extra_config)
        present = await self.registry.active(site)
        paused = present is not None and present.paused_at is not None
        if present is not None and self.registry.decrypted(present).api_key == key:
            known: bool | None = True  # a repeated connect asks SparkLayer nothing
        elif paused:
            known = None  # asked once the connection is resumed
        else:
            known = await self.knows(site, key)
            present = await self.registry.active(site)  # an app may have brought the store's new keys meanwhile
        if known is False:
            names = "spark_api_client_id, spark_api_client_secret"
            raise Invalid(f"{names}: SparkLayer refuses them for this site; make a new API key there")
        used = typed or self._used(present, store_ids)
        failure = None if used is None else PAUSED if paused else await self.attempt(site, used)
        void = isinstance(failure, Rejected)
        if failure is not None:
            words = "keys of a store refused" if void else "keys of a store not answered"
            log.warning(words, site=str(site), reason=failure.reason)
        if void and typed is not None:
            raise Invalid(f"extra_config: these keys do not work: {failure}")
        answers = KeyAnswers(api_key_known=known is True, store_known=failure is None, store_void=void)
        async with self.locks[site]:
            return await self.connect_with(site, store_ids, key, typed, answers)

    def _used(self, present: Stored | None, store_ids: Mapping[str, str]) -> KnownStore | None:
        """Return the store of a connection, if its keys can be tried there, and the app can bring others."""
        if present is None or present.platform not in self.apps or present.platform not in store_ids:
            return None
        typed_keys = self.registry.platforms[present.platform].typed_keys
        if typed_keys is None or not self.registry.is_to(present, present.platform, store_ids[present.platform]):
            return None
        return KnownStore(present.platform, self.registry.decrypted(present).store)

    async def disconnect(self, site: Site) -> None:
        """Let a site's connection leave; it is cleaned up in the background. A site without one stays as it is."""
        async with self.locks[site]:
            leaving = await self.storage.write(connections.leave, Leave(site=site, now=self.now()))
            if leaving is not None:
                self.endpoints.pop(site, None)
                self.wakeups.tell("connections")
                self.clean_up(leaving)

    async def set_pause(self, site: Site, *, paused: bool) -> bool:
        """Pause or resume a site's connection; False if it is so already. Raises NotFound.

        When a pause is answered, this node makes no call for the connection; the other nodes follow.
        """
        async with self.locks[site]:
            present = await self.registry.wanted(site)
            if present is None:
                raise NoConnection(site)
            call = SetPause(id=present.id, at=self.now() if paused else None)
            changed = await self.storage.write(connections.set_pause, call)
            if changed:
                log.info("connection paused" if paused else "connection resumed", site=str(site))
                self.wakeups.tell("connections")
                await self.start(evolve(self.registry.decrypted(present), paused=paused))
                self.offers.set()
            return changed

    async def settle_offer(self, site: Site, part: Offered, *, use: bool) -> None:
        """Use or drop the credentials of one side that are stored beside those in use, unless these have changed."""
        async with self.locks[site]:
            while (present := await self.registry.active(site)) and part in (
                offered := self.registry.offered(present)
            ).parts():
                connection = self.registry.decrypted(present)
                if use and part.api_key is not None:
                    connection = evolve(connection, api_key=part.api_key)
                elif use:
                    connection = evolve(connection, store=with_secrets(connection.store, part.store))
                if await self.renew(present, connection, offered=offered.without(part)):
                    log.info("offered credentials accepted" if use else "offered credentials refused", site=str(site))
                    return

    async def connect_with(
        self,
        site: Site,
        store_ids: Mapping[str, str],
        key: ApiKey,
        brought: KnownStore | None,
        answers: KeyAnswers,
    ) -> str | None:
        """Connect a site, with the store's credentials if they are `brought`. Unknown ones replace no others."""
        if brought is not None:
            store_ids = {brought.platform: store_ids[brought.platform]}
        store = None if answers.store_void else await self.registry.known_store(site, store_ids) or brought
        if store is None:
            return await self._pending(site, store_ids, key)
        present = await self.registry.active_to(site, store.platform, store_ids[store.platform])
        if present is None:
            if brought is not None:
                store = evolve(store, store=with_secrets(store.store, brought.store))
            await self._begin(site, store, key)
            return None
        connection, offered = self.registry.decrypted(present), self.registry.offered(present)
        if answers.api_key_known or key == connection.api_key:
            connection, offered = evolve(connection, api_key=key), evolve(offered, api_key=None)
        else:
            offered = evolve(offered, api_key=key)
        if brought is not None:
            used = answers.store_known or has_secrets(connection.store, brought.store)
            offered = evolve(offered, store=None if used else brought.store)
            if used:
                connection = evolve(connection, store=with_secrets(connection.store, brought.store))
        if not await self.renew(present, connection, offered=offered, by_ignite=True):
            return await self.connect_with(site, store_ids, key, brought, answers)
        if offered != NOTHING_OFFERED:
            self.offers.set()
        await self.storage.write(installs.forget_pending, site)
        return None

    async def _pending(self, site: Site, store_ids: Mapping[str, str], key: ApiKey) -> str:
        """Store a pending connection, and return where the merchant installs the app of the store's platform."""
        platform = next((name for name in store_ids if name in self.apps), None)
        if platform is None:
            platforms = [self.registry.platforms[name] for name in store_ids]
            remedies = ["configure its credentials", *(f"set up the app of {platform.label}" for platform in platforms)]
            if any(platform.typed_keys for platform in platforms):
                remedies = ["type its keys in SparkLayer's dashboard", "set listener.public_url"]
            raise Invalid(f"store_id: this store is not known here; {', or '.join(remedies)}")
        pending = PendingConnection(
            site=site,
            platform=platform,
            store_id=store_ids[platform],
            encrypted=self.registry.encrypted_alone(key),
            now=self.now(),
            state=secrets.token_urlsafe(32),
        )
        install_url = self.install_url(platform, pending.store_id, pending.state)
        await self.storage.write(installs.pending, pending)
        return install_url

    def install_url(self, platform: str, store_id: str, state: str) -> str:
        """Return where the merchant installs a platform's app. Raises Invalid."""
        try:
            return self.apps[platform].install_url(store_id, state)
        except ValueError as error:
            raise Invalid(str(error)) from None

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
                self.clean_up(stored)
            raise
        log.info("connected", site=str(site), platform=known.platform)
        self.wakeups.tell("connections")
        for stored in before:
            if stored.id not in replaced:
                await self.supervisor.stop(stored.id)
                self.clean_up(stored if stored.state == "leaving" else evolve(stored, leaving_since=now))
        await self.start(self.registry.decrypted(begun))

    async def renew(self, present: Stored, renewed: Connection, *, offered: Offered, by_ignite: bool = False) -> bool:
        """Continue with other credentials, or start a paused connection; False if `present` is no longer stored."""
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
            await self.start(renewed)
        return True

    async def start(self, connection: Connection) -> None:
        """Take a connection's webhooks, and work on it if this process may; an earlier runner of it stops.

        A paused connection has no runner: so nothing can call either side for it, and all that comes waits on disk.
        """
        self.endpoints[connection.site] = self.factory.endpoint(connection)
        ownership = self.tenure.ownership(connection.id)
        if ownership is None:
            self.tenure.wake()
            return
        if connection.paused:
            await self.supervisor.stop(connection.id)
            self.factory.metrics.forget(connection.site)
            return
        runner = self.factory.runner(connection, ownership.storage)
        self.factory.count(runner.context)
        await self.supervisor.start(runner, ownership.while_owned)

    def clean_up(self, leaving: Stored) -> None:
        """Clean up after a connection that is leaving, if this process may."""
        assert leaving.leaving_since is not None  # it is stored with the state
        ownership = self.tenure.ownership(leaving.id)
        if ownership is None:
            self.tenure.wake()  # its owner finds it leaving
        else:
            self.teardown.begin(self.registry.decrypted(leaving), leaving.leaving_since, ownership)

    async def complete_pending(self) -> None:
        """Connect the sites whose store has the app by now, except those that have waited for too long."""
        await self.storage.write(installs.forget_expired, self.now())
        for pending in await self.storage.read(installs.completable):
            site, store_id, encrypted = pending
            async with self.locks[site]:
                if pending in await self.storage.read(installs.completable):
                    key, store_ids = self.registry.decrypted_key(encrypted), self.registry.spelt(store_id)
                    await self.connect_with(site, store_ids, key, None, KeyAnswers())
