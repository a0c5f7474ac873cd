"""One BigCommerce store as the engine sees it: each kind has a reader of its own, this leads to it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import Announce, Entity, Match, Page, Registration, tell_nobody
from daemon.platforms.bigcommerce import hooks, schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.reader import CustomerReader
from daemon.platforms.bigcommerce.lookup import Lookup
from daemon.platforms.bigcommerce.orders.reader import OrderReader
from daemon.platforms.bigcommerce.products.reader import ProductReader
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.store import StoreReader
from daemon.platforms.bigcommerce.webhooks import required_secret
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class Reader(Protocol):
    """Reads the entities of one kind; see `daemon.platforms.base.Platform` for what each method promises."""

    batch: int

    async def page(self, cursor: str | None) -> Page:
        """Read a page of an enumeration."""
        ...

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of what changed."""
        ...

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read some by their ids."""
        ...

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one, and be sure when it does not exist."""
        ...

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map what was read."""
        ...


class BigCommerce:
    """Fulfils `daemon.platforms.base.Platform` for one store."""

    def __init__(
        self,
        settings: BigCommerceSettings,
        transport: Transport | None = None,
        observe: Observe = ignore,
        state: AdapterState | None = None,
    ) -> None:
        self._settings = settings
        self._client = Client(settings, transport, observe)
        self.limiter = self._client.limiter
        kept = state or MemoryAdapterState()
        self._lookup = Lookup(self._client)
        self._store = StoreReader(self._client, settings.store_hash)
        self._readers: Mapping[Kind, Reader] = {
            Kind.STORE: self._store,
            Kind.PRODUCTS: ProductReader(self._client, self._store, kept),
            Kind.CUSTOMERS: CustomerReader(self._client, settings, kept),
            Kind.ORDERS: OrderReader(self._client, settings, kept),
        }

    def batch(self, kind: Kind) -> int:
        """How many entities are read at a time."""
        return self._readers[kind].batch

    async def facts(self) -> StoreFacts:
        """Read what mapping needs to know of the store."""
        return await self._store.facts()

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page that `cursor` starts."""
        return await self._readers[kind].page(cursor)

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of what changed at or after `since`."""
        return await self._readers[kind].changed_since(since, cursor)

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by id; ids that are none of BigCommerce's are left out."""
        return await self._readers[kind].read(ids, lane)

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None when BigCommerce itself tells that there is none."""
        return await self._readers[kind].read_one(external_id, lane)

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities by what a person calls them."""
        return await self._lookup.find(kind, text)

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity. Raises the failure of what belongs to it, and Retry when it is not what was agreed."""
        if isinstance(entity.content, Failure):
            raise entity.content
        if isinstance(entity.content, schema.Unreadable):
            message = f"What BigCommerce tells about this is not what was agreed: {entity.content.why}"
            raise Retry(message, reason=entity.content.reason)
        return self._readers[kind].map(entity, facts)

    async def probe(self) -> None:
        """Ask for the time."""
        await self._client.get("/v2/time", schema.ANYTHING, lane=Lane.LIVE)

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        """Register what is missing and mend what is wrong. Raises ConfigError without a `webhook_secret`."""
        return await hooks.ensure(self._client, self._wanted(destination), announce)

    async def remove_webhooks(self, destination: str) -> None:
        """Delete the hooks of ours, also at earlier addresses; without a `webhook_secret` there never were any."""
        if self._settings.webhook_secret is not None:
            await hooks.remove(self._client, self._wanted(destination))

    def _wanted(self, destination: str) -> hooks.Wanted:
        return hooks.Wanted(destination=destination, secret=required_secret(self._settings))

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._client.aclose()
