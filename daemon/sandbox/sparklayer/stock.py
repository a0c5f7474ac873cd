"""Stock levels and locations (sparklayer.md section 3).

A level is keyed by SKU and location; a SKU need not exist as a variant. A batch is carried out whole or not at
all: 400 for a location that is unknown, named by both keys or neither, and for a pair given twice. Omitted
`restock_date` and `min_stock_level` are cleared. Without a filter, fetching answers only the location whose external id
is `default`; SKUs without levels are left out. Deleting takes every location.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from daemon.sandbox.message import Request, Response, json, route
from daemon.sandbox.sparklayer.contract import decode
from daemon.sandbox.sparklayer.record import Detail, Record, problem


@define(eq=False, kw_only=True)
class Stock:
    """All levels of the site as {sku: {location id: level}}, the locations, and their routes."""

    locations: list[Record] = field(factory=list)
    levels: dict[str, dict[str, Record]] = field(factory=dict, repr=False)
    writes: int = 0
    """Number of levels that were set or removed."""
    _made: int = 0
    """Number of locations that ever existed: no id is given twice."""

    def add_location(self, external_id: str, name: str) -> None:
        """Let a location be there."""
        self._write(Record(), Record(external_id=external_id, name=name))

    @route("POST", "/api/v1/batch-update-stock")
    def _update(self, request: Request) -> Response:
        """Set levels."""
        refused: list[Detail] = []
        pairs: dict[tuple[str, str], Record] = {}
        ids, external_ids = (
            {place.id for place in self.locations},
            {place.external_id: place.id for place in self.locations if place.external_id},
        )
        for index, row in enumerate(decode(request, "updateBatchStock")):
            sku, external = row.pop("sku"), row.pop("stock_location_external_id", None)
            own = row.get("stock_location_id")
            place: Any = external_ids.get(external) if own is None else own
            if (own is None) == (external is None):
                words = "exactly one of stock_location_id and stock_location_external_id"
                refused.append(Detail("invalid", words, f"[{index}].stock_location_id"))
            elif place not in ids:
                name = "stock_location_id" if external is None else "stock_location_external_id"
                refused.append(Detail("unknown", "There is no such stock location", f"[{index}].{name}"))
            elif (sku, place) in pairs:
                refused.append(Detail("repeated", f"SKU {sku} and location repeat", f"[{index}].sku"))
            else:
                pairs[sku, place] = Record(row, stock_location_id=place)
        if refused:
            raise problem(400, "The stock levels are not valid", refused)
        for (sku, place_id), level in pairs.items():
            self.levels.setdefault(sku, {})[place_id] = level
        self.writes += len(pairs)
        return Response(status=204)

    @route("POST", "/api/v1/batch-fetch-stock")
    def _fetch(self, request: Request) -> Response:
        """Answer the levels of the SKUs asked for, at the locations asked for."""
        query = decode(request, "getBatchStock")
        wanted = self._asked_for(query.filter or {})
        found = {
            sku: [level for place, level in self.levels.get(sku, {}).items() if place in wanted] for sku in query.skus
        }
        return json([{"sku": sku, "stock_levels": levels} for sku, levels in found.items() if levels])

    @route("POST", "/api/v1/batch-delete-stock")
    def _delete(self, request: Request) -> Response:
        """Remove the SKUs from every location; one that has no level is no error."""
        for sku in decode(request, "deleteBatchStock").skus:
            self.writes += self.levels.pop(sku, None) is not None
        return Response(status=204)

    @route("GET", "/api/v1/stock-locations")
    def _list_locations(self, _request: Request) -> Response:
        return json(self.locations)

    @route("POST", "/api/v1/stock-locations")
    def create_location(self, request: Request) -> Response:
        """Create a location; 409 for an external id that is taken."""
        return json(self._write(Record(), decode(request, "createStockLocation")))

    @route("PATCH", "/api/v1/stock-locations/{location_id}")
    def _update_location(self, request: Request, location_id: str) -> Response:
        """Rename a location or change its external id."""
        written = decode(request, "updateStockLocation")
        return json(self._write(self._existing(location_id), written))

    @route("GET", "/api/v1/stock-locations/{location_id}")
    def _get_location(self, _request: Request, location_id: str) -> Response:
        return json(self._existing(location_id))

    @route("DELETE", "/api/v1/stock-locations/{location_id}")
    def _delete_location(self, _request: Request, location_id: str) -> Response:
        """Delete a location with its levels; one that is not there is no error."""
        gone = {place.id for place in self.locations if location_id in {place.id, place.external_id}}
        self.locations = [place for place in self.locations if place.id not in gone]
        for levels in self.levels.values():
            for place in gone:
                levels.pop(place, None)
        return Response(status=204)

    def _existing(self, location_id: str) -> Record:
        known = next((place for place in self.locations if location_id in {place.id, place.external_id}), None)
        if known is None:
            raise problem(404, f"There is no stock location {location_id}")
        return known

    def _write(self, location: Record, written: Record) -> Record:
        for place in self.locations:
            if place is not location and written.external_id and written.external_id == place.external_id:
                raise problem(409, f"external_id {written.external_id} is already in use")
        if not location:
            self._made += 1
            location.id = f"sl_{self._made}"
            self.locations.append(location)
        location.update(written)
        return location

    def _asked_for(self, wanted: Mapping[str, Any]) -> set[str]:
        """Return the ids of the locations that a filter names: the default one when it names none."""
        ids, named = {place.id for place in self.locations}, wanted.get("stock_location_ids")
        if wanted.get("all_stock_locations"):
            return ids
        return ids & set(named or (place.id for place in self.locations if place.external_id == "default"))
