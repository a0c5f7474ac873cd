"""Stock levels by SKU and location, and the locations themselves (sparklayer.md section 3).

Setting is an upsert of (SKU, location) pairs and leaves other pairs alone. Deleting is not: it takes a SKU's rows
at every location. So where else a SKU lies is read first, and it is deleted only when it lies nowhere else. Its other
rows are not deleted and set again, as one might: whatever fails or dies in between, be it this process, would lose
rows that are somebody else's and that nobody could restore. A level of 0 of our own is the smaller evil.

What reading and deleting want and answer is inferred: a plain list of SKUs, and levels that name their location as
those that are set do. So is that setting clears whatever a row does not say (sparklayer.md section 3).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from daemon.model import Lane, Sku
from daemon.model import Stock as Level
from daemon.sparklayer.client import Client, encode_json
from daemon.sparklayer.failures import Operation
from daemon.sparklayer.inferred import STOCK_LOCATIONS
from daemon.sparklayer.own_words import NOTHING, UNSEEN, many_with, one_with

SET = Operation(name="updateBatchStock", method="POST", answers=UNSEEN)
FETCH = Operation(name="getBatchStock", method="POST", answers=many_with("sku"))
DELETE = Operation(name="deleteBatchStock", method="POST", answers=NOTHING)
LIST_LOCATIONS = Operation(name="listStockLocations", method="GET", answers=many_with("id"))
CREATE_LOCATION = Operation(name="createStockLocation", method="POST", answers=one_with("id"), keyed=True)

SET_PATH = "/api/v1/batch-update-stock"
FETCH_PATH = "/api/v1/batch-fetch-stock"
DELETE_PATH = "/api/v1/batch-delete-stock"


@frozen
class StockRow:
    """What there is of a SKU at a location."""

    sku: Sku
    stock: Level


class StockLocation(msgspec.Struct, frozen=True):
    """A location; `external_id` is whatever the integration that made it called it."""

    id: str
    name: str = ""
    external_id: str | None = None


class Stock:
    """Writes stock of one site, each list in one call: `in_bulks` cuts what is too much for one."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set(self, location_id: str, rows: Sequence[StockRow], lane: Lane) -> None:
        """Set the level of each row's SKU at a location; a SKU may be in `rows` once. Raises Rejected."""
        await self._client.call(SET, SET_PATH, lane, encode_json([entry(row, location_id) for row in rows]))

    async def remove(self, location_id: str, skus: Sequence[Sku], lane: Lane) -> None:
        """Take away the SKUs' rows at a location; those that are not there cost nothing.

        A SKU that another location has too is set to 0 here instead: deleting it would take that one's row as well.
        """
        held = await self._client.read(FETCH, FETCH_PATH, lane, list[_Held], encode_json(skus))
        places = {sku.sku: {level.stock_location_id for level in sku.stock_levels} for sku in held}
        alone = [sku for sku, at in places.items() if at == {location_id}]
        if alone:
            await self._client.call(DELETE, DELETE_PATH, lane, encode_json(alone))
        shared = [StockRow(Sku(sku), Level(0)) for sku, at in places.items() if location_id in at and len(at) > 1]
        if shared:
            await self.set(location_id, shared, lane)

    async def locations(self) -> list[StockLocation]:
        """List the site's locations."""
        return await self._client.read(LIST_LOCATIONS, STOCK_LOCATIONS, Lane.LIVE, list[StockLocation])

    async def create_location(self, name: str, external_id: str) -> StockLocation:
        """Create a location. Raises Duplicate when the external id is taken."""
        body = encode_json({"name": name, "external_id": external_id})
        return await self._client.read(CREATE_LOCATION, STOCK_LOCATIONS, Lane.LIVE, StockLocation, body)


def entry(row: StockRow, location_id: str) -> dict[str, Any]:
    """Return a row of a write; what it does not say of a pair is cleared there."""
    entry = {
        "sku": row.sku,
        "stock_location_id": location_id,
        "stock_level": row.stock.level,
        "restock_date": row.stock.restock_date,
        "min_stock_level": row.stock.min_level,
    }
    return {name: value for name, value in entry.items() if value is not None}


class _Level(msgspec.Struct):
    stock_location_id: str


class _Held(msgspec.Struct):
    sku: str
    stock_levels: list[_Level] = []
