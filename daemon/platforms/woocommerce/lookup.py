"""Finds entities as people name them."""

import html
from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from daemon.errors import Missing, Rejected
from daemon.model import Kind, Lane
from daemon.platforms.shared.lookup import COMPANY, EMAIL, NAME, NUMBER, SKU, LookupByKind, Named
from daemon.platforms.shared.rows import Odd, Shape, Unreadable, with_ids
from daemon.platforms.woocommerce.client import RAW, Client
from daemon.platforms.woocommerce.values import is_id
from daemon.transport.http import shortly

LIMIT = "100"


class _Product(Struct, frozen=True, kw_only=True):
    id: int
    name: str = ""
    sku: str = ""
    parent_id: int = 0

    @property
    def named(self) -> Named:
        """The product; of a variation, its product."""
        name = html.unescape(self.name)
        return Named(self.parent_id or self.id, name, ((SKU, html.unescape(self.sku)), (NAME, name)))


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
    def named(self) -> Named:
        name = html.unescape(f"{self.first_name} {self.last_name}".strip())
        company = html.unescape(self.billing.company)
        fields = ((EMAIL, html.unescape(self.email)), (NAME, name), (COMPANY, company))
        return Named(self.id, company or name or self.email, fields)


class _Order(Struct, frozen=True, kw_only=True):
    id: int
    number: str = ""
    billing: _Billing = _Billing()

    @property
    def named(self) -> Named:
        """The order; most shops use ids as numbers."""
        texts = ((NUMBER, self.number), (EMAIL, self.billing.email))
        fields = ((NUMBER, str(self.id)), *((by, html.unescape(value)) for by, value in texts))
        return Named(self.id, f"Order {self.number or self.id}", fields)


_Row = _Product | _Customer | _Order
_PRODUCT: Shape[_Row] = Shape(_Product)
_CUSTOMER: Shape[_Row] = Shape(_Customer)
_ORDER: Shape[_Row] = Shape(_Order)


class Lookup(LookupByKind):
    """Finds entities of one shop."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def rows(self, kind: Kind, text: str) -> list[Named]:
        """Return the rows that the shop finds by a text."""
        if kind is Kind.PRODUCTS:
            query = {"_fields": "id,name,sku,parent_id"}
            # The filter takes several SKUs, so one with a comma cannot be asked for.
            by_sku = await self._rows("/products", _PRODUCT, {**query, "sku": text})
            return by_sku + await self._rows("/products", _PRODUCT, {**query, "search": text})
        if kind is Kind.CUSTOMERS:
            query = {"_fields": "id,email,first_name,last_name,billing", "role": "all"}
            return await self._rows("/customers", _CUSTOMER, {**query, "email" if "@" in text else "search": text})
        query = {"_fields": "id,number,billing"}
        by_id = await self._order(text, query) if is_id(text) else []
        return by_id + await self._rows("/orders", _ORDER, {**query, "search": text})

    async def _order(self, id_: str, query: Mapping[str, str]) -> list[Named]:
        try:
            raw = await shortly(partial(self._client.get, f"/orders/{id_}", RAW, lane=Lane.LIVE, query=query))
        except Missing:
            return []
        return [row.named for row in [_ORDER.read(raw)] if not isinstance(row, Unreadable | Odd)]

    async def _rows(self, path: str, shape: Shape[_Row], filters: Mapping[str, str]) -> list[Named]:
        """Read the first page of a list, without unreadable rows; a person with more matches can ask more precisely."""
        query = {**filters, "per_page": LIMIT}
        try:
            answer = await shortly(partial(self._client.page, path, lane=Lane.LIVE, query=query))
        except Rejected:
            return []  # the text cannot be a value of the filter, such as an e-mail address without a domain
        return [row.named for row in map(shape.read, with_ids(answer.rows)) if not isinstance(row, Unreadable | Odd)]
