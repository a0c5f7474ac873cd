"""Stateful, strict stand-ins of BigCommerce's, WooCommerce's and SparkLayer's APIs over real HTTP, with sample stores.

    async with open_sandbox(
        store=adventureworks(),                                   # or synthetic(20_000, customers=9, orders=9)
        bigcommerce=BigCommerceOptions(quota=150, port=0),        # see the options for every switch
        sparklayer=SparkLayerOptions(rate=None, variants="replace", journal=True),
    ) as sandbox:
        sandbox.bigcommerce.url, .store_hash, .access_token, .client_secret     # {url}/stores/{hash}/v3/...
        sandbox.sparklayer.url, .site_id, .client_id, .client_secret            # {url}/api/...
        sandbox.store.set_title(product_id, "New")                # an edit: webhooks go out
        sandbox.store.set_price(product_id, 9.5, silent=True)     # an edit whose webhook got lost
        sandbox.store.customers.set_group(customer_id, 3)         # parts of the store have their own edits
        sandbox.store.orders.place(customer_id, [{"sku": "HL-U509-R", "quantity": 2}], cart_id="<uuid>")
        sandbox.store.metafields.set("product", product_id, "rrp", "49.99")
        await sandbox.bigcommerce.webhooks.settled()              # every webhook taken or given up
        sandbox.bigcommerce.login.authorize("sandbox")            # a code for POST {url}/oauth2/token
        sandbox.sparklayer.state.comparable()                     # the site as plain data
        sandbox.sparklayer.state.customers.edit("1", group="vip") # a person does that in SparkLayer's Dashboard
        sandbox.sparklayer.state.purchases.place("<uuid>", reference="PO-1")    # an order in the storefront
        sandbox.sparklayer.state.sync_log.calls                   # every sync-log call in order
        sandbox.sparklayer.statistics.calls["POST /api/v1/products"]
        sandbox.sparklayer.tokens.revoke()
        sandbox.bigcommerce.faults.add("GET */catalog/products", answer(503), times=2)
        async with sandbox.sparklayer.faults.hold("PATCH */products/*") as held:
            await held.arrived()
        sandbox.bigcommerce.faults.down = True                    # an outage; clear() ends it

`open_woocommerce` opens a WooCommerce shop of the same company beside it; see `daemon.sandbox.woocommerce`.
`python -m daemon.sandbox` runs a store and the site standalone; `/_sandbox/...` on each server steers them
from another process: see `control` and the `api` of each stand-in. Imports nothing of the daemon.
"""

from daemon.sandbox.bigcommerce import BigCommerce, BigCommerceOptions, Store, adventureworks, synthetic
from daemon.sandbox.faults import answer, call, delay, garbage, html, reset, truncate
from daemon.sandbox.opening import Sandbox, open_sandbox, open_woocommerce
from daemon.sandbox.sparklayer import SparkLayer, SparkLayerOptions
from daemon.sandbox.woocommerce import Shop, WooCommerce, WooCommerceOptions

__all__ = [
    "BigCommerce",
    "BigCommerceOptions",
    "Sandbox",
    "Shop",
    "SparkLayer",
    "SparkLayerOptions",
    "Store",
    "WooCommerce",
    "WooCommerceOptions",
    "adventureworks",
    "answer",
    "call",
    "delay",
    "garbage",
    "html",
    "open_sandbox",
    "open_woocommerce",
    "reset",
    "synthetic",
    "truncate",
]
