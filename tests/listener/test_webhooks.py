"""Answers to deliveries, and their time: no change is acknowledged before it is recorded."""

import hmac
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import pytest
import structlog
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.errors import StorageTrouble
from daemon.listener.http.messages import Request, Response
from daemon.listener.routes import Routes
from daemon.listener.webhooks import Endpoint, Webhooks
from daemon.model import Change, ConnectionId, ExternalId, Kind, Site
from daemon.observability.metrics import Metrics
from daemon.platforms.base import Delivery

SITE = Site("live", "jones")
JSON = b"application/json"


class Reader:
    """A platform's reader in small: a secret header, then {"scope", "id"}."""

    def verify(self, headers: Mapping[bytes, bytes], body: bytes) -> bool:
        assert isinstance(body, bytes)
        return hmac.compare_digest(headers.get(b"x-secret", b""), b"hunter2")

    def read(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivery:
        told = msgspec.json.decode(body)
        if "id" not in told:
            raise ValueError("data.id is missing")
        known = told["scope"] == "store/product/updated"
        changes = (Change(Kind.PRODUCTS, ExternalId(str(told["id"]))),) if known else ()
        return Delivery(changes=changes, scope=told["scope"], known=known, stale=b"x-stale" in headers)


@define
class Shop:
    """A connection whose webhooks are taken, and what was recorded of them."""

    metrics: Metrics = field(factory=Metrics)
    recorded: list[tuple[ConnectionId, Sequence[Change]]] = field(factory=list)
    trouble: bool = False
    fates: list[object] = field(factory=list)
    """Observed deliveries: "taken", or the kinds of one that failed by our fault."""

    async def record(self, connection_id: ConnectionId, changes: Sequence[Change]) -> None:
        if self.trouble:
            raise StorageTrouble("database is locked", reason="locked")
        self.recorded.append((connection_id, changes))

    async def deliver(self, body: bytes, path: str = "/webhooks/live/jones", **headers: bytes) -> Response:
        endpoint = Endpoint(connection_id=ConnectionId(7), reader=Reader())
        webhooks = Webhooks({SITE: endpoint}.get, self.record, self.metrics, self.taken, self.failed)
        routes = Routes.of(webhooks.routes(), self.metrics)
        given = {"content_type": JSON, "x_secret": b"hunter2", **headers}
        sent = {name.replace("_", "-").encode(): value for name, value in given.items()}
        return await routes.answer(Request("POST", path, "", sent, body, keep_alive=True))

    def taken(self, connection_id: ConnectionId) -> None:
        assert connection_id == 7
        self.fates.append("taken")

    def failed(self, connection_id: ConnectionId, kinds: Collection[Kind]) -> None:
        assert connection_id == 7
        self.fates.append(set(kinds))

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


@pytest.mark.parametrize("content_type", [JSON, b"application/json; charset=utf-8", b"Application/JSON"])
async def test_a_good_delivery_is_recorded_and_answered_empty(shop: Shop, content_type: bytes) -> None:
    response = await shop.deliver(GOOD, content_type=content_type)
    assert (response.status, response.body) == (200, b"")
    assert shop.recorded == [(7, (Change(Kind.PRODUCTS, ExternalId("42")),))]
    assert shop.count("recorded") == 1
    assert shop.count("stale") == 0


@pytest.mark.parametrize(
    ("change", "status", "outcome"),
    [
        ({"path": "/webhooks/live/nobody"}, 404, "unknown_site"),
        ({"path": "/webhooks/test/jones"}, 404, "unknown_site"),
        ({"content_type": b"text/plain"}, 415, "unsupported"),
        ({"content_type": b""}, 415, "unsupported"),
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


async def test_the_secret_is_asked_for_before_the_body_is_read(shop: Shop) -> None:
    response = await shop.deliver(b"{", x_secret=b"wrong")
    assert response.status == 401
    assert b'"detail":""' in response.body


async def test_a_stale_delivery_is_counted_and_recorded(shop: Shop) -> None:
    assert (await shop.deliver(GOOD, x_stale=b"1")).status == 200
    assert shop.count("stale") == 1
    assert len(shop.recorded) == 1


async def test_an_unknown_scope_is_accepted_and_counted(shop: Shop) -> None:
    assert (await shop.deliver(b'{"scope": "store/coupon/created", "id": 1}')).status == 200
    assert shop.count("unknown_scope") == 1
    assert shop.recorded == []


async def test_an_unknown_scope_is_named_once_in_the_log() -> None:
    shop = Shop()
    endpoint = Endpoint(connection_id=ConnectionId(7), reader=Reader())
    webhooks = Webhooks(lambda _site: endpoint, shop.record, shop.metrics)
    headers = {b"content-type": JSON, b"x-secret": b"hunter2"}
    body = b'{"scope": "store/coupon/created", "id": 1}'
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await webhooks.receive(Request("POST", "/", "", headers, body, keep_alive=True), "live", "jones")
    assert [(line["log_level"], line["scope"]) for line in lines] == [("debug", "store/coupon/created")]


async def test_what_cannot_be_recorded_is_not_acknowledged(shop: Shop) -> None:
    shop.trouble = True
    response = await shop.deliver(GOOD)
    assert response.status == 503
    assert dict(response.headers)[b"retry-after"] == b"5"
    assert shop.count("unavailable") == 1
    assert shop.count("recorded") is None


REFUSALS: dict[str, dict[str, Any]] = {
    "refused": {"headers": {b"content-type": JSON, b"x-secret": b"wrong-secret"}},
    "malformed": {"body": b'{"scope": "personal-text"}'},
    "unsupported": {"headers": {b"content-type": b"text/personal"}},
    "unknown_site": {"site": "personal-site"},
}


@pytest.mark.holds("O8")
@pytest.mark.parametrize("reason", REFUSALS)
async def test_refusals_leave_one_line_a_minute_without_content(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    """For each connection; one that is not known is not named, since anybody may ask for any."""
    shop, asked = (
        Shop(),
        {"headers": {b"content-type": JSON, b"x-secret": b"hunter2"}, "body": GOOD, **REFUSALS[reason]},
    )
    endpoint = Endpoint(connection_id=ConnectionId(7), reader=Reader())
    sites = {Site("live", "jones"): endpoint, Site("test", "jones"): endpoint}
    webhooks = Webhooks(sites.get, shop.record, shop.metrics)

    async def refuse(env: str, times: int) -> None:
        for _ in range(times):
            request = Request("POST", "/", "", asked["headers"], asked["body"], keep_alive=True)
            response = await webhooks.receive(request, env, str(asked.get("site", "jones")))
            assert response.status >= 400

    known = reason != "unknown_site"
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as lines:
        await refuse("live", 1000)
        await refuse("test", 1 if known else 0)
        await trio.sleep(61)
        await refuse("live", 2)
    places = ["live/jones", "test/jones", "live/jones"] if known else [None, None]
    assert [(line["event"], line["log_level"], line["reason"]) for line in lines] == [
        ("webhooks are refused", "warning", reason) for _ in places
    ]
    assert [line.get("site") for line in lines] == places
    assert [line["times"] for line in lines] == ([1, 1, 1000] if known else [1, 1000])
    assert "personal" not in str(lines)
    assert "secret" not in str(lines)
    assert caplog.records == []


@pytest.mark.holds("E16")
@pytest.mark.parametrize(
    ("body", "headers", "trouble", "status", "fates"),
    [
        (GOOD, {}, False, 200, ["taken"]),
        (b'{"scope": "store/else", "id": 1}', {}, False, 200, ["taken"]),
        (GOOD, {}, True, 503, [{Kind.PRODUCTS}]),
        (b"5", {}, False, 500, [set()]),
        (b'{"scope": "store/product/updated"}', {}, False, 400, []),
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
