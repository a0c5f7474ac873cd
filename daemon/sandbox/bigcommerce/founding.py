"""A BigCommerce store made of a company: everything that there is when the first edit comes.

Products have the ids 1 to n, customers too, in the company's order; all else comes after. Nothing is announced.
"""

from typing import Any

from daemon.sandbox.bigcommerce.order_book import AWAITING_FULFILLMENT, AWAITING_PAYMENT
from daemon.sandbox.bigcommerce.records import CustomField, Image
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.company import GROUPS, GUESTS, RETAIL, Company, Customer, Order, Product

ADDRESS = {"street": "address1", "street2": "address2", "state": "state_or_province", "postcode": "postal_code"}
"""BigCommerce's names for parts of an address, where they differ."""
ELSEWHERE = "erp"
"""Another app's namespace of metafields."""


def found(company: Company) -> Store:
    """Return the store of a company."""
    store = Store(name=company.name, currency=company.currency)
    with store.at(company.opened):
        ids = [store.new_id() for _ in company.products]
        for product_id, product in zip(ids, company.products, strict=True):
            _stock(store, product_id, product)
        if company.customers:
            add_groups(store)
        for customer in company.customers:
            _welcome(store, customer)
    by_sku = {variant.sku: variant.id for variant in store.variants()}
    for order in company.orders:
        _take(store, order, by_sku)
    return store


def add_groups(store: Store) -> None:
    """Add the groups of customers to a store that has none."""
    for number, name in GROUPS.items():
        if store.customers.add_group(name, default=number == RETAIL, guests=number == GUESTS) != number:
            raise ValueError("the store had groups")


def _stock(store: Store, product_id: int, product: Product) -> None:
    variants = [
        {
            "sku": variant.sku,
            "options": variant.options,
            "price": variant.price,
            "weight": variant.weight,
            "stock": variant.stock,
            "image_url": variant.picture,
        }
        for variant in product.variants
    ]
    store.add_product(
        product.title,
        price=product.price,
        weight=product.weight,
        tracking=None if product.tracked else "none",
        variants=variants,
        silent=True,
        id=product_id,
        description=f"<p>{product.description}</p>" if product.description else "",
        is_visible=product.visible,
        sort_order=product_id,
    )
    entry = store.entry(product_id)
    entry.images = (_image(store.new_id(), product_id, product.title),)
    entry.custom_fields = (CustomField(store.new_id(), "Subcategory", product.category),)
    for key, text in product.attributes.items():
        store.metafields.set("product", product_id, key, text, silent=True)
    for key, text in product.foreign.items():
        store.metafields.set("product", product_id, key, text, namespace=ELSEWHERE, silent=True)
    for variant, sold in zip(entry.variants, product.variants, strict=True):
        for key, text in sold.attributes.items():
            store.metafields.set("variant", variant.id, key, text, silent=True)


def _image(image_id: int, product_id: int, title: str) -> Image:
    name = "-".join(title.lower().split())
    url = f"https://cdn.example/images/{name}"
    sizes = (f"{url}.{pixels}.jpg" for pixels in (1280, 500, 220, 44))
    return Image(image_id, product_id, True, 0, f"{name}.jpg", *sizes, description=title)


def _welcome(store: Store, customer: Customer) -> None:
    who: dict[str, Any] = {
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "company": customer.company,
    }
    store.customers.add(
        customer.email,
        group_id=customer.group,
        phone=customer.phone,
        addresses=[{ADDRESS.get(name, name): part for name, part in home.items()} | who for home in customer.addresses],
        attributes=customer.attributes,
        silent=True,
        **who,
    )


def _take(store: Store, order: Order, by_sku: dict[str, int]) -> None:
    lines = [{"variant_id": by_sku.get(line.get("sku", "")), **line} for line in order.lines]
    with store.at(order.placed):
        order_id = store.orders.place(
            order.customer,
            lines,
            cart_id=order.cart,
            staff_notes=order.notes,
            tax_rate=order.tax_rate,
            shipping=order.shipping,
            status_id=AWAITING_PAYMENT if order.unpaid else AWAITING_FULFILLMENT,
            silent=True,
        )
    placed = list(store.orders.get(order_id).lines)
    with store.at(order.settled):
        for parcel in order.parcels:
            items = None if parcel.parts_of is None else {placed[0]: parcel.parts_of}
            store.orders.ship(
                order_id, items, carrier=parcel.carrier, tracking_number=parcel.tracking, link=parcel.link
            )
        for line_id, parts_of in zip(placed, order.returned, strict=False):
            store.orders.refund(order_id, line_id, parts_of)
        if order.cancelled:
            store.orders.cancel(order_id)
        if order.archived:
            store.orders.archive(order_id)
