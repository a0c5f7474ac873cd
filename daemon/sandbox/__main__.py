"""Runs both stand-ins on their own: `python -m daemon.sandbox --products 20000 --limits on`.

When both listen, one line of JSON on standard output says where, with the credentials. Without `--products` the
store is the AdventureWorks company. SIGINT and SIGTERM end it.
"""

import argparse
import signal
import sys

import trio

from daemon.sandbox import (
    BigCommerceOptions,
    SparkLayerOptions,
    Store,
    adventureworks,
    open_sandbox,
    synthetic,
)
from daemon.sandbox.message import encode
from daemon.sandbox.opening import whereabouts

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
    parser.add_argument("--bigcommerce-port", type=int, default=0)
    parser.add_argument("--sparklayer-port", type=int, default=0)
    parser.add_argument("--variants", choices=("merge", "replace"), default="merge")
    parser.add_argument("--time-scale", type=float, default=0.001, help="of the waits between webhook attempts")
    return parser.parse_args()


async def _run(given: argparse.Namespace) -> None:
    limited = given.limits == "on"
    store = adventureworks() if given.products is None else _made_up(given)
    shop = BigCommerceOptions(
        port=given.bigcommerce_port, quota=STANDARD_QUOTA if limited else None, time_scale=given.time_scale
    )
    site = SparkLayerOptions(
        port=given.sparklayer_port, rate=ASSUMED_RATE if limited else None, variants=given.variants
    )
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_sandbox(store=store, bigcommerce=shop, sparklayer=site) as sandbox:
            told = whereabouts(sandbox.bigcommerce, sandbox.sparklayer)
            sys.stdout.write(encode(told).decode() + "\n")
            sys.stdout.flush()
            await anext(aiter(signals))


def _made_up(given: argparse.Namespace) -> Store:
    return synthetic(given.products, given.variants_per_product, customers=given.customers, orders=given.orders)


if __name__ == "__main__":
    trio.run(_run, _arguments())
