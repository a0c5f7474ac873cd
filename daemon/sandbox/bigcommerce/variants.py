"""`GET /v3/catalog/variants`: every variant, without its product (bigcommerce.md section 3).

There is no filter by date, none for several SKUs, and no sort.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from daemon.sandbox.bigcommerce.paging import numbered
from daemon.sandbox.bigcommerce.problems import invalid
from daemon.sandbox.bigcommerce.query import Parameters
from daemon.sandbox.bigcommerce.records import Variant
from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.message import Request, Response
from daemon.sandbox.router import route

FIELDS = Variant.__struct_fields__


class Variants:
    """The route of all variants of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @route("GET", "/v3/catalog/variants")
    def _page(self, request: Request) -> Response:
        query = Parameters(request.query)
        rows = list(self._among(query.ids("product_id:in")))
        for name, wanted in (("id", query.number("id")), ("sku", query.text("sku")), ("upc", query.text("upc"))):
            rows = rows if wanted is None else [variant for variant in rows if getattr(variant, name) == wanted]
        return numbered(rows, query, _view(query))

    def _among(self, product_ids: list[int] | None) -> Iterator[Variant]:
        for product_id in self._store.ids if product_ids is None else sorted(set(product_ids)):
            if entry := self._store.entries.get(product_id):
                yield from entry.variants


def _view(query: Parameters) -> Callable[[Variant], Any]:
    wanted, unwanted = query.words("include_fields", FIELDS), query.words("exclude_fields", FIELDS)
    if wanted and unwanted:
        raise invalid("include_fields", "not together with exclude_fields")
    if wanted is None and unwanted is None:
        return msgspec.to_builtins
    fields = {"id"} | (set(wanted) if wanted else set(FIELDS) - set(unwanted or ()))
    return lambda variant: {name: getattr(variant, name) for name in FIELDS if name in fields}
