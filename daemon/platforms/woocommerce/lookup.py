"""Finds entities as people name them.

Each row of an answer is checked against the question, because an unknown filter is ignored.
"""

import html
from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct

from daemon.errors import Missing, Rejected
from daemon.model import ExternalId, Lane
from daemon.platforms.base import Match
from daemon.platforms.shared.lookup import COMPANY, EMAIL, NAME, NUMBER, SKU, LookupByKind
from daemon.platforms.shared.odd import Shape
from daemon.platforms.shared.rows import Odd, Unreadable, with_ids
from daemon.platforms.woocommerce.client import RAW, Client
from daemon.platforms.woocommerce.ids import is_id
from daemon.transport.http import shortly

LIMIT = "100"

R = TypeVar("R")


class _Product(Struct, frozen=True, kw_only=True):
    id: int
    name: str = ""
    sku: str = ""
    parent_id: int = 0

    @property
    def owner(self) -> int:
        """The product; of a variation, its product."""
        return self.parent_id or self.id


class _Billing(Struct, frozen=True):
    email: str = ""
    company: str = ""


class _Customer(Struct, frozen=True, kw_only=True):
    id: int
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    billing: _Billing = _Billing()

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def called(self) -> str:
        return self.billing.company or self.name or self.email


class _Order(Struct, frozen=True, kw_only=True):
    id: int
    number: str = ""
    billing: _Billing = _Billing()

    @property
    def name(self) -> str:
        return f"Order {self.number or self.id}"


_PRODUCT, _CUSTOMER, _ORDER = Shape(_Product), Shape(_Customer), Shape(_Order)


class Lookup(LookupByKind):
    """Finds entities of one shop."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _products(self, text: str) -> list[Match]:
        fields = {"_fields": "id,name,sku,parent_id"}
        # The filter takes several SKUs, so one with a comma cannot be asked for.
        by_sku = await self._rows("/products", _PRODUCT, {**fields, "sku": text})
        found = [_match(row.owner, SKU, row.name) for row in by_sku if _same(row.sku, text)]
        named = await self._rows("/products", _PRODUCT, {**fields, "search": text})
        found += [_match(row.owner, NAME, row.name) for row in named if _same(row.name, text)]
        return found or [_match(row.owner, NAME, row.name) for row in named if _has(row.name, text)]

    async def _customers(self, text: str) -> list[Match]:
        query = {"_fields": "id,email,first_name,last_name,billing", "role": "all"}
        if "@" in text:
            people = await self._rows("/customers", _CUSTOMER, {**query, "email": text})
            return [_match(row.id, EMAIL, row.called) for row in people if _same(row.email, text)]
        people = await self._rows("/customers", _CUSTOMER, {**query, "search": text})
        found = [_match(row.id, NAME, row.called) for row in people if _same(row.name, text)]
        found += [_match(row.id, COMPANY, row.called) for row in people if _same(row.billing.company, text)]
        return found or [_match(row.id, NAME, row.called) for row in people if _has(row.name, text)]

    async def _orders(self, text: str) -> list[Match]:
        number = text.removeprefix("#").strip()
        fields = {"_fields": "id,number,billing"}
        found = await self._order(number, fields) if is_id(number) else []
        rows = await self._rows("/orders", _ORDER, {**fields, "search": number})
        found += [_match(row.id, NUMBER, row.name) for row in rows if _same(row.number, number)]
        return found + [_match(row.id, EMAIL, row.name) for row in rows if _same(row.billing.email, text)]

    async def _order(self, number: str, fields: Mapping[str, str]) -> list[Match]:
        """Return the order whose id is a number; most shops use ids as numbers."""
        ask = partial(self._client.get, f"/orders/{number}", RAW, lane=Lane.LIVE, query=fields)
        try:
            row = _ORDER.read(await shortly(ask))
        except Missing:
            return []
        return [_match(row.id, NUMBER, row.name)] if isinstance(row, _Order) and str(row.id) == number else []

    async def _rows(self, path: str, shape: Shape[R], filters: Mapping[str, str]) -> list[R]:
        """Read the first page of a list, without unreadable rows; a person with more matches can ask more precisely."""
        query = {**filters, "per_page": LIMIT}
        try:
            answer = await shortly(partial(self._client.page, path, lane=Lane.LIVE, query=query))
        except Rejected:
            return []  # the text cannot be a value of the filter, such as an e-mail address without a domain
        rows = map(shape.read, with_ids(answer.rows))
        return [row for row in rows if not isinstance(row, Unreadable | Odd)]


def _match(id_: int, by: str, name: str) -> Match:
    return Match(ExternalId(str(id_)), by, html.unescape(name))


def _same(value: str, text: str) -> bool:
    return html.unescape(value).strip().casefold() == text.casefold()


def _has(value: str, text: str) -> bool:
    return text.casefold() in html.unescape(value).casefold()
