"""The stores that a person can explore: each platform's edits behind one face.

A unit is what is sold by a SKU: a variant, or a product without variants. What has no SKU is not synced, so it is not
shown here.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from attrs import frozen

from daemon.sandbox.bigcommerce.records import Product, number
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.expectation import woocommerce
from daemon.sandbox.expectation.orders import expected_orders
from daemon.sandbox.expectation.picture import Picture
from daemon.sandbox.expectation.products import PRICE_LIST, expected
from daemon.sandbox.expectation.woocommerce.orders import expected_orders as expected_shop_orders
from daemon.sandbox.expectation.woocommerce.products import expected_products
from daemon.sandbox.woocommerce.founding import B2B_ROLE
from daemon.sandbox.woocommerce.records import TRASH
from daemon.sandbox.woocommerce.shop import Shop


class ExploredStore(Protocol):
    """A store that a person edits. Ids are the platform's."""

    @property
    def price_list(self) -> str:
        """Slug of the price list in SparkLayer."""
        ...

    def titles(self) -> Mapping[int, str]:
        """Return the products by id."""
        ...

    def buyers(self) -> Mapping[int, str]:
        """Return the trade customers by id."""
        ...

    def tracked(self, unit_id: int) -> bool:
        """Return true if the store counts the stock of a unit. Raises KeyError."""
        ...

    def set_title(self, product_id: int, title: str) -> None:
        """Rename a product."""
        ...

    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the price of a unit."""
        ...

    def set_stock(self, unit_id: int, level: int) -> None:
        """Set the stock of a unit."""
        ...

    def place(self, customer_id: int, sku: str, quantity: int, cart: str) -> None:
        """Place an order that began as a cart of SparkLayer's storefront."""
        ...

    def products(self) -> Picture:
        """Return {"products", "stock", "prices"} as SparkLayer must hold them; see `expectation`."""
        ...

    def orders(self) -> Picture:
        """Return the purchases that SparkLayer must hold, by cart."""
        ...


@frozen
class BigCommerceStore:
    """A store on BigCommerce."""

    store: Store
    price_list: str = PRICE_LIST

    def titles(self) -> Mapping[int, str]:
        """Return the products by id."""
        return {product_id: entry.product.name for product_id, entry in sorted(self.store.entries.items())}

    def buyers(self) -> Mapping[int, str]:
        """Return the trade customers by id."""
        people = [person.customer for person in self.store.customers.in_groups(WHOLESALE)]
        return {person.id: _named(person.company, person.first_name, person.last_name) for person in people}

    def tracked(self, unit_id: int) -> bool:
        """Return true if the store counts the stock of a variant. Raises KeyError."""
        return bool(self._owner(unit_id).inventory_tracking != "none")

    def set_title(self, product_id: int, title: str) -> None:
        """Rename a product."""
        self.store.set_title(product_id, title)

    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the price of a variant."""
        self.store.set_price(self._owner(unit_id).id, number(float(price)), unit_id)

    def set_stock(self, unit_id: int, level: int) -> None:
        """Set the stock of a variant."""
        self.store.set_stock(unit_id, level)

    def place(self, customer_id: int, sku: str, quantity: int, cart: str) -> None:
        """Place an order that began as a cart of SparkLayer's storefront."""
        self.store.orders.place(customer_id, [{"sku": sku, "quantity": quantity}], cart_id=cart)

    def products(self) -> Picture:
        """Return the products as SparkLayer must hold them."""
        return expected(self.store)

    def orders(self) -> Picture:
        """Return the purchases that SparkLayer must hold, by cart."""
        return expected_orders(self.store)

    def _owner(self, unit_id: int) -> Product:
        return self.store.entry(self.store.variant(unit_id).product_id).product


@frozen
class WooCommerceStore:
    """A shop on WooCommerce."""

    shop: Shop
    price_list: str = woocommerce.PRICE_LIST

    def titles(self) -> Mapping[int, str]:
        """Return the products by id."""
        return {product.id: product.name for product in self.shop.tops.values() if product.status != TRASH}

    def buyers(self) -> Mapping[int, str]:
        """Return the trade customers by id."""
        people = self.shop.customers.with_role(B2B_ROLE)
        return {
            person.id: _named(person.billing.get("company", ""), person.first_name, person.last_name)
            for person in people
        }

    def tracked(self, unit_id: int) -> bool:
        """Return true, because a level that is set is counted from then on. Raises KeyError."""
        return bool(self.shop.product(unit_id))

    def set_title(self, product_id: int, title: str) -> None:
        """Rename a product."""
        self.shop.set_title(product_id, title)

    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the regular price of a product or variation."""
        self.shop.set_price(unit_id, f"{price:f}")

    def set_stock(self, unit_id: int, level: int) -> None:
        """Set the stock of a product or variation."""
        self.shop.set_stock(unit_id, level)

    def place(self, customer_id: int, sku: str, quantity: int, cart: str) -> None:
        """Place an order that began as a cart of SparkLayer's storefront."""
        self.shop.orders.place(customer_id, [{"sku": sku, "quantity": quantity}], cart_id=cart)

    def products(self) -> Picture:
        """Return the products as SparkLayer must hold them."""
        return expected_products(self.shop)

    def orders(self) -> Picture:
        """Return the purchases that SparkLayer must hold, by cart."""
        return expected_shop_orders(self.shop)


def _named(*parts: str) -> str:
    company, *names = parts
    person = " ".join(filter(None, names))
    return f"{company} ({person})" if company and person else company or person
