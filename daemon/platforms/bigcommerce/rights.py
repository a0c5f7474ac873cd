"""Which right of the API account a call takes, so that a refusal can name it (contract section 1)."""

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
