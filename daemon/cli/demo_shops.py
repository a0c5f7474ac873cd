"""The shops of the demo, one for each platform: the sample company's, with the edits that the demo makes in it.

async with open_demo_shop("woocommerce", options, few=False) as (shop, site): ...
"""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from daemon.sandbox import BigCommerce, Shop, SparkLayer, SparkLayerOptions, Store, WooCommerce, open_sandbox, samples
from daemon.sandbox.bigcommerce.founding import found as found_store
from daemon.sandbox.bigcommerce.records import Variant
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.expectation.products import PRICE_LIST, SHOP_PRICE_LIST
from daemon.sandbox.explore import BigCommerceStore, ExploredStore, WooCommerceStore
from daemon.sandbox.opening import open_sparklayer, open_woocommerce
from daemon.sandbox.woocommerce.catalogue import Product
from daemon.sandbox.woocommerce.founding import B2B_ROLE
from daemon.sandbox.woocommerce.founding import found as found_shop
from daemon.sandbox.woocommerce.order_book import CART_KEY

AWAITING_FULFILLMENT = 11
"""The status of an order that is paid and not shipped (bigcommerce.md section 7)."""

Edits = Iterator[tuple[str, Callable[[], object]]]


@frozen
class BigCommerceDemo:
    """BigCommerce's shop."""

    stand_in: BigCommerce
    platform: str = "bigcommerce"
    price_list: str = PRICE_LIST

    @property
    def state(self) -> Store:
        """The shop's rows, with its edits."""
        return self.stand_in.store

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Numbers of products, variants, customers and orders."""
        store = self.state
        variants = sum(1 for _ in store.variants())
        return len(store.entries), variants, len(store.customers.people), len(store.orders.orders)

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings that connect to it, by name."""
        return {
            "api_url": self.stand_in.url,
            "store_hash": self.stand_in.store_hash,
            "access_token": self.stand_in.access_token,
            "client_secret": self.stand_in.client_secret,
        }

    @property
    def explored(self) -> ExploredStore[Any]:
        """The shop as a person edits it."""
        return BigCommerceStore(self.state)

    def carts(self) -> Sequence[str]:
        """Return the carts of orders that came from SparkLayer."""
        orders = self.state.orders
        return [cart for order in orders.orders if (cart := orders.cart_id(order))]

    def without_sku(self) -> str:
        """Return the id of a product with a variant that has no SKU."""
        return str(self._nameless().product_id)

    def edits(self, site: SparkLayer, ids: Sequence[int]) -> Edits:
        """Yield edits by what they change."""
        del site
        store = self.state
        first, second = ids[:2]
        nameless, customer = self._nameless(), next(iter(store.customers.in_groups(WHOLESALE))).customer.id
        open_order = next(order for order in store.orders.orders if store.orders.cart_id(order) and self._open(order))
        stocked = next(row for row in store.variants() if row.product_id > second and self._tracked(row))
        yield "a title", lambda: store.set_title(first, "Renamed in the store")
        yield "a price", lambda: store.set_price(second, 123.45)
        yield "a stock level", lambda: store.set_stock(stocked.id, stocked.inventory_level + 7)
        yield "a hidden product", lambda: store.set_visible(first, visible=False)
        yield "a missing SKU", lambda: store.set_sku(nameless.id, "FOUND-1")
        yield "a recommended price", lambda: store.metafields.set("product", second, "rrp", "199.99")
        yield "a customer's name", lambda: store.customers.update(customer, first_name="Renamed")
        yield "a customer who left the group", lambda: store.customers.set_group(customer, 0)
        yield "a shipment", lambda: store.orders.ship(open_order, None, carrier="DPD", tracking_number="DPD-1")

    def _nameless(self) -> Variant:
        return next(variant for variant in self.state.variants() if not variant.sku)

    def _open(self, order_id: int) -> bool:
        order = self.state.orders.get(order_id)
        return order.status_id == AWAITING_FULFILLMENT and not order.shipments and not order.is_deleted

    def _tracked(self, variant: Variant) -> bool:
        return bool(variant.sku) and self.state.entry(variant.product_id).product.inventory_tracking == "variant"


@frozen
class WooCommerceDemo:
    """WooCommerce's shop."""

    stand_in: WooCommerce
    platform: str = "woocommerce"
    price_list: str = SHOP_PRICE_LIST

    @property
    def state(self) -> Shop:
        """The shop's rows, with its edits."""
        return self.stand_in.shop

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Numbers of products, of what of them is sold, of customers and of orders."""
        shop = self.state
        sold = sum(1 for _ in self._sold())
        return len(shop.tops), sold, len(shop.customers.people), len(shop.orders.orders)

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings that connect to it, by name."""
        return {
            "store_url": self.stand_in.url,
            "consumer_key": self.stand_in.key.consumer_key,
            "consumer_secret": self.stand_in.key.consumer_secret,
            "webhook_secret": uuid.uuid4().hex,
        }

    @property
    def explored(self) -> ExploredStore[Any]:
        """The shop as a person edits it."""
        return WooCommerceStore(self.state)

    def carts(self) -> Sequence[str]:
        """Return the carts of orders that came from SparkLayer."""
        rows = (row for order in self.state.orders.orders.values() for row in order.meta)
        return [str(row.value) for row in rows if row.key == CART_KEY]

    def without_sku(self) -> str:
        """Return the id of a product with a variation that has no SKU."""
        return str(self._nameless().parent_id)

    def edits(self, site: SparkLayer, ids: Sequence[int]) -> Edits:
        """Yield edits by what they change."""
        shop, cart = self.state, str(uuid.uuid4())
        first, second = ids[:2]
        priced = next(row for row in self._sold() if second in {row.id, row.parent_id} and row.sku)
        stocked = next(row for row in self._sold() if row.sku and row.manage_stock)
        nameless, customer = self._nameless(), shop.customers.with_role(B2B_ROLE)[0].id
        orders = shop.orders

        def place() -> None:
            site.state.purchases.place(cart)
            orders.place(customer, [{"sku": stocked.sku, "quantity": 3}], cart_id=cart, tax_rate="0.2")

        def placed() -> int:
            return max(orders.orders)

        yield "a title", lambda: shop.set_title(first, "Renamed in the shop")
        yield "a price", lambda: shop.set_price(priced.id, "123.45")
        yield "a stock level", lambda: shop.set_stock(stocked.id, stocked.stock_quantity + 7)
        yield "a draft", lambda: shop.set_status(first, "draft")
        yield "a missing SKU", lambda: shop.set_sku(nameless.id, "FOUND-1")
        yield "a product in the trash", lambda: shop.trash_product(second)
        yield "a product out of the trash", lambda: shop.restore_product(second)
        yield "a customer's address", lambda: shop.customers.update(customer, billing={"city": "Moved"})
        yield "an order", place
        yield "tracking", lambda: orders.set_tracking(placed(), "DPD", "DPD-1")
        yield "a refund", lambda: orders.refund(placed(), {next(iter(orders.get(placed()).lines)): 1})
        yield "a customer who lost the role", lambda: shop.customers.move_role(customer, "customer")

    def _sold(self) -> Iterator[Product]:
        return (row for row in self.state.products.values() if row.type != "variable")

    def _nameless(self) -> Product:
        return next(row for row in self._sold() if not row.sku)


DemoShop = BigCommerceDemo | WooCommerceDemo
"""A shop that the demo edits."""


@contextlib.asynccontextmanager
async def open_demo_shop(
    platform: str, site: SparkLayerOptions, *, few: bool
) -> AsyncIterator[tuple[DemoShop, SparkLayer]]:
    """Open a platform's shop, with `few` of an excerpt of the sample company, and a site that has its carts."""
    company = samples.excerpt() if few else samples.adventureworks()
    async with contextlib.AsyncExitStack() as stack:
        shop: DemoShop
        if platform == "bigcommerce":
            sandbox = await stack.enter_async_context(open_sandbox(store=found_store(company), sparklayer=site))
            shop, sparklayer = BigCommerceDemo(sandbox.bigcommerce), sandbox.sparklayer
        else:
            shop = WooCommerceDemo(await stack.enter_async_context(open_woocommerce(shop=found_shop(company))))
            sparklayer = await stack.enter_async_context(open_sparklayer(site))
        for cart in shop.carts():
            sparklayer.state.purchases.place(cart)
        yield shop, sparklayer


SHOPS = ("bigcommerce", "woocommerce")
