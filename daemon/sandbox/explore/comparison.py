"""Compares one product, or one order, of the store with what SparkLayer holds of it: a row for each thing that shows.

A row is {"what", "store", "sparklayer", "same"}; a side that has no such thing is an empty text.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from daemon.sandbox.expectation.picture import Picture

Row = dict[str, Any]

ORDER = {"type": "State", "platform": "Order number", "pieces": "Pieces", "net": "Net total"}
"""The fields of a purchase that are shown, with their names."""


def units_of(product_id: int, products: Picture) -> dict[int, str]:
    """Return the SKUs of a product, by the unit's id; `products` is one side's picture."""
    variants = products["products"].get(str(product_id), {}).get("variants", {})
    return {int(unit): variant["sku"] for unit, variant in variants.items()}


def product_rows(product_id: int, wanted: Picture, held: Picture) -> list[Row]:
    """Return the rows of a product: its title, and each SKU's state, price and stock."""
    sides = [_flat(product_id, wanted), _flat(product_id, held)]
    return [_row(what, *(side.get(what, "") for side in sides)) for what in dict.fromkeys([*sides[0], *sides[1]])]


def order_rows(wanted: Picture, held: Picture) -> list[Row]:
    """Return the rows of an order; a side without it is an empty picture."""
    return [
        _row(name, *(_text(side[field]) if side.get(field) is not None else "" for side in (wanted, held)))
        for field, name in ORDER.items()
    ]


def _flat(product_id: int, side: Picture) -> dict[str, str]:
    return dict(_facts(product_id, side))


def _facts(product_id: int, side: Picture) -> Iterator[tuple[str, str]]:
    product = side["products"].get(str(product_id))
    if product is None:
        return
    yield "Title", product["title"]
    for variant in product["variants"].values():
        sku = variant["sku"]
        yield f"{sku}: state", variant["status"]
        for part, name in (("prices", "price"), ("stock", "stock")):
            if side[part].get(sku) is not None:
                yield f"{sku}: {name}", _text(side[part][sku])


def _row(what: str, store: str, sparklayer: str) -> Row:
    return {"what": what, "store": store, "sparklayer": sparklayer, "same": store == sparklayer}


def _text(value: Any) -> str:
    """Return a value so that equal amounts are equal texts."""
    if isinstance(value, dict):
        return "; ".join(f"{fate} {_quantities(parts)}" for fate, parts in value.items())
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


def _quantities(parts: dict[str, int]) -> str:
    return ", ".join(f"{quantity} x {sku}" for sku, quantity in parts.items())
