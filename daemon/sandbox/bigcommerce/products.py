"""`GET /v3/catalog/products` and `/v3/catalog/products/{id}` (bigcommerce.md sections 2 and 3).

Pages are selected from the sorted ids and encoded straight from the records, so a page of 250 products with their
variants takes a few milliseconds. `include=options` or `modifiers` limits a page to 10, silently, as there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import frozen

from daemon.sandbox.bigcommerce.problems import invalid, v3
from daemon.sandbox.bigcommerce.query import Parameters, pagination
from daemon.sandbox.bigcommerce.records import Entry, Product
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, encode
from daemon.sandbox.router import route

DEFAULT_LIMIT, MOST = 50, 250
FEW = 10
"""Most products of a page with options or modifiers."""

FIELDS = Product.__struct_fields__
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
        view = _view(query)
        number = query.number("page", least=1) or 1
        limit = query.number("limit", least=1, most=MOST) or DEFAULT_LIMIT
        limit = min(limit, FEW) if view.slow else limit
        ids = self._select(query)
        query.finish()
        part = ids[(number - 1) * limit : number * limit]
        entries = self._store.entries
        data = b",".join([view.render(entries[product_id]) for product_id in part])
        meta = encode(pagination(len(ids), number, limit, len(part)))
        return _json(b'{"data":[%b],"meta":%b}' % (data, meta))

    @route("GET", "/v3/catalog/products/{product_id}")
    def _get(self, request: Request, product_id: str) -> Response:
        query = Parameters(request.query)
        view = _view(query)
        query.finish()
        entry = self._store.entries.get(int(product_id)) if product_id.isdecimal() else None
        if entry is None:
            return v3(404)
        return _json(b'{"data":%b,"meta":{}}' % view.render(entry))

    def _select(self, query: Parameters) -> list[int]:
        ids = self._by_id(query)
        filters = _filters(query)
        sort = query.word("sort", SORTS, "id")
        descending = query.word("direction", ("asc", "desc"), "asc") == "desc"
        if sort == "id" and not filters:
            return ids[::-1] if descending else ids
        products = (self._store.entries[product_id].product for product_id in ids)
        kept = [product for product in products if all(passes(product) for passes in filters)]
        kept.sort(key=lambda product: getattr(product, sort), reverse=descending)
        return [product.id for product in kept]

    def _by_id(self, query: Parameters) -> list[int]:
        ids = self._store.ids
        wanted = query.ids("id:in")
        single = query.number("id")
        if wanted is not None or single is not None:
            among = set(wanted if wanted is not None else [single or 0])
            ids = sorted(among & self._store.entries.keys())
        low = max(query.number("id:min") or 0, (query.number("id:greater") or -1) + 1)
        if low:
            ids = ids[bisect_left(ids, low) :]
        most, less = query.number("id:max"), query.number("id:less")
        ids = ids if most is None else ids[: bisect_right(ids, most)]
        return ids if less is None else ids[: bisect_left(ids, less)]


def _filters(query: Parameters) -> list[Callable[[Product], bool]]:
    """Return what a product must pass; both ends of a span of time belong to it."""
    visible, availability = query.flag("is_visible"), query.text("availability")
    listed, single = query.text("sku:in"), query.text("sku")
    name, keyword = query.text("name"), query.text("keyword")
    since, until = query.time("date_modified:min"), query.time("date_modified:max")
    skus = None if listed is None else listed.split(",")
    filters: dict[Callable[[Product], bool], bool] = {
        lambda product: product.is_visible is visible: visible is not None,
        lambda product: product.availability == availability: availability is not None,
        lambda product: product.sku in (skus or ()): skus is not None,
        lambda product: product.sku == single: single is not None,
        lambda product: product.name == name: name is not None,
        lambda product: _has_words(product, keyword or ""): keyword is not None,
        lambda product: _seconds(product.date_modified) >= (since or 0): since is not None,
        lambda product: _seconds(product.date_modified) <= (until or 0): until is not None,
    }
    return [passes for passes, asked in filters.items() if asked]


@frozen
class _View:
    """What of a product an answer shows."""

    includes: tuple[str, ...]
    fields: frozenset[str] | None

    @property
    def slow(self) -> bool:
        return "options" in self.includes or "modifiers" in self.includes

    def render(self, entry: Entry) -> bytes:
        parts = [self._own(entry.product)[:-1]]
        parts += [b'"%b":%b' % (name.encode(), encode(_included(entry, name))) for name in self.includes]
        return b",".join(parts) + b"}"

    def _own(self, product: Product) -> bytes:
        if self.fields is None:
            return encode(product)
        return encode({name: getattr(product, name) for name in FIELDS if name in self.fields})


def _view(query: Parameters) -> _View:
    includes = tuple(query.words("include", INCLUDES) or ())
    wanted = query.words("include_fields", set(FIELDS) - {"sort_order"})
    unwanted = query.words("exclude_fields", FIELDS)
    if wanted and unwanted:
        raise invalid("include_fields", "not together with exclude_fields")
    if wanted is None and unwanted is None:
        return _View(includes, None)
    return _View(includes, frozenset({"id"} | (set(wanted) if wanted else set(FIELDS) - set(unwanted or ()))))


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


def _has_words(product: Product, keyword: str) -> bool:
    """Return whether the name or the SKU has one of the words of `keyword`, as a search engine finds them."""
    there = f"{product.name} {product.sku}".lower()
    return any(word in there for word in keyword.lower().split())


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _json(body: bytes) -> Response:
    return Response(status=200, headers={"content-type": "application/json"}, body=body)
