"""Stock levels and locations (sparklayer.md section 3).

A level is keyed by SKU and location; a SKU need not exist as a variant. A batch is carried out whole or not at
all: 400 for a location that is unknown, named by both keys or neither, and for a pair given twice. Omitted
`restock_date` and `min_stock_level` are cleared. Without a filter, fetching answers only the location whose external id
is `default`; SKUs without levels are left out. Deleting takes every location.
"""

from datetime import date
from typing import Annotated

import msgspec
from attrs import define, field
from msgspec import UNSET, Meta, UnsetType

from daemon.sandbox.message import Request, Response, json
from daemon.sandbox.router import Router
from daemon.sandbox.sparklayer.body import Int32, Text, Written, decode, decode_some
from daemon.sandbox.sparklayer.problems import Detail, problem


class Location(msgspec.Struct, omit_defaults=True):
    """A place that holds stock."""

    id: str
    name: str
    external_id: str | UnsetType = UNSET


class Level(msgspec.Struct, omit_defaults=True):
    """What a location has of a SKU."""

    stock_location_id: str
    stock_level: int
    restock_date: date | UnsetType = UNSET
    min_stock_level: int | UnsetType = UNSET


class StockUpdate(Written, kw_only=True):
    """A level as it may be written."""

    sku: Text
    stock_location_id: str | UnsetType = UNSET
    stock_location_external_id: str | UnsetType = UNSET
    stock_level: Int32
    restock_date: date | UnsetType = UNSET
    min_stock_level: Int32 | UnsetType = UNSET


class _Filter(Written):
    stock_location_ids: list[Text] | UnsetType = UNSET
    all_stock_locations: bool = False


class _Query(Written):
    skus: Annotated[list[Text], Meta(min_length=1)]
    filter: _Filter | UnsetType = UNSET


class _Skus(Written):
    skus: Annotated[list[Text], Meta(min_length=1)]


class _NewLocation(Written):
    name: Text
    external_id: Text


class _LocationWrite(Written):
    name: Text | UnsetType = UNSET
    external_id: Text | UnsetType = UNSET


@define(eq=False, kw_only=True)
class Stock:
    """All levels of the site as {sku: {location id: level}}, the locations, and their routes."""

    locations: list[Location]
    levels: dict[str, dict[str, Level]] = field(factory=dict, repr=False)
    writes: int = 0
    """How many levels were set or removed."""
    _made: int = field(init=False)
    """How many locations there ever were: no id is given twice."""

    def __attrs_post_init__(self) -> None:
        self._made = len(self.locations)

    def route(self, router: Router) -> None:
        """Add the routes."""
        router.add("POST", "/api/v1/batch-update-stock", self.update)
        router.add("POST", "/api/v1/batch-fetch-stock", self.fetch)
        router.add("POST", "/api/v1/batch-delete-stock", self.delete)
        router.add("GET", "/api/v1/stock-locations", self.list_locations)
        router.add("POST", "/api/v1/stock-locations", self.create_location)
        router.add("GET", "/api/v1/stock-locations/{location_id}", self.get_location)
        router.add("PATCH", "/api/v1/stock-locations/{location_id}", self.update_location)
        router.add("DELETE", "/api/v1/stock-locations/{location_id}", self.delete_location)

    def update(self, request: Request) -> Response:
        """Set levels."""
        refused: list[Detail] = []
        pairs: dict[tuple[str, str], Level] = {}
        for index, row in enumerate(decode_some(request, list[StockUpdate])):
            place = self._place(row, index, refused)
            if place is None:
                continue
            if (row.sku, place.id) in pairs:
                refused.append(Detail("repeated", f"SKU {row.sku} and location repeat", f"[{index}].sku"))
            pairs[row.sku, place.id] = Level(place.id, row.stock_level, row.restock_date, row.min_stock_level)
        if refused:
            raise problem(400, "The stock levels are not valid", refused)
        for (sku, place_id), level in pairs.items():
            self.levels.setdefault(sku, {})[place_id] = level
        self.writes += len(pairs)
        return Response(status=204)

    def fetch(self, request: Request) -> Response:
        """Answer the levels of the SKUs asked for, at the locations asked for."""
        query = decode(request, _Query)
        places = self._asked_for(query.filter)
        found = {
            sku: [level for place, level in self.levels.get(sku, {}).items() if place in places] for sku in query.skus
        }
        return json([{"sku": sku, "stock_levels": levels} for sku, levels in found.items() if levels])

    def delete(self, request: Request) -> Response:
        """Remove the SKUs from every location; one that has no level is no error."""
        for sku in decode(request, _Skus).skus:
            self.writes += self.levels.pop(sku, None) is not None
        return Response(status=204)

    def list_locations(self, _request: Request) -> Response:
        """Answer every location."""
        return json(self.locations)

    def create_location(self, request: Request) -> Response:
        """Create a location; 409 for an external id that is taken."""
        written = decode(request, _NewLocation)
        self._refuse_taken(written.external_id, None)
        location = Location(f"sl_{self._made + 1}", written.name, written.external_id)
        self._made += 1
        self.locations.append(location)
        return json(location)

    def update_location(self, request: Request, location_id: str) -> Response:
        """Rename a location or change its external id."""
        written = decode(request, _LocationWrite)
        location = self._existing(location_id)
        self._refuse_taken(written.external_id, location)
        location.name = location.name if written.name is UNSET else written.name
        location.external_id = location.external_id if written.external_id is UNSET else written.external_id
        return json(location)

    def get_location(self, _request: Request, location_id: str) -> Response:
        """Answer one location."""
        return json(self._existing(location_id))

    def delete_location(self, _request: Request, location_id: str) -> Response:
        """Delete a location with its levels; one that is not there is no error."""
        gone = {place.id for place in self.locations if location_id in _names(place)}
        self.locations = [place for place in self.locations if place.id not in gone]
        for levels in self.levels.values():
            for place in gone:
                levels.pop(place, None)
        return Response(status=204)

    def _existing(self, location_id: str) -> Location:
        location = next((place for place in self.locations if location_id in _names(place)), None)
        if location is None:
            raise problem(404, f"There is no stock location {location_id}")
        return location

    def _asked_for(self, wanted: _Filter | UnsetType) -> set[str]:
        """Return the ids of the locations that a filter names: the default one when it names none."""
        if wanted is UNSET or not (wanted.all_stock_locations or wanted.stock_location_ids):
            return {place.id for place in self.locations if place.external_id == "default"}
        ids = {place.id for place in self.locations}
        return ids if wanted.all_stock_locations else ids & set(wanted.stock_location_ids or ())

    def _place(self, row: StockUpdate, index: int, refused: list[Detail]) -> Location | None:
        own, external = row.stock_location_id, row.stock_location_external_id
        if (own is UNSET) == (external is UNSET):
            words = "exactly one of stock_location_id and stock_location_external_id"
            refused.append(Detail("invalid", words, f"[{index}].stock_location_id"))
            return None
        for place in self.locations:
            if place.id == own or (external is not UNSET and place.external_id == external):
                return place
        name = "stock_location_id" if external is UNSET else "stock_location_external_id"
        refused.append(Detail("unknown", "There is no such stock location", f"[{index}].{name}"))
        return None

    def _refuse_taken(self, external_id: str | UnsetType, owner: Location | None) -> None:
        for place in self.locations:
            if place is not owner and external_id and external_id == place.external_id:
                raise problem(409, f"external_id {external_id} is already in use")


def _names(place: Location) -> set[str | UnsetType]:
    return {place.id, place.external_id}
