"""Purchases: the orders that customers see under My Account (sparklayer.md section 6).

A PUT replaces everything. So a write reads the purchase directly before (`replaced`), and sends it as it is there,
with the platform's fields replaced: the order's numbers, dates, money, addresses and packages. The customer, the sales
representative, the reference and all other fields are written back, inside packages too. `calculated_*` is never sent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from daemon.entities import Order, PackageType
from daemon.errors import Missing
from daemon.model import CartId, ExternalId, Lane
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.inferred import CUSTOMER_OF_PLATFORM
from daemon.sparklayer.operation import PURCHASE as CONTROL
from daemon.sparklayer.operation import About, Operation
from daemon.sparklayer.packages import (
    Body,
    HeldPurchase,
    address_body,
    are_readable,
    carried_over,
    held_packages,
    money,
    package_body,
    text_of,
    without_calculated,
)

PURCHASE = CONTROL.answers
READ = Operation(name="getPurchase", method="GET", answers=PURCHASE, control=CONTROL, about=About.PATH)
PUT = Operation(
    name="createUpdatePurchase",
    method="PUT",
    answers=PURCHASE,
    creating=True,
    forbidding=True,
    control=CONTROL,
    about=About.PATH,
)
PATH = "/api/v1/purchases/sparklayer/{}"


class Purchases:
    """Reads and writes purchases of one site, by the id of their cart."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, cart: CartId, lane: Lane) -> Body | None:
        """Return a purchase, or None if there is none.

        Raises Retry for another or an incomplete purchase, and if fields to be written back have unexpected types.
        """

        def is_asked_for(held: HeldPurchase) -> bool:
            present = text_of((held.purchase_identifiers or {}).get("sparklayer"))
            is_whole = held.packages is not None and are_readable(held.packages)
            return present.lower() == cart.lower() and is_whole

        try:
            return await self._client.read_whole(READ, _path(cart), lane, HeldPurchase, is_asked_for)
        except Missing:
            return None

    async def put(self, cart: CartId, body: Mapping[str, Any], lane: Lane, before: float) -> None:
        """Replace a purchase `before` a time of trio's clock, in one attempt.

        Raises Rejected, also if another purchase has its platform id.
        """
        await self._client.call(PUT, _path(cart), lane, encode_json(body), before)


def merged(order: Order, held: Mapping[str, Any] | None) -> Body:
    """Return the body to write for `order`, given the purchase in SparkLayer (None if there is none). Pure."""
    before = without_calculated(held or {})
    own = owned(order)
    customer = before.get("customer_identifiers")
    if not customer:
        customer = {CUSTOMER_OF_PLATFORM: order.customer} if order.customer else {}
    return {
        "accounting_files": [],
        "custom_fields": [],
        "metadata": [],
        **before,
        **own,
        "packages": carried_over(own["packages"], held_packages(before)),
        "customer_identifiers": customer,
        "purchase_identifiers": {**(before.get("purchase_identifiers") or {}), **own["purchase_identifiers"]},
        "dates": {**without_calculated(before.get("dates") or {}), **own["dates"]},
    }


def cancelled(held: Mapping[str, Any]) -> Body:
    """Return a purchase unchanged except that every package is cancelled. Pure."""
    before = without_calculated(held)
    packages = [{**package, "type": PackageType.CANCELLED.value} for package in held_packages(before)]
    dates = without_calculated(before.get("dates") or {})
    return {**before, "packages": packages, "dates": dates}


def is_of(held: Mapping[str, Any], order: ExternalId) -> bool:
    """Return True if a purchase belongs to the order, or to no order. Pure."""
    return text_of((held.get("purchase_identifiers") or {}).get("platform")) in {"", order}


def detached(held: Mapping[str, Any]) -> Body:
    """Return a purchase separated from its order: cancelled, and without the order's numbers. Pure."""
    ids = held.get("purchase_identifiers") or {}
    kept = {name: value for name, value in ids.items() if name not in {"platform", "visible"}}
    return {**cancelled(held), "purchase_identifiers": kept}


def owned(order: Order) -> Body:
    """Return the platform's fields of a purchase; fields that it does not know are left to SparkLayer. Pure."""
    content: Body = {
        "type": "order",
        "purchase_identifiers": {
            "sparklayer": order.cart_id,
            "platform": order.external_id,
            "visible": order.visible,
        },
        "dates": {"placed_at": _stamp(order.placed), "updated_at": _stamp(order.updated)},
        "currency_code": order.currency,
        "packages": [package_body(package, order.currency) for package in order.packages],
    }
    if order.billing_address is not None:
        content["billing_address"] = address_body(order.billing_address)
    if order.paid is not None:
        content["total_paid"] = money(order.paid, order.currency)
    if order.tax is not None:
        content["tax_lines"] = [{"title": "Tax", "amount": money(order.tax, order.currency)}]
    return content


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _path(cart: CartId) -> str:
    return PATH.format(quote(cart, safe=""))
