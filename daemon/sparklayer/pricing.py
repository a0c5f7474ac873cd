"""Price lists and the prices on them (sparklayer.md section 4).

A write replaces all prices of each SKU in it, on that list; other SKUs keep theirs. A list has one currency. Its slug
(at most 30 characters) and its source never change; the source of our list is `platform` or `integration`.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import frozen

from daemon.errors import Missing
from daemon.model import Lane, Sku
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.inferred import CLEARED
from daemon.sparklayer.operation import OF_OLD_PAGES, About, Operation, many_with, one_with

PRICE_LISTS = "/api/v1/price-lists"

PRICE_LIST = one_with("slug")
GET_LIST = Operation(name="getPriceList", method="GET", answers=PRICE_LIST)
CREATE_LIST = Operation(name="createPriceList", method="POST", answers=PRICE_LIST, names_nothing=True, keyed=True)
UPDATE_LIST = Operation(name="updatePriceList", method="PATCH", answers=PRICE_LIST)
READ = Operation(name="getPriceListPricing", method="GET", answers=many_with("sku"), forbidding=True)
SET = Operation(
    name="updatePriceListPricing",
    method="PATCH",
    answers=OF_OLD_PAGES,
    concurrent=True,
    by_line=True,
    bulk=True,
    about=About.BODY,
)


class PriceList(msgspec.Struct, frozen=True, omit_defaults=True):
    """A price list; `source` names its creator: `custom`, `platform` or `integration`.

    `tax_inclusive_display` is None if SparkLayer omits it (inferred); a new list is sent without it.
    """

    slug: str
    name: str = ""
    currency_code: str = ""
    source: str = ""
    tax_inclusive_display: bool | None = None


@frozen
class SkuPrice:
    """The price of one unit of a SKU in its list's currency; None clears it."""

    sku: Sku
    price: Decimal | None


class _Priced(msgspec.Struct):
    sku: Sku


class Pricing:
    """Writes price lists and prices of one site."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get_list(self, slug: str) -> PriceList | None:
        """Return a price list, or None if there is none."""
        try:
            return await self._client.read(GET_LIST, _path(slug), Lane.LIVE, PriceList)
        except Missing:
            return None

    async def create_list(self, new: PriceList) -> None:
        """Create a price list. Raises Rejected if its slug is taken, since the text of that 400 is not documented."""
        await self._client.call(CREATE_LIST, PRICE_LISTS, Lane.LIVE, encode_json(new))

    async def update_list(self, slug: str, changes: Mapping[str, Any]) -> None:
        """Change the named fields of a list. Only this call documents `tax_inclusive_display`.

        Another currency relabels the list's prices and does not convert them. Raises Missing.
        """
        await self._client.call(UPDATE_LIST, _path(slug), Lane.LIVE, encode_json(changes))

    async def skus(self, slug: str) -> list[Sku]:
        """Return the SKUs with a price on a list. Raises Missing if there is no such list.

        Public code shows one row per SKU and quantity. That one answer has all rows is inferred.
        """
        rows = await self._client.read(READ, f"{_path(slug)}/pricing", Lane.BACKFILL, list[_Priced])
        return list(dict.fromkeys(row.sku for row in rows))

    async def set(self, slug: str, rows: Sequence[SkuPrice], lane: Lane) -> None:
        """Set or clear the price of each row's SKU in one call; `in_bulks` splits longer lists.

        Raises Missing if there is no such list. Raises Rejected; its `lines` are indexes into `rows` if SparkLayer
        names the refused lines.
        """
        body = [
            {"sku": row.sku, "pricing": CLEARED if row.price is None else [{"quantity": 1, "price": row.price}]}
            for row in rows
        ]
        await self._client.call(SET, f"{_path(slug)}/pricing", lane, encode_json(body))


def _path(slug: str) -> str:
    return f"{PRICE_LISTS}/{quote(slug, safe='')}"
