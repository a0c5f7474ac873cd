"""Purchases (sparklayer.md section 6): read, replaced whole, deleted and listed.

A PUT replaces everything, so what it leaves out is gone; `calculated_*` is the API's own. All money is in the
purchase's currency. The list is read by `limit` and `offset`; its filters are not modelled, so they are refused. What
is inferred: that the path and the body may not name different purchases.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from attrs import define, field

from daemon.sandbox.message import Refused, Request, Response, json, route
from daemon.sandbox.query import Parameters
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Book, Detail, Record, invalid, problem

LOOKUPS = ("sparklayer", "platform", "internal", "visible")
MOST_PER_PAGE = 500


@define(eq=False, kw_only=True)
class Purchases(Book):
    """All purchases of the site in the order they were made, and their routes.

    `journal` has the bodies by cart id. What `find` returns may be changed in place, as a person would in the
    Dashboard, but for its identifiers.
    """

    purchases: list[Record] = field(factory=list, repr=False)

    def place(
        self,
        cart: str,
        *,
        customer: str = "cu_1",
        reference: str = "PO-1",
        currency: str = "USD",
        lines: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Place an order in the storefront: it waits for the platform's confirmation, and has what only it knows.

        Each of `lines` has a `sku`, and may have a `quantity` and the `price` of one piece without tax.

        Raises ValueError when `cart` is not a UUID, or has been ordered before.
        """
        uuid.UUID(cart)
        if self.find("sparklayer", cart):
            raise ValueError(f"{cart} has been ordered before")
        items = [_line(currency, **line) for line in lines]
        self.purchases.append(
            Record(
                type="order_unconfirmed",
                purchase_identifiers={"sparklayer": cart, "internal": f"ERP-{reference}"},
                customer_identifiers={
                    "sparklayer": customer,
                    "sparklayer_child": "cu_child",
                    "sparklayer_sales_rep": "cu_rep",
                },
                payment_method="on_account",
                dates={"placed_at": "2026-01-30T08:30:00Z"},
                customer_reference=reference,
                currency_code=currency,
                packages=[{"type": "incoming", "line_items": items}] if items else [],
                accounting_files=[],
                custom_fields=[{"name": "Department"}],
                metadata=[{"name": "source", "value": "storefront"}],
            )
        )

    def find(self, lookup: str, identifier: str) -> Record | None:
        """Return a purchase by one of its identifiers."""
        known = (one for one in self.purchases if one.purchase_identifiers.get(lookup) == identifier)
        return next(known, None)

    @route("GET", "/api/v1/purchases")
    def _page(self, request: Request) -> Response:
        """Answer a page of purchases, the newest first."""
        query = Parameters(request.query, invalid)
        limit, offset = query.number("limit", least=1, most=MOST_PER_PAGE) or 50, query.number("offset") or 0
        query.finish()
        return json([_answered(purchase) for purchase in self.purchases[::-1][offset : offset + limit]])

    @route("GET", "/api/v1/purchases/{lookup}/{identifier}")
    def _get(self, _request: Request, lookup: str, identifier: str) -> Response:
        return json(_answered(self._existing(lookup, identifier)))

    @route("PUT", "/api/v1/purchases/{lookup}/{identifier}")
    def put(self, request: Request, lookup: str, identifier: str) -> Response:
        """Create a purchase or replace all of it; answers 200 with what is stored."""
        _check_lookup(lookup, identifier)
        written = decode(request, "createUpdatePurchase")
        _check_currencies(written)
        old, ids = self.find(lookup, identifier), {lookup: identifier} | written.purchase_identifiers
        self._check_ids(ids, lookup, identifier, old)
        sent, written = written, Record(written, purchase_identifiers=ids)
        if old is None:
            self.purchases.append(written)
        else:
            self.purchases[self.purchases.index(old)] = written
        self.note(ids.get("sparklayer", identifier), sent)
        return json(_answered(written))

    @route("DELETE", "/api/v1/purchases/{lookup}/{identifier}")
    def delete(self, _request: Request, lookup: str, identifier: str) -> Response:
        """Delete a purchase."""
        self.purchases.remove(self._existing(lookup, identifier))
        self.removals += 1
        return Response(status=204)

    def comparable(self) -> dict[str, Any]:
        """Return purchases as plain data by cart id, without what is calculated."""
        return {
            str(purchase.purchase_identifiers.get("sparklayer")): msgspec.to_builtins(purchase)
            for purchase in self.purchases
        }

    def _check_ids(self, ids: Mapping[str, str], lookup: str, identifier: str, old: Record | None) -> None:
        """Refuse what would make another purchase of this one, or what is another's."""
        own = old.purchase_identifiers.get("sparklayer") if old else None
        if own is not None and own != ids.get("sparklayer"):
            raise _misnamed(403, "The SparkLayer id of a purchase cannot be changed", "sparklayer")
        if ids[lookup] != identifier:
            raise _misnamed(400, f"The path says {identifier}", lookup)
        if "sparklayer" in ids and not _is_uuid(ids["sparklayer"]):
            raise _misnamed(400, "A SparkLayer id is a UUID", "sparklayer")
        for name in ids.keys() & {"sparklayer", "platform"}:
            other = self.find(name, ids[name])
            if other is not None and other is not old:
                raise _misnamed(409, f"Another purchase has the {name} id {ids[name]}", name)

    def _existing(self, lookup: str, identifier: str) -> Record:
        _check_lookup(lookup, identifier)
        purchase = self.find(lookup, identifier)
        if purchase is None:
            raise problem(404, f"There is no purchase {identifier}")
        return purchase


def _check_lookup(lookup: str, identifier: str) -> None:
    if lookup not in LOOKUPS:
        raise problem(400, f"lookupBy must be one of {', '.join(LOOKUPS)}")
    if lookup == "sparklayer" and not _is_uuid(identifier):
        raise problem(400, "A SparkLayer id is a UUID")


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _misnamed(status: int, words: str, name: str) -> Refused:
    return problem(status, words, [Detail("invalid", words, f"purchase_identifiers.{name}")])


def _check_currencies(written: Record) -> None:
    """Refuse money of another currency than the purchase's."""
    if written.currency_code is None:
        return
    strange = [
        Detail("currency", f"is in {currency}", place.removeprefix("."))
        for place, currency in _currencies(written, "")
        if currency != written.currency_code
    ]
    if strange:
        raise problem(400, f"Amounts are not in {written.currency_code}", strange)


def _currencies(content: Any, place: str) -> Iterator[tuple[str, str]]:
    """Find every amount; yields its place, such as `.total_paid`, and its currency."""
    if isinstance(content, dict):
        if content.keys() == {"number", "currency"}:
            yield place, content["currency"]
        for name, value in content.items():
            yield from _currencies(value, f"{place}.{name}")
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _currencies(value, f"{place}[{index}]")


def _line(currency: str, *, sku: str, quantity: int = 1, price: str = "10.00") -> dict[str, Any]:
    amount = {"number": str(Decimal(price) * quantity), "currency": currency}
    return {
        "identifiers": {"sku": sku},
        "name_parent": sku,
        "quantity": quantity,
        "line_total": {"total_net": amount, "total_gross": amount},
    }


def _answered(purchase: Record) -> dict[str, Any]:
    """Add what the API calculates."""
    parts = [part for package in purchase.packages for part in package.get("line_items", ())]
    parts += [package["shipping_method"] for package in purchase.packages if "shipping_method" in package]
    totals = [part.get("line_total", {}).get("total_gross") for part in parts]
    gross = sum((Decimal(total["number"]) for total in totals if total), Decimal(0))
    types = {package.get("type") for package in purchase.packages}
    content = purchase | {"dates": dict(purchase.dates)}
    if purchase.currency_code:
        content["calculated_total"] = {"number": str(gross), "currency": purchase.currency_code}
    if "placed_at" in purchase.dates:
        content["dates"]["calculated_submitted_at"] = purchase.dates["placed_at"]
    content["calculated_fulfilment_status"] = "shipped" if types and types <= {"shipped", "complete"} else "open"
    return content
