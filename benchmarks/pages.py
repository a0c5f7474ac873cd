"""Durable webhooks while the page is open in many browsers: nothing may get slower for it.

Rounds with and without open pages alternate, since a shared machine's speed varies; the median of the ratios counts.
Each page follows the live events of all connections.
"""

import contextlib
import re
import statistics
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import trio

from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import ADMIN_TOKEN, Daemon
from benchmarks.table import Figure
from benchmarks.webhooks import durable

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
    """Log in, and follow the live events in `pages` browsers. Raises RuntimeError if one gets none."""
    cookie = await _log_in(daemon.port)
    async with trio.open_nursery() as nursery:
        for _ in range(pages):
            await nursery.start(_follow, daemon.port, cookie)
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


async def _log_in(port: int) -> str:
    """Return the cookie of a session."""
    form, cookie = await _asked(port, "GET", "")
    found = re.search(r'name="csrf" value="([^"]+)"', form)
    fields = urlencode({"csrf": found[1] if found else "", "token": ADMIN_TOKEN})
    _, session = await _asked(port, "POST", cookie, fields)
    return session


async def _asked(port: int, method: str, cookie: str, fields: str = "") -> tuple[str, str]:
    """Return the text of the login's answer, and its first cookie."""
    head = [
        f"{method} /login HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        f"cookie: {cookie}",
        "connection: close",
        "content-type: application/x-www-form-urlencoded",
        f"content-length: {len(fields)}",
    ]
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(("\r\n".join(head) + f"\r\n\r\n{fields}").encode())
        answer = b""
        while piece := await stream.receive_some(READ_SIZE):
            answer += piece
    text = answer.decode()
    found = re.search(r"(?mi)^set-cookie: (ignite-sync[^;]*)", text)
    if found is None:
        raise RuntimeError(f"the page gave no cookie: {text[:200]}")
    return text, found[1]
