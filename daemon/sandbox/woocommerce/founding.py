"""A WooCommerce shop made of a company: everything that there is when the first edit comes. Nothing is announced.

Every other trade customer has the B2B role beside `customer`, so that the API does not show it; the others have it
alone. Only two of a customer's addresses fit. Attributes become meta data with SparkLayer's prefix, another app's
with its own.
"""

from collections.abc import Mapping

from daemon.sandbox.company import WHOLESALE, Company, Customer, Order, Product
from daemon.sandbox.woocommerce.shop import Shop

B2B_ROLE = "sparklayer_b2b_base"
"""Slug of the role that SparkLayer's pages call "SparkLayer B2B: Base"; inferred from that name."""
PREFIX = "sparklayer_"
ELSEWHERE = "erp_"
PARENT = "parent_customer_id"

PARTS = {"street": "address_1", "street2": "address_2", "city": "city", "state": "state", "postcode": "postcode"}
"""WooCommerce's names for the parts of an address; its country is a code."""


def found(company: Company) -> Shop:
    """Return the shop of a company."""
    shop = Shop(name=company.name, currency=company.currency)
    # A product's SKU may not be one of a variant: AdventureWorks sells a helmet HL-U509 beside HL-U509-R.
    taken = {variant.sku for product in company.products for variant in product.variants}
    with shop.at(company.opened):
        for product in company.products:
            _stock(shop, product, taken)
        if company.customers:
            shop.customers.add_role(B2B_ROLE)
        ids = [_welcome(shop, number, customer) for number, customer in enumerate(company.customers, start=1)]
        # A parent's number in the company becomes an id of the shop, which the administrator shifts.
        for row in (row for customer_id in ids for row in shop.customers.get(customer_id).meta):
            if row.key == PREFIX + PARENT:
                row.value = str(ids[int(row.value) - 1])
    by_sku = {row.sku: row.id for row in shop.products.values() if row.sku}
    for order in company.orders:
        _take(shop, order, ids, by_sku)
    return shop


def _stock(shop: Shop, product: Product, taken: set[str]) -> None:
    single = product.variants[0] if len(product.variants) == 1 and not product.variants[0].options else None
    variants = [] if single else product.variants
    product_id = shop.add_product(
        product.title,
        price=product.price if single else "",
        sku=single.sku if single else _family(product, taken),
        weight=_text(product.weight),
        stock=single.stock if single and product.tracked else None,
        variants=[
            {
                "sku": variant.sku,
                "options": variant.options,
                "price": product.price if variant.price is None else variant.price,
                "weight": "" if variant.weight is None else _text(variant.weight),
                "stock": variant.stock if product.tracked else None,
            }
            for variant in variants
        ],
        description=f"<p>{product.description}</p>\n" if product.description else "",
        category=product.category,
        status="publish" if product.visible else "private",
        shared_attributes=True,
        silent=True,
    )
    picture = "-".join(product.title.lower().split())
    shop.product(product_id).image = (shop.new_id(), f"https://cdn.example/images/{picture}.jpg")
    _attribute(shop, product_id, product.attributes, PREFIX)
    _attribute(shop, product_id, product.foreign, ELSEWHERE)
    for row, variant in zip(shop.variations_of(product_id), variants, strict=True):
        _attribute(shop, row.id, variant.attributes, PREFIX)
    if single:
        _attribute(shop, product_id, single.attributes, PREFIX)


def _family(product: Product, taken: set[str]) -> str:
    """Return a SKU for a variable product, which its variations without one then show; "" if it is taken."""
    family = next((variant.sku.rpartition("-")[0] for variant in product.variants if variant.sku), "")
    if family in taken:
        return ""
    taken.add(family)
    return family


def _attribute(shop: Shop, product_id: int, attributes: Mapping[str, str], prefix: str) -> None:
    for key, text in attributes.items():
        shop.write_meta(shop.product(product_id).meta, prefix + key, text)


def _welcome(shop: Shop, number: int, customer: Customer) -> int:
    who = {"first_name": customer.first_name, "last_name": customer.last_name, "company": customer.company}
    who |= {"phone": customer.phone}
    homes = [
        {name: home.get(part, "") for part, name in PARTS.items()} | {"country": home.get("country_code", "")} | who
        for home in customer.addresses[:2]
    ]
    trade = [B2B_ROLE] if number % 2 else ["customer", B2B_ROLE]
    return shop.customers.add(
        customer.email,
        username=f"user{number}",
        first_name=customer.first_name,
        last_name=customer.last_name,
        roles=trade if customer.group == WHOLESALE else ["customer"],
        billing=homes[0] | {"email": customer.email} if homes else {"company": customer.company},
        shipping=homes[-1] if homes else None,
        meta={_key(name): text for name, text in customer.attributes.items()},
        silent=True,
    )


def _key(name: str) -> str:
    """Return the key of a customer's attribute, however the company spells it."""
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain if plain.startswith(PREFIX) else PREFIX + plain


def _take(shop: Shop, order: Order, ids: list[int], by_sku: Mapping[str, int]) -> None:
    orders = shop.orders
    lines = [{"product_id": by_sku.get(line.get("sku", "")), **line} for line in order.lines]
    with shop.at(order.placed):
        order_id = orders.place(
            ids[order.customer - 1] if order.customer else 0,
            lines,
            cart_id=order.cart,
            tax_rate=order.tax_rate,
            shipping=order.shipping,
            status="pending" if order.unpaid else "processing",
            # The company's stock is what is left after its orders.
            takes_stock=False,
            silent=True,
        )
    placed = orders.get(order_id)
    for line in placed.lines.values():
        line.reduced_stock = line.quantity
    with shop.at(order.settled):
        if order.notes:
            orders.add_note(order_id, order.notes)
        for parcel in order.parcels:
            orders.set_tracking(order_id, parcel.carrier, parcel.tracking, parcel.link, added=True)
        if order.parcels and any(parcel.parts_of is None for parcel in order.parcels):
            orders.set_status(order_id, "completed", silent=True)
        returned = {line_id: back for line_id, back in zip(placed.lines, order.returned, strict=False) if back}
        if returned:
            orders.refund(order_id, returned)
        if order.cancelled:
            orders.cancel(order_id)
        if order.archived:
            orders.trash(order_id)


def _text(weight: float) -> str:
    return f"{weight:.10g}" if weight else ""
