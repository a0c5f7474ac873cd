"""Answers to deliveries: only recorded ones are acknowledged."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
import structlog
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from daemon.errors import StorageTrouble
from daemon.listener.http.limits import Limits
from daemon.listener.http.messages import Request, Response
from daemon.listener.http.server import Server
from daemon.listener.routes import Routes
from daemon.listener.webhooks import Endpoint, Webhooks
from daemon.model import Change, ConnectionId, ExternalId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.base import Delivery
from tests.listener.conftest import Client

SITE = Site("live", "jones")
JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
LARGEST = 3 * 1024 * 1024


class Reader:
    """A platform's reader in small: a secret header, then {"scope", "id"}. A form without a secret is a ping."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        assert isinstance(body, bytes)
        return hmac.compare_digest(headers.get(b"x-secret", b""), b"hunter2")

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        told = msgspec.json.decode(body)
        if "id" not in told:
            raise ValueError("data.id is missing")
        known = told["scope"] == "store/product/updated"
        changes = (Change(Kind.PRODUCTS, ExternalId(str(told["id"]))),) if known else ()
        return Delivery(
            changes=changes,
            scope=told["scope"],
            known=known,
            stale=b"x-stale" in headers,
            registration_broken=told["scope"] == "cannot_view",
        )

    def is_ping(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        return headers[b"content-type"] == FORM and b"x-secret" not in headers and body == b"webhook_id=17"


ENDPOINT = Endpoint(
    connection_id=ConnectionId(7),
    site=SITE,
    reader=Reader(),
    kinds=(Kind.PRODUCTS,),
    max_delivery_bytes=LARGEST,
    debounce=1.0,
    debounce_max=10.0,
)


@define
class Shop:
    """An intake for the webhooks of a connection, and what it received."""

    metrics: Metrics = field(factory=Metrics)
    sites: set[Site] = field(factory=lambda: {SITE})
    recorded: list[tuple[ConnectionId, Sequence[Change]]] = field(factory=list)
    trouble: bool = False
    before_commit: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    fates: list[object] = field(factory=list)
    """For each delivery "taken", or the kinds of one that failed through our fault."""
    elsewhere: dict[Site, Endpoint] = field(factory=dict)
    """Endpoints by the database that differ from the known ones."""
    looks: int = 0

    def find(self, site: Site) -> Endpoint | None:
        return ENDPOINT if site in self.sites else None

    async def look_again(self, site: Site) -> Endpoint | None:
        self.looks += 1
        return self.elsewhere.get(site) or self.find(site)

    async def record(self, endpoint: Endpoint, changes: Sequence[Change]) -> None:
        await self.before_commit()
        if self.trouble:
            raise StorageTrouble("database is locked", reason="locked")
        self.recorded.append((endpoint.connection_id, changes))

    async def deliver(self, body: bytes, path: str = "/webhooks/live/jones", **headers: bytes) -> Response:
        webhooks = Webhooks(self, self.metrics)
        routes = Routes.of(webhooks.routes(), self.metrics)
        given = {"content_type": JSON, "x_secret": b"hunter2", **headers}
        sent = {name.replace("_", "-").encode(): value for name, value in given.items()}
        return await routes.answer(Request("POST", path, "", sent, body, keep_alive=True))

    def taken(self, endpoint: Endpoint) -> None:
        assert endpoint.connection_id == ENDPOINT.connection_id
        self.fates.append("taken")

    def failed(self, endpoint: Endpoint, kinds: Collection[Kind]) -> None:
        assert endpoint is ENDPOINT
        self.fates.append(set(kinds))

    def lost(self, endpoint: Endpoint, *, for_good: bool) -> None:
        assert endpoint is ENDPOINT
        self.fates.append("lost for good" if for_good else "lost")

    def count(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(*self._sample(name))

    def _sample(self, name: str) -> tuple[str, dict[str, str]]:
        if name == "stale":
            return "ignite_sync_webhooks_stale_total", {}
        return "ignite_sync_webhooks_total", {"outcome": name, "site": "" if name == "unknown_site" else str(SITE)}


@pytest.fixture
def shop() -> Shop:
    return Shop()


GOOD = b'{"scope": "store/product/updated", "id": 42}'


@pytest.mark.parametrize("content_type", [JSON, b"application/json; charset=utf-8", FORM, b""])
async def test_a_good_delivery_is_recorded_and_answered_empty(shop: Shop, content_type: bytes) -> None:
    response = await shop.deliver(GOOD, content_type=content_type)
    assert (response.status, response.body) == (200, b"")
    assert shop.recorded == [(7, (Change(Kind.PRODUCTS, ExternalId("42")),))]
    assert shop.count("recorded") == 1
    assert shop.count("stale") == 0


async def test_a_good_delivery_is_verified_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    verify, bodies = Reader.verify, list[bytes]()

    def counted(reader: Reader, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        bodies.append(body)
        return verify(reader, headers, body)

    monkeypatch.setattr(Reader, "verify", counted)
    assert (await shop.deliver(GOOD)).status == 200
    assert bodies == [GOOD]


@pytest.mark.parametrize(
    ("change", "status", "outcome"),
    [
        ({"path": "/webhooks/live/nobody"}, 404, "unknown_site"),
        ({"path": "/webhooks/test/jones"}, 404, "unknown_site"),
        ({"x_secret": b"wrong"}, 401, "refused"),
        ({"x_secret": b""}, 401, "refused"),
        ({"body": b"{"}, 400, "malformed"),
        ({"body": b""}, 400, "malformed"),
        ({"body": b"\xff"}, 400, "malformed"),
        ({"body": b'{"scope": "store/product/updated"}'}, 400, "malformed"),
    ],
)
async def test_what_is_not_a_good_delivery_is_refused_and_counted(
    shop: Shop, change: dict[str, Any], status: int, outcome: str
) -> None:
    response = await shop.deliver(**{"body": GOOD, **change})
    assert response.status == status
    assert shop.recorded == []
    assert shop.count(outcome) == 1
    # Who knows the secret may have lost a change with it; a stranger has lost nothing.
    assert shop.fates == (["lost for good"] if outcome == "malformed" else [])


async def test_the_secret_is_asked_for_before_the_body_is_read(shop: Shop) -> None:
    response = await shop.deliver(b"{", x_secret=b"wrong")
    assert response.status == 401
    assert b'"detail":""' in response.body


PING: dict[bytes, bytes] = {b"content-type": FORM}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"webhook_id=17", PING, 200),
        (b"webhook_id=17&id=42", PING, 401),
        (b"", PING, 401),
        (b"webhook_id=17", {b"content-type": JSON}, 401),
        (b"webhook_id=17", {**PING, b"x-secret": b"wrong"}, 401),
    ],
)
async def test_a_ping_is_answered_200_and_changes_nothing(
    shop: Shop, body: bytes, headers: dict[bytes, bytes], status: int
) -> None:
    """It is unsigned, so it is no sign of life either; anything more than a ping is refused."""
    webhooks = Webhooks(shop, shop.metrics)
    routes = Routes.of(webhooks.routes(), shop.metrics)
    response = await routes.answer(Request("POST", "/webhooks/live/jones", "", headers, body, keep_alive=True))
    assert (response.status, response.body == b"") == (status, status == 200)
    assert shop.count("ping") == (1 if status == 200 else None)
    assert (shop.recorded, shop.fates) == ([], [])


async def test_a_ping_of_an_unknown_site_is_refused(shop: Shop) -> None:
    assert (await shop.deliver(b"webhook_id=17", "/webhooks/live/nobody", content_type=FORM)).status == 404


HEAD = b"POST %s HTTP/1.1\r\nhost: a\r\nx-secret: hunter2\r\ncontent-type: application/json\r\n"


@asynccontextmanager
async def listening(shop: Shop, limits: Limits | None = None) -> AsyncIterator[Callable[[], Client]]:
    """Serve webhooks; yield a function that connects a client."""
    routes = Routes.of(Webhooks(shop, shop.metrics).routes(), shop.metrics)
    server = Server(routes.answer, routes.refuse, limits or Limits(), routes.largest)

    def connect() -> Client:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(server.handle, theirs)
        return Client(ours)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.keep_time)
        yield connect
        nursery.cancel_scope.cancel()


def sized(size: int, *, chunked: bool, path: bytes = b"/webhooks/live/jones") -> bytes:
    """Return a delivery of a size; too large ones end with the body that is too large."""
    body = GOOD.ljust(size)
    if chunked:
        return HEAD % path + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body)
    return HEAD % path + b"content-length: %d\r\n\r\n%s" % (size, body)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_delivery_may_be_as_large_as_its_platform_says(
    autojump_clock: MockClock, shop: Shop, *, chunked: bool
) -> None:
    """A larger one is refused unread, counted and made up for."""
    async with listening(shop) as connect:
        assert (await connect().ask(sized(LARGEST, chunked=chunked))).status == 200
        assert (len(shop.recorded), shop.fates) == (1, ["taken"])
        answer = await connect().ask(sized(LARGEST + 1, chunked=chunked))
    assert (answer.status, answer.detail) == (413, f"A body may have {LARGEST} bytes.")
    assert (len(shop.recorded), shop.fates) == (1, ["taken", "lost for good"])
    assert shop.count("too_large") == 1


@pytest.mark.parametrize("path", [b"/webhooks/live/nobody", b"/webhooks/live", b"/webhooks/%ff/x", b"/?/webhooks"])
async def test_other_requests_may_not_be_so_large(autojump_clock: MockClock, shop: Shop, path: bytes) -> None:
    async with listening(shop) as connect:
        assert (await connect().ask(sized(Limits().body + 1, chunked=False, path=path))).status == 413
    assert shop.fates == []


async def test_deliveries_in_memory_are_limited_in_all(autojump_clock: MockClock, shop: Shop) -> None:
    """While the database is slow, bodies wait in memory; a delivery beyond the limit is 503 and made up for."""
    begun, release = trio.Semaphore(0), trio.Event()

    async def wait() -> None:
        begun.release()
        await release.wait()

    shop.before_commit = wait
    async with listening(shop, Limits(held=2 * LARGEST)) as connect:
        first = [connect() for _ in range(2)]
        for client in first:
            await client.send(sized(LARGEST, chunked=False))
            await begun.acquire()
        one_more = connect()
        with suppress(trio.BrokenResourceError):
            await one_more.send(sized(LARGEST, chunked=False))
        refusal = await one_more.read()
        assert refusal is not None
        assert refusal.status == 503
        release.set()
        answers = [await client.read() for client in first]
    assert [answer.status for answer in answers if answer] == [200, 200]
    assert shop.fates == ["lost", set(), "taken", "taken"]
    assert shop.count("cut_off") == 1


async def test_a_delivery_that_arrives_too_slowly_is_made_up_for(autojump_clock: MockClock, shop: Shop) -> None:
    async with listening(shop) as connect:
        client = connect()
        await client.send(sized(100, chunked=False)[:-1])
        answer = await client.read()
    assert answer is not None
    assert (answer.status, shop.fates) == (408, ["lost"])


class OtherReader(Reader):
    """The reader of credentials that another node has stored."""

    def verify(self, headers: Mapping[bytes, bytes], _body: bytes) -> bool:
        return hmac.compare_digest(headers.get(b"x-secret", b""), b"hunter3")


@pytest.mark.parametrize(
    ("site", "secret", "status", "looks"),
    [
        ("jones", b"hunter2", 200, 0),
        ("jones", b"hunter3", 200, 1),
        ("jones", b"hunter4", 401, 1),
        ("smith", b"hunter3", 200, 1),
        ("smith", b"hunter2", 401, 1),
        ("miller", b"hunter2", 404, 1),
    ],
    ids=["known", "renewed elsewhere", "wrong", "connected elsewhere", "wrong there", "unknown"],
)
async def test_what_this_process_does_not_accept_is_looked_up_before_it_is_refused(
    shop: Shop, site: str, secret: bytes, status: int, looks: int
) -> None:
    """Another node may have connected the site, or stored other credentials."""
    other = evolve(ENDPOINT, reader=OtherReader())
    shop.elsewhere = {Site("live", name): other for name in ("jones", "smith")}
    answer = await shop.deliver(GOOD, f"/webhooks/live/{site}", x_secret=secret)
    assert (answer.status, shop.looks, len(shop.recorded)) == (status, looks, status == 200)


async def test_a_stale_delivery_is_counted_and_recorded(shop: Shop) -> None:
    assert (await shop.deliver(GOOD, x_stale=b"1")).status == 200
    assert shop.count("stale") == 1
    assert len(shop.recorded) == 1


async def test_an_unknown_scope_is_accepted_counted_and_named_once_in_the_log() -> None:
    shop = Shop()
    webhooks = Webhooks(shop, shop.metrics)
    headers = {b"content-type": JSON, b"x-secret": b"hunter2"}
    body = b'{"scope": "store/coupon/created", "id": 1}'
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await webhooks.receive(Request("POST", "/", "", headers, body, keep_alive=True), "live", "jones")
    assert [(line["log_level"], line["scope"]) for line in lines] == [("debug", "store/coupon/created")]
    assert (shop.count("unknown_scope"), shop.recorded) == (3, [])


async def test_what_cannot_be_recorded_is_not_acknowledged(shop: Shop) -> None:
    shop.trouble = True
    response = await shop.deliver(GOOD)
    assert response.status == 503
    assert dict(response.headers)[b"retry-after"] == b"5"
    assert shop.count("unavailable") == 1
    assert shop.count("recorded") is None


@pytest.mark.holds("E16")
@pytest.mark.parametrize(
    ("body", "headers", "trouble", "status", "fates"),
    [
        (GOOD, {}, False, 200, ["taken"]),
        (b'{"scope": "store/else", "id": 1}', {}, False, 200, ["taken"]),
        (b'{"scope": "cannot_view", "id": 1}', {}, False, 200, ["lost for good", "taken"]),
        (GOOD, {}, True, 503, [{Kind.PRODUCTS}]),
        (b"5", {}, False, 500, [set()]),
        (b'{"scope": "store/product/updated"}', {}, False, 400, ["lost for good"]),
        (GOOD, {"x_secret": b"a guess"}, False, 401, []),
    ],
)
async def test_what_becomes_of_verified_deliveries_is_told(
    shop: Shop, body: bytes, headers: dict[str, bytes], status: int, fates: list[object], *, trouble: bool
) -> None:
    """The kinds that our own trouble may have lost; nothing of what strangers send."""
    shop.trouble = trouble
    assert (await shop.deliver(body, "/webhooks/live/jones", **headers)).status == status
    assert shop.fates == fates
