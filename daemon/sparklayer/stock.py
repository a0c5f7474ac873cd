"""Stock levels by SKU and location, and the locations themselves (sparklayer.md section 3).

Setting is an upsert of (SKU, location) pairs and leaves other pairs alone. Removing is not: it takes a SKU's rows
at every location. So what the other locations hold is read first and set again, with all its fields (DESIGN 9.16),
and nobody can be cancelled in between.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import trio
from attrs import frozen

from daemon.errors import Retry
from daemon.model import Lane, Sku
from daemon.sparklayer.client import Client, encode_json, in_bulks
from daemon.sparklayer.failures import Operation
from daemon.sparklayer.inferred import STOCK_LOCATIONS

SET = Operation(name="updateBatchStock", method="POST")
FETCH = Operation(name="getBatchStock", method="POST")
DELETE = Operation(name="deleteBatchStock", method="POST")
LIST_LOCATIONS = Operation(name="listStockLocations", method="GET")
CREATE_LOCATION = Operation(name="createStockLocation", method="POST", keyed=True)

SET_PATH = "/api/v1/batch-update-stock"
FETCH_PATH = "/api/v1/batch-fetch-stock"
DELETE_PATH = "/api/v1/batch-delete-stock"

SHIELDED_SECONDS = 20.0
"""How long a removal may hold up a shutdown, which has 25 s."""


@frozen
class StockRow:
    """How many of a SKU there are at a location."""

    sku: Sku
    level: int


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
        await self._set([_row(location_id, row.sku, {"stock_level": row.level}) for row in rows], lane)

    async def remove(self, location_id: str, skus: Sequence[Sku], lane: Lane) -> None:
        """Remove the SKUs' rows at a location; those that are not there cost nothing."""
        held = await self._client.read(FETCH, FETCH_PATH, lane, list[_Held], encode_json(skus))
        gone = [sku for sku in held if any(level.stock_location_id == location_id for level in sku.stock_levels)]
        others = [
            _row(level.stock_location_id, sku.sku, _fields(level))
            for sku in gone
            for level in sku.stock_levels
            if level.stock_location_id != location_id
        ]
        if gone:
            await self._delete([sku.sku for sku in gone], others, lane)

    async def locations(self) -> list[StockLocation]:
        """List the site's locations."""
        return await self._client.read(LIST_LOCATIONS, STOCK_LOCATIONS, Lane.LIVE, list[StockLocation])

    async def create_location(self, name: str, external_id: str) -> StockLocation:
        """Create a location. Raises Duplicate when the external id is taken."""
        body = encode_json({"name": name, "external_id": external_id})
        return await self._client.read(CREATE_LOCATION, STOCK_LOCATIONS, Lane.LIVE, StockLocation, body)

    async def _set(self, rows: Sequence[dict[str, Any]], lane: Lane) -> None:
        await self._client.call(SET, SET_PATH, lane, encode_json(rows))

    async def _delete(self, skus: list[str], others: list[dict[str, Any]], lane: Lane) -> None:
        try:
            with trio.fail_after(SHIELDED_SECONDS, shield=True):
                await self._client.call(DELETE, DELETE_PATH, lane, encode_json(skus))
                for bulk in in_bulks(others):
                    await self._set(bulk, lane)
        except trio.TooSlowError as error:
            raise Retry("removing stock took too long", reason="timeout", effect_unknown=True) from error


class _Level(msgspec.Struct):
    stock_location_id: str
    stock_level: int | None = None
    restock_date: str | None = None
    min_stock_level: int | None = None


class _Held(msgspec.Struct):
    sku: str
    stock_levels: list[_Level] = []


def _row(location_id: str, sku: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"sku": sku, "stock_location_id": location_id, **fields}


def _fields(level: _Level) -> dict[str, Any]:
    """Return all that a location says of a SKU: what is sent overwrites, so what is omitted may be lost."""
    said = {
        "stock_level": level.stock_level,
        "restock_date": level.restock_date,
        "min_stock_level": level.min_stock_level,
    }
    return {name: value for name, value in said.items() if value is not None}
