"""Turns a client's body for a product or variation into the fields of the records."""

from typing import Any

from daemon.sandbox.woocommerce.bodies import Body, typed
from daemon.sandbox.woocommerce.problems import invalid, refused
from daemon.sandbox.woocommerce.records import STATUSES, Attribute, Product
from daemon.sandbox.woocommerce.shop import Shop

TYPES = ("simple", "grouped", "external", "variable")
PLAIN = {
    "name": "string",
    "type": "string",
    "status": "string",
    "sku": "string",
    "description": "string",
    "regular_price": "string",
    "sale_price": "string",
    "weight": "string",
    "manage_stock": "boolean",
    "stock_quantity": "integer",
    "stock_status": "string",
    "backorders": "string",
    "menu_order": "integer",
}
LISTS = {"attributes": "array", "meta_data": "array"}
_CHOICES = {"type": TYPES, "status": STATUSES, "backorders": ("no", "notify", "yes")}


def written(shop: Shop, body: Body, product: Product | None) -> Body:
    """Return the record fields that a body sets, `product` being what it changes. Raises Refused."""
    given = typed(body, PLAIN | LISTS)
    for name, choices in _CHOICES.items():
        if name in given and given[name] not in choices:
            raise invalid(name, f"{name} is not one of {', '.join(choices)}.", "rest_not_in_enum")
    _check_sku(shop, given.get("sku"), product)
    values = {name: value for name, value in given.items() if name in PLAIN and value is not None}
    if "attributes" in given:
        values |= _attributes(given["attributes"], variation=bool(product and product.parent_id))
    return values


def write_meta_data(shop: Shop, rows: list[Any], body: Body) -> None:
    """Set the meta data of a body; a null value takes a key away."""
    for row in body.get("meta_data") or []:
        shop.write_meta(rows, row["key"], row.get("value"))


def _attributes(rows: list[Body], *, variation: bool) -> Body:
    if variation:
        return {"options": {row["name"]: row["option"] for row in rows}}
    names = ("id", "visible", "variation")
    made = [
        Attribute(
            name=row["name"], options=row.get("options", []), **{name: row[name] for name in names if name in row}
        )
        for row in rows
    ]
    return {"attributes": made}


def _check_sku(shop: Shop, sku: str | None, product: Product | None) -> None:
    try:
        owner = shop.by_sku(sku) if sku else None
    except KeyError:
        return
    if owner is not None and owner is not product:
        words = "Invalid or duplicated SKU."
        raise refused("product_invalid_sku", words, 400, resource_id=owner.id, unique_sku=f"{sku}-1")
