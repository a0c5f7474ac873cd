"""A small shop that trades, and every sort of edit that a merchant makes in it, by what brings it to SparkLayer.

    shop = trading_shop()
    SWEPT["title"](shop)        # each by its name; all of one table may be made in one shop, in their order

A table says how long an edit can stay unseen when no webhook tells of it: see "What can stay unseen" in
docs/operating.md.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox.woocommerce import B2B_ROLE, Shop

Edit = Callable[[Shop], object]

SECOND_ROLE = "sparklayer_b2b_gold"
HOME: Mapping[str, str] = {
    "address_1": "1 High Street",
    "city": "Bath",
    "postcode": "BA1 1AA",
    "country": "GB",
}
LINES: list[dict[str, Any]] = [{"sku": "J-S", "quantity": 5}, {"sku": "MUG", "quantity": 3, "discount": "1.01"}]


def cart(name: str) -> str:
    """Return the cart that an order was placed from."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"cart {name}"))


def trading_shop() -> Shop:
    """Return a shop with products of each sort, customers of each role, and orders in each state."""
    shop = Shop(weight_unit="kg", currency="GBP")
    for name, sku, stock in (("Mug", "MUG", 9), ("Cap", "CAP", None), ("Bowl", "BOWL", 4), ("Vase", "VASE", 1)):
        shop.add_product(name, sku=sku, price="7.50", weight="0.4", stock=stock, silent=True)
    for name in ("Pot", "Pan", "Jug"):
        shop.add_product(name, sku=name.upper(), price="12", stock=2, silent=True)
    sizes = [{"sku": f"J-{size}", "options": {"Size": size}, "price": "40", "stock": 3} for size in "SMLX"]
    shop.add_product("Jumper", sku="J", weight="1.5", variants=sizes, shared_attributes=True, silent=True)
    colours = [{"sku": f"F-{colour}", "options": {"Colour": colour}, "price": "15"} for colour in ("RED", "BLUE")]
    shop.add_product("Scarf", sku="F", stock=20, variants=colours, silent=True)
    shop.trash_product(shop.by_sku("JUG").id, silent=True)
    for role in (B2B_ROLE, SECOND_ROLE):
        shop.customers.add_role(role)
    for name, roles in (
        ("head", ["customer", B2B_ROLE]),
        ("branch", [B2B_ROLE]),
        ("leaver", ["customer", B2B_ROLE]),
        ("gone", [B2B_ROLE]),
        ("stays", [SECOND_ROLE, B2B_ROLE]),
        ("buyer", ["customer"]),
        ("joiner", ["customer"]),
    ):
        shop.customers.add(
            f"{name}@example.com", first_name=name.title(), roles=roles, billing=HOME, shipping=HOME, silent=True
        )
    for name in ("open", "shipped", "refunded", "trashed", "edited", "deleted", "kept"):
        order = shop.orders.place(
            _customer(shop, "head"), LINES, cart_id=cart(name), tax_rate="0.2", shipping="4.99", silent=True
        )
        if name in {"refunded", "kept"}:
            shop.orders.refund(order, {_line(shop, order): 2}, silent=True)
        if name == "kept":
            shop.orders.set_status(order, "completed", silent=True)
    shop.orders.place(_customer(shop, "buyer"), LINES, silent=True)
    return shop


def _customer(shop: Shop, name: str) -> int:
    return int(shop.customers.by_email(f"{name}@example.com").id)


def order_of(shop: Shop, name: str) -> int:
    """Return the id of an order, by the name of its cart."""
    return next(
        int(order.id)
        for order in shop.orders.orders.values()
        if any(row.value == cart(name) for row in order.meta if row.key == "sparklayer_cart_id")
    )


def _line(shop: Shop, order_id: int) -> int:
    return int(next(iter(shop.orders.get(order_id).lines)))


def _id(shop: Shop, sku: str) -> int:
    return int(shop.by_sku(sku).id)


def _delete_refund(shop: Shop) -> None:
    order = shop.orders.get(order_of(shop, "refunded"))
    shop.orders.delete_refund(order.id, order.refunds[0].id)


def _child(shop: Shop) -> None:
    shop.customers.set_meta(_customer(shop, "branch"), "sparklayer_parent_customer_id", str(_customer(shop, "head")))


PRODUCT_EDITS: dict[str, Edit] = {
    "title": lambda shop: shop.set_title(_id(shop, "MUG"), "Beaker"),
    "price": lambda shop: shop.set_price(_id(shop, "MUG"), "8.25"),
    "stock": lambda shop: shop.set_stock(_id(shop, "MUG"), 0),
    "stock begins to be managed": lambda shop: shop.set_stock(_id(shop, "CAP"), 6),
    "stock is managed no longer": lambda shop: shop.update(_id(shop, "BOWL"), manage_stock=False),
    "weight": lambda shop: shop.set_weight(_id(shop, "MUG"), "0.6"),
    "SKU": lambda shop: shop.set_sku(_id(shop, "CAP"), "CAP-2"),
    "draft": lambda shop: shop.set_status(_id(shop, "BOWL"), "draft"),
    "trashed": lambda shop: shop.trash_product(_id(shop, "PAN")),
    "restored": lambda shop: shop.restore_product(_id(shop, "JUG")),
    "product added": lambda shop: shop.add_product("Tray", sku="TRAY", price="3", stock=1),
    "variation's price": lambda shop: shop.set_price(_id(shop, "J-S"), "41.5"),
    "variation's stock": lambda shop: shop.set_stock(_id(shop, "J-S"), 17),
    "variation's weight": lambda shop: shop.set_weight(_id(shop, "J-M"), "2"),
    "variation's place": lambda shop: shop.update(_id(shop, "J-S"), menu_order=5),
    "variation private": lambda shop: shop.set_status(_id(shop, "J-L"), "private"),
    "variation added": lambda shop: shop.add_variation(
        shop.product(_id(shop, "J-S")).parent_id, sku="J-T", options={"Size": "T"}, price="44", stock=2
    ),
    "variation deleted": lambda shop: shop.delete_variation(_id(shop, "J-X")),
    "shared stock": lambda shop: shop.set_stock(shop.product(_id(shop, "F-RED")).parent_id, 11),
}
CUSTOMER_EDITS: dict[str, Edit] = {
    "customer's name": lambda shop: shop.customers.update(_customer(shop, "head"), first_name="Ann", last_name="Lee"),
    "billing address": lambda shop: shop.customers.update(_customer(shop, "head"), billing={"address_2": "Yard"}),
    "shipping address": lambda shop: shop.customers.update(_customer(shop, "head"), shipping={"city": "Wells"}),
    "attribute": lambda shop: shop.customers.set_meta(_customer(shop, "head"), "sparklayer_group", "gold"),
    "parent": _child,
    "joins by the profile page": lambda shop: shop.customers.move_role(_customer(shop, "buyer"), SECOND_ROLE),
    "customer added": lambda shop: shop.customers.add("new@example.com", roles=[B2B_ROLE], billing=HOME),
}
ORDER_EDITS: dict[str, Edit] = {
    "order shipped": lambda shop: shop.orders.set_status(order_of(shop, "shipped"), "completed"),
    "tracking": lambda shop: shop.orders.set_tracking(order_of(shop, "open"), "dpd", "DPD-1", "https://t.example/1"),
    "quantity": lambda shop: shop.orders.set_quantity(
        order_of(shop, "edited"), _line(shop, order_of(shop, "edited")), 2
    ),
    "line added": lambda shop: shop.orders.add_line(order_of(shop, "edited"), sku="BOWL", quantity=4),
    "refund": lambda shop: shop.orders.refund(
        order_of(shop, "edited"), {_line(shop, order_of(shop, "edited")): 1}, reason="broken"
    ),
    "refund deleted": _delete_refund,
    "order trashed": lambda shop: shop.orders.trash(order_of(shop, "trashed")),
    "order placed": lambda shop: shop.orders.place(
        _customer(shop, "head"), [{"sku": "MUG", "quantity": 2}], cart_id=cart("new")
    ),
}
SETTINGS_EDITS: dict[str, Edit] = {
    "tax in prices": lambda shop: shop.update_settings(tax_inclusive=True),
    "unit of weight": lambda shop: shop.update_settings(weight_unit="g"),
}
SWEPT = PRODUCT_EDITS | CUSTOMER_EDITS | ORDER_EDITS | SETTINGS_EDITS
"""Edits that one sweep brings, by their date or because the sweep reads them in any case."""

SILENT = {"tax in prices", "unit of weight", "variation deleted", "refund deleted", "attribute", "parent"}
"""Edits of `SWEPT` that WooCommerce announces to nobody."""

UNANNOUNCED: dict[str, Edit] = {
    "joins by code": lambda shop: shop.customers.set_roles(_customer(shop, "joiner"), ["customer", B2B_ROLE]),
    "attribute by a plugin": lambda shop: shop.customers.set_meta(
        _customer(shop, "stays"), "sparklayer_accounting_id", "A-1"
    ),
}
"""Edits that WooCommerce announces to nobody, and that one sweep brings as well."""

COUNTED: dict[str, Edit] = {
    "product deleted": lambda shop: shop.delete_product(_id(shop, "VASE")),
    "trash emptied": lambda shop: shop.empty_trash(),
    "product with variations deleted": lambda shop: shop.delete_product(shop.product(_id(shop, "F-BLUE")).parent_id),
    "customer deleted": lambda shop: shop.customers.delete(_customer(shop, "gone"), silent=True),
    "leaves by the profile page": lambda shop: shop.customers.move_role(_customer(shop, "branch"), "customer"),
    "leaves by code": lambda shop: shop.customers.set_roles(_customer(shop, "leaver"), ["customer"]),
    "role deleted": lambda shop: shop.customers.delete_role(SECOND_ROLE),
    "order deleted": lambda shop: shop.orders.delete(order_of(shop, "deleted")),
}
"""Removals of which no list of changes tells: one census brings them."""


def _delete_refund_of_completed(shop: Shop) -> None:
    order = shop.orders.get(order_of(shop, "kept"))
    shop.orders.delete_refund(order.id, order.refunds[0].id)


def _price_in_database(shop: Shop) -> None:
    with shop.unstamped():
        shop.set_price(_id(shop, "POT"), "13", silent=True)


READ_DAILY: dict[str, Edit] = {
    "term renamed": lambda shop: shop.rename_term("Size", "S", "Small"),
    "price written into the database": _price_in_database,
    "refund of a completed order deleted": _delete_refund_of_completed,
}
"""Edits that move no date and that no list shows: the daily read of everything brings them."""

UNDATED_ORDERS: dict[str, Edit] = {
    "tracking": ORDER_EDITS["tracking"],
    "quantity": lambda shop: shop.orders.set_quantity(
        order_of(shop, "edited"), _line(shop, order_of(shop, "edited")), 2, silent=True
    ),
    "line added": lambda shop: shop.orders.add_line(order_of(shop, "edited"), sku="BOWL", quantity=4, silent=True),
    "refund deleted": _delete_refund,
    "cart named later": lambda shop: shop.orders.set_meta(
        max(shop.orders.orders), "sparklayer_cart_id", cart("later"), silent=True
    ),
}
"""Edits of open orders that move no date where orders are posts: one sweep brings them."""
