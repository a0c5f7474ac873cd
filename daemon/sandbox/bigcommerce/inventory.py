"""`GET /v3/inventory/items` and `/v3/inventory/locations` (bigcommerce.md section 4).

Available to sell is on hand less safety stock; the sandbox keeps no safety stock, so both are the same. A product
that is tracked as a whole although it has options has one item without a variant.
"""

from collections.abc import Iterator
from typing import Any

from daemon.sandbox.bigcommerce.answers import Parameters, numbered
from daemon.sandbox.bigcommerce.catalogue import MAIN_LOCATION, Location
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, route
from daemon.sandbox.record import Record, record

MOST = 1000


@record("sku variant_id product_id sku_id")
class _Identity(Record):
    """Subject of a stock level."""


class Inventory:
    """The inventory routes of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @route("GET", "/v3/inventory/items")
    def items(self, request: Request) -> Response:
        """Answer a page of stock levels."""
        query = Parameters(request.query)
        products, variants = query.ids("product_id:in"), query.ids("variant_id:in")
        positions, listed = query.ids("location_id:in"), query.text("sku:in")
        skus = None if listed is None else listed.split(",")
        items = [
            item
            for item in self._items(products)
            if (variants is None or item.variant_id in variants) and (skus is None or item.sku in skus)
        ]
        return numbered(
            items,
            query,
            lambda item: {"identity": item, "locations": list(self._levels(item, positions))},
            _limit(query),
        )

    @route("GET", "/v3/inventory/locations")
    def _locations(self, request: Request) -> Response:
        query = Parameters(request.query)
        return numbered(self._store.locations, query, _location, _limit(query))

    def _items(self, product_ids: list[int] | None) -> Iterator[_Identity]:
        for product_id in self._store.ids if product_ids is None else product_ids:
            entry = self._store.entries.get(product_id)
            if entry is None or entry.product.inventory_tracking == "none":
                continue
            product = entry.product
            if product.inventory_tracking == "product" and not entry.simple:
                yield _Identity(product.sku, None, product.id, None)
            else:
                yield from (_Identity(row.sku, row.id, product.id, row.sku_id) for row in entry.variants)

    def _levels(self, item: _Identity, positions: list[int] | None) -> Iterator[dict[str, Any]]:
        whole = item.variant_id is None
        tracked = self._store.entries[item.product_id].product if whole else self._store.variant(item.variant_id)
        for place in self._store.locations:
            if positions is None or place.id in positions:
                elsewhere = self._store.elsewhere.get((item.variant_id, place.id), 0)
                level = tracked.inventory_level if place.id == MAIN_LOCATION else elsewhere
                yield {
                    "location_id": place.id,
                    "location_code": place.code,
                    "location_name": place.label,
                    "available_to_sell": level,
                    "total_inventory_onhand": level,
                    "location_enabled": True,
                    "settings": {
                        "safety_stock": 0,
                        "is_in_stock": level > 0,
                        "warning_level": 0,
                        "bin_picking_number": "",
                    },
                }


def _limit(query: Parameters) -> int:
    return query.number("limit", least=1, most=MOST) or 50


def _location(place: Location) -> dict[str, Any]:
    return {
        "id": place.id,
        "code": place.code,
        "label": place.label,
        "description": "",
        "type_id": "PHYSICAL",
        "enabled": True,
        "managed_by_external_source": False,
    }
