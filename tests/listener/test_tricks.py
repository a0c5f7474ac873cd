"""Requests made to mean two things: refused, or read as another strict reader reads them; and no way past a token.

A proxy in front may take a request otherwise than the daemon does, and so let in what it should have kept out. So what
`Parser` makes of bytes is compared with what h11 does, which is written by others after the same rules.
"""

import re
from types import SimpleNamespace
from typing import cast

import h11
import structlog
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair

from daemon.listener.admin import Admin
from daemon.listener.apps import Apps
from daemon.listener.http.limits import Limits
from daemon.listener.http.parser import Parser
from daemon.listener.http.server import Server
from daemon.listener.ignite import Ignite
from daemon.listener.routes import Routes
from daemon.listener.webhooks import Endpoint, WebhookIntake, Webhooks
from daemon.model import ConnectionId, Secret, Site
from daemon.model.operators import NamedToken, Role
from daemon.observability.metrics import Metrics
from daemon.platforms.apps import AppPage
from daemon.platforms.bigcommerce.settings import BigCommerceSettings
from daemon.platforms.bigcommerce.webhooks import BigCommerceWebhooks
from tests.listener import test_apps

Read = tuple[bytes, bytes, bytes]
"""Method, target and body."""

LIMITS = Limits(body=2000, head=2000)

# ruff: noqa: SIM905  as lists they would fill pages
# Separated by bars, each with something that a lax reader may take for what it is not.
LENGTHS = "0|3|5| 5|5 |+5|-5|05|5,5|5, 5|0x5|5\t|\x0b5||5;5|1e1|\xb2|5\x00".split("|")
CODINGS = "chunked|Chunked| chunked|chunked |identity|chunked, chunked|chunked, identity|\x0bchunked".split("|")
CODINGS += "gzip, chunked|chunked;q=1|xchunked|chunked\x00||,chunked|chunked,".split("|")
NAMES = "Content-Length|content-length | Content-Length|Content_Length|Content-Length\x00|Transfer-Encoding".split("|")
NAMES += "Transfer-Encoding |Transfer\rEncoding|Transfer-Encoding\t|X: y\r\n Transfer-Encoding|Host|Expect".split("|")
ENDS = "\r\n|\r\n|\r\n|\n|\r|\r\r\n|\r\n |\r\n\t".split("|")
SIZES = '0|3|5|05|5 | 5|5;x|5;x="\r\n"|5;\n|+5|-1|0x5|5\t|ffffffffffffffff|10000000000000005'.split("|")
LAST = "0|0|0|00|0;x|0 ".split("|")
TRAILERS = ["", "", "X: y\r\n", "Host: b\r\n", "Content-Length: 5\r\n"]
TARGETS = "/|/a|*|//a|/%2e%2e/a|/a?b#c|http://a/b|http://a|a|/a\x00|/\xff|/a b|a:80|/\t|\\a".split("|")
VERSIONS = "1.1|1.1|1.1|1.0|0.9|2.0|1.2|1.1 |11|1,1|+1.1".split("|")
METHODS = "GET|POST|POST|HEAD|PUT|OPTIONS|CONNECT|TRACE|get|G\x00T|PRI|| GET|GET\t".split("|")
VALUES = st.sampled_from([*LENGTHS, *CODINGS, "a", "100-continue", "x" * 50])


@st.composite
def tricky(draw: st.DrawFn) -> bytes:
    """One request, with a few things about it that are not as they should be, or none."""

    def mostly(usual: str, odd: list[str]) -> str:
        return draw(st.sampled_from([usual] * 8 * len(odd) + odd))

    end = mostly("\r\n", ENDS)
    head = f"{mostly('POST', METHODS)} {mostly('/a', TARGETS)} HTTP/{mostly('1.1', VERSIONS)}{end}Host: a\r\n"
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        head += f"{draw(st.sampled_from(NAMES))}:{mostly(' ', ['', '  '])}{draw(VALUES)}{mostly(end, ENDS)}"
    body = draw(st.sampled_from(["", "abc", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]))
    framing = draw(st.sampled_from(["none", "length", "chunks", "chunks"]))
    if framing == "length":
        head += f"Content-Length: {len(body)}\r\n"
    elif framing == "chunks":
        head += f"Transfer-Encoding: {mostly('chunked', CODINGS)}\r\n"
        first = f"{mostly(f'{len(body):x}', SIZES)}\r\n{body}{mostly(end, ENDS)}" if body else ""
        body = f"{first}{draw(st.sampled_from(LAST))}\r\n{draw(st.sampled_from(TRAILERS))}\r\n"
    return (head + "\r\n" + body).encode("latin-1", "replace")


def by_us(data: bytes) -> list[Read]:
    parser, found = Parser(LIMITS), []
    for byte in data:
        parser.feed(bytes([byte]))
        for request in parser.requests:
            path = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
            found.append((request.method.encode(), path.encode(), request.body))
            if not request.keep_alive:
                return found
        parser.requests.clear()
        if parser.fault:
            break
    return found


def by_h11(data: bytes) -> tuple[list[Read], bool]:
    """Return what h11 reads, and whether it came to something that it refuses."""
    connection, found = h11.Connection(h11.SERVER), []
    connection.receive_data(data)
    request, body = None, b""
    try:
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            match event:
                case h11.Request():
                    request, body = event, b""
                case h11.Data():
                    body += bytes(event.data)
                case h11.EndOfMessage():
                    assert request is not None
                    found.append((request.method, re.sub(rb"^https?://[^/?#]+", b"", request.target) or b"/", body))
                    connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                    connection.send(h11.EndOfMessage())
                    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                        return found, False
                    connection.start_next_cycle()
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        return found, True
    return found, False


@settings(deadline=None, max_examples=300)
@given(st.lists(tricky(), min_size=1, max_size=3).map(b"".join))
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG")
def test_what_is_taken_is_what_another_strict_reader_takes(data: bytes) -> None:
    ours, (theirs, refused) = by_us(data), by_h11(data)
    for mine, other in zip(ours, theirs, strict=False):
        assert mine == other
    assert len(ours) <= len(theirs), (refused, ours[len(theirs) :])


TOKEN = "the admin's token"
OPEN = {"/healthz", "/readyz"}
PLACES = ["/webhooks/live/jones", "/v1/live/jones", "/v1/live/jones/status/products", "/v1/live/jones/sync/products"]
PLACES += ["/admin/status", "/admin/connect", "/metrics", "/healthz", "/readyz", "/fake/auth", "/fake/load"]
SPOILT = [
    "/..",
    "/%2e%2e",
    "%2f",
    "/.",
    "//",
    "%00",
    "%ff",
    "%ed%a0%80",
    "%",
    "%zz",
    "?x=%ff&&=",
    ";a=b",
    "\\",
    "*",
    "/" * 90,
]
SAID = [
    "authorization: Bearer",
    "authorization: Bearer guessed",
    f"x-authorization: Bearer {TOKEN}",
    "content-type: text/x",
]
SAID += [
    "x-forwarded-for: 127.0.0.1",
    "x-ignite-sync-secret: guessed",
    f"cookie: {TOKEN}",
    "webhook-timestamp: " + "9" * 400,
]
SAID += ["content-type: application/json", "x-http-method-override: GET", "webhook-signature: v1,x v2 ,", "a: \xff\xfe"]


class Anybody:
    """Everything the routes may ask of the daemon; only who knows a secret may come so far."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def take(self, *_: object) -> None:
        self.reached.append("taken")

    async def ready(self) -> list[str]:
        return []

    def routes(self) -> Routes:
        reader = BigCommerceWebhooks(
            BigCommerceSettings(store_hash="x", access_token=Secret("x"), webhook_secret=Secret("unguessed"))
        )
        endpoint = Endpoint(
            connection_id=ConnectionId(1),
            site=Site("live", "jones"),
            reader=reader,
            kinds=(),
            max_delivery_bytes=0,
            debounce=0.0,
            debounce_max=0.0,
        )
        metrics, take = Metrics(), self.take
        find = {Site("live", "jones"): endpoint}.get

        async def look_again(site: Site) -> Endpoint | None:
            return find(site)

        intake = SimpleNamespace(find=find, look_again=look_again, record=take, taken=take, failed=take, lost=take)
        app = test_apps.Fake()
        return Routes.of(
            [
                *Webhooks(cast("WebhookIntake", intake), metrics).routes(),
                *Ignite(
                    token=Secret(TOKEN),
                    connect=take,
                    disconnect=take,
                    trigger=take,
                    pull=take,  # type: ignore[arg-type]
                    fetch=take,  # type: ignore[arg-type]
                ).routes(),
                *Apps(
                    name="fake",
                    label="Fake",
                    pages=(AppPage("auth"), AppPage("load")),
                    app=app,
                    visited=take,
                    install_address=app.install_address,
                ).routes(),
                *Admin(
                    tokens=[NamedToken(name="admin", token=Secret(TOKEN), role=Role.ACT)],
                    metrics_open=False,
                    metrics=metrics,
                    why_not_ready=self.ready,
                    refresh=take,
                    operations={("GET", "/admin/status"): take, ("POST", "/admin/connect"): take},
                ).routes(),
            ],
            metrics,
        )


async def _ask(routes: Routes, data: bytes) -> bytes:
    ours, theirs = memory_stream_pair()
    answered = b""
    with trio.fail_after(200):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Server(routes.answer, routes.refuse).handle, theirs)
            await ours.send_all(data)
            await ours.send_eof()
            async for part in ours:
                answered += part
    return answered


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS"]),
    st.sampled_from(PLACES),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(SPOILT)), max_size=2),
    st.lists(st.sampled_from(SAID), max_size=4),
    st.one_of(
        st.binary(max_size=30), st.sampled_from([b"", b"{}", b"[" * 5000, b'{"a":"\\ud800"}', b'{"ids":[1e999]}'])
    ),
)
def test_whatever_a_stranger_sends_is_refused_and_reaches_nothing(
    method: str, place: str, spoilt: list[tuple[int, str]], said: list[str], body: bytes
) -> None:
    path = place
    for at, what in spoilt:
        path = path[:at] + what + path[at:]
    head = f"{method} {path} HTTP/1.1\r\nhost: a\r\n" + "".join(f"{line}\r\n" for line in said)
    data = head.encode("latin-1") + b"content-length: %d\r\n\r\n" % len(body) + body
    anybody = Anybody()
    with structlog.testing.capture_logs() as lines:
        answer = trio.run(_ask, anybody.routes(), data, clock=MockClock(autojump_threshold=0))
    status = int(answer.split()[1])
    assert status in {200, 400, 401, 404, 405, 415}
    assert status != 200 or path.partition("?")[0] in OPEN
    assert anybody.reached == []
    assert {line["event"] for line in lines} <= {"webhooks refused", "wrong tokens refused"}
