"""Builds the parts of a connection: its runner, its endpoint, and the clients of both sides.

Nothing is sent by building. The settings are the registry's present ones.
"""

import random
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from urllib.parse import quote, unquote

import trio
from attrs import define, field

from daemon.connections.registry import KnownStore, Registry, site_client
from daemon.engine.context import SYNCED_KINDS, ConnectionContext, Options
from daemon.engine.gaps import AT_ONCE
from daemon.engine.pause import Pause
from daemon.engine.runner import ConnectionRunner
from daemon.errors import Failure, Retry
from daemon.listener.webhooks import Endpoint
from daemon.model import ApiKey, Connection, ConnectionId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.observability.tracing import Tracing
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import Platform
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.operation import CUSTOMER, PRODUCT, PURCHASE, Control
from daemon.storage import ledger
from daemon.storage.adapter_state import StoredAdapterState
from daemon.storage.database import Storage
from daemon.storage.vault import Fingerprint
from daemon.transport.http import TIMEOUT, ApiCall

CONTROL_KINDS = {CUSTOMER: Kind.CUSTOMERS, PRODUCT: Kind.PRODUCTS, PURCHASE: Kind.ORDERS}
"""The kind whose entities a control question asks for."""

ANSWER_SECONDS = 5.0
"""The longest time that a connect waits for the answer of each side about its key."""


def webhook_path(site: Site) -> str:
    """Return the path of a site's webhooks. It identifies them at any address that the daemon ever had."""
    return f"/webhooks/{site.env}/{site.id}"


async def known_id(
    storage: Storage, connection_id: ConnectionId, control: Control, other_than: str | None
) -> str | None:
    """Return a quoted id that SparkLayer confirmed, according to the ledger; None when there is none."""
    kind = CONTROL_KINDS.get(control)
    if kind is None:
        return None
    # Purchases are looked up by their carts, which orders own.
    find = ledger.confirmed_key if kind is Kind.ORDERS else ledger.confirmed_id
    external_id = await storage.read(find, connection_id, kind, unquote(other_than or ""))
    return None if external_id is None else quote(external_id, safe="")


@define(kw_only=True)
class ConnectionFactory:
    """Holds what all connections share."""

    registry: Registry
    fingerprint: Fingerprint
    metrics: Metrics
    tracing: Tracing | None = None
    now: Callable[[], float] = time.time
    _slots: trio.Semaphore = field(init=False, factory=lambda: trio.Semaphore(AT_ONCE))
    """Limits the readings that close gaps, of all connections together."""

    def runner(self, connection: Connection, storage: Storage) -> ConnectionRunner:
        """Build a connection's runner, which works with `storage`."""
        context = ConnectionContext(
            connection=connection,
            platform_type=self.registry.platforms[connection.platform],
            platform=self.platform(connection, StoredAdapterState(storage, connection.id)),
            sparklayer=self.sparklayer(connection),
            storage=storage,
            vault=self.registry.vault,
            fingerprint=self.fingerprint,
            metrics=self.metrics,
            options=self.options(connection.site),
            now=self.now,
            chance=random.Random(),  # noqa: S311  jitter is no secret
            pause=Pause(connection.site),
            tracing=self.tracing,
        )
        return ConnectionRunner(context, self.destination(connection.site), self._slots)

    def built_as(self, runner: ConnectionRunner | None, connection: Connection) -> bool:
        """Return whether a runner works with these credentials and with the present settings."""
        parts = connection, self.options(connection.site)
        return runner is not None and (runner.context.connection, runner.context.options) == parts

    def count(self, context: ConnectionContext) -> None:
        """Start the counters of a connection that is worked on."""
        apis = (context.platform.limiter.statistics().api, context.sparklayer.limiter.statistics().api)
        self.metrics.connection(context.connection.site, context.kind_states, apis)

    def guest(self, connection: Connection) -> ConnectionRunner:
        """Build a runner that is never started: it only reads, beside the process that works on the connection."""
        runner = self.runner(connection, self.registry.storage)
        runner.context.guest = True
        runner.context.platform.limiter.be_guest()
        runner.context.sparklayer.limiter.be_guest()
        return runner

    def endpoint(self, connection: Connection) -> Endpoint:
        """Build the endpoint of a connection's webhooks."""
        options, platform = self.options(connection.site), self.registry.platforms[connection.platform]
        return Endpoint(
            connection_id=connection.id,
            site=connection.site,
            reader=platform.reader(connection.store),
            kinds=self.kinds(connection.platform),
            max_delivery_bytes=platform.max_delivery_bytes,
            debounce=min(options.debounce, platform.webhooks.longest_debounce),
            debounce_max=options.debounce_max,
            times=self.registry.platforms[connection.platform].webhooks,
            paused=connection.paused,
        )

    def kinds(self, platform: str) -> tuple[Kind, ...]:
        """Return the kinds that are synced from a platform, in the order that references need."""
        return tuple(kind for kind in SYNCED_KINDS if kind in self.registry.platforms[platform].kinds)

    def platform(self, connection: Connection, state: AdapterState | None = None) -> Platform:
        """Build the client of a connection's store."""
        observe = partial(self._count_call, connection.site)
        return self.registry.platforms[connection.platform].connect(
            connection.store, None, observe, state or MemoryAdapterState()
        )

    def sparklayer(self, connection: Connection) -> SparkLayer:
        """Build the client of a connection's site."""
        observe = partial(self._count_call, connection.site)
        known = partial(known_id, self.registry.storage, connection.id)
        settings = self.registry.settings
        return site_client(settings, connection.site, connection.api_key, connection.platform, observe, known)

    async def knows(self, site: Site, key: ApiKey) -> bool | None:
        """Ask SparkLayer whether it knows a key of a site; None when it gives no answer within `ANSWER_SECONDS`."""
        async with aclosing(
            site_client(self.registry.settings, site, key, "", partial(self._count_call, site))
        ) as client:
            with trio.move_on_after(ANSWER_SECONDS):
                return await client.knows_key()
        return None

    async def attempt(self, site: Site, known: KnownStore) -> Failure | None:
        """Try typed credentials of a store; return the failure, which is Rejected only if they do not work."""
        keys = self.registry.platforms[known.platform].typed_keys
        assert keys is not None  # such credentials were typed
        try:
            with trio.fail_after(ANSWER_SECONDS):
                await keys.attempt(known.store, None, partial(self._count_call, site))
        except trio.TooSlowError as error:
            return Retry(str(error), reason=TIMEOUT)
        except Failure as failure:
            return failure
        return None

    def destination(self, site: Site) -> str | None:
        """Return the address for a site's webhooks; None when the daemon has no public URL."""
        public = self.registry.settings.listener.public_url
        return f"{public}{webhook_path(site)}" if public else None

    def options(self, site: Site) -> Options:
        """Return the settings that tune the work for a site."""
        link, sync = self.registry.link(site), self.registry.settings.sync
        return Options(
            debounce=sync.debounce_seconds,
            debounce_max=sync.debounce_max_seconds,
            sweep_every=(link and link.sweep_seconds) or sync.sweep_seconds,  # 0 is no valid pace
            census_every=(link and link.census_seconds) or sync.census_seconds,
            webhooks_every=(link and link.webhooks_seconds) or sync.webhooks_seconds,
            backfill_depth=sync.backfill_depth,
            full_sync_on_start=link is None or link.full_sync_on_start,
            stock_location=link.stock_location if link else None,
        )

    def _count_call(self, site: Site, call: ApiCall) -> None:
        status_class = f"{call.status // 100}xx" if call.status else "error"
        self.metrics.count("api_requests_total", str(site), call.api, status_class)
        self.metrics.observe("api_seconds", call.seconds, call.api)
