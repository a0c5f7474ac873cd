"""Runs a shop and a site on their own: `python -m daemon.sandbox --platform woocommerce --products 20000`.

When both listen, one line of JSON on standard output says where, with the credentials. Without `--products` the
store is the AdventureWorks company. SIGINT and SIGTERM end it.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import trio

from daemon.sandbox import (
    BigCommerce,
    BigCommerceOptions,
    SparkLayer,
    SparkLayerOptions,
    WooCommerce,
    WooCommerceOptions,
    open_sandbox,
    open_woocommerce,
    samples,
)
from daemon.sandbox.bigcommerce.founding import found as found_store
from daemon.sandbox.message import encode
from daemon.sandbox.opening import open_sparklayer, whereabouts
from daemon.sandbox.woocommerce.founding import found as found_shop

STANDARD_QUOTA = 150
"""Requests per 30 seconds of BigCommerce's Standard plan (bigcommerce.md section 10)."""
ASSUMED_RATE = 20.0
"""Requests per second for SparkLayer, which publishes none."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m daemon.sandbox", description=__doc__)
    parser.add_argument("--products", type=int, help="made-up products instead of the sample company")
    parser.add_argument("--variants-per-product", type=int, default=3)
    parser.add_argument("--customers", type=int, default=0, help="made-up customers beside made-up products")
    parser.add_argument("--orders", type=int, default=0, help="made-up orders of them")
    parser.add_argument("--limits", choices=("on", "off"), default="off", help="rate limits of both APIs")
    parser.add_argument("--platform", choices=("bigcommerce", "woocommerce"), default="bigcommerce")
    parser.add_argument("--woocommerce-port", type=int, default=0)
    parser.add_argument("--cron-delay", type=float, default=1.0, help="seconds until WooCommerce's webhooks go out")
    parser.add_argument("--hpos", choices=("on", "off"), default="on", help="WooCommerce's order storage")
    parser.add_argument("--time-zone", default="UTC", help="of the WooCommerce shop, such as Australia/Sydney")
    parser.add_argument("--bigcommerce-port", type=int, default=0)
    parser.add_argument("--sparklayer-port", type=int, default=0)
    parser.add_argument("--variants", choices=("merge", "replace"), default="merge")
    parser.add_argument("--time-scale", type=float, default=0.001, help="of the waits between webhook attempts")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with _opened(given) as (shop, site):
            sys.stdout.write(encode(whereabouts(shop, site)).decode() + "\n")
            sys.stdout.flush()
            await anext(aiter(signals))


@contextlib.asynccontextmanager
async def _opened(given: argparse.Namespace) -> AsyncIterator[tuple[BigCommerce | WooCommerce, SparkLayer]]:
    limited, amounts = given.limits == "on", {"customers": given.customers, "orders": given.orders}
    company = samples.adventureworks()
    if given.products is not None:
        company = samples.synthetic(given.products, given.variants_per_product, **amounts)
    rate = ASSUMED_RATE if limited else None
    site = SparkLayerOptions(port=given.sparklayer_port, rate=rate, variants=given.variants)
    if given.platform == "bigcommerce":
        quota = STANDARD_QUOTA if limited else None
        store = BigCommerceOptions(port=given.bigcommerce_port, quota=quota, time_scale=given.time_scale)
        async with open_sandbox(store=found_store(company), bigcommerce=store, sparklayer=site) as sandbox:
            yield sandbox.bigcommerce, sandbox.sparklayer
    else:
        shop = found_shop(company)
        shop.hpos = given.hpos == "on"
        shop.set_zone(given.time_zone)
        options = WooCommerceOptions(port=given.woocommerce_port, cron_delay=given.cron_delay)
        async with open_woocommerce(options, shop=shop) as server, open_sparklayer(site) as sparklayer:
            yield server, sparklayer


if __name__ == "__main__":
    trio.run(_run, _arguments())
