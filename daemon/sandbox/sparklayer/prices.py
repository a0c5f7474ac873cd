"""Prices of a price list (sparklayer.md section 4).

A write replaces all prices of each SKU it names on that list and leaves the others; `pricing: []` clears the SKU.
A SKU need not exist as a variant. Refused rows are answered as a bare list of lines, and nothing is carried out.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from daemon.sandbox.message import Refused, Request, Response, json
from daemon.sandbox.router import route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.price_lists import PriceLists
from daemon.sandbox.sparklayer.problems import RefusedLine, lines, problem


@define(eq=False, kw_only=True)
class Prices:
    """All prices of the site as {slug: {sku: rows}}, and their routes."""

    lists: PriceLists
    first_line: int
    prices: dict[str, dict[str, list[dict[str, Any]]]] = field(factory=dict, repr=False)
    writes: int = 0
    """Number of SKUs that were priced or cleared."""

    @route("DELETE", "/api/v1/price-lists/{slug}")
    def _delete_list(self, _request: Request, slug: str) -> Response:
        self.lists.existing(slug)
        del self.lists.lists[slug]
        self.prices.pop(slug, None)
        return Response(status=204)

    @route("GET", "/api/v1/price-lists/{slug}/pricing")
    def _get(self, _request: Request, slug: str) -> Response:
        """Answer the list's prices, one flat row per SKU and quantity."""
        self.lists.existing(slug)
        found = self.prices.get(slug, {}).items()
        return json([{"sku": sku} | row for sku, rows in found for row in rows])

    @route("PATCH", "/api/v1/price-lists/{slug}/pricing")
    def update(self, request: Request, slug: str) -> Response:
        """Replace the prices of the SKUs sent on one list."""
        return self._update(decode(request, "updatePriceListPricing", self._refusal), slug)

    @route("PATCH", "/api/v1/batch-update-pricing")
    def _update_many(self, request: Request) -> Response:
        """Replace the prices of (SKU, list) pairs; 404 if any list is absent."""
        return self._update(decode(request, "updateMultiplePriceListPricing", self._refusal))

    @route("DELETE", "/api/v1/price-lists/{slug}/pricing")
    def _wipe(self, _request: Request, slug: str) -> Response:
        """Remove every price of a list."""
        self.lists.existing(slug)
        self.writes += len(self.prices.pop(slug, {}))
        return Response(status=204)

    @route("GET", "/api/v1/pricing/{sku}")
    def _of_sku(self, _request: Request, sku: str) -> Response:
        """Answer the prices of a SKU by list; 404 when it has none."""
        found = [(slug, prices[sku]) for slug, prices in self.prices.items() if sku in prices]
        if not found:
            raise problem(404, f"There is no price of {sku}")
        return json([{"price_list_slug": slug, "pricing": rows} for slug, rows in found])

    def _update(self, entries: list[Mapping[str, Any]], slug: str = "") -> Response:
        pairs = [(entry.get("price_list_slug", slug), entry["sku"]) for entry in entries]
        self._refuse_repeated(pairs, entries)
        for name in {slug} - {""} | {pair[0] for pair in pairs}:
            self.lists.existing(name)
        for (name, sku), entry in zip(pairs, entries, strict=True):
            prices = self.prices.setdefault(name, {})
            prices[sku] = entry["pricing"]
            if not prices[sku]:
                del prices[sku]
        self.writes += len(entries)
        return Response(status=204)

    def _refusal(self, words: str, place: str) -> Refused:
        line, _, where = place.removeprefix("[").partition("]")
        if not line.isdecimal():
            return problem(400, words)
        return lines([RefusedLine(int(line) + self.first_line, where.removeprefix("."), words)])

    def _refuse_repeated(self, pairs: list[tuple[str, str]], entries: list[Mapping[str, Any]]) -> None:
        refused: list[RefusedLine] = []
        seen: set[tuple[str, str]] = set()
        for index, (pair, entry) in enumerate(zip(pairs, entries, strict=True)):
            if pair in seen:
                refused.append(RefusedLine(index + self.first_line, "sku", f"SKU {entry['sku']} is given twice"))
            rows = entry["pricing"]
            if len({(row["quantity"], row.get("unit_of_measure")) for row in rows}) < len(rows):
                refused.append(RefusedLine(index + self.first_line, "pricing", "a quantity is given twice"))
            seen.add(pair)
        if refused:
            raise lines(refused)
