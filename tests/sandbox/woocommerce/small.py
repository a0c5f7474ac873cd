"""A small shop for tests, with the ids of what it has."""

from typing import Any

from daemon.sandbox.woocommerce import B2B_ROLE, Shop

OPENED = 1_790_000_000
MUG, JUMPER, SMALL, MEDIUM = 1, 2, 3, 4
ANN, BOB = 2, 3
ORDER = 5


def small_shop() -> Shop:
    """Return a shop with a mug, a jumper in two sizes, two customers and an order of two mugs."""
    shop = Shop()
    with shop.at(OPENED):
        shop.add_product("Mug", price="7.50", sku="MUG", weight="0.4", stock=9)
        sizes: list[dict[str, Any]] = [
            {"sku": "J-S", "options": {"Size": "S"}, "price": "40", "stock": 3},
            {"options": {"Size": "M"}, "price": "41", "stock": 0},
        ]
        shop.add_product("Jumper", sku="J", weight="1.5", variants=sizes, shared_attributes=True)
        shop.customers.add_role(B2B_ROLE)
        shop.customers.add("ann@example.com", first_name="Ann", roles=["customer", B2B_ROLE])
        shop.customers.add("bob@example.com", first_name="Bob")
        lines = [{"sku": "MUG", "quantity": 2}]
        shop.orders.place(ANN, lines, cart_id="cart", status="pending", tax_rate="0.2", shipping="5")
    return shop
