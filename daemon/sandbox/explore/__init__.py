"""A small page on which a person edits a sample store and sees each edit arrive in SparkLayer.

    async with open_explorer(BigCommerceStore(sandbox.store), sandbox.sparklayer, page="http://127.0.0.1:8080") as url:
        ...                                                       # a browser shows the page at this address

It is an edge of the sandbox, not of the daemon: it edits the stand-ins and never asks the daemon anything.
"""

from daemon.sandbox.explore.explorer import Explorer, open_explorer
from daemon.sandbox.explore.stores import BigCommerceStore, ExploredStore, WooCommerceStore

__all__ = ["BigCommerceStore", "ExploredStore", "Explorer", "WooCommerceStore", "open_explorer"]
