"""Durable webhooks while the page is open in many browsers: nothing may get slower for it.

Rounds with and without open pages alternate, since a shared machine's speed varies; the median of the ratios counts.
Each page follows the live events of all connections.
"""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator

import trio

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import ADMIN_TOKEN, SECRET_KEY, Daemon
from benchmarks.table import Figure
from benchmarks.webhooks import durable
from daemon.listener.page.cookies import SESSION
from daemon.listener.page.session import Sessions
from daemon.model import Secret
from daemon.model.operators import ADMIN, NamedToken, Role

PAGES = 50
ROUNDS = 10
READ_SIZE = 65_536


async def measure(
    platform: BenchPlatform = BIGCOMMERCE, seconds: float = 4.0, rounds: int = ROUNDS, pages: int = PAGES
) -> list[Figure]:
    """Measure alternately, without pages and with them."""
    ratios, costs = [], []
    for _ in range(rounds):
        closed = await durable(seconds, platform=platform)
        opened = await durable(seconds, beside=lambda daemon: open_pages(daemon, pages), platform=platform)
        for found in (closed, opened):
            if found.missing:
                raise RuntimeError(f"{found.missing} acknowledged webhooks are not in the outbox")
        ratios.append(opened.result.per_second / closed.result.per_second)
        costs.append(opened.cpu_seconds / opened.acknowledged / (closed.cpu_seconds / closed.acknowledged))
    ratio, cost = statistics.median(ratios), statistics.median(costs)
    return [
        Figure(f"durable webhooks/s with {pages} open pages, of those without", f"{ratio:.2f}", "1.00", "0.95"),
        Figure(f"  lowest and highest of {rounds} rounds", f"{min(ratios):.2f}, {max(ratios):.2f}"),
        Figure("  the daemon's CPU for a webhook, of that without", f"{cost:.2f}"),
    ]


@contextlib.asynccontextmanager
async def open_pages(daemon: Daemon, pages: int) -> AsyncIterator[None]:
    """Follow the live events in `pages` browsers of one operator. Raises RuntimeError if one gets none."""
    holder = NamedToken(name=ADMIN, token=Secret(ADMIN_TOKEN), role=Role.ACT)
    session = Sessions((Secret(SECRET_KEY),), (holder,), time.time).open(holder)
    async with trio.open_nursery() as nursery:
        for _ in range(pages):
            await nursery.start(_follow, daemon.port, f"{SESSION}={session}")
        yield
        nursery.cancel_scope.cancel()


async def _follow(port: int, cookie: str, task_status: trio.TaskStatus[None]) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode())
        received = b""
        while b"data: " not in received:
            piece = await stream.receive_some(READ_SIZE)
            if not piece:
                raise RuntimeError(f"no event came: {received[:200]!r}")
            received += piece
        task_status.started()
        while await stream.receive_some(READ_SIZE):
            pass
