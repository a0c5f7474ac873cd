"""Any number of made-up products, customers and orders, always the same for the same arguments; for benchmarks.

Every product has 1 to 2v-1 variants, v on average. Those with one variant are simple. The SKU of variant k of product
n is `S{n}-{k}`. All customers are in the group Wholesale, with one or two addresses and an attribute. Every order is of
one of them, from a cart, with three lines, or as many as there are products.
"""

import uuid
from collections.abc import Sequence

from daemon.sandbox.company import WHOLESALE, Company, Customer, Order, Parcel, Product, Variant

OPENED = 1_767_225_600
SHIPPED_EVERY = 4
"""Every so many orders one is shipped."""


def synthetic(products: int, variants_per_product: int = 3, *, customers: int = 0, orders: int = 0) -> Company:
    """Return a company with `products` products of `variants_per_product` variants on average (at most 16).

    Orders need products; without customers they are guests'.
    """
    spread = 2 * variants_per_product - 1
    sold = [_product(number, 1 + number % spread) for number in range(1, products + 1)]
    return Company(
        name="Synthetic Store",
        products=sold,
        customers=[_customer(number) for number in range(1, customers + 1)],
        orders=[_order(number, sold, customers) for number in range(1, orders + 1)],
        opened=OPENED,
    )


def _product(number: int, count: int) -> Product:
    return Product(
        title=f"Synthetic product {number}",
        description="A product that nobody needs, described in one sentence of ordinary length.",
        category=f"Group {number % 40}",
        price=10 + number % 90 + 0.5,
        weight=1 + number % 7,
        variants=[
            Variant(
                sku=f"S{number}-{place + 1}",
                options={"Size": f"Size {place + 1}"} if count > 1 else {},
                price=None if place % 2 == 0 else 11 + number % 90 + place,
                stock=(number * 7 + place) % 200,
            )
            for place in range(count)
        ],
    )


def _customer(number: int) -> Customer:
    place = {"city": "Bothell", "state": "Washington", "postcode": "98011", "country_code": "US"}
    return Customer(
        email=f"customer-{number}@example.com",
        group=WHOLESALE,
        first_name=f"First {number}",
        last_name=f"Last {number}",
        company=f"Company {number}",
        addresses=[{"street": f"{number}-{home} Road"} | place for home in range(1 + number % 2)],
        attributes={"group": f"group-{number % 5}"},
    )


def _order(number: int, products: Sequence[Product], customers: int) -> Order:
    ordered = [products[(number * 3 + place) % len(products)] for place in range(min(3, len(products)))]
    shipped = number % SHIPPED_EVERY == 0
    return Order(
        customer=1 + number % customers if customers else 0,
        lines=[{"sku": product.variants[0].sku, "quantity": 1 + number % 9} for product in ordered],
        placed=OPENED,
        settled=OPENED,
        cart=str(uuid.uuid5(uuid.NAMESPACE_OID, f"synthetic cart {number}")),
        tax_rate="0.2",
        parcels=[Parcel(carrier="DPD", tracking=f"DPD-{number}")] if shipped else (),
    )
