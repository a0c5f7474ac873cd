"""The OAuth scope that a call needs, so that a refusal can name it (contract section 1).

Also the operation and the entities of a call, by which the throttle judges a refusal.
"""

import re
from collections.abc import Hashable, Mapping

_ID = re.compile(r"/\d+")
_NARROWING = ("id", "id:in", "product_id:in", "customer_id:in", "resource_id:in", "max_id")
"""Parameters that select single entities. Pages of an enumeration have none of them."""

_RIGHTS = (
    ("/v3/catalog/", "store_v2_products_read_only"),
    ("/v3/inventory/locations", "store_locations_read_only"),
    ("/v3/inventory/", "store_inventory_read_only"),
    ("/v3/customers", "store_v2_customers_read_only"),
    ("/v2/customer_groups", "store_v2_customers_read_only"),
    ("/v3/orders", "store_v2_orders_read_only"),
    ("/v2/orders", "store_v2_orders_read_only"),
    ("/v2/store", "store_v2_information_read_only"),
)
"""Prefixes of paths, the narrower before the wider, and the scope for reading there."""


def right_needed(path: str) -> str:
    """Return the scope that `path` needs; empty if every account may read it."""
    return next((right for start, right in _RIGHTS if path.startswith(start)), "")


def operation_of(path: str) -> str:
    """Return the path with placeholders for its ids."""
    return _ID.sub("/{}", path)


def entities_of(path: str, query: Mapping[str, str] | None) -> frozenset[Hashable]:
    """Return the ids in the path and the query of a call."""
    asked = [value for name, value in (query or {}).items() if name in _NARROWING]
    return frozenset(_ID.findall(path)) | {f"/{id_}" for value in asked for id_ in value.split(",")}
