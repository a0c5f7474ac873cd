"""`GET /v3/catalog/products`, `/v3/catalog/products/{id}` and `/v3/catalog/variants` (bigcommerce.md sections 2, 3).

Pages are selected from the sorted ids and encoded straight from the records, so a page of 250 products with their
variants takes a few milliseconds. `include=options` or `modifiers` limits a page to 10, silently, as there.

`/v3/inventory/items` and `/v3/inventory/locations` are here too (section 4). Available to sell is on hand less safety
stock; the sandbox keeps no safety stock, so both are the same. A product that is tracked as a whole although it has
options has one item without a variant.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from msgspec import Raw

from daemon.sandbox.bigcommerce.answers import Filters, Parameters, invalid, numbered, seconds, span, v3
from daemon.sandbox.bigcommerce.catalogue import MAIN_LOCATION, Location
from daemon.sandbox.bigcommerce.records import Entry, Product, Variant
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, encode, json, route
from daemon.sandbox.record import Record, record

DEFAULT_LIMIT, MOST = 50, 250
FEW = 10
"""Most products of a page with options or modifiers."""

FIELDS, VARIANT_FIELDS = Product.__struct_fields__, Variant.__struct_fields__
INCLUDES = (
    *("variants", "images", "custom_fields", "primary_image", "options", "modifiers", "bulk_pricing_rules"),
    *("channels", "videos", "reviews", "parent_relations"),
)
SORTS = (
    *("id", "name", "sku", "price", "date_modified", "date_last_imported", "inventory_level", "is_visible"),
    *("total_sold", "calculated_price"),
)


class Products:
    """The product routes of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @route("GET", "/v3/catalog/products")
    def _page(self, request: Request) -> Response:
        query = Parameters(request.query)
        view, slow = _view(query)
        limit = query.number("limit", least=1, most=MOST) or DEFAULT_LIMIT
        entries, ids = self._store.entries, self._select(query)
        return numbered(ids, query, lambda product_id: view(entries[product_id]), min(limit, FEW) if slow else limit)

    @route("GET", "/v3/catalog/products/{product_id}")
    def _get(self, request: Request, product_id: str) -> Response:
        query = Parameters(request.query)
        view, _ = _view(query)
        query.finish()
        entry = self._store.entries.get(int(product_id)) if product_id.isdecimal() else None
        return json({"data": view(entry), "meta": {}}) if entry else v3(404)

    @route("GET", "/v3/catalog/variants")
    def _variants(self, request: Request) -> Response:
        """Answer a page of variants: there is no filter by date, none for several SKUs, and no sort."""
        query = Parameters(request.query)
        fields = _fields(query, VARIANT_FIELDS)
        wanted = query.ids("product_id:in")
        entries = self._store.entries
        among = self._store.ids if wanted is None else sorted(entries.keys() & wanted)
        rows = query.chosen((row for product_id in among for row in entries[product_id].variants), VARIANT_FILTERS)
        return numbered(rows, query, lambda variant: _some(variant, fields))

    def _select(self, query: Parameters) -> list[int]:
        ids = self._by_id(query)
        sort = query.word("sort", SORTS, "id")
        descending = query.word("direction", ("asc", "desc"), "asc") == "desc"
        if sort == "id" and not query.has(FILTERS):
            return ids[::-1] if descending else ids
        kept = query.chosen((self._store.entries[product_id].product for product_id in ids), FILTERS)
        kept.sort(key=lambda product: getattr(product, sort), reverse=descending)
        return [product.id for product in kept]

    def _by_id(self, query: Parameters) -> list[int]:
        ids = self._store.ids
        wanted, single = query.ids("id:in"), query.number("id")
        if wanted is not None or single is not None:
            ids = sorted(self._store.entries.keys() & (wanted if wanted is not None else [single or 0]))
        low = max(query.number("id:min") or 0, (query.number("id:greater") or -1) + 1)
        if low:
            ids = ids[bisect_left(ids, low) :]
        most, less = query.number("id:max"), query.number("id:less")
        ids = ids if most is None else ids[: bisect_right(ids, most)]
        return ids if less is None else ids[: bisect_left(ids, less)]


def _has_words(product: Product, keyword: str) -> bool:
    """Return whether the name or the SKU has one of the words of `keyword`, as a search engine finds them."""
    there = f"{product.name} {product.sku}".lower()
    return any(word in there for word in keyword.lower().split())


VARIANT_FILTERS: Filters[Variant] = {
    "id": (Parameters.number, lambda variant, wanted: variant.id == wanted),
    "sku": (Parameters.text, lambda variant, sku: variant.sku == sku),
    "upc": (Parameters.text, lambda variant, upc: variant.upc == upc),
}
FILTERS: Filters[Product] = {
    "is_visible": (Parameters.flag, lambda product, visible: product.is_visible is visible),
    "availability": (Parameters.text, lambda product, availability: product.availability == availability),
    "sku:in": (Parameters.texts, lambda product, skus: product.sku in skus),
    "sku": (Parameters.text, lambda product, sku: product.sku == sku),
    "name": (Parameters.text, lambda product, name: product.name == name),
    "keyword": (Parameters.text, _has_words),
    **span(Parameters.time, "date_modified:min", "date_modified:max", lambda product: seconds(product.date_modified)),
}


View = Callable[[Entry], Raw]
"""Renders the parts of a product that an answer shows."""


def _view(query: Parameters) -> tuple[View, bool]:
    """Return what renders a product, and whether that is slow."""
    includes = tuple(query.words("include", INCLUDES) or ())
    fields = _fields(query, FIELDS, hidden={"sort_order"})

    def render(entry: Entry) -> Raw:
        parts = [encode(_some(entry.product, fields))[:-1]]
        parts += [b'"%b":%b' % (name.encode(), encode(_included(entry, name))) for name in includes]
        return Raw(b",".join(parts) + b"}")

    return render, "options" in includes or "modifiers" in includes


def _fields(query: Parameters, known: Sequence[str], hidden: Collection[str] = ()) -> list[str] | None:
    """Return the fields asked for, None for all; those `hidden` cannot be asked for."""
    wanted = query.words("include_fields", set(known) - set(hidden))
    unwanted = query.words("exclude_fields", known)
    if wanted and unwanted:
        raise invalid("include_fields", "not together with exclude_fields")
    if wanted is None and unwanted is None:
        return None
    shown = {"id"} | (set(wanted) if wanted else set(known) - set(unwanted or ()))
    return [name for name in known if name in shown]


def _some(record: Record, fields: Sequence[str] | None) -> Any:
    return record if fields is None else {name: getattr(record, name) for name in fields}


def _included(entry: Entry, name: str) -> Any:
    if name == "options":
        return _options(entry)
    if name == "primary_image":
        return next((image for image in entry.images if image.is_thumbnail), None)
    return getattr(entry, name, ())


def _options(entry: Entry) -> list[dict[str, Any]]:
    """Gather the options from the variants. An empty `config` is sent as a list (bigcommerce.md section 13)."""
    options: dict[int, dict[str, Any]] = {}
    for variant in entry.variants:
        for value in variant.option_values:
            option = options.setdefault(
                value.option_id,
                {
                    "id": value.option_id,
                    "product_id": entry.product.id,
                    "display_name": value.option_display_name,
                    "type": "dropdown",
                    "sort_order": len(options),
                    "config": [],
                    "option_values": {},
                },
            )
            labels = option["option_values"]
            labels.setdefault(value.id, {"id": value.id, "label": value.label, "sort_order": len(labels)})
    return [option | {"option_values": list(option["option_values"].values())} for option in options.values()]


MOST_LEVELS = 1000


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
    return query.number("limit", least=1, most=MOST_LEVELS) or DEFAULT_LIMIT


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
