"""The state that a site must hold for a WooCommerce shop, worked out from the shop's rows.

It knows neither the REST API's shapes nor the daemon's mapping: what a shop inherits is worked out here once more.
"""

from daemon.sandbox.expectation.picture import compared
from daemon.sandbox.expectation.woocommerce.customers import customer_differences
from daemon.sandbox.expectation.woocommerce.orders import order_differences
from daemon.sandbox.expectation.woocommerce.products import PRICE_LIST, product_differences
from daemon.sandbox.sparklayer.state import State
from daemon.sandbox.woocommerce.shop import Shop

__all__ = ["PRICE_LIST", "all_differences", "customer_differences", "order_differences", "product_differences"]


def all_differences(shop: Shop, state: State) -> list[str]:
    """Return how a site differs from a shop, one line each; none means that they agree."""
    site = state.comparable()
    shown = {slug: bool(fields.get("tax_inclusive_display")) for slug, fields in site["price_lists"].items()}
    return [
        *product_differences(shop, state),
        *customer_differences(shop, site["customers"]),
        *order_differences(shop, site["purchases"]),
        *compared("tax shown by price list", dict.fromkeys(shown, shop.tax_inclusive), shown),
    ]
