"""One WooCommerce shop as the engine sees it."""

from functools import partial

from daemon.model import Kind
from daemon.platforms.adapter_state import AdapterState
from daemon.platforms.shared.adapter import Adapter
from daemon.platforms.woocommerce.client import Client
from daemon.platforms.woocommerce.customers.members import Roles
from daemon.platforms.woocommerce.customers.reader import CustomerReader
from daemon.platforms.woocommerce.hooks import WooCommerceHooks
from daemon.platforms.woocommerce.lookup import Lookup
from daemon.platforms.woocommerce.orders.reader import OrderReader
from daemon.platforms.woocommerce.products.reader import ProductReader
from daemon.platforms.woocommerce.settings import WooCommerceSettings
from daemon.platforms.woocommerce.store import StoreReader
from daemon.transport.client import Observe, ignore
from daemon.transport.http import Transport


class WooCommerce(Adapter):
    """Fulfils `daemon.platforms.base.Platform` for one shop. It keeps no state on disk."""

    def __init__(
        self,
        settings: WooCommerceSettings,
        transport: Transport | None = None,
        observe: Observe = ignore,
        _state: AdapterState | None = None,
    ) -> None:
        client = Client(settings, transport, observe)
        roles = Roles(client, settings.b2b_roles)
        super().__init__(
            settings,
            client,
            store=StoreReader(client, settings.store_url, roles),
            readers={
                Kind.PRODUCTS: ProductReader(client),
                Kind.CUSTOMERS: CustomerReader(client, settings, roles),
                Kind.ORDERS: OrderReader(client, settings),
            },
            lookup=Lookup(client),
            hooks=partial(WooCommerceHooks, client),
        )
