"""Forty made-up orders of the sample company, one a day, the same every time: twelve placed through SparkLayer.

`SCRIPT` says what the first thirteen are and what became of them; the thirteenth has its cart id in the staff notes
only. The others are plain orders that SparkLayer does not know.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from daemon.sandbox.company import Company, Order, Parcel

FIRST = 101
"""Number of the sample company's first order."""
COUNT = 40
WITH_CART = 12
IN_NOTES = FIRST + WITH_CART
"""The order whose cart id stands in the staff notes."""

NOTE = "SparkLayer cart: "
MANY_LINES = 60
_DAY = 86_400

Lines = list[dict[str, Any]]


def cart_id(order_id: int) -> str:
    """Return the cart that an order of the script was placed from."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"cart of order {order_id}"))


def _parts(*wanted: tuple[str, int]) -> Lines:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]


_TAXED = {"tax_rate": "0.2", "shipping": "12.50"}
_SHIPPED = {"parcels": [Parcel(carrier="ups", tracking="1Z", link="https://track.example/1Z")]}
_PARTLY = {"parcels": [Parcel(carrier="dhl", tracking="JD", parts_of=2)]}
_TWO_PARCELS = {"parcels": [*_PARTLY["parcels"], *_SHIPPED["parcels"]]}
_CANCELLED = {"cancelled": True}
_EACH = [("HL-U509-R", 1), ("LJ-0192-S", 1), ("LJ-0192-M", 1)]
_ENGRAVED = [
    {"sku": "HL-U509-R", "quantity": 2},
    {"sku": "LJ-0192-L", "quantity": 1, "to": "pickup"},
    {"name": "Frame engraving", "price": "25", "quantity": 1},
]

SCRIPT: Sequence[tuple[Lines, dict[str, Any]]] = (
    (_parts(("HL-U509-R", 6), ("LJ-0192-S", 3)), {}),
    (_parts(("HL-U509-R", 12), ("SO-R809-M", 20)), _SHIPPED | _TAXED),
    (_parts(("LJ-0192-M", 5), ("LJ-0192-L", 5)), _PARTLY),
    (_parts(("LJ-0192-S", 4), ("LJ-0192-M", 4)), _TWO_PARCELS | _TAXED),
    (_parts(("FR-R92R-62", 2), ("HL-U509-R", 6)), _SHIPPED | _TAXED | {"returned": [1]}),
    (_parts(("FR-R92R-62", 1)), _CANCELLED),
    (_parts(*_EACH * (MANY_LINES // 3)), _TAXED),
    (_ENGRAVED, _TAXED),
    ([{"sku": "FR-R92R-62", "quantity": 3, "discount": "100.05"}], _TAXED),
    (_parts(("LJ-0192-X", 7)), {"tax_rate": "0.0825", "shipping": "4.99"}),
    (_parts(("LJ-0192-S", 2), ("LJ-0192-X", 1)), _SHIPPED | {"returned": [2, 1]}),
    (_parts(("HL-U509-R", 1)), {"unpaid": True}),
    (_parts(("HL-U509-R", 8)), _SHIPPED | {"notes": f"{NOTE}{cart_id(IN_NOTES)}"}),
)
"""Orders of trade customers 1, 2, 3, ..., and their states; all but the last from a cart."""

_FATES: dict[int, dict[str, Any]] = {
    20: _SHIPPED,
    25: _SHIPPED | {"returned": [1]},
    30: _CANCELLED,
    COUNT: {"archived": True},
}


def trade_orders(company: Company) -> Iterator[Order]:
    """Return the orders of the company, the first a day after it opened."""
    skus = [variant.sku for product in company.products for variant in product.variants if variant.sku]
    for number in range(1, COUNT + 1):
        wanted = ((skus[number * 7 % len(skus)], 1 + number % 3), (skus[number * 11 % len(skus)], 1))
        plain = (_parts(*wanted), _FATES.get(number, {}))
        lines, more = SCRIPT[number - 1] if number <= len(SCRIPT) else plain
        placed = company.opened + number * _DAY
        yield Order(
            customer=_customer(len(company.customers), number),
            lines=lines,
            cart=cart_id(FIRST + number - 1) if number <= WITH_CART else None,
            placed=placed,
            settled=placed + _DAY,
            **more,
        )


def _customer(customers: int, number: int) -> int:
    """Return who ordered: a trade customer, a shopper, or now and then a guest."""
    if number <= len(SCRIPT):
        return number
    return 0 if number % 9 == 0 else customers - 29 + number % 30
