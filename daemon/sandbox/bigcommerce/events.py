"""Events of a store, as BigCommerce announces them: scope and data (bigcommerce.md section 12).

An edit of a variant announces its SKU, an edit of the product the product; the base variant has no SKU of its own
(`sku_id` null), so only its product is announced. Variant prices and weights, images and custom fields do not
announce the product: section 12 leaves them out of the list of what fires `store/product/updated`.

The store's clock writes dates as the API does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import define, frozen

from daemon.sandbox.bigcommerce.records import Entry, Variant
from daemon.sandbox.chronicle import Chronicle


@frozen
class Event:
    """One thing to announce. `written` is what the envelope calls the scope, where that differs."""

    scope: str
    data: Mapping[str, Any]
    written: str = ""


def product(verb: str, product_id: int) -> Event:
    """Announce that a product was created, updated or deleted."""
    return Event(f"store/product/{verb}", {"type": "product", "id": product_id})


def sku(verb: str, variant: Variant) -> tuple[Event, ...]:
    """Announce that a variant was created, updated or deleted; nothing for the base variant."""
    if variant.sku_id is None:
        return ()
    about = {"product_id": variant.product_id, "variant_id": variant.id}
    return (Event(f"store/sku/{verb}", {"type": "sku", "id": variant.sku_id, "sku": about}),)


def stock(entry: Entry, variant: Variant, location_id: int) -> tuple[Event, ...]:
    """Announce a stock level: of the product or of the SKU, whichever is tracked, and of the location."""
    tracking = entry.product.inventory_tracking
    if tracking == "none":
        return ()
    level = {"product_id": variant.product_id, "method": "absolute", "value": variant.inventory_level}
    if tracking == "product":
        data = {"type": "product", "id": variant.product_id, "inventory": level}
        first = Event("store/product/inventory/updated", data)
    else:
        data = {"type": "sku", "id": variant.sku_id, "inventory": level | {"variant_id": variant.id}}
        first = Event("store/sku/inventory/updated", data)
    where = {"variant_id": variant.id, "product_id": variant.product_id, "location_id": location_id}
    return first, Event("store/channel/*/inventory/product/stock_changed", where)


def customer(verb: str, customer_id: int) -> Event:
    """Announce that a customer was created, updated or deleted."""
    return Event(f"store/customer/{verb}", {"type": "customer", "id": customer_id})


def address(verb: str, address_id: int, customer_id: int) -> Event:
    """Announce a customer's address. The `id` is the address's, although the type says customer."""
    data = {"type": "customer", "id": address_id, "address": {"customer_id": customer_id}}
    return Event(f"store/customer/address/{verb}", data)


def order(verb: str, order_id: int, **more: Any) -> Event:
    """Announce what happened to an order; `more` is what the verb tells besides."""
    return Event(f"store/order/{verb}", {"type": "order", "id": order_id, **more})


def metafield(head: str, verb: str, metafield_id: int, resource_type: str, resource_id: int) -> tuple[Event, Event]:
    """Announce a metafield twice: under its resource's scopes (`head`, such as `store/product`) and the common ones.

    The examples of the narrow scopes carry the common one in their envelope (section 12), so that is written there.
    """
    common = f"store/metafield/{verb}"
    data = {"metafield_id": metafield_id, "resource_id": str(resource_id), "resource_type": resource_type}
    return Event(f"{head}/metafield/{verb}", data, common), Event(common, data)


_SUFFIXES = {
    "store/product": "* created updated deleted inventory/updated inventory/order/updated",
    "store/product/metafield": "* created updated deleted",
    "store/product/variant/metafield": "* created updated deleted",
    "store/sku": "* created updated deleted inventory/updated inventory/order/updated",
    "store/channel/*/inventory/product": ("* stock_changed low_stock_reached out_of_stock_reached settings_changed"),
    "store/inventory/location": "created updated",
    "store/customer": "* created updated deleted",
    "store/customer/address": "* created updated deleted",
    "store/order": "* created updated archived statusUpdated message/created refund/created",
    "store/order/metafield": "* created updated deleted",
    "store/shipment": "* created updated deleted",
    "store/metafield": "created updated deleted",
    "store/priceList": "* created updated deleted",
    "store/category": "* created updated deleted",
    "store": "information/updated app/uninstalled hook/deliveryException option/updated modifier/updated",
}

SCOPES = frozenset(f"{head}/{tail}" for head, tails in _SUFFIXES.items() for tail in tails.split())
"""The scopes a hook may be registered for."""


def matches(scope: str, event: Event) -> bool:
    """Return true if a hook of `scope` hears `event`.

    A star stands for the verbs beside it and no deeper level: the narrow reading of section 12, so that a daemon
    that hears everything here hears everything there.
    """
    if scope == event.scope:
        return True
    head, _, tail = event.scope.rpartition("/")
    return scope == f"{head}/*" and bool(tail)


@define(eq=False, kw_only=True)
class BigCommerceChronicle(Chronicle[Event]):
    """A store's clock and its listeners."""

    def now(self) -> int:
        """Return the present second since the epoch."""
        return int(self.clock())

    def stamp(self) -> str:
        """Return the present second as BigCommerce writes it in v3."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")
