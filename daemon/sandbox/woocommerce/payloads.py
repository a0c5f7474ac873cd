"""The bodies of webhooks, built when they are delivered: whole objects, an error object, or an id alone (recorded)."""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.sandbox.woocommerce.chronicle import Event
from daemon.sandbox.woocommerce.customer_shapes import customer_shape
from daemon.sandbox.woocommerce.order_shapes import order_shape
from daemon.sandbox.woocommerce.problems import INVALID_ID, problem
from daemon.sandbox.woocommerce.product_shapes import product_shape
from daemon.sandbox.woocommerce.shop import Shop

_GONE = {
    "product": ("woocommerce_rest_product_invalid_id", INVALID_ID),
    "order": ("woocommerce_rest_shop_order_invalid_id", INVALID_ID),
    "customer": ("wc_user_invalid_id", "Invalid user ID."),
}
FORBIDDEN = problem("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource.", 403)


def payload(shop: Shop, event: Event, *, forbidden: bool) -> Any:
    """Return the body of an event's webhook; `forbidden` says that its owner may see nothing any more."""
    resource, _, name = event.topic.partition(".")
    if resource == "action":
        return {"action": name, "arg": []}
    if name == "deleted":
        return {"id": event.id}
    if forbidden:
        return FORBIDDEN
    try:
        return _SHAPES[resource](shop, event.id)
    except KeyError:
        code, message = _GONE[resource]
        return problem(code, message, 404)


def _product(shop: Shop, product_id: int) -> Any:
    return product_shape(shop, shop.product(product_id))


def _order(shop: Shop, order_id: int) -> Any:
    return order_shape(shop, shop.orders.get(order_id))


def _customer(shop: Shop, customer_id: int) -> Any:
    return customer_shape(shop, shop.customers.get(customer_id), paying=shop.orders.paying(customer_id))


_SHAPES: Mapping[str, Callable[[Shop, int], Any]] = {"product": _product, "order": _order, "customer": _customer}
