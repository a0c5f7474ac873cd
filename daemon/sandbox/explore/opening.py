"""Serves the page on loopback for as long as a block lasts."""

import contextlib
from collections.abc import AsyncIterator

import trio

from daemon.sandbox.explore.explorer import Explorer
from daemon.sandbox.explore.stores import ExploredStore
from daemon.sandbox.server import listening, serve
from daemon.sandbox.sparklayer import SparkLayer


@contextlib.asynccontextmanager
async def open_explorer(store: ExploredStore, site: SparkLayer, *, page: str, port: int = 0) -> AsyncIterator[str]:
    """Serve the page and yield its address; `page` is the operators' page. Raises OSError when the port is taken."""
    async with listening("127.0.0.1", port) as (listeners, url), trio.open_nursery() as nursery:
        nursery.start_soon(serve, Explorer(store, site, page, url, nursery), listeners)
        try:
            yield url
        finally:
            nursery.cancel_scope.cancel()
