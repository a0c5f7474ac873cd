"""One BigCommerce store as the engine sees it."""

from functools import partial

from daemon.model import Kind
from daemon.platforms.adapter_state import AdapterState, MemoryAdapterState
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.customers.reader import CustomerReader
from daemon.platforms.bigcommerce.hooks import BigCommerceHooks
from daemon.platforms.bigcommerce.lookup import Lookup
from daemon.platforms.bigcommerce.orders.reader import OrderReader
from daemon.platforms.bigcommerce.products.reader import ProductReader
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.store import StoreReader
from daemon.platforms.shared.adapter import Adapter
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class BigCommerce(Adapter):
    """Fulfils `daemon.platforms.base.Platform` for one store."""

    def __init__(
        self,
        settings: BigCommerceSettings,
        transport: Transport | None = None,
        observe: Observe = ignore,
        state: AdapterState | None = None,
    ) -> None:
        client, state = Client(settings, transport, observe), state or MemoryAdapterState()
        store = StoreReader(client, settings.store_hash)
        super().__init__(
            settings,
            client,
            store=store,
            readers={
                Kind.PRODUCTS: ProductReader(client, store, state),
                Kind.CUSTOMERS: CustomerReader(client, settings, state),
                Kind.ORDERS: OrderReader(client, settings, state),
            },
            lookup=Lookup(client),
            hooks=partial(BigCommerceHooks, client),
        )
