"""The state that a site must hold for a store, worked out independently, and a site's differences from it.

It shares nothing with the daemon's mapping: a mistake must be made twice to stay unseen. Each function returns one
line for each difference; none means that the two sides agree. The functions below are for a BigCommerce store;
`woocommerce` has those for a WooCommerce shop.

    all_differences(store, state)                       all of it, for a store of any platform
    differences(store, state)                           products, stock levels, prices
    attribute_differences(store, state)                 rrp, ordering rules, restock dates, minimum stock levels
    customer_differences(store, held, groups=..., names=...)    held: `state.comparable()["customers"]`
    order_differences(store, held)                      held: `state.comparable()["purchases"]`
"""

from daemon.sandbox.expectation.attributes import attribute_differences
from daemon.sandbox.expectation.customers import customer_differences, expected_customers
from daemon.sandbox.expectation.everything import all_differences
from daemon.sandbox.expectation.orders import expected_orders, order_differences
from daemon.sandbox.expectation.products import differences, expected, held

__all__ = [
    "all_differences",
    "attribute_differences",
    "customer_differences",
    "differences",
    "expected",
    "expected_customers",
    "expected_orders",
    "held",
    "order_differences",
]
