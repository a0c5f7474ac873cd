"""One BigCommerce store as the engine sees it: passes each call to the reader of its kind."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from daemon.entities import Mapped, StoreFacts
from daemon.errors import Failure, Retry
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import UNCACHED, Announce, Entity, IdPage, Match, Page, Registration, tell_nobody
from daemon.platforms.bigcommerce import hooks, schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.reader import CustomerReader
from daemon.platforms.bigcommerce.lookup import Lookup
from daemon.platforms.bigcommerce.orders.reader import OrderReader
from daemon.platforms.bigcommerce.products.reader import ProductReader
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.store import StoreReader
from daemon.platforms.bigcommerce.webhooks import required_secret
from daemon.platforms.shared.rows import Unreadable
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class Reader(Protocol):
    """Reads the entities of one kind. `daemon.platforms.base.Platform` describes each method."""

    batch: int

    async def page(self, cursor: str | None) -> Page:
        """Read a page of an enumeration."""
        ...

    async def changed_since(self, since: float, cursor: str | None) -> Page:
        """Read a page of changed entities."""
        ...

    async def read(self, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by their ids."""
        ...

    async def read_one(self, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None only if it certainly does not exist."""
        ...

    def map(self, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity."""
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
        state = state or MemoryAdapterState()
        self._lookup = Lookup(self._client)
        self._store = StoreReader(self._client, settings.store_hash)
        self._readers: Mapping[Kind, Reader] = {
            Kind.STORE: self._store,
            Kind.PRODUCTS: ProductReader(self._client, self._store, state),
            Kind.CUSTOMERS: CustomerReader(self._client, settings, state),
            Kind.ORDERS: OrderReader(self._client, settings, state),
        }

    def batch(self, kind: Kind) -> int:
        """Return the most entities that one call of `read` takes."""
        return self._readers[kind].batch

    async def facts(self) -> StoreFacts:
        """Read the facts about the store that mapping needs."""
        return await self._store.facts()

    async def page(self, kind: Kind, cursor: str | None) -> Page:
        """Read the page that `cursor` starts."""
        return await self._readers[kind].page(cursor)

    async def changed_since(self, kind: Kind, since: float, cursor: str | None) -> Page:
        """Read a page of entities changed at or after `since`."""
        return await self._readers[kind].changed_since(since, cursor)

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read ids from a whole page, without resetting cached state: BigCommerce's webhooks tell of removals."""
        page = await self._readers[kind].page(UNCACHED if cursor is None else cursor)
        return IdPage(ids=[entity.external_id for entity in page.entities], cursor=page.cursor)

    async def read(self, kind: Kind, ids: Sequence[ExternalId], lane: Lane) -> Mapping[ExternalId, Entity]:
        """Read entities by id; malformed ids are left out."""
        return await self._readers[kind].read(ids, lane)

    async def read_one(self, kind: Kind, external_id: ExternalId, lane: Lane) -> Entity | None:
        """Read one entity; None if BigCommerce itself says that it does not exist."""
        return await self._readers[kind].read_one(external_id, lane)

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities as a person names them."""
        return await self._lookup.find(kind, text)

    def map(self, kind: Kind, entity: Entity, facts: StoreFacts) -> Mapped[Any]:
        """Map an entity. Raises the failure of a part that could not be read, and Retry if the entity is unreadable."""
        if isinstance(entity.content, Failure):
            raise entity.content
        if isinstance(entity.content, Unreadable):
            message = f"BigCommerce's answer about this has an unexpected shape: {entity.content.why}"
            raise Retry(message, reason=entity.content.reason)
        return self._readers[kind].map(entity, facts)

    async def probe(self) -> None:
        """Ask BigCommerce for the time."""
        await self._client.get("/v2/time", schema.TIME, lane=Lane.LIVE)

    async def ensure_webhooks(self, destination: str, announce: Announce = tell_nobody) -> Registration:
        """Register missing webhooks and repair wrong ones. Raises ConfigError without a `webhook_secret`."""
        return await hooks.ensure(self._client, self._wanted(destination), announce)

    async def remove_webhooks(self, destination: str) -> None:
        """Delete our webhooks, also at earlier addresses. Without a `webhook_secret` there never were any."""
        if self._settings.webhook_secret is not None:
            await hooks.remove(self._client, self._wanted(destination))

    def _wanted(self, destination: str) -> hooks.Wanted:
        return hooks.Wanted(destination=destination, secret=required_secret(self._settings))

    async def aclose(self) -> None:
        """Close the connections to the store."""
        await self._client.aclose()
