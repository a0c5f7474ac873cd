"""Stock levels by SKU and location, and the locations themselves (sparklayer.md section 3).

A write sets (SKU, location) pairs and leaves other pairs unchanged. A deletion removes a SKU's rows at all locations.
So the SKU's locations are read first, and the SKU is deleted only if its single row is ours; otherwise our level
becomes 0. Deleting all rows and restoring the others would lose them after a failure in between.

One answer is never enough for a deletion, nor for taking a SKU as already gone: a second answer confirms it. It is
inferred that a level names its location as a row of a write does, and that a write clears a row's omitted fields
(sparklayer.md section 3).
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import trio
from attrs import frozen

from daemon.entities import StockLevel
from daemon.model import Lane, Sku
from daemon.sparklayer.client import Client, encode_json, replaced, without_none
from daemon.sparklayer.operation import NOTHING, OF_OLD_PAGES, About, Operation, many_with, one_with
from daemon.sparklayer.operation import STOCK_LOCATION as CONTROL
from daemon.transport.second_answer import SECOND_AFTER, confirmed

SET = Operation(name="updateBatchStock", method="POST", answers=OF_OLD_PAGES, bulk=True, about=About.BODY)
FETCH = Operation(name="getBatchStock", method="POST", answers=many_with("sku"), bulk=True, about=About.BODY)
DELETE = Operation(name="deleteBatchStock", method="POST", answers=NOTHING, bulk=True, about=About.BODY)
LIST_LOCATIONS = Operation(name="getStockLocations", method="GET", answers=many_with("id"), control=CONTROL)
CREATE_LOCATION = Operation(
    name="createStockLocation",
    method="POST",
    answers=one_with("id"),
    names_nothing=True,
    keyed=True,
    conflicting=True,
    control=CONTROL,
)

SET_PATH = "/api/v1/batch-update-stock"
FETCH_PATH = "/api/v1/batch-fetch-stock"
DELETE_PATH = "/api/v1/batch-delete-stock"
STOCK_LOCATIONS = "/api/v1/stock-locations"


@frozen
class StockRow:
    """A SKU's stock level for one location."""

    sku: Sku
    stock: StockLevel


class StockLocation(msgspec.Struct, frozen=True):
    """A location; its integration chose `external_id`."""

    id: str
    name: str = ""
    external_id: str | None = None


@frozen(kw_only=True)
class FoundStock:
    """SKUs by their rows: without any, with one at our location alone, and with others besides ours.

    A deletion would remove the other rows of a `shared` SKU too, so ours is set to 0. A SKU with rows elsewhere only is
    in none of these. Two answers differ about an `unclear` one.
    """

    absent: frozenset[Sku]
    alone: frozenset[Sku]
    shared: frozenset[Sku]
    unclear: frozenset[Sku]


class Stock:
    """Writes stock of one site, each list in one call; `in_bulks` splits longer lists."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def set(self, location_id: str, rows: Sequence[StockRow], lane: Lane) -> None:
        """Set the level of each row's SKU at a location; a SKU may be in `rows` once. Raises Rejected.

        Unreadable fields are read from SparkLayer first, and written back.
        """

        async def write(held: dict[Sku, dict[str, Any]], before: float) -> None:
            body = encode_json([{**held.get(row.sku, {}), **entry(row, location_id)} for row in rows])
            await self._client.call(SET, SET_PATH, lane, body, before)

        names = {row.sku: row.stock.unreadable for row in rows if row.stock.unreadable}
        if names:
            await replaced(partial(self._unreadable, location_id, names, lane), write)
        else:
            await write({}, math.inf)

    async def _unreadable(
        self, location_id: str, names: Mapping[Sku, Collection[str]], lane: Lane
    ) -> dict[Sku, dict[str, Any]]:
        """Return the named fields of SKUs as SparkLayer has them at a location.

        A row that SparkLayer does not show is new only if two answers say so.
        """

        async def read() -> dict[Sku, dict[str, Any]]:
            return {
                row.sku: {name: value for name in names[row.sku] if (value := getattr(level, name)) is not None}
                for row in await self._fetch([*names], lane)
                if row.sku in names
                for level in row.stock_levels
                if level.stock_location_id == location_id
            }

        return await confirmed(read, lambda held: held.keys() == names.keys())

    async def look_for(self, location_id: str, skus: Sequence[Sku], lane: Lane) -> FoundStock:
        """Return how the SKUs' rows at a location can be removed.

        Two answers, two seconds apart, must agree on a SKU that is not shared.
        """
        first = await self._locations_of(skus, lane)
        shared = {sku for sku, places in first.items() if location_id in places and len(places) > 1}
        doubtful = [sku for sku in skus if first[sku] in (frozenset(), {location_id})]
        second = first
        if doubtful:
            await trio.sleep(SECOND_AFTER)
            second = await self._locations_of(doubtful, lane)
        agreed = [sku for sku in doubtful if first[sku] == second[sku]]
        return FoundStock(
            absent=frozenset(sku for sku in agreed if not first[sku]),
            alone=frozenset(sku for sku in agreed if first[sku]),
            shared=frozenset(shared),
            unclear=frozenset(doubtful) - frozenset(agreed),
        )

    async def delete(self, skus: Sequence[Sku], lane: Lane) -> None:
        """Remove the SKUs' rows at all locations. Raises Rejected."""
        await self._client.call(DELETE, DELETE_PATH, lane, encode_json({"skus": skus}))

    async def having(self, skus: Sequence[Sku], lane: Lane) -> frozenset[Sku]:
        """Return the SKUs that have a row at any location."""
        return frozenset(sku for sku, places in (await self._locations_of(skus, lane)).items() if places)

    async def _locations_of(self, skus: Sequence[Sku], lane: Lane) -> dict[Sku, frozenset[str]]:
        """Return the location ids of each SKU's rows; empty for SKUs that the answer omits."""
        held = await self._fetch(skus, lane)
        found = {row.sku: frozenset(level.stock_location_id for level in row.stock_levels) for row in held}
        return {sku: found.get(sku, frozenset()) for sku in skus}

    async def _fetch(self, skus: Sequence[Sku], lane: Lane) -> list["_HeldStock"]:
        query = {"skus": skus, "filter": {"all_stock_locations": True}}
        return await self._client.read(FETCH, FETCH_PATH, lane, list[_HeldStock], encode_json(query))

    async def locations(self) -> list[StockLocation]:
        """Return the site's locations."""
        return await self._client.read(LIST_LOCATIONS, STOCK_LOCATIONS, Lane.LIVE, list[StockLocation])

    async def create_location(self, name: str, external_id: str) -> StockLocation:
        """Create a location. Raises Duplicate if the external id is taken."""
        body = encode_json({"name": name, "external_id": external_id})
        return await self._client.read(CREATE_LOCATION, STOCK_LOCATIONS, Lane.LIVE, StockLocation, body)


def entry(row: StockRow, location_id: str) -> dict[str, Any]:
    """Return a row of a write; SparkLayer clears the fields that it omits."""
    return without_none(
        {
            "sku": row.sku,
            "stock_location_id": location_id,
            "stock_level": row.stock.level,
            "restock_date": row.stock.restock_date,
            "min_stock_level": row.stock.min_level,
        }
    )


class _Level(msgspec.Struct):
    stock_location_id: str
    restock_date: str | None = None
    min_stock_level: int | None = None


class _HeldStock(msgspec.Struct):
    sku: Sku
    stock_levels: list[_Level] = []
