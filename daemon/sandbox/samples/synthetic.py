"""Any number of made-up products, customers and orders, always the same for the same arguments; for benchmarks.

Every product has 1 to 2v-1 variants, v on average. Those with one variant are simple. Product ids count from 1;
the SKU of variant k of product n is `S{n}-{k}`. All customers are in the group Wholesale, with one or two addresses and
an attribute. Every order is of one of them, from a cart, with three lines, or as many as there are products.
"""

import uuid

from daemon.sandbox.bigcommerce.records import (
    CustomField,
    CustomUrl,
    Entry,
    Image,
    OptionValue,
    Product,
    Variant,
)
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.samples.groups import WHOLESALE, add_groups

CREATED = "2026-01-01T00:00:00+00:00"
OPENED = 1_767_225_600
"""The same in seconds since the epoch."""

_PER_PRODUCT = 100
"""Ids kept for the parts of one product: its variants, SKUs and option values."""


def synthetic(products: int, variants_per_product: int = 3, *, customers: int = 0, orders: int = 0) -> Store:
    """Return a store with `products` products of `variants_per_product` variants on average (at most 16).

    Orders need products; without customers they are guests'.
    """
    store = Store(name="Synthetic Store")
    spread = 2 * variants_per_product - 1
    for product_id in range(1, products + 1):
        store.put(_entry(product_id, products, 1 + product_id % spread))
    with store.at(OPENED):
        if customers:
            add_groups(store)
        for number in range(1, customers + 1):
            _add_customer(store, number)
        for number in range(1, orders + 1):
            _add_order(store, number, customers)
    return store


def _add_customer(store: Store, number: int) -> None:
    first, last, company = f"First {number}", f"Last {number}", f"Company {number}"
    place = {"city": "Bothell", "state_or_province": "Washington", "postal_code": "98011", "country_code": "US"}
    who = {"first_name": first, "last_name": last, "company": company}
    store.customers.add(
        f"customer-{number}@example.com",
        group_id=WHOLESALE,
        first_name=first,
        last_name=last,
        company=company,
        addresses=[{"address1": f"{number}-{home} Road"} | place | who for home in range(1 + number % 2)],
        attributes={"group": f"group-{number % 5}"},
        silent=True,
    )


SHIPPED_EVERY = 4
"""Every so many orders one is shipped."""


def _add_order(store: Store, number: int, customers: int) -> None:
    products = len(store.ids)
    ordered = [store.ids[(number * 3 + place) % products] for place in range(min(3, products))]
    order = store.orders.place(
        1 + number % customers if customers else 0,
        [{"variant_id": store.entry(product_id).variants[0].id, "quantity": 1 + number % 9} for product_id in ordered],
        cart_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"synthetic cart {number}")),
        tax_rate="0.2",
        silent=True,
    )
    if number % SHIPPED_EVERY == 0:
        store.orders.ship(order, None, carrier="DPD", tracking_number=f"DPD-{number}", silent=True)


def _entry(product_id: int, products: int, count: int) -> Entry:
    first = products + product_id * _PER_PRODUCT
    simple = count == 1
    product = Product(
        id=product_id,
        name=f"Synthetic product {product_id}",
        custom_url=CustomUrl(f"/synthetic-product-{product_id}/"),
        date_created=CREATED,
        date_modified=CREATED,
        description="<p>A product that nobody needs, described in one sentence of ordinary length.</p>",
        price=10 + product_id % 90 + 0.5,
        weight=1 + product_id % 7,
        inventory_tracking="product" if simple else "variant",
        sort_order=product_id,
        base_variant_id=first if simple else None,
    )
    variants = [_variant(product_id, first, number, simple=simple) for number in range(count)]
    field = CustomField(first + 98, "Subcategory", f"Group {product_id % 40}")
    return Entry(product, variants, (_image(product_id, first + 99),), (field,))


def _variant(product_id: int, first: int, number: int, *, simple: bool) -> Variant:
    size = OptionValue(first + 64 + number, f"Size {number + 1}", first + 97, "Size")
    return Variant(
        id=first + number,
        product_id=product_id,
        sku=f"S{product_id}-{number + 1}",
        sku_id=None if simple else first + 32 + number,
        price=None if number % 2 == 0 else 11 + product_id % 90 + number,
        inventory_level=(product_id * 7 + number) % 200,
        option_values=() if simple else (size,),
    )


def _image(product_id: int, image_id: int) -> Image:
    url = f"https://cdn.example/images/{product_id}.jpg"
    return Image(
        id=image_id,
        product_id=product_id,
        is_thumbnail=True,
        sort_order=0,
        image_file=f"{product_id}.jpg",
        url_zoom=url,
        url_standard=url,
        url_thumbnail=url,
        url_tiny=url,
    )
