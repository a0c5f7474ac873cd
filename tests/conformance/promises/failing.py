"""Promises about trouble: each failure has the class that names the next step, and none persists."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from daemon.entities import StoreFacts
from daemon.errors import Blocked, Failure, Retry, Side
from daemon.model import ExternalId, Kind, Lane
from daemon.platforms.base import STORE, Platform
from tests.conformance.harness import LONG, ReaderHarness, patiently, soon
from tests.conformance.promise import ALL, of, promise
from tests.conformance.transport import Act, always

LONGEST_CALL = 300.0
"""Seconds after which a store that does not answer has been given up."""

PASSING: tuple[tuple[httpx.Response | Exception, bool], ...] = (
    (httpx.ConnectError("refused"), False),
    (httpx.ConnectTimeout("nobody"), False),
    (httpx.ReadTimeout("slow"), True),
    (httpx.ReadError("reset"), True),
    (httpx.RemoteProtocolError("cut off"), True),
    (httpx.Response(500, json={"message": "oops"}), True),
    (httpx.Response(502, html="<h1>Bad Gateway</h1>"), True),
    (httpx.Response(503), True),
    (httpx.Response(429), False),
)
"""Passing trouble, each with true if the request may have been carried out nevertheless."""

NOT_AGREED = (
    httpx.Response(200, html="<h1>Maintenance</h1>"),
    httpx.Response(200, content=b'{"data": [{"id": 1'),
    httpx.Response(200, content=b"Warning: undefined index\n[]"),
    httpx.Response(200, content=b'"hello"'),
    httpx.Response(200, content=b"[" * 100_000),
    httpx.Response(200, content=b"\x00\xff\xfe"),
    httpx.Response(302, headers={"Location": "https://elsewhere.test/"}),
)

Call = Callable[[Platform], Awaitable[Any]]


def calls_of(kind: Kind, external_id: ExternalId) -> list[Call]:
    """Return each way of reading a kind."""
    return [
        lambda shop: shop.page(kind, None),
        lambda shop: shop.changed_since(kind, 0.0, None),
        lambda shop: shop.read(kind, [external_id], Lane.LIVE),
        lambda shop: shop.read_one(kind, external_id, Lane.LIVE),
        _facts,
    ]


async def failure_of(harness: ReaderHarness, call: Call, act: Act) -> Failure:
    """Make a call in trouble with an adapter of its own; return how it fails, and see that this does not last."""
    shop = harness.connect()
    harness.wire.meet(act)
    try:
        told = await soon(call(shop))
    except Failure as failure:
        harness.wire.meet(None)
        assert await patiently(lambda: call(shop)) is not None
        return failure
    raise AssertionError(f"no failure, but {told!r}")


@of(ALL)
async def trouble_that_passes_is_retried(harness: ReaderHarness, kind: Kind) -> None:
    """And whether the request may have been carried out is told."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    for call in calls_of(kind, external_id):
        for trouble, unknown in PASSING:
            failure = await failure_of(harness, call, always(trouble))
            assert isinstance(failure, Retry), (trouble, failure)
            assert failure.effect_unknown is unknown, trouble
            assert failure.reason


@of(ALL)
async def what_was_not_agreed_is_retried(harness: ReaderHarness, kind: Kind) -> None:
    """An answer that is none passes too: something on the way spoke, or the connection broke."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    for call in calls_of(kind, external_id):
        for trouble in NOT_AGREED:
            failure = await failure_of(harness, call, always(trouble))
            assert isinstance(failure, Retry), (trouble, trouble.content[:20], failure)


@promise
async def what_retry_after_asks_for_is_handed_on(harness: ReaderHarness) -> None:
    """In both of its forms."""
    asked = {"Date": "Mon, 23 Nov 2026 12:00:00 GMT", "Retry-After": "Mon, 23 Nov 2026 12:01:30 GMT"}
    for headers in ({"Retry-After": "90"}, asked):
        for status in (429, 503):
            failure = await failure_of(harness, _facts, always(httpx.Response(status, headers=headers)))
            assert isinstance(failure, Retry)
            assert failure.after == 90


@of(ALL)
async def void_credentials_block(harness: ReaderHarness, kind: Kind) -> None:
    """They are the merchant's to renew, cost no attempts, and are noticed by the probe; renewed, all goes on."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    for call in [*calls_of(kind, external_id), _probed]:
        shop = harness.connect()
        harness.stand.revoke()
        with pytest.raises(Blocked) as blocked:
            await soon(call(shop))
        assert (blocked.value.side, blocked.value.reason) == (Side.PLATFORM, "credentials")
        harness.stand.revoke()
        await soon(call(shop))
        await soon(shop.probe())


@of(ALL)
async def a_store_that_never_answers_is_given_up(harness: ReaderHarness, kind: Kind) -> None:
    """In bounded time, and what was asked may have been carried out."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]

    async def hang(_number: int, _request: httpx.Request) -> None:
        await trio.sleep_forever()

    for call in calls_of(kind, external_id):
        began = trio.current_time()
        failure = await failure_of(harness, call, hang)
        assert isinstance(failure, Retry)
        assert failure.effect_unknown
        assert trio.current_time() - began <= LONGEST_CALL


@promise
async def the_probe_says_how_it_is(harness: ReaderHarness) -> None:
    """One call; it passes when the store is well, and fails as anything else does."""
    harness.wire.meet(None)
    await harness.shop.probe()
    assert harness.wire.count == 1
    for trouble in (httpx.Response(503), httpx.ReadTimeout("slow"), httpx.Response(200, html="<h1>hello</h1>")):
        failure = await failure_of(harness, _probed, always(trouble))
        assert isinstance(failure, Retry)


async def _facts(shop: Platform) -> StoreFacts:
    return await shop.facts()


async def _probed(shop: Platform) -> bool:
    await shop.probe()
    return True


@of(ALL)
async def a_call_can_be_cancelled_anywhere(harness: ReaderHarness, kind: Kind) -> None:
    """While each of its requests is under way; nothing is left behind, and the next call works."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    destination = harness.stand.destinations[0]
    registering: list[Call] = [lambda shop: shop.ensure_webhooks(destination)] if kind is Kind.STORE else []
    for call in [*calls_of(kind, external_id), *registering]:
        harness.wire.meet(None)
        await soon(call(harness.connect()))
        for number in range(harness.wire.count):
            shop = harness.connect()
            await _cancelled(harness, partial(call, shop), number)
            assert shop.limiter.statistics().in_flight == 0
            assert not any(shop.limiter.statistics().waiting.values())
            await soon(call(shop))


async def _cancelled(harness: ReaderHarness, call: Callable[[], Awaitable[Any]], number: int) -> None:
    """Cancel a call while its request with this number is under way."""

    async def cancel(adopted: int, _request: httpx.Request) -> None:
        if adopted == number:
            scope.cancel()
            await trio.sleep_forever()

    harness.wire.meet(cancel)
    with trio.fail_after(LONG), trio.CancelScope() as scope:
        await call()
    harness.wire.meet(None)
    assert scope.cancelled_caught or not scope.cancel_called, "the cancellation was swallowed"


@of(ALL)
async def each_request_takes_its_turn(harness: ReaderHarness, kind: Kind) -> None:
    """Through the limiter that is shown, and told to whoever observes."""
    external_id = STORE if kind is Kind.STORE else harness.stand.add(kind, 2)[0]
    harness.wire.meet(None)
    for call in calls_of(kind, external_id):
        await soon(call(harness.shop))
    assert harness.wire.count > 0
    assert harness.shop.limiter.statistics().granted == harness.wire.count == len(harness.calls)
    shop = harness.connect()
    harness.wire.meet(always(httpx.Response(429)))
    try:
        await soon(shop.facts())
    except Retry:
        assert shop.limiter.statistics().refused >= 1
