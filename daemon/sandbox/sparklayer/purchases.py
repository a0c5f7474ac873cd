"""Purchases (sparklayer.md section 6): read, replaced whole, deleted and listed.

A PUT replaces everything, so what it leaves out is gone; `calculated_*` is the API's own. Money is a decimal text, all
of it in the purchase's currency. What is inferred: the types of packages, the keys of tracking and of lines, and that
a customer may be named by the platform's id.
"""

import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Currency, Text, Written, decode
from daemon.sandbox.sparklayer.problems import Detail, problem

LOOKUPS = ("sparklayer", "platform", "internal", "visible")
MOST_PER_PAGE = 500

Number = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?$")]
PackageType = Literal[
    "incoming", "processing", "shipped", "part_shipped", "returned", "complete", "cancelled", "on_hold"
]


class Money(Written):
    """An exact amount."""

    number: Number
    currency: Currency


class TaxLine(Written):
    """A tax."""

    title: str | UnsetType = UNSET
    amount: Money | UnsetType = UNSET
    rate: float | UnsetType = UNSET


class Total(Written):
    """What a line costs."""

    total_net: Money | UnsetType = UNSET
    total_tax: Money | UnsetType = UNSET
    total_gross: Money | UnsetType = UNSET
    discount_net: Money | UnsetType = UNSET


class _Attribute(Written):
    key: str
    value: str


class Line(Written, kw_only=True):
    """A line of a package."""

    identifiers: dict[str, str] | UnsetType = UNSET
    name_parent: str | UnsetType = UNSET
    quantity: int | UnsetType = UNSET
    custom_attributes: list[_Attribute] | UnsetType = UNSET
    line_total: Total | UnsetType = UNSET
    tax_lines: list[TaxLine] | UnsetType = UNSET


class _Address(Written, kw_only=True):
    title: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    address_line1: str | UnsetType = UNSET
    address_line2: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    region_code: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET
    country_code: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    mobile: str | UnsetType = UNSET


class _Method(Written):
    name: str | UnsetType = UNSET
    line_total: Total | UnsetType = UNSET


class _Shipment(Written):
    carrier: str | UnsetType = UNSET
    carrier_id: str | UnsetType = UNSET
    tracking_number: str | UnsetType = UNSET
    tracking_url: str | UnsetType = UNSET


class _PackageIds(Written):
    sparklayer_package_id: str | UnsetType = UNSET


class Package(Written, kw_only=True):
    """A part of an order that has one fate."""

    identifiers: _PackageIds | UnsetType = UNSET
    type: PackageType | UnsetType = UNSET
    line_items: list[Line] | UnsetType = UNSET
    shipping_method: _Method | UnsetType = UNSET
    shipping_address: _Address | UnsetType = UNSET
    shipments: list[_Shipment] | UnsetType = UNSET
    accounting_files: list[Any] | UnsetType = UNSET


class _Ids(Written):
    sparklayer: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET
    internal: str | UnsetType = UNSET
    visible: str | UnsetType = UNSET


class _CustomerIds(Written):
    sparklayer: str | UnsetType = UNSET
    sparklayer_impersonator: str | UnsetType = UNSET
    sparklayer_sales_rep: str | UnsetType = UNSET
    platform: str | UnsetType = UNSET


class PurchaseWrite(Written, kw_only=True):
    """A purchase as it may be written."""

    type: Literal["cart", "quote", "awaiting_approval", "order_unconfirmed", "order"]
    purchase_identifiers: _Ids
    customer_identifiers: _CustomerIds
    payment_method: Literal["invoice", "on_account", "platform_upfront"] | UnsetType = UNSET
    dates: dict[Literal["placed", "last_updated"], Text]
    customer_reference: str | UnsetType = UNSET
    currency_code: Currency | UnsetType = UNSET
    total_paid: Money | UnsetType = UNSET
    tax_lines: list[TaxLine] | UnsetType = UNSET
    revision_date: str | UnsetType = UNSET
    billing_address: _Address | UnsetType = UNSET
    packages: list[Package]
    accounting_files: list[Any]
    custom_fields: list[Any]
    metadata: list[Any]


@define(eq=False)
class Purchases:
    """All purchases of the site in the order they were made, and their routes. `writes` counts PUTs carried out."""

    purchases: list[PurchaseWrite] = field(factory=list, repr=False)
    writes: int = 0

    def route(self, router: Router) -> None:
        """Add the routes."""
        one = "/api/v1/purchases/{lookup}/{identifier}"
        router.add("GET", "/api/v1/purchases", self.page)
        router.add("GET", one, self.get)
        router.add("PUT", one, self.put)
        router.add("DELETE", one, self.delete)

    def place(self, cart: str, *, customer: str = "cu_1", reference: str = "PO-1", currency: str = "USD") -> None:
        """Place an order in the storefront: it waits for the platform's confirmation, and has what only it knows."""
        self.purchases.append(
            PurchaseWrite(
                type="order_unconfirmed",
                purchase_identifiers=_Ids(sparklayer=cart, internal=f"ERP-{reference}"),
                customer_identifiers=_CustomerIds(sparklayer=customer, sparklayer_sales_rep="cu_rep"),
                payment_method="on_account",
                dates={"placed": "2026-01-30T08:30:00Z"},
                customer_reference=reference,
                currency_code=currency,
                packages=[],
                accounting_files=[],
                custom_fields=[{"name": "Department"}],
                metadata=[{"name": "source", "value": "storefront"}],
            )
        )

    def find(self, lookup: str, identifier: str) -> PurchaseWrite | None:
        """Return a purchase by one of its identifiers."""
        for purchase in self.purchases:
            if getattr(purchase.purchase_identifiers, lookup) == identifier:
                return purchase
        return None

    def page(self, request: Request) -> Response:
        """Answer a page of purchases, the newest first."""
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        limit, offset = query.pop("limit", "50"), query.pop("offset", "0")
        if query or not (limit.isdecimal() and offset.isdecimal()) or not 1 <= int(limit) <= MOST_PER_PAGE:
            raise problem(400, "limit and offset are out of range, or there are unknown parameters")
        newest = self.purchases[::-1][int(offset) : int(offset) + int(limit)]
        return json([_answered(purchase) for purchase in newest])

    def get(self, _request: Request, lookup: str, identifier: str) -> Response:
        """Answer a purchase."""
        return json(_answered(self._existing(lookup, identifier)))

    def put(self, request: Request, lookup: str, identifier: str) -> Response:
        """Create a purchase or replace all of it; answers 200 with what is stored."""
        _check_lookup(lookup, identifier)
        written = decode(request, PurchaseWrite)
        _check_currencies(written)
        old = self.find(lookup, identifier)
        ids = written.purchase_identifiers
        if old is not None and old.purchase_identifiers.sparklayer not in {UNSET, ids.sparklayer}:
            raise problem(403, "The SparkLayer id of a purchase cannot be changed")
        for name in ("sparklayer", "platform"):
            value = getattr(ids, name)
            other = None if value is UNSET else self.find(name, value)
            if other is not None and other is not old:
                raise problem(409, f"Another purchase has the {name} id {value}")
        setattr(ids, lookup, identifier)
        if old is None:
            self.purchases.append(written)
        else:
            self.purchases[self.purchases.index(old)] = written
        self.writes += 1
        return json(_answered(written))

    def delete(self, _request: Request, lookup: str, identifier: str) -> Response:
        """Delete a purchase."""
        self.purchases.remove(self._existing(lookup, identifier))
        return Response(status=204)

    def comparable(self) -> dict[str, Any]:
        """Return purchases as plain data by cart id, without what is calculated."""
        return {
            str(purchase.purchase_identifiers.sparklayer): msgspec.to_builtins(purchase) for purchase in self.purchases
        }

    def _existing(self, lookup: str, identifier: str) -> PurchaseWrite:
        _check_lookup(lookup, identifier)
        purchase = self.find(lookup, identifier)
        if purchase is None:
            raise problem(404, f"There is no purchase {identifier}")
        return purchase


def _check_lookup(lookup: str, identifier: str) -> None:
    if lookup not in LOOKUPS:
        raise problem(400, f"lookupBy must be one of {', '.join(LOOKUPS)}")
    if lookup == "sparklayer":
        try:
            uuid.UUID(identifier)
        except ValueError:
            raise problem(400, "A SparkLayer id is a UUID") from None


def _check_currencies(written: PurchaseWrite) -> None:
    """Refuse money of another currency than the purchase's."""
    if written.currency_code is UNSET:
        return
    strange = _currencies(msgspec.to_builtins(written)) - {written.currency_code}
    if strange:
        words = f"amounts are in {', '.join(sorted(strange))}"
        raise problem(
            400, f"The currency is {written.currency_code}, but {words}", [Detail("currency", words, "packages")]
        )


def _currencies(content: Any) -> set[str]:
    if isinstance(content, dict):
        own = {content["currency"]} if content.keys() == {"number", "currency"} else set()
        return own.union(*(_currencies(value) for value in content.values()))
    if isinstance(content, list):
        return set[str]().union(*(_currencies(value) for value in content))
    return set()


def _answered(purchase: PurchaseWrite) -> dict[str, Any]:
    """Add what the API calculates."""
    content: dict[str, Any] = msgspec.to_builtins(purchase)
    totals = [line.line_total for package in purchase.packages for line in package.line_items or ()]
    totals += [package.shipping_method.line_total for package in purchase.packages if package.shipping_method]
    gross = [Decimal(total.total_gross.number) for total in totals if total and total.total_gross]
    if purchase.currency_code:
        content["calculated_total"] = {"number": str(sum(gross, Decimal(0))), "currency": purchase.currency_code}
    types = {package.type for package in purchase.packages}
    content["calculated_fulfilment_status"] = "shipped" if types and types <= {"shipped", "complete"} else "open"
    return content
