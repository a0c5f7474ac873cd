"""The BigCommerce stand-in: a store's state with its edits, the routes of its API, and its webhooks."""

from daemon.sandbox.bigcommerce.api import BigCommerce, BigCommerceOptions
from daemon.sandbox.bigcommerce.store import Store

__all__ = ["BigCommerce", "BigCommerceOptions", "Store"]
