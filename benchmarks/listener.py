"""Requests per second that the listener answers with an empty answer: the ceiling of all routes.

Server and load are separate processes; `load` works with any server.

Results of profiling (cProfile, and timeit of each part, Python 3.11, microseconds a request):

    the socket's send and trio around it   about 20   what a bare httptools loop needs, parsing aside
    parsing                                 4 to 6    llhttp itself is 1 to 2; judging the head about 1
    routing, calling, counting              3         of which counting is 0.35 (0.7 with prometheus_client's counters)
    encoding the answer                     1         the Date header is formatted once a second
    secret, HMAC and decoding               4         webhooks only

Therefore: no cancel scope per request (one task looks at all connections instead), one send for head and body,
header sizes added up only if they can matter, and counters in a dict that a scrape reads.
"""

import socket
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import trio

from benchmarks.load import MEASURED, Result, load, seat
from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.processes import cpu_seconds, open_program
from benchmarks.table import Figure
from daemon.listener.http.messages import Request, Response
from daemon.listener.http.server import Server
from daemon.listener.routes import Route, Routes
from daemon.observability.metrics import Metrics


def empty_requests(count: int) -> list[bytes]:
    """Return a minimal request."""
    return [b"GET /empty HTTP/1.1\r\nhost: sync.example.com\r\n\r\n"] * count


async def _empty(_request: Request) -> Response:
    return Response()


async def serve() -> None:
    """Serve an empty answer on a free port, and print it. Runs in its own process."""
    routes = Routes.of([Route("GET", "/empty", _empty)], Metrics())
    server = Server(routes.answer, routes.refuse)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(server.serve, "127.0.0.1", 0)
        print(addresses[0][1], flush=True)


def serve_uvicorn() -> None:
    """Serve an empty ASGI app by uvicorn on a free port, and print it. Runs in its own process."""
    import uvicorn  # noqa: PLC0415  the other server needs no such module

    async def app(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(app, http="httptools", loop="asyncio", lifespan="off", access_log=False, log_level="error")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(config).run([listening])


@asynccontextmanager
async def server_process(which: str = "serve") -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run `serve`, or with "uvicorn" the other one, in another process; yield its port and the process."""
    async with open_program("benchmarks.listener", which, prepare=seat(MEASURED)) as process:
        assert process.stdout is not None
        yield int(await process.stdout.receive_some(16)), psutil.Process(process.pid)


async def empty_answers(seconds: float = 5.0) -> Result:
    """Measure the listener's ceiling: a short GET, an empty 200."""
    async with server_process() as (port, _):
        return await load(port, "benchmarks.listener:empty_requests", count=1, seconds=seconds)


async def measure(_platform: BenchPlatform = BIGCOMMERCE, seconds: float = 3.0, rounds: int = 5) -> list[Figure]:
    """Compare an empty answer of the listener with one of uvicorn, in rounds by turns."""
    costs: dict[str, list[float]] = {"serve": [], "uvicorn": []}
    for _ in range(rounds):
        for which, found in costs.items():
            async with server_process(which) as (port, process):
                before = cpu_seconds(process)
                result = await load(port, "benchmarks.listener:empty_requests", count=1, seconds=seconds)
                if set(result.statuses) != {"200"}:
                    raise RuntimeError(f"{which} answers {result.statuses}")
                found.append(1e6 * (cpu_seconds(process) - before) / sum(result.statuses.values()))
    ours, theirs = (statistics.median(found) for found in costs.values())
    return [
        Figure("an empty answer of the listener, us of CPU", f"{ours:.1f}", "40"),
        Figure("  an empty ASGI app on uvicorn", f"{theirs:.1f}"),
        Figure(f"  lowest and highest of {rounds} rounds", f"{min(costs['serve']):.1f}, {max(costs['serve']):.1f}"),
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["uvicorn"]:
        serve_uvicorn()
    else:
        trio.run(serve)
