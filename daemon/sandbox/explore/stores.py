"""The stores that a person can explore: each platform's edits behind one face.

A unit is what is sold by a SKU: a variant, or a product without variants. What has no SKU is not synced, so it is not
shown here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from daemon.sandbox.bigcommerce.records import Product, number
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.company import WHOLESALE
from daemon.sandbox.expectation import expected, expected_orders
from daemon.sandbox.expectation.products import PRICE_LIST, SHOP_PRICE_LIST, Picture
from daemon.sandbox.woocommerce.catalogue import TRASH
from daemon.sandbox.woocommerce.founding import B2B_ROLE
from daemon.sandbox.woocommerce.shop import Shop

S = TypeVar("S", Store, Shop)


class ExploredStore(ABC, Generic[S]):
    """A store that a person edits. Ids are the platform's."""

    price_list: ClassVar[str]
    """Slug of the price list in SparkLayer."""

    def __init__(self, store: S) -> None:
        self.store: S = store

    @abstractmethod
    def titles(self) -> Mapping[int, str]:
        """Return the products by id."""

    @abstractmethod
    def buyers(self) -> Mapping[int, str]:
        """Return the trade customers by id."""

    @abstractmethod
    def tracked(self, unit_id: int) -> bool:
        """Return true if the store counts the stock of a unit. Raises KeyError."""

    @abstractmethod
    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the price of a unit."""

    def place(self, customer_id: int, sku: str, quantity: int, cart: str) -> None:
        """Place an order that began as a cart of SparkLayer's storefront."""
        self.store.orders.place(customer_id, [{"sku": sku, "quantity": quantity}], cart_id=cart)

    def products(self) -> Picture:
        """Return {"products", "stock", "prices"} as SparkLayer must hold them; see `expectation`."""
        return expected(self.store)

    def orders(self) -> Picture:
        """Return the purchases that SparkLayer must hold, by cart."""
        return expected_orders(self.store)


class BigCommerceStore(ExploredStore[Store]):
    """A store on BigCommerce."""

    price_list = PRICE_LIST

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

    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the price of a variant."""
        self.store.set_price(self._owner(unit_id).id, number(float(price)), unit_id)

    def _owner(self, unit_id: int) -> Product:
        product: Product = self.store.entry(self.store.variant(unit_id).product_id).product
        return product


class WooCommerceStore(ExploredStore[Shop]):
    """A shop on WooCommerce."""

    price_list = SHOP_PRICE_LIST

    def titles(self) -> Mapping[int, str]:
        """Return the products by id."""
        return {product.id: product.name for product in self.store.tops.values() if product.status != TRASH}

    def buyers(self) -> Mapping[int, str]:
        """Return the trade customers by id."""
        return {
            person.id: _named(person.billing.get("company", ""), person.first_name, person.last_name)
            for person in self.store.customers.with_role(B2B_ROLE)
        }

    def tracked(self, unit_id: int) -> bool:
        """Return true, because a level that is set is counted from then on. Raises KeyError."""
        return bool(self.store.product(unit_id))

    def set_price(self, unit_id: int, price: Decimal) -> None:
        """Set the regular price of a product or variation."""
        self.store.set_price(unit_id, f"{price:f}")


def _named(company: str, *names: str) -> str:
    person = " ".join(filter(None, names))
    return f"{company} ({person})" if company and person else company or person
