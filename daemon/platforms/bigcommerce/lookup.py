"""Finds entities as people name them.

Each row of an answer is checked against the question. The filters `name` and `keyword` of products are those of the
vendor's reference (bigcommerce.md section 15); `sku` of variants covers simple products too. It is not documented that
filters ignore case, so the check does.
"""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.json import Decoder

from daemon.errors import Missing
from daemon.model import ExternalId, Lane
from daemon.platforms.base import Match
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import LARGEST_ID, is_id, listed
from daemon.platforms.shared.lookup import COMPANY, EMAIL, NAME, NUMBER, SKU, LookupByKind
from daemon.platforms.shared.rows import read_id, readable
from daemon.transport.http import shortly

PRODUCTS, VARIANTS = "/v3/catalog/products", "/v3/catalog/variants"
CUSTOMERS, ORDERS = "/v3/customers", "/v2/orders"


class _Row(Struct, frozen=True):
    id: int


R = TypeVar("R", bound=_Row)


class _Variant(_Row, frozen=True, kw_only=True):
    product_id: int
    sku: str | None = None


class _Product(_Row, frozen=True, kw_only=True):
    name: str = ""
    sku: str | None = None


class _Customer(_Row, frozen=True, kw_only=True):
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None

    @property
    def name(self) -> str:
        return f"{self.first_name or ''} {self.last_name or ''}".strip()

    @property
    def called(self) -> str:
        return self.company or self.name or self.email or ""


class _Billing(Struct, frozen=True):
    email: str | None = None


class _Order(_Row, frozen=True, kw_only=True):
    billing_address: _Billing | None = None

    @property
    def email(self) -> str | None:
        return self.billing_address.email if self.billing_address else None


_VARIANT, _PRODUCT = Decoder(_Variant, strict=False), Decoder(_Product, strict=False)
_CUSTOMER, _ORDER = Decoder(_Customer, strict=False), Decoder(_Order, strict=False)


class Lookup(LookupByKind):
    """Finds entities of one store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def _products(self, text: str) -> list[Match]:
        variants = await self._rows(VARIANTS, _VARIANT, {"sku": text})
        ids = list(dict.fromkeys(one.product_id for one in variants if _same(one.sku, text)))
        names = {one.id: one.name for one in await self._some({"id:in": listed(ids)})} if ids else {}
        found = [_match(id_, SKU, names.get(id_, "")) for id_ in ids]
        found += [_match(one.id, SKU, one.name) for one in await self._some({"sku": text}) if _same(one.sku, text)]
        found += [_match(one.id, NAME, one.name) for one in await self._some({"name": text}) if _same(one.name, text)]
        if found:
            return found
        products = await self._some({"keyword": text})
        return [_match(one.id, NAME, one.name) for one in products if _has(one.name, text) or _same(one.sku, text)]

    async def _customers(self, text: str) -> list[Match]:
        if "@" in text:
            people = await self._people({"email:in": text})
            return [_match(one.id, EMAIL, one.called) for one in people if _same(one.email, text)]
        people = await self._people({"name:in": text})
        found = [_match(one.id, NAME, one.called) for one in people if _same(one.name, text)]
        people = await self._people({"company:in": text})
        found += [_match(one.id, COMPANY, one.called) for one in people if _same(one.company, text)]
        if found:
            return found
        people = await self._people({"name:like": text})
        return [_match(one.id, NAME, one.called) for one in people if _has(one.name, text)]

    async def _orders(self, text: str) -> list[Match]:
        number = text.removeprefix("#").strip()
        if is_id(number):
            return await self._numbered(int(number))
        if "@" not in text:
            return []
        ask = partial(self._client.get, ORDERS, schema.RAW_LIST, lane=Lane.LIVE)
        raws = await shortly(partial(ask, query={"email": text, "limit": str(schema.LARGEST_PAGE)}))
        return [_match(one.id, EMAIL, f"Order {one.id}") for one in readable(raws, _ORDER) if _same(one.email, text)]

    async def _numbered(self, number: int) -> list[Match]:
        if not 0 < number <= LARGEST_ID:
            return []
        try:
            raw = await shortly(partial(self._client.get, f"{ORDERS}/{number}", schema.RAW, lane=Lane.LIVE))
        except Missing:
            return []
        return [_match(number, NUMBER, f"Order {number}")] if read_id(raw) == number else []

    async def _some(self, filters: Mapping[str, str]) -> list[_Product]:
        return await self._rows(PRODUCTS, _PRODUCT, {**filters, "include_fields": "name,sku"})

    async def _people(self, filters: Mapping[str, str]) -> list[_Customer]:
        return await self._rows(CUSTOMERS, _CUSTOMER, filters)

    async def _rows(self, path: str, decoder: Decoder[R], filters: Mapping[str, str]) -> list[R]:
        """Read the first page of a v3 list; a person with more matches can ask more precisely."""
        query = {**filters, "limit": str(schema.LARGEST_PAGE)}
        ask = partial(self._client.get, path, schema.RAW_LISTING, lane=Lane.LIVE, query=query)
        return readable((await shortly(ask)).data, decoder)  # others have no name to compare


def _match(id_: int, by: str, name: str) -> Match:
    return Match(ExternalId(str(id_)), by, name)


def _same(value: str | None, text: str) -> bool:
    return (value or "").strip().casefold() == text.casefold()


def _has(value: str | None, text: str) -> bool:
    return text.casefold() in (value or "").casefold()
