"""Metafields of products, variants and orders: all of a type by page or cursor, and those of one resource.

The lists of a type cannot be asked for some resources. An `app_only` metafield belongs to another API account and
is not shown (bigcommerce.md sections 1 and 3).
"""

from collections.abc import Collection, Iterable, Iterator

import msgspec

from daemon.sandbox.bigcommerce.answers import Filters, Parameters, cursored, numbered, seconds, span, v3
from daemon.sandbox.bigcommerce.metafield_book import Metafield
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response, route


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
        every = (field for field in self._store.metafields.fields.values() if field.resource_type == resource_type)
        rows = query.chosen(_visible(every), LISTED)
        return cursored(rows, query, msgspec.to_builtins, lambda field: (field.id, field.id))

    @route("GET", "/v3/catalog/products/{product_id}/metafields")
    def _of_product(self, request: Request, product_id: str) -> Response:
        return self._of("product", product_id, self._store.entries, request)

    @route("GET", "/v3/catalog/products/{product_id}/variants/{variant_id}/metafields")
    def _of_variant(self, request: Request, product_id: str, variant_id: str) -> Response:
        entry = self._store.entries.get(int(product_id)) if product_id.isdecimal() else None
        return self._of("variant", variant_id, {variant.id for variant in entry.variants} if entry else (), request)

    @route("GET", "/v3/orders/{order_id}/metafields")
    def _of_order(self, request: Request, order_id: str) -> Response:
        return self._of("order", order_id, self._store.orders.orders, request)

    def _of(self, resource_type: str, resource_id: str, known: Collection[int], request: Request) -> Response:
        if not resource_id.isdecimal() or int(resource_id) not in known:
            return v3(404)
        query = Parameters(request.query)
        fields = self._store.metafields.of(resource_type, int(resource_id))
        return numbered(query.chosen(_visible(fields), NAMED), query, msgspec.to_builtins)


NAMED: Filters[Metafield] = {
    "namespace": (Parameters.text, lambda field, namespace: field.namespace == namespace),
    "key": (Parameters.text, lambda field, key: field.key == key),
}
LISTED: Filters[Metafield] = {
    **NAMED,
    "namespace:in": (Parameters.texts, lambda field, namespaces: field.namespace in namespaces),
    "key:in": (Parameters.texts, lambda field, keys: field.key in keys),
    **span(Parameters.time, "date_modified:min", "date_modified:max", lambda field: seconds(field.date_modified)),
}


def _visible(fields: Iterable[Metafield]) -> Iterator[Metafield]:
    return (field for field in fields if field.permission_set != "app_only")
