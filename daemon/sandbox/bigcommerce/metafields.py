"""Metafields of products, variants and orders: all of a type by page or cursor, and those of one resource.

The lists of a type cannot be asked for some resources. An `app_only` metafield belongs to another API account and
is not shown (bigcommerce.md sections 1 and 3).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from daemon.sandbox.bigcommerce.metafield_book import Metafield
from daemon.sandbox.bigcommerce.paging import cursored, numbered
from daemon.sandbox.bigcommerce.problems import v3
from daemon.sandbox.bigcommerce.query import Parameters
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route


class Metafields:
    """The metafield routes of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @route("GET", "/v3/catalog/products/metafields")
    @route("GET", "/v3/catalog/variants/metafields")
    @route("GET", "/v3/orders/metafields")
    def _page(self, request: Request) -> Response:
        resource_type = request.path.split("/")[-2].removesuffix("s")
        query = Parameters(request.query)
        since, until = query.time("date_modified:min"), query.time("date_modified:max")
        every = (field for field in self._store.metafields.fields.values() if field.resource_type == resource_type)
        rows = [field for field in _named(every, query, listed=True) if _within(field, since, until)]
        return cursored(rows, query, msgspec.to_builtins, lambda field: (field.id, field.id))

    @route("GET", "/v3/catalog/products/{product_id}/metafields")
    def _of_product(self, request: Request, product_id: str) -> Response:
        if not product_id.isdecimal() or int(product_id) not in self._store.entries:
            return v3(404)
        return self._of("product", int(product_id), request)

    @route("GET", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields")
    def _of_variant(self, request: Request, product_id: str, variant_id: str) -> Response:
        entry = self._store.entries.get(int(product_id)) if product_id.isdecimal() else None
        if entry is None or variant_id not in {str(variant.id) for variant in entry.variants}:
            return v3(404)
        return self._of("variant", int(variant_id), request)

    @route("GET", "/v3/orders/{order_id}/metafields")
    def _of_order(self, request: Request, order_id: str) -> Response:
        if not order_id.isdecimal() or int(order_id) not in self._store.orders.orders:
            return v3(404)
        return self._of("order", int(order_id), request)

    def _of(self, resource_type: str, resource_id: int, request: Request) -> Response:
        query = Parameters(request.query)
        fields = self._store.metafields.of(resource_type, resource_id)
        return numbered(_named(fields, query, listed=False), query, msgspec.to_builtins)


def _named(fields: Iterable[Metafield], query: Parameters, *, listed: bool) -> list[Metafield]:
    """Return those that may be seen and have the namespace and key asked for; where `listed`, one of several."""
    kept = [field for field in fields if field.permission_set != "app_only"]
    for name in ("namespace", "key"):
        single, several = query.text(name), query.texts(f"{name}:in") if listed else None
        wanted = several if single is None else {single}
        kept = [field for field in kept if wanted is None or getattr(field, name) in wanted]
    return kept


def _within(field: Metafield, since: float | None, until: float | None) -> bool:
    if since is None and until is None:
        return True
    seconds = datetime.fromisoformat(field.date_modified).timestamp()
    return (since is None or seconds >= since) and (until is None or seconds <= until)
