"""Requests per second that the listener answers: with an empty answer, and as webhooks without a database.

`empty_answers` is the ceiling. `webhooks` adds what a delivery costs before it is recorded: routing, the secret
header, an HMAC over the body, decoding, and one checkpoint where the database would be. Server and load are
separate processes; `load` works with any server.

Results of profiling (cProfile, and timeit of each part, Python 3.11, microseconds a request):

    the socket's send and trio around it   about 20   what a bare httptools loop needs, parsing aside
    parsing                                 4 to 6    llhttp itself is 1 to 2; judging the head about 1
    routing, calling, counting              3         of which counting is 0.35 (0.7 with prometheus_client's counters)
    encoding the answer                     1         the Date header is formatted once a second
    secret, HMAC and decoding               4         webhooks only

Therefore: no cancel scope per request (one task looks at all connections instead), one send for head and body,
header sizes added up only if they can matter, and counters in a dict that a scrape reads.
"""

import base64
import hmac
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import psutil
import trio
from attrs import frozen

from benchmarks.load import Result, load
from benchmarks.platforms import BIGCOMMERCE, BenchPlatform
from benchmarks.seats import MEASURED, seat
from benchmarks.table import Figure
from daemon.listener.http.messages import Request, Response
from daemon.listener.http.server import Server
from daemon.listener.routes import Route, Routes
from daemon.listener.webhooks import Endpoint, Webhooks
from daemon.model import Change, ConnectionId, ExternalId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.base import Delivery

SECRET = b"the secret header's value"
KEY = b"the key of the signature"
WEBHOOK = b"POST /webhooks/live/bench HTTP/1.1\r\nhost: sync.example.com\r\n"


class _Data(msgspec.Struct):
    type: str
    id: int


class _Envelope(msgspec.Struct):
    scope: str
    data: _Data


_decode = msgspec.json.Decoder(_Envelope).decode


class Reader:
    """Works as a platform's reader does, so that the listener is measured and not an adapter."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        """Compare the secret and the signature."""
        known = hmac.compare_digest(headers.get(b"x-ignite-sync-secret", b""), SECRET)
        signed = base64.b64encode(hmac.digest(KEY, body, "sha256"))
        return hmac.compare_digest(headers.get(b"webhook-signature", b""), signed) and known

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:  # noqa: ARG002  a reader's signature
        """Decode."""
        envelope = _decode(body)
        change = Change(Kind.PRODUCTS, ExternalId(str(envelope.data.id)))
        return Delivery(changes=(change,), scope=envelope.scope)

    def is_ping(self, _headers: Mapping[bytes, bytes], _body: bytes) -> bool:
        """Know no pings."""
        return False


def empty_requests(count: int) -> list[bytes]:
    """Return a minimal request."""
    return [b"GET /empty HTTP/1.1\r\nhost: sync.example.com\r\n\r\n"] * count


def webhook_requests(count: int) -> list[bytes]:
    """Return deliveries of distinct products, signed, with the headers BigCommerce sends."""
    return [_webhook(number) for number in range(count)]


def _webhook(number: int) -> bytes:
    body = msgspec.json.encode(
        {
            "scope": "store/product/updated",
            "store_id": "1025646",
            "data": {"type": "product", "id": number},
            "hash": "a833a57f31b1ff6b5c2b4e8f1d8b2f2c0d9a8d3e",
            "created_at": 1_700_000_000,
            "producer": "stores/abc123",
        }
    )
    headers = {
        b"user-agent": b"akka-http/10.0.10",
        b"accept": b"*/*",
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"x-ignite-sync-secret": SECRET,
        b"webhook-signature": base64.b64encode(hmac.digest(KEY, body, "sha256")),
    }
    return WEBHOOK + b"".join(b"%s: %s\r\n" % header for header in headers.items()) + b"\r\n" + body


async def _empty(_request: Request) -> Response:
    return Response()


class Intake:
    """Records nothing; one checkpoint stands for the commit."""

    def __init__(self) -> None:
        endpoint = Endpoint(
            connection_id=ConnectionId(1),
            site=Site("live", "bench"),
            reader=Reader(),
            kinds=tuple(Kind),
            max_delivery_bytes=0,
            debounce=1.0,
            debounce_max=10.0,
        )
        self.find = {Site("live", "bench"): endpoint}.get

    async def look_again(self, site: Site) -> Endpoint | None:
        """Find no other endpoint."""
        return self.find(site)

    async def record(self, _endpoint: Endpoint, _changes: Sequence[Change]) -> None:
        """Record nothing."""
        await trio.lowlevel.checkpoint()

    def taken(self, _endpoint: Endpoint) -> None:
        """Note nothing."""

    def failed(self, _endpoint: Endpoint, _kinds: Collection[Kind]) -> None:
        """Note nothing."""

    def lost(self, _endpoint: Endpoint, *, for_good: bool) -> None:
        """Note nothing."""


async def serve() -> None:
    """Serve both routes on a free port, and print it. Runs in its own process."""
    metrics = Metrics()
    webhooks = Webhooks(Intake(), metrics)
    routes = Routes.of([Route("GET", "/empty", _empty), *webhooks.routes()], metrics)
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


@frozen
class Served:
    """A server in another process."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the CPU seconds used since the process started."""
        times = self.process.cpu_times()
        return times.user + times.system


@asynccontextmanager
async def server_process(which: str = "serve") -> AsyncIterator[Served]:
    """Run `serve`, or with "uvicorn" the other one, in another process."""
    command = [sys.executable, "-m", "benchmarks.listener", which]
    run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False, preexec_fn=seat(MEASURED))
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        yield Served(int(await process.stdout.receive_some(16)), psutil.Process(process.pid))
        nursery.cancel_scope.cancel()


async def empty_answers(seconds: float = 5.0) -> Result:
    """Measure the listener's ceiling: a short GET, an empty 200."""
    async with server_process() as server:
        return await load(server.port, "benchmarks.listener:empty_requests", count=1, seconds=seconds)


async def webhooks(seconds: float = 5.0) -> Result:
    """Measure signed deliveries of distinct products, without recording them."""
    async with server_process() as server:
        return await load(server.port, "benchmarks.listener:webhook_requests", count=100_000, seconds=seconds)


async def measure(_platform: BenchPlatform = BIGCOMMERCE, seconds: float = 3.0, rounds: int = 5) -> list[Figure]:
    """Compare an empty answer of the listener with one of uvicorn, in rounds by turns."""
    costs: dict[str, list[float]] = {"serve": [], "uvicorn": []}
    for _ in range(rounds):
        for which, found in costs.items():
            async with server_process(which) as server:
                before = server.cpu_seconds()
                result = await load(server.port, "benchmarks.listener:empty_requests", count=1, seconds=seconds)
                if set(result.statuses) != {"200"}:
                    raise RuntimeError(f"{which} answers {result.statuses}")
                found.append(1e6 * (server.cpu_seconds() - before) / sum(result.statuses.values()))
    ours, theirs = (statistics.median(found) for found in costs.values())
    return [
        Figure("an empty answer of the listener, us of CPU", f"{ours:.1f}", "40"),
        Figure("  an empty ASGI app on uvicorn", f"{theirs:.1f}"),
        Figure(f"  lowest and highest of {rounds} rounds", f"{min(costs['serve']):.1f}, {max(costs['serve']):.1f}"),
    ]


async def main() -> None:
    """Measure and print both; or serve, in the subprocess."""
    if sys.argv[1:] == ["serve"]:
        await serve()
        return
    for part in (empty_answers, webhooks):
        result = await part()
        print(f"{part.__name__}: {result}")


if __name__ == "__main__":
    if sys.argv[1:] == ["uvicorn"]:
        serve_uvicorn()
    else:
        trio.run(main)
