"""The BigCommerce stand-in: a store's state with its edits, the routes of its API, and its webhooks."""

from daemon.sandbox import samples
from daemon.sandbox.bigcommerce.api import BigCommerce, BigCommerceOptions
from daemon.sandbox.bigcommerce.founding import found
from daemon.sandbox.bigcommerce.store import Store

__all__ = ["BigCommerce", "BigCommerceOptions", "Store", "adventureworks", "synthetic"]


def adventureworks() -> Store:
    """Return the sample company's store."""
    return found(samples.adventureworks())


def synthetic(products: int, variants_per_product: int = 3, *, customers: int = 0, orders: int = 0) -> Store:
    """Return a made-up company's store; see `samples.synthetic`."""
    return found(samples.synthetic(products, variants_per_product, customers=customers, orders=orders))
