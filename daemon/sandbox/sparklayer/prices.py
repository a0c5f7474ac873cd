"""Price lists, their prices, and the currency of the store (sparklayer.md sections 4 and 7).

A write replaces all prices of each SKU it names on that list and leaves the others; `pricing: []` clears the SKU.
A SKU need not exist as a variant. Refused rows are answered as a bare list of lines, and nothing is carried out.

Price lists are made, listed and changed; slug and source never change. A currency that is set stays: another one is a
conflict. Global settings refuse keys made in the Dashboard, with 403 unless told otherwise, unless the switch says that
these credentials may write them.
"""

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from daemon.sandbox.message import Refused, Request, Response, json, route
from daemon.sandbox.query import Parameters
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Detail, Record, RefusedLine, invalid, lines, problem

BASE_CURRENCY = "baseCurrency"


@define(eq=False)
class Settings:
    """The site's settings, and their routes."""

    writable: bool
    refusal: int
    currency: str | None = None

    @route("GET", "/api/v1/store-currency")
    def _get_currency(self, _request: Request) -> Response:
        """Answer the currency; 404 while none is set."""
        if self.currency is None:
            raise problem(404, "No store currency is set")
        return json({"currency_code": self.currency})

    @route("PUT", "/api/v1/store-currency")
    def _put_currency(self, request: Request) -> Response:
        """Set the currency; 409 when another one is set."""
        wanted = decode(request, "putStoreCurrency").currency_code
        if self.currency not in {None, wanted}:
            raise problem(409, f"The store currency is already set to {self.currency}")
        self.currency = wanted
        return json({"currency_code": wanted})

    @route("PATCH", "/api/v1/settings")
    def _update(self, request: Request) -> Response:
        """Write global settings; only the base currency can be written."""
        rows = decode(request, "patchGlobalSetting")
        if not self.writable or any(row["key"] != BASE_CURRENCY for row in rows):
            raise problem(self.refusal, "Global settings unavailable for updates, please contact support")
        for index, row in enumerate(rows):
            if not re.fullmatch("[A-Z]{3}", str(row["value"])):
                words = f"{row['value']} is not a currency"
                raise problem(400, words, [Detail("invalid", words, f"[{index}].value")])
            self.currency = row["value"]
        return Response(status=204)


MOST_PER_PAGE = 250


@define(eq=False)
class PriceLists:
    """The price lists of the site by slug, and their routes."""

    lists: dict[str, Record] = field(factory=dict)

    def existing(self, slug: str) -> Record:
        """Return a list. Raises Refused with 404."""
        if slug not in self.lists:
            raise problem(404, f"There is no price list {slug}")
        return self.lists[slug]

    @route("GET", "/api/v1/price-lists")
    def _all(self, _request: Request) -> Response:
        return json(list(self.lists.values()))

    @route("GET", "/api/v2/price-lists")
    def page(self, request: Request) -> Response:
        """Answer a page of lists."""
        query = Parameters(request.query, invalid)
        page = query.number("page", least=1) or 1
        size = query.number("page_size", least=1, most=MOST_PER_PAGE) or 50
        source = query.text("source")
        query.text("order_by")
        query.finish()
        kept = [found for found in self.lists.values() if source in {None, found.source}]
        pages = {"current_page": page, "total_pages": max(1, -(-len(kept) // size))}
        return json({"data": kept[(page - 1) * size : page * size], "pagination": pages})

    @route("POST", "/api/v1/price-lists")
    def _create(self, request: Request) -> Response:
        """Create a list, that shows no tax until it is changed; 400 for a slug that is taken."""
        written = decode(request, "createPriceList")
        if written.slug in self.lists:
            raise problem(400, f"slug {written.slug} is already in use")
        self.lists[written.slug] = Record({"source": "integration"} | written)
        return json(self.lists[written.slug])

    @route("GET", "/api/v1/price-lists/{slug}")
    def _get(self, _request: Request, slug: str) -> Response:
        return json(self.existing(slug))

    @route("PATCH", "/api/v1/price-lists/{slug}")
    def _update(self, request: Request, slug: str) -> Response:
        """Change the fields sent; a body with slug or source is refused."""
        written = decode(request, "updatePriceList")
        self.lists[slug] = Record(self.existing(slug) | written)
        return json(self.lists[slug])


@define(eq=False, kw_only=True)
class Prices:
    """All prices of the site as {slug: {sku: rows}}, and their routes."""

    lists: PriceLists
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
        return lines([RefusedLine(int(line), where.removeprefix("."), words)])

    def _refuse_repeated(self, pairs: list[tuple[str, str]], entries: list[Mapping[str, Any]]) -> None:
        refused: list[RefusedLine] = []
        seen: set[tuple[str, str]] = set()
        for index, (pair, entry) in enumerate(zip(pairs, entries, strict=True)):
            if pair in seen:
                refused.append(RefusedLine(index, "sku", f"SKU {entry['sku']} is given twice"))
            rows = entry["pricing"]
            if len({(row["quantity"], row.get("unit_of_measure")) for row in rows}) < len(rows):
                refused.append(RefusedLine(index, "pricing", "a quantity is given twice"))
            seen.add(pair)
        if refused:
            raise lines(refused)
