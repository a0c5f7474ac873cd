"""The state that a site must hold for a store, worked out independently, and a site's differences from it.

It shares nothing with the daemon's mapping: a mistake must be made twice to stay unseen. Nor does it know the shapes of
the REST APIs: what a shop inherits is worked out here once more. Each function returns one line for each difference;
none means that the two sides agree. A store is of any platform, except for attributes.

    all_differences(store, state)                       all of it
    differences(store, state)                           products, stock levels, prices
    attribute_differences(store, state)                 rrp, ordering rules, restock dates, minimum stock levels
    customer_differences(store, held, groups=..., names=...)    held: `state.comparable()["customers"]`
    order_differences(store, held)                      held: `state.comparable()["purchases"]`
"""

from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation.attributes import attribute_differences
from daemon.sandbox.expectation.customers import customer_differences, expected_customers
from daemon.sandbox.expectation.orders import expected_orders, order_differences
from daemon.sandbox.expectation.products import compared, differences, expected, held
from daemon.sandbox.sparklayer.api import State
from daemon.sandbox.woocommerce.shop import Shop

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


def all_differences(store: Store | Shop, state: State) -> list[str]:
    """Return how a site differs from a store, one line each; none means that they agree."""
    site = state.comparable()
    shown = {slug: bool(fields.get("tax_inclusive_display")) for slug, fields in site["price_lists"].items()}
    return [
        *differences(store, state),
        *customer_differences(store, site["customers"]),
        *order_differences(store, site["purchases"]),
        *(
            compared("tax shown by price list", dict.fromkeys(shown, store.tax_inclusive), shown)
            if isinstance(store, Shop)
            else attribute_differences(store, state)
        ),
    ]
