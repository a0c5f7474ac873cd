"""Purchases: the orders that customers see under My Account (sparklayer.md section 6).

A PUT replaces everything, so what is sent is the purchase as SparkLayer holds it, with what the platform owns put in
its place: the numbers of the order, its dates, money and addresses, and all packages. The customer, the sales
representative, the reference and whatever else is there are carried over; `calculated_*` is never sent.

Money is an exact decimal text with its currency. How a package is put together from shipments, returns and
cancellations is inferred, and so are the keys of its lines and of tracking.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from attrs import asdict

from daemon.errors import Missing
from daemon.model import Address, CartId, ExternalId, Lane, Order, OrderLine, Package, PackageType, Shipment
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.failures import Operation
from daemon.sparklayer.inferred import CUSTOMER_OF_PLATFORM, LINE_NAMES, TRACKING_NAMES

READ = Operation(name="getPurchase", method="GET")
PUT = Operation(name="createUpdatePurchase", method="PUT", forbidding=True)
PATH = "/api/v1/purchases/sparklayer/{}"

CALCULATED = "calculated_"
PERHAPS = frozenset({"total_paid", "tax_lines", "billing_address"})
"""What the platform owns of a purchase though it does not always have it: then it is none of the purchase's either."""
CENTS = Decimal("0.01")

Body = dict[str, Any]


class Purchases:
    """Reads and writes purchases of one site, by the id of their cart."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, cart: CartId, lane: Lane) -> Body | None:
        """Read a purchase; None when there is none."""
        try:
            return await self._client.read(READ, _path(cart), lane, Body)
        except Missing:
            return None

    async def put(self, cart: CartId, body: Mapping[str, Any], lane: Lane) -> None:
        """Write a purchase whole. Raises Rejected, also for a conflict: its platform id is another purchase's."""
        await self._client.call(PUT, _path(cart), lane, encode_json(body))


def merged(order: Order, held: Mapping[str, Any] | None) -> Body:
    """Return the purchase to write for `order`, given the one that SparkLayer holds (None: none). Pure."""
    before = {name: value for name, value in _without_calculated(held or {}).items() if name not in PERHAPS}
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
        "customer_identifiers": customer,
        "purchase_identifiers": {**(before.get("purchase_identifiers") or {}), **own["purchase_identifiers"]},
        "dates": {**(before.get("dates") or {}), **own["dates"]},
    }


def cancelled(held: Mapping[str, Any]) -> Body:
    """Return a purchase as it is, but for every package being cancelled. Pure."""
    before = _without_calculated(held)
    packages = before.get("packages") or []
    return {**before, "packages": [{**package, "type": PackageType.CANCELLED.value} for package in packages]}


def is_of(held: Mapping[str, Any], order: ExternalId) -> bool:
    """Whether a purchase is that of the order, or of none. Pure."""
    return (held.get("purchase_identifiers") or {}).get("platform") in {None, "", order}


def let_go(held: Mapping[str, Any]) -> Body:
    """Return a purchase that an order has left: cancelled, and no longer known by the order's number. Pure."""
    ids = held.get("purchase_identifiers") or {}
    kept = {name: value for name, value in ids.items() if name not in {"platform", "visible"}}
    return {**cancelled(held), "purchase_identifiers": kept}


def owned(order: Order) -> Body:
    """Return what the platform owns of a purchase. Pure."""
    content: Body = {
        "type": "order",
        "purchase_identifiers": {
            "sparklayer": order.cart_id,
            "platform": order.external_id,
            "visible": order.visible,
        },
        "dates": {"placed": _stamp(order.placed), "last_updated": _stamp(order.updated)},
        "currency_code": order.currency,
        "packages": [_package(package, order.currency) for package in order.packages],
    }
    if order.billing_address is not None:
        content["billing_address"] = _address(order.billing_address)
    if order.paid is not None:
        content["total_paid"] = _money(order.paid, order.currency)
    if order.tax is not None:
        content["tax_lines"] = [{"title": "Tax", "amount": _money(order.tax, order.currency)}]
    return content


def _package(package: Package, currency: str) -> Body:
    content: Body = {
        "identifiers": {},
        "type": package.type.value,
        "line_items": [_line(line, currency) for line in package.lines],
        "shipments": [_shipment(package.shipment)] if package.shipment else [],
        "accounting_files": [],
    }
    if package.method or package.shipping is not None:
        net, tax = package.shipping or (Decimal(0), Decimal(0))
        content["shipping_method"] = {"name": package.method, "line_total": _total(net, tax, Decimal(0), currency)}
    if package.address is not None:
        content["shipping_address"] = _address(package.address)
    return content


def _line(line: OrderLine, currency: str) -> Body:
    ids = zip(LINE_NAMES, (line.external_id, line.sku), strict=True)
    return {
        "identifiers": _filled(ids),
        "name_parent": line.name,
        "quantity": line.quantity,
        "custom_attributes": [{"key": option.group, "value": option.value} for option in line.options],
        "line_total": _total(line.net, line.tax, line.discount, currency),
    }


def _total(net: Decimal, tax: Decimal, discount: Decimal, currency: str) -> Body:
    return {
        "total_net": _money(net, currency),
        "total_tax": _money(tax, currency),
        "total_gross": _money(net + tax, currency),
        "discount_net": _money(discount, currency),
    }


def _shipment(shipment: Shipment) -> Body:
    tracking = zip(TRACKING_NAMES, (shipment.tracking_number, shipment.tracking_url), strict=True)
    return _filled([("carrier", shipment.carrier), *tracking])


def _address(address: Address) -> Body:
    return _filled((name, value) for name, value in asdict(address).items())


def _filled(fields: Iterable[tuple[str, Any]]) -> Body:
    return {name: value for name, value in fields if value}


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    """Write an amount with at least two decimals and as many as it has: 15 is "15.00", 0.125 is "0.125"."""
    exact = amount.normalize() + 0  # the sum takes the sign from a zero
    cents = exact.quantize(CENTS)
    return {"number": f"{cents if cents == exact else exact:f}", "currency": currency}


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _without_calculated(held: Mapping[str, Any]) -> Body:
    return {name: value for name, value in held.items() if not name.startswith(CALCULATED)}


def _path(cart: CartId) -> str:
    return PATH.format(quote(cart, safe=""))
