"""One BigCommerce store as the engine sees it: passes each call to the reader of its kind."""

from collections.abc import Mapping, Sequence

from daemon.entities import StoreFacts
from daemon.model import Kind, Lane
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.base import UNCACHED, Announce, IdPage, Match, Registration, tell_nobody
from daemon.platforms.bigcommerce import hooks, schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.reader import CustomerReader
from daemon.platforms.bigcommerce.lookup import Lookup
from daemon.platforms.bigcommerce.orders.reader import OrderReader
from daemon.platforms.bigcommerce.products.reader import ProductReader
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.store import StoreReader
from daemon.platforms.bigcommerce.webhooks import required_secret
from daemon.platforms.shared.readers import Reader, ReadersByKind
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class BigCommerce(ReadersByKind[Reader]):
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
        readers: Mapping[Kind, Reader] = {
            Kind.STORE: self._store,
            Kind.PRODUCTS: ProductReader(self._client, self._store, state),
            Kind.CUSTOMERS: CustomerReader(self._client, settings, state),
            Kind.ORDERS: OrderReader(self._client, settings, state),
        }
        super().__init__("BigCommerce", readers)

    async def facts(self) -> StoreFacts:
        """Read the facts about the store that mapping needs."""
        return await self._store.facts()

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read ids from a whole page, without resetting cached state: BigCommerce's webhooks tell of removals."""
        page = await self._readers[kind].page(UNCACHED if cursor is None else cursor)
        return IdPage(ids=[entity.external_id for entity in page.entities], cursor=page.cursor)

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities as a person names them."""
        return await self._lookup.find(kind, text)

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
