"""Forty made-up orders of the sample company, one a day, the same every time: twelve placed through SparkLayer.

`SCRIPT` says what the first thirteen are and what became of them; the thirteenth has its cart id in the staff notes
only. The others are plain orders that SparkLayer does not know.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from daemon.sandbox.bigcommerce.order_book import FIRST
from daemon.sandbox.bigcommerce.store import Store

COUNT = 40
WITH_CART = 12
IN_NOTES = FIRST + WITH_CART
"""The order whose cart id stands in the staff notes."""

NOTE = "SparkLayer cart: "
MANY_LINES = 60
_DAY = 86_400

Lines = list[dict[str, Any]]
Fate = Callable[[Store, int], object]


def cart_id(order_id: int) -> str:
    """Return the cart that an order of the script was placed from."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"cart of order {order_id}"))


@frozen(kw_only=True)
class _Scripted:
    """An order of a trade customer. `fate` happens a day after it was placed."""

    lines: Lines
    fate: Fate | None = None
    terms: Mapping[str, Any] = {}


def _shipped(store: Store, order_id: int) -> None:
    store.orders.ship(order_id, carrier="ups", tracking_number=f"1Z{order_id}", link="https://track.example/1Z")


def _partly_shipped(store: Store, order_id: int) -> None:
    first = next(iter(store.orders.get(order_id).lines))
    store.orders.ship(order_id, {first: 2}, carrier="dhl", tracking_number=f"JD{order_id}")


def _in_two_parcels(store: Store, order_id: int) -> None:
    _partly_shipped(store, order_id)
    _shipped(store, order_id)


def _partly_returned(store: Store, order_id: int) -> None:
    _shipped(store, order_id)
    store.orders.refund(order_id, next(iter(store.orders.get(order_id).lines)), 1)


def _returned(store: Store, order_id: int) -> None:
    _shipped(store, order_id)
    for line in store.orders.get(order_id).lines.values():
        store.orders.refund(order_id, line.id, line.quantity)


def _cancelled(store: Store, order_id: int) -> None:
    store.orders.cancel(order_id)


def _pieces(*wanted: tuple[str, int]) -> Lines:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]


TAXED = {"tax_rate": "0.2", "shipping": "12.50"}

SCRIPT = (
    _Scripted(lines=_pieces(("HL-U509-R", 6), ("LJ-0192-S", 3))),
    _Scripted(lines=_pieces(("HL-U509-R", 12), ("SO-R809-M", 20)), fate=_shipped, terms=TAXED),
    _Scripted(lines=_pieces(("LJ-0192-M", 5), ("LJ-0192-L", 5)), fate=_partly_shipped),
    _Scripted(lines=_pieces(("LJ-0192-S", 4), ("LJ-0192-M", 4)), fate=_in_two_parcels, terms=TAXED),
    _Scripted(lines=_pieces(("FR-R92R-62", 2), ("HL-U509-R", 6)), fate=_partly_returned, terms=TAXED),
    _Scripted(lines=_pieces(("FR-R92R-62", 1)), fate=_cancelled),
    _Scripted(lines=_pieces(*[("HL-U509-R", 1), ("LJ-0192-S", 1), ("LJ-0192-M", 1)] * (MANY_LINES // 3)), terms=TAXED),
    _Scripted(
        lines=[
            {"sku": "HL-U509-R", "quantity": 2},
            {"sku": "LJ-0192-L", "quantity": 1, "to": "pickup"},
            {"name": "Frame engraving", "price": "25", "quantity": 1},
        ],
        terms=TAXED,
    ),
    _Scripted(lines=[{"sku": "FR-R92R-62", "quantity": 3, "discount": "100.05"}], terms=TAXED),
    _Scripted(lines=_pieces(("LJ-0192-X", 7)), terms={"tax_rate": "0.0825", "shipping": "4.99"}),
    _Scripted(lines=_pieces(("LJ-0192-S", 2), ("LJ-0192-X", 1)), fate=_returned),
    _Scripted(lines=_pieces(("HL-U509-R", 1)), terms={"status_id": 7}),
    _Scripted(lines=_pieces(("HL-U509-R", 8)), fate=_shipped, terms={"staff_notes": f"{NOTE}{cart_id(IN_NOTES)}"}),
)
"""What trade customers 1, 2, 3, ... ordered; all but the last from a cart."""

_FATES: Mapping[int, Fate] = {20: _shipped, 25: _partly_returned, 30: _cancelled}
_ARCHIVED = COUNT


def add_orders(store: Store, since: int) -> None:
    """Add the orders to the filled sample company, the first a day after `since`."""
    for number in range(1, COUNT + 1):
        scripted = SCRIPT[number - 1] if number <= len(SCRIPT) else _plain(store, number)
        with store.at(since + number * _DAY):
            order_id = store.orders.place(
                _customer(store, number),
                scripted.lines,
                cart_id=cart_id(FIRST + number - 1) if number <= WITH_CART else None,
                silent=True,
                **scripted.terms,
            )
        with store.at(since + (number + 1) * _DAY):
            if scripted.fate:
                scripted.fate(store, order_id)
            if number == _ARCHIVED:
                store.orders.archive(order_id)


def _plain(store: Store, number: int) -> _Scripted:
    """Return an order that came from the shop itself."""
    skus = [variant.sku for variant in store.variants() if variant.sku]
    wanted = ((skus[number * 7 % len(skus)], 1 + number % 3), (skus[number * 11 % len(skus)], 1))
    return _Scripted(lines=_pieces(*wanted), fate=_FATES.get(number))


def _customer(store: Store, number: int) -> int:
    """Return who ordered: a trade customer, a shopper, or now and then a guest."""
    if number <= len(SCRIPT):
        return number
    shoppers = [customer_id for customer_id in store.customers.people if customer_id > len(store.customers.people) - 30]
    return 0 if number % 9 == 0 else shoppers[number % len(shoppers)]
