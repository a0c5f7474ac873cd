"""Builds all that a connection is worked on with: at the start, when Ignite connects it, and when its key changes."""

import random
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, unquote

import trio
from attrs import define, field

from daemon.config import Settings
from daemon.connections.registry import site_client
from daemon.engine.context import ConnectionContext, Options
from daemon.engine.gaps import AT_ONCE
from daemon.engine.pause import Pause
from daemon.engine.runner import ConnectionRunner
from daemon.listener.webhooks import Endpoint
from daemon.model import ApiKey, Connection, ConnectionId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import Platform, PlatformType
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.empty_refusals import CUSTOMER, PRODUCT, PURCHASE, Control
from daemon.storage import ledger
from daemon.storage.adapter_state import StoredAdapterState
from daemon.storage.database import Storage
from daemon.storage.vault import Fingerprint, Vault
from daemon.transport.http import ApiCall

KINDS = {CUSTOMER: Kind.CUSTOMERS, PRODUCT: Kind.PRODUCTS, PURCHASE: Kind.ORDERS}
"""The kind whose entities a control question may ask for."""


def webhook_path(site: Site) -> str:
    """Return the path that a site's webhooks arrive at: it names their connection, at whatever address."""
    return f"/webhooks/{site.env}/{site.id}"


ANSWER_SECONDS = 5.0
"""For how long a connect waits for SparkLayer's word on the key that it brings."""


async def known_id(
    storage: Storage, connection_id: ConnectionId, control: Control, other_than: str | None
) -> str | None:
    """Return an id (quoted) that SparkLayer surely has, as far as the ledger says; None when it knows none."""
    kind = KINDS.get(control)
    if kind is None:
        return None
    # Purchases are looked up by their carts, which orders own.
    find = ledger.confirmed_key if kind is Kind.ORDERS else ledger.confirmed_id
    found = await storage.read(find, connection_id, kind, unquote(other_than or ""))
    return None if found is None else quote(found, safe="")


@define(kw_only=True)
class ConnectionFactory:
    """Has what every connection shares; a reload brings other `settings`. Nothing is sent by building."""

    settings: Settings
    storage: Storage
    vault: Vault
    fingerprint: Fingerprint
    metrics: Metrics
    platforms: Mapping[str, PlatformType]
    _slots: trio.Semaphore = field(init=False, factory=lambda: trio.Semaphore(AT_ONCE))
    """For readings that close gaps, of all connections."""

    def runner(self, connection: Connection, *, full_sync: bool = False) -> ConnectionRunner:
        """Build a connection's works. With `full_sync` what never was synced is, whatever the configuration says."""
        context = ConnectionContext(
            connection=connection,
            platform_type=self.platforms[connection.platform],
            platform=self.platform(connection, StoredAdapterState(self.storage, connection.id)),
            sparklayer=self.sparklayer(connection),
            storage=self.storage,
            vault=self.vault,
            fingerprint=self.fingerprint,
            metrics=self.metrics,
            options=self.options(connection.site, full_sync=full_sync),
            now=time.time,
            chance=random.Random(),  # noqa: S311  jitter is no secret
            pause=Pause(connection.site),
        )
        apis = (context.platform.limiter.statistics().api, context.sparklayer.limiter.statistics().api)
        self.metrics.connection(connection.site, context.kind_states, apis)
        return ConnectionRunner(context, self.destination(connection.site), self._slots)

    def endpoint(self, connection: Connection) -> Endpoint:
        """Build what takes a connection's webhooks."""
        reader = self.platforms[connection.platform].reader(connection.store)
        return Endpoint(connection_id=connection.id, reader=reader)

    def platform(self, connection: Connection, state: AdapterState | None = None) -> Platform:
        """Build the client of a connection's store."""
        observe = partial(self._count_call, connection.site)
        return self.platforms[connection.platform].connect(
            connection.store, None, observe, state or MemoryAdapterState()
        )

    def sparklayer(self, connection: Connection) -> SparkLayer:
        """Build the client of a connection's site."""
        observe = partial(self._count_call, connection.site)
        known = partial(known_id, self.storage, connection.id)
        return site_client(self.settings, connection.site, connection.api_key, connection.platform, observe, known)

    async def knows(self, site: Site, key: ApiKey) -> bool | None:
        """Return whether SparkLayer knows a key of a site, None if it does not say so soon."""
        client = site_client(self.settings, site, key, "", partial(self._count_call, site))
        known = None
        try:
            with trio.move_on_after(ANSWER_SECONDS):
                known = await client.knows_key()
        finally:
            await client.aclose()
        return known

    def destination(self, site: Site) -> str | None:
        """Where a site's webhooks shall arrive, if the daemon can be reached from outside."""
        public = self.settings.listener.public_url
        return f"{public}{webhook_path(site)}" if public else None

    def options(self, site: Site, *, full_sync: bool = False) -> Options:
        """Return what an operator has tuned for a site; see `works`."""
        link = next((link for link in self.settings.connections if link.site == site), None)
        sync = self.settings.sync
        return Options(
            debounce=sync.debounce_seconds,
            debounce_max=sync.debounce_max_seconds,
            sweep_every=sync.sweep_seconds,
            backfill_depth=sync.backfill_depth,
            full_sync_on_start=full_sync or link is None or link.full_sync_on_start,
            stock_location=link.stock_location if link else None,
        )

    def _count_call(self, site: Site, call: ApiCall) -> None:
        self.metrics.api_request(site, call.api, call.status, call.seconds)
