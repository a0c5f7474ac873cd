"""Finds entities as people name them.

The filters `name` and `keyword` of products are those of the vendor's reference (bigcommerce.md section 15); `sku` of
variants covers simple products too. It is not documented that filters ignore case, so the check does.
"""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.json import Decoder

from daemon.errors import Missing
from daemon.model import Kind, Lane
from daemon.platforms.bigcommerce import schema
from daemon.platforms.bigcommerce.client import Client
from daemon.platforms.bigcommerce.ids import LARGEST_ID, is_id, listed
from daemon.platforms.shared.lookup import COMPANY, EMAIL, NAME, NUMBER, SKU, LookupByKind, Named
from daemon.platforms.shared.rows import read_id, readable
from daemon.transport.http import shortly

PRODUCTS, CUSTOMERS, ORDERS = "/v3/catalog/products", "/v3/customers", "/v2/orders"

T = TypeVar("T")


class _Variant(Struct, frozen=True):
    product_id: int
    sku: str | None = None


class _Product(Struct, frozen=True):
    id: int
    name: str = ""
    sku: str | None = None


class _Customer(Struct, frozen=True):
    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None


class _Billing(Struct, frozen=True):
    email: str | None = None


class _Order(Struct, frozen=True):
    id: int
    billing_address: _Billing | None = None


_VARIANT, _PRODUCT = Decoder(_Variant, strict=False), Decoder(_Product, strict=False)
_CUSTOMER, _ORDER = Decoder(_Customer, strict=False), Decoder(_Order, strict=False)


class Lookup(LookupByKind):
    """Finds entities of one store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def rows(self, kind: Kind, text: str) -> list[Named]:
        """Return the rows that the store finds by a text."""
        if kind is Kind.PRODUCTS:
            variants = await self._rows("/v3/catalog/variants", _VARIANT, {"sku": text})
            ids = list(dict.fromkeys(variant.product_id for variant in variants))
            names = {row.id: row.called for row in await self._products({"id:in": listed(ids)})} if ids else {}
            found = [Named(row.product_id, names.get(row.product_id, ""), ((SKU, row.sku),)) for row in variants]
            return found + await self._products({"sku": text}) + await self._products({"name": text})
        if kind is Kind.CUSTOMERS and "@" in text:
            return await self._customers({"email:in": text})
        if kind is Kind.CUSTOMERS:
            return await self._customers({"name:in": text}) + await self._customers({"company:in": text})
        if is_id(text):
            return await self._order(text)
        if "@" not in text:
            return []
        query = {"email": text, "limit": str(schema.LARGEST_PAGE)}
        raws = await shortly(partial(self._client.get, ORDERS, schema.RAW_LIST, lane=Lane.LIVE, query=query))
        orders = [(order.id, order.billing_address or _Billing()) for order in readable(raws, _ORDER)]
        return [Named(id_, f"Order {id_}", ((EMAIL, billing.email),)) for id_, billing in orders]

    async def further_rows(self, kind: Kind, text: str) -> list[Named]:
        """Return the rows that a search by a part of the name finds."""
        if kind is Kind.PRODUCTS:
            return await self._products({"keyword": text})
        return await self._customers({"name:like": text}) if kind is Kind.CUSTOMERS and "@" not in text else []

    async def _products(self, filters: Mapping[str, str]) -> list[Named]:
        rows = await self._rows(PRODUCTS, _PRODUCT, {**filters, "include_fields": "name,sku"})
        return [Named(row.id, row.name, ((SKU, row.sku), (NAME, row.name))) for row in rows]

    async def _customers(self, filters: Mapping[str, str]) -> list[Named]:
        found = []
        for row in await self._rows(CUSTOMERS, _CUSTOMER, filters):
            name = f"{row.first_name or ''} {row.last_name or ''}".strip()
            fields = ((EMAIL, row.email), (NAME, name), (COMPANY, row.company))
            found.append(Named(row.id, row.company or name or row.email or "", fields))
        return found

    async def _order(self, text: str) -> list[Named]:
        number = int(text)
        if not 0 < number <= LARGEST_ID:
            return []
        try:
            raw = await shortly(partial(self._client.get, f"{ORDERS}/{number}", schema.RAW, lane=Lane.LIVE))
        except Missing:
            return []
        return [Named(number, f"Order {number}", ((NUMBER, text),))] if read_id(raw) == number else []

    async def _rows(self, path: str, decoder: Decoder[T], filters: Mapping[str, str]) -> list[T]:
        """Read the first page of a v3 list; a person with more matches can ask more precisely."""
        query = {**filters, "limit": str(schema.LARGEST_PAGE)}
        ask = partial(self._client.get, path, schema.RAW_LISTING, lane=Lane.LIVE, query=query)
        return readable((await shortly(ask)).data, decoder)  # the others have no name to compare
