"""One WooCommerce shop as the engine sees it: passes each call to the reader of its kind."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from daemon.entities import StoreFacts
from daemon.model import Kind, Lane
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.base import Announce, IdPage, Match, Registration, tell_nobody
from daemon.platforms.shared.readers import Reader, ReadersByKind
from daemon.platforms.woocommerce import hooks
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.customers.reader import CustomerReader
from daemon.platforms.woocommerce.customers.roles import Roles
from daemon.platforms.woocommerce.lookup import Lookup
from daemon.platforms.woocommerce.orders.reader import OrderReader
from daemon.platforms.woocommerce.products.reader import ProductReader
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.store import CURRENCY, CURRENCY_SHAPE, StoreReader
from daemon.platforms.woocommerce.webhooks import required_secret
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class IdReader(Reader, Protocol):
    """Reads the entities of one kind, and lists their ids alone."""

    async def ids(self, cursor: str | None) -> IdPage:
        """Read a page of ids."""
        ...


class WooCommerce(ReadersByKind[IdReader]):
    """Fulfils `daemon.platforms.base.Platform` for one shop. It keeps no state on disk."""

    def __init__(
        self,
        settings: WooCommerceSettings,
        transport: Transport | None = None,
        observe: Observe = ignore,
        _state: AdapterState | None = None,
    ) -> None:
        self._settings = settings
        self._client = Client(settings, transport, observe)
        self.limiter = self._client.limiter
        self._lookup = Lookup(self._client)
        roles = Roles(self._client, settings.b2b_roles)
        self._store = StoreReader(self._client, settings.store_url, roles)
        readers: Mapping[Kind, IdReader] = {
            Kind.STORE: self._store,
            Kind.PRODUCTS: ProductReader(self._client),
            Kind.CUSTOMERS: CustomerReader(self._client, settings, roles),
            Kind.ORDERS: OrderReader(self._client, settings),
        }
        super().__init__("WooCommerce", readers)

    async def facts(self) -> StoreFacts:
        """Read the facts about the shop that mapping needs."""
        return await self._store.facts()

    async def ids(self, kind: Kind, cursor: str | None) -> IdPage:
        """Read a page of the ids of a kind."""
        return await self._readers[kind].ids(cursor)

    async def find(self, kind: Kind, text: str) -> Sequence[Match]:
        """Find entities as a person names them."""
        return await self._lookup.find(kind, text)

    async def probe(self) -> None:
        """Read the shop's currency."""
        await self._client.get(CURRENCY, CURRENCY_SHAPE, lane=Lane.LIVE, query={"_fields": "code"})

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
        """Close the connections to the shop."""
        await self._client.aclose()
