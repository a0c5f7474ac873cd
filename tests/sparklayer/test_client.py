from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from daemon.errors import Blocked, Duplicate, Failure, Missing, Rejected, Retry, Side
from daemon.model import ExternalId, Lane, Secret
from daemon.sparklayer import SparkLayer
from daemon.sparklayer.failures import failure_of, lines_of, words_of
from daemon.sparklayer.operation import UNSEEN, Operation
from daemon.sparklayer.token import Token, read
from daemon.transport.http import Answer
from tests.each import each

PLAIN = Operation(name="plain", method="POST", answers=UNSEEN)
KEYED = Operation(name="keyed", method="POST", answers=UNSEEN, keyed=True, concurrent=True)


def expired_once(valid: str) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        good = request.headers["authorization"] == f"Bearer {valid}"
        return httpx.Response(200, json={"currency_code": "GBP"}) if good else httpx.Response(401)

    return answer


async def test_the_token_is_asked_for_once_and_kept(sparklayer: SparkLayer, fake: Any) -> None:
    for _ in range(3):
        await sparklayer.probe()
    assert fake.tokens == 1
    assert {request.headers["authorization"] for request in fake.requests} == {"Bearer token-1"}


async def test_the_token_is_renewed_before_it_expires(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    await sparklayer.probe()
    await trio.sleep(3530)
    await sparklayer.probe()
    await trio.sleep(20)
    await sparklayer.probe()
    assert [request.headers["authorization"][-1] for request in fake.requests] == ["1", "1", "2"]


async def test_fifty_callers_refused_at_once_share_one_new_token(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    await sparklayer.probe()
    fake.answers = [expired_once("token-2")] * 100
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(sparklayer.probe)
    assert fake.tokens == 2


async def test_a_second_401_blocks_after_exactly_one_new_token(sparklayer: SparkLayer, fake: Any) -> None:
    fake.answers = [httpx.Response(401), httpx.Response(401)]
    with pytest.raises(Blocked) as blocked:
        await sparklayer.probe()
    assert (blocked.value.side, blocked.value.reason) == (Side.SPARKLAYER, "credentials")
    assert (fake.tokens, len(fake.requests)) == (2, 2)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_key_blocks_everyone_who_waits_for_it_and_the_probe_tries_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock, status: int
) -> None:
    fake.token_answer = lambda _request: httpx.Response(
        status, json={"title": "Unknown client", "detail": "Unknown client"}
    )
    blocked: list[Blocked] = []

    async def call() -> None:
        try:
            await sparklayer.probe()
        except Blocked as failure:
            blocked.append(failure)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(call)
    assert [(failure.reason, failure.side) for failure in blocked] == [("credentials", Side.SPARKLAYER)] * 10
    assert fake.tokens == 1
    assert "Unknown client" in str(blocked[0])
    assert "secret" not in str(blocked[0])
    fake.token_answer = None
    await sparklayer.probe()


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (httpx.Response(401, json={"title": "Unauthorized", "detail": "Unauthorized"}), False),
        (httpx.Response(400, json={"error": "invalid_client"}), False),
        (httpx.Response(401, html="<p>Log in to the proxy"), None),
        (httpx.Response(403, json=["blocked"]), None),
        (httpx.Response(401), None),
        (httpx.Response(404, json={"title": "Not found", "detail": "Not found"}), None),
        (httpx.Response(503, json={"title": "Later", "detail": "Later"}), None),
        (httpx.Response(200, html="<p>Welcome"), None),
    ],
)
async def test_only_sparklayers_own_words_refuse_a_key(
    autojump_clock: trio.testing.MockClock, sparklayer: SparkLayer, fake: Any, answer: httpx.Response, known: object
) -> None:
    assert await sparklayer.knows_key() is True
    await trio.sleep(10_000)
    fake.token_answer = lambda _request: answer
    assert await sparklayer.knows_key() is known


async def test_a_caller_cancelled_while_asking_leaves_it_to_the_next(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    with trio.CancelScope() as scope:

        def cancelling(_request: httpx.Request) -> httpx.Response:
            scope.cancel()
            return httpx.Response(503)

        fake.token_answer = cancelling
        await sparklayer.probe()
    fake.token_answer = None
    await sparklayer.probe()
    assert fake.requests


DEEP = b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NO_TOKENS = [b"", b"<html>", b'{"access_token": 5}', b"[]", DEEP]
UNFIT = [
    b'{"access_token": "%s"}' % odd
    for odd in (b"", b"a\\nb", b"ab\\n", b"a\\u0000b", b"a b", b"\xc3\xa9", b"\xe2\x80\x9c")
]
"""Tokens that no header can carry."""


@pytest.mark.parametrize("body", NO_TOKENS + UNFIT, ids=lambda body: repr(body[:25]))
async def test_a_token_that_cannot_be_read_is_tried_again(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock, body: bytes
) -> None:
    fake.token_answer = lambda _request: httpx.Response(200, content=body)
    with pytest.raises(Retry) as failure:
        await sparklayer.probe()
    assert failure.value.reason in {"unreadable", "foreign_answer"}


def test_a_token_does_not_show_itself() -> None:
    token = read(Answer(200, {}, b'{"access_token": "hunter2"}'), 0.0, Secret("sent"))
    assert isinstance(token, Token)
    assert (token.text.reveal(), "hunter2" in repr(token)) == ("hunter2", False)


def test_a_refusal_that_quotes_the_secret_is_starred() -> None:
    refusal = read(
        Answer(401, {}, b'{"title": "No", "detail": "There is no client jones with hunter2"}'), 0.0, Secret("hunter2")
    )
    assert isinstance(refusal, Blocked)
    assert str(refusal) == "no access token: There is no client jones with ***"


def test_a_refusal_that_is_nested_without_end_is_nobodys() -> None:
    failure = failure_of(PLAIN, Answer(422, {}, DEEP))
    assert isinstance(failure, Retry)
    assert failure.reason == "foreign_answer"


async def test_passing_trouble_is_sat_out(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    fake.answers = [httpx.Response(503), httpx.Response(429, headers={"Retry-After": "1"})]
    await sparklayer.probe()
    assert [call.status for call in fake.calls] == [200, 503, 429, 200]


async def test_a_broken_network_is_a_fact_and_a_retry(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    def broken(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset by peer")

    await sparklayer.probe()
    fake.answers = [broken] * 3
    with pytest.raises(Retry) as failure:
        await sparklayer.probe()
    assert (failure.value.reason, failure.value.effect_unknown) == ("reset", True)
    assert [(call.api, call.status) for call in fake.calls[-3:]] == [("sparklayer", None)] * 3


async def test_a_dead_api_opens_the_breaker(
    sparklayer: SparkLayer, fake: Any, autojump_clock: trio.testing.MockClock
) -> None:
    await sparklayer.probe()
    fake.answers = [httpx.Response(503)] * 16
    for _ in range(4):
        with pytest.raises(Retry):
            await sparklayer.probe()
    with pytest.raises(Retry):
        await sparklayer.products.variants_of(ExternalId("1"), Lane.LIVE)
    assert sparklayer.limiter.statistics().breaker == "closed", "two requests may be at fault themselves"
    with pytest.raises(Blocked) as blocked:
        await sparklayer.products.variants_of(ExternalId("2"), Lane.LIVE)
    assert blocked.value.reason == "breaker_open"
    await trio.sleep(6)
    await sparklayer.probe()


PROBLEM = b'{"title": "Bad", "detail": "No such thing", "errors": [{"property": "sku", "message": "is empty"}]}'
LINES = b'[{"line": 0, "field": "price", "message": "too low"}, {"line": 3, "message": "unknown"}]'


@each(
    ("body", "words"),
    [
        (PROBLEM, "No such thing; sku: is empty"),
        (b'{"title": "Bad"}', "Bad"),
        (b'{"errors": [{"code": "x", "message": "is empty"}]}', "is empty"),
        (b'{"title": 5, "errors": "none"}', "HTTP status 400"),
        (LINES, "price: too low; unknown"),
        (b"", "HTTP status 400"),
        (b"<html><body>Bad gateway</body></html>", "HTTP status 400"),
        (b"\xff\xfe", "HTTP status 400"),
        (b'"text"', "HTTP status 400"),
        (b"[1, null, {}]", "HTTP status 400"),
        (b'{"detail": "two\\n  lines"}', "two lines"),
        (b'{"detail": "' + b"x" * 400 + b'"}', "x" * 299 + "…"),
    ],
)
def test_problem_details_of_every_shape_become_one_short_line(body: bytes, words: str) -> None:
    assert words_of(Answer(400, {}, body)) == words


def test_lines_of_a_pricing_refusal() -> None:
    assert lines_of(Answer(400, {}, LINES)) == {0: "price: too low", 3: "unknown"}
    assert lines_of(Answer(400, {}, PROBLEM)) == {}
    assert lines_of(Answer(400, {}, b'[{"line": true}, {"line": "1"}, 7]')) == {}


TAKEN = b'{"title": "No", "detail": "SKU A-1 is already taken"}'


@each(
    ("operation", "status", "body", "kind", "reason"),
    [
        (PLAIN, 200, b"", None, ""),
        (PLAIN, 204, b"", None, ""),
        (PLAIN, 200, b'{"id": 1}', None, ""),
        (PLAIN, 200, b"\n<!doctype html><title>Log in</title>", Retry, "foreign_answer"),
        (KEYED, 409, TAKEN, Duplicate, "duplicate"),
        (KEYED, 422, TAKEN, Duplicate, "duplicate"),
        (KEYED, 400, b'{"title": "No", "detail": "external_id must be unique"}', Duplicate, "duplicate"),
        (KEYED, 409, b"", Retry, "conflict"),
        (KEYED, 400, PROBLEM, Rejected, "http_400"),
        (PLAIN, 409, TAKEN, Rejected, "http_409"),
        (PLAIN, 404, b"", Missing, "missing"),
        (PLAIN, 403, b"", Blocked, "forbidden"),
        (PLAIN, 402, b"", Blocked, "forbidden"),
        (PLAIN, 301, b"", Retry, "foreign_answer"),
        (PLAIN, 413, b"", Rejected, "http_413"),
        (PLAIN, 422, PROBLEM, Rejected, "http_422"),
        (PLAIN, 429, b"", Retry, "http_429"),
        (PLAIN, 500, b"<html>", Retry, "http_500"),
        (PLAIN, 503, b"", Retry, "http_503"),
    ],
)
def test_each_status_has_its_class(
    operation: Operation, status: int, body: bytes, kind: type[Failure] | None, reason: str
) -> None:
    failure = failure_of(operation, Answer(status, {}, body))
    assert type(failure) is (kind or type(None))
    assert failure is None or failure.reason == reason
