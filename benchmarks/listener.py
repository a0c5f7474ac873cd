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
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import trio

from benchmarks.load import Result, load
from benchmarks.seats import MEASURED, seat
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


@asynccontextmanager
async def server_process() -> AsyncIterator[int]:
    """Run `serve` in another process; yield its port."""
    command = [sys.executable, "-m", "benchmarks.listener", "serve"]
    run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False, preexec_fn=seat(MEASURED))
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        assert process.stdout is not None
        yield int(await process.stdout.receive_some(16))
        nursery.cancel_scope.cancel()


async def empty_answers(seconds: float = 5.0) -> Result:
    """Measure the listener's ceiling: a short GET, an empty 200."""
    async with server_process() as port:
        return await load(port, "benchmarks.listener:empty_requests", count=1, seconds=seconds)


async def webhooks(seconds: float = 5.0) -> Result:
    """Measure signed deliveries of distinct products, without recording them."""
    async with server_process() as port:
        return await load(port, "benchmarks.listener:webhook_requests", count=100_000, seconds=seconds)


async def main() -> None:
    """Measure and print both; or serve, in the subprocess."""
    if sys.argv[1:] == ["serve"]:
        await serve()
        return
    for measure in (empty_answers, webhooks):
        result = await measure()
        print(f"{measure.__name__}: {result}")


if __name__ == "__main__":
    trio.run(main)
