"""A refusal without a body is believed only if more than one answer confirms it, at every operation."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from daemon.errors import Blocked, Failure, Missing, Rejected, Retry, Side
from daemon.model import ApiKey, Lane, Secret
from daemon.sparklayer.client import Client
from daemon.sparklayer.empty_refusals import BELIEVED_SECONDS, DOCUMENTED_SECONDS
from daemon.sparklayer.operation import NOBODY, Operation
from daemon.sparklayer.token import TOKEN, Tokens
from daemon.transport.client import ThrottledApi, ignore
from daemon.transport.http import Api
from daemon.transport.throttle import AdaptivePolicy, Limiter
from tests.each import each
from tests.sparklayer.test_own_words import OPERATIONS, PAGES, UNDOCUMENTED

pytestmark = pytest.mark.holds("A2")

CALLED = {name: operation for name, operation in OPERATIONS.items() if operation is not TOKEN}
NOT_FOUND = httpx.Response(404, json={"title": "Not found", "status": 404})
EMPTY = httpx.Response(404)
PAGE = httpx.Response(404, html="<h1>Not found</h1>")
WELL: dict[str, Any] = {"id": "1", "slug": "a", "type": "order", "pagination": {}, "last_full_sync": "2026-01-01"}
WHICH = {"customers": "getCustomer", "products": "getProduct", "purchases": "getPurchase"}


@define
class Service:
    """Answers control questions: `known` for a known id or the price lists, `nobody` for an impossible id."""

    refusal: httpx.Response | None = EMPTY
    known: httpx.Response = field(factory=lambda: httpx.Response(200, json=WELL))
    nobody: httpx.Response = EMPTY
    asked: list[str] = field(factory=list)
    page: bytes = b""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/auth/token":
            return httpx.Response(200, json={"access_token": "token"})
        if path == "/any":
            return self.refusal or httpx.Response(200 if self.page else 204, content=self.page)
        self.asked.append(path)
        return self.nobody if NOBODY in path or "no-such" in path else self.known


async def _known(_control: object, _other_than: str | None) -> str:
    return "42"


def _client(service: Service, known: Callable[..., Any] | None = _known) -> Client:
    api = Api("https://site.test", headers={}, transport=httpx.MockTransport(service))
    throttled_api = ThrottledApi(
        "sparklayer", api, Limiter(api="sparklayer", side=Side.SPARKLAYER, policy=AdaptivePolicy()), ignore
    )
    tokens = Tokens(throttled_api, ApiKey(client_id="id", client_secret=Secret("secret")))
    return Client(throttled_api, tokens, known) if known else Client(throttled_api, tokens)


async def _fail(client: Client, operation: Operation) -> Failure:
    with pytest.raises(Failure) as failure:
        await client.call(operation, "/any", Lane.LIVE)
    return failure.value


def _belief(operation: Operation) -> type[Failure]:
    return Missing if operation.may_miss else Retry


@each("operation", CALLED)
async def test_an_empty_404_is_the_apis_own_when_its_control_question_says_so(
    autojump_clock: MockClock, operation: Operation
) -> None:
    service = Service()
    client = _client(service)
    assert type(await _fail(client, operation)) is _belief(operation)
    if not operation.may_miss:
        return  # A creation is retried after any 404.
    assert service.asked == [operation.control.of("42"), operation.control.of(operation.control.nobody)]
    service.known = service.nobody = httpx.Response(503)
    await trio.sleep(BELIEVED_SECONDS - 60)
    assert type(await _fail(client, operation)) is Missing
    assert len(service.asked) == 2
    await trio.sleep(120)
    assert type(await _fail(client, operation)) is Retry


ODD = httpx.Response(404, json={"title": "Not Found", "status": 404, "traceId": "00-1"})


@each("operation", CALLED)
async def test_a_problem_with_unknown_members_needs_the_control_question_too(
    autojump_clock: MockClock, operation: Operation
) -> None:
    for nobody, believed in ((ODD, True), (EMPTY, False), (NOT_FOUND, False), (PAGE, False)):
        service = Service(refusal=ODD, nobody=nobody)
        failure = await _fail(_client(service), operation)
        assert type(failure) is (_belief(operation) if believed else Retry), nobody.content


@each("status", [400, 402, 403, 409, 410, 422])
@each("operation", CALLED)
async def test_another_refusal_with_unknown_members_is_not_believed_at_once(
    autojump_clock: MockClock, operation: Operation, status: int
) -> None:
    service = Service(refusal=httpx.Response(status, json={"title": "No", "status": status, "ray_id": "9d99"}))
    client = _client(service)
    for _ in range(3):
        assert type(await _fail(client, operation)) is Retry


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "nothing is found": {"known": EMPTY},
    "a page is found": {"known": httpx.Response(200, html="<h1>Sign in</h1>")},
    "another shape is found": {"known": httpx.Response(200, json={"message": "hello"})},
    "the service is down": {"known": httpx.Response(503)},
    "nobody is found": {"nobody": httpx.Response(200, json=WELL)},
    "nobody is missing in the API's own words": {"nobody": NOT_FOUND},
    "nobody is missing on a page": {"nobody": PAGE},
    "nobody is refused": {"nobody": httpx.Response(403)},
}


@each("answers", CONTRADICTIONS)
@each("operation", CALLED)
async def test_an_empty_404_is_not_believed_when_the_control_question_says_otherwise(
    autojump_clock: MockClock, operation: Operation, answers: dict[str, Any]
) -> None:
    client = _client(Service(**answers))
    for _ in range(6):
        failure = await _fail(client, operation)
        assert type(failure) is Retry
        assert failure.reason in {"empty_refusal", "missing", "http_503"}
        await trio.sleep(300)


@each("operation", CALLED)
async def test_a_site_without_a_known_id_is_asked_for_its_price_lists(
    autojump_clock: MockClock, operation: Operation
) -> None:
    service = Service()
    assert type(await _fail(_client(service, None), operation)) is _belief(operation)
    if operation.may_miss:
        assert service.asked[0] == "/api/v2/price-lists"


@each("kind", ["products", "customers", "purchases"])
async def test_the_id_that_was_found_last_is_the_known_one(autojump_clock: MockClock, kind: str) -> None:
    service = Service()
    client, operation = _client(service), CALLED[WHICH[kind]]
    await client.call(operation, operation.control.of("7"), Lane.LIVE)
    await _fail(client, operation)
    assert service.asked == [operation.control.of(one) for one in ("7", "7", NOBODY)]


@each("status", [400, 402, 403, 405, 409, 410, 413, 422])
@each("operation", CALLED)
async def test_another_empty_refusal_is_believed_at_the_fourth_try_ten_minutes_later(
    autojump_clock: MockClock, operation: Operation, status: int
) -> None:
    service = Service(refusal=httpx.Response(status))
    client, other = _client(service), CALLED["getStoreCurrency"]
    assert type(await _fail(client, operation)) is Retry
    await trio.sleep(700)
    assert type(await _fail(client, operation)) is Retry, "nothing else has succeeded since"
    service.known = httpx.Response(200, json={"currency_code": "GBP"})
    await client.call(other, "/other", Lane.LIVE)
    conflict = status == 409 and operation.concurrent
    kinds = (Retry,) if conflict else (Rejected, Blocked)
    assert isinstance(await _fail(client, operation), kinds)
    await trio.sleep(BELIEVED_SECONDS - 60)
    assert isinstance(await _fail(client, operation), kinds), "an hour is not over"
    await trio.sleep(2 * BELIEVED_SECONDS)
    assert type(await _fail(client, operation)) is Retry


@each("operation", CALLED)
async def test_a_success_between_makes_empty_refusals_odd_ones_unless_it_is_about_others(
    autojump_clock: MockClock, operation: Operation
) -> None:
    service = Service(refusal=httpx.Response(422), page=PAGES[operation.name])
    client = _client(service)
    await _fail(client, operation)
    service.refusal = None
    await client.call(operation, "/any", Lane.LIVE)
    await trio.sleep(700)
    service.refusal = httpx.Response(422)
    removes = operation.method == "DELETE"
    assert type(await _fail(client, operation)) is (Rejected if operation.bulk and not removes else Retry)


ODD_SUCCESSES = [
    (name, status, body)
    for name, operation in sorted(CALLED.items())
    if operation.answers.empty
    for status, body in [
        *([(200, b"[]"), (200, b"{}"), (204, b'{"updated": 1}')] if name in UNDOCUMENTED else []),
        *([] if operation.answers.any_status else [(200, b""), (201, b""), (202, b"")]),
    ]
]
"""Successes of operations that should have no body: with one, or with a status that is not documented."""
odd_successes = pytest.mark.parametrize(("name", "status", "body"), ODD_SUCCESSES)


def test_every_operation_without_a_body_is_in_the_table() -> None:
    without = {name for name, operation in CALLED.items() if operation.answers.empty}
    assert {name for name, *_ in ODD_SUCCESSES} == without


@odd_successes
@pytest.mark.holds("A1")
async def test_a_success_that_is_not_as_documented_is_believed_only_when_it_goes_on(
    autojump_clock: MockClock, name: str, status: int, body: bytes
) -> None:
    service = Service(refusal=httpx.Response(status, content=body))
    client, operation = _client(service), CALLED[name]
    for _ in range(2):
        assert (await _fail(client, operation)).reason == "undocumented_answer"
        await trio.sleep(400)
    service.known = httpx.Response(200, json={"currency_code": "GBP"})
    await client.call(CALLED["getStoreCurrency"], "/other", Lane.LIVE)
    assert (await client.call(operation, "/any", Lane.LIVE)).body == body
    await trio.sleep(10 * BELIEVED_SECONDS)
    assert (await client.call(operation, "/any", Lane.LIVE)).body == body, "it is the API's way"
    service.refusal = httpx.Response(204)
    await client.call(operation, "/any", Lane.LIVE)
    service.refusal = httpx.Response(status, content=body)
    assert (await _fail(client, operation)).reason == "undocumented_answer", "the API's way is another"


@odd_successes
@pytest.mark.holds("A1")
async def test_an_api_that_answered_as_documented_is_not_believed_to_answer_otherwise_for_an_hour(
    autojump_clock: MockClock, name: str, status: int, body: bytes
) -> None:
    service = Service(refusal=httpx.Response(204))
    client, operation = _client(service), CALLED[name]
    await client.call(operation, "/any", Lane.LIVE)
    service.refusal = httpx.Response(status, content=body)
    service.known = httpx.Response(200, json={"currency_code": "GBP"})
    for _ in range(8):
        await trio.sleep(DOCUMENTED_SECONDS / 9)
        assert (await _fail(client, operation)).reason == "undocumented_answer"
        await client.call(CALLED["getStoreCurrency"], "/other", Lane.LIVE)
    await trio.sleep(DOCUMENTED_SECONDS)
    for _ in range(2):
        await _fail(client, operation)
        await client.call(CALLED["getStoreCurrency"], "/other", Lane.LIVE)
        await trio.sleep(400)
    assert (await client.call(operation, "/any", Lane.LIVE)).body == body
