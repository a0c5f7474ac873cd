"""Prices of a price list (sparklayer.md section 4).

A write replaces all prices of each SKU it names on that list and leaves the others; `pricing: []` clears the SKU.
A SKU need not exist as a variant. Refused rows are answered as a bare list of lines, and nothing is carried out.
"""

from typing import Annotated, Any

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import NotNegative, Text, Written, explain
from daemon.sandbox.sparklayer.price_lists import PriceLists
from daemon.sandbox.sparklayer.problems import Line, lines, problem


class Row(Written, kw_only=True):
    """The price of one piece when `quantity` or more are bought."""

    quantity: Annotated[int, Meta(ge=1)]
    price: NotNegative
    tax_type: Text | UnsetType = UNSET
    unit_of_measure: str | UnsetType | None = UNSET


class _Entry(Written, kw_only=True):
    sku: Text
    display_tax_rate: NotNegative | UnsetType = UNSET
    pricing: list[Row]


class _EntryOfList(_Entry, kw_only=True):
    price_list_slug: Text


@define(eq=False, kw_only=True)
class Prices:
    """All prices of the site as {slug: {sku: rows}}, and their routes."""

    lists: PriceLists
    first_line: int
    prices: dict[str, dict[str, list[Row]]] = field(factory=dict, repr=False)
    writes: int = 0
    """How many SKUs were priced or cleared."""

    def route(self, router: Router) -> None:
        """Add the routes."""
        router.add("DELETE", "/api/v1/price-lists/{slug}", self.delete_list)
        router.add("GET", "/api/v1/price-lists/{slug}/pricing", self.get)
        router.add("PATCH", "/api/v1/price-lists/{slug}/pricing", self.update)
        router.add("DELETE", "/api/v1/price-lists/{slug}/pricing", self.wipe)
        router.add("PATCH", "/api/v1/batch-update-pricing", self.update_many)
        router.add("GET", "/api/v1/pricing/{sku}", self.of_sku)

    def delete_list(self, _request: Request, slug: str) -> Response:
        """Delete a price list with its prices."""
        self.lists.existing(slug)
        del self.lists.lists[slug]
        self.prices.pop(slug, None)
        return Response(status=204)

    def get(self, _request: Request, slug: str) -> Response:
        """Answer the list's prices, one flat row per SKU and quantity."""
        self.lists.existing(slug)
        found = self.prices.get(slug, {}).items()
        return json([{"sku": sku} | msgspec.to_builtins(row) for sku, rows in found for row in rows])

    def update(self, request: Request, slug: str) -> Response:
        """Replace the prices of the SKUs sent on one list."""
        entries = self._decode(request, list[_Entry])
        self._refuse_repeated([entry.sku for entry in entries], entries)
        self.lists.existing(slug)
        for entry in entries:
            self._set(slug, entry)
        return Response(status=204)

    def update_many(self, request: Request) -> Response:
        """Replace the prices of (SKU, list) pairs; 404 if any list is absent."""
        entries = self._decode(request, list[_EntryOfList])
        self._refuse_repeated([(entry.sku, entry.price_list_slug) for entry in entries], entries)
        for entry in entries:
            self.lists.existing(entry.price_list_slug)
        for entry in entries:
            self._set(entry.price_list_slug, entry)
        return Response(status=204)

    def wipe(self, _request: Request, slug: str) -> Response:
        """Remove every price of a list."""
        self.lists.existing(slug)
        self.writes += len(self.prices.pop(slug, {}))
        return Response(status=204)

    def of_sku(self, _request: Request, sku: str) -> Response:
        """Answer the prices of a SKU by list; 404 when it has none."""
        found = [(slug, prices[sku]) for slug, prices in self.prices.items() if sku in prices]
        if not found:
            raise problem(404, f"There is no price of {sku}")
        return json([{"price_list_slug": slug, "pricing": rows} for slug, rows in found])

    def _set(self, slug: str, entry: _Entry) -> None:
        prices = self.prices.setdefault(slug, {})
        self.writes += 1
        if entry.pricing:
            prices[entry.sku] = entry.pricing
        else:
            prices.pop(entry.sku, None)

    def _decode(self, request: Request, shape: Any) -> Any:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise problem(415, "The body must be application/json")
        try:
            return msgspec.json.decode(request.body, type=shape)
        except msgspec.DecodeError as error:
            words, place = explain(error)
            line, _, where = place.removeprefix("[").partition("]")
            if not line.isdecimal():
                raise problem(400, words) from None
            raise lines([Line(int(line) + self.first_line, where.removeprefix("."), words)]) from None

    def _refuse_repeated(self, keys: list[Any], entries: list[Any]) -> None:
        seen: set[Any] = set()
        refused = []
        for index, (key, entry) in enumerate(zip(keys, entries, strict=True), start=self.first_line):
            if key in seen:
                refused.append(Line(index, "sku", f"SKU {entry.sku} is given twice"))
            if len({(row.quantity, row.unit_of_measure) for row in entry.pricing}) < len(entry.pricing):
                refused.append(Line(index, "pricing", "a quantity is given twice"))
            seen.add(key)
        if refused:
            raise lines(refused)
