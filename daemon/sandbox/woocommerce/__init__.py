"""The WooCommerce stand-in: a shop's state with its edits, the routes of its REST API, and its webhooks.

async with open_woocommerce(WooCommerceOptions(cron_delay=0.0)) as woocommerce:
    woocommerce.url, .key.consumer_key, .key.consumer_secret     # {url}/wp-json/wc/v3/..., by Basic
    woocommerce.shop.set_title(product_id, "New")                # an edit: its webhooks are queued
    woocommerce.shop.set_stock(variation_id, 4, silent=True)     # an edit that is not announced
    woocommerce.shop.trash_product(product_id), .restore_product(product_id), .delete_product(product_id)
    woocommerce.shop.customers.move_role(customer_id, "customer")
    woocommerce.shop.orders.place(customer_id, [{"sku": "HL-U509-R", "quantity": 2}], cart_id="<uuid>")
    woocommerce.shop.orders.set_tracking(order_id, "dpd", "1Z")
    woocommerce.shop.hpos = False                                # orders are posts from now on
    woocommerce.shop.set_zone("Australia/Sydney")
    woocommerce.webhooks.dropping = True                         # deliveries get lost
    woocommerce.webhooks.cron_delay = 36.0
    woocommerce.keys.role_lost = True                            # 403, and signed error bodies
    woocommerce.faults.add("GET *", failures.maintenance())
    await woocommerce.webhooks.settled()                         # the queue is empty
    await woocommerce.authorization.approve(url)                 # the merchant gives an application keys
"""

from daemon.sandbox import samples
from daemon.sandbox.woocommerce.api import WooCommerce, WooCommerceOptions
from daemon.sandbox.woocommerce.founding import B2B_ROLE, found
from daemon.sandbox.woocommerce.shop import Shop

__all__ = ["B2B_ROLE", "Shop", "WooCommerce", "WooCommerceOptions", "adventureworks", "synthetic"]


def adventureworks() -> Shop:
    """Return the sample company's shop."""
    return found(samples.adventureworks())


def synthetic(products: int, variants_per_product: int = 3, *, customers: int = 0, orders: int = 0) -> Shop:
    """Return a made-up company's shop; see `samples.synthetic`."""
    return found(samples.synthetic(products, variants_per_product, customers=customers, orders=orders))
