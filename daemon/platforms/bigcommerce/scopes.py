"""Which right of the API account a call takes, so that a refusal can name it (contract section 1).

And what tells calls apart by which a missing right is judged: the operation, and the entities it is about.
"""

import re
from collections.abc import Hashable, Mapping

_ID = re.compile(r"/\d+")
_NARROWING = ("id", "id:in", "product_id:in", "customer_id:in", "resource_id:in", "max_id")
"""Parameters that ask for some entities only. Pages of all there is have none of them."""

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
"""What paths begin with, the narrower before the wider, and the right to read there."""


def right_needed(path: str) -> str:
    """Return the right that `path` takes; empty for what every account may read."""
    return next((right for start, right in _RIGHTS if path.startswith(start)), "")


def operation_of(path: str) -> str:
    """Return the name of what is read at a path, whatever the ids in it."""
    return _ID.sub("/{}", path)


def entities_of(path: str, query: Mapping[str, str] | None) -> frozenset[Hashable]:
    """Return the ids that a call is about, those in its path and query."""
    asked = [value for name, value in (query or {}).items() if name in _NARROWING]
    return frozenset(_ID.findall(path)) | {f"/{one}" for value in asked for one in value.split(",")}
