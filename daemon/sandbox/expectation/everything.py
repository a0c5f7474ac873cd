"""All that a site must hold for a shop of any platform, compared at once."""

from daemon.sandbox.bigcommerce.store import Store
from daemon.sandbox.expectation import woocommerce
from daemon.sandbox.expectation.attributes import attribute_differences
from daemon.sandbox.expectation.customers import customer_differences
from daemon.sandbox.expectation.orders import order_differences
from daemon.sandbox.expectation.products import differences
from daemon.sandbox.sparklayer.state import State
from daemon.sandbox.woocommerce.shop import Shop


def all_differences(store: Store | Shop, state: State) -> list[str]:
    """Return how a site differs from a store, one line each; none means that they agree."""
    if isinstance(store, Shop):
        return woocommerce.all_differences(store, state)
    site = state.comparable()
    return [
        *differences(store, state),
        *attribute_differences(store, state),
        *customer_differences(store, site["customers"]),
        *order_differences(store, site["purchases"]),
    ]
